import { flatText } from '#sip/parser/latin1';
import type { Flow } from '#sip/transport/flow';

/** A REGISTER that awaits its answer, or the next one after a challenge. */
export interface PendingRegistration {
  readonly token: string;
  readonly callId: string;
  readonly startedMs: number;
}

/** How long a UE may take to answer a challenge. Source: TS 24.229 table 7.8.1 (reg-await-auth). */
const lifetimeMs = 240_000;
const maxPending = 65_536;

/**
 * Registrations under way in this worker: the second REGISTER gets the Path of the first. Bounded; the oldest go first.
 * Requirement P-23.
 */
export class PendingRegistrations {
  /** In the order of their start, so the oldest stands first. */
  readonly #byKey = new Map<string, PendingRegistration>();
  readonly #nowMs: () => number;

  /** `nowMs`: monotonic milliseconds. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  get size(): number {
    return this.#byKey.size;
  }

  get(key: string): PendingRegistration | null {
    const pending = this.#byKey.get(key);
    return pending !== undefined && pending.startedMs + lifetimeMs > this.#nowMs() ? pending : null;
  }

  /** Notes a REGISTER in place of an older one with the same key. */
  put(key: string, token: string, callId: string): void {
    const nowMs = this.#nowMs();
    this.#byKey.delete(key);
    for (const [oldest, { startedMs }] of this.#byKey) {
      if (startedMs + lifetimeMs > nowMs && this.#byKey.size < maxPending) break;
      this.#byKey.delete(oldest);
    }
    this.#byKey.set(flatText(key), { token, callId: flatText(callId), startedMs: nowMs });
  }

  delete(key: string): void {
    this.#byKey.delete(key);
  }
}

/** Who registers what from where. `contact`: `host:port` of the first contact, '' when there is none. */
export function pendingKey(impi: string, aor: string, flow: Flow, contact: string): string {
  return `${impi} ${aor} ${flow.transport} ${flow.address} ${contact}`;
}
