import { BroadcastChannel } from 'node:worker_threads';

/** Something that happened in a node: a log line as its fields, or `{ event }` with a name of docs/metrics.md. */
export type NodeEvent = Readonly<Record<string, unknown>>;

const channelName = 'cscf-events';
const keptLines = 256;

/** Tells how many listen, to all threads of the process: nobody publishes for nobody. */
export function createWatchers(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
}

/** What one thread publishes: its log, and what its procedures count. Keeps the last lines for who comes later. */
export class EventFeed {
  readonly #watchers: Int32Array;
  readonly #lines: string[] = [];
  #channel: BroadcastChannel | null = null;

  constructor(watchers: Int32Array) {
    this.#watchers = watchers;
  }

  /** A line of the log, JSON, secrets masked. */
  line(text: string): void {
    this.#lines.push(text);
    if (this.#lines.length > keptLines) this.#lines.shift();
    if (this.isWatched) this.#post(JSON.parse(text) as NodeEvent);
  }

  event(name: string): void {
    if (this.isWatched) this.#post({ event: name, time: new Date().toISOString() });
  }

  /** The newest lines, oldest first. */
  recent(limit: number): NodeEvent[] {
    return this.#lines.slice(-limit).map((text) => JSON.parse(text) as NodeEvent);
  }

  get isWatched(): boolean {
    return Atomics.load(this.#watchers, 0) > 0;
  }

  #post(event: NodeEvent): void {
    if (this.#channel === null) {
      this.#channel = new BroadcastChannel(channelName);
      this.#channel.unref();
    }
    this.#channel.postMessage(event);
  }
}

/** Hears what all threads of the process publish, on the main thread. */
export class EventHub {
  readonly #watchers: Int32Array;
  readonly #listeners = new Set<(event: NodeEvent) => void>();
  #channel: BroadcastChannel | null = null;

  constructor(watchers: Int32Array) {
    this.#watchers = watchers;
  }

  /** Gives what ends the subscription. */
  subscribe(listener: (event: NodeEvent) => void): () => void {
    this.#listeners.add(listener);
    Atomics.add(this.#watchers, 0, 1);
    this.#channel ??= this.#open();
    return () => {
      if (!this.#listeners.delete(listener)) return;
      Atomics.sub(this.#watchers, 0, 1);
      if (this.#listeners.size > 0) return;
      this.#channel?.close();
      this.#channel = null;
    };
  }

  #open(): BroadcastChannel {
    const channel = new BroadcastChannel(channelName);
    channel.onmessage = (message: unknown) => {
      const { data } = message as { data: NodeEvent };
      for (const listener of this.#listeners) listener(data);
    };
    channel.unref();
    return channel;
  }
}
