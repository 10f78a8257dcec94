import { describe, expect, it } from 'vitest';
import { Timer, TimerWheel } from '#sip/transaction/timer-wheel';
import { TestTime } from '../wire-port.ts';

function setUp() {
  const time = new TestTime();
  const fired: string[] = [];
  const wheel = new TimerWheel(time.now, time.alarm);
  time.onAlarm(() => wheel.ring());
  const owner = { onTimer: (timer: Timer) => void fired.push(`${timer.name}@${Math.round(time.nowMs - 1_000)}`) };
  return { time, wheel, fired, timer: (name: string) => new Timer(owner, name) };
}

describe('timer wheel', () => {
  it('fires within one slot of 10 ms for short delays, never early', () => {
    const { time, wheel, fired, timer } = setUp();
    wheel.start(timer('a'), 200);
    wheel.start(timer('b'), 500);
    time.advance(199);
    expect(fired).toEqual([]);
    time.advance(11);
    expect(fired).toEqual(['a@200']);
    time.advance(400);
    expect(fired).toEqual(['a@200', 'b@500']);
    expect(wheel.size).toBe(0);
  });

  it('rounds long delays up by at most 4 %', () => {
    const { time, wheel, fired, timer } = setUp();
    wheel.start(timer('J'), 32_000);
    time.advance(31_999);
    expect(fired).toEqual([]);
    time.advance(1_300);
    expect(fired).toHaveLength(1);
  });

  it('keeps a timer longer than the wheel is round', () => {
    const { time, wheel, fired, timer } = setUp();
    wheel.start(timer('C'), 185_000);
    time.advance(184_000);
    expect(fired).toEqual([]);
    time.advance(2_000);
    expect(fired).toHaveLength(1);
  });

  it('does not fire what was stopped, and moves what is started again', () => {
    const { time, wheel, fired, timer } = setUp();
    const stopped = timer('stopped');
    const moved = timer('moved');
    wheel.start(stopped, 100);
    wheel.start(moved, 100);
    wheel.stop(stopped);
    wheel.start(moved, 300);
    time.advance(250);
    expect(fired).toEqual([]);
    time.advance(100);
    expect(fired).toEqual(['moved@300']);
  });

  it('lets a firing timer stop another one of the same slot', () => {
    const time = new TestTime();
    const wheel = new TimerWheel(time.now, time.alarm);
    time.onAlarm(() => wheel.ring());
    const fired: string[] = [];
    const owner = {
      onTimer(timer: Timer) {
        fired.push(timer.name);
        wheel.stop(timer === first ? second : first);
      },
    };
    const first = new Timer(owner, 'first');
    const second = new Timer(owner, 'second');
    wheel.start(first, 100);
    wheel.start(second, 100);
    time.advance(200);
    expect(fired).toHaveLength(1);
  });

  it('asks for an earlier alarm when a timer is started that is due before the others', () => {
    const { time, wheel, fired, timer } = setUp();
    wheel.start(timer('late'), 5_000);
    wheel.start(timer('early'), 50);
    time.advance(60);
    expect(fired).toEqual(['early@50']);
  });

  it('goes on by itself in real time, though alarms ring a little early', async () => {
    let fired = 0;
    const wheel = new TimerWheel(
      () => performance.now(),
      (atMs) => setTimeout(() => wheel.ring(), Math.max(0, Math.floor(atMs - performance.now()) - 1)),
    );
    const timer: Timer = new Timer({ onTimer: () => (++fired < 20 ? wheel.start(timer, 20) : undefined) }, 'tick');
    wheel.start(timer, 20);
    await expect.poll(() => fired, { timeout: 15_000 }).toBe(20);
  });

  it('an owner that throws takes the clock from nobody', () => {
    const time = new TestTime();
    const wheel = new TimerWheel(time.now, time.alarm);
    const errors: unknown[] = [];
    time.onAlarm(() => {
      try {
        wheel.ring();
      } catch (error) {
        errors.push(error);
      }
    });
    const fired: string[] = [];
    const owner = {
      onTimer(timer: Timer) {
        if (timer.name === 'bad') throw new Error('defect');
        fired.push(timer.name);
      },
    };
    for (const name of ['one', 'bad', 'two']) wheel.start(new Timer(owner, name), 100);
    wheel.start(new Timer(owner, 'later'), 5_000);
    time.advance(150);
    expect(errors).toHaveLength(1);
    expect(fired.sort()).toEqual(['one', 'two']);
    time.advance(6_000);
    expect(fired).toContain('later');
  });

  it('keeps its delays when the clock has run for years', () => {
    const { time, wheel, fired, timer } = setUp();
    const years = 3 * 365 * 86_400_000;
    time.nowMs = years;
    wheel.ring();
    wheel.start(timer('C'), 185_000);
    wheel.start(timer('F'), 32_000);
    wheel.start(timer('T1'), 500);
    time.advance(400);
    expect(fired).toEqual([]);
    time.advance(200);
    expect(fired.map((text) => text.split('@')[0])).toEqual(['T1']);
    time.advance(31_000);
    expect(fired).toHaveLength(1);
    time.advance(2_000);
    expect(fired).toHaveLength(2);
    time.advance(150_000);
    expect(fired).toHaveLength(2);
    time.advance(5_000);
    expect(fired.map((text) => text.split('@')[0])).toEqual(['T1', 'F', 'C']);
  });

  it('fires ten thousand timers of one slot', () => {
    const { time, wheel, fired, timer } = setUp();
    for (let i = 0; i < 10_000; i++) wheel.start(timer('x'), 100);
    time.advance(110);
    expect(fired).toHaveLength(10_000);
  });
});
