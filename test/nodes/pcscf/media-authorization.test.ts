import { afterEach, describe, expect, it, vi } from 'vitest';
import type { RxOutcome } from '#diameter/rx/rx-outcome';
import { flowStatuses } from '#diameter/rx/rx-values';
import { inTime } from '#nodes/pcscf/media-authorization';
import { found, rule } from '../../lab/pcrf/pcrf-client.ts';
import type { SentMessage } from '../worker-harness.ts';
import { alice, bob, type PcscfWorker, request, scscf } from './pcscf-harness.ts';
import {
  answer,
  answerCall,
  audio,
  contact,
  established,
  far,
  forwarded,
  inside,
  insideFromCore,
  invite,
  inviteTo,
  near,
  offer,
  type RxNetwork,
  type RxNetworkOptions,
  rxNetwork,
  sdp,
  sdpType,
} from './rx-harness.ts';

let network: RxNetwork;
let worker: PcscfWorker;
afterEach(async () => {
  await network.close();
  expect(worker.failures).toEqual([]);
  // A PCRF that enforces has found nothing in whatever a test did.
  expect(found(network.pcrf)).toEqual([]);
});

async function start(options: RxNetworkOptions = {}) {
  network = await rxNetwork(options);
  worker = network.worker;
}

const toBoth = ['BYE', 'BYE'];

/** The session that the PCRF holds. */
const session = () => network.pcrf.sessions.list()[0]!;
const components = () => [...session().components.values()];
const flows = () => components().flatMap(({ subComponents }) => subComponents[0]!.flowDescriptions);
const statuses = (messages: readonly SentMessage[]) => messages.map(({ status }) => status);
const methods = (messages: readonly SentMessage[]) =>
  messages.map(({ method }) => method).filter((name) => name !== '');

/** Final and provisional statuses that left by now, without 100. */
const left = () => statuses(worker.take()).filter((status) => status > 100);

async function settled(name: string, count: number) {
  await network.until(`${count} ${name}`, () => network.had(name) >= count);
  // One more would come at once.
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(network.had(name)).toBe(count);
}

/** A re-INVITE or UPDATE of alice with this exchange; gives what left in the end. */
async function change(call: SentMessage, method: string, mine: string, theirs: string) {
  inside(worker, call, method, mine);
  worker.answer(forwarded(worker, method), 200, [contact, sdpType], theirs);
  return statuses(await network.sent());
}

describe('a call of a UE', () => {
  it('P-120 P-123 Q-14 a 183 waits for the PCRF, a 200 that says the same does not ask again', async () => {
    await start();
    const call = invite(worker, alice, offer);
    expect(network.had('AAR')).toBe(0);
    answerCall(worker, call, 183, answer);
    expect(left()).toEqual([]);
    expect(statuses(await network.sent())).toEqual([183]);
    expect(flows()).toEqual([
      `permit out 17 from ${far} 50010 to ${near} 49152`,
      `permit in 17 from ${near} 49152 to ${far} 50010`,
    ]);
    answerCall(worker, call, 200, answer);
    expect(left()).toEqual([200]);
    await settled('AAR', 1);
  });

  it('P-123 rx.preliminary: the PCRF hears of the offer while the INVITE goes on, then of what both sides take', async () => {
    await start({ rx: { mode: 'required', signalling: false, preliminary: true } });
    const video = (port: number) => [`m=video ${port} RTP/AVP 97`, 'a=rtpmap:97 H264/90000'];
    const call = invite(worker, alice, sdp(near, ...audio(49152), ...video(49154)));
    await settled('AAR', 1);
    expect(components().map(({ number }) => number)).toEqual([1, 2]);
    expect(flows()).toContain(`permit in 17 from ${near} 49152 to any`);
    answerCall(worker, call, 183, sdp(far, ...audio(50010), ...video(0)));
    expect(statuses(await network.sent())).toEqual([183]);
    await settled('AAR', 2);
    expect(components().map(({ number }) => number)).toEqual([1]);
    expect(flows()[0]).toBe(`permit out 17 from ${far} 50010 to ${near} 49152`);
    answerCall(worker, call, 200, '');
    expect(left()).toEqual([200]);
    await settled('AAR', 2);
  });

  it('P-123 P-126 rx.preliminary: a call that is refused ends the session; what the PCRF says to an offer refuses none', async () => {
    await start({ rx: { mode: 'required', signalling: false, preliminary: true } });
    const call = invite(worker, alice, offer);
    await settled('AAR', 1);
    answerCall(worker, call, 486, '');
    expect(left()).toEqual([486]);
    await settled('STR', 1);

    network.pcrf.replaceRules([rule({ action: 'reject', reject: { code: 5063, experimental: true } })]);
    const second = invite(worker, alice, offer);
    await settled('AAR', 2);
    expect(left()).toEqual([]);
    // Nothing was refused, and nobody is told so.
    expect(worker.events).not.toContain('rx-refused');
    network.pcrf.replaceRules([]);
    answerCall(worker, second, 200, answer);
    expect(statuses(await network.sent())).toEqual([200]);
    await settled('AAR', 3);
  });

  it('P-120 what is sent again while a response waits is absorbed', async () => {
    await start({ pcrf: { rules: [rule({ delay: 200 })] } });
    const call = invite(worker, alice, offer);
    for (let i = 0; i < 3; i++) answerCall(worker, call, 200, answer);
    await network.sent();
    expect(left()).toEqual([]);
    await settled('AAR', 1);
  });

  it('P-120 no PCRF is asked where the access profile says off, or rx.mode does', async () => {
    await start({ access: [{ from: '127.16.0.0/12', security: 'none', rx: 'off' }] });
    const call = invite(worker, alice, offer);
    answerCall(worker, call, 200, answer);
    expect(left()).toEqual([200]);
    await settled('AAR', 0);
  });

  it('P-120 an access profile asks though rx.mode is off', async () => {
    await start({
      rx: { mode: 'off', signalling: false },
      access: [{ from: '127.16.0.0/12', security: 'none', rx: 'required' }],
    });
    await established(network);
    await settled('AAR', 1);
  });

  it('P-126 a BYE of the UE ends the session when it is seen, not at its answer, and only once', async () => {
    await start();
    const call = await established(network);
    inside(worker, call, 'BYE');
    const bye = forwarded(worker, 'BYE');
    await settled('STR', 1);
    worker.answer(bye, 200);
    await settled('STR', 1);
    expect(network.pcrf.sessions.size).toBe(0);
  });

  it('P-126 a BYE of the other side ends it as well', async () => {
    await start();
    const call = await established(network);
    insideFromCore(worker, call, 'BYE');
    worker.answer(forwarded(worker, 'BYE'), 200);
    await settled('STR', 1);
  });

  it('P-126 a CANCEL ends it', async () => {
    await start();
    const call = invite(worker, alice, offer);
    answerCall(worker, call, 183, answer);
    await network.sent();
    const cancel = request(alice, 'CANCEL', 'sip:bob@ims.test', [
      `Via: ${call.all('Via')[1]}`,
      `From: ${call.header('From')}`,
      'To: <sip:bob@ims.test>',
      `Call-ID: ${call.header('Call-ID')}`,
      `CSeq: ${call.header('CSeq')!.split(' ')[0]} CANCEL`,
    ]);
    worker.receive(cancel, alice.source);
    expect(methods(worker.take())).toContain('CANCEL');
    worker.answer(call, 487);
    await settled('STR', 1);
  });

  it.each([302, 486, 503, 603])('P-126 a %i ends it', async (status) => {
    await start();
    const call = invite(worker, alice, offer);
    answerCall(worker, call, 183, answer);
    await network.sent();
    worker.answer(call, status);
    await settled('STR', 1);
  });

  it('P-126 the AAR that is under way is waited for, and then the session is ended', async () => {
    await start({ pcrf: { rules: [rule({ delay: 200 })] } });
    const call = invite(worker, alice, offer);
    answerCall(worker, call, 183, answer);
    worker.answer(call, 486);
    await settled('STR', 1);
    expect(network.pcrf.sessions.size).toBe(0);
  });
});

describe('what changes in a call', () => {
  it('P-124 Q-03 hold and resume are told, a refresh that changes nothing is not', async () => {
    await start();
    const call = await established(network);
    const again = (text: string) => text.replace('1 1 IN', '1 2 IN');
    expect(await change(call, 'INVITE', again(offer), again(answer))).toEqual([200]);
    expect(network.had('AAR')).toBe(1);
    const held = sdp(near, ...audio(49152, 'a=sendonly'));
    expect(await change(call, 'INVITE', held, sdp(far, ...audio(50010, 'a=recvonly')))).toEqual([200]);
    expect(components()[0]!.flowStatus).toBe(flowStatuses['ENABLED-UPLINK']);
    expect(await change(call, 'UPDATE', offer, answer)).toEqual([200]);
    expect(components()[0]!.flowStatus).toBe(flowStatuses.ENABLED);
    await settled('AAR', 3);
  });

  it('P-124 Q-01 media that come and go, and other ports, are told under the same Session-Id', async () => {
    await start();
    const call = await established(network);
    const { id } = session();
    const video = (port: number) => [`m=video ${port} RTP/AVP 98`, 'a=rtpmap:98 H264/90000'];
    const both = (address: string, port: number, second: number) => sdp(address, ...audio(port), ...video(second));
    await change(call, 'INVITE', both(near, 49152, 49160), both(far, 50010, 50020));
    expect(components().map(({ number }) => number)).toEqual([1, 2]);
    await change(call, 'INVITE', both(near, 49152, 0), both(far, 50010, 0));
    expect(components().map(({ number }) => number)).toEqual([1]);
    await change(call, 'INVITE', both(near, 49170, 0), both(far, 50010, 0));
    expect(flows()[0]).toContain('49170');
    expect(session().id).toBe(id);
    await settled('AAR', 4);
  });

  it('P-124 Q-11 an offer of the other side counts from the UE just the same', async () => {
    await start();
    const call = await established(network);
    insideFromCore(worker, call, 'INVITE', sdp(far, ...audio(50100)));
    worker.answer(forwarded(worker, 'INVITE'), 200, [`Contact: <sip:alice@${alice.address}>`, sdpType], offer);
    expect(statuses(await network.sent())).toEqual([200]);
    expect(flows()[0]).toBe(`permit out 17 from ${far} 50100 to ${near} 49152`);
  });

  it('P-124 preconditions that are met, and who made the offer, are no change', async () => {
    await start();
    const with_ = (address: string, port: number, now: string) =>
      sdp(address, ...audio(port, `a=curr:qos local ${now}`));
    const call = invite(worker, alice, with_(near, 49152, 'none'));
    answerCall(worker, call, 183, with_(far, 50010, 'none'));
    await network.sent();
    await change(call, 'UPDATE', with_(near, 49152, 'sendrecv'), with_(far, 50010, 'sendrecv'));
    await settled('AAR', 1);
  });

  it('P-124 a re-INVITE that fails after its 183 leaves the media as they were', async () => {
    await start();
    const call = await established(network);
    inside(worker, call, 'INVITE', sdp(near, ...audio(49200)));
    const change = forwarded(worker, 'INVITE');
    worker.answer(change, 183, [contact, sdpType], answer);
    await network.sent();
    expect(flows()[0]).toContain('49200');
    worker.answer(change, 488);
    await settled('AAR', 3);
    expect(flows()[0]).toContain('49152');
  });

  it('P-125 a change that the PCRF refuses goes through and then the session is released', async () => {
    await start();
    const call = await established(network);
    network.pcrf.replaceRules([rule({ action: 'reject', reject: { code: 5063, experimental: true } })]);
    expect(await change(call, 'INVITE', sdp(near, ...audio(49200)), answer)).toEqual([200, 0, 0]);
    await settled('STR', 1);
  });
});

describe('offers in responses', () => {
  it('P-123 the answer in a PRACK makes the PRACK wait', async () => {
    await start();
    const call = invite(worker, alice, '');
    answerCall(worker, call, 183, answer, ['Require: 100rel', 'RSeq: 1']);
    expect(left()).toEqual([183]);
    const { header } = call;
    inside(worker, call, 'PRACK', offer, [`RAck: 1 ${header.call(call, 'CSeq')}`]);
    expect(methods(worker.take())).toEqual([]);
    expect(methods(await network.sent())).toEqual(['PRACK']);
    expect(flows()[0]).toBe(`permit out 17 from ${far} 50010 to ${near} 49152`);
  });

  it('P-123 P-125 a PRACK whose answer the PCRF refuses is refused with the call', async () => {
    await start({ pcrf: { rules: [rule({ action: 'reject', reject: { code: 5061, experimental: true } })] } });
    const call = invite(worker, alice, '');
    answerCall(worker, call, 183, answer, ['Require: 100rel', 'RSeq: 1']);
    worker.take();
    inside(worker, call, 'PRACK', offer, [`RAck: 1 ${call.header('CSeq')}`]);
    const sent = await network.sent(3);
    expect(statuses(sent).filter((status) => status > 0)).toEqual([488, 488]);
    expect(methods(sent)).toEqual(['CANCEL']);
  });

  it('P-123 an ACK with the answer does not wait', async () => {
    await start();
    const call = invite(worker, alice, '');
    answerCall(worker, call, 200, answer);
    expect(left()).toEqual([200]);
    inside(worker, call, 'ACK', offer, ['CSeq: 1 ACK']);
    expect(methods(worker.take())).toEqual(['ACK']);
    await settled('AAR', 1);
  });

  it('P-123 P-125 an ACK whose answer the PCRF refuses ends the call', async () => {
    await start({ pcrf: { rules: [rule({ action: 'reject', reject: { code: 5061, experimental: true } })] } });
    const call = invite(worker, alice, '');
    answerCall(worker, call, 200, answer);
    worker.take();
    inside(worker, call, 'ACK', offer, ['CSeq: 1 ACK']);
    expect(methods(await network.sent(3))).toEqual(['ACK', ...toBoth]);
  });
});

describe('a forked call', () => {
  it('P-123 Q-13 one session has the flows of all early dialogs, and in the end those of the winner', async () => {
    await start();
    const call = invite(worker, alice, offer);
    const other = '127.32.0.2';
    answerCall(worker, call, 183, answer, [], 'one');
    await network.sent();
    answerCall(worker, call, 183, sdp(other, ...audio(50030)), [], 'two');
    await network.sent();
    const addresses = () =>
      components()[0]!.subComponents.map(({ flowDescriptions }) => flowDescriptions[0]!.split(' ')[4]);
    expect(new Set(addresses())).toEqual(new Set([far, other]));
    answerCall(worker, call, 200, sdp(other, ...audio(50030)), [], 'two');
    await network.sent();
    await settled('AAR', 3);
    expect(network.pcrf.sessions.size).toBe(1);
    // Flow numbers stay what they were while there were several.
    expect(flows()).toContain(`permit out 17 from ${other} 50030 to ${near} 49152`);
  });
});

describe('a call to a UE', () => {
  it('P-123 Q-11 has a session of its own, about the called UE', async () => {
    await start();
    const call = inviteTo(worker, bob, offer);
    worker.answer(call, 200, [contact, sdpType], answer);
    const [ok] = await network.sent();
    expect(ok!.status).toBe(200);
    expect(ok!.to).toBe(scscf);
    expect(session().framedAddress?.address).toBe(far);
    expect(session().subscriptionIds[0]!.data).toBe('sip:bob@ims.test');
    expect(session().chargingIdentifier).toBe('term1');
    expect(flows()[0]).toBe(`permit out 17 from ${near} 49152 to ${far} 50010`);
  });

  it('P-111 P-125 P-126 a 200 that the PCRF refuses is acknowledged and hung up, the caller gets 503', async () => {
    await start({ pcrf: { rules: [rule({ action: 'reject', reject: { code: 5063, experimental: true } })] } });
    const call = inviteTo(worker, bob, offer);
    worker.answer(call, 200, [contact, sdpType], answer);
    const sent = await network.sent(3);
    expect(statuses(sent).filter((status) => status > 0)).toEqual([503]);
    expect(methods(sent)).toEqual(['ACK', 'BYE']);
    expect(sent.filter(({ method }) => method !== '').every(({ to }) => to === 'udp 127.32.0.1:5070')).toBe(true);
    await settled('STR', 0);
  });
});

describe('what the PCRF answers', () => {
  const reject = (code: number) => ({ rules: [rule({ action: 'reject', reject: { code, experimental: true } })] });

  it.each([
    [5061, 488],
    [5062, 488],
    [5063, 503],
    [5065, 503],
    [5066, 503],
    [5068, 503],
    [4261, 503],
  ])(
    'P-125 P-111 required: %i in a 183 gives %i to the caller and a CANCEL to the other side',
    async (code, status) => {
      await start({ pcrf: reject(code) });
      const call = invite(worker, alice, offer);
      answerCall(worker, call, 183, answer);
      const sent = await network.sent(2);
      const refusal = sent.find((message) => message.status > 0)!;
      expect(refusal.status).toBe(status);
      expect(refusal.header('Retry-After')).toBe(status === 503 ? '5' : null);
      expect(refusal.header('Warning')).toContain(status === 488 ? 'media-not-authorized' : 'policy-unavailable');
      expect(methods(sent)).toEqual(['CANCEL']);
      expect(sent.find(({ method }) => method === 'CANCEL')!.header('Reason')).toContain(`SIP;cause=${status}`);
      await settled('STR', 0);
    },
  );

  it('P-125 5063 with Acceptable-Service-Info gives 488, also where the PCRF is optional', async () => {
    const reject_ = { code: 5063, experimental: true, acceptable: { uplink: 20_000, downlink: 20_000 } };
    const rules = [rule({ action: 'reject', reject: reject_ })];
    await start({ rx: { mode: 'optional', signalling: false }, pcrf: { rules } });
    const call = invite(worker, alice, offer);
    answerCall(worker, call, 183, answer);
    const refusal = (await network.sent(2)).find(({ status }) => status > 0)!;
    expect(refusal.status).toBe(488);
    // The SDP of the offer, with the bandwidth that is acceptable towards the UE: this rule speaks of the whole session.
    expect(refusal.header('Content-Type')).toBe('application/sdp');
    expect(refusal.body).toBe(offer.replace('t=0', 'b=AS:20\r\nt=0').replace('b=AS:41', 'b=AS:20'));
  });

  it('P-125 488 has no body when the PCRF does not say what would be acceptable', async () => {
    await start({ pcrf: reject(5061) });
    answerCall(worker, invite(worker, alice, offer), 183, answer);
    const refusal = (await network.sent(2)).find(({ status }) => status > 0)!;
    expect([refusal.status, refusal.body]).toEqual([488, '']);
  });

  it('P-125 required: no PCRF gives 503 with Retry-After', async () => {
    await start({ nobodyAt: 1 });
    const call = invite(worker, alice, offer);
    answerCall(worker, call, 183, answer);
    const [refusal] = (await network.sent(2)).filter(({ status }) => status > 0);
    expect(refusal!.status).toBe(503);
    expect(refusal!.header('Retry-After')).toBe('5');
  });

  it.each([5063, 5065, 5066, 5068, 4261])('P-125 optional: after %i the call goes on', async (code) => {
    await start({ rx: { mode: 'optional', signalling: false }, pcrf: reject(code) });
    await established(network);
    expect(warnings()).toEqual(['rx-not-granted']);
    expect(worker.events).toContain('rx-not-granted');
  });

  it('P-125 optional: without a PCRF calls go on, and the log says why in one line each', async () => {
    await start({ rx: { mode: 'optional', signalling: false }, nobodyAt: 1 });
    const call = await established(network);
    inside(worker, call, 'BYE');
    worker.answer(forwarded(worker, 'BYE'), 200);
    expect(warnings()).toEqual(['rx-not-granted']);
    const line = worker.logged.find(({ level }) => level === 'warn')!;
    expect(line.message).toBe('no consent of a PCRF: goes on without quality of service');
    expect(line.fields).toMatchObject({
      words: 'no answer of a PCRF: no peer is connected for it',
      impi: 'alice@ims.test',
    });
  });

  it('P-120 P-125 optional: a PCRF that says nothing holds the call up for its time and no longer', async () => {
    await start({
      rx: { mode: 'optional', signalling: false },
      pcrf: { rules: [rule({ action: 'silent' })] },
    });
    const call = invite(worker, alice, offer);
    answerCall(worker, call, 200, answer);
    await new Promise((resolve) => setTimeout(resolve, 4500));
    expect(left()).toEqual([]);
    expect(statuses(await network.sent())).toEqual([200]);
  });

  function warnings(): unknown[] {
    return worker.logged
      .filter(({ level }) => level === 'warn')
      .map(({ fields }) => (fields as { reason: string }).reason);
  }
});

describe('the time that a message may wait', () => {
  afterEach(() => vi.useRealTimers());

  it('P-120 is five seconds, whatever is still under way', async () => {
    await start();
    vi.useFakeTimers();
    const never = new Promise<RxOutcome>(() => {});
    const outcomes = [inTime(never, 'optional'), inTime(never, 'required')];
    let settledYet = false;
    void outcomes[0]!.then(() => (settledYet = true));
    await vi.advanceTimersByTimeAsync(4999);
    expect(settledYet).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await outcomes[0]).toMatchObject({ kind: 'continue', granted: false });
    expect(await outcomes[1]).toMatchObject({ kind: 'unavailable', retryAfterSeconds: 5 });
  });
});

describe('descriptions that cannot be used', () => {
  const many = (address: string, count: number) =>
    sdp(address, ...Array.from({ length: count }, (_, i) => `m=audio ${40000 + 2 * i} RTP/AVP 0`));

  it.each([
    ['garbage', 'x=\0\r\nthis is no SDP'],
    ['an m-line cut short', sdp(far, 'm=audio')],
    ['65 m-lines', many(far, 65)],
  ])('Q-01 P-125 optional: %s in the answer, and the call goes on', async (_, text) => {
    await start({ rx: { mode: 'optional', signalling: false } });
    const call = invite(worker, alice, offer);
    answerCall(worker, call, 200, text);
    expect(statuses(await network.sent())).toEqual([200]);
    await settled('AAR', 0);
  });

  it('Q-01 P-125 required: 488 instead', async () => {
    await start();
    const call = invite(worker, alice, 'nonsense');
    answerCall(worker, call, 183, answer);
    expect(statuses(await network.sent(2))).toContain(488);
    await settled('AAR', 0);
  });

  it('Q-01 64 m-lines are 64 components', async () => {
    await start();
    const call = invite(worker, alice, many(near, 64));
    answerCall(worker, call, 200, many(far, 64));
    expect(statuses(await network.sent())).toEqual([200]);
    expect(components().length).toBe(64);
  });
});

describe('an emergency call', () => {
  it('P-132 is told by its Service-URN', async () => {
    await start({ emergency: { ecscf: 'sip:127.0.8.3:6060' } });
    const call = invite(worker, alice, offer, [], 'urn:service:sos.police');
    answerCall(worker, call, 183, answer);
    await network.sent();
    expect(session().serviceUrn).toBe('sos.police');
  });
});
