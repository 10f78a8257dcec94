import type { Clock } from '../clock.ts';

/** Source: RFC 3539 3.4.1. A connection that is down is no state of its own here: its peer leaves the open state. */
export type WatchdogState = 'okay' | 'suspect';

export interface WatchdogPort {
  /** When the last octets came, by the clock. */
  lastReceivedMs(): number;
  sendDwr(): void;
  /** Tw passed after a DWR without an answer (`suspect`), or traffic came after that (`okay`). */
  changed(state: WatchdogState): void;
  dead(): void;
}

export interface WatchdogOptions {
  /** Tw; the RFC wants at least 6000. */
  readonly intervalMs: number;
  /** Each interval is Tw plus or minus up to this. */
  readonly jitterMs: number;
  readonly random: () => number;
}

/**
 * Watches one open connection: DWR when idle for Tw, suspect when that stays without answer for Tw, dead after
 * another. Any traffic counts as an answer. Source: RFC 3539 3.4.1, RFC 6733 5.5.
 */
export class Watchdog {
  readonly #clock: Clock;
  readonly #port: WatchdogPort;
  /** Read at each interval: its values may change. */
  readonly #options: WatchdogOptions;
  #state: WatchdogState = 'okay';
  /** When the DWR went out that still lacks an answer. */
  #askedMs: number | undefined;
  #armedMs = 0;
  #timer: unknown;

  constructor(clock: Clock, port: WatchdogPort, options: WatchdogOptions) {
    this.#clock = clock;
    this.#port = port;
    this.#options = options;
    this.#arm(this.#interval());
  }

  stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  /** Tells that traffic came; only a suspect connection needs to hear it at once. */
  received(): void {
    if (this.#state === 'okay') return;
    this.#state = 'okay';
    this.#askedMs = undefined;
    this.#port.changed('okay');
  }

  /** Asks for a sign of life now, unless that is under way: somebody else says that he is this peer. */
  probe(): void {
    if (this.#timer === undefined || this.#askedMs !== undefined) return;
    this.#clock.clearTimer(this.#timer);
    this.#ask();
  }

  #interval(): number {
    const { intervalMs, jitterMs, random } = this.#options;
    return Math.max(1, intervalMs + (random() * 2 - 1) * Math.min(jitterMs, intervalMs / 2));
  }

  #arm(delayMs: number): void {
    this.#armedMs = this.#clock.now();
    this.#timer = this.#clock.setTimer(delayMs, () => this.#expired());
  }

  #ask(): void {
    this.#askedMs = this.#clock.now();
    this.#arm(this.#interval());
    this.#port.sendDwr();
  }

  #expired(): void {
    const lastReceivedMs = this.#port.lastReceivedMs();
    if (this.#askedMs !== undefined && lastReceivedMs >= this.#askedMs) this.#askedMs = undefined;
    if (this.#askedMs === undefined) {
      // Traffic begins the interval anew; it is drawn again, so that two sides do not ask in step.
      const quietMs = this.#interval() - (this.#clock.now() - lastReceivedMs);
      if (quietMs >= 1 && lastReceivedMs > this.#armedMs) this.#arm(quietMs);
      else this.#ask();
      return;
    }
    if (this.#state === 'okay') {
      this.#state = 'suspect';
      this.#arm(this.#interval());
      this.#port.changed('suspect');
      return;
    }
    this.stop();
    this.#port.dead();
  }
}
