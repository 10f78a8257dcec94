import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CscfRole, cscfRoles } from '../../bench/load/core-network.ts';
import { usageOf } from '../../bench/load/process-usage.ts';
import { ChaosLoad, type ChaosLoadOptions } from '../chaos/chaos-load.ts';
import { ChaosNetwork, type Footprint } from '../chaos/chaos-network.ts';
import { leaks, lostRegistrations, quietFootprints } from '../chaos/chaos-run.ts';
import { sleep } from '../chaos/disturbances.ts';
import { SeededRandom } from '../chaos/seeded-random.ts';
import { growthPerHour, median, parseSamples, type Sample } from './growth.ts';
import { RegistrationCycles } from './registration-cycles.ts';

export interface SoakOptions extends ChaosLoadOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly workers: number;
  /** Phones that register and end their registration, how often per second, and how often in all. */
  readonly cyclers: number;
  readonly cycles: number;
  readonly mostCycles: number;
  /** Between two samples of the memory, milliseconds. */
  readonly everyMs: number;
  /** Share of the time that is not looked at: code is compiled and tables grow to their size. */
  readonly warmUp: number;
  /** Growth of what a thread holds, and of a whole daemon's resident memory, that counts as a leak, bytes by the hour. */
  readonly heapGrowth: number;
  readonly rssGrowth: number;
  readonly quietMs: number;
  readonly keep: boolean;
}

/** The memory of one daemon after the warm-up, bytes. */
export interface MemoryTrend {
  /** What its threads hold after a collection: of the one that grows most, by the hour; of all at the end. */
  readonly heapGrowthPerHour: number;
  readonly heapBytes: number;
  readonly rssGrowthPerHour: number;
  readonly rssBytes: number;
  /** Of one CPU, over the whole run. */
  readonly cpuPercent: number;
}

export interface SoakReport {
  readonly seed: number;
  readonly minutes: number;
  /** Samples of each thread that were looked at; below `fewestSamples` no growth is judged. */
  readonly samples: number;
  readonly cycles: { readonly done: number; readonly failures: Readonly<Record<string, number>> };
  readonly renewed: number;
  readonly calls: { readonly begun: number; readonly ended: number; readonly lost: readonly string[] };
  readonly messages: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly memory: Readonly<Record<CscfRole, MemoryTrend>>;
  readonly footprints: Readonly<Record<CscfRole, { readonly before: Footprint; readonly after: Footprint }>>;
  /** What must not be; empty when the run is well. */
  readonly problems: readonly string[];
}

/** Of fewer samples a slope says nothing. */
export const fewestSamples = 60;
const garbageProgram = new URL('./collect-garbage.ts', import.meta.url).href;
/** Room for young objects that is in use within minutes: 64 MB of a thread with little to do fill for hours. */
const youngMegabytes = 8;
/** Memory of an idle daemon's pages and of code that is compiled late may come and go. */
const footprintGrowthBytes = 2 ** 40;
const sayEveryMs = 60_000;
const megabyte = 2 ** 20;

/** Puts load on a network for a long time, and looks whether anybody holds on to anything. */
export async function runSoak(options: SoakOptions, say: (line: string) => void): Promise<SoakReport> {
  const folder = mkdtempSync(join(tmpdir(), 'cscf-soak-'));
  const network = await ChaosNetwork.start({
    workers: options.workers,
    t1Ms: options.t1Ms,
    diameterTimeout: 2,
    env: {
      NODE_OPTIONS: `--import=${garbageProgram} --max-semi-space-size=${youngMegabytes}`,
      CSCF_SOAK_FOLDER: folder,
      CSCF_SOAK_EVERY_MS: String(options.everyMs),
    },
    change: (_role, content) => (content.log = { level: 'warn' }),
  });
  let load: ChaosLoad | undefined;
  let cycles: RegistrationCycles | undefined;
  try {
    load = new ChaosLoad(network, options, new SeededRandom(options.seed));
    cycles = new RegistrationCycles(network, {
      taken: options.users,
      phones: options.cyclers,
      rate: options.cycles,
      most: options.mostCycles,
      t1Ms: options.t1Ms,
    });
    await load.prepare();
    say(`registered ${options.users} phones; seed ${options.seed}`);
    const before = await network.footprints();
    const watch = new Watch(network, folder, options.everyMs);
    load.start();
    cycles.start();
    await progressing(options, { network, load, cycles, watch }, say);
    load.stop();
    const memory = watch.end(options.minutes * 60_000 * options.warmUp);
    await Promise.all([load.settle(), cycles.settle()]);
    say('quiet: waiting for what should end by itself');
    const allowance = { growthBytes: footprintGrowthBytes, abandonedCalls: 0 };
    const after = await quietFootprints(network, before, allowance, options.quietMs);
    const registered = await network.registered();
    const { calls, board } = load;
    const kinds = ['register', 'renewal', 'message'] as const;
    const failures = Object.fromEntries(kinds.flatMap((kind) => [...board.tally.of(kind).failures]));
    const lost = await lostRegistrations(network, load);
    return {
      seed: options.seed,
      minutes: options.minutes,
      samples: memory.samples,
      cycles: { done: cycles.done, failures: cycles.failures },
      renewed: board.tally.of('renewal').completed,
      calls: { begun: calls.begun, ended: calls.ended, lost: calls.lost },
      messages: board.tally.of('message').completed,
      failures: { ...failures, ...Object.fromEntries(calls.refused) },
      memory: memory.trends,
      footprints: Object.fromEntries(
        cscfRoles.map((role) => [role, { before: before.get(role)!, after: after.get(role)! }]),
      ) as SoakReport['footprints'],
      problems: [
        ...network.died.map((words) => `a node has ended: ${words}`),
        ...lost.map((words) => `registration lost: ${words}`),
        ...calls.lost.map((words) => `call lost: ${words}`),
        ...(registered.size === options.users
          ? []
          : [`${registered.size} registered at the end, not ${options.users}`]),
        ...leaks(before, after, allowance),
        ...(memory.samples < fewestSamples ? [] : growth(memory.trends, options)),
        ...cscfRoles
          .filter((role) => network.log(role).includes('"reason":"internal"'))
          .map((role) => `the log of the ${role} tells of a defect (reason internal)`),
      ],
    };
  } finally {
    await load?.close();
    await cycles?.close();
    await network.stop(options.keep);
    if (options.keep) say(`logs and stores: ${network.folder}; samples: ${folder}`);
    else rmSync(folder, { recursive: true, force: true });
  }
}

/** What grows by more than it may, in words. */
export function growth(
  trends: Readonly<Record<CscfRole, MemoryTrend>>,
  { heapGrowth, rssGrowth }: Pick<SoakOptions, 'heapGrowth' | 'rssGrowth'>,
): string[] {
  return cscfRoles.flatMap((role) => {
    const { heapGrowthPerHour: heap, rssGrowthPerHour: rss } = trends[role];
    const words = (what: string, bytes: number) => `${role}: ${what} grows by ${inMegabytes(bytes, 2)} MB an hour`;
    return [
      ...(heap > heapGrowth ? [words('what a thread holds', heap)] : []),
      ...(rss > rssGrowth ? [words('the resident memory', rss)] : []),
    ];
  });
}

/** `12.34`, of bytes. */
export function inMegabytes(bytes: number, digits: number): string {
  return (bytes / megabyte).toFixed(digits);
}

interface Running {
  readonly network: ChaosNetwork;
  readonly load: ChaosLoad;
  readonly cycles: RegistrationCycles;
  readonly watch: Watch;
}

async function progressing(options: SoakOptions, running: Running, say: (line: string) => void): Promise<void> {
  const { network, load, cycles, watch } = running;
  const startMs = performance.now();
  const endMs = startMs + options.minutes * 60_000;
  while (performance.now() < endMs && network.died.length === 0) {
    await sleep(Math.min(sayEveryMs, Math.max(0, endMs - performance.now())));
    const minutes = ((performance.now() - startMs) / 60_000).toFixed(1);
    const { calls, board } = load;
    const { completed, failed } = board.tally.sums();
    say(
      `${minutes} min: ${cycles.done} cycles, ${completed} renewals and messages, ${calls.ended} calls; failed ` +
        `${failed + calls.lost.length}; ${watch.words()}`,
    );
  }
}

/** The memory of the daemons while they run. */
class Watch {
  readonly #network: ChaosNetwork;
  readonly #folder: string;
  readonly #startMs = Date.now();
  readonly #cpuUs = new Map<CscfRole, number>();
  readonly #rss = new Map<CscfRole, Sample[]>(cscfRoles.map((role) => [role, []]));
  readonly #timer: NodeJS.Timeout;

  constructor(network: ChaosNetwork, folder: string, everyMs: number) {
    this.#network = network;
    this.#folder = folder;
    for (const role of cscfRoles) this.#cpuUs.set(role, usageOf(network.pid(role)).cpuUs);
    this.#timer = setInterval(() => this.#sample(), everyMs);
  }

  /** How it stands. */
  words(): string {
    return cscfRoles
      .map((role) => {
        const held = this.#threads(role, 0).reduce((sum, samples) => sum + (samples.at(-1)?.value ?? 0), 0);
        return `${role} ${inMegabytes(held, 1)} of ${inMegabytes(this.#rss.get(role)!.at(-1)?.value ?? 0, 0)} MB`;
      })
      .join(', ');
  }

  /** Stops looking. `warmUpMs`: what was in the first milliseconds does not count. */
  end(warmUpMs: number): { samples: number; trends: Record<CscfRole, MemoryTrend> } {
    clearInterval(this.#timer);
    const wallMs = Date.now() - this.#startMs;
    const fromMs = this.#startMs + warmUpMs;
    let samples = Number.POSITIVE_INFINITY;
    const trends = cscfRoles.map((role): [CscfRole, MemoryTrend] => {
      const threads = this.#threads(role, fromMs);
      const rss = this.#rss.get(role)!.filter(({ atMs }) => atMs >= fromMs);
      samples = Math.min(samples, rss.length, ...threads.map(({ length }) => length));
      const cpuUs = usageOf(this.#network.pid(role)).cpuUs - this.#cpuUs.get(role)!;
      return [
        role,
        {
          heapGrowthPerHour: Math.max(...threads.map(growthPerHour)),
          heapBytes: threads.reduce((sum, each) => sum + median(each.slice(-5).map(({ value }) => value)), 0),
          rssGrowthPerHour: growthPerHour(rss),
          rssBytes: median(rss.slice(-5).map(({ value }) => value)),
          cpuPercent: Math.round(cpuUs / wallMs / 10),
        },
      ];
    });
    return { samples, trends: Object.fromEntries(trends) as Record<CscfRole, MemoryTrend> };
  }

  #sample(): void {
    const atMs = Date.now();
    for (const role of cscfRoles) this.#rss.get(role)!.push({ atMs, value: usageOf(this.#network.pid(role)).rssBytes });
  }

  /** The samples of each thread of a daemon. */
  #threads(role: CscfRole, fromMs: number): Sample[][] {
    return readdirSync(this.#folder)
      .filter((name) => name.startsWith(`${this.#network.pid(role)}-`))
      .map((name) => parseSamples(readFileSync(join(this.#folder, name), 'latin1'), fromMs));
  }
}
