import { afterEach, describe, expect, it } from 'vitest';
import { type ContactEvent, formatRegInfo, type RegInfo, type RegInfoRegistration } from '#ims/reginfo';
import { pcscfTables } from '#nodes/pcscf/registrations';
import { openMemoryStore } from '#store/memory-store';
import type { Store } from '#store/store';
import type { SentMessage } from '../worker-harness.ts';
import {
  alice,
  bob,
  coreRequest,
  expectQuiet,
  granted,
  type PcscfWorker,
  register,
  registerText,
  request,
  scscf,
  serviceRoute,
  startPcscf,
  type Ue,
  ue,
} from './pcscf-harness.ts';

let worker: PcscfWorker;
let store: Store;
afterEach(() => expectQuiet(worker));

function start(regEvent: Parameters<typeof startPcscf>[0] & object = {}): void {
  store = openMemoryStore(pcscfTables);
  worker = startPcscf({ ...regEvent, store, regEvent: { subscribe: true, ...regEvent.regEvent } });
}

/** What a subscription is, as its NOTIFYs need it. */
interface Watch {
  readonly subscribe: SentMessage;
  readonly contact: string;
  cseq: number;
}

/** Registers; gives the SUBSCRIBE that follows. */
function subscribed(from: Ue = alice): Watch {
  register(worker, from);
  return taken();
}

/** The first message that leaves within this time. */
function next(ms: number): SentMessage {
  for (let past = 0; past < ms && worker.sent.length === 0; past += 50) worker.advance(50);
  return worker.takeOne();
}

/** The SUBSCRIBE that leaves within two seconds. */
function taken(): Watch {
  const subscribe = next(2_000);
  expect(subscribe.method).toBe('SUBSCRIBE');
  return { subscribe, contact: /<([^>]+)>/.exec(subscribe.header('Contact')!)![1]!, cseq: 0 };
}

const accept = (watch: Watch, expires = 600_000) =>
  worker.answer(watch.subscribe, 200, [`Expires: ${expires}`, 'Contact: <sip:127.0.8.3:6060>'], '', 'scscf');

/** Sends a NOTIFY; gives the answer. */
function notify(
  watch: Watch,
  body: string,
  lines: readonly string[] = [],
  state = 'active;expires=600000',
): SentMessage {
  const { subscribe } = watch;
  watch.cseq++;
  const text = coreRequest(
    'NOTIFY',
    watch.contact,
    [
      `From: ${subscribe.header('To')};tag=scscf`,
      `To: ${subscribe.header('From')}`,
      `Call-ID: ${subscribe.header('Call-ID')}`,
      `CSeq: ${watch.cseq} NOTIFY`,
      'Contact: <sip:127.0.8.3:6060>',
      `Subscription-State: ${state}`,
      ...(lines.some((line) => line.startsWith('Event:')) ? [] : ['Event: reg']),
      'Content-Type: application/reginfo+xml',
      ...lines,
    ],
    body,
  );
  worker.receive(text, scscf);
  const answer = worker.sent.findIndex(({ status }) => status > 0);
  return worker.sent.splice(answer, 1)[0]!;
}

interface Told {
  readonly aor?: string;
  readonly from?: Ue;
  readonly state?: 'active' | 'terminated';
  readonly event?: ContactEvent;
  readonly expires?: number;
  /** Without contacts. */
  readonly bare?: boolean;
}

const registrationOf = ({ aor, from = alice, state = 'active', event = 'registered', expires = 3600, bare }: Told) =>
  ({
    aor: aor ?? `sip:${from.user}@ims.test`,
    id: `r-${aor}`,
    state,
    wildcard: '',
    contacts: bare
      ? []
      : [
          {
            id: 'c1',
            state,
            event,
            uri: `sip:${from.user}@${from.address}`,
            displayName: '',
            durationRegistered: -1,
            expires,
            retryAfter: -1,
            q: -1,
            callId: '',
            cseq: -1,
            parameters: [],
            publicGruu: '',
            temporaryGruu: '',
            firstCseq: -1,
          },
        ],
  }) satisfies RegInfoRegistration;

const document = (version: number, told: readonly Told[], state: RegInfo['state'] = 'full') =>
  formatRegInfo({ version, state, registrations: told.map(registrationOf) });

const everyIdentity = (from: Ue, more: Told): Told[] =>
  [`sip:${from.user}@ims.test`, `tel:+1555${from.user.length}`, `sip:${from.user}.private@ims.test`].map((aor) => ({
    aor,
    from,
    ...more,
  }));

/** A subscription that serves. */
function serving(from: Ue = alice, expires = 600_000): Watch {
  const watch = subscribed(from);
  accept(watch, expires);
  expect(notify(watch, document(0, everyIdentity(from, {}))).status).toBe(200);
  return watch;
}

const mayAsk = (from: Ue = alice) => {
  worker.receive(request(from, 'MESSAGE', 'sip:bob@ims.test', [`Route: ${serviceRoute}`]), from.source);
  const sent = worker.takeOne();
  if (sent.method === 'MESSAGE') worker.answer(sent, 200);
  worker.take();
  return sent.method === 'MESSAGE' ? sent.header('P-Asserted-Identity')! : sent.status;
};

describe('the subscription to a registration', () => {
  it('P-60 follows the 200 to an initial REGISTER: to the default identity, in the name of the Path, by way of home', () => {
    start();
    const { subscribe, contact } = subscribed();
    expect([subscribe.requestUri, subscribe.to]).toEqual(['sip:alice@ims.test', 'udp 127.0.8.2:4060']);
    expect(subscribe.header('To')).toBe('<sip:alice@ims.test>');
    expect(subscribe.header('From')).toMatch(/^<sip:127\.0\.8\.1:5060>;tag=/);
    expect(subscribe.header('P-Asserted-Identity')).toBe('<sip:127.0.8.1:5060>');
    expect(subscribe.header('Event')).toBe('reg');
    expect(subscribe.header('Accept')).toBe('application/reginfo+xml');
    expect(subscribe.header('Expires')).toBe('600000');
    expect(subscribe.header('P-Charging-Vector')).toMatch(/icid-value=.+;orig-ioi="?Visited Net/);
    expect(contact).toMatch(/^sip:reg-[\w-]{18}@127\.0\.8\.1:5060$/);
    expect(subscribe.all('Route')).toEqual([]);
  });

  it('P-60 a default identity that is a number goes by a Route home', () => {
    start();
    register(worker, alice, granted(alice).with(2, 'P-Associated-URI: <tel:+15555>'));
    const { subscribe } = taken();
    expect([subscribe.requestUri, subscribe.all('Route'), subscribe.to]).toEqual([
      'tel:+15555',
      ['<sip:ims.test;lr>'],
      'udp 127.0.8.2:4060',
    ]);
  });

  it('P-60 is one for all bindings of a private identity with the same default identity, refreshes included', () => {
    start();
    serving();
    register(worker, alice);
    register(worker, ue('alice', 'udp 127.16.0.1:5080'));
    worker.advance(5_000);
    expect(worker.take()).toEqual([]);
    subscribed(bob);
  });

  it('P-60 nobody subscribes where the configuration says so, or after a refused REGISTER', () => {
    start({ regEvent: { subscribe: false } });
    register(worker, alice);
    worker.advance(5_000);
    expect(worker.take()).toEqual([]);
    worker.stop();
    start();
    worker.receive(registerText(alice), alice.source);
    worker.answer(worker.takeOne(), 403);
    worker.take();
    worker.advance(5_000);
    expect(worker.take()).toEqual([]);
  });

  it('P-60 a storm of registrations is subscribed to at its own pace', () => {
    start({ regEvent: { rate: 2 } });
    const many = Array.from({ length: 10 }, (_, i) => ue(`user${i}`, `udp 127.16.1.${i + 1}:5070`));
    for (const each of many) register(worker, each);
    worker.advance(2_000);
    const asked = () => new Set(worker.take().map(({ requestUri }) => requestUri));
    const first = asked();
    expect(first.size).toBeGreaterThan(1);
    expect(first.size).toBeLessThan(6);
    worker.advance(5_000);
    expect(new Set([...first, ...asked()]).size).toBe(10);
  });

  it.each([403, 404, 480, 500, 503])('P-60 X-I14 %i is tried again later, and the registration stands', (status) => {
    start();
    const { subscribe } = subscribed();
    worker.answer(subscribe, status);
    worker.advance(20_000);
    expect(worker.take()).toEqual([]);
    expect(next(15_000).header('Call-ID')).not.toBe(subscribe.header('Call-ID'));
    expect(mayAsk()).toBe('<sip:alice@ims.test>');
  });

  it.each([401, 407])('X-I14 %i is never answered with credentials', (status) => {
    start();
    worker.answer(subscribed().subscribe, status, [
      `${status === 401 ? 'WWW' : 'Proxy'}-Authenticate: Digest realm="ims.test", nonce="n", algorithm=MD5, qop="auth"`,
    ]);
    worker.advance(60_000);
    for (const sent of worker.take()) {
      expect([sent.header('Authorization'), sent.header('Proxy-Authorization')]).toEqual([null, null]);
    }
  });

  it('P-60 what is refused for good is logged and left, until the next REGISTER', () => {
    start();
    worker.answer(subscribed().subscribe, 489);
    worker.advance(1_000_000);
    expect(worker.take()).toEqual([]);
    expect(worker.events).toContain('reg-event-failed');
    expect(worker.logged.some(({ fields }) => (fields as { reason?: string }).reason === 'reg-event-failed')).toBe(
      true,
    );
    register(worker, alice);
    taken();
  });

  it('P-61 is refreshed 600 s before its end, a short one at half time, inside its dialog', () => {
    start();
    serving(alice, 3600);
    register(worker, alice, granted(alice, 600_000));
    worker.advance(2_998_000);
    expect(worker.take()).toEqual([]);
    const refresh = next(4_000);
    expect([refresh.method, refresh.requestUri, refresh.header('CSeq')]).toEqual([
      'SUBSCRIBE',
      'sip:127.0.8.3:6060',
      '2 SUBSCRIBE',
    ]);
    expect(refresh.header('To')).toContain(';tag=scscf');
    worker.answer(refresh, 200, ['Expires: 100']);
    worker.advance(48_000);
    expect(worker.take()).toEqual([]);
    expect(next(4_000).header('CSeq')).toBe('3 SUBSCRIBE');
  });

  it('P-61 481 to a refresh: a new one begins', () => {
    start();
    const first = serving(alice, 100);
    worker.answer(next(52_000), 481);
    const again = next(2_000);
    expect(again.header('To')).not.toContain('tag=');
    expect(again.header('Call-ID')).not.toBe(first.subscribe.header('Call-ID'));
  });

  it('P-62 the NOTIFY may overtake the 200', () => {
    start();
    const watch = subscribed();
    expect(notify(watch, document(0, everyIdentity(alice, {}))).status).toBe(200);
    accept(watch);
    expect(worker.events).toContain('reg-event-subscribed');
    expect(notify(watch, document(1, everyIdentity(alice, { state: 'terminated' }))).status).toBe(200);
    expect(mayAsk()).toBe(403);
  });

  it('P-62 X-I16 what belongs to no subscription gets 481, another event 489', () => {
    start();
    const watch = serving();
    const ended = document(9, everyIdentity(alice, { state: 'terminated' }));
    const stolen = { ...watch, contact: watch.contact.replace(/reg-.{4}/, 'reg-XXXX') };
    expect(notify(stolen, ended).status).toBe(481);
    expect(notify(watch, ended, [], 'active').status).toBe(200);
    worker.stop();
    start();
    const other = serving();
    expect(notify(other, ended, ['Event: presence']).status).toBe(489);
    expect(notify({ ...other, subscribe: subscribed(bob).subscribe }, ended).status).toBe(481);
    expect(mayAsk()).toBe('<sip:alice@ims.test>');
  });

  it('P-62 a UE cannot send one: only the core is heard', () => {
    start();
    const watch = serving();
    const { subscribe } = watch;
    const text = request(
      alice,
      'NOTIFY',
      watch.contact,
      [
        `From: ${subscribe.header('To')};tag=scscf`,
        `To: ${subscribe.header('From')}`,
        `Call-ID: ${subscribe.header('Call-ID')}`,
        'Subscription-State: active',
        'Event: reg',
      ],
      document(7, everyIdentity(alice, { state: 'terminated' })),
    );
    worker.receive(text, alice.source);
    expect(worker.takeOne().status).toBeGreaterThanOrEqual(400);
    expect(mayAsk()).toBe('<sip:alice@ims.test>');
  });

  it('P-62 a document that is no newer changes nothing, nor one that cannot be read', () => {
    start();
    const watch = serving();
    notify(watch, document(5, everyIdentity(alice, {})));
    expect(notify(watch, document(4, everyIdentity(alice, { state: 'terminated' }))).status).toBe(200);
    expect(notify(watch, document(5, everyIdentity(alice, { state: 'terminated' }))).status).toBe(200);
    expect(notify(watch, '<reginfo').status).toBe(200);
    expect(notify(watch, '').status).toBe(200);
    expect(mayAsk()).toBe('<sip:alice@ims.test>');
    expect(worker.logged.map(({ fields }) => (fields as { reason?: string }).reason)).toContain('reg-event-unreadable');
  });

  it('P-62 a partial document tells of what it names; one that is missing is asked for', () => {
    start();
    const watch = serving();
    notify(watch, document(1, [{ aor: 'sip:alice.private@ims.test', state: 'terminated' }], 'partial'));
    expect(mayAsk()).toBe('<sip:alice@ims.test>');
    worker.advance(2_000);
    expect(worker.take()).toEqual([]);
    notify(watch, document(3, [], 'partial'));
    expect(next(2_000).header('CSeq')).toBe('2 SUBSCRIBE');
  });
});

describe('what the home network does with a registration', () => {
  it.each(['unregistered', 'deactivated', 'rejected', 'expired', 'probation'] as const)(
    'P-63 a contact that is terminated as %s is not registered here any more',
    (event) => {
      start();
      const watch = serving();
      const told = everyIdentity(alice, {}).map((each) => registrationOf(each));
      const registrations = told.map((each) => ({
        ...each,
        contacts: each.contacts.map((contact) => ({ ...contact, state: 'terminated' as const, event })),
      }));
      expect(notify(watch, formatRegInfo({ version: 1, state: 'full', registrations })).status).toBe(200);
      expect(mayAsk()).toBe(403);
      expect(worker.logic.registrations()).toBe(0);
      expect(worker.events).toContain('network-deregistration');
    },
  );

  it('P-63 identities go one by one; with the last one the binding goes', () => {
    start();
    const watch = serving();
    notify(watch, document(1, [{ aor: 'tel:+15555', state: 'terminated', bare: true }]));
    worker.receive(
      request(alice, 'MESSAGE', 'sip:bob@ims.test', [`Route: ${serviceRoute}`, 'P-Preferred-Identity: <tel:+15555>']),
      alice.source,
    );
    expect(worker.takeOne().header('P-Asserted-Identity')).toBe('<sip:alice@ims.test>');
    notify(watch, document(2, everyIdentity(alice, { state: 'terminated', bare: true })));
    expect(worker.logic.registrations()).toBe(0);
  });

  it('P-63 the contact of another UE says nothing of ours', () => {
    start();
    const watch = serving();
    const elsewhere = ue('alice', 'udp 127.16.9.9:5070');
    const told = registrationOf({ from: elsewhere, state: 'terminated', event: 'expired' });
    const document = formatRegInfo({ version: 1, state: 'full', registrations: [{ ...told, state: 'active' }] });
    notify(watch, document);
    expect(mayAsk()).toBe('<sip:alice@ims.test>');
  });

  it.each([
    ['release', ['BYE', 'BYE']],
    ['keep', []],
  ] as const)('P-63 P-110 its calls end or go on: regEvent.sessions %s', (sessions, expected) => {
    start({ regEvent: { sessions } });
    const watch = serving();
    worker.receive(request(alice, 'INVITE', 'sip:bob@ims.test', [`Route: ${serviceRoute}`]), alice.source);
    worker.answer(worker.takeOne(), 200, ['Contact: <sip:bob@127.0.8.3:6060>']);
    worker.take();
    notify(watch, document(1, everyIdentity(alice, { state: 'terminated' })));
    const sent = worker.take();
    expect(sent.map(({ method }) => method)).toEqual(expected);
    for (const bye of sent) worker.answer(bye, 200);
  });

  it('P-64 created: an identity that has come may be used', () => {
    start();
    const watch = serving();
    notify(watch, document(1, [{ aor: 'sip:new@ims.test', event: 'created' }], 'partial'));
    worker.receive(
      request(alice, 'MESSAGE', 'sip:bob@ims.test', [
        `Route: ${serviceRoute}`,
        'P-Preferred-Identity: <sip:new@ims.test>',
      ]),
      alice.source,
    );
    expect(worker.takeOne().header('P-Asserted-Identity')).toBe('<sip:new@ims.test>');
  });

  it('P-64 shortened: the binding runs out sooner, by no document later', () => {
    start();
    const watch = serving();
    notify(watch, document(1, everyIdentity(alice, { event: 'shortened', expires: 60 })));
    worker.advance(80_000);
    worker.take();
    expect(worker.logic.registrations()).toBe(1);
    worker.advance(15_000);
    expect(worker.logic.registrations()).toBe(0);
  });

  it('P-64 refreshed elsewhere: it lives longer', () => {
    start();
    const watch = subscribed();
    accept(watch);
    notify(watch, document(0, everyIdentity(alice, { event: 'refreshed', expires: 7200 })));
    worker.advance(7_100_000);
    worker.take();
    expect(worker.logic.registrations()).toBe(1);
  });

  it.each([
    ['deactivated', true],
    ['timeout', true],
    ['rejected', false],
    ['noresource', false],
    ['giveup', false],
  ] as const)('P-65 terminated;reason=%s while the UE is registered: begun anew is %s', (reason, isAgain) => {
    start();
    const watch = serving();
    worker.advance(61_000);
    expect(notify(watch, '', [], `terminated;reason=${reason}`).status).toBe(200);
    worker.advance(40_000);
    const sent = worker.take().filter(({ method }) => method === 'SUBSCRIBE');
    expect(new Set(sent.map((each) => each.header('Call-ID'))).size).toBe(isAgain ? 1 : 0);
    expect(mayAsk()).toBe('<sip:alice@ims.test>');
  });

  it('P-65 P-55 with the last binding the subscription goes: the notifier ends it, or we do', () => {
    start();
    const watch = serving();
    notify(watch, document(1, everyIdentity(alice, { state: 'terminated' })), [], 'terminated;reason=deactivated');
    worker.advance(60_000);
    expect(worker.take()).toEqual([]);
    expect(store.count('reg-subscriptions')).toBe(0);
    const other = serving(bob);
    worker.receive(registerText(bob, [], `<sip:bob@${bob.address}>;expires=0`), bob.source);
    worker.answer(worker.takeOne(), 200, granted(bob).slice(1));
    expect(worker.takeOne().status).toBe(200);
    const goodbye = next(12_000);
    expect([goodbye.method, goodbye.header('Expires'), goodbye.header('Call-ID')]).toEqual([
      'SUBSCRIBE',
      '0',
      other.subscribe.header('Call-ID'),
    ]);
    worker.answer(goodbye, 200, ['Expires: 0']);
    expect(notify(other, '', [], 'terminated;reason=timeout').status).toBe(200);
    expect(store.count('reg-subscriptions')).toBe(0);
    worker.advance(300_000);
    expect(worker.held.size).toBe(0);
  });

  it.each([
    ['whose goodbye nobody answers', false],
    ['whose last NOTIFY never comes', true],
  ])('P-55 a subscription %s is forgotten all the same', (_title, isAnswered) => {
    start();
    serving();
    worker.receive(registerText(alice, [], `<sip:alice@${alice.address}>;expires=0`), alice.source);
    worker.answer(worker.takeOne(), 200, granted(alice).slice(1));
    worker.take();
    const goodbye = next(12_000);
    expect(goodbye.header('Expires')).toBe('0');
    if (isAnswered) worker.answer(goodbye, 200, ['Expires: 0']);
    worker.advance(130_000);
    expect(store.count('reg-subscriptions')).toBe(0);
    worker.advance(300_000);
    expect(worker.held.size).toBe(0);
  });

  it('P-55 one that was being given up when the process ended is forgotten', () => {
    start();
    serving();
    worker.receive(registerText(alice, [], `<sip:alice@${alice.address}>;expires=0`), alice.source);
    worker.answer(worker.takeOne(), 200, granted(alice).slice(1));
    worker.take();
    expect(next(12_000).header('Expires')).toBe('0');
    const { clock } = worker;
    worker.stop();
    worker = startPcscf({ store, regEvent: { subscribe: true }, wallStartMs: clock.wallMs() + 1000 });
    worker.advance(120_000);
    expect(store.count('reg-subscriptions')).toBe(0);
    expect(worker.take()).toEqual([]);
  });

  it('P-55 who registers again at once keeps it', () => {
    start();
    serving();
    worker.receive(registerText(alice, [], `<sip:alice@${alice.address}>;expires=0`), alice.source);
    worker.answer(worker.takeOne(), 200, granted(alice).slice(1));
    worker.take();
    register(worker, alice);
    worker.advance(30_000);
    expect(worker.take()).toEqual([]);
  });
});

describe('a subscription after a restart', () => {
  it('P-60 P-62 serves on: its NOTIFY is known, it is refreshed when it is due', () => {
    start();
    const watch = serving(alice, 3600);
    register(worker, alice, granted(alice, 600_000));
    const { clock } = worker;
    worker.stop();
    worker = startPcscf({ store, regEvent: { subscribe: true }, wallStartMs: clock.wallMs() + 1000 });
    notify(watch, document(1, [{ aor: 'sip:new@ims.test', event: 'created' }], 'partial'));
    worker.receive(
      request(alice, 'MESSAGE', 'sip:bob@ims.test', [
        `Route: ${serviceRoute}`,
        'P-Preferred-Identity: <sip:new@ims.test>',
      ]),
      alice.source,
    );
    const sent = worker.takeOne();
    expect(sent.header('P-Asserted-Identity')).toBe('<sip:new@ims.test>');
    worker.answer(sent, 200);
    worker.take();
    worker.advance(2_990_000);
    expect(worker.take()).toEqual([]);
    expect(next(12_000).header('CSeq')).toBe('2 SUBSCRIBE');
  });

  it('P-60 what was under way when the process ended is begun anew', () => {
    start();
    subscribed();
    const { clock } = worker;
    worker.stop();
    worker = startPcscf({ store, regEvent: { subscribe: true }, wallStartMs: clock.wallMs() + 1000 });
    expect(next(62_000).method).toBe('SUBSCRIBE');
  });

  it('P-61 one whose Call-ID is in the hands of another worker waits', () => {
    start();
    const watch = serving(alice, 100);
    worker.owners.set(watch.subscribe.header('Call-ID')!, 1);
    worker.advance(60_000);
    expect(worker.take()).toEqual([]);
    worker.owners.clear();
    expect(next(3_000).header('CSeq')).toBe('2 SUBSCRIBE');
  });
});
