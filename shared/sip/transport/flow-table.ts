/** What the table knows of a connection; the transport's own connection object carries it. */
export interface TableEntry {
  readonly listener: number;
  readonly address: string;
  readonly port: number;
}

/**
 * The open stream connections: by number (never reused in a process), by remote address for reuse, and how many each
 * source has.
 *
 * Source: RFC 5923 (reuse), X-S4 (cap per source).
 */
export class FlowTable<Connection extends TableEntry> {
  readonly #byNumber = new Map<number, Connection>();
  readonly #byAddress = new Map<string, Connection>();
  readonly #perSource = new Map<string, number>();
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
  }

  remove(number: number): void {
    const connection = this.#byNumber.get(number);
    if (!connection) return;
    this.#byNumber.delete(number);
    const key = keyOf(connection.listener, connection.address, connection.port);
    if (this.#byAddress.get(key) === connection) this.#byAddress.delete(key);
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

  /** How many connections there are with one remote address. */
  countFrom(address: string): number {
    return this.#perSource.get(address) ?? 0;
  }

  all(): IterableIterator<Connection> {
    return this.#byNumber.values();
  }
}

function keyOf(listener: number, address: string, port: number): string {
  return `${listener}|${port}|${address}`;
}
