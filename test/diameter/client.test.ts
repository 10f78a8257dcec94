import { describe, expect, it } from 'vitest';
import { DiameterClient, type DiameterClientOptions, type DiameterRoute } from '#diameter/client';
import { avp, encodedAvps } from '#diameter/codec/avp-types';
import { decodeMessage } from '#diameter/codec/decode';
import { encodeAvps, encodeMessage } from '#diameter/codec/encode';
import { type DiameterMessage, readHeader, writeHopByHop } from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import { cxAvps, cxCommands, cxDictionary } from '#diameter/dictionary/cx';
import { DecodeFailure } from '#diameter/errors';
import { workerOf } from '#diameter/hop-by-hop';
import { baseResult, experimentalResult, readResult, resultAvp } from '#diameter/result';
import { ManualClock } from './manual-clock.ts';

const identity = { originHost: 'scscf.ims.test', originRealm: 'ims.test' };
const request = {
  command: cxCommands.locationInfo,
  destinationRealm: 'ims.test',
  avps: [avp(cxAvps.publicIdentity, 'sip:a@ims.test')],
};

function setUp(options: Partial<DiameterClientOptions> = {}) {
  const sent: Buffer[] = [];
  const routes: DiameterRoute[] = [];
  const answers: Buffer[] = [];
  const clock = new ManualClock();
  const port = {
    send: (message: Buffer, route: DiameterRoute) => {
      sent.push(message);
      routes.push(route);
    },
    answer: (message: Buffer) => {
      answers.push(message);
    },
  };
  const client = new DiameterClient(port, {
    worker: 0,
    identity,
    dictionary: cxDictionary,
    clock,
    bootSeconds: 1000,
    ...options,
  });
  return { client, sent, routes, answers, clock };
}

function decoded(octets: Buffer | undefined): DiameterMessage {
  const message = decodeMessage(octets ?? Buffer.alloc(0), cxDictionary);
  if (message instanceof DecodeFailure) throw new Error(message.reason);
  return message;
}

function answerTo(octets: Buffer | undefined, change: { command?: number; application?: number } = {}, code = 2001) {
  return encodeMessage({ ...readHeader(octets ?? Buffer.alloc(20)), flags: 0x40, ...change }, [
    resultAvp(baseResult(code)),
  ]);
}

const codeOf = (answer: DiameterMessage) => readResult(answer)?.code;
const tick = () => new Promise((resolve) => setImmediate(resolve));

describe('requests of the DiameterClient', () => {
  it('D-02 begin with Session-Id and have the common AVPs in the order of the command table', () => {
    const { client, sent, routes } = setUp();
    void client.request({ ...request, destinationHost: 'hss.ims.test' }, codeOf);
    const message = decoded(sent[0]);
    const codes: number[] = [];
    message.avps.forEach((_offset, code) => {
      codes.push(code);
    });
    expect(codes).toEqual([263, 260, 277, 264, 296, 293, 283, 601]);
    expect(message.avps.text(baseAvps.sessionId)).toBe('scscf.ims.test;1000;1');
    expect(message.flags).toBe(0xc0);
    expect(message.application).toBe(16777216);
    const group = message.avps.grouped(baseAvps.vendorSpecificApplicationId);
    expect(group?.unsigned32(baseAvps.vendorId)).toBe(10415);
    expect(group?.unsigned32(baseAvps.authApplicationId)).toBe(16777216);
    expect(message.avps.integer32(baseAvps.authSessionState)).toBe(1);
    expect(routes[0]).toEqual({ application: 16777216, realm: 'ims.test', host: 'hss.ims.test' });
  });

  it('D-10 have no Destination-Host unless it was given', () => {
    const { client, sent, routes } = setUp();
    void client.request(request, codeOf);
    expect(decoded(sent[0]).avps.has(baseAvps.destinationHost)).toBe(false);
    expect(routes[0]?.host).toBe('');
  });

  it('D-12 have unique identifiers over all workers; the top 6 bits of the hop-by-hop one name the worker', () => {
    const hopByHops = new Set<number>();
    const endToEnds = new Set<number>();
    const sessions = new Set<string>();
    for (const worker of [0, 1, 31, 32, 63]) {
      const { client, sent } = setUp({ worker });
      for (let i = 0; i < 500; i++) void client.request(request, codeOf);
      for (const octets of sent) {
        const message = decoded(octets);
        expect(workerOf(message.hopByHop)).toBe(worker);
        hopByHops.add(message.hopByHop);
        endToEnds.add(message.endToEnd);
        sessions.add(message.avps.text(baseAvps.sessionId) ?? '');
      }
      client.stop();
    }
    expect([hopByHops.size, endToEnds.size, sessions.size]).toEqual([2500, 2500, 2500]);
  });

  it('D-11 match answers by hop-by-hop id, in any order, whatever application the answer names', async () => {
    const { client, sent } = setUp({ worker: 40 });
    const outcomes = [client.request(request, codeOf), client.request(request, codeOf)];
    client.onMessage(answerTo(sent[1], { application: 16777217 }, 5012));
    client.onMessage(answerTo(sent[0]));
    expect(await Promise.all(outcomes)).toEqual([2001, 5012]);
    expect(client.pendingRequests).toBe(0);
  });

  it('X-D6 are not completed by answers that are unknown, of another worker or command, twice or late', async () => {
    const { client, sent, clock } = setUp({ worker: 1 });
    const outcome = client.request(request, codeOf);
    const foreign = answerTo(sent[0]);
    writeHopByHop(foreign, readHeader(foreign).hopByHop ^ 0x04000000);
    client.onMessage(foreign);
    const unknown = answerTo(sent[0]);
    writeHopByHop(unknown, readHeader(unknown).hopByHop ^ 0x00001000);
    client.onMessage(unknown);
    client.onMessage(answerTo(sent[0], { command: 303 }));
    expect(client.pendingRequests).toBe(1);
    client.onMessage(answerTo(sent[0]));
    client.onMessage(answerTo(sent[0]));
    expect(await outcome).toBe(2001);
    const late = client.request(request, codeOf);
    clock.advance(5000);
    client.onMessage(answerTo(sent[1]));
    expect(await late).toMatchObject({ failure: 'timeout' });
    expect(client.counters.unmatchedAnswers).toBe(5);
  });

  it('D-13 time out after 5 s, or after their own time, by one timer', async () => {
    const { client, clock } = setUp();
    const first = client.request(request, codeOf);
    const quick = client.request({ ...request, timeoutMs: 1000 }, codeOf);
    clock.advance(2000);
    expect(await quick).toMatchObject({ failure: 'timeout' });
    const second = client.request(request, codeOf);
    expect(clock.timers).toBe(1);
    clock.advance(2999);
    expect(client.pendingRequests).toBe(2);
    clock.advance(1);
    expect(await first).toMatchObject({ failure: 'timeout' });
    expect(client.pendingRequests).toBe(1);
    clock.advance(2000);
    expect(await second).toMatchObject({ failure: 'timeout' });
    expect(clock.timers).toBe(0);
    expect(client.counters.timeouts).toBe(3);
  });

  it('D-12 fail as a value when there is no peer, the peer is lost, or the answer is damaged', async () => {
    const { client, sent } = setUp();
    const outcomes = [0, 1, 2].map(() => client.request(request, codeOf));
    client.onFailed(readHeader(sent[0]!).hopByHop, 'no-peer');
    client.onFailed(readHeader(sent[1]!).hopByHop, 'peer-lost');
    const damaged = answerTo(sent[2]);
    damaged.writeUIntBE(10, 25, 3);
    client.onMessage(damaged);
    expect((await Promise.all(outcomes)).map((outcome) => typeof outcome === 'object' && outcome.failure)).toEqual([
      'no-peer',
      'peer-lost',
      'malformed',
    ]);
  });

  it('D-13 X-D6 are refused at once while too many await an answer, and taken again after', async () => {
    const { client, sent } = setUp({ maxPending: 2 });
    const outcomes = [client.request(request, codeOf), client.request(request, codeOf)];
    expect(await client.request(request, codeOf)).toEqual({
      failure: 'no-peer',
      words: 'busy: 2 requests await an answer',
    });
    expect(sent).toHaveLength(2);
    client.onMessage(answerTo(sent[0]));
    void client.request(request, codeOf);
    expect(sent).toHaveLength(3);
    expect(await outcomes[0]).toBe(2001);
    expect(client.counters).toMatchObject({ requests: 3, refusedSends: 1 });
  });

  it('D-13 are timed from their start whatever peers they were sent to', async () => {
    const { client, sent, clock } = setUp();
    const outcome = client.request(request, codeOf);
    clock.advance(4000);
    // The table sends it to another peer now; the client is told nothing and waits no longer.
    clock.advance(1000);
    expect(await outcome).toMatchObject({ failure: 'timeout' });
    client.onMessage(answerTo(sent[0]));
    expect(client.counters).toMatchObject({ timeouts: 1, unmatchedAnswers: 1, answers: 0 });
  });

  it('D-20 are counted by command, result and latency', async () => {
    const { client, sent, clock } = setUp();
    const mar = { ...request, command: cxCommands.multimediaAuth };
    const outcomes = [client.request(request, codeOf), client.request(request, codeOf), client.request(mar, codeOf)];
    clock.advance(3);
    client.onMessage(answerTo(sent[0]));
    clock.advance(40);
    client.onMessage(encodeMessage({ ...readHeader(sent[1]!), flags: 0x40 }, [resultAvp(experimentalResult(5001))]));
    clock.advance(5000);
    await Promise.all(outcomes);
    const [location, multimedia] = client.tally.commands;
    expect(location?.command).toBe(cxCommands.locationInfo);
    expect([...location!.results]).toEqual([
      ['2001', 1],
      ['3GPP-5001', 1],
    ]);
    expect(location?.latencies).toEqual([0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    expect(location?.latencySumMs).toBe(46);
    expect([...multimedia!.failures]).toEqual([['timeout', 1]]);
  });

  it('D-20 are counted in bounded space, whatever results peers make up', () => {
    const { client, sent } = setUp();
    for (let code = 0; code < 500; code++) {
      void client.request(request, codeOf);
      client.onMessage(answerTo(sent[code], {}, 6000 + code));
    }
    const { results } = client.tally.commands[0]!;
    expect(results.size).toBe(65);
    expect(results.get('other')).toBe(436);
  });

  it('X-D2 fail when their reader throws, and that is told', async () => {
    const told: unknown[] = [];
    const { client, sent } = setUp({ failed: (error) => told.push(error) });
    const outcome = client.request(request, () => {
      throw new RangeError('reader');
    });
    client.onMessage(answerTo(sent[0]));
    expect(await outcome).toEqual({ failure: 'malformed', words: 'the answer cannot be read' });
    expect(told).toEqual([new RangeError('reader')]);
  });

  it('X-D2 fail as malformed for each kind of damage to a known AVP of the answer', async () => {
    const damaged = [
      ['0000010c4000000a07d10000', 'Result-Code has 2 octets'],
      ['0000010c4000001000000000000007d1', 'Result-Code has 8 octets'],
      ['0000010c40000007000007d1', 'Result-Code has length 7'],
      ['0000010c400000ff000007d1', 'Result-Code has length 255'],
      ['0000012940000010' + '0000012a40000008', 'Experimental-Result-Code has 0 octets'],
    ] as const;
    for (const [hex, words] of damaged) {
      const { client, sent } = setUp();
      const outcome = client.request(request, codeOf);
      client.onMessage(encodeMessage({ ...readHeader(sent[0]!), flags: 0x40 }, [encodedAvps(Buffer.from(hex, 'hex'))]));
      expect(await outcome).toMatchObject({ failure: 'malformed' });
      expect((await outcome) as { words: string }).toMatchObject({ words: expect.stringContaining(words) });
      expect([...client.tally.commands[0]!.failures]).toEqual([['malformed', 1]]);
    }
  });

  it('D-15 take answers with unknown AVPs, and count those that have M', async () => {
    const { client, sent } = setUp();
    const odd = { name: 'Odd', code: 4711, vendor: 4242, type: 'OctetString', mandatory: true } as const;
    const outcomes = [true, false].map((mandatory) => {
      const outcome = client.request(request, codeOf);
      const avps = [avp({ ...odd, mandatory }, 'x'), resultAvp(baseResult(2001))];
      client.onMessage(encodeMessage({ ...readHeader(sent.at(-1)!), flags: 0x40 }, avps));
      return outcome;
    });
    expect(await Promise.all(outcomes)).toEqual([2001, 2001]);
    expect(client.counters.answersWithUnknownMandatory).toBe(1);
  });

  it('D-21 are not made under a name that is no DiameterIdentity', () => {
    for (const originHost of ['', 'aaa://hss', 'a..b', 'a b', 'hss:3868', 'x'.repeat(64)]) {
      expect(() => setUp({ identity: { ...identity, originHost } })).toThrow('DiameterIdentity');
    }
    expect(() => setUp({ worker: 64 })).toThrow('worker');
  });
});

describe('requests of peers', () => {
  const header = { flags: 0xc0, command: 304, application: 16777216, hopByHop: 77, endToEnd: 88 };
  const proxyInfos = [1, 2].map((n) =>
    avp(baseAvps.proxyInfo, [avp(baseAvps.proxyHost, `p${n}`), avp(baseAvps.proxyState, Buffer.from([n, 0, 255]))]),
  );
  const full = [
    avp(baseAvps.sessionId, 'hss.ims.test;1;2;odd'),
    avp(baseAvps.vendorSpecificApplicationId, []),
    avp(baseAvps.authSessionState, 1),
    avp(baseAvps.originHost, 'hss.ims.test'),
    avp(baseAvps.originRealm, 'ims.test'),
    avp(baseAvps.destinationRealm, 'ims.test'),
    avp(baseAvps.destinationHost, 'scscf.ims.test'),
    avp(baseAvps.userName, 'a@ims.test'),
    avp(cxAvps.deregistrationReason, [avp(cxAvps.reasonCode, 0)]),
    ...proxyInfos,
    avp(baseAvps.routeRecord, 'dra.test'),
  ];
  const taker = (options: Partial<DiameterClientOptions> = {}) => {
    const parts = setUp(options);
    parts.client.handle(cxCommands.registrationTermination, () => ({ result: baseResult(2001), avps: [] }));
    return parts;
  };

  it('D-16 get an answer that mirrors Session-Id, Proxy-Info in order and P, without Route-Record', async () => {
    const { client, answers } = taker();
    client.onMessage(encodeMessage(header, full));
    await tick();
    const answer = decoded(answers[0]);
    expect(answer).toMatchObject({ flags: 0x40, command: 304, application: 16777216, hopByHop: 77, endToEnd: 88 });
    expect(answer.avps.text(baseAvps.sessionId)).toBe('hss.ims.test;1;2;odd');
    expect(answer.avps.unsigned32(baseAvps.resultCode)).toBe(2001);
    expect(answer.avps.text(baseAvps.originHost)).toBe('scscf.ims.test');
    expect(Buffer.concat(answer.avps.encoded(baseAvps.proxyInfo))).toEqual(encodeAvps(proxyInfos));
    expect(answer.avps.has(baseAvps.routeRecord)).toBe(false);
    const codes: number[] = [];
    answer.avps.forEach((_offset, code) => {
      codes.push(code);
    });
    expect(codes).toEqual([263, 260, 268, 277, 264, 296, 284, 284]);
  });

  it('D-14 get 3001 for an unknown command and 3007 for a foreign application, with the E bit', () => {
    const { client, answers } = taker();
    client.onMessage(encodeMessage({ ...header, command: 999 }, full));
    client.onMessage(encodeMessage({ ...header, application: 4 }, full));
    client.onMessage(encodeMessage({ ...header, flags: 0xa0 }, full));
    expect(answers.map((octets) => codeOf(decoded(octets)))).toEqual([3001, 3007, 3008]);
    expect(answers.map((octets) => readHeader(octets).flags)).toEqual([0x60, 0x60, 0x20]);
    expect(decoded(answers[0]).avps.encoded(baseAvps.proxyInfo)).toHaveLength(2);
  });

  it('D-14 get 5005 with an example of the missing AVP', () => {
    const { client, answers } = taker();
    for (const left of [263, 264, 1, 615, 293]) {
      client.onMessage(
        encodeMessage(
          header,
          full.filter((part) => part.definition?.code !== left),
        ),
      );
      const answer = decoded(answers.at(-1));
      expect(codeOf(answer)).toBe(5005);
      expect(answer.flags).toBe(0x40);
      let shown = 0;
      answer.avps.grouped(baseAvps.failedAvp)?.forEach((_offset, code) => {
        shown = code;
      });
      expect(shown).toBe(left);
    }
    expect(client.counters.requestsRefused).toBe(5);
  });

  it('D-14 get 5001 with an unknown AVP that has M, unless it is listed as harmless', async () => {
    const odd = { name: 'Odd', code: 4711, vendor: 4242, type: 'OctetString', mandatory: true } as const;
    const octets = encodeMessage(header, [...full, avp(odd, 'abc'), avp({ ...odd, code: 4712 }, 'def')]);
    const strict = taker();
    strict.client.onMessage(octets);
    const answer = decoded(strict.answers[0]);
    expect(codeOf(answer)).toBe(5001);
    expect(answer.avps.grouped(baseAvps.failedAvp)?.text(odd)).toBe('abc');
    const lenient = taker({ ignoreUnknownMandatory: ['4242:4711'] });
    lenient.client.onMessage(octets);
    expect(
      decoded(lenient.answers[0])
        .avps.grouped(baseAvps.failedAvp)
        ?.text({ ...odd, code: 4712 }),
    ).toBe('def');
    const optional = taker();
    optional.client.onMessage(encodeMessage(header, [...full, avp({ ...odd, mandatory: false }, 'abc')]));
    await tick();
    expect(codeOf(decoded(optional.answers[0]))).toBe(2001);
  });

  it('X-D2 get 5014 with the damaged AVP, and their Session-Id back', () => {
    const { client, answers } = taker();
    client.onMessage(encodeMessage(header, [...full, encodedAvps(Buffer.from('000002684000000700000000', 'hex'))]));
    client.onMessage(encodeMessage(header, [...full, encodedAvps(Buffer.from('0000010b4000000900000000', 'hex'))]));
    for (const octets of answers) {
      const answer = decoded(octets);
      expect(codeOf(answer)).toBe(5014);
      expect(answer.avps.has(baseAvps.failedAvp)).toBe(true);
      expect(answer.avps.text(baseAvps.sessionId)).toBe('hss.ims.test;1;2;odd');
    }
    expect(answers).toHaveLength(2);
  });

  it('D-14 get 5012 when the handler fails, at once or later, and that is told', async () => {
    const told: unknown[] = [];
    const { client, answers } = setUp({ failed: (error) => told.push(error) });
    client.handle(cxCommands.registrationTermination, async () => Promise.reject(new Error('later')));
    client.handle(cxCommands.pushProfile, () => {
      throw new Error('at once');
    });
    client.onMessage(encodeMessage(header, full));
    await tick();
    client.onMessage(encodeMessage({ ...header, command: 305 }, full));
    for (const octets of answers) {
      const answer = decoded(octets);
      expect(codeOf(answer)).toBe(5012);
      expect(answer.avps.text(baseAvps.sessionId)).toBe('hss.ims.test;1;2;odd');
      expect(answer.avps.encoded(baseAvps.proxyInfo)).toHaveLength(2);
      expect(answer.avps.has(baseAvps.vendorSpecificApplicationId)).toBe(true);
    }
    expect(answers).toHaveLength(2);
    expect(told).toEqual([new Error('later'), new Error('at once')]);
    expect(client.counters.handlerErrors).toBe(2);
  });

  it('D-14 get 5012 when what the handler says is too long to be sent', async () => {
    const { client, answers } = setUp();
    client.handle(cxCommands.registrationTermination, () => ({
      result: baseResult(2001),
      avps: [avp(cxAvps.userData, Buffer.alloc(1024 * 1024))],
    }));
    client.onMessage(encodeMessage(header, full));
    await tick();
    expect(codeOf(decoded(answers[0]))).toBe(5012);
  });

  it('D-14 get 3004 with the E bit while handlers have too much to do', async () => {
    const { client, answers } = setUp({ maxServing: 1 });
    let release = () => {};
    const wait = new Promise<void>((resolve) => (release = resolve));
    client.handle(cxCommands.registrationTermination, async () => {
      await wait;
      return { result: baseResult(2001), avps: [] };
    });
    client.onMessage(encodeMessage(header, full));
    client.onMessage(encodeMessage(header, full));
    expect(answers.map((octets) => codeOf(decoded(octets)))).toEqual([3004]);
    expect(readHeader(answers[0]!).flags).toBe(0x60);
    release();
    await tick();
    client.onMessage(encodeMessage(header, full));
    await tick();
    expect(answers.map((octets) => codeOf(decoded(octets)))).toEqual([3004, 2001, 2001]);
  });

  it('D-13 D-14 get 5012 when the handler is not done in time; what it says later is dropped, and its place is free', async () => {
    const told: unknown[] = [];
    const { client, answers, clock } = setUp({ maxServing: 2, timeoutMs: 3000, failed: (error) => told.push(error) });
    const late: (() => void)[] = [];
    client.handle(cxCommands.registrationTermination, async (message) => {
      // The first never settles, the second fails after its time, the third is in time.
      if (message.hopByHop === 1) await new Promise(() => {});
      await new Promise<void>((resolve) => late.push(resolve));
      if (message.hopByHop === 2) throw new Error('late');
      return { result: baseResult(2001), avps: [] };
    });
    const come = (hopByHop: number) => client.onMessage(encodeMessage({ ...header, hopByHop }, full));
    come(1);
    clock.advance(1000);
    come(2);
    clock.advance(1999);
    come(3);
    expect(answers.map((octets) => [readHeader(octets).hopByHop, codeOf(decoded(octets))])).toEqual([[3, 3004]]);
    clock.advance(1);
    come(4);
    clock.advance(1000);
    const all = () => answers.map((octets) => [readHeader(octets).hopByHop, codeOf(decoded(octets))]).slice(1);
    expect(all()).toEqual([
      [1, 5012],
      [2, 5012],
    ]);
    for (const go of late) go();
    await tick();
    expect(all().slice(2)).toEqual([[4, 2001]]);
    expect(told).toHaveLength(2);
    expect(told[0]).toMatchObject({ code: 'ERR_DIAMETER_HANDLER_TIMEOUT' });
    expect(client.counters.handlerErrors).toBe(2);
    // One timer is left for the fourth; it finds nothing, and no other follows.
    clock.advance(3000);
    expect(clock.timers).toBe(0);
    expect(answers).toHaveLength(4);
  });

  it('D-14 get 5002 when the handler knows no such session', async () => {
    const { client, answers } = setUp();
    client.handle(cxCommands.registrationTermination, () => ({ result: baseResult(5002), avps: [] }));
    client.onMessage(encodeMessage(header, full));
    await tick();
    expect(codeOf(decoded(answers[0]))).toBe(5002);
    expect(readHeader(answers[0]!).flags).toBe(0x40);
  });

  it('D-14 X-D3 X-D5 get the exact error, and those that come after are served', async () => {
    const { client, answers } = taker();
    const replaced = (code: number, ...by: typeof full) =>
      encodeMessage(
        header,
        full.flatMap((part) => (part.definition?.code === code ? by : [part])),
      );
    const bad = [
      [3009, encodeMessage(header, [...full, encodedAvps(Buffer.from('000000191100000c61626364', 'hex'))])],
      [5004, replaced(263, avp(baseAvps.sessionId, 'a\0b'))],
      [5009, replaced(264, ...new Array<(typeof full)[0]>(64).fill(avp(baseAvps.originHost, 'hss.ims.test')))],
    ] as const;
    for (const [code, octets] of bad) {
      client.onMessage(octets);
      const answer = decoded(answers.at(-1));
      expect(codeOf(answer)).toBe(code);
      expect((answer.flags & 0x20) !== 0).toBe(code < 4000);
      expect(answer.avps.has(baseAvps.failedAvp)).toBe(true);
      expect(answer.avps.has(baseAvps.routeRecord)).toBe(false);
      client.onMessage(encodeMessage(header, full));
      await tick();
      expect(codeOf(decoded(answers.at(-1)))).toBe(2001);
    }
  });

  it('D-02 get their Session-Id back octet for octet, flags and padding included, first', async () => {
    const { client, answers } = taker();
    const padded = Buffer.from('0000010700000011683b313b323bfc787a000000', 'hex');
    const rest = full.filter((part) => part.definition !== baseAvps.sessionId);
    client.onMessage(encodeMessage(header, [...rest.slice(0, 2), encodedAvps(padded), ...rest.slice(2)]));
    await tick();
    expect(answers[0]?.subarray(20, 40).equals(padded)).toBe(true);
    client.onMessage(encodeMessage(header, [encodedAvps(padded)]));
    expect(answers[1]?.subarray(20, 40).equals(padded)).toBe(true);
    expect(codeOf(decoded(answers[1]))).toBe(5005);
  });

  it('X-D4 nested 10,000 deep get an error, and the next one is served', async () => {
    const { client, answers } = taker();
    let nested = Buffer.alloc(0);
    for (let depth = 0; depth < 10_000; depth++) {
      const group = Buffer.alloc(12);
      group.write('00000267c0000000000028af', 'hex');
      group.writeUIntBE(12 * (depth + 1), 5, 3);
      nested = Buffer.concat([group, nested]);
    }
    client.onMessage(encodeMessage(header, [...full, encodedAvps(nested)]));
    expect(codeOf(decoded(answers[0]))).toBe(5009);
    client.onMessage(encodeMessage(header, full));
    await tick();
    expect(codeOf(decoded(answers[1]))).toBe(2001);
  });
});

describe('results', () => {
  const read = (...avps: Parameters<typeof encodeMessage>[1]) =>
    readResult(
      decoded(encodeMessage({ flags: 0, command: 300, application: 16777216, hopByHop: 1, endToEnd: 1 }, avps)),
    );

  it('D-15 are read by the rule for both forms', () => {
    const base = (code: number) => resultAvp(baseResult(code));
    const experimental = (code: number, vendor?: number) => resultAvp(experimentalResult(code, vendor));
    expect(read(base(2001))).toEqual({ kind: 'base', code: 2001, vendor: 0 });
    expect(read(experimental(2002))).toEqual({ kind: 'experimental', code: 2002, vendor: 10415 });
    expect(read(base(5012), experimental(5001))).toMatchObject({ kind: 'experimental', code: 5001 });
    expect(read(base(2001), experimental(5001))).toMatchObject({ kind: 'base', code: 2001 });
    expect(read(base(5012), experimental(5001, 9))).toMatchObject({ kind: 'base', code: 5012 });
    expect(read(experimental(5001, 9))).toMatchObject({ kind: 'experimental', vendor: 9 });
    expect(read(base(5002), base(2001))).toMatchObject({ code: 5002 });
    expect(read()).toBeUndefined();
    expect(read(avp(baseAvps.experimentalResult, []))).toBeUndefined();
  });
});
