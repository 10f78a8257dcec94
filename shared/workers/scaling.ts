/** When workers are added. */
export interface ScaleUp {
  /** Percent of what the workers can do: cycles above it count. */
  readonly load: number;
  /** So many cycles of the last `window` add one worker. A cycle is a second. */
  readonly cycles: number;
  /** As many as `cycles` when left out: all in a row. */
  readonly window?: number;
}

/** When workers leave. */
export interface ScaleDown {
  /** Percent: cycles below it count. */
  readonly load: number;
  /** So many in a row let one worker leave. */
  readonly cycles: number;
}

/** How many workers there may be, and who decides: without `scaleUp` and `scaleDown` only people do. */
export interface ScalingRules {
  readonly min: number;
  readonly max: number;
  readonly scaleUp?: ScaleUp;
  readonly scaleDown?: ScaleDown;
  /** Seconds after which a worker that leaves gives up the calls it still has; they go on in others. */
  readonly drain: number;
}

/** How busy one worker was in the last cycle. */
export interface WorkerUse {
  /** Share of the time its thread was not idle, 0..1. */
  readonly busy: number;
  /** How long a new request would wait in it, milliseconds. */
  readonly delayMs: number;
}

/**
 * Load of the workers together, in percent: the mean of their busy shares. One whose messages wait as long as they may
 * (`mostDelayMs`) counts as fully busy, whatever its thread says of itself: it may be starved of the processor.
 */
export function loadOf(uses: readonly WorkerUse[], mostDelayMs: number): number {
  if (uses.length === 0) return 0;
  const shares = uses.map(({ busy, delayMs }) =>
    Math.min(1, Math.max(busy, mostDelayMs > 0 ? delayMs / mostDelayMs : 0)),
  );
  return (shares.reduce((sum, share) => sum + share, 0) / uses.length) * 100;
}

/**
 * Decides from the load of each cycle whether a worker is to come or to go: one at a time, and after each change the
 * cycles are counted anew, so that a change can take effect before the next.
 * Source: OpenSIPS 3.x core parameter auto_scaling_profile.
 */
export class ScalingProfile {
  #loads: number[] = [];

  /** A cycle had this load, percent, with `count` workers. Gives how many more there should be: 1, 0 or -1. */
  note(load: number, count: number, { min, max, scaleUp, scaleDown }: ScalingRules): -1 | 0 | 1 {
    const window = Math.max(scaleUp?.window ?? 0, scaleUp?.cycles ?? 0);
    this.#loads.push(load);
    const kept = Math.max(window, scaleDown?.cycles ?? 0);
    if (this.#loads.length > kept) this.#loads.splice(0, this.#loads.length - kept);
    if (scaleUp !== undefined && count < max) {
      const above = this.#loads.slice(-window).filter((each) => each > scaleUp.load);
      if (above.length >= scaleUp.cycles) return 1;
    }
    if (scaleDown !== undefined && count > min && this.#loads.length >= scaleDown.cycles) {
      if (this.#loads.slice(-scaleDown.cycles).every((each) => each < scaleDown.load)) return -1;
    }
    return 0;
  }

  /** The number of workers has changed: what was before says nothing any more. */
  forget(): void {
    this.#loads = [];
  }
}
