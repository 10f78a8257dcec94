import { createSecretKey } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { contactsOfGruu, contactWithGruus, type Gruu, gruuIdentity, makeGruus, readGruu } from '#nodes/scscf/gruu';
import { GRUU_SECRETS, gruuSecret } from '#nodes/scscf/gruu-routing';
import { type Binding, makeBinding, type Registration } from '#nodes/scscf/registration';
import { scscfTables } from '#nodes/scscf/scscf';
import { ParseFailure } from '#sip/errors';
import { parseContact } from '#sip/header/contact';
import { unquote } from '#sip/header/token';
import { parseUri } from '#sip/uri/uri';
import { openMemoryStore } from '#store/memory-store';
import { profileXml } from '../../fixtures/test-hss.ts';
import { HomeNetwork, type RegisterOptions } from './home-network.ts';

const phone = 'urn:gsma:imei:35-1';
const desk = 'urn:uuid:f81d4fae';
const secret = createSecretKey(Buffer.alloc(32, 7));

const bound = (contact: string, callId = 'c'): Binding =>
  makeBinding({ impi: 'a@x', contact, path: '', callId, cseq: 1, expiresAtMs: 1000 })!;
const withInstance = (urn: string, callId = 'c') => bound(`<sip:a@10.0.0.1>;+sip.instance="<${urn}>"`, callId);

const read = (text: string, key = secret) => readGruu({ requestUri: text, uri: parseUri(text) }, 'ims.test', key);
const gruuOf = (text: string): Gruu => {
  const gruu = read(text);
  if (gruu === null || gruu instanceof ParseFailure) throw new Error(`no GRUU: ${text}`);
  return gruu;
};

describe('making and reading', () => {
  it('S-41 makes a public GRUU of identity and instance, escaped', () => {
    const make = (urn: string) => makeGruus(withInstance(urn), 'sip:a@ims.test', 'ims.test', secret)!.publicGruu;
    expect(make(phone)).toBe(`sip:a@ims.test;gr=${phone}`);
    expect(make('urn:x;y=é')).toBe('sip:a@ims.test;gr=urn:x%3By%3D%E9');
    const found = contactsOfGruu(gruuOf(make('urn:x;y=é')), [withInstance(phone), withInstance('urn:x;Y=é')]);
    expect(found).toHaveLength(1);
  });

  it('S-41 makes another temporary GRUU each time, which says nothing and is read with the secret only', () => {
    const binding = withInstance(phone);
    const make = () => makeGruus(binding, 'sip:a@ims.test', 'ims.test', secret)!.temporaryGruu;
    const [one, two] = [make(), make()];
    expect(one).toMatch(/^sip:tgruu\.[\w-]{70,90}@ims\.test;gr$/);
    expect(two).not.toBe(one);
    for (const text of [one, two]) {
      expect(gruuOf(text).impu).toBe('sip:a@ims.test');
      expect(contactsOfGruu(gruuOf(text), [withInstance(desk), binding])).toEqual([binding]);
    }
    expect(read(one, createSecretKey(Buffer.alloc(32, 8)))).toBeInstanceOf(ParseFailure);
  });

  it('S-41 keeps older temporary GRUUs for the Call-ID they were made with', () => {
    const gruu = gruuOf(makeGruus(withInstance(phone), 'sip:a@ims.test', 'ims.test', secret)!.temporaryGruu);
    expect(contactsOfGruu(gruu, [withInstance(phone)])).toHaveLength(1);
    expect(contactsOfGruu(gruu, [withInstance(phone, 'other')])).toBeNull();
    expect(contactsOfGruu(gruu, [withInstance(desk), bound('<sip:a@10.0.0.1>')])).toEqual([]);
    const flows = [withInstance(phone, 'other'), withInstance(phone)];
    expect(contactsOfGruu(gruu, flows)).toEqual(flows);
  });

  it('S-41 refuses what only looks like a temporary GRUU', () => {
    const { temporaryGruu } = makeGruus(withInstance(phone), 'sip:a@ims.test', 'ims.test', secret)!;
    const changed = temporaryGruu
      .replace(/(.)@/, (_, last) => `${last === 'A' ? 'Q' : 'A'}@`)
      .replace('tgruu.', 'tgruu.Z');
    for (const text of [
      changed,
      temporaryGruu.replace('ims.test', 'else.test'),
      temporaryGruu.replace('tgruu.', ''),
      'sip:tgruu.@ims.test;gr',
      `sip:tgruu.${'A'.repeat(2000)}@ims.test;gr`,
      `sip:tgruu.${'A'.repeat(60)}@ims.test;gr`,
      'sip:tgruu.!!!!~~~~@ims.test;gr',
      'sip:ims.test;gr',
    ]) {
      expect(read(text), text).toBeInstanceOf(ParseFailure);
    }
  });

  it('S-41 takes other URIs for none', () => {
    for (const text of ['sip:a@ims.test', 'sip:a@ims.test;grx=1', 'tel:+1;gr', 'sip:a;gr@ims.test', 'garbage']) {
      expect(read(text), text).toBeNull();
    }
  });

  it('S-41 gives none without an instance, for one too long, and for an emergency contact', () => {
    const make = (binding: Binding, impu = 'sip:a@ims.test') => makeGruus(binding, impu, 'ims.test', secret);
    expect(make(bound('<sip:a@10.0.0.1>'))).toBeNull();
    expect(make(withInstance(''))).toBeNull();
    expect(make(withInstance(`urn:${'x'.repeat(300)}`))).toBeNull();
    expect(make(withInstance(phone), `sip:${'a'.repeat(300)}@ims.test`)).toBeNull();
    expect(make(bound(`<sip:a@10.0.0.1;sos>;+sip.instance="<${phone}>"`))).toBeNull();
  });

  it('S-41 names the registered sip identity, for a tel one the default, and none for a barred one', () => {
    const identity = (impu: string, barred = false) => ({
      impu,
      uri: impu,
      barred,
      wildcard: impu.includes('!'),
      alias: 1,
      displayName: '',
    });
    const identities = ['sip:!.*!@x', 'sip:one@x', 'sip:two@x', 'tel:+1'].map((impu) => identity(impu));
    const registration: Registration = {
      key: 'sip:one@x',
      identities: [...identities, identity('sip:barred@x', true)],
      charging: { ccf: '', ecf: '' },
      bindings: [],
    };
    expect(gruuIdentity(registration, 'sip:two@x')).toBe('sip:two@x');
    expect(gruuIdentity(registration, 'tel:+1')).toBe('sip:one@x');
    expect(gruuIdentity(registration, 'sip:barred@x')).toBeNull();
    expect(gruuIdentity(registration, 'sip:else@x')).toBeNull();
    expect(gruuIdentity({ ...registration, identities: [identity('tel:+1')] }, 'tel:+1')).toBeNull();
  });

  it('S-36 S-41 writes GRUUs into a Contact in the place of what the UE wrote there', () => {
    const gruus = { publicGruu: 'sip:a@x;gr=1', temporaryGruu: 'sip:t@x;gr' };
    const contact = '<sip:a@10.0.0.1>;pub-gruu="evil";q=1;TEMP-GRUU="evil"';
    expect(contactWithGruus(contact, gruus)).toBe(
      '<sip:a@10.0.0.1>;q=1;pub-gruu="sip:a@x;gr=1";temp-gruu="sip:t@x;gr"',
    );
    expect(contactWithGruus(contact, null)).toBe('<sip:a@10.0.0.1>;q=1');
  });

  it('S-41 keeps one secret per store, and replaces a damaged one', () => {
    const store = openMemoryStore(scscfTables);
    const first = gruuSecret(store);
    expect(first.symmetricKeySize).toBe(32);
    expect(gruuSecret(store).equals(first)).toBe(true);
    store.put(GRUU_SECRETS, 'temporary', Buffer.alloc(3));
    expect(gruuSecret(store).symmetricKeySize).toBe(32);
  });
});

describe('registered', () => {
  let net: HomeNetwork;
  beforeEach(() => {
    net = new HomeNetwork();
    net.hss.subscribers.set('desk@ims.test', { profile: profileXml('sip:bob@ims.test', 'tel:+15550002') });
  });
  afterEach(() => {
    expect(net.harness.failures).toEqual([]);
    net.stop();
  });

  const toScscf = 'Route: <sip:127.0.0.1:6060;lr>';
  const mine = (urn: string, host: string) => `<sip:bob@${host}:5060>;expires=3600;+sip.instance="<${urn}>"`;
  const supported = { lines: ['Supported: gruu'] };
  const bobs: RegisterOptions = { impi: 'bob@ims.test', contact: mine(phone, '10.0.0.2'), ...supported };
  const desks: RegisterOptions = {
    impi: 'desk@ims.test',
    impu: 'sip:bob@ims.test',
    callId: 'd',
    contact: mine(desk, '10.0.0.3'),
    ...supported,
  };

  const granted = (value: string) => {
    const contact = parseContact(value);
    if (contact instanceof ParseFailure) throw new Error(contact.reason);
    const get = (name: string) => unquote(contact.parameters.get(name) ?? '');
    return { pub: get('pub-gruu'), temp: get('temp-gruu') };
  };
  const registerBob = async (more: RegisterOptions = {}) => {
    const ok = await net.registered({ ...bobs, ...more });
    return granted(ok.all('Contact').find((value) => value.includes('10.0.0.2'))!);
  };
  const targets = async (uri: string) => {
    const sent = await net.send('MESSAGE', uri, [toScscf]);
    return sent.map((message) => (message.method === '' ? message.status : message.requestUri));
  };

  it('S-36 S-41 gives GRUUs to contacts with an instance when the UE supports them', async () => {
    const { pub, temp } = await registerBob();
    expect(pub).toBe(`sip:bob@ims.test;gr=${phone}`);
    expect(temp).toMatch(/^sip:tgruu\.[\w-]+@ims\.test;gr$/);
    const again = await registerBob({ cseq: 3 });
    expect(again.pub).toBe(pub);
    expect(again.temp).not.toBe(temp);
  });

  it('S-36 gives none without support, without an instance, and to a barred identity', async () => {
    const contactOf = async (options: RegisterOptions) => (await net.registered(options)).header('Contact');
    expect(await contactOf({ ...bobs, lines: [] })).not.toContain('gruu');
    expect(await contactOf({ ...supported, callId: 'a' })).not.toContain('gruu');
    net.hss.subscribers.set('al@ims.test', { profile: profileXml('!sip:al@ims.test', 'sip:other@ims.test') });
    const contact = `<sip:al@10.0.0.1>;+sip.instance="<${desk}>";pub-gruu="sip:evil@ims.test;gr=x"`;
    expect(await contactOf({ ...supported, impi: 'al@ims.test', callId: 'b', contact })).not.toContain('gruu');
  });

  it('S-41 S-120 sends a request for a GRUU to its instance only, and says what was addressed', async () => {
    const { pub, temp } = await registerBob();
    await net.registered(desks);
    expect((await targets('sip:bob@ims.test')).sort()).toEqual(['sip:bob@10.0.0.2:5060', 'sip:bob@10.0.0.3:5060']);
    for (const uri of [pub, temp, pub.replaceAll(':', '%3a').replace('sip%3a', 'sip:')]) {
      const [message, ...others] = await net.send('MESSAGE', uri, [toScscf]);
      expect([message!.requestUri, others.length], uri).toEqual(['sip:bob@10.0.0.2:5060', 0]);
      expect(message!.header('P-Called-Party-ID')).toBe(`<${uri}>`);
      expect(message!.header('Route')).toBe('<sip:term@127.0.0.1:5070;lr>');
    }
    expect(await targets(`sip:bob@ims.test;gr=${desk}`)).toEqual(['sip:bob@10.0.0.3:5060']);
  });

  it('S-41 reaches every flow of an instance', async () => {
    const flow = (host: string, id: number) => `${mine(phone, host)};reg-id=${id}`;
    const { pub } = await registerBob({ contact: flow('10.0.0.2', 1) });
    await net.registered({ ...bobs, cseq: 5, contact: flow('10.0.0.4', 2) });
    const [first] = await net.send('INVITE', pub, [toScscf]);
    net.harness.answer(first!, 430);
    const next = net.harness.take().find((message) => message.method === 'INVITE');
    expect([first!.requestUri, next!.requestUri].sort()).toEqual(['sip:bob@10.0.0.2:5060', 'sip:bob@10.0.0.4:5060']);
  });

  it('S-41 answers 480 while the instance has no contact, 404 for a GRUU that nobody gave', async () => {
    const { pub, temp } = await registerBob();
    await net.registered(desks);
    await net.registered({ ...bobs, cseq: 5, contact: mine(phone, '10.0.0.2').replace('=3600', '=0') });
    expect([await targets(pub), await targets(temp)]).toEqual([[480], [480]]);
    expect(await targets('sip:carol@ims.test;gr=urn:x')).toEqual([480]);
    expect(await targets('sip:tgruu.x@ims.test;gr')).toEqual([404]);
    expect(await targets('sip:bob@ims.test;gr')).toEqual([404]);
    expect(net.harness.refusals.slice(-5)).toEqual([
      'no-contact',
      'no-contact',
      'callee-not-registered',
      'unknown-gruu',
      'unknown-gruu',
    ]);
  });

  it('S-41 keeps older temporary GRUUs through refreshes, ends them with a new Call-ID', async () => {
    const first = await registerBob();
    await registerBob({ cseq: 3 });
    expect(await targets(first.temp)).toEqual(['sip:bob@10.0.0.2:5060']);
    const restarted = await registerBob({ callId: 'reg-new' });
    expect([await targets(first.temp), await targets(first.pub)]).toEqual([[404], ['sip:bob@10.0.0.2:5060']]);
    expect(await targets(restarted.temp)).toEqual(['sip:bob@10.0.0.2:5060']);
    expect(net.harness.refusals).toEqual(['unknown-gruu']);
  });

  it('S-41 reads temporary GRUUs after a restart, and in any worker', async () => {
    const { temp } = await registerBob();
    const { store } = net;
    net.stop();
    net = new HomeNetwork({}, store);
    expect(await targets(temp)).toEqual(['sip:bob@10.0.0.2:5060']);
  });

  describe('within dialogs', () => {
    const to = 'To: <sip:bob@ims.test>;tag=b';
    const own = 'Route: <sip:mt@127.0.0.1:6060;lr>';
    const onwards = 'Route: <sip:mt@127.0.0.1:6060;lr>, <sip:tok@127.0.0.1:5071;lr>';

    it('S-41 puts the contact in the place of a GRUU and keeps the Route', async () => {
      const { pub, temp } = await registerBob();
      await net.registered(desks);
      for (const uri of [pub, temp]) {
        for (const method of ['BYE', 'ACK']) {
          const [sent] = await net.send(method, uri, [to, onwards]);
          expect([sent!.method, sent!.requestUri, sent!.to]).toEqual([
            method,
            'sip:bob@10.0.0.2:5060',
            'udp 127.0.0.1:5071',
          ]);
          expect(sent!.all('Route')).toEqual(['<sip:tok@127.0.0.1:5071;lr>']);
          expect(sent!.header('P-Called-Party-ID')).toBeNull();
        }
      }
    });

    it('S-41 takes the Path of the contact when no Route is left', async () => {
      const { pub } = await registerBob();
      const [bye] = await net.send('BYE', pub, [to, own]);
      expect([bye!.requestUri, bye!.to, bye!.header('Route')]).toEqual([
        'sip:bob@10.0.0.2:5060',
        'udp 127.0.0.1:5070',
        '<sip:term@127.0.0.1:5070;lr>',
      ]);
    });

    it('S-41 takes the best contact of the instance, one that is still good', async () => {
      const flow = (host: string, id: number, more: string) =>
        `<sip:bob@${host}>;reg-id=${id};+sip.instance="<${phone}>";${more}`;
      await net.registered({ ...bobs, contact: flow('10.0.0.5', 1, 'expires=60') });
      await net.registered({ ...bobs, cseq: 5, contact: flow('10.0.0.6', 2, 'expires=600;q=0.5') });
      await net.registered({ ...bobs, cseq: 9, contact: flow('10.0.0.7', 3, 'expires=600;q=0.7') });
      const target = async () => (await net.send('BYE', `sip:bob@ims.test;gr=${phone}`, [to, own]))[0]!.requestUri;
      expect(await target()).toBe('sip:bob@10.0.0.5');
      net.harness.advance(65_000);
      net.harness.take();
      expect(await target()).toBe('sip:bob@10.0.0.7');
    });

    it('S-41 refuses an instance without contact and what is void, and drops such an ACK', async () => {
      const { temp } = await registerBob();
      await registerBob({ callId: 'reg-new' });
      const status = async (uri: string, route: string) => (await net.send('BYE', uri, [to, route]))[0]!.status;
      expect(await status(`sip:bob@ims.test;gr=${desk}`, onwards)).toBe(480);
      expect(await status(temp, onwards)).toBe(404);
      expect(await status('sip:tgruu.x@ims.test;gr', own)).toBe(404);
      expect(await status('sip:carol@ims.test;gr=urn:x', own)).toBe(480);
      expect(await net.send('ACK', temp, [to, onwards])).toEqual([]);
    });

    it('S-41 leaves a GRUU to the Route when it is not known here', async () => {
      for (const uri of ['sip:carol@ims.test;gr=urn:x', 'sip:tgruu.x@ims.test;gr', 'sip:carol@else.test;gr=urn:x']) {
        const [bye] = await net.send('BYE', uri, [to, onwards]);
        expect([bye!.requestUri, bye!.to]).toEqual([uri, 'udp 127.0.0.1:5071']);
      }
    });
  });
});
