import { NgClient, type NgCommand, type NgResult } from './ng-client.ts';

export interface RelayPoolOptions {
  readonly relays: readonly { readonly address: string; readonly port: number }[];
  readonly timeoutMs: number;
  /** Milliseconds, monotonic. */
  readonly nowMs: () => number;
}

/** A relay that was silent is asked no more for this long while there are others. */
const setAsideMs = 30_000;

/**
 * Several rtpengines: a new call goes to the next one in turn, past those that were silent a moment ago, and stays there.
 * Source: requirement P-142.
 */
export class RelayPool {
  readonly #clients: readonly NgClient[];
  readonly #silentUntilMs = new Map<NgClient, number>();
  readonly #nowMs: () => number;
  #turn = 0;

  /** @throws RangeError without any relay. */
  constructor({ relays, timeoutMs, nowMs }: RelayPoolOptions) {
    if (relays.length === 0) throw new RangeError('no relay');
    this.#clients = relays.map(({ address, port }) => new NgClient({ address, port, timeoutMs }));
    this.#nowMs = nowMs;
  }

  /** Sends the first command of a call; a second relay is asked when the first one is silent. */
  async begin(command: NgCommand): Promise<{ readonly relay: NgClient; readonly result: NgResult }> {
    const first = this.#next(null);
    const result = await this.send(first, command);
    if (result.ok || !result.silent) return { relay: first, result };
    const second = this.#next(first);
    return second === first ? { relay: first, result } : { relay: second, result: await this.send(second, command) };
  }

  /** Sends a further command of a call to its relay. */
  async send(relay: NgClient, command: NgCommand): Promise<NgResult> {
    const result = await relay.send(command);
    if (result.ok || !result.silent) this.#silentUntilMs.delete(relay);
    else this.#silentUntilMs.set(relay, this.#nowMs() + setAsideMs);
    return result;
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  /** The next one that is not set aside; when all are, the next one all the same. */
  #next(but: NgClient | null): NgClient {
    const clients = this.#clients;
    const start = this.#turn++;
    for (let i = 0; i < clients.length; i++) {
      const client = clients[(start + i) % clients.length]!;
      if (client !== but && this.#nowMs() >= (this.#silentUntilMs.get(client) ?? 0)) return client;
    }
    const any = clients[start % clients.length]!;
    return but ?? any;
  }
}
