import { afterEach, describe, expect, it } from 'vitest';
import { pcscfTables } from '#nodes/pcscf/registrations';
import { openMemoryStore } from '#store/memory-store';
import type { SentMessage } from '../worker-harness.ts';
import {
  alice,
  bob,
  coreRequest,
  expectQuiet,
  granted,
  mw,
  type PcscfOptions,
  type PcscfWorker,
  register,
  request,
  scscf,
  serviceRoute,
  startPcscf,
  twoListeners,
  ue,
} from './pcscf-harness.ts';

let worker: PcscfWorker;
const start = (options?: PcscfOptions) => (worker = startPcscf(options));
afterEach(() => expectQuiet(worker));

const own = (token: string, host = '127.0.8.1:5060') => `<sip:${token}@${host};lr>`;
const mo = '<sip:mo@127.0.8.3:6060;lr>';
const mt = '<sip:mt@127.0.8.3:6060;lr>';
const far = 'sip:far@127.32.0.9:5070';

interface Call {
  readonly token: string;
  readonly invite: SentMessage;
  /** Lines of the caller's requests inside the dialog. */
  readonly inside: readonly string[];
}

/** A call of alice that the far side has answered. */
function callOut(options: { readonly status?: number; readonly callId?: string } = {}): Call {
  const token = register(worker, alice);
  const callId = options.callId ?? 'out';
  worker.receive(
    request(alice, 'INVITE', 'sip:bob@ims.test', [
      `Route: <sip:127.0.8.1:5060;lr>, ${serviceRoute}`,
      `Call-ID: ${callId}`,
    ]),
    alice.source,
  );
  const invite = worker.takeOne();
  answerOut(invite, options.status ?? 200, token);
  const inside = [
    `Call-ID: ${callId}`,
    'From: <sip:alice@ims.test>;tag=alice',
    'To: <sip:bob@ims.test>;tag=remote',
    `Route: ${own(token)}, ${mo}, ${mt}`,
  ];
  return { token, invite, inside };
}

function answerOut(invite: SentMessage, status: number, token: string, toTag = 'remote'): SentMessage {
  const vias = invite.all('Via').map((via) => `Via: ${via}`);
  const lines = [
    `SIP/2.0 ${status} Fine`,
    ...vias,
    `Record-Route: ${mt}, ${mo}, ${own(token)}`,
    ...['From', 'Call-ID', 'CSeq'].map((name) => `${name}: ${invite.header(name)}`),
    `To: ${invite.header('To')};tag=${toTag}`,
    `Contact: <${far}>`,
  ];
  worker.receive(`${lines.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`, scscf);
  return worker.takeOne();
}

/** A call to bob that he has answered. */
function callIn(): Call {
  const token = register(worker, bob);
  worker.receive(
    coreRequest('INVITE', 'sip:bob@127.32.0.1:5070', [
      `Route: ${own(token)}`,
      `Record-Route: ${mt}`,
      `Record-Route: ${mo}`,
      'Call-ID: in',
      'P-Charging-Vector: icid-value=c1',
    ]),
    scscf,
  );
  const invite = worker.takeOne();
  worker.answer(invite, 200, ['Contact: <sip:bob@127.32.0.1:5070>'], '', 'bob');
  worker.take();
  const inside = [
    'Call-ID: in',
    'From: <sip:bob@127.32.0.1:5070>;tag=bob',
    'To: <sip:caller@ims.test>;tag=caller',
    `Route: ${own(token)}, ${mt}, ${mo}`,
  ];
  return { token, invite, inside };
}

describe('inside a call of a UE', () => {
  it('P-75 P-100 P-102 its requests go along the route set with the charging identifier of the call', () => {
    start();
    const { invite, inside } = callOut();
    worker.receive(
      request(alice, 'UPDATE', far, [...inside, 'P-Asserted-Identity: <sip:boss@ims.test>']),
      alice.source,
    );
    const update = worker.takeOne();
    expect([update.to, update.header('Route'), update.requestUri]).toEqual([scscf, `${mo}, ${mt}`, far]);
    expect(update.header('P-Charging-Vector')).toBe(invite.header('P-Charging-Vector'));
    expect(update.all('Record-Route')).toEqual([]);
    expect(update.all('P-Asserted-Identity')).toEqual([]);
    worker.answer(update, 200, ['P-Charging-Vector: icid-value=x', 'Contact: <sip:far2@127.32.0.9:5070>']);
    expect(worker.takeOne().all('P-Charging-Vector')).toEqual([]);
  });

  it('P-104 PRACK passes before the call is answered', () => {
    start();
    const { inside } = callOut({ status: 183 });
    worker.receive(request(alice, 'PRACK', far, [...inside, 'RAck: 1 1 INVITE']), alice.source);
    const prack = worker.takeOne();
    expect([prack.header('RAck'), prack.to]).toEqual(['1 1 INVITE', scscf]);
  });

  it('P-100 its ACK goes on, and requests of the core come back to its flow', () => {
    start();
    const { token, inside } = callOut();
    worker.receive(request(alice, 'ACK', far, inside), alice.source);
    const ack = worker.takeOne();
    expect([ack.method, ack.to, ack.header('Route')]).toEqual(['ACK', scscf, `${mo}, ${mt}`]);
    const lines = [
      `Route: ${own(token)}`,
      'Call-ID: out',
      'From: <sip:bob@ims.test>;tag=remote',
      'To: <sip:alice@ims.test>;tag=alice',
      'P-Charging-Vector: icid-value=c9',
      'P-Access-Network-Info: other-party',
    ];
    worker.receive(coreRequest('BYE', 'sip:alice@127.16.0.1:5070', lines), scscf);
    const bye = worker.takeOne();
    expect([bye.to, bye.all('P-Charging-Vector'), bye.all('P-Access-Network-Info')]).toEqual([alice.source, [], []]);
    worker.answer(bye, 200);
    const ok = worker.takeOne();
    expect([ok.to, ok.header('P-Charging-Vector')]).toEqual([scscf, 'icid-value=c9']);
    expect(worker.logic.sessions()).toBe(0);
  });

  it('P-76 P-100 both of our entries come off the Route where Gm and Mw differ', () => {
    start({ listeners: twoListeners, trusted: ['127.0.0.0/8'] });
    const token = register(worker, alice);
    const pair = `${own(token, '127.0.0.1:5060')}, ${own(token, '127.0.0.1:5070')}`;
    const dialog = ['Call-ID: x', 'To: <sip:bob@ims.test>;tag=remote'];
    worker.receive(request(alice, 'BYE', far, [...dialog, `Route: ${pair}, ${mo}`]), alice.source);
    expect(worker.takeOne().header('Route')).toBe(mo);
    const back = `${own(token, '127.0.0.1:5070')}, ${own(token, '127.0.0.1:5060')}`;
    worker.receive(coreRequest('BYE', 'sip:alice@127.16.0.1:5070', [...dialog, `Route: ${back}`]), scscf, mw);
    const bye = worker.takeOne();
    expect([bye.to, bye.header('Route'), bye.target.listener]).toEqual([alice.source, null, 0]);
  });

  it('P-76 the pair of a UE on TCP comes off as well, though both entries have one address', () => {
    start();
    const stream = ue('alice', 'tcp 127.16.0.1:40000 #7');
    const token = register(worker, stream, granted(stream), 1);
    const pair = `<sip:${token}@127.0.8.1:5060;transport=tcp;lr>, ${own(token)}`;
    worker.receive(
      request(stream, 'BYE', far, ['Call-ID: x', 'To: <sip:b@c>;tag=1', `Route: ${pair}, ${mo}`]),
      stream.source,
      1,
    );
    expect(worker.takeOne().header('Route')).toBe(mo);
  });

  it('P-96 an ACK of the core goes to the flow of the UE from Gm', () => {
    start({ listeners: twoListeners, trusted: ['127.0.0.0/8'] });
    const token = register(worker, bob);
    const lines = ['Call-ID: x', 'To: <sip:bob@ims.test>;tag=b', `Route: ${own(token, '127.0.0.1:5070')}`];
    worker.receive(coreRequest('ACK', 'sip:bob@10.9.9.9:5070', lines), scscf, mw);
    const ack = worker.takeOne();
    expect([ack.method, ack.to, ack.target.listener, ack.header('Via')!.includes('127.0.0.1:5060')]).toEqual([
      'ACK',
      bob.source,
      0,
      true,
    ]);
  });

  it('P-100 P-102 the called UE: its requests carry the charging vector it was called with', () => {
    start();
    const { inside } = callIn();
    worker.receive(request(bob, 'BYE', 'sip:caller@127.16.0.5:5070', inside), bob.source);
    const bye = worker.takeOne();
    expect([bye.to, bye.header('Route'), bye.header('P-Charging-Vector')]).toEqual([
      scscf,
      `${mt}, ${mo}`,
      'icid-value=c1',
    ]);
    worker.answer(bye, 200);
    expect([worker.takeOne().status, worker.logic.sessions()]).toEqual([200, 0]);
  });

  it.each([504, 0])('P-100 X-R2 a BYE that does not get through (%i) may be sent again, and is no leak', (status) => {
    start();
    const { inside } = callOut();
    const again = (cseq: number) =>
      worker.receive(request(alice, 'BYE', far, inside).replace(/CSeq: \d+/, `CSeq: ${cseq}`), alice.source);
    again(5);
    const bye = worker.takeOne();
    if (status > 0) worker.answer(bye, status);
    else worker.advance(33_000);
    worker.take();
    expect(worker.logic.sessions()).toBe(1);
    again(6);
    worker.answer(worker.takeOne(), 200);
    expect([worker.takeOne().status, worker.logic.sessions()]).toEqual([200, 0]);
    const other = callOut();
    worker.receive(request(alice, 'BYE', far, other.inside), alice.source);
    worker.answer(worker.takeOne(), 504);
    worker.take();
    worker.advance(140_000);
    expect([worker.logic.sessions(), worker.held.size]).toEqual([0, 0]);
  });

  it('P-102 forks are dialogs of their own, those that were not answered end with the transaction', () => {
    start();
    const { invite, token, inside } = callOut({ status: 180 });
    answerOut(invite, 183, token, 'other');
    answerOut(invite, 200, token, 'other');
    const to = inside.map((line) => line.replace('tag=remote', 'tag=other'));
    worker.receive(request(alice, 'PRACK', far, inside), alice.source);
    worker.receive(request(alice, 'INFO', far, to), alice.source);
    expect(worker.take().map(({ method }) => method)).toEqual(['PRACK', 'INFO']);
    worker.advance(140_000);
    worker.take();
    worker.receive(request(alice, 'INFO', far, inside), alice.source);
    expect(worker.takeOne().status).toBe(481);
    worker.receive(request(alice, 'INFO', far, to), alice.source);
    expect(worker.takeOne().method).toBe('INFO');
  });

  it('P-102 a call that is refused leaves nothing behind, and its Call-ID is free again', () => {
    start();
    const { invite } = callOut({ status: 180 });
    expect(worker.logic.sessions()).toBe(1);
    worker.answer(invite, 486);
    worker.take();
    expect(worker.logic.sessions()).toBe(0);
    worker.advance(140_000);
    expect(worker.held.size).toBe(0);
  });

  it('P-102 holds the Call-ID while the call lives, and forgets a call with a session timer that nobody refreshed', () => {
    start();
    const { invite, token } = callOut({ status: 180 });
    const text = [
      'SIP/2.0 200 OK',
      ...invite.all('Via').map((via) => `Via: ${via}`),
      `Record-Route: ${mt}, ${mo}, ${own(token)}`,
      ...['From', 'Call-ID', 'CSeq'].map((name) => `${name}: ${invite.header(name)}`),
      `To: ${invite.header('To')};tag=remote`,
      `Contact: <${far}>`,
      'Session-Expires: 600;refresher=uac',
    ];
    worker.receive(`${text.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`, scscf);
    worker.advance(300_000);
    expect([worker.logic.sessions(), worker.held.get('out')]).toEqual([1, 1]);
    worker.advance(450_000);
    worker.take();
    // It is ended then (P-110), and known for as long as something of it may be under way.
    worker.advance(128_000);
    expect([worker.logic.sessions(), worker.held.size]).toEqual([0, 0]);
  });

  it('P-102 a subscription ends with its last NOTIFY', () => {
    start();
    const token = register(worker, alice);
    worker.receive(
      request(alice, 'SUBSCRIBE', 'sip:alice@ims.test', ['Call-ID: sub', 'Event: reg', `Route: ${serviceRoute}`]),
      alice.source,
    );
    worker.answer(worker.takeOne(), 200, ['Expires: 600', 'Contact: <sip:127.0.8.3:6060>']);
    worker.take();
    const notify = (state: string) => {
      const lines = [
        `Route: ${own(token)}`,
        'Call-ID: sub',
        'From: <sip:alice@ims.test>;tag=remote',
        'To: <sip:alice@ims.test>;tag=alice',
        `Subscription-State: ${state}`,
      ];
      worker.receive(coreRequest('NOTIFY', 'sip:alice@127.16.0.1:5070', lines), scscf);
      const sent = worker.takeOne();
      expect(sent.to).toBe(alice.source);
      worker.answer(sent, 200);
      worker.take();
    };
    notify('active;expires=600');
    expect(worker.logic.sessions()).toBe(1);
    // The S-CSCF keeps off the route: the UE's next SUBSCRIBE goes to its Contact.
    const inside = [
      'Call-ID: sub',
      'From: <sip:alice@ims.test>;tag=alice',
      'To: <sip:alice@ims.test>;tag=remote',
      'Event: reg',
      `Route: ${own(token)}`,
    ];
    worker.receive(request(alice, 'SUBSCRIBE', 'sip:127.0.8.3:6060', inside), alice.source);
    expect(worker.takeOne().to).toBe(scscf);
    notify('terminated;reason=noresource');
    expect(worker.logic.sessions()).toBe(0);
  });
});

describe('what is not the UE’s own', () => {
  it('P-100 X-I17 another UE cannot use the token, the identifiers or the flow of a call', () => {
    start();
    const { inside } = callOut();
    const mallory = ue('mallory', 'udp 127.16.0.66:5070');
    const token = register(worker, mallory);
    for (const method of ['BYE', 'INVITE', 'UPDATE', 'PRACK']) {
      worker.receive(request(mallory, method, far, inside), mallory.source);
      expect(worker.takeOne().status, method).toBe(403);
      const withOwn = inside.map((line) => (line.startsWith('Route') ? `Route: ${own(token)}, ${mo}, ${mt}` : line));
      worker.receive(request(mallory, method, far, withOwn), mallory.source);
      expect(worker.takeOne().status, method).toBe(403);
    }
    worker.receive(request(mallory, 'ACK', far, inside), mallory.source);
    expect(worker.take()).toEqual([]);
    const stranger = ue('x', 'udp 127.16.0.99:5070');
    worker.receive(request(stranger, 'BYE', far, inside), stranger.source);
    expect(worker.takeOne().status).toBe(403);
    expect(worker.logic.sessions()).toBe(1);
  });

  it('P-100 without Route: 481, or 403 for what would change a session; tags must be those of the call', () => {
    start();
    const { inside } = callOut();
    const unknown = ['Call-ID: nowhere', 'To: <sip:bob@ims.test>;tag=remote'];
    for (const [method, status] of [
      ['BYE', 481],
      ['INFO', 481],
      ['INVITE', 403],
      ['UPDATE', 403],
    ] as const) {
      worker.receive(request(alice, method, far, unknown), alice.source);
      expect(worker.takeOne().status, method).toBe(status);
    }
    const wrongTag = inside.map((line) => line.replace('tag=remote', 'tag=guess'));
    worker.receive(request(alice, 'BYE', far, wrongTag), alice.source);
    expect(worker.takeOne().status).toBe(481);
  });

  it('P-101 X-I4 the Route of a known call is put right, whatever the UE writes', () => {
    start();
    const { token, inside } = callOut();
    for (const route of [
      [],
      [`Route: ${own(token)}, <sip:203.0.113.1;lr>`],
      [`Route: ${own(token)}, <sip:127.0.0.1:22;lr>, ${mo}`],
    ]) {
      const lines = [...inside.filter((line) => !line.startsWith('Route')), ...route];
      worker.receive(request(alice, 'INFO', far, lines), alice.source);
      const info = worker.takeOne();
      expect([info.to, info.header('Route')]).toEqual([scscf, `${mo}, ${mt}`]);
    }
  });

  it('P-101 strict answers 400 instead', () => {
    start({ serviceRoute: 'strict' });
    const { token, inside } = callOut();
    const lines = [...inside.filter((line) => !line.startsWith('Route')), `Route: ${own(token)}, <sip:203.0.113.1;lr>`];
    worker.receive(request(alice, 'INFO', far, lines), alice.source);
    expect(worker.takeOne().status).toBe(400);
  });

  it('X-I4 X-I22 of a call that is not known here, nothing goes to a hop outside the core', () => {
    start();
    const token = register(worker, alice);
    const dialog = ['Call-ID: elsewhere', 'To: <sip:bob@ims.test>;tag=remote'];
    for (const [uri, rest] of [
      [far, ', <sip:203.0.113.1;lr>'],
      ['sip:203.0.113.1', ''],
      ['sip:127.0.8.1:5060', ''],
      ['sip:x@127.0.8.3:6060;maddr=203.0.113.1', ', <sip:127.0.8.3:6060;lr;maddr=203.0.113.1>'],
      ['tel:+1555', ''],
      [far, ', <sip:evil.example;lr>'],
    ] as const) {
      worker.receive(request(alice, 'BYE', uri, [...dialog, `Route: ${own(token)}${rest}`]), alice.source);
      expect(worker.takeOne().status, uri + rest).toBe(403);
    }
    expect(new Set(worker.refusals)).toEqual(new Set(['untrusted-next-hop']));
    worker.receive(request(alice, 'BYE', far, [...dialog, `Route: ${own(token)}, <sip:as.ims.test;lr>`]), alice.source);
    worker.take();
    expect(worker.refusals).toContain('untrusted-next-hop');
  });
});

describe('calls that outlive what began them', () => {
  it('P-100 pass by the token of the binding after a restart', () => {
    const store = openMemoryStore(pcscfTables);
    start({ store });
    const { token, inside } = callOut();
    expectQuiet(worker);
    start({ store });
    worker.receive(request(alice, 'ACK', far, inside), alice.source);
    worker.receive(request(alice, 'BYE', far, inside), alice.source);
    const [ack, bye] = worker.take();
    expect([ack!.to, bye!.to, bye!.header('Route')]).toEqual([scscf, scscf, `${mo}, ${mt}`]);
    expect(bye!.header('P-Charging-Vector')).toContain('icid-value=');
    const lines = [
      `Route: ${own(token)}`,
      'Call-ID: out',
      'From: <sip:bob@ims.test>;tag=remote',
      'To: <sip:alice@ims.test>;tag=alice',
    ];
    worker.receive(coreRequest('BYE', 'sip:alice@127.16.0.1:5070', lines), scscf);
    expect(worker.takeOne().to).toBe(alice.source);
  });

  it('P-55 P-100 go on to their end after the UE has de-registered', () => {
    start();
    const { token, inside } = callOut();
    register(worker, alice, []);
    expect(worker.logic.registrations()).toBe(0);
    worker.receive(request(alice, 'INFO', far, inside), alice.source);
    expect(worker.takeOne().method).toBe('INFO');
    const lines = [
      `Route: ${own(token)}`,
      'Call-ID: out',
      'From: <sip:bob@ims.test>;tag=remote',
      'To: <sip:alice@ims.test>;tag=alice',
    ];
    worker.receive(coreRequest('BYE', 'sip:alice@127.16.0.1:5070', lines), scscf);
    expect(worker.takeOne().to).toBe(alice.source);
    worker.receive(
      coreRequest(
        'BYE',
        'sip:alice@127.16.0.1:5070',
        [...lines, 'X-Other: dialog'].map((line) => line.replace(': out', ': other')),
      ),
      scscf,
    );
    expect(worker.takeOne().status).toBe(481);
  });

  it('P-56 P-100 follow the UE to its new address', () => {
    start();
    const { token, inside } = callOut();
    const moved = ue('alice', 'udp 127.16.0.7:5070');
    register(worker, moved);
    worker.receive(request(moved, 'INFO', far, inside), moved.source);
    expect(worker.takeOne().to).toBe(scscf);
    const lines = [
      `Route: ${own(token)}`,
      'Call-ID: out',
      'From: <sip:bob@ims.test>;tag=remote',
      'To: <sip:alice@ims.test>;tag=alice',
    ];
    worker.receive(coreRequest('BYE', 'sip:alice@127.16.0.1:5070', lines), scscf);
    expect(worker.takeOne().to).toBe(moved.source);
  });
});
