import { afterEach, describe, expect, it } from 'vitest';
import { branchOf, fieldOf, methodOf } from '../../bench/load/sip-text.ts';
import { ChaosLoad } from '../chaos/chaos-load.ts';
import { ChaosNetwork } from '../chaos/chaos-network.ts';
import { sleep } from '../chaos/disturbances.ts';
import { LossyWire, type Weather } from '../chaos/lossy-wire.ts';
import { SeededRandom } from '../chaos/seeded-random.ts';

const t1Ms = 200;
let network: ChaosNetwork | undefined;
let load: ChaosLoad | undefined;
afterEach(async () => {
  await load?.close();
  await network?.stop();
  load = undefined;
  network = undefined;
});

describe('X-R8 between phones and P-CSCF', () => {
  it.each<[string, Weather, number]>([
    [
      '1 % loss, 200 ms and 100 more or less',
      { loss: 0.01, duplicates: 0, reordered: 0, delayMs: 100, jitterMs: 200 },
      1,
    ],
    ['5 % loss, 5 % twice, 10 % overtaken', { loss: 0.05, duplicates: 0.05, reordered: 0.1 }, 0.999],
    ['20 % loss', { loss: 0.2, duplicates: 0.05, reordered: 0.1 }, 0.98],
  ])(
    'X-R8 with %s registrations, calls and messages get through, each call once',
    async (_words, weather, share) => {
      network = await ChaosNetwork.start({ workers: 1, t1Ms, diameterTimeout: 2 });
      const random = new SeededRandom(3);
      let wire: LossyWire | undefined;
      /** Branches by which an INVITE came to a called phone, by its Call-ID. */
      const branches = new Map<string, Set<string>>();
      load = new ChaosLoad(
        network,
        {
          users: 40,
          registrations: 8,
          calls: 8,
          messages: 8,
          holdMs: 2_000,
          t1Ms,
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
      await sleep(6_000);
      load.stop();
      await load.settle();
      const { calls, board } = load;
      const { completed, failed } = board.tally.sums();
      expect(wire!.lost).toBeGreaterThan(weather.loss * 200);
      expect(calls.begun).toBeGreaterThan(25);
      expect(calls.lost).toEqual([]);
      expect(calls.ended / calls.begun).toBeGreaterThanOrEqual(share);
      expect(completed / (completed + failed)).toBeGreaterThanOrEqual(share);
      expect(Math.max(...[...branches.values()].map(({ size }) => size))).toBe(1);
    },
    60_000,
  );
});
