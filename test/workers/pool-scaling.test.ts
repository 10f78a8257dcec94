import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ScalingRules } from '#workers/scaling';
import { eventually, type Rig, startRig, tell } from './rig.ts';

beforeAll(() => {
  process.env.CSCF_TEST_TRIGGER = '1';
});

let rig: Rig;
afterEach(() => rig.stop());

const rules: ScalingRules = { min: 1, max: 3, drain: 60 };

/** Sends one message for each Call-ID and gives which worker answered each. */
async function send(method: string, callIds: readonly string[], extra = ''): Promise<Map<string, number>> {
  const before = rig.client.answers.length;
  for (const callId of callIds) rig.client.send(method, callId, extra);
  const answers = await rig.client.until(before + callIds.length);
  return new Map(answers.slice(before).map(({ callId, worker }) => [callId, worker]));
}

const names = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name}-${i}`);

/** Calls that each take 2 ms to begin, until a worker other than the first has some; gives their owners. */
async function callsOf(worker: number): Promise<string[]> {
  for (let round = 0; ; round++) {
    const owners = await send('INVITE', names(`call-${round}`, 20), 'X-Busy: 2\r\n');
    const own = [...owners].filter(([, owner]) => owner === worker).map(([callId]) => callId);
    if (own.length > 2) {
      const others = [...owners].filter(([, owner]) => owner !== worker).map(([callId]) => callId);
      await send('BYE', others);
      return own;
    }
  }
}

describe.each(['shared', 'dedicated'] as const)('a pool whose number of workers changes (%s reader)', (reader) => {
  it('X-R14 goes from 1 to 3 and back under load: every request is answered by the owner of its call', async () => {
    const changes: number[] = [];
    rig = await startRig(1, { reader, scaling: rules, onScale: (count) => changes.push(count) });
    const owners = new Map<string, number>();
    let stop = false;
    let failures = 0;
    const traffic = (async () => {
      for (let round = 0; !stop; round++) {
        const calls = names(`r${round}`, 10);
        const began = await send('INVITE', calls, 'X-Busy: 1\r\n');
        for (const [callId, owner] of began) owners.set(callId, owner);
        for (const [callId, owner] of await send('INFO', calls)) if (owner !== began.get(callId)) failures++;
        for (const [callId, owner] of await send('BYE', calls)) if (owner !== began.get(callId)) failures++;
      }
    })();
    await rig.workers.scale(3);
    expect(rig.workers.numbers).toEqual([0, 1, 2]);
    const usedBy = () => new Set(owners.values());
    await eventually(usedBy, (used) => used.size === 3);
    await rig.workers.scale(1);
    expect(rig.workers.serving).toBe(1);
    // The echo worker keeps nothing after a BYE.
    await eventually(
      () => rig.workers.numbers,
      (numbers) => numbers.length === 1,
    );
    owners.clear();
    await eventually(
      () => owners.size,
      (count) => count > 30,
    );
    stop = true;
    await traffic;
    expect([...usedBy()]).toEqual([0]);
    expect(failures).toBe(0);
    expect(changes).toEqual([3, 1]);
  });

  it('keeps one that leaves until its calls are over, and gives it nothing else', async () => {
    rig = await startRig(2, { reader, scaling: rules });
    const own = await callsOf(1);
    await rig.workers.scale(1);
    expect(rig.workers.counts(1).state).toBe('leaving');
    expect(new Set((await send('INFO', own)).values())).toEqual(new Set([1]));
    const fresh = names('fresh', 40);
    const begun = await send('INVITE', fresh, 'X-Busy: 2\r\n');
    // A new Call-ID may share its bucket with a call of the one that leaves; few do.
    expect([...begun.values()].filter((owner) => owner === 1).length).toBeLessThan(3);
    await send('BYE', fresh);
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(rig.workers.numbers).toEqual([0, 1]);
    expect(new Set((await send('BYE', own)).values())).toEqual(new Set([1]));
    await eventually(
      () => rig.workers.numbers,
      (numbers) => numbers.length === 1,
    );
    expect(() => rig.workers.counts(1)).toThrow('there is no worker 1');
  });
});

describe('a pool whose number of workers changes', () => {
  it('takes one back that was leaving, and gives a number again only when it is free', async () => {
    rig = await startRig(2, { scaling: rules });
    const own = await callsOf(1);
    await rig.workers.scale(1);
    await rig.workers.scale(2);
    expect(rig.workers.counts(1).state).toBe('serving');
    expect(new Set((await send('INFO', own)).values())).toEqual(new Set([1]));
    await send('BYE', own);
    await rig.workers.scale(1);
    await eventually(
      () => rig.workers.numbers,
      (numbers) => numbers.length === 1,
    );
    await rig.workers.scale(2);
    const { trail, worker } = await tell(rig, 1);
    expect([worker, trail.some((line) => line.startsWith('sip'))]).toEqual([1, false]);
    const again = await callsOf(1);
    await send('BYE', again);
  });

  it('ends one whose time to leave is over; others go on with its calls', async () => {
    rig = await startRig(2, { scaling: { ...rules, drain: 1 } });
    const own = await callsOf(1);
    await rig.workers.scale(1);
    expect(new Set((await send('INFO', own)).values())).toEqual(new Set([1]));
    await eventually(
      () => rig.workers.numbers,
      (numbers) => numbers.length === 1,
    );
    expect(new Set((await send('INFO', own)).values())).toEqual(new Set([0]));
  });

  it('waits for what a worker that leaves still has to do', async () => {
    let pending = 1;
    rig = await startRig(2, { scaling: rules, remains: async () => ({ pending, sessions: 0 }) });
    await rig.workers.scale(1);
    await new Promise((resolve) => setTimeout(resolve, 800));
    expect(rig.workers.numbers).toEqual([0, 1]);
    pending = 0;
    await eventually(
      () => rig.workers.numbers,
      (numbers) => numbers.length === 1,
    );
  });

  it('X-R1 loses nothing of one that dies while it leaves, and does not replace it', async () => {
    const crashes: number[] = [];
    rig = await startRig(2, { reader: 'shared', scaling: rules, onCrash: (worker) => crashes.push(worker) });
    const own = await callsOf(1);
    await rig.workers.scale(1);
    rig.workers.trigger(1, 'busy', 300);
    rig.workers.trigger(1, 'crash');
    const before = rig.client.answers.length;
    for (const callId of own) rig.client.send('INFO', callId);
    const answers = (await rig.client.until(before + own.length)).slice(before);
    expect(answers.map(({ callId }) => callId).sort()).toEqual([...own].sort());
    await eventually(
      () => rig.workers.numbers,
      (numbers) => numbers.length === 1,
    );
    expect(crashes).toEqual([1]);
    expect(rig.workers.serving).toBe(1);
  });

  it('D-09 gives Diameter requests for one that has left to another', async () => {
    rig = await startRig(2, { reader: 'shared', scaling: rules, ownerOfRequest: () => 1 });
    const answered: string[] = [];
    rig.side.attachDiameter({ send: () => true, answer: (message) => answered.push(String(message)) });
    const request = Buffer.alloc(20);
    request[4] = 0x80;
    rig.side.onDiameter(request);
    await eventually(
      () => answered.length,
      (count) => count === 1,
    );
    await rig.workers.scale(1);
    await eventually(
      () => rig.workers.numbers,
      (numbers) => numbers.length === 1,
    );
    rig.side.onDiameter(request);
    const late = Buffer.alloc(20);
    late.writeUInt32BE(1 * 2 ** 26 + 5, 12);
    rig.side.onDiameter(late);
    await eventually(
      () => answered.length,
      (count) => count === 2,
    );
    expect(answered).toEqual(['answer of 1', 'answer of 0']);
    // The late answer belongs to nobody: not even to the next one with that number.
    await rig.workers.scale(2);
    expect((await tell(rig, 1)).trail.filter((line) => line.startsWith('diameter'))).toEqual([]);
  });

  it('refuses what the bounds do not allow, one change at a time', async () => {
    rig = await startRig(1, { reader: 'shared', scaling: rules });
    await expect(rig.workers.scale(4)).rejects.toThrow('4 workers: the configuration allows 1 to 3');
    await expect(rig.workers.scale(0)).rejects.toThrow(RangeError);
    await Promise.all([rig.workers.scale(3), rig.workers.scale(2), rig.workers.scale(3)]);
    expect([rig.workers.serving, rig.workers.numbers]).toEqual([3, [0, 1, 2]]);
    rig.workers.setScaling({ ...rules, min: 2 });
    await expect(rig.workers.scale(1)).rejects.toThrow('the configuration allows 2 to 3');
    // No more than there are places.
    rig.workers.setScaling({ ...rules, max: 9 });
    await expect(rig.workers.scale(4)).rejects.toThrow('the configuration allows 1 to 3');
    rig.workers.setScaling({ ...rules, max: 2 });
    await eventually(
      () => rig.workers.serving,
      (serving) => serving === 2,
    );
  });

  it('has nothing to change where the number is fixed', async () => {
    rig = await startRig(1);
    await expect(rig.workers.scale(2)).rejects.toThrow('2 workers: the configuration allows 1');
    await rig.workers.scale(1);
    expect(rig.workers.scaling).toEqual({ min: 1, max: 1, drain: 0 });
  });

  it('X-R14 adds workers by the load and lets them go when there is none', async () => {
    const changes: [number, number | null][] = [];
    rig = await startRig(1, {
      reader: 'shared',
      cycleMs: 100,
      scaling: { ...rules, scaleUp: { load: 60, cycles: 3, window: 5 }, scaleDown: { load: 30, cycles: 4 } },
      onScale: (count, load) => changes.push([count, load]),
    });
    let isLoaded = true;
    const traffic = (async () => {
      for (let round = 0; isLoaded; round++) await send('OPTIONS', names(`load-${round}`, 30), 'X-Busy: 3\r\n');
    })();
    await eventually(
      () => changes.length,
      (count) => count >= 1,
    );
    expect(changes[0]![0]).toBe(2);
    expect(changes[0]![1]).toBeGreaterThan(60);
    isLoaded = false;
    await traffic;
    await eventually(
      () => rig.workers.numbers,
      (numbers) => numbers.length === 1,
    );
    expect(changes.at(-1)![0]).toBe(1);
    expect(changes.at(-1)![1]).toBeLessThan(30);
  });
});
