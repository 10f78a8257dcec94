import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { multimediaAuthAnswer, serverAssignmentAnswer } from '#diameter/cx/cx-server';
import { baseResult, experimentalResult } from '#diameter/result';
import { profileXml } from '../../fixtures/test-hss.ts';
import { config, HomeNetwork, pcscf } from './home-network.ts';

let net: HomeNetwork;
beforeEach(() => {
  net = new HomeNetwork();
});
afterEach(() => {
  expect(net.harness.failures).toEqual([]);
  net.stop();
});

const contact = '<sip:alice@10.0.0.1:5060>;expires=3600';
const types = () => net.hss.sars.map((sar) => sar.type);

describe('first registration', () => {
  it('S-20 S-36 registers after the challenge and answers with all that the path back needs', async () => {
    const verbatim = '<sip:alice@10.0.0.1:5060>;expires=7200;+sip.instance="<urn:gsma:imei:1>";Audio;+g.3gpp.x="a,b"';
    const ok = await net.registered({ contact: verbatim });
    expect(ok.status).toBe(200);
    expect(net.hss.sars).toMatchObject([
      {
        impi: 'alice@ims.test',
        impus: ['sip:alice@ims.test'],
        serverName: 'sip:127.0.0.1:6060',
        type: 1,
        userDataAlreadyAvailable: false,
      },
    ]);
    expect(ok.all('Contact')).toEqual([verbatim]);
    expect(ok.header('Service-Route')).toBe('<sip:orig@127.0.0.1:6060;lr>');
    expect(ok.header('P-Associated-URI')).toBe('<sip:alice@ims.test>, <tel:+15550001>');
    expect(ok.header('Path')).toBe('<sip:term@127.0.0.1:5070;lr>');
    expect(ok.header('P-Charging-Vector')).toBe('icid-value=reg0a1b;orig-ioi=visited.test;term-ioi=ims.test');
    expect(ok.header('P-Charging-Function-Addresses')).toBe('ccf="aaa://cdf.ims.test"');
    expect(ok.header('Expires')).toBeNull();
    expect(ok.header('Authentication-Info')).toBeNull();
    expect(net.harness.logic.registrations()).toBe(1);
  });

  it('S-36 names charging functions only when the HSS gave some', async () => {
    const ok = await net.registered({ impi: 'bob@ims.test' });
    expect(ok.status).toBe(200);
    expect(ok.header('P-Charging-Function-Addresses')).toBeNull();
  });

  it('S-42 has the registration stored before the 200 leaves, whoever reads the store next', async () => {
    await net.registered();
    const { store } = net;
    net.stop();
    net = new HomeNetwork({}, store);
    const again = await net.registered({ callId: 'reg-2' });
    expect(again.status).toBe(200);
    expect(types()).toEqual([]);
  });

  it('S-31 echoes the Path in its order, and registers without one', async () => {
    const path = '<sip:one@127.0.0.1:5070;lr>, <sip:two@127.0.0.1:5071;lr>';
    expect((await net.registered({ path })).header('Path')).toBe(path);
    const bare = await net.registered({ impi: 'bob@ims.test', callId: 'bare', path: '' });
    expect([bare.status, bare.header('Path')]).toEqual([200, null]);
    const [invite] = await net.send('INVITE', 'sip:bob@ims.test', ['Route: <sip:127.0.0.1:6060;lr>']);
    expect([invite!.header('Route'), invite!.requestUri, invite!.to]).toEqual([
      null,
      'sip:bob@10.0.0.1:5060',
      'udp 10.0.0.1:5060',
    ]);
  });

  it('S-24 S-27 takes the identities of all service profiles, the default one first, with display names', async () => {
    const identity = (text: string, more = '') =>
      `<PublicIdentity><Identity>${text}</Identity>${more}</PublicIdentity>`;
    net.hss.subscribers.set('alice@ims.test', {
      profile: `<IMSSubscription><PrivateID>x</PrivateID><ServiceProfile>${identity('sip:barred@ims.test', '<BarringIndication>1</BarringIndication>')}${identity('tel:+15550001')}</ServiceProfile><ServiceProfile>${identity('sip:alice@ims.test', '<Extension><Extension><Extension><DisplayName>Alice "A"</DisplayName></Extension></Extension></Extension>')}</ServiceProfile></IMSSubscription>`,
    });
    const ok = await net.registered();
    expect(ok.header('P-Associated-URI')).toBe('<tel:+15550001>, "Alice \\"A\\"" <sip:alice@ims.test>');
  });

  it('S-25 lets a barred identity register when another one is not barred', async () => {
    net.hss.subscribers.set('alice@ims.test', { profile: profileXml('!sip:alice@ims.test', 'tel:+15550001') });
    const ok = await net.registered();
    expect(ok.status).toBe(200);
    expect(ok.header('P-Associated-URI')).toBe('<tel:+15550001>');
  });

  it('S-25 refuses when every identity is barred, and gives the assignment back', async () => {
    net.hss.subscribers.set('alice@ims.test', { profile: profileXml('!sip:alice@ims.test', '!tel:+15550001') });
    expect((await net.registered()).status).toBe(403);
    expect(net.harness.refusals).toEqual(['all-barred']);
    expect(types()).toEqual([1, 8]);
    expect(net.harness.logic.registrations()).toBe(0);
  });

  it('S-22 refuses without a profile and with an unreadable one', async () => {
    net.hss.subscribers.set('alice@ims.test', { profile: '<IMSSubscription>' });
    expect((await net.registered()).status).toBe(500);
    net.hss.subscribers.set('alice@ims.test', { profile: '' });
    expect((await net.registered({ callId: 'reg-2' })).status).toBe(500);
    expect(net.harness.refusals).toEqual(['profile-unusable', 'profile-missing']);
    expect(types()).toEqual([1, 8, 1, 8]);
  });

  it('S-22 refuses as the HSS does, and gives up what is too much data', async () => {
    const refused = async (result: ReturnType<typeof baseResult>, callId: string) => {
      const challenge = await net.register({ callId });
      net.hss.script.push(serverAssignmentAnswer({ result }));
      return net.register({ callId, cseq: 2, authorization: net.credentials(challenge) });
    };
    expect((await refused(experimentalResult(5001), 'c1')).status).toBe(403);
    expect((await refused(experimentalResult(5005), 'c2')).status).toBe(500);
    expect((await refused(baseResult(3004), 'c3')).header('Retry-After')).toBe('5');
    expect((await refused(experimentalResult(5008), 'c4')).status).toBe(500);
    expect(types().at(-1)).toBe(11);
    expect(net.harness.logic.registrations()).toBe(0);
  });

  it('S-22 answers 504 when the HSS does not answer the SAR', async () => {
    const challenge = await net.register();
    net.hss.script.push('silence');
    net.harness.receive(net.registerText({ cseq: 2, authorization: net.credentials(challenge) }), pcscf);
    await net.settle();
    await net.loseAnswers();
    expect(net.harness.take().at(-1)!.status).toBe(504);
    expect(net.harness.refusals).toEqual(['hss-timeout']);
  });

  it('S-32 lets two private identities share a public one', async () => {
    const profile = profileXml('sip:alice@ims.test', 'tel:+15550001');
    net.hss.subscribers.set('tablet@ims.test', { profile });
    await net.registered();
    const tablet = { impi: 'tablet@ims.test', impu: 'sip:alice@ims.test', callId: 'reg-t' };
    const ok = await net.registered(tablet);
    expect(ok.all('Contact')).toHaveLength(2);
    expect(net.hss.sars).toMatchObject([
      { impi: 'alice@ims.test', type: 1, userDataAlreadyAvailable: false },
      { impi: 'tablet@ims.test', type: 1, userDataAlreadyAvailable: true },
    ]);
    const gone = await net.registered({ ...tablet, callId: 'reg-u', contact: '*', lines: ['Expires: 0'] });
    expect(gone.all('Contact')).toEqual([contact]);
    expect(net.hss.sars.at(-1)).toMatchObject({ impi: 'tablet@ims.test', type: 5 });
    expect(net.harness.logic.registrations()).toBe(1);
  });

  it('S-01 registers a tel identity', async () => {
    const ok = await net.registered({ impu: 'tel:+1-555-0001' });
    expect(ok.status).toBe(200);
    expect(net.hss.sars[0]).toMatchObject({ impus: ['tel:+15550001'] });
  });
});

describe('what a REGISTER may not be', () => {
  it('S-01 refuses a sender that is not trusted, a foreign domain and a user name that is none', async () => {
    net.harness.receive(net.registerText({}), 'udp 192.0.2.1:5060');
    expect(net.harness.takeOne().status).toBe(403);
    expect((await net.register({ impu: 'sip:alice@else.test' })).status).toBe(404);
    expect((await net.register({ impi: 'alice', impu: 'sip:alice@ims.test' })).status).toBe(400);
    expect(net.harness.refusals).toEqual(['untrusted-peer', 'foreign-domain', 'bad-identity']);
    expect(net.hss.mars).toEqual([]);
  });

  it('S-30 answers 423 to a short interval before anything else happens', async () => {
    const brief = await net.register({ contact: '<sip:alice@10.0.0.1>;expires=59' });
    expect(brief.status).toBe(423);
    expect(brief.header('Min-Expires')).toBe('60');
    expect(net.hss.mars).toEqual([]);
  });

  it('S-30 takes the contact before the header before the default, and clips to the maximum', async () => {
    const expires = async (value: string, lines: string[], callId: string) => {
      const ok = await net.registered({ contact: value, lines, callId });
      return ok.header('Contact')!.split('expires=')[1];
    };
    expect(await expires('<sip:alice@10.0.0.1>;expires=90', ['Expires: 100'], 'a')).toBe('90');
    expect(await expires('<sip:alice@10.0.0.1>', ['Expires: 100'], 'b')).toBe('100');
    expect(await expires('<sip:alice@10.0.0.1>', [], 'c')).toBe('3600');
    expect(await expires('<sip:alice@10.0.0.1>;expires=4294967295', [], 'd')).toBe('600000');
  });

  it('S-34 refuses * with an interval or beside a contact', async () => {
    expect((await net.register({ contact: '*' })).status).toBe(400);
    expect((await net.register({ contact: '*, <sip:a@b>', lines: ['Expires: 0'] })).status).toBe(400);
    expect((await net.register({ contact: '<mailto:a@b>' })).status).toBe(400);
  });

  it('S-34 refuses more contacts than allowed, without telling the HSS', async () => {
    const contacts = [1, 2, 3, 4].map((n) => `<sip:alice@10.0.0.${n}>`).join(', ');
    expect((await net.registered({ contact: contacts })).status).toBe(403);
    expect(net.harness.refusals).toEqual(['too-many-contacts']);
    expect(types()).toEqual([]);
  });
});

describe('registered', () => {
  beforeEach(async () => {
    await net.registered();
    net.hss.sars.length = 0;
  });

  it('S-20 refreshes without a SAR, unless configured', async () => {
    net.harness.advance(1000_000);
    const ok = await net.registered({ callId: 'reg-2' });
    expect(ok.header('Contact')).toBe(contact);
    expect(types()).toEqual([]);
  });

  it('S-20 sends RE_REGISTRATION when configured, and keeps the profile it has', async () => {
    const { store } = net;
    net.stop();
    net = new HomeNetwork({ registrar: { ...config.registrar, sarOnReRegistration: true } }, store);
    const ok = await net.registered({ callId: 'reg-2' });
    expect(net.hss.sars).toMatchObject([{ type: 2, userDataAlreadyAvailable: true }]);
    expect(ok.header('P-Associated-URI')).toBe('<sip:alice@ims.test>, <tel:+15550001>');
    expect(ok.header('P-Charging-Function-Addresses')).toBe('ccf="aaa://cdf.ims.test"');
  });

  it('X-R4 S-20 goes on with the profile it has where RE_REGISTRATION is not answered', async () => {
    const { store } = net;
    net.stop();
    net = new HomeNetwork({ registrar: { ...config.registrar, sarOnReRegistration: true } }, store);
    const challenge = await net.register({ callId: 'reg-2' });
    net.hss.script.push('no-peer');
    const ok = await net.register({ callId: 'reg-2', cseq: 2, authorization: net.credentials(challenge) });
    expect([ok.status, ok.header('P-Associated-URI')]).toEqual([200, '<sip:alice@ims.test>, <tel:+15550001>']);
  });

  it('S-32 replaces the contact of the same private identity', async () => {
    const ok = await net.registered({ callId: 'reg-2', contact: '<sip:alice@10.0.0.9:5060>;expires=100' });
    expect(ok.all('Contact')).toEqual(['<sip:alice@10.0.0.9:5060>;expires=100']);
    expect(types()).toEqual([]);
  });

  it('S-33 refuses a CSeq that does not rise within the Call-ID, and changes nothing', async () => {
    const stale = await net.registered({ callId: 'reg-1', cseq: 1, contact: '<sip:alice@10.0.0.1:5060>;expires=100' });
    expect(stale.status).toBe(500);
    expect(net.harness.refusals).toEqual(['cseq-too-low']);
    expect((await net.registered({ callId: 'other', cseq: 1 })).status).toBe(200);
  });

  it('S-37 tells the contacts when asked without one, and no contacts to who is not registered', async () => {
    const query = await net.registered({ contact: '', callId: 'q' });
    expect(query.all('Contact')).toEqual([contact]);
    const nobody = await net.registered({ impi: 'bob@ims.test', contact: '', callId: 'q2' });
    expect(nobody.status).toBe(200);
    expect(nobody.header('Contact')).toBeNull();
    expect(nobody.header('Service-Route')).toBeNull();
    expect(types()).toEqual([]);
  });

  it('S-21 S-38 removes the contact after a challenge and tells the HSS of every identity', async () => {
    const ok = await net.registered({ callId: 'reg-2', contact: '<sip:alice@10.0.0.1:5060>;expires=0' });
    expect(ok.status).toBe(200);
    expect(ok.header('Contact')).toBeNull();
    expect(net.hss.sars).toMatchObject([
      {
        impi: 'alice@ims.test',
        type: 5,
        impus: ['sip:alice@ims.test', 'tel:+15550001', 'sip:secret@ims.test'],
        userDataAlreadyAvailable: true,
      },
    ]);
    expect(net.harness.logic.registrations()).toBe(0);
    expect(net.store.count('identities') + net.store.count('profiles')).toBe(0);
  });

  it('S-38 answers 200 even when the HSS does not', async () => {
    const challenge = await net.register({ callId: 'reg-2' });
    net.hss.script.push('no-peer');
    const authorization = net.credentials(challenge);
    const ok = await net.register({ callId: 'reg-2', cseq: 2, contact: '*', lines: ['Expires: 0'], authorization });
    expect(ok.status).toBe(200);
    expect(net.harness.logic.registrations()).toBe(0);
  });

  it('S-38 has nothing to tell the HSS about who is not registered', async () => {
    const ok = await net.registered({ impi: 'bob@ims.test', contact: '<sip:bob@10.0.0.2>;expires=0', callId: 'd' });
    expect(ok.status).toBe(200);
    expect(types()).toEqual([]);
  });

  it('S-40 has one registration whichever identity of the set registers', async () => {
    const ok = await net.registered({ impu: 'tel:+15550001', callId: 'reg-2' });
    expect(ok.all('Contact')).toEqual([contact]);
    expect(types()).toEqual([]);
    const gone = await net.registered({ impu: 'tel:+15550001', callId: 'reg-3', contact: '*', lines: ['Expires: 0'] });
    expect(gone.status).toBe(200);
    expect(net.harness.logic.registrations()).toBe(0);
  });

  it('S-21 S-39 removes an expired contact after the grace and tells the HSS once', async () => {
    net.harness.advance(3_605_000);
    await net.settle();
    expect(types()).toEqual([]);
    net.harness.advance(10_000);
    await net.settle();
    net.harness.advance(120_000);
    await net.settle();
    expect(net.hss.sars).toMatchObject([{ impi: 'alice@ims.test', type: 4 }]);
    expect(net.harness.logic.registrations()).toBe(0);
    expect(net.store.count('identities')).toBe(0);
  });

  it('S-39 keeps who refreshed within the grace', async () => {
    net.harness.advance(3_605_000);
    expect((await net.registered({ callId: 'reg-2' })).status).toBe(200);
    net.harness.advance(60_000);
    await net.settle();
    expect(types()).toEqual([]);
    expect(net.harness.logic.registrations()).toBe(1);
  });

  it('S-36 answers 500 when the store fails, and gives a first assignment back', async () => {
    const { store } = net;
    net.stop();
    const { StoreError } = await import('#store/store');
    const failing = Object.create(store, {
      update: {
        value: () => {
          throw new StoreError('ERR_STORE_WRITE', 'disk full');
        },
      },
      get: { value: store.get.bind(store) },
      put: { value: store.put.bind(store) },
      remove: { value: store.remove.bind(store) },
      count: { value: store.count.bind(store) },
      commit: { value: store.commit.bind(store) },
      takeExpired: { value: () => [] },
      generations: { value: store.generations },
    });
    net = new HomeNetwork({}, failing);
    expect((await net.registered({ impi: 'bob@ims.test' })).status).toBe(500);
    expect(net.harness.refusals).toEqual(['store-failed']);
    expect(types()).toEqual([1, 8]);
  });
});

describe('RFC 5626', () => {
  it('S-32 keeps a contact per reg-id and says that outbound is used', async () => {
    const flow = (id: number) => `<sip:alice@10.0.0.${id}>;reg-id=${id};+sip.instance="<urn:uuid:1>";expires=600`;
    const lines = ['Supported: outbound, path'];
    const one = await net.registered({ contact: flow(1), callId: 'f1', lines });
    expect(one.header('Require')).toBe('outbound');
    const two = await net.registered({ contact: flow(2), callId: 'f2', lines });
    expect(two.all('Contact')).toHaveLength(2);
    const again = await net.registered({
      contact: '<sip:alice@10.0.0.7>;reg-id=2;+sip.instance="<urn:uuid:1>";expires=600',
      callId: 'f3',
      lines,
    });
    expect(again.all('Contact')).toHaveLength(2);
    expect(again.text).not.toContain('10.0.0.2>');
  });
});

describe('authentication', () => {
  it('S-05 S-08 challenges without keys where no P-CSCF vouches for the way', async () => {
    const challenge = await net.register();
    expect(challenge.status).toBe(401);
    expect(net.hss.mars).toMatchObject([
      {
        impi: 'alice@ims.test',
        impu: 'sip:alice@ims.test',
        serverName: 'sip:127.0.0.1:6060',
        scheme: 'Digest-AKAv1-MD5',
        items: 1,
      },
    ]);
    const value = challenge.header('WWW-Authenticate')!;
    expect(value).toMatch(/^Digest realm="ims\.test", nonce="[^"]{44}", algorithm=AKAv1-MD5, qop="auth"$/);
    const nonce = Buffer.from(value.split('nonce="')[1]!.split('"')[0]!, 'base64');
    expect(nonce).toEqual(Buffer.concat([net.hss.rand, net.hss.vector!.autn]));
    expect(challenge.header('Service-Route')).toBeNull();
    expect(challenge.header('To')).toContain(';tag=');
  });

  it('S-08 hands the keys to the P-CSCF that asks for them', async () => {
    const challenge = await net.register({ protection: 'no' });
    const { ck, ik } = net.hss.vector!;
    expect(challenge.header('WWW-Authenticate')).toContain(`ck="${ck.toString('hex')}", ik="${ik.toString('hex')}"`);
  });

  it('S-08 leaves qop out when configured, and verifies without it', async () => {
    net.stop();
    net = new HomeNetwork({ auth: { ...config.auth, qop: false } });
    const challenge = await net.register();
    expect(challenge.header('WWW-Authenticate')).not.toContain('qop');
    const ok = await net.register({ cseq: 2, authorization: net.credentials(challenge) });
    expect(ok.status).toBe(200);
  });

  it('S-02 asks for AKA behind IPsec, else for the configured scheme', async () => {
    net.stop();
    net = new HomeNetwork({ auth: { ...config.auth, defaultScheme: 'SIP Digest' } });
    await net.register();
    await net.register({ callId: 'r2', protection: 'no' });
    await net.register({ callId: 'r3', authorization: '' });
    expect(net.hss.mars.map((mar) => mar.scheme)).toEqual(['SIP Digest', 'Digest-AKAv1-MD5', 'SIP Digest']);
  });

  it('S-05 spells the scheme as configured', async () => {
    net.stop();
    const schemeSpelling = { 'Digest-AKAv1-MD5': 'digest-akav1-md5' };
    net = new HomeNetwork({ auth: { ...config.auth, schemeSpelling } });
    await net.register();
    expect(net.hss.mars[0]!.scheme).toBe('digest-akav1-md5');
  });

  it('S-10 verifies AKAv2', async () => {
    net.stop();
    net = new HomeNetwork({ auth: { ...config.auth, defaultScheme: 'Digest-AKAv2-MD5' } });
    const challenge = await net.register();
    expect(challenge.header('WWW-Authenticate')).toContain('algorithm=AKAv2-MD5');
    expect((await net.register({ cseq: 2, authorization: net.credentials(challenge) })).status).toBe(200);
  });

  it('S-03 challenges anew over an open path, however right the answer, and touches no binding', async () => {
    await net.registered();
    const challenge = await net.register({ callId: 'r2', protection: 'no' });
    const again = await net.register({
      callId: 'r2',
      cseq: 2,
      authorization: net.credentials(challenge),
      protection: 'no',
    });
    expect(again.status).toBe(401);
    expect(net.harness.logic.registrations()).toBe(1);
  });

  it('S-03 has one challenge outstanding: a new one replaces the old', async () => {
    const first = await net.register();
    const old = net.credentials(first);
    const second = await net.register({ callId: 'reg-2' });
    expect((await net.register({ cseq: 2, authorization: old })).status).toBe(401);
    expect(second.status).toBe(401);
  });

  it('S-11 X-I10 accepts a nonce once', async () => {
    const challenge = await net.register();
    const authorization = net.credentials(challenge);
    expect((await net.register({ cseq: 2, authorization })).status).toBe(200);
    expect((await net.register({ cseq: 3, authorization })).status).toBe(401);
  });

  it('X-I10 does not take what was made for another user, realm, algorithm or URI', async () => {
    const changed: { [name: string]: string }[] = [
      { realm: '"else.test"' },
      { algorithm: 'MD5' },
      { uri: '"sip:else.test"' },
      { qop: 'auth-int' },
      { nc: '1' },
    ];
    for (const [i, changes] of changed.entries()) {
      net.stop();
      net = new HomeNetwork();
      const challenge = await net.register({ callId: `c${i}` });
      const answer = await net.register({
        callId: `c${i}`,
        cseq: 2,
        authorization: net.credentials(challenge, changes),
      });
      expect(answer.status, JSON.stringify(changes)).toBe(401);
    }
    const challenge = await net.register({ callId: 'other' });
    const authorization = net.credentials(challenge, {}, 'bob@ims.test');
    expect((await net.register({ impi: 'bob@ims.test', callId: 'o', cseq: 2, authorization })).status).toBe(401);
    expect(types()).toEqual([]);
  });

  it('X-I10 does not register another identity with the answer to a challenge', async () => {
    const challenge = await net.register();
    const authorization = net.credentials(challenge);
    expect((await net.register({ impu: 'sip:bob@ims.test', cseq: 2, authorization })).status).toBe(401);
  });

  it('S-12 resynchronises twice, then refuses', async () => {
    let challenge = await net.register();
    for (let i = 1; i <= 3; i++) {
      const auts = net.hss.milenage.buildAuts(net.hss.rand, 0x1000 * i).toString('base64');
      const authorization = net.credentials(challenge, { auts: `"${auts}"` });
      challenge = await net.register({ cseq: 1 + i, authorization });
      expect(challenge.status).toBe(i < 3 ? 401 : 403);
    }
    expect(net.hss.mars.map((mar) => mar.resync?.length)).toEqual([undefined, 30, 30]);
    expect(net.harness.refusals).toEqual(['resync-limit']);
    expect(types()).toEqual([9]);
  });

  it('S-12 registers after a resynchronisation, also through an open path', async () => {
    const challenge = await net.register({ protection: 'no' });
    const auts = `"${net.hss.milenage.buildAuts(net.hss.rand, 0x9000).toString('base64')}"`;
    const authorization = net.credentials(challenge, { auts });
    const next = await net.register({ cseq: 2, authorization, protection: 'no' });
    expect(next.status).toBe(401);
    const right = net.credentials(next);
    expect((await net.register({ cseq: 3, authorization: right, protection: 'yes' })).status).toBe(200);
  });

  it('S-12 challenges anew when AUTS belongs to no challenge, and takes a broken one for a wrong answer', async () => {
    const stray =
      'Digest username="alice@ims.test", realm="ims.test", uri="sip:ims.test", nonce="bm9uZQ==", response="x", auts="AAAA"';
    const challenge = await net.register({ authorization: stray });
    expect(challenge.status).toBe(401);
    expect(net.hss.mars.at(-1)!.resync).toBeUndefined();
    const broken = net.credentials(challenge, { auts: '"AAAA"' });
    expect((await net.register({ cseq: 2, authorization: broken })).status).toBe(401);
    expect(net.hss.mars.at(-1)!.resync).toBeUndefined();
  });

  it('S-13 challenges once more when the UE rejects AUTN, then refuses', async () => {
    const first = await net.register();
    const second = await net.register({ cseq: 2, authorization: net.credentials(first, { response: '""' }) });
    expect(second.status).toBe(401);
    const third = await net.register({ cseq: 3, authorization: net.credentials(second, { response: '""' }) });
    expect(third.status).toBe(403);
    expect(net.harness.refusals).toEqual(['mac-failure']);
  });

  it('S-14 refuses the third wrong answer and tells the HSS', async () => {
    let challenge = await net.register();
    for (let i = 1; i <= 3; i++) {
      const authorization = net.credentials(challenge, { response: `"${'0'.repeat(32)}"` });
      challenge = await net.register({ cseq: 1 + i, authorization });
    }
    expect(challenge.status).toBe(403);
    expect(net.harness.refusals).toEqual(['wrong-response']);
    expect(net.hss.sars).toMatchObject([{ type: 9, impi: 'alice@ims.test', impus: ['sip:alice@ims.test'] }]);
  });

  it('S-14 X-I8 leaves a registration alone whatever others try', async () => {
    await net.registered();
    net.hss.sars.length = 0;
    let challenge = await net.register({ callId: 'attack', contact: '*', lines: ['Expires: 0'] });
    expect(challenge.status).toBe(401);
    for (let i = 1; i <= 3; i++) {
      const authorization = net.credentials(challenge, { response: `"${'0'.repeat(32)}"` });
      challenge = await net.register({
        callId: 'attack',
        cseq: 1 + i,
        contact: '*',
        lines: ['Expires: 0'],
        authorization,
      });
    }
    expect(challenge.status).toBe(403);
    expect(types()).toEqual([]);
    expect(net.harness.logic.registrations()).toBe(1);
  });

  it('S-09 drops an unanswered challenge after four minutes and tells the HSS', async () => {
    const challenge = await net.register();
    const authorization = net.credentials(challenge);
    net.harness.advance(239_000);
    await net.settle();
    expect(types()).toEqual([]);
    net.harness.advance(3_000);
    await net.settle();
    expect(net.hss.sars).toMatchObject([{ type: 10, impi: 'alice@ims.test', impus: ['sip:alice@ims.test'] }]);
    expect((await net.register({ cseq: 2, authorization })).status).toBe(401);
  });

  it('S-09 says nothing to the HSS of a challenge to a registered user', async () => {
    await net.registered();
    await net.register({ callId: 'reg-2' });
    net.harness.advance(250_000);
    await net.settle();
    expect(types()).toEqual([1]);
  });

  it('S-04 accepts a protected refresh of a bound contact and a protected removal without challenge', async () => {
    const challenge = await net.register({ protection: 'no' });
    await net.register({ cseq: 2, authorization: net.credentials(challenge), protection: 'yes' });
    const empty = 'Digest username="alice@ims.test", realm="ims.test", uri="sip:ims.test", nonce="old", response="old"';
    const refresh = await net.register({ cseq: 3, authorization: empty, protection: 'yes' });
    expect(refresh.status).toBe(200);
    const moved = { cseq: 4, authorization: empty, contact: '<sip:alice@10.9.9.9>;expires=600' };
    expect((await net.register({ ...moved, protection: 'yes' })).status).toBe(403);
    expect(net.harness.refusals).toEqual(['contact-not-bound']);
    const gone = { cseq: 5, authorization: empty, contact: '*', lines: ['Expires: 0'] };
    expect((await net.register({ ...gone, protection: 'yes' })).status).toBe(200);
    expect(types()).toEqual([1, 5]);
  });

  it('S-07 refuses as the HSS does and says when to come back', async () => {
    const refused = (result: ReturnType<typeof baseResult>) => {
      net.hss.script.push(multimediaAuthAnswer({ result }));
      return net.register();
    };
    expect((await refused(experimentalResult(5001))).status).toBe(403);
    expect((await refused(experimentalResult(5006))).status).toBe(403);
    const busy = await refused(baseResult(3004));
    expect([busy.status, busy.header('Retry-After')]).toEqual([500, '5']);
    net.hss.script.push('no-peer');
    expect((await net.register()).status).toBe(504);
    expect((await refused(baseResult(2001))).status).toBe(500);
    expect(net.harness.refusals.at(-1)).toBe('hss-malformed');
  });

  it('X-I9 asks the HSS for so many vectors of one user and no more', async () => {
    for (let i = 0; i < 10; i++) expect((await net.register({ callId: `n${i}` })).status).toBe(401);
    const refused = await net.register({ callId: 'n10' });
    expect([refused.status, refused.header('Retry-After')]).toEqual([500, '10']);
    expect(net.hss.mars).toHaveLength(10);
    expect((await net.register({ impi: 'bob@ims.test', callId: 'n11' })).status).toBe(401);
    net.harness.advance(10_000);
    expect((await net.register({ callId: 'n12' })).status).toBe(401);
  });

  it('X-I9 holds nothing against a user who answers rightly', async () => {
    for (let i = 0; i < 15; i++) expect((await net.registered({ callId: `n${i}` })).status).toBe(200);
  });

  it('S-11 S-15 lets a nonce of SIP Digest serve again while its count rises', async () => {
    const { digestHa1, digestResponse } = await import('#sip/auth/digest');
    const ha1 = digestHa1('alice@ims.test', 'ims.test', 'secret');
    const profile = profileXml('sip:alice@ims.test');
    net.hss.subscribers.set('alice@ims.test', { profile, ha1 });
    const challenge = await net.register({ authorization: '' });
    const value = challenge.header('WWW-Authenticate')!;
    expect(value).toContain('algorithm=MD5');
    const nonce = value.split('nonce="')[1]!.split('"')[0]!;
    const credentials = (nc: string) => {
      const input = { method: 'REGISTER', uri: 'sip:ims.test', nonce, qop: 'auth', nc, cnonce: 'c', ha1 } as const;
      return `Digest username="alice@ims.test", realm="ims.test", nonce="${nonce}", uri="sip:ims.test", qop=auth, nc=${nc}, cnonce="c", response="${digestResponse(input)}"`;
    };
    const ok = await net.register({ cseq: 2, authorization: credentials('00000001') });
    expect(ok.status).toBe(200);
    expect(ok.header('Authentication-Info')).toMatch(/^qop=auth, rspauth="[0-9a-f]{32}", cnonce="c", nc=00000001$/);
    expect((await net.register({ cseq: 3, authorization: credentials('00000002') })).status).toBe(200);
    const stale = await net.register({ cseq: 4, authorization: credentials('00000002') });
    expect(stale.status).toBe(401);
    expect(stale.header('WWW-Authenticate')).toContain('stale=TRUE');
    net.harness.advance(300_000);
    await net.settle();
    expect(types()).toEqual([1]);
  });
});
