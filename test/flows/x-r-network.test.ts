import { afterEach, describe, expect, it } from 'vitest';
import { branchOf, fieldOf, methodOf } from '../../bench/load/sip-text.ts';
import { ChaosLoad } from '../chaos/chaos-load.ts';
import { ChaosNetwork } from '../chaos/chaos-network.ts';
import { sleep } from '../chaos/disturbances.ts';
import { LossyCore } from '../chaos/lossy-relay.ts';
import { LossyWire, type Weather } from '../chaos/lossy-wire.ts';
import { SeededRandom } from '../chaos/seeded-random.ts';

const t1Ms = 200;
let network: ChaosNetwork | undefined;
let load: ChaosLoad | undefined;
let core: LossyCore | undefined;
afterEach(async () => {
  await load?.close();
  await network?.stop();
  core?.close();
  load = undefined;
  network = undefined;
  core = undefined;
});

const good: Weather = { loss: 0, duplicates: 0, reordered: 0 };

/** In words, what it does, and the share of all procedures that has to get through. */
type Forecast = [words: string, weather: Weather, share: number];

/** The same on either side of the P-CSCF. */
const badWeather: readonly Forecast[] = [
  ['5 % loss, 5 % twice, 10 % overtaken', { loss: 0.05, duplicates: 0.05, reordered: 0.1 }, 0.999],
  ['20 % loss', { loss: 0.2, duplicates: 0.05, reordered: 0.1 }, 0.98],
];

/** Branches by which an INVITE came to a called phone, by its Call-ID. */
type Branches = ReadonlyMap<string, ReadonlySet<string>>;

/** The nodes of all runs. */
const nodes = { workers: 1, t1Ms, diameterTimeout: 2 } as const;

/** So much is under way in all runs. */
const rates = { users: 40, registrations: 8, calls: 8, messages: 8, holdMs: 2_000, t1Ms } as const;

/** Load for some seconds, with phones in some weather. Gives what came to called phones, and how much was lost. */
async function run(
  network: ChaosNetwork,
  weather: Weather,
  ms: number,
): Promise<{ load: ChaosLoad; branches: Branches; lost: number }> {
  const random = new SeededRandom(3);
  const branches = new Map<string, Set<string>>();
  let wire: LossyWire | undefined;
  load = new ChaosLoad(
    network,
    {
      ...rates,
      through(open, events) {
        const noting = {
          ...events,
          message(text: string) {
            if (methodOf(text) === 'INVITE') {
              const callId = fieldOf(text, 'Call-ID');
              branches.set(callId, (branches.get(callId) ?? new Set()).add(branchOf(text)));
            }
            events.message(text);
          },
        };
        wire = new LossyWire(open, noting, weather, random);
        return wire;
      },
    },
    random,
  );
  await load.prepare();
  load.start();
  await sleep(ms);
  load.stop();
  await load.settle();
  return { load, branches, lost: wire!.lost };
}

/** Of calls, and of registrations and messages, at least this share got through; and each call to one branch only. */
function allGotThrough({ calls, board }: ChaosLoad, branches: Branches, share: number): void {
  const { completed, failed } = board.tally.sums();
  expect(calls.begun).toBeGreaterThan(20);
  expect(calls.lost).toEqual([]);
  // Of some forty calls two in a hundred are one.
  const mayFail = Math.round((1 - share) * calls.begun);
  expect(calls.begun - calls.ended, JSON.stringify([...calls.refused])).toBeLessThanOrEqual(mayFail);
  expect(completed / (completed + failed)).toBeGreaterThanOrEqual(share);
  expect(Math.max(...[...branches.values()].map(({ size }) => size))).toBe(1);
}

describe('X-R8 between phones and P-CSCF', () => {
  it.each<Forecast>([
    ['1 % loss, 200 ms and 100 more or less', { ...good, loss: 0.01, delayMs: 100, jitterMs: 200 }, 1],
    ...badWeather,
  ])(
    'X-R8 with %s registrations, calls and messages get through, each call once',
    async (_words, weather, share) => {
      network = await ChaosNetwork.start(nodes);
      const { load, branches, lost } = await run(network, weather, 6_000);
      expect(lost).toBeGreaterThan(weather.loss * 200);
      allGotThrough(load, branches, share);
    },
    60_000,
  );
});

describe('X-R8 between P-CSCF, I-CSCF and S-CSCF', () => {
  it.each<Forecast>([
    ['1 % loss, 100 ms and 50 more or less', { ...good, loss: 0.01, delayMs: 50, jitterMs: 100 }, 1],
    ...badWeather,
  ])(
    'X-R8 with %s registrations, calls and messages get through, each call once',
    async (_words, weather, share) => {
      const relays = await LossyCore.open(weather, new SeededRandom(4));
      core = relays;
      network = await ChaosNetwork.start({ ...nodes, change: (role, content) => relays.change(role, content) });
      const { load, branches } = await run(network, good, 5_000);
      const { passed, lost } = relays.storm;
      expect(passed).toBeGreaterThan(800);
      expect(lost / (passed + lost)).toBeGreaterThan(weather.loss * 0.6);
      allGotThrough(load, branches, share);
    },
    60_000,
  );
});
