import type { LabRole } from '#lab/network/lab-config';
import type { NodeStatus } from '#service/node-status';
import { type CoreNetwork, type CscfRole, cscfRoles, roles } from './core-network.ts';
import { Pacer } from './pacer.ts';
import { machineBusyUs, type Usage } from './process-usage.ts';
import type { Switchboard } from './switchboard.ts';
import { percentile, Tally } from './tally.ts';
import type { ProcedureName, Workload } from './workload.ts';

export interface PhaseOptions {
  readonly name: string;
  readonly procedure: ProcedureName;
  /** Procedures per second. */
  readonly rate: number;
  readonly seconds: number;
  /** Whether the end of all that began is waited for; else it goes on beside the next phase. */
  readonly drain: boolean;
}

/** Counts of a node in a phase. */
export interface NodeCounts {
  /** SIP messages by worker. */
  readonly messages: readonly number[];
  /** Messages refused or dropped for want of time or for their source, by class. */
  readonly shed: Readonly<Record<string, number>>;
}

type UsageByRole = ReadonlyMap<LabRole, Usage>;

/** One stretch of load, with what was seen at its ends and each second. */
export interface Phase {
  readonly options: PhaseOptions;
  readonly tally: Tally;
  /** From the first request until the last was answered, or until the end where that is not waited for. */
  readonly wallMs: number;
  readonly before: UsageByRole;
  readonly after: UsageByRole;
  /** Each second. */
  readonly samples: readonly UsageByRole[];
  /** What the nodes counted in this phase. */
  readonly counts: ReadonlyMap<CscfRole, NodeCounts>;
  readonly driver: { readonly cpuUs: number; readonly worstLagMs: number };
  /** CPU time of everything on the machine. */
  readonly machineUs: number;
}

const progressMs = 2_000;
const drainPollMs = 20;
/** How often it is looked whether all nodes are there. */
const watchMs = 250;

/** Phones in front of a network, ready to make load. */
export class LoadRun {
  readonly core: CoreNetwork;
  readonly board: Switchboard;
  readonly workload: Workload;
  readonly #poisson: boolean;
  readonly #progress: (line: string) => void;

  constructor(
    core: CoreNetwork,
    board: Switchboard,
    workload: Workload,
    poisson: boolean,
    progress: (line: string) => void,
  ) {
    this.core = core;
    this.board = board;
    this.workload = workload;
    this.#poisson = poisson;
    this.#progress = progress;
  }

  /** Makes load for some time. Throws Error when a node ends meanwhile. */
  async phase(options: PhaseOptions): Promise<Phase> {
    const { procedure, rate, seconds } = options;
    const statusBefore = await this.#status();
    const startMs = performance.now();
    const tally = new Tally(startMs);
    this.board.tally = tally;
    const [before, driverBefore, machineBefore] = [this.#usage(), process.cpuUsage(), machineBusyUs()];
    const samples: UsageByRole[] = [];
    const sampler = setInterval(() => samples.push(this.#usage()), 1_000);
    const reporter = setInterval(() => this.#progress(this.#line(options, startMs, samples, before)), progressMs);
    const pacer = new Pacer(
      rate,
      this.#poisson,
      () => this.workload.begin(procedure),
      (work) => this.board.wire.batch(work),
    );
    pacer.start();
    try {
      await this.#wait(startMs + seconds * 1_000);
    } finally {
      pacer.stop();
      clearInterval(sampler);
      clearInterval(reporter);
    }
    if (options.drain) await this.settle(tally);
    const { user, system } = process.cpuUsage(driverBefore);
    return {
      options,
      tally,
      wallMs: performance.now() - startMs,
      before,
      after: this.#usage(),
      samples,
      counts: countsSince(statusBefore, await this.#status()),
      driver: { cpuUs: user + system, worstLagMs: pacer.worstLagMs },
      machineUs: machineBusyUs() - machineBefore,
    };
  }

  /** Waits until all that began in a phase has ended; a phone gives up after its patience, so it does not last. */
  async settle(tally: Tally): Promise<void> {
    while (tally.open > 0) await this.#wait(performance.now() + drainPollMs);
  }

  /** Waits, unless a node ends: then it throws. */
  async #wait(untilMs: number): Promise<void> {
    do {
      await sleep(Math.min(watchMs, untilMs - performance.now()));
      const { dead } = this.core;
      if (dead.length > 0) throw new Error(dead.join('; '));
    } while (performance.now() < untilMs);
  }

  #usage(): UsageByRole {
    return new Map(roles.map((role) => [role, this.core.usage(role)]));
  }

  async #status(): Promise<StatusByRole> {
    // A node that is busy with load may not answer in time: then its counts are not known.
    const ask = async (role: CscfRole) => [role, await this.core.status(role).catch(() => null)] as const;
    return new Map(await Promise.all(cscfRoles.map(ask)));
  }

  #line(
    { name, seconds }: PhaseOptions,
    startMs: number,
    samples: readonly UsageByRole[],
    before: UsageByRole,
  ): string {
    const { tally } = this.board;
    const second = Math.round((performance.now() - startMs) / 1_000);
    const recent = tally.seconds.slice(Math.max(0, second - 2), second);
    const latencies = recent.flatMap((each) => each.latencies);
    const { failed, retransmitted } = tally.sums();
    const earlier = samples.at(-3) ?? before;
    const now = samples.at(-1) ?? before;
    const share = (role: LabRole) =>
      `${Math.round((now.get(role)!.cpuUs - earlier.get(role)!.cpuUs) / 1e4 / Math.max(1, Math.min(2, samples.length)))}`;
    const rate = recent.reduce((sum, each) => sum + each.completed, 0) / Math.max(1, recent.length);
    return (
      `${name.padEnd(10)} ${String(second).padStart(3)} of ${seconds} s  ${rate.toFixed(0).padStart(5)}/s` +
      `  open ${tally.open}  failed ${failed}  again ${retransmitted}  p99 ${percentile(latencies, 0.99).toFixed(1)} ms` +
      `  CPU % P ${share('pcscf')} I ${share('icscf')} S ${share('scscf')} HSS ${share('hss')}`
    );
  }
}

type StatusByRole = ReadonlyMap<CscfRole, NodeStatus | null>;

function countsSince(before: StatusByRole, after: StatusByRole): ReadonlyMap<CscfRole, NodeCounts> {
  return new Map(
    cscfRoles.map((role) => {
      const [old, now] = [before.get(role), after.get(role)];
      const messages = now?.workers.map(({ messages }, i) => messages - (old?.workers[i]?.messages ?? 0));
      const shed = Object.entries(now?.overload?.shed ?? {})
        .map(([name, count]) => [name, count - (old?.overload?.shed[name] ?? 0)] as const)
        .filter(([, count]) => count > 0);
      return [role, { messages: messages ?? [], shed: Object.fromEntries(shed) }];
    }),
  );
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
