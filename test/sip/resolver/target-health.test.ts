import { describe, expect, it } from 'vitest';
import { TargetHealth } from '#sip/resolver/target-health';
import type { Target } from '#sip/transport/flow';

function target(last: number, transport: 'udp' | 'tcp' = 'udp'): Target {
  return { listener: 0, transport, address: `10.0.0.${last}`, port: 5060, connection: 0 };
}

const a = target(1);
const b = target(2);
const c = target(3);
const all = [a, b, c];

function healthOf(setAsideMs = 30_000) {
  const time = { nowMs: 5_000 };
  return { time, health: new TargetHealth({ now: () => time.nowMs, setAsideMs }) };
}

describe('TargetHealth', () => {
  it('C-17 gives the same list back while nothing has failed', () => {
    const { health } = healthOf();
    expect(health.select(all)).toBe(all);
    expect(health.first(all)).toBe(a);
    expect(health.first([])).toBeNull();
  });

  it('C-17 passes over for 30 s what failed, and keeps the order of the others', () => {
    const { health, time } = healthOf();
    health.failed(b);
    expect(health.select(all)).toEqual([a, c]);
    health.failed(a);
    expect(health.select(all)).toEqual([c]);
    expect(health.first(all)).toBe(c);
    time.nowMs += 29_999;
    expect(health.select(all)).toEqual([c]);
    time.nowMs += 1;
    expect(health.select(all)).toEqual(all);
  });

  it('C-17 lets one request try what has had its time, and its outcome decides', () => {
    const { health, time } = healthOf();
    health.failed(a);
    time.nowMs += 30_000;
    expect(health.select(all)).toEqual(all);
    expect(health.select(all)).toEqual([b, c]);
    health.failed(a);
    time.nowMs += 29_999;
    expect(health.select(all)).toEqual([b, c]);
    time.nowMs += 1;
    expect(health.select(all)).toEqual(all);
    health.answered(a);
    expect(health.select(all)).toBe(all);
  });

  it('C-17 whoever asks without telling the outcome is no probe', () => {
    const { health, time } = healthOf();
    health.failed(a);
    time.nowMs += 30_000;
    expect(health.first(all)).toBe(a);
    expect(health.select(all)).toEqual(all);
  });

  it('C-30 a 503 with Retry-After sets the target aside for that time, five minutes at most', () => {
    const { health, time } = healthOf();
    health.failed(a, 90);
    time.nowMs += 89_999;
    expect(health.select(all)).toEqual([b, c]);
    time.nowMs += 1;
    expect(health.select(all)).toEqual(all);
    health.failed(a, 4_294_967_295);
    time.nowMs += 300_000;
    expect(health.select(all)).toEqual(all);
  });

  it('C-30 Retry-After 0 sets nothing aside', () => {
    const { health } = healthOf();
    health.failed(a, 0);
    expect(health.size).toBe(0);
  });

  it('C-30 never leaves a request without a target', () => {
    const { health } = healthOf();
    health.failed(a);
    expect(health.select([a])).toEqual([a]);
    health.failed(b);
    expect(health.select([a, b])).toEqual([a, b]);
    expect(health.first([a, b])).toBe(a);
  });

  it('C-30 where all are set aside, who asked for it by Retry-After is spared, the others are tried', () => {
    const { health } = healthOf();
    health.failed(a, 100);
    health.failed(b);
    health.failed(c, 50);
    expect(health.select(all)).toEqual([b]);
    health.failed(b, 70);
    expect(health.select(all)).toEqual([c]);
  });

  it('C-17 knows a target by transport, address and port', () => {
    const { health } = healthOf();
    health.failed(a);
    const byTcp = target(1, 'tcp');
    expect(health.select([a, byTcp])).toEqual([byTcp]);
    const otherPort = { ...a, port: 5070 };
    expect(health.select([a, otherPort])).toEqual([otherPort]);
  });

  it('C-17 with a time of 0 nothing is ever set aside', () => {
    const { health } = healthOf(0);
    health.failed(a);
    expect(health.select(all)).toBe(all);
  });

  it('C-17 is bounded, and forgets what nobody asks for', () => {
    const { health, time } = healthOf();
    for (let i = 0; i < 3000; i++) health.failed({ ...a, port: 1 + i });
    expect(health.size).toBe(1024);
    health.select(all);
    time.nowMs += 30_000 + 300_000;
    health.select(all);
    expect(health.size).toBe(0);
  });
});
