import { type CscfRole, cscfRoles } from '../../bench/load/core-network.ts';
import { ChaosLoad, type ChaosLoadOptions } from './chaos-load.ts';
import { ChaosNetwork, type Footprint, type Footprints } from './chaos-network.ts';
import { type DisturbanceName, Disturbances, sleep } from './disturbances.ts';
import { SeededRandom } from './seeded-random.ts';

export interface ChaosOptions extends ChaosLoadOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly workers: number;
  /** Mean pause between two disturbances, milliseconds. */
  readonly pauseMs: number;
  /** Disturbances to choose from; undefined: all that the nodes know. */
  readonly only: readonly DisturbanceName[] | undefined;
  /** Growth of the resident memory of a daemon that counts as a leak, bytes. */
  readonly growthBytes: number;
  /** How long all that ends by itself may take, milliseconds; below `timerCMs` calls that nobody answered are still known. */
  readonly quietMs: number;
  readonly keep: boolean;
}

export interface ChaosReport {
  readonly seed: number;
  readonly seconds: number;
  readonly disturbances: Readonly<Record<string, number>>;
  /** Slowest return, milliseconds. */
  readonly slowest: { readonly daemonMs: number; readonly workerMs: number };
  readonly registrations: {
    readonly users: number;
    /** REGISTERs that were answered 200, and those that were not, by cause. */
    readonly renewed: number;
    readonly failures: Readonly<Record<string, number>>;
    readonly lost: readonly string[];
  };
  readonly calls: {
    readonly begun: number;
    readonly confirmed: number;
    readonly ended: number;
    readonly probes: number;
    readonly refused: Readonly<Record<string, number>>;
    readonly again: Readonly<Record<string, number>>;
    readonly lost: readonly string[];
  };
  readonly messages: { readonly arrived: number; readonly failures: Readonly<Record<string, number>> };
  readonly footprints: Readonly<Record<CscfRole, { readonly before: Footprint; readonly after: Footprint }>>;
  /** What must not be; empty when the run is well. */
  readonly problems: readonly string[];
}

const warmMs = 1_500;
const quietPollMs = 500;
/** After it a proxy forgets an INVITE whose other end died without a word (`timers.timerC`). */
const timerCMs = 185_000;
/** Transactions of one INVITE that a node holds at most: both sides of the S-CSCF, each with one to receive and one to send. */
const transactionsPerCall = 4;
/** Log, store and management open a file now and then. */
const spareFiles = 12;
/** Timers of the watch over stores, DNS and the like come and go. */
const spareTimers = 24;

/** Lets everything happen to a network that is under load, and looks whether anything is lost or left behind. */
export async function runChaos(options: ChaosOptions, say: (line: string) => void): Promise<ChaosReport> {
  const random = new SeededRandom(options.seed);
  const network = await ChaosNetwork.start({
    workers: options.workers,
    mostWorkers: mostWorkersOf(options),
    t1Ms: options.t1Ms,
    diameterTimeout: Math.min(2, (options.t1Ms * 16) / 1000),
  });
  let load: ChaosLoad | undefined;
  try {
    load = new ChaosLoad(network, options, random);
    const startMs = performance.now();
    await load.prepare();
    say(`registered ${options.users} phones in ${seconds(startMs)} s; seed ${options.seed}`);
    load.start();
    await sleep(warmMs);
    const before = await network.footprints();
    const happened = await disturb(network, load, random, options, say);
    load.stop();
    await load.settle();
    say('quiet: waiting for what should end by itself');
    const allowance = allowanceOf(load, options);
    const after = await quietFootprints(network, before, allowance, options.quietMs);
    const lost = await lostRegistrations(network, load);
    return report(options, load, network, {
      happened,
      before,
      after,
      lost,
      allowance,
      seconds: Number(seconds(startMs)),
    });
  } finally {
    await load?.close();
    await network.stop(options.keep);
    if (options.keep) say(`logs and stores: ${network.folder}`);
  }
}

function mostWorkersOf({ workers }: ChaosOptions): number {
  return Math.max(3, workers);
}

interface Happened {
  readonly counts: Map<DisturbanceName, number>;
  daemonMs: number;
  workerMs: number;
  readonly problems: string[];
}

async function disturb(
  network: ChaosNetwork,
  load: ChaosLoad,
  random: SeededRandom,
  options: ChaosOptions,
  say: (line: string) => void,
): Promise<Happened> {
  const { workers, minutes, pauseMs, t1Ms } = options;
  // Less than the time after which a phone gives up.
  const disturbances = new Disturbances(network, random, {
    workers,
    mostWorkers: mostWorkersOf(options),
    hssAwayMs: Math.min(4_000, t1Ms * 16),
  });
  const known = await disturbances.possible();
  const names = known.filter((name) => options.only?.includes(name) ?? true);
  if (names.length === 0) throw new Error('these nodes know none of the disturbances that were asked for');
  const happened: Happened = { counts: new Map(), daemonMs: 0, workerMs: 0, problems: [] };
  const startMs = performance.now();
  const untilMs = startMs + minutes * 60_000;
  // Each once, in random order, then whichever.
  const first = shuffled(names, random);
  while (performance.now() < untilMs && network.died.length === 0) {
    await sleep(random.between(pauseMs * 0.3, pauseMs * 1.7));
    const name = first.pop() ?? random.pick(names);
    try {
      const done = await disturbances.run(name);
      happened.counts.set(name, (happened.counts.get(name) ?? 0) + 1);
      if (name === 'kill') happened.daemonMs = Math.max(happened.daemonMs, done.readyMs ?? 0);
      if (name === 'worker') happened.workerMs = Math.max(happened.workerMs, done.readyMs ?? 0);
      say(`${seconds(startMs).padStart(6)} s  ${done.words}; ${progress(load)}`);
    } catch (error) {
      happened.problems.push(`${name}: ${(error as Error).message}`);
      break;
    }
  }
  await sleep(pauseMs);
  await disturbances.heal().catch((error: Error) => happened.problems.push(error.message));
  return happened;
}

function progress({ calls, standing, board }: ChaosLoad): string {
  const { completed, failed } = board.tally.sums();
  return `calls ${calls.ended} ended, ${standing} under way, ${calls.lost.length} lost; ${completed} others done, ${failed} failed`;
}

/** What a daemon may still hold at the end of a run. */
export interface Allowance {
  readonly growthBytes: number;
  /** Calls whose INVITE a node still waits for, since the next one was killed with it. */
  readonly abandonedCalls: number;
}

function allowanceOf({ calls }: ChaosLoad, { growthBytes, quietMs }: ChaosOptions): Allowance {
  const unanswered = (calls.refused.get('no answer') ?? 0) + (calls.refused.get('408') ?? 0);
  return { growthBytes, abandonedCalls: quietMs > timerCMs ? 0 : unanswered };
}

/** Waits until the nodes hold no more than at the beginning, or for `quietMs`. */
export async function quietFootprints(
  network: ChaosNetwork,
  before: Footprints,
  allowance: Allowance,
  quietMs: number,
): Promise<Footprints> {
  const untilMs = performance.now() + quietMs;
  for (;;) {
    const after = await network.footprints();
    if (leaks(before, after, allowance).length === 0 || performance.now() > untilMs) return after;
    await sleep(quietPollMs);
  }
}

/** What a daemon holds on to, in words. */
export function leaks(before: Footprints, after: Footprints, { growthBytes, abandonedCalls }: Allowance): string[] {
  return cscfRoles.flatMap((role) => {
    const [was, is] = [before.get(role)!, after.get(role)!];
    const words: string[] = [];
    const claim = (holds: boolean, text: string) => {
      if (!holds) words.push(`${role} ${text}`);
    };
    claim(is.transactions <= abandonedCalls * transactionsPerCall, `has ${is.transactions} transactions left`);
    claim(is.sessions <= abandonedCalls * 2, `has ${is.sessions} sessions left`);
    claim(is.diameterPending === 0, `has ${is.diameterPending} Diameter requests left`);
    claim(is.timers <= spareTimers + abandonedCalls * transactionsPerCall * 2, `has ${is.timers} timers left`);
    claim(is.files <= was.files + spareFiles, `has ${is.files} open files, ${was.files} before`);
    const grown = is.rssBytes - was.rssBytes;
    claim(grown <= growthBytes, `has grown by ${Math.round(grown / 2 ** 20)} MB`);
    return words;
  });
}

/** Users with a 200 to a REGISTER whom the S-CSCF does not list or a MESSAGE does not reach. */
export async function lostRegistrations(network: ChaosNetwork, load: ChaosLoad): Promise<string[]> {
  const listed = await network.registered();
  const missing = load.phones
    .filter(({ registered, user }) => registered && !listed.has(user))
    .map(({ user }) => `${user}: not listed by the S-CSCF`);
  return [...missing, ...(await load.sweep())];
}

interface Findings {
  readonly happened: Happened;
  readonly before: Footprints;
  readonly after: Footprints;
  readonly lost: readonly string[];
  readonly allowance: Allowance;
  readonly seconds: number;
}

function report(options: ChaosOptions, load: ChaosLoad, network: ChaosNetwork, found: Findings): ChaosReport {
  const { tally } = load.board;
  const { happened, before, after, lost, allowance } = found;
  const { calls } = load;
  const unlogged = cscfRoles.filter((role) => /"reason":"internal"/.test(network.log(role)));
  const unaccounted = calls.begun - calls.ended - calls.lost.length - sum(calls.refused);
  const problems = [
    ...happened.problems,
    ...network.died.map((words) => `a node that nobody killed has ended: ${words}`),
    ...lost.map((words) => `registration lost: ${words}`),
    ...calls.lost.map((words) => `call lost: ${words}`),
    ...(unaccounted === 0 ? [] : [`${unaccounted} calls are not accounted for`]),
    ...leaks(before, after, allowance),
    ...unlogged.map((role) => `the log of the ${role} tells of a defect (reason internal)`),
  ];
  const registers = [tally.of('register'), tally.of('renewal')];
  return {
    seed: options.seed,
    seconds: found.seconds,
    disturbances: Object.fromEntries(happened.counts),
    slowest: { daemonMs: Math.round(happened.daemonMs), workerMs: Math.round(happened.workerMs) },
    registrations: {
      users: load.phones.filter(({ registered }) => registered).length,
      renewed: registers.reduce((total, { completed }) => total + completed, 0),
      failures: Object.fromEntries(registers.flatMap(({ failures }) => [...failures])),
      lost,
    },
    calls: {
      begun: calls.begun,
      confirmed: calls.confirmed,
      ended: calls.ended,
      probes: calls.probes,
      refused: Object.fromEntries(calls.refused),
      again: Object.fromEntries(calls.again),
      lost: calls.lost,
    },
    messages: {
      arrived: tally.of('message').completed,
      failures: Object.fromEntries(tally.of('message').failures),
    },
    footprints: Object.fromEntries(
      cscfRoles.map((role) => [role, { before: before.get(role)!, after: after.get(role)! }]),
    ) as ChaosReport['footprints'],
    problems,
  };
}

function shuffled<T>(list: readonly T[], random: SeededRandom): T[] {
  return list
    .map((each) => [random.next(), each] as const)
    .sort(([a], [b]) => a - b)
    .map(([, each]) => each);
}

function sum(counts: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
}

function seconds(sinceMs: number): string {
  return ((performance.now() - sinceMs) / 1000).toFixed(1);
}
