import { afterEach, describe, expect, it } from 'vitest';
import { reasons } from '#ims/reasons';
import type { SessionRelease } from '#nodes/pcscf/session-release';
import type { SentMessage } from '../worker-harness.ts';
import {
  alice,
  bob,
  coreRequest,
  expectQuiet,
  granted,
  type PcscfWorker,
  register,
  request,
  scscf,
  serviceRoute,
  startPcscf,
} from './pcscf-harness.ts';

let worker: PcscfWorker;
const start = () => (worker = startPcscf({ sessionTimers: 'supporting' }));
afterEach(() => expectQuiet(worker));

const own = (token: string) => `<sip:${token}@127.0.8.1:5060;lr>`;
const mo = '<sip:mo@127.0.8.3:6060;lr>';
const mt = '<sip:mt@127.0.8.3:6060;lr>';
const far = 'sip:far@127.32.0.9:5070';
const busy = 'SIP;cause=503;text="Service Unavailable"';
const sdp = 'v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n';

/** A call of alice to the far side, as far as its INVITE. */
function invite(lines: readonly string[] = []): { token: string; sent: SentMessage } {
  const token = register(worker, alice);
  const route = `Route: <sip:127.0.8.1:5060;lr>, ${serviceRoute}`;
  const invitation = ['To: "Bob" <sip:bob@ims.test>', 'CSeq: 41 INVITE', 'Call-ID: out', route, ...lines];
  worker.receive(request(alice, 'INVITE', 'sip:bob@ims.test', invitation), alice.source);
  return { token, sent: worker.takeOne() };
}

/** Answers the INVITE of a caller from the core. */
function answerFar(
  { token, sent }: { token: string; sent: SentMessage },
  status: number,
  lines: readonly string[] = [],
  toTag = 'remote',
): void {
  const text = [
    `SIP/2.0 ${status} Fine`,
    ...sent.all('Via').map((via) => `Via: ${via}`),
    `Record-Route: ${mt}, ${mo}, ${own(token)}`,
    ...['From', 'Call-ID', 'CSeq'].map((name) => `${name}: ${sent.header(name)}`),
    `To: ${sent.header('To')};tag=${toTag}`,
    `Contact: <${far}>`,
    ...lines,
  ];
  worker.receive(`${text.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`, scscf);
}

/** A call to bob, as far as its INVITE. */
function inviteBob(): { token: string; sent: SentMessage } {
  const token = register(worker, bob);
  worker.receive(
    coreRequest('INVITE', 'sip:bob@127.32.0.1:5070', [
      `Route: ${own(token)}`,
      `Record-Route: ${mt}`,
      `Record-Route: ${mo}`,
      'Contact: <sip:caller@10.1.1.1:5060>',
      'CSeq: 7 INVITE',
      'Call-ID: in',
      'P-Charging-Vector: icid-value=c1',
    ]),
    scscf,
  );
  return { token, sent: worker.takeOne() };
}

const endCall = (callId: string) => worker.logic.control({ command: 'release-session', callId });
const endBinding = (token: string, release: Partial<SessionRelease> = {}) => {
  const usual = { status: 503, cause: 503, text: 'Service Unavailable', reason: reasons.sessionEndedByOperator };
  worker.side.beginBatch();
  worker.logic.workerMessage(` release ${JSON.stringify({ token, release: { ...usual, ...release } })}`);
  worker.side.endBatch();
};
const to = (sent: readonly SentMessage[], where: string, method: string) => {
  const found = sent.find((message) => message.to === where && message.method === method);
  if (found === undefined) throw new Error(`no ${method} to ${where}: ${sent.map((each) => each.startLine)}`);
  return found;
};
const head = (bye: SentMessage) => ({
  uri: bye.requestUri,
  route: bye.all('Route').join(', '),
  from: bye.header('From'),
  to: bye.header('To'),
  cseq: bye.header('CSeq'),
  reason: bye.header('Reason'),
});

describe('a call that is answered and that the network ends', () => {
  it('P-110 P-112 both sides get a BYE in the name of the other, with its tags, target, routes and next CSeq', () => {
    start();
    const call = invite();
    answerFar(call, 200);
    worker.take();
    // What both sides have sent meanwhile counts.
    const inside = ['Call-ID: out', 'From: <sip:alice@ims.test>;tag=alice', 'To: <sip:bob@ims.test>;tag=remote'];
    const route = `Route: ${own(call.token)}, ${mo}, ${mt}`;
    worker.receive(request(alice, 'UPDATE', far, [...inside, route, 'CSeq: 45 UPDATE']), alice.source);
    worker.answer(worker.takeOne(), 200, ['Contact: <sip:far@127.32.0.10:5070>']);
    const back = ['Call-ID: out', 'From: <sip:bob@ims.test>;tag=remote', 'To: <sip:alice@ims.test>;tag=alice'];
    worker.receive(
      coreRequest('INFO', 'sip:alice@127.16.0.1:5070', [...back, `Route: ${own(call.token)}`, 'CSeq: 900 INFO']),
      scscf,
    );
    worker.take();
    expect(endCall('out')).toBe(1);
    const sent = worker.take();
    expect(sent.length).toBe(2);
    expect(head(to(sent, alice.source, 'BYE'))).toEqual({
      uri: `sip:alice@${alice.address}`,
      route: '',
      from: '"Bob" <sip:bob@ims.test>;tag=remote',
      to: '<sip:alice@ims.test>;tag=alice',
      cseq: '901 BYE',
      reason: busy,
    });
    const bye = to(sent, scscf, 'BYE');
    expect(head(bye)).toEqual({
      uri: 'sip:far@127.32.0.10:5070',
      route: `${mo}, ${mt}`,
      from: '<sip:alice@ims.test>;tag=alice',
      to: '"Bob" <sip:bob@ims.test>;tag=remote',
      cseq: '46 BYE',
      reason: busy,
    });
    expect(bye.header('P-Charging-Vector')).toBe(call.sent.header('P-Charging-Vector'));
    expect(to(sent, alice.source, 'BYE').header('P-Charging-Vector')).toBeNull();
    for (const message of sent) worker.answer(message, 200);
    expect(worker.take()).toEqual([]);
    expect(worker.events.filter((event) => event === 'session-released').length).toBe(1);
    worker.advance(128_000);
    expect([worker.logic.sessions(), worker.held.size]).toEqual([0, 0]);
  });

  it('P-112 the called UE gets its BYE by its flow, the core by the Record-Route of the INVITE', () => {
    start();
    const { sent: invitation } = inviteBob();
    worker.answer(invitation, 200, ['Contact: <sip:bob@127.32.0.1:5070;x=1>'], '', 'bob');
    worker.take();
    expect(endCall('in')).toBe(1);
    const sent = worker.take();
    expect(head(to(sent, bob.source, 'BYE'))).toEqual({
      uri: 'sip:bob@127.32.0.1:5070;x=1',
      route: '',
      from: '<sip:caller@ims.test>;tag=caller',
      to: '<sip:bob@127.32.0.1:5070>;tag=bob',
      cseq: '8 BYE',
      reason: busy,
    });
    expect(head(to(sent, scscf, 'BYE'))).toMatchObject({
      uri: 'sip:caller@10.1.1.1:5060',
      route: `${mt}, ${mo}`,
      from: '<sip:bob@127.32.0.1:5070>;tag=bob',
      to: '<sip:caller@ims.test>;tag=caller',
      cseq: '1 BYE',
    });
    expect(endCall('in')).toBe(0);
    expect(endCall('unknown')).toBe(0);
    expect(worker.take()).toEqual([]);
  });

  it('P-112 a late BYE of either side is answered 200 and goes nowhere; anything else gets 481', () => {
    start();
    const call = invite();
    answerFar(call, 200);
    worker.take();
    endCall('out');
    worker.take();
    const inside = ['Call-ID: out', 'From: <sip:alice@ims.test>;tag=alice', 'To: <sip:bob@ims.test>;tag=remote'];
    const route = `Route: ${own(call.token)}, ${mo}, ${mt}`;
    worker.receive(request(alice, 'BYE', far, [...inside, route]), alice.source);
    expect(worker.take().map((each) => [each.status, each.to])).toEqual([[200, alice.source]]);
    worker.receive(request(alice, 'INFO', far, [...inside, route]), alice.source);
    expect(worker.take().map((each) => [each.status, each.to])).toEqual([[481, alice.source]]);
    const back = ['Call-ID: out', 'From: <sip:bob@ims.test>;tag=remote', 'To: <sip:alice@ims.test>;tag=alice'];
    worker.receive(coreRequest('BYE', 'sip:alice@127.16.0.1:5070', [...back, `Route: ${own(call.token)}`]), scscf);
    expect(worker.take().map((each) => each.status)).toEqual([200]);
  });

  it('P-112 a call that an end is ending is left to it: each side hears one BYE', () => {
    start();
    const call = invite();
    answerFar(call, 200);
    worker.take();
    const back = ['Call-ID: out', 'From: <sip:bob@ims.test>;tag=remote', 'To: <sip:alice@ims.test>;tag=alice'];
    worker.receive(coreRequest('BYE', 'sip:alice@127.16.0.1:5070', [...back, `Route: ${own(call.token)}`]), scscf);
    const bye = worker.takeOne();
    expect(bye.to).toBe(alice.source);
    expect(endCall('out')).toBe(0);
    expect(worker.take()).toEqual([]);
    worker.answer(bye, 200);
    expect(worker.take().map(({ status }) => status)).toEqual([200]);
    expect(worker.logic.sessions()).toBe(0);
  });

  it('P-112 a side that cannot be reached is left alone', () => {
    start();
    const call = invite();
    answerFar(call, 200);
    worker.take();
    endBinding(call.token, { unreachable: 'ue' });
    expect(worker.take().map((each) => [each.method, each.to])).toEqual([['BYE', scscf]]);
    const other = inviteBob();
    worker.answer(other.sent, 200, ['Contact: <sip:bob@127.32.0.1:5070>'], '', 'bob');
    worker.take();
    endBinding(other.token, { unreachable: 'core' });
    expect(worker.take().map((each) => [each.method, each.to])).toEqual([['BYE', bob.source]]);
  });

  it('P-112 a side whose Contact is missing or cannot be read is not told, and the other one is', () => {
    start();
    const { sent: invitation } = inviteBob();
    worker.answer(invitation, 200, ['Contact: <<>'], '', 'bob');
    worker.take();
    expect(endCall('in')).toBe(1);
    expect(worker.take().map((each) => [each.method, each.to])).toEqual([['BYE', scscf]]);
    expect(worker.logged.at(-1)).toMatchObject({ level: 'warn', fields: { callId: 'in' } });
  });

  it('X-F5 X-I22 without a route set the BYE goes to a core node or nowhere', () => {
    start();
    const call = invite();
    worker.answer(call.sent, 200, [`Contact: <${far}>`]);
    const noRoute = worker.takeOne().all('Record-Route').length;
    expect(noRoute).toBe(1);
    expect(endCall('out')).toBe(1);
    expect(worker.take().map((each) => [each.method, each.to])).toEqual([['BYE', alice.source]]);
  });

  it('P-57 a registration that runs out ends its calls, without a word to the UE', () => {
    start();
    const token = register(worker, alice, granted(alice, 600));
    const route = `Route: <sip:127.0.8.1:5060;lr>, ${serviceRoute}`;
    worker.receive(request(alice, 'INVITE', 'sip:bob@ims.test', ['Call-ID: out', route]), alice.source);
    const call = { token, sent: worker.takeOne() };
    answerFar(call, 200);
    worker.take();
    worker.advance(600_000);
    expect(worker.take()).toEqual([]);
    worker.advance(31_500);
    const ends = worker.take().map((bye) => `${bye.method} ${bye.to} ${bye.header('Reason')}`);
    expect([...new Set(ends)]).toEqual([`BYE ${scscf} ${busy}`]);
    expect(worker.events).toContain('session-released');
  });

  it('P-80 P-110 a call that nobody refreshes is ended, one that is refreshed goes on', () => {
    start();
    const call = invite(['Supported: timer']);
    expect(call.sent.header('Session-Expires')).toBe('1800');
    answerFar(call, 200, ['Session-Expires: 600;refresher=uac']);
    worker.take();
    worker.advance(500_000);
    const inside = ['Call-ID: out', 'From: <sip:alice@ims.test>;tag=alice', 'To: <sip:bob@ims.test>;tag=remote'];
    const route = `Route: ${own(call.token)}, ${mo}, ${mt}`;
    worker.receive(
      request(alice, 'UPDATE', far, [...inside, route, 'Supported: timer', 'Session-Expires: 600;refresher=uac']),
      alice.source,
    );
    worker.answer(worker.takeOne(), 200, ['Session-Expires: 600;refresher=uac', `Contact: <${far}>`]);
    worker.take();
    worker.advance(700_000);
    expect(worker.take()).toEqual([]);
    worker.advance(30_000);
    const ends = worker.take().map(({ method, to }) => `${method} ${to}`);
    expect(new Set(ends)).toEqual(new Set([`BYE ${scscf}`, `BYE ${alice.source}`]));
    expect(worker.logged.at(-1)?.fields).toMatchObject({ reason: 'session-not-refreshed', callId: 'out' });
  });
});

describe('a call that is not answered yet and that the network ends', () => {
  it('P-110 P-111 the calling UE gets 503, the called side CANCEL with the Reason', () => {
    start();
    const call = invite();
    answerFar(call, 180);
    worker.take();
    expect(endCall('out')).toBe(1);
    const sent = worker.take();
    expect(sent.map((each) => [each.method || each.status, each.to])).toEqual([
      [503, alice.source],
      ['CANCEL', scscf],
    ]);
    expect(sent[1]!.all('Reason')).toEqual([busy]);
    expect(sent[1]!.header('CSeq')).toBe('41 CANCEL');
    worker.answer(sent[1]!, 200);
    worker.answer(call.sent, 487);
    expect(worker.take().map(({ method }) => method)).toEqual(['ACK']);
    worker.advance(300_000);
    expect([worker.logic.sessions(), worker.held.size]).toEqual([0, 0]);
  });

  it('P-111 the status and the SDP that are given reach the calling UE', () => {
    start();
    const call = invite();
    answerFar(call, 183);
    worker.take();
    endBinding(call.token, { status: 488, cause: 488, text: 'Not Acceptable Here', sdp });
    const [refusal, cancel] = worker.take();
    expect([refusal!.status, refusal!.header('Content-Type'), refusal!.body]).toEqual([488, 'application/sdp', sdp]);
    expect(cancel!.header('Reason')).toBe('SIP;cause=488;text="Not Acceptable Here"');
  });

  it('P-111 before any response the CANCEL waits for the first', () => {
    start();
    const call = invite();
    endBinding(call.token, { status: 500 });
    expect(worker.take().map((each) => each.status)).toEqual([500]);
    answerFar(call, 180);
    expect(worker.take().map((each) => [each.method, each.header('Reason')])).toEqual([['CANCEL', busy]]);
  });

  it('P-111 the called UE gets CANCEL, the core 503 whatever a caller would get', () => {
    start();
    const { token, sent: invitation } = inviteBob();
    worker.answer(invitation, 180, ['Contact: <sip:bob@127.32.0.1:5070>'], '', 'bob');
    worker.take();
    endBinding(token, { status: 488, sdp });
    const sent = worker.take();
    expect(sent.map((each) => [each.method || each.status, each.to])).toEqual([
      [503, scscf],
      ['CANCEL', bob.source],
    ]);
    expect([sent[0]!.body, sent[1]!.header('Reason')]).toEqual(['', busy]);
  });

  it('P-111 a UE that cannot be reached is not cancelled', () => {
    start();
    const { token, sent: invitation } = inviteBob();
    worker.answer(invitation, 180, [], '', 'bob');
    worker.take();
    endBinding(token, { unreachable: 'ue' });
    expect(worker.take().map((each) => [each.status, each.to])).toEqual([[503, scscf]]);
  });

  it('P-102 P-111 all early dialogs of a fork end together', () => {
    start();
    const call = invite();
    answerFar(call, 180, [], 'one');
    answerFar(call, 180, [], 'two');
    worker.take();
    expect(endCall('out')).toBe(1);
    expect(worker.take().map((each) => each.method || each.status)).toEqual([503, 'CANCEL']);
  });

  it('P-111 an answer that crosses the CANCEL is acknowledged and hung up, once for each fork', () => {
    start();
    const call = invite();
    answerFar(call, 180);
    worker.take();
    endCall('out');
    worker.take();
    answerFar(call, 200);
    const sent = worker.take();
    expect(sent.map((each) => [each.method, each.to, each.requestUri, each.all('Route').join(', ')])).toEqual([
      ['ACK', scscf, far, `${mo}, ${mt}`],
      ['BYE', scscf, far, `${mo}, ${mt}`],
    ]);
    expect(sent.map((each) => each.header('CSeq'))).toEqual(['41 ACK', '42 BYE']);
    expect(sent.map((each) => each.header('To'))).toEqual(Array(2).fill('"Bob" <sip:bob@ims.test>;tag=remote'));
    answerFar(call, 200);
    expect(worker.take().map(({ method }) => method)).toEqual(['ACK']);
    answerFar(call, 200, [], 'other');
    expect(worker.take().map((each) => [each.method, each.header('To')?.slice(-5)])).toEqual([
      ['ACK', 'other'],
      ['BYE', 'other'],
    ]);
    worker.advance(300_000);
    expect([worker.logic.sessions(), worker.held.size]).toEqual([0, 0]);
  });

  it('P-111 the answer of a called UE that crosses the CANCEL goes no further', () => {
    start();
    const { sent: invitation } = inviteBob();
    worker.answer(invitation, 180, [], '', 'bob');
    worker.take();
    endCall('in');
    worker.take();
    worker.answer(invitation, 200, ['Contact: <sip:bob@127.32.0.1:5070>'], '', 'bob');
    expect(worker.take().map((each) => [each.method, each.to, each.header('CSeq')])).toEqual([
      ['ACK', bob.source, '7 ACK'],
      ['BYE', bob.source, '8 BYE'],
    ]);
  });
});

describe('session timers at the border', () => {
  it('P-80 a short interval is refused with 422, or raised for a caller that cannot be told', () => {
    start();
    register(worker, alice);
    const route = `Route: <sip:127.0.8.1:5060;lr>, ${serviceRoute}`;
    const call = (...lines: string[]) => {
      worker.receive(request(alice, 'INVITE', 'sip:bob@ims.test', [route, ...lines]), alice.source);
      return worker.takeOne();
    };
    const refused = call('Supported: timer', 'Session-Expires: 60');
    expect([refused.status, refused.header('Min-SE')]).toEqual([422, '90']);
    const raised = call('Session-Expires: 60');
    expect([raised.header('Session-Expires'), raised.header('Min-SE')]).toEqual(['90', '90']);
    const none = call('Supported: 100rel');
    expect(none.header('Session-Expires')).toBeNull();
  });

  it('P-80 a callee that says nothing leaves the refreshing to the calling UE', () => {
    start();
    const call = invite(['Supported: timer']);
    answerFar(call, 200);
    const ok = worker.takeOne();
    expect([ok.header('Session-Expires'), ok.header('Require')]).toEqual(['1800;refresher=uac', 'timer']);
  });
});
