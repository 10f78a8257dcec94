import type { Clock } from '../clock.ts';
import { BackOff, type BackOffOptions } from './back-off.ts';

export interface RetryOptions extends BackOffOptions {
  readonly clock: Clock;
  /** How long a peer is left alone that wants nothing of us. */
  readonly unwantedMs: number;
}

/** Waits for the next try to reach a peer. Source: RFC 6733 2.1 (Tc), 5.4; requirement D-07. */
export class RetryTimer {
  readonly #options: RetryOptions;
  readonly #retry: () => void;
  readonly #backOff: BackOff;
  #timer: unknown;
  #delayMs = 0;

  constructor(options: RetryOptions, retry: () => void) {
    this.#options = options;
    this.#retry = retry;
    this.#backOff = new BackOff(options);
  }

  get armed(): boolean {
    return this.#timer !== undefined;
  }

  /** When the next try is, in words to be added to others; '' when there is none. */
  get words(): string {
    return this.armed ? `; next try in ${(this.#delayMs / 1000).toFixed(1)} s` : '';
  }

  /** The peer is there: nothing is to be tried. */
  up(): void {
    this.clear();
    this.#backOff.up(this.#options.clock.now());
  }

  /** `unwanted`: the peer said that it is busy or does not want to talk to us. */
  arm(unwanted: boolean): void {
    const { clock, unwantedMs } = this.#options;
    this.clear();
    this.#delayMs = unwanted ? unwantedMs : this.#backOff.next(clock.now());
    this.#timer = clock.setTimer(this.#delayMs, () => {
      this.#timer = undefined;
      this.#retry();
    });
  }

  clear(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }
}
