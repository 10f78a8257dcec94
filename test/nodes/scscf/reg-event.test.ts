import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deregistrationReasons, pushProfileAvps, registrationTerminationAvps } from '#diameter/cx/hss-requests';
import { cxCommands } from '#diameter/dictionary/cx';
import { decodeRegistration, encodeRegistration, makeBinding, writeBinding } from '#nodes/scscf/registration';
import { RegistrationStore } from '#nodes/scscf/registration-store';
import { scscfTables } from '#nodes/scscf/scscf';
import { subscriptionTables } from '#nodes/scscf/subscription-store';
import { openMemoryStore } from '#store/memory-store';
import { RecordWriter } from '#store/records';
import { StoreError } from '#store/store';
import { profileXml } from '../../fixtures/test-hss.ts';
import { HomeNetwork } from './home-network.ts';
import { distinct, documentOf, notified, notifiedOnce, statesIn, subscribe, tagOf, watched } from './watching.ts';

let net: HomeNetwork;
beforeEach(() => {
  net = new HomeNetwork();
});
afterEach(() => {
  expect(net.harness.failures).toEqual([]);
  net.stop();
});

const outcome = (sent: readonly { readonly startLine: string }[]) =>
  sent.map(({ startLine }) => startLine.split(' ')[1]);
const asUe = {};
const asPcscf = { asserted: '<sip:127.0.0.1:5070>', from: '<sip:127.0.0.1:5070>', contact: '<sip:127.0.0.1:5070>' };
/** Nothing of the reg event package is left. */
const nothingKept = () => subscriptionTables.map((table) => net.store.count(table));
const withWildcard = profileXml('sip:alice@ims.test', 'sip:alice-0@ims.test').replace(
  '<Identity>sip:alice-0@ims.test</Identity>',
  '<Identity>sip:alice-0@ims.test</Identity><Extension><IdentityType>4</IdentityType><Extension><Extension><WildcardedIMPU>sip:alice-!.*!@ims.test</WildcardedIMPU></Extension></Extension></Extension>',
);
const refresh = (cseq: number) => net.registered({ cseq, callId: 'reg-1' });

describe('who may watch', () => {
  it('S-60 a user of the set, its P-CSCF and a server of the configuration', async () => {
    await net.registered();
    expect(outcome(await subscribe(net))).toEqual(['200', 'sip:alice@10.0.0.1:5060']);
    expect(outcome(await subscribe(net, { asserted: '<tel:+15550001>', callId: 'b' }))[0]).toBe('200');
    expect(outcome(await subscribe(net, { ...asPcscf, callId: 'c' }))[0]).toBe('200');
    const presence = { asserted: '"Presence" <sip:presence.ims.test:5060>', callId: 'd' };
    expect(outcome(await subscribe(net, presence))[0]).toBe('200');
    const mixed = { asserted: '<sip:nobody@ims.test>, <sip:127.0.0.1>', callId: 'e' };
    expect(outcome(await subscribe(net, mixed))[0]).toBe('200');
  });

  it('S-60 an application server of the filter criteria, and no other of its host', async () => {
    const criterion = (name: string) =>
      `<InitialFilterCriteria><Priority>0</Priority><ApplicationServer><ServerName>${name}</ServerName></ApplicationServer></InitialFilterCriteria>`;
    const profile = profileXml('sip:alice@ims.test', 'tel:+15550001').replace(
      '</ServiceProfile>',
      `${criterion('sip:mmtel@as.ims.test:5070;lr')}${criterion('sip:vas@ims.test')}</ServiceProfile>`,
    );
    net.hss.subscribers.set('alice@ims.test', { profile });
    await net.registered();
    const may = async (asserted: string, callId: string) => outcome(await subscribe(net, { asserted, callId }))[0];
    expect(await may('<sip:as.ims.test:5070>', 'a')).toBe('200');
    expect(await may('<sip:as.ims.test>', 'b')).toBe('200');
    expect(await may('<sip:as.ims.test:5071>', 'c')).toBe('403');
    expect(await may('<sip:other.ims.test>', 'd')).toBe('403');
    // At the home domain users have their identities as well.
    expect(await may('<sip:vas@ims.test>', 'e')).toBe('200');
    expect(await may('<sip:bob@ims.test>', 'f')).toBe('403');
    expect(await may('<sip:ims.test>', 'g')).toBe('403');
  });

  it('S-60 X-I16 nobody else, and all hear the same, whether the user is known or not', async () => {
    await net.registered();
    await net.registered({ impi: 'bob@ims.test', callId: 'bob' });
    const answers: string[] = [];
    for (const uri of [
      'sip:alice@ims.test',
      'sip:nobody@ims.test',
      'tel:+15550001',
      'tel:+1999',
      'sip:secret@ims.test',
    ]) {
      for (const asserted of ['<sip:bob@ims.test>', '<sip:mallory@other.test>', '<sip:10.9.9.9>', '']) {
        const sent = await subscribe(net, { uri, asserted, callId: `${uri}${asserted}` });
        expect(sent).toHaveLength(1);
        answers.push(`${sent[0]!.status} ${sent[0]!.header('Warning')} ${sent[0]!.names.join()}`);
      }
    }
    expect(new Set(answers)).toEqual(new Set([expect.stringMatching(/^403 399 scscf.ims.test "may-not-watch: /)]));
    expect(nothingKept()).toEqual([0, 0]);
  });

  it('S-25 S-60 a barred identity may neither watch nor be watched', async () => {
    await net.registered();
    expect(outcome(await subscribe(net, { asserted: '<sip:secret@ims.test>' }))).toEqual(['403']);
    expect(outcome(await subscribe(net, { uri: 'sip:secret@ims.test', callId: 'b' }))).toEqual(['404']);
    expect(net.harness.refusals.slice(-2)).toEqual(['may-not-watch', 'callee-barred']);
  });

  it('S-26 S-60 a user who matches a wildcard of the set', async () => {
    net.hss.subscribers.set('alice@ims.test', { profile: withWildcard });
    await net.registered();
    const sent = await subscribe(net, { asserted: '<sip:alice-7@ims.test>' });
    expect(sent[0]!.startLine).toContain(' 200 ');
  });
});

describe('what a SUBSCRIBE may ask for', () => {
  it('S-60 489 another event of the S-CSCF itself, with Allow-Events', async () => {
    await net.registered();
    for (const event of ['presence', '', 'reg.winfo']) {
      const [refused] = await subscribe(net, { uri: 'sip:127.0.0.1:6060', event, callId: `e${event}` });
      expect([refused!.status, refused!.header('Allow-Events')]).toEqual([489, 'reg']);
    }
    expect(outcome(await subscribe(net, { uri: 'sip:127.0.0.1:6060', callId: 'x' }))).toEqual(['404']);
  });

  it('S-60 leaves other events of a user to the user', async () => {
    await net.registered();
    expect((await subscribe(net, { event: 'presence' }))[0]!.startLine).toContain('SUBSCRIBE sip:alice@10.0.0.1:5060');
  });

  it.each([
    ['application/pidf+xml', 406],
    ['application/reginfo+xml;q=0, */*', 406],
    ['*/*', 200],
    ['application/*', 200],
    ['', 200],
  ])('S-60 Accept: %s gets %i', async (accept, status) => {
    await net.registered();
    const [answer] = await subscribe(net, { accept });
    expect(answer!.status).toBe(status);
    if (status === 406) expect(answer!.header('Accept')).toBe('application/reginfo+xml');
  });

  it.each([
    ['', '3761'],
    ['100', '100'],
    ['600000', '600000'],
    ['999999999', '600000'],
    ['60', '60'],
  ])('S-61 Expires %j is granted as %s', async (expires, granted) => {
    await net.registered();
    const [accepted, notify] = await subscribe(net, { expires });
    expect([accepted!.status, accepted!.header('Expires')]).toEqual([200, granted]);
    expect(notify!.header('Subscription-State')).toBe(`active;expires=${granted}`);
  });

  it('S-61 423 with Min-Expires for less than the least, and nothing is kept', async () => {
    await net.registered();
    const [refused, ...more] = await subscribe(net, { expires: '59' });
    expect([refused!.status, refused!.header('Min-Expires'), more]).toEqual([423, '60', []]);
    expect(nothingKept()).toEqual([0, 0]);
  });

  it('S-60 400 without a Contact that can be used', async () => {
    await net.registered();
    expect(outcome(await subscribe(net, { contact: 'garbage <' }))).toEqual(['400']);
    expect(nothingKept()).toEqual([0, 0]);
  });

  it('S-60 404 for a user of another domain', async () => {
    expect(outcome(await subscribe(net, { uri: 'sip:alice@other.test' }))).toEqual(['404']);
  });

  it('S-60 403 beyond 64 subscriptions to one registration', async () => {
    await net.registered();
    for (let i = 0; i < 64; i++) expect(outcome(await subscribe(net, { callId: `n${i}` }))[0]).toBe('200');
    expect(outcome(await subscribe(net, { callId: 'one more' }))).toEqual(['403']);
    expect(net.harness.refusals).toEqual(['too-many-watchers']);
  });
});

describe('the first NOTIFY', () => {
  it('S-61 S-62 follows the 200, along the routes of the SUBSCRIBE, with the state of now', async () => {
    await net.registered();
    const [accepted, notify, ...more] = await subscribe(net, asUe);
    expect(more).toEqual([]);
    expect(accepted!.status).toBe(200);
    expect(accepted!.header('Contact')).toBe('<sip:127.0.0.1:6060>');
    const routes = ['<sip:tok@127.0.0.1:5070;lr>', '<sip:tok@127.0.0.1:6100;lr>'];
    expect(accepted!.all('Record-Route')).toEqual(routes);
    expect(notify!.startLine).toBe('NOTIFY sip:alice@10.0.0.1:5060 SIP/2.0');
    expect(notify!.all('Route')).toEqual(routes);
    expect(notify!.to).toBe('udp 127.0.0.1:5070');
    expect(notify!.header('From')).toBe(accepted!.header('To'));
    expect(notify!.header('To')).toBe('<sip:alice@ims.test>;tag=w');
    expect([notify!.header('Call-ID'), notify!.header('CSeq')]).toEqual(['sub-1', '1 NOTIFY']);
    expect(notify!.header('Event')).toBe('reg');
    expect(notify!.header('Contact')).toBe('<sip:127.0.0.1:6060>');
    expect(notify!.header('Content-Type')).toBe('application/reginfo+xml');
    expect(notify!.header('P-Charging-Vector')).toMatch(/^icid-value=.+;orig-ioi=ims.test$/);
  });

  it('S-62 goes to the Contact of a P-CSCF or server, which puts no Record-Route', async () => {
    await net.registered();
    const { notify } = await watched(net, { ...asPcscf, recordRoutes: [] });
    expect([notify.requestUri, notify.all('Route'), notify.to]).toEqual([
      'sip:127.0.0.1:5070',
      [],
      'udp 127.0.0.1:5070',
    ]);
  });

  it('S-25 S-63 S-64 tells of each identity that is not barred: what was registered, and what was created for it', async () => {
    await net.registered({
      contact: '"A" <sip:alice@10.0.0.1:5060>;q=0.5;expires=3600;+sip.instance="<urn:uuid:1>";audio',
    });
    net.harness.advance(5000);
    const { document } = await watched(net);
    expect(document).toMatchObject({ version: 0, state: 'full' });
    expect(document.registrations.map(({ aor, state }) => `${aor} ${state}`)).toEqual([
      'sip:alice@ims.test active',
      'tel:+15550001 active',
    ]);
    const [first, second] = document.registrations.map(({ contacts }) => contacts[0]!);
    expect(first).toMatchObject({
      state: 'active',
      event: 'registered',
      uri: 'sip:alice@10.0.0.1:5060',
      displayName: 'A',
      durationRegistered: 5,
      expires: 3595,
      q: 500,
      callId: 'reg-1',
      cseq: 2,
      parameters: [
        { name: '+sip.instance', value: '"<urn:uuid:1>"' },
        { name: 'audio', value: '' },
      ],
      publicGruu: 'sip:alice@ims.test;gr=urn:uuid:1',
      firstCseq: 2,
    });
    expect(first!.temporaryGruu).toMatch(/^sip:tgruu\..+@ims.test;gr$/);
    expect(second).toMatchObject({ event: 'created', publicGruu: '', temporaryGruu: '' });
    const ids = document.registrations.flatMap(({ id, contacts }) => [id, ...contacts.map((contact) => contact.id)]);
    expect(new Set(ids).size).toBe(4);
  });

  it('S-26 S-63 writes a wildcarded identity as 3GPP does', async () => {
    net.hss.subscribers.set('alice@ims.test', { profile: withWildcard });
    await net.registered();
    const { document } = await watched(net);
    expect(document.registrations[1]).toMatchObject({ wildcard: 'sip:alice-!.*!@ims.test', state: 'active' });
  });

  it('S-60 tells who asks for somebody not registered so, and of the registration that comes later', async () => {
    const [accepted, first] = await subscribe(net);
    expect(accepted!.status).toBe(200);
    expect(statesIn(first!)).toEqual(['sip:alice@ims.test init:']);
    net.harness.answer(first!, 200);
    const telephone = { uri: 'tel:+15550001', asserted: '<tel:+15550001>', callId: 'sub-2' };
    expect(statesIn((await watched(net, telephone)).notify)).toEqual(['tel:+15550001 init:']);
    net.harness.receive(net.registerText({}), 'udp 127.0.0.1:5070');
    await net.settle();
    const challenge = net.harness.takeOne();
    net.harness.receive(net.registerText({ cseq: 2, authorization: net.credentials(challenge) }), 'udp 127.0.0.1:5070');
    await net.settle();
    const [, ...told] = net.harness.take();
    expect(told.map((notify) => [notify.header('Call-ID'), documentOf(notify).version])).toEqual(
      expect.arrayContaining([
        ['sub-1', 1],
        ['sub-2', 1],
      ]),
    );
    for (const notify of told) {
      expect(statesIn(notify)).toEqual([
        'sip:alice@ims.test active: active/registered',
        'tel:+15550001 active: active/created',
      ]);
      net.harness.answer(notify, 200);
    }
    expect(net.store.count('subscriptions')).toBe(1);
    const [again] = await subscribe(net, {
      ...telephone,
      cseq: 2,
      toTag: tagOf(told.find((each) => each.header('Call-ID') === 'sub-2')!.header('From')!),
      uri: 'sip:127.0.0.1:6060',
    });
    expect(again!.status).toBe(200);
  });

  it('S-60 S-80 serves a user of ours at once when the SUBSCRIBE comes by the Service-Route', async () => {
    await net.registered();
    const { document } = await watched(net, { route: '<sip:orig@127.0.0.1:6060;lr>' });
    expect(document.version).toBe(0);
    const [other] = await subscribe(net, {
      route: '<sip:orig@127.0.0.1:6060;lr>',
      uri: 'sip:bob@ims.test',
      callId: 'o',
    });
    // Whoever serves bob decides.
    expect(other!.startLine).toBe('SUBSCRIBE sip:bob@ims.test SIP/2.0');
  });

  it('S-61 S-65 a fetch gets one NOTIFY and leaves nothing', async () => {
    await net.registered();
    const { accepted, notify } = await watched(net, { expires: '0' });
    expect(accepted.header('Expires')).toBe('0');
    expect(notify.header('Subscription-State')).toBe('terminated;reason=timeout');
    expect(statesIn(notify)).toHaveLength(2);
    expect(nothingKept()).toEqual([0, 0]);
  });
});

describe('NOTIFYs of changes', () => {
  it('S-62 S-63 S-64 tell of a refresh, with rising versions and the same ids', async () => {
    await net.registered();
    const { document } = await watched(net);
    await watched(net, { ...asPcscf, callId: 'p' });
    net.harness.receive(net.registerText({ cseq: 3 }), 'udp 127.0.0.1:5070');
    await net.settle();
    net.harness.receive(
      net.registerText({ cseq: 4, authorization: net.credentials(net.harness.takeOne()) }),
      'udp 127.0.0.1:5070',
    );
    await net.settle();
    const [answer, ...told] = net.harness.take();
    expect(answer!.status).toBe(200);
    expect(told.map(({ target }) => target.port)).toEqual([5070, 5070]);
    for (const notify of told) {
      expect(statesIn(notify)).toEqual([
        'sip:alice@ims.test active: active/refreshed',
        'tel:+15550001 active: active/refreshed',
      ]);
      expect(documentOf(notify).version).toBe(1);
      const [before, after] = [document, documentOf(notify)].map(({ registrations }) =>
        registrations.map(({ id, contacts }) => [id, contacts[0]!.id]),
      );
      expect(after).toEqual(before);
    }
  });

  it('S-62 one is under way at a time, and what changes meanwhile comes in one more', async () => {
    await net.registered();
    const [, first] = await subscribe(net);
    for (const cseq of [3, 5, 7]) {
      net.harness.receive(net.registerText({ cseq }), 'udp 127.0.0.1:5070');
      await net.settle();
      const authorization = net.credentials(net.harness.takeOne());
      net.harness.receive(net.registerText({ cseq: cseq + 1, authorization }), 'udp 127.0.0.1:5070');
      await net.settle();
      expect(net.harness.takeOne().status).toBe(200);
    }
    net.harness.answer(first!, 200);
    const next = await notifiedOnce(net);
    expect([documentOf(next).version, next.header('CSeq')]).toEqual([1, '2 NOTIFY']);
    expect(documentOf(next).registrations[0]!.contacts[0]!.cseq).toBe(8);
  });

  it('S-32 S-64 a contact that was replaced is told once, as deactivated', async () => {
    await net.registered();
    const { document } = await watched(net);
    await expect(refreshWith('<sip:alice@10.0.0.2:5060>;expires=3600')).resolves.toEqual([
      'sip:alice@ims.test active: active/registered terminated/deactivated',
      'tel:+15550001 active: active/created terminated/deactivated',
    ]);
    const [later] = await refreshNotify('<sip:alice@10.0.0.2:5060>;expires=3600', 5);
    expect(statesIn(later!)).toEqual([
      'sip:alice@ims.test active: active/refreshed',
      'tel:+15550001 active: active/refreshed',
    ]);
    expect(document.registrations[0]!.contacts[0]!.id).not.toBe(documentOf(later!).registrations[0]!.contacts[0]!.id);
  });

  const refreshNotify = async (contact: string, cseq = 3) => {
    net.harness.receive(net.registerText({ cseq, contact }), 'udp 127.0.0.1:5070');
    await net.settle();
    const authorization = net.credentials(net.harness.takeOne());
    net.harness.receive(net.registerText({ cseq: cseq + 1, contact, authorization }), 'udp 127.0.0.1:5070');
    await net.settle();
    const sent = net.harness.take().filter(({ method }) => method === 'NOTIFY');
    for (const notify of sent) net.harness.answer(notify, 200);
    await net.settle();
    return sent;
  };
  const refreshWith = async (contact: string) => statesIn((await refreshNotify(contact))[0]!);

  it('S-38 S-64 S-65 the end by the user is the last one', async () => {
    await net.registered();
    await watched(net);
    const [last, ...more] = await refreshNotify('<sip:alice@10.0.0.1:5060>;expires=0');
    expect(more).toEqual([]);
    expect(last!.header('Subscription-State')).toBe('terminated;reason=noresource');
    expect(statesIn(last!)).toEqual([
      'sip:alice@ims.test terminated: terminated/unregistered',
      'tel:+15550001 terminated: terminated/unregistered',
    ]);
    expect(documentOf(last!).version).toBe(1);
    expect(nothingKept()).toEqual([0, 0]);
  });

  it('S-39 S-64 S-65 so is the end of its time', async () => {
    await net.registered({ contact: '<sip:alice@10.0.0.1:5060>;expires=60' });
    await watched(net);
    net.harness.advance(72_000);
    const last = await notifiedOnce(net);
    expect(last.header('Subscription-State')).toBe('terminated;reason=noresource');
    expect(statesIn(last)[0]).toBe('sip:alice@ims.test terminated: terminated/expired');
    expect(nothingKept()).toEqual([0, 0]);
  });

  it('S-64 one contact of two that runs out is told, the other stays', async () => {
    net.hss.subscribers.set('tablet@ims.test', { profile: profileXml('sip:alice@ims.test', 'tel:+15550001') });
    await net.registered();
    const tablet = '<sip:tablet@10.0.0.9:5060>;expires=60';
    await net.registered({ impi: 'tablet@ims.test', impu: 'sip:alice@ims.test', callId: 't', contact: tablet });
    await watched(net);
    net.harness.advance(72_000);
    const told = await notifiedOnce(net);
    expect(told.header('Subscription-State')).toMatch(/^active;expires=/);
    expect(statesIn(told)).toEqual([
      'sip:alice@ims.test active: active/registered terminated/expired',
      'tel:+15550001 active: active/created terminated/expired',
    ]);
  });

  it.each([
    ['PERMANENT_TERMINATION', 'rejected'],
    ['NEW_SERVER_ASSIGNED', 'deactivated'],
    ['SERVER_CHANGE', 'deactivated'],
    ['REMOVE_S_CSCF', 'deactivated'],
  ] as const)('S-64 S-65 S-71 an RTR with %s ends it as %s, after the RTA', async (reason, event) => {
    await net.registered();
    await watched(net);
    net.harness.diameterSent.length = 0;
    const avps = registrationTerminationAvps({ impi: 'alice@ims.test', reasonCode: deregistrationReasons[reason] });
    const answered = net.fromHss(cxCommands.registrationTermination, avps);
    expect(net.harness.take()).toEqual([]);
    await answered;
    const last = await notifiedOnce(net);
    expect(last.header('Subscription-State')).toBe('terminated;reason=noresource');
    expect(statesIn(last)).toEqual([
      `sip:alice@ims.test terminated: terminated/${event}`,
      `tel:+15550001 terminated: terminated/${event}`,
    ]);
    expect(nothingKept()).toEqual([0, 0]);
  });

  it('S-64 S-73 a pushed profile tells of identities that came and went', async () => {
    await net.registered();
    await watched(net);
    const push = (profile: string) =>
      net.fromHss(cxCommands.pushProfile, pushProfileAvps({ impi: 'alice@ims.test', userData: Buffer.from(profile) }));
    await push(profileXml('sip:alice@ims.test', 'tel:+15559999', '!sip:secret@ims.test'));
    expect(statesIn(await notifiedOnce(net))).toEqual([
      'sip:alice@ims.test active: active/registered',
      'tel:+15559999 active: active/created',
      'tel:+15550001 terminated: terminated/deactivated',
    ]);
    await push(profileXml('sip:alice@ims.test', '!tel:+15559999', '!sip:secret@ims.test'));
    expect(statesIn(await notifiedOnce(net))).toEqual([
      'sip:alice@ims.test active: active/registered',
      'tel:+15559999 terminated: terminated/deactivated',
    ]);
    await push(profileXml('sip:alice@ims.test', '!tel:+15559999', '!sip:secret@ims.test'));
    expect(await notified(net)).toEqual([]);
  });

  it('S-67 S-73 subscriptions go along when a pushed profile takes the identity away that a registration is named after', async () => {
    await net.registered();
    const { toTag } = await watched(net);
    const profile = profileXml('sip:new@ims.test', 'tel:+15550001');
    await net.fromHss(
      cxCommands.pushProfile,
      pushProfileAvps({ impi: 'alice@ims.test', userData: Buffer.from(profile) }),
    );
    expect(statesIn(await notifiedOnce(net))).toEqual([
      'sip:new@ims.test active: active/created',
      'tel:+15550001 active: active/created',
      'sip:alice@ims.test terminated: terminated/deactivated',
    ]);
    const [again, notify] = await subscribe(net, { uri: 'sip:127.0.0.1:6060', toTag, cseq: 2 });
    expect([again!.status, documentOf(notify!).version]).toEqual([200, 2]);
  });

  it('S-73 a pushed profile that bars everything ends it', async () => {
    await net.registered();
    await watched(net);
    const profile = profileXml('!sip:alice@ims.test', '!tel:+15550001');
    await net.fromHss(
      cxCommands.pushProfile,
      pushProfileAvps({ impi: 'alice@ims.test', userData: Buffer.from(profile) }),
    );
    const last = await notifiedOnce(net);
    expect(last.header('Subscription-State')).toBe('terminated;reason=noresource');
    expect(statesIn(last)[0]).toBe('sip:alice@ims.test terminated: terminated/deactivated');
  });

  it('S-43 S-64 a network that asks for authentication shortens the contacts, and challenges what comes', async () => {
    await net.registered();
    await watched(net);
    expect(net.harness.logic.control({ command: 'reauthenticate', impu: 'tel:+15550001' })).toBe(1);
    const told = await notifiedOnce(net);
    expect(statesIn(told)).toEqual([
      'sip:alice@ims.test active: active/shortened',
      'tel:+15550001 active: active/shortened',
    ]);
    expect(documentOf(told).registrations[0]!.contacts[0]!.expires).toBe(600);
    // Protected, and bound: without the order it would be accepted as it is.
    expect((await net.register({ cseq: 3, protection: 'yes' })).status).toBe(401);
    expect(net.harness.logic.control({ command: 'reauthenticate', impu: 'sip:nobody@ims.test' })).toBe(0);
    expect(net.harness.logic.control({ command: 'reauthenticate', impu: 'sip:alice@ims.test', seconds: 900 })).toBe(0);
    expect(net.harness.logic.control('status')).toBe(null);
    expect(await notified(net)).toEqual([]);
  });

  it('S-43 accepts protected refreshes again once the user has authenticated', async () => {
    await net.registered();
    net.harness.logic.control({ command: 'reauthenticate', impu: 'sip:alice@ims.test', seconds: 300 });
    const challenge = await net.register({ cseq: 3, protection: 'yes' });
    const authorization = net.credentials(challenge);
    expect((await net.register({ cseq: 4, authorization, protection: 'yes' })).status).toBe(200);
    expect((await net.register({ cseq: 5, protection: 'yes' })).status).toBe(200);
  });

  it('S-62 a query of the bindings is no change', async () => {
    await net.registered();
    await watched(net);
    net.harness.receive(net.registerText({ cseq: 9, contact: '', protection: 'yes' }), 'udp 127.0.0.1:5070');
    await net.settle();
    expect(net.harness.takeOne().status).toBe(200);
  });
});

describe('the dialog of a subscription', () => {
  it('S-67 is refreshed and ended by SUBSCRIBE', async () => {
    await net.registered();
    const { toTag } = await watched(net);
    const uri = 'sip:127.0.0.1:6060';
    net.harness.advance(1000);
    const [accepted, notify] = await subscribe(net, {
      uri,
      toTag,
      cseq: 2,
      expires: '100',
      contact: '<sip:alice@10.0.0.7>',
    });
    expect([accepted!.status, accepted!.header('Expires')]).toEqual([200, '100']);
    expect(notify!.header('Subscription-State')).toBe('active;expires=100');
    expect(notify!.requestUri).toBe('sip:alice@10.0.0.7');
    expect(documentOf(notify!).version).toBe(1);
    net.harness.answer(notify!, 200);
    const [ended, last] = await subscribe(net, { uri, toTag, cseq: 3, expires: '0' });
    expect(ended!.status).toBe(200);
    expect(last!.header('Subscription-State')).toBe('terminated;reason=timeout');
    net.harness.answer(last!, 200);
    expect(nothingKept()).toEqual([0, 0]);
    expect(outcome(await subscribe(net, { uri, toTag, cseq: 4 }))).toEqual(['481']);
  });

  it('S-67 is found as well when the SUBSCRIBE is for the user and came by the Service-Route', async () => {
    await net.registered();
    const { toTag } = await watched(net);
    const sent = await subscribe(net, { toTag, cseq: 2, route: '<sip:orig@127.0.0.1:6060;lr>' });
    expect(outcome(sent)).toEqual(['200', 'sip:alice@10.0.0.1:5060']);
  });

  it('S-67 481 with other tags, another Call-ID or another event; a refused refresh leaves it as it is', async () => {
    await net.registered();
    const { toTag } = await watched(net);
    const uri = 'sip:127.0.0.1:6060';
    expect(outcome(await subscribe(net, { uri, toTag: 'guessed', cseq: 2 }))).toEqual(['481']);
    expect(outcome(await subscribe(net, { uri, toTag, cseq: 2, callId: 'other' }))).toEqual(['481']);
    expect(outcome(await subscribe(net, { uri, toTag, cseq: 2, event: 'reg;id=2' }))).toEqual(['481']);
    expect(outcome(await subscribe(net, { uri, toTag, cseq: 3, expires: '5' }))).toEqual(['423']);
    expect(outcome(await subscribe(net, { uri, toTag, cseq: 4, event: 'presence' }))).toEqual(['489']);
    expect(outcome(await subscribe(net, { uri, toTag, cseq: 1 }))).toEqual(['500']);
    expect(outcome(await subscribe(net, { uri, toTag, cseq: 5 }))[0]).toBe('200');
  });

  it('S-85 X-I17 requests other than SUBSCRIBE are of no dialog of ours', async () => {
    await net.registered();
    const { toTag } = await watched(net);
    const to = `To: <sip:alice@ims.test>;tag=${toTag}`;
    expect((await net.send('NOTIFY', 'sip:127.0.0.1:6060', [to]))[0]!.status).toBe(481);
    expect((await net.send('BYE', 'sip:127.0.0.1:6060', [to]))[0]!.status).toBe(481);
  });

  it('S-65 ends with its time, with a last NOTIFY', async () => {
    await net.registered();
    await watched(net, { expires: '60' });
    net.harness.advance(59_000);
    expect(await notified(net)).toEqual([]);
    net.harness.advance(2500);
    const last = await notifiedOnce(net);
    expect(last.header('Subscription-State')).toBe('terminated;reason=timeout');
    expect(statesIn(last)[0]).toBe('sip:alice@ims.test active: active/registered');
    expect(nothingKept()).toEqual([0, 0]);
  });

  it.each([481, 404, 408, 489])('S-66 ends when a NOTIFY is answered %i', async (status) => {
    await net.registered();
    const [, notify] = await subscribe(net);
    net.harness.answer(notify!, status);
    expect(nothingKept()).toEqual([0, 0]);
    await refresh(3);
    expect(await notified(net)).toEqual([]);
  });

  it('S-66 ends when a NOTIFY is not answered at all, or cannot be sent', async () => {
    await net.registered();
    await subscribe(net);
    net.harness.advance(32_100);
    expect(nothingKept()).toEqual([0, 0]);
    net.harness.take();
    const [, notify] = await subscribe(net, { callId: 'two' });
    net.harness.failSend(notify!, 'unreachable');
    expect(nothingKept()).toEqual([0, 0]);
    net.harness.take();
  });

  it('S-66 tells the same once more after a 5xx with Retry-After, and then no more', async () => {
    await net.registered();
    await watched(net);
    const contact = '<sip:alice@10.0.0.2:5060>;expires=3600';
    net.harness.receive(net.registerText({ cseq: 3, contact }), 'udp 127.0.0.1:5070');
    await net.settle();
    const authorization = net.credentials(net.harness.takeOne());
    net.harness.receive(net.registerText({ cseq: 4, contact, authorization }), 'udp 127.0.0.1:5070');
    await net.settle();
    const [, told] = net.harness.take();
    net.harness.answer(told!, 500, ['Retry-After: 5']);
    net.harness.advance(3000);
    expect(net.harness.take()).toEqual([]);
    net.harness.advance(3500);
    await net.settle();
    const [again, ...more] = distinct(net.harness.take());
    expect([documentOf(again!).version, more]).toEqual([2, []]);
    expect(statesIn(again!)).toEqual(statesIn(told!));
    net.harness.answer(again!, 500, ['Retry-After: 5']);
    net.harness.advance(20_000);
    expect(net.harness.take()).toEqual([]);
    expect(net.store.count('subscriptions')).toBe(1);
  });

  it.each([401, 407])('X-I14 a NOTIFY that is answered %i is not sent with credentials', async (status) => {
    await net.registered();
    const [, notify] = await subscribe(net);
    net.harness.answer(notify!, status, [
      'WWW-Authenticate: Digest realm="evil", nonce="n", algorithm=MD5',
      'Proxy-Authenticate: Digest realm="evil", nonce="n", algorithm=MD5',
    ]);
    net.harness.advance(20_000);
    await net.settle();
    expect(net.harness.take()).toEqual([]);
    await refresh(3).catch(() => undefined);
    for (const each of net.harness.take()) expect(each.names).not.toContain('Authorization');
  });
});

describe('subscriptions live in the store', () => {
  it('S-62 a store that takes no writes refuses a subscription, and keeps no registration from being made', async () => {
    await net.registered();
    const { toTag } = await watched(net);
    const { store } = net;
    const update: typeof store.update = (table, key, change) => {
      if (table === 'subscriptions') throw new StoreError('ERR_STORE_WRITE', 'disk full');
      return Object.getPrototypeOf(store).update.call(store, table, key, change);
    };
    Object.defineProperty(store, 'update', { value: update, configurable: true });
    expect(outcome(await subscribe(net, { callId: 'other' }))).toEqual(['500']);
    expect(outcome(await subscribe(net, { uri: 'sip:127.0.0.1:6060', toTag, cseq: 2 }))).toEqual(['500']);
    expect(net.harness.refusals).toEqual(['store-failed', 'store-failed']);
    expect((await refresh(3)).status).toBe(200);
    expect(net.harness.logged.at(-1)).toMatchObject({ level: 'error', fields: { reason: 'store-failed' } });
  });

  it('S-42 S-63 a registration of the release before has no history, and contacts whose ids stay', async () => {
    const bound = makeBinding({ impi: 'a@x', contact: '<sip:a@1>', path: '', callId: 'c', cseq: 7, expiresAtMs: 9 })!;
    const whole = { key: 'sip:a@x', identities: [], charging: { ccf: '', ecf: '' }, bindings: [bound] };
    const old = new RecordWriter(1, 1)
      .list([], () => undefined)
      .string('')
      .string('')
      .list([bound], writeBinding);
    const read = decodeRegistration(old.finish(), 'sip:a@x')!;
    expect(read.bindings[0]!.history).toMatchObject({ sinceMs: 0, firstCseq: 7, event: 'registered', impu: '' });
    expect(read.bindings[0]!.history.id).toBe(bound.history.id);
    expect(decodeRegistration(encodeRegistration(whole), 'sip:a@x')).toEqual(whole);
  });

  it('S-42 S-63 they survive a restart, and versions go on', async () => {
    const store = openMemoryStore(scscfTables);
    net.stop();
    net = new HomeNetwork({}, store);
    await net.registered();
    const { toTag, document } = await watched(net);
    net.stop();
    net = new HomeNetwork({}, store);
    const sent = await subscribe(net, { uri: 'sip:127.0.0.1:6060', toTag, cseq: 2 });
    expect(outcome(sent)).toEqual(['200', 'sip:alice@10.0.0.1:5060']);
    expect([documentOf(sent[1]!).version, sent[1]!.header('CSeq')]).toEqual([1, '2 NOTIFY']);
    const ids = ({ registrations }: typeof document) => registrations.map(({ contacts }) => contacts[0]!.id);
    expect(ids(documentOf(sent[1]!))).toEqual(ids(document));
  });

  it('S-42 S-62 a NOTIFY that was under way when its worker died is sent anew', async () => {
    const store = openMemoryStore(scscfTables);
    net.stop();
    net = new HomeNetwork({}, store);
    await net.registered();
    await subscribe(net);
    net.stop();
    net = new HomeNetwork({}, store);
    net.harness.advance(42_000);
    const again = await notifiedOnce(net);
    expect([documentOf(again).version, again.header('CSeq')]).toEqual([1, '2 NOTIFY']);
  });

  it('S-62 a worker that does not own the dialog tells the owner, who sends', async () => {
    await net.registered();
    await watched(net);
    net.harness.owners.set('sub-1', 1);
    net.harness.logic.control({ command: 'reauthenticate', impu: 'sip:alice@ims.test' });
    expect(net.harness.take()).toEqual([]);
    expect(net.harness.workerSent).toEqual([{ to: 1, kind: 0, payload: 'sip:alice@ims.test' }]);
    // The other one has let go of the dialog, and the word comes back.
    net.harness.owners.delete('sub-1');
    net.harness.logic.workerMessage('sip:alice@ims.test');
    expect(statesIn(await notifiedOnce(net))[0]).toBe('sip:alice@ims.test active: active/shortened');
    expect(await notified(net)).toEqual([]);
  });

  it('S-62 a NOTIFY under way at another worker is left to that one, which finds in the store what it owes', async () => {
    await net.registered();
    const [, first] = await subscribe(net);
    net.harness.owners.set('sub-1', 1);
    net.harness.logic.control({ command: 'reauthenticate', impu: 'sip:alice@ims.test' });
    expect(net.harness.workerSent).toEqual([]);
    net.harness.owners.delete('sub-1');
    net.harness.answer(first!, 200);
    expect(statesIn(await notifiedOnce(net))[0]).toBe('sip:alice@ims.test active: active/shortened');
  });

  it('S-65 a last word that another worker has to say is not forgotten', async () => {
    await net.registered();
    await watched(net);
    net.harness.owners.set('sub-1', 1);
    const avps = registrationTerminationAvps({ impi: 'alice@ims.test', reasonCode: 0 });
    await net.fromHss(cxCommands.registrationTermination, avps);
    expect(await notified(net)).toEqual([]);
    net.harness.owners.delete('sub-1');
    // Nobody tells: the sweep finds it.
    net.harness.advance(1100);
    const last = await notifiedOnce(net);
    expect(statesIn(last)[0]).toBe('sip:alice@ims.test terminated: terminated/rejected');
    expect(nothingKept()).toEqual([0, 0]);
  });

  /** What another worker does just before a subscription is stored. */
  const meanwhile = (act: (other: RegistrationStore) => void) => {
    const { store } = net;
    const update: typeof store.update = (table, key, change) => {
      const original = Object.getPrototypeOf(store).update;
      if (table === 'subscriptions') {
        Object.defineProperty(store, 'update', { value: original, configurable: true });
        act(new RegistrationStore(store));
      }
      return original.call(store, table, key, change);
    };
    Object.defineProperty(store, 'update', { value: update, configurable: true });
  };

  it('S-65 a registration that another worker ends at the same time is told to have ended', async () => {
    await net.registered();
    meanwhile((other) => void other.change('sip:alice@ims.test', () => null));
    const [accepted, first, ...more] = await subscribe(net);
    expect([accepted!.status, more]).toEqual([200, []]);
    net.harness.answer(first!, 200);
    const last = await notifiedOnce(net);
    expect(last.header('Subscription-State')).toBe('terminated;reason=noresource');
    expect(statesIn(last)).toEqual(['sip:alice@ims.test terminated:', 'tel:+15550001 terminated:']);
    expect(nothingKept()).toEqual([0, 0]);
  });

  it('S-60 a registration that another worker makes at the same time is told', async () => {
    const bound = makeBinding({
      impi: 'alice@ims.test',
      contact: '<sip:alice@10.0.0.1>',
      path: '',
      callId: 'c',
      cseq: 1,
      expiresAtMs: net.harness.clock.wallMs() + 60_000,
    })!;
    const identity = (uri: string) => ({ impu: uri, uri, barred: false, wildcard: false, alias: 0, displayName: '' });
    const identities = ['sip:alice@ims.test', 'tel:+15550001'].map(identity);
    const made = { key: 'sip:alice@ims.test', identities, charging: { ccf: '', ecf: '' }, bindings: [bound] };
    meanwhile((other) => void other.change(made.key, () => made));
    const [, first] = await subscribe(net, { uri: 'tel:+15550001', asserted: '<tel:+15550001>' });
    expect(statesIn(first!)).toEqual(['tel:+15550001 init:']);
    net.harness.answer(first!, 200);
    expect(statesIn(await notifiedOnce(net))).toHaveLength(2);
  });

  it('S-62 holds no Call-ID when nothing is under way', async () => {
    await net.registered();
    await watched(net);
    net.harness.advance(40_000);
    expect([...net.harness.held]).toEqual([]);
  });
});
