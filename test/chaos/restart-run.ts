import type { CscfRole } from '../../bench/load/core-network.ts';
import { ChaosLoad, type ChaosLoadOptions } from './chaos-load.ts';
import { ChaosNetwork } from './chaos-network.ts';
import { sleep } from './disturbances.ts';
import { SeededRandom } from './seeded-random.ts';

export interface RestartOptions extends ChaosLoadOptions {
  readonly workers: number;
  readonly seed: number;
  /** Seconds of load before and after each restart. */
  readonly seconds: number;
  /** `kill`: kill -9; `drain`: SIGTERM, as for a new version. */
  readonly how: 'kill' | 'drain';
  readonly roles: readonly CscfRole[];
  /** Whether every phone is written to after each restart. */
  readonly sweep: boolean;
}

/** What became of one restart. */
export interface RestartResult {
  readonly role: CscfRole;
  /** From the start of the process to its `ready` line, milliseconds. */
  readonly readyMs: number;
  /** Users registered by then, as the new process counts them; of the P- and S-CSCF. */
  readonly registrations: number;
  readonly lostRegistrations: readonly string[];
}

export interface RestartReport {
  readonly seed: number;
  readonly restarts: readonly RestartResult[];
  readonly calls: { readonly confirmed: number; readonly ended: number; readonly lost: readonly string[] };
  /** Procedures that failed, by cause; REGISTERs and MESSAGEs that came while the node was away among them. */
  readonly failures: Readonly<Record<string, number>>;
}

/** Restarts one node after the other under load and looks whether everybody is served and every call ends properly. */
export async function runRestarts(options: RestartOptions, say: (line: string) => void): Promise<RestartReport> {
  const random = new SeededRandom(options.seed);
  const network = await ChaosNetwork.start({ workers: options.workers, t1Ms: options.t1Ms, diameterTimeout: 2 });
  let load: ChaosLoad | undefined;
  try {
    load = new ChaosLoad(network, options, random);
    const startMs = performance.now();
    await load.prepare();
    say(`registered ${options.users} phones in ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
    const restarts: RestartResult[] = [];
    for (const role of options.roles) {
      load.start();
      await sleep(options.seconds * 1000);
      const readyMs = await restart(network, role, options.how);
      await sleep(options.seconds * 1000);
      load.stop();
      await load.settle();
      const result = await look(network, load, role, readyMs, options.sweep);
      say(`${role} ready after ${Math.round(readyMs)} ms, ${result.lostRegistrations.length} registrations lost`);
      restarts.push(result);
    }
    const { calls, board } = load;
    const failed = (['register', 'renewal', 'message'] as const).flatMap((kind) =>
      [...board.tally.of(kind).failures].map(([cause, count]) => [`${kind} ${cause}`, count] as const),
    );
    return {
      seed: options.seed,
      restarts,
      calls: { confirmed: calls.confirmed, ended: calls.ended, lost: calls.lost },
      failures: Object.fromEntries([
        ...failed,
        ...[...calls.refused].map(([cause, n]) => [`call ${cause}`, n] as const),
      ]),
    };
  } finally {
    await load?.close();
    await network.stop();
  }
}

async function restart(network: ChaosNetwork, role: CscfRole, how: 'kill' | 'drain'): Promise<number> {
  if (how === 'kill') await network.kill(role);
  else await network.end(role);
  return network.launch(role);
}

async function look(
  network: ChaosNetwork,
  load: ChaosLoad,
  role: CscfRole,
  readyMs: number,
  sweep: boolean,
): Promise<RestartResult> {
  // Counted once a second.
  await sleep(1_100);
  const listed = await network.registered();
  const missing = load.phones.filter(({ user }) => !listed.has(user)).map(({ user }) => `${user}: not listed`);
  return {
    role,
    readyMs,
    registrations: (await network.status(role)).registrations,
    lostRegistrations: [...missing, ...(sweep ? await load.sweep() : [])],
  };
}
