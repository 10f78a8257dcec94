import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  anchoring,
  answered,
  audio,
  audioOf,
  callAgain,
  callIn,
  callOut,
  fromFar,
  inside,
  next,
  registerAs,
  sdpType,
  several,
  until,
} from '../nodes/pcscf/media-anchor-harness.ts';
import { alice, bob, expectQuiet, type PcscfWorker, request, scscf } from '../nodes/pcscf/pcscf-harness.ts';
import {
  hasRtpengine,
  type RtpengineDaemon,
  startRtpengine,
  type Talker,
  talker,
} from '../rtpengine/rtpengine-daemon.ts';

describe.skipIf(!hasRtpengine)('RTP through rtpengine (skipped where it is not installed)', () => {
  let relay: RtpengineDaemon;
  let worker: PcscfWorker;
  const open: Talker[] = [];

  beforeAll(async () => {
    relay = await startRtpengine();
  }, 20_000);
  afterAll(() => relay?.stop());
  beforeEach(async () => {
    expect(await relay.calls()).toEqual([]);
  });
  afterEach(async () => {
    expectQuiet(worker);
    worker.logic.stop();
    for (const each of open.splice(0)) await each.close();
  });

  async function talkerAt(address: string): Promise<Talker> {
    const made = await talker(address);
    open.push(made);
    return made;
  }

  const bobAccepts = async (call: { readonly invite: Parameters<PcscfWorker['answer']>[0] }, body: string) => {
    worker.answer(call.invite, 200, ['Contact: <sip:bob@127.32.0.1:5070>', sdpType], body, 'bob');
    return next(worker);
  };

  it('P-142 both sides hear each other, and not before they have agreed; BYE takes the call away', async () => {
    worker = anchoring(relay.endpoint);
    const [a, b] = [await talkerAt('127.16.0.1'), await talkerAt('127.0.0.1')];
    const call = await callOut(worker, audio('127.16.0.1', a.port));
    const toA = audioOf(call.invite.body);
    expect([toA.address, toA.port === a.port]).toEqual(['127.0.0.1', false]);
    const ok = await answered(worker, call.invite, 200, audio('127.0.0.1', b.port));
    const toB = audioOf(ok.body);
    expect(await b.reaches(a, toA)).toBe(true);
    expect(await a.reaches(b, toB)).toBe(true);
    expect(await relay.calls()).toHaveLength(1);
    worker.receive(inside(call, 'BYE'), alice.source);
    await answered(worker, await next(worker), 200);
    await until('the call is gone', async () => (await relay.calls()).length === 0);
    expect(await a.reaches(b, toB)).toBe(false);
  });

  it('P-142 a phone of IPv6 and one of IPv4 hear each other', async () => {
    worker = anchoring(relay.endpoint, { anchor: 'nat' });
    const [six, four] = [await talkerAt('::1'), await talkerAt('127.32.0.1')];
    const call = await callIn(worker, bob, audio('::1', six.port));
    const toSix = audioOf(call.invite.body);
    expect(toSix.address).toBe('127.0.0.1');
    const ok = await bobAccepts(call, audio('127.32.0.1', four.port));
    const toFour = audioOf(ok.body);
    expect(toFour.address).toBe('::1');
    expect(await four.reaches(six, toSix)).toBe(true);
    expect(await six.reaches(four, toFour)).toBe(true);
    // The phone of IPv4 offers anew: the other side still gets its own family.
    const dialog = [
      `Call-ID: ${call.callId}`,
      'From: <sip:bob@127.32.0.1:5070>;tag=bob',
      'To: <sip:caller@ims.test>;tag=caller',
      `Route: <sip:${call.token}@127.0.8.1:5060;lr>, <sip:mt@127.0.8.3:6060;lr>`,
    ];
    const again = audio('127.32.0.1', four.port, ['a=sendonly']);
    worker.receive(request(bob, 'UPDATE', 'sip:caller@127.0.8.3:6060', [...dialog, sdpType], again), bob.source);
    const update = await next(worker);
    expect(audioOf(update.body)).toEqual(toFour);
    worker.answer(update, 200, [sdpType], audio('::1', six.port, ['a=recvonly']));
    expect(audioOf((await next(worker)).body)).toEqual(toSix);
    expect(await four.reaches(six, toSix)).toBe(true);
    worker.receive(request(bob, 'BYE', 'sip:caller@127.0.8.3:6060', dialog), bob.source);
    worker.answer(await next(worker), 200);
    await next(worker);
    await until('the call is gone', async () => (await relay.calls()).length === 0);
  });

  it('P-142 phones behind NAT send private addresses, and hear each other all the same', async () => {
    worker = anchoring(relay.endpoint, { anchor: 'nat' });
    const [a, b] = [await talkerAt('127.16.0.1'), await talkerAt('127.32.0.9')];
    const token = registerAs(worker, alice, 'sip:alice@10.0.0.5:5060');
    // Address and port are those of the private network: nobody can be reached there.
    const call = await callAgain(worker, token, audio('10.0.0.5', 4000));
    const toA = audioOf(call.invite.body);
    const ok = await answered(worker, call.invite, 200, audio('127.32.0.9', b.port));
    const toB = audioOf(ok.body);
    expect(await a.reaches(b, toB)).toBe(true);
    expect(await b.reaches(a, toA)).toBe(true);
    worker.receive(fromFar(call, 'BYE'), scscf);
    const bye = await next(worker);
    expect(bye.to).toBe(alice.source);
    worker.answer(bye, 200);
    await next(worker);
    await until('the call is gone', async () => (await relay.calls()).length === 0);
  });

  it('P-142 on hold and back: directions pass, the ports stay', async () => {
    worker = anchoring(relay.endpoint);
    const [a, b] = [await talkerAt('127.16.0.1'), await talkerAt('127.0.0.1')];
    const call = await callOut(worker, audio('127.16.0.1', a.port));
    const toA = audioOf(call.invite.body);
    const toB = audioOf((await answered(worker, call.invite, 200, audio('127.0.0.1', b.port))).body);
    const contact = ['Contact: <sip:alice@127.16.0.1:5070>'];
    const change = async (mine: string, theirs: string) => {
      worker.receive(inside(call, 'INVITE', contact, audio('127.16.0.1', a.port, [`a=${mine}`])), alice.source);
      const again = await next(worker);
      expect([again.body.includes(`a=${mine}`), audioOf(again.body)]).toEqual([true, toA]);
      const ok = await answered(worker, again, 200, audio('127.0.0.1', b.port, [`a=${theirs}`]));
      expect([ok.body.includes(`a=${theirs}`), audioOf(ok.body)]).toEqual([true, toB]);
      worker.receive(inside(call, 'ACK'), alice.source);
      await next(worker);
    };
    await change('sendonly', 'recvonly');
    expect(await a.reaches(b, toB)).toBe(true);
    await change('sendrecv', 'sendrecv');
    expect(await b.reaches(a, toA)).toBe(true);
    expect(await a.reaches(b, toB)).toBe(true);
    worker.receive(inside(call, 'BYE'), alice.source);
    await answered(worker, await next(worker), 200);
    await until('the call is gone', async () => (await relay.calls()).length === 0);
  });

  it('P-142 forks: the phone that answered is heard, though another one was ringing after it', async () => {
    worker = anchoring(relay.endpoint);
    const [a, one, two] = [await talkerAt('127.16.0.1'), await talkerAt('127.0.0.1'), await talkerAt('127.0.0.1')];
    const call = await callOut(worker, audio('127.16.0.1', a.port));
    const toA = audioOf(call.invite.body);
    await answered(worker, call.invite, 183, audio('127.0.0.1', one.port), [], 'one');
    const early = await answered(worker, call.invite, 183, audio('127.0.0.1', two.port), [], 'two');
    expect(await two.reaches(a, toA)).toBe(true);
    expect(await a.reaches(two, audioOf(early.body))).toBe(true);
    const ok = await answered(worker, call.invite, 200, audio('127.0.0.1', one.port), [], 'one');
    // Both were offered one port: who speaks there is who is sent to.
    expect(await one.reaches(a, toA)).toBe(true);
    expect(await a.reaches(one, audioOf(ok.body))).toBe(true);
    worker.receive(inside(call, 'BYE', [], '', 'one'), alice.source);
    await answered(worker, await next(worker), 200);
    worker.advance(200_000);
    await until('the call is gone', async () => (await relay.calls()).length === 0);
  });

  it('P-142 a call that is refused, and one that this node ends, leave nothing', async () => {
    worker = anchoring(relay.endpoint);
    const a = await talkerAt('127.0.0.1');
    const refused = await callOut(worker, audio('127.16.0.1', a.port));
    expect(await relay.calls()).toHaveLength(1);
    worker.answer(refused.invite, 486);
    await several(worker, 2);
    await until('the call is gone', async () => (await relay.calls()).length === 0);
    const ended = await callAgain(worker, refused.token, audio('127.16.0.1', a.port));
    await answered(worker, ended.invite, 200, audio('127.16.0.1', a.port));
    expect(worker.logic.control({ command: 'release-session', callId: ended.callId })).toBe(1);
    await several(worker, 2);
    await until('the call is gone', async () => (await relay.calls()).length === 0);
  });
});
