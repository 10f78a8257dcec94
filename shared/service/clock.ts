import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';

/** Time, injected, so that tests need not sleep. */
export interface Clock {
  /** Monotonic milliseconds; the zero point means nothing. */
  nowMs(): number;
  /** Milliseconds since 1970 by the wall clock. */
  wallMs(): number;
}

/** Wall time at zero of `performance.now()` in this thread. */
const originMs = wallOrigin() + sinceBootMs() - performance.now();

/**
 * The clock of the running process. Its wall clock is read once, when the process starts, and goes on with the monotonic
 * clock, alike in all threads: when somebody sets the clock of the machine, no registration ends early or lives longer. A
 * clock that is slewed is followed, since that slews the monotonic clock as well. Requirement X-R9.
 */
export const systemClock: Clock = Object.freeze({
  nowMs: () => performance.now(),
  wallMs: () => Math.floor(originMs + performance.now()),
});

/** Wall time at zero of the monotonic clock, as the first thread of the process has found it. */
function wallOrigin(): number {
  const name = 'cscf.wallOrigin';
  const known = getEnvironmentData(name);
  if (typeof known === 'number') return known;
  const found = Date.now() - sinceBootMs();
  setEnvironmentData(name, found);
  return found;
}

/** The monotonic clock of the machine, which all threads read alike. */
function sinceBootMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

/** A clock that stands still until it is told to move. */
export class ManualClock implements Clock {
  #nowMs = 0;
  readonly #wallStartMs: number;

  constructor(wallStartMs = 0) {
    this.#wallStartMs = wallStartMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#wallStartMs + this.#nowMs;
  }

  advance(ms: number): void {
    this.#nowMs += ms;
  }
}
