import { describe, expect, it } from 'vitest';
import { Crew, createCrew } from '#workers/crew';
import { loadOf, ScalingProfile, type ScalingRules } from '#workers/scaling';

const rules: ScalingRules = {
  min: 1,
  max: 3,
  scaleUp: { load: 70, cycles: 3, window: 5 },
  scaleDown: { load: 20, cycles: 4 },
  drain: 60,
};

/** What a profile decides on cycles with these loads. */
function steps(loads: readonly number[], workers: number, given = rules): number[] {
  const profile = new ScalingProfile();
  return loads.map((load) => profile.note(load, workers, given));
}

describe('the scaling profile', () => {
  it('adds a worker when the load was above the limit in so many cycles of the window, wherever they are in it', () => {
    expect(steps([90, 10, 90, 10, 90], 1)).toEqual([0, 0, 0, 0, 1]);
    expect(steps([90, 10, 90, 10, 10, 90], 1)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(steps([71, 71, 71], 2)).toEqual([0, 0, 1]);
    expect(steps([70, 70, 70, 70], 2)).toEqual([0, 0, 0, 0]);
  });

  it('wants them all in a row where no window is given', () => {
    const given = { ...rules, scaleUp: { load: 70, cycles: 3 } };
    expect(steps([90, 90, 10, 90, 90, 90], 1, given)).toEqual([0, 0, 0, 0, 0, 1]);
  });

  it('lets one leave when the load was below the limit in so many cycles in a row', () => {
    expect(steps([10, 10, 10, 20, 10, 10, 10, 10], 2)).toEqual([0, 0, 0, 0, 0, 0, 0, -1]);
  });

  it('stays within the bounds, and does nothing by itself without rules', () => {
    expect(steps([99, 99, 99, 99], 3)).toEqual([0, 0, 0, 0]);
    expect(steps([0, 0, 0, 0, 0], 1)).toEqual([0, 0, 0, 0, 0]);
    expect(steps([99, 99, 99, 0, 0, 0, 0], 2, { min: 1, max: 3, drain: 1 })).toEqual([0, 0, 0, 0, 0, 0, 0]);
  });

  it('counts anew after a change', () => {
    const profile = new ScalingProfile();
    for (let i = 0; i < 2; i++) profile.note(90, 1, rules);
    profile.forget();
    expect([90, 90, 90].map((load) => profile.note(load, 2, rules))).toEqual([0, 0, 1]);
  });
});

describe('the load of the workers', () => {
  it('is the mean of what they are busy; X-R14 one that makes its requests wait is full though its thread seems idle', () => {
    expect(loadOf([], 400)).toBe(0);
    expect(loadOf([{ busy: 0.5, delayMs: 0 }], 400)).toBe(50);
    expect(
      loadOf(
        [
          { busy: 1, delayMs: 0 },
          { busy: 0, delayMs: 0 },
        ],
        400,
      ),
    ).toBe(50);
    expect(loadOf([{ busy: 0.1, delayMs: 400 }], 400)).toBe(100);
    expect(loadOf([{ busy: 0.1, delayMs: 200 }], 400)).toBe(50);
    expect(
      loadOf(
        [
          { busy: 0.1, delayMs: 4000 },
          { busy: 0.1, delayMs: 0 },
        ],
        400,
      ),
    ).toBeCloseTo(55);
    expect(loadOf([{ busy: 0.3, delayMs: 50 }], 0)).toBe(30);
  });
});

describe('the crew', () => {
  it('is the same to all who look: who is there, and how many of them share the work', () => {
    const memory = createCrew(3);
    const [pool, worker] = [new Crew(memory), new Crew(memory)];
    expect([worker.places, worker.serving, worker.numbers]).toEqual([3, 0, []]);
    for (const number of [0, 1, 2]) pool.join(number);
    pool.serve(3);
    expect([worker.serving, worker.numbers]).toEqual([3, [0, 1, 2]]);
    pool.serve(1);
    pool.leave(1);
    expect([worker.serving, worker.numbers]).toEqual([1, [0, 2]]);
    expect([-1, 0, 1, 2, 3, 64].map((number) => worker.has(number))).toEqual([false, true, false, true, false, false]);
  });
});
