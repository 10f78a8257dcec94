/** What the table knows of a connection; the transport's own connection object carries it. */
export interface TableEntry {
  readonly listener: number;
  readonly address: string;
  readonly port: number;
  /** Whether a peer opened it who may have to go when there is no room: no core node. */
  readonly dispensable: boolean;
}

/**
 * The open stream connections: by number (never reused in a process), by remote address for reuse, how many each
 * source has, and which of them a registered UE needs.
 *
 * Source: RFC 5923 (reuse); X-S4 (cap per source, whom to end).
 */
export class FlowTable<Connection extends TableEntry> {
  readonly #byNumber = new Map<number, Connection>();
  readonly #byAddress = new Map<string, Connection>();
  readonly #perSource = new Map<string, number>();
  readonly #aliases = new Map<number, string>();
  readonly #held = new Set<number>();
  /** Numbers of dispensable connections, newest last; what is gone or held meanwhile is passed over. */
  #dispensable: number[] = [];
  #last = 0;

  get size(): number {
    return this.#byNumber.size;
  }

  /** A number for a connection that is about to be added. */
  nextNumber(): number {
    return ++this.#last;
  }

  /** The newest connection to a remote address is the one that is reused. */
  add(number: number, connection: Connection): void {
    this.#byNumber.set(number, connection);
    this.#byAddress.set(keyOf(connection.listener, connection.address, connection.port), connection);
    this.#perSource.set(connection.address, this.countFrom(connection.address) + 1);
    if (connection.dispensable) this.#offer(number);
  }

  remove(number: number): void {
    const connection = this.#byNumber.get(number);
    if (!connection) return;
    this.#byNumber.delete(number);
    this.#held.delete(number);
    this.#unlink(keyOf(connection.listener, connection.address, connection.port), connection);
    const alias = this.#aliases.get(number);
    if (alias !== undefined) {
      this.#aliases.delete(number);
      this.#unlink(alias, connection);
    }
    const left = this.countFrom(connection.address) - 1;
    if (left > 0) this.#perSource.set(connection.address, left);
    else this.#perSource.delete(connection.address);
  }

  get(number: number): Connection | undefined {
    return this.#byNumber.get(number);
  }

  /** The connection between a listener's address and a remote address, whoever opened it. */
  find(listener: number, address: string, port: number): Connection | undefined {
    return this.#byAddress.get(keyOf(listener, address, port));
  }

  /** Makes a connection also found by another port of its peer, in place of what was found by it before. */
  alias(number: number, port: number): void {
    const connection = this.#byNumber.get(number);
    if (!connection || this.#aliases.has(number)) return;
    const key = keyOf(connection.listener, connection.address, port);
    this.#aliases.set(number, key);
    this.#byAddress.set(key, connection);
  }

  /** Notes whether a registered UE needs a connection; what is not there (any more) is passed over. */
  hold(number: number, held: boolean): void {
    const connection = this.#byNumber.get(number);
    if (!connection || held === this.#held.has(number)) return;
    if (held) this.#held.add(number);
    else {
      this.#held.delete(number);
      if (connection.dispensable) this.#offer(number);
    }
  }

  isHeld(number: number): boolean {
    return this.#held.has(number);
  }

  /** The newest connection that neither a registered UE nor the core needs. */
  newestDispensable(): Connection | undefined {
    for (;;) {
      const number = this.#dispensable.at(-1);
      if (number === undefined) return undefined;
      const connection = this.#byNumber.get(number);
      if (connection && !this.#held.has(number)) return connection;
      this.#dispensable.pop();
    }
  }

  /** How many connections there are with one remote address. */
  countFrom(address: string): number {
    return this.#perSource.get(address) ?? 0;
  }

  all(): IterableIterator<Connection> {
    return this.#byNumber.values();
  }

  #offer(number: number): void {
    if (this.#dispensable.length > 2 * this.size + 64) {
      this.#dispensable = this.#dispensable.filter((each) => this.#byNumber.has(each) && !this.#held.has(each));
    }
    this.#dispensable.push(number);
  }

  #unlink(key: string, connection: Connection): void {
    if (this.#byAddress.get(key) === connection) this.#byAddress.delete(key);
  }
}

function keyOf(listener: number, address: string, port: number): string {
  return `${listener}|${port}|${address}`;
}
