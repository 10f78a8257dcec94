import { describe, expect, it } from 'vitest';
import type { Flow } from '#sip/transport/flow';
import { SourceLimits, sourceKey } from '#workers/source-limits';

const flow = (address = '192.0.2.1', port = 6000): Flow => ({
  listener: 0,
  transport: 'udp',
  address,
  port,
  connection: 0,
});
const options = { junkPerSource: 10, penaltyMs: 3_000, registersPerSource: 0, requestsPerSource: 0 };

function setUp(more: Partial<typeof options> = {}) {
  const punished: string[] = [];
  const limits = new SourceLimits({ ...options, ...more }, ({ address, port }) => punished.push(`${address}:${port}`));
  return { limits, punished };
}

describe('limits of a source', () => {
  it('X-F1 X-I9 does not hear a source that keeps sending junk, until it has stopped for a while', () => {
    const { limits, punished } = setUp();
    for (let i = 0; i < 20; i++) limits.noteJunk(flow(), i);
    expect(limits.isPenalised(flow(), false, 20)).toBe(false);
    limits.noteJunk(flow(), 21);
    expect([limits.isPenalised(flow(), false, 22), limits.watching, limits.penalties]).toEqual([true, true, 1]);
    // It goes on at 20 a second for 10 s: the penalty goes on as well.
    let nowMs = 22;
    for (; nowMs < 10_000; nowMs += 50) expect(limits.isPenalised(flow(), false, nowMs)).toBe(true);
    // Then it sends little: once its junk has run out, the time of the penalty runs.
    expect(limits.isPenalised(flow(), false, nowMs + 2_000)).toBe(true);
    expect(limits.isPenalised(flow(), false, nowMs + 5_001)).toBe(false);
    expect(limits.watching).toBe(false);
    expect(punished).toEqual(['192.0.2.1:6000']);
  });

  it('X-F1 lets a source send a little in vain for ever', () => {
    const { limits } = setUp();
    for (let i = 0; i < 1000; i++) limits.noteJunk(flow(), i * 101);
    expect(limits.penalties).toBe(0);
  });

  it('X-F1 judges each port of an IPv4 address by itself, an IPv6 /64 as one', () => {
    const { limits } = setUp();
    for (let i = 0; i < 30; i++) {
      limits.noteJunk(flow('192.0.2.1', 1000), 0);
      limits.noteJunk(flow(`2001:db8:0:7::${i.toString(16)}`, 1000 + i), 0);
    }
    expect(limits.isPenalised(flow('192.0.2.1', 1000), false, 1)).toBe(true);
    expect(limits.isPenalised(flow('192.0.2.1', 1001), false, 1)).toBe(false);
    expect(limits.isPenalised(flow('2001:db8:0:7:ffff::1', 9), false, 1)).toBe(true);
    expect(limits.isPenalised(flow('2001:db8:0:8::1', 9), false, 1)).toBe(false);
  });

  it.each([
    ['2001:db8::1', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:0DB8::a:1:2:3:4', '2001:db8:0:a'],
    ['1:2:3::', '1:2:3:0'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1:5'],
    ['192.0.2.1', '192.0.2.1:5'],
  ])('X-I9 knows the source %s by %s', (address, key) => {
    expect(sourceKey(flow(address, 5))).toBe(key);
  });

  it('X-F1 lets a little of what must not be shed pass a penalty', () => {
    const { limits } = setUp();
    for (let i = 0; i < 30; i++) limits.noteJunk(flow(), 0);
    let passed = 0;
    for (let nowMs = 0; nowMs < 10_000; nowMs += 10) if (!limits.isPenalised(flow(), true, nowMs)) passed++;
    expect(passed).toBeGreaterThanOrEqual(50);
    expect(passed).toBeLessThanOrEqual(56);
  });

  it('X-I9 does not hear a source that leaves hundreds of challenges unanswered; one that answers them is welcome', () => {
    const { limits, punished } = setUp();
    for (let i = 0; i < 5_000; i++) {
      limits.noteChallenge(flow('192.0.2.9'), i);
      limits.noteSuccess(flow('192.0.2.9'));
    }
    for (let i = 0; i < 250; i++) limits.noteChallenge(flow(), i);
    expect(punished).toEqual(['192.0.2.1:6000']);
    expect(limits.isChallenged(flow('192.0.2.9'), 6_000)).toBe(true);
    expect(limits.isChallenged(flow('192.0.2.9'), 36_000)).toBe(false);
    expect(limits.isChallenged(flow('192.0.2.8'), 6_000)).toBe(false);
  });

  it('X-I9 has buckets for REGISTER and other requests by address where they are configured', () => {
    const { limits } = setUp({ registersPerSource: 10, requestsPerSource: 5 });
    expect(limits.watching).toBe(true);
    const admitted = (isRegister: boolean, address: string, fromMs: number) => {
      let count = 0;
      for (let i = 0; i < 1000; i++) if (!limits.isOverRate(flow(address, i), isRegister, fromMs + i)) count++;
      return count;
    };
    expect(admitted(true, '192.0.2.1', 0)).toBeGreaterThanOrEqual(29);
    expect(admitted(true, '192.0.2.1', 1000)).toBeLessThanOrEqual(11);
    expect(admitted(false, '192.0.2.1', 2000)).toBeLessThanOrEqual(15);
    expect(admitted(false, '192.0.2.2', 0)).toBeGreaterThanOrEqual(14);
    expect(setUp().limits.isOverRate(flow(), true, 0)).toBe(false);
  });

  it('X-F2 remembers a bounded number of sources: the one not heard of for longest makes room', () => {
    const { limits } = setUp({ registersPerSource: 1 });
    for (let i = 0; i < 19; i++) limits.noteJunk(flow('198.51.100.1'), 0);
    const spoofed = (i: number) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
    for (let i = 0; i < 40_000; i++) {
      limits.noteJunk(flow(spoofed(i)), 1);
      limits.isOverRate(flow(spoofed(i)), true, 1);
    }
    for (let i = 0; i < 3; i++) limits.noteJunk(flow('198.51.100.1'), 2);
    expect(limits.penalties).toBe(0);
  });

  it('X-F1 is off with a rate of 0', () => {
    const { limits } = setUp({ junkPerSource: 0 });
    for (let i = 0; i < 1000; i++) {
      limits.noteJunk(flow(), 0);
      limits.noteChallenge(flow(), 0);
    }
    expect(limits.penalties).toBe(0);
  });
});
