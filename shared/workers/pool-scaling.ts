import type { Crew } from './crew.ts';
import type { BucketTable } from './dispatch.ts';
import type { PoolMember } from './pool-member.ts';
import type { PooledWorker } from './pooled-worker.ts';
import { loadOf, ScalingProfile, type ScalingRules } from './scaling.ts';
import type { WorkersOptions } from './worker-control.ts';

const cycleMs = 1_000;
/** How often it is looked whether one that leaves has done with its calls. */
const lookMs = 250;
/**
 * By then nobody repeats what was answered before a worker began to leave (Timers B, F, H, with 64 * T1 of 500 ms): it need
 * not stay for that. Source: RFC 3261 17.
 */
const settledMs = 40_000;
/** How long one that is told to stop may take. */
const stopMs = 2_000;

/** What scaling works on. */
export interface ScalingGround {
  readonly crew: Crew;
  readonly table: BucketTable;
  readonly options: WorkersOptions;
  /** The member with a number, whether it is there or not. */
  readonly at: (worker: number) => PoolMember;
  /** The thread with a number; the first worker beside the sockets has none, and never leaves. */
  readonly threadAt: (worker: number) => PooledWorker;
  /** Those that are there are others now. */
  readonly changed: () => void;
  /** How long a request may wait in a worker, milliseconds. */
  readonly mostDelayMs: number;
}

/**
 * Adds and removes workers of a pool: when somebody asks, and by the load. One that leaves first has its calls; it goes
 * when nothing keeps a Call-ID with it, or nothing but calls that others can go on with, after `drain` seconds in any case.
 */
export class PoolScaling {
  #rules: ScalingRules;
  readonly #ground: ScalingGround;
  readonly #profile = new ScalingProfile();
  /** Since when each of those leaves. */
  readonly #leaving = new Map<number, number>();
  readonly #going = new Set<number>();
  #turn: Promise<unknown> = Promise.resolve();
  #cycle: NodeJS.Timeout | undefined;
  #look: NodeJS.Timeout | undefined;

  constructor(rules: ScalingRules, ground: ScalingGround) {
    this.#rules = rules;
    this.#ground = ground;
  }

  get rules(): ScalingRules {
    return this.#rules;
  }

  /** Other bounds and rules: the number is brought between the bounds. */
  govern(rules: ScalingRules): void {
    this.#rules = rules;
    const { serving } = this.#ground.crew;
    const within = Math.min(rules.max, Math.max(rules.min, serving));
    // One that cannot start has told so; the cycles try it again.
    if (within !== serving) void this.scale(within).catch(() => {});
  }

  /** Begins to count cycles. */
  start(): void {
    const { options } = this.#ground;
    if (this.#ground.crew.places === 1) return;
    this.#cycle = setInterval(() => this.#note(), options.cycleMs ?? cycleMs).unref();
    this.#look = setInterval(() => this.#lookAtLeaving(), lookMs).unref();
  }

  stop(): void {
    clearInterval(this.#cycle);
    clearInterval(this.#look);
  }

  /** So many are to serve; one change at a time. */
  scale(count: number, load: number | null = null): Promise<void> {
    const done = this.#turn.then(() => this.#scale(count, load));
    this.#turn = done.catch(() => {});
    return done;
  }

  async #scale(count: number, load: number | null): Promise<void> {
    const { min, max } = this.rules;
    const { crew, options } = this.#ground;
    if (!Number.isInteger(count) || count < min || count > max) throw new RangeError(notAllowed(count, min, max));
    const before = crew.serving;
    if (count === before) return;
    if (count > before) await this.#add(before, count);
    else this.#dismiss(count, before);
    this.#profile.forget();
    options.onScale?.(count, load);
  }

  async #add(from: number, to: number): Promise<void> {
    const { crew, threadAt, changed } = this.#ground;
    for (let worker = from; worker < to; worker++) {
      const isBack = this.#leaving.has(worker) && !this.#going.has(worker);
      if (isBack) {
        this.#leaving.delete(worker);
        threadAt(worker).rejoin();
      } else {
        // A number is given again only when the one before is gone for good.
        while (this.#going.has(worker)) await new Promise((resolve) => setTimeout(resolve, lookMs));
        crew.join(worker);
        changed();
        try {
          await threadAt(worker).start();
        } catch (error) {
          crew.leave(worker);
          changed();
          throw error;
        }
      }
      crew.serve(worker + 1);
    }
  }

  #dismiss(to: number, from: number): void {
    const { crew, options, threadAt } = this.#ground;
    crew.serve(to);
    for (let worker = to; worker < from; worker++) {
      this.#leaving.set(worker, options.nowMs());
      threadAt(worker).leave();
    }
  }

  #note(): void {
    const { crew, at, options, mostDelayMs } = this.#ground;
    const { serving } = crew;
    const nowMs = options.nowMs();
    const uses = Array.from({ length: serving }, (_, worker) => at(worker).use(nowMs));
    const load = loadOf(uses, mostDelayMs);
    const step = this.#profile.note(load, serving, this.rules);
    if (step === 0) return;
    this.#profile.forget();
    // What it cannot do now it tries again after as many cycles; the pool has told of a thread that dies.
    void this.scale(serving + step, load).catch(() => {});
  }

  #lookAtLeaving(): void {
    for (const [worker, sinceMs] of this.#leaving) {
      if (this.#going.has(worker)) continue;
      void this.#see(worker, this.#ground.options.nowMs() - sinceMs);
    }
  }

  /** Lets a worker go that has done. */
  async #see(worker: number, leavingMs: number): Promise<void> {
    const { table, options, threadAt } = this.#ground;
    const member = threadAt(worker);
    const isOver = member.hasEnded || leavingMs >= this.rules.drain * 1000;
    if (!isOver) {
      const isFree = !table.hasAny(worker);
      if (!isFree && leavingMs < settledMs) return;
      const left = await options.remains?.(worker).catch(() => null);
      if (left === null) return;
      if (left !== undefined && (left.pending > 0 || (!isFree && left.sessions > 0))) return;
      if (left === undefined && !isFree) return;
      // What came while it was asked is still to be done.
      if (member.backlog > 0 || !this.#leaving.has(worker)) return;
    }
    if (this.#going.has(worker)) return;
    this.#going.add(worker);
    await member.stop(stopMs);
    this.#ground.crew.leave(worker);
    this.#leaving.delete(worker);
    this.#going.delete(worker);
    this.#ground.changed();
    options.onLeft?.(worker);
  }
}

function notAllowed(count: number, min: number, max: number): string {
  const words = `${count} workers: the configuration allows ${min === max ? min : `${min} to ${max}`}`;
  return count > max ? `${words}; workers: { min: ${min}, max: ${count} } would allow it after a restart` : words;
}
