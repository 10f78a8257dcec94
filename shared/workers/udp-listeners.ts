import type { BoundListener, Listener } from '#sip/transport/flow';
import { probeNativeUdp } from '#sip/transport/native-library';
import { openNativeUdp } from '#sip/transport/native-udp';
import { openDgram, type UdpHandlers, type UdpSocket } from '#sip/transport/udp';
import { createDescriptors, publish } from './direct-sends.ts';

/** `auto`: native where it exists. */
export type UdpChoice = 'auto' | 'native' | 'dgram';

/** So many listeners may ever be there; workers cannot send by themselves on those beyond. */
const mostDescriptors = 1024;
/** How long a worker may go on with a descriptor that is not to be used any more, milliseconds. */
const descriptorGraceMs = 1_000;

/**
 * The UDP sockets of a daemon, by the index of their listener: bound, serving, draining, closed. One whose listener comes
 * back while it drains serves on.
 */
export class UdpListeners {
  /** Shared with the workers: on which descriptors they may send by themselves, by listener. */
  readonly descriptors: Int32Array;
  readonly #choice: UdpChoice;
  readonly #handlersOf: (index: number) => UdpHandlers;
  readonly #sockets = new Map<number, UdpSocket>();
  /** Those that drain: what ends them. */
  readonly #draining = new Map<number, NodeJS.Timeout>();
  /** Those whose sockets are being closed: their ports are not free before that. */
  readonly #freeing = new Map<number, Promise<void>>();

  /** `count`: of listeners at the beginning. */
  constructor(count: number, choice: UdpChoice, handlersOf: (index: number) => UdpHandlers) {
    this.descriptors = createDescriptors(Math.max(mostDescriptors, count));
    this.#choice = choice;
    this.#handlersOf = handlersOf;
  }

  /** Which implementation serves: `native`, or `dgram` and why. */
  get implementation(): string {
    if (this.#choice === 'dgram') return 'dgram (chosen)';
    const reason = probeNativeUdp();
    return reason === null ? 'native' : `dgram (${reason})`;
  }

  /** The socket of a listener that serves or drains. */
  socketOf(index: number): UdpSocket | undefined {
    return this.#sockets.get(index);
  }

  /**
   * Binds a listener, which does not serve yet. One that still drains is taken as it is, and drains on for `drainMs`
   * when it is released. Throws SipError ERR_SIP_LISTEN.
   */
  async bind(listener: Listener, drainMs: number): Promise<BoundListener> {
    const { index } = listener;
    const timer = this.#draining.get(index);
    if (timer !== undefined) {
      clearTimeout(timer);
      return this.#bound(index, this.#sockets.get(index)!, () => this.drain(index, drainMs));
    }
    await this.#freeing.get(index);
    const isNative = this.#choice === 'native' || (this.#choice === 'auto' && probeNativeUdp() === null);
    const handlers = this.#handlersOf(index);
    const { datagram } = handlers;
    // Nobody knows the listener before it serves.
    handlers.datagram = () => {};
    const socket = await (isNative ? openNativeUdp : openDgram)(listener, handlers);
    const release = () => {
      if (this.#sockets.get(index) !== socket) return socket.close();
    };
    return this.#bound(index, socket, release, () => {
      handlers.datagram = datagram;
    });
  }

  /** Closes a listener when what is under way has had its time: first nobody sends by it any more, then it is closed. */
  drain(index: number, drainMs: number): void {
    this.#after(drainMs, index, () => {
      if (index < this.descriptors.length) Atomics.store(this.descriptors, index, 0);
      this.#after(descriptorGraceMs, index, () => this.#free(index));
    });
  }

  /** Closes all at once. */
  async close(): Promise<void> {
    const sockets = [...this.#sockets.values()];
    this.#sockets.clear();
    for (const timer of this.#draining.values()) clearTimeout(timer);
    this.#draining.clear();
    this.descriptors.fill(0);
    await Promise.all([...sockets.map((socket) => socket.close()), ...this.#freeing.values()]);
  }

  #bound(
    index: number,
    socket: UdpSocket,
    release: BoundListener['release'],
    begin: () => void = () => {},
  ): BoundListener {
    return {
      port: socket.port,
      release,
      serve: () => {
        this.#draining.delete(index);
        this.#sockets.set(index, socket);
        begin();
        if (socket.descriptor !== null && index < this.descriptors.length)
          publish(this.descriptors, index, socket.descriptor);
      },
    };
  }

  #after(ms: number, index: number, next: () => void): void {
    this.#draining.set(index, setTimeout(next, ms));
  }

  #free(index: number): void {
    const socket = this.#sockets.get(index)!;
    this.#draining.delete(index);
    this.#sockets.delete(index);
    this.#freeing.set(
      index,
      socket.close().finally(() => this.#freeing.delete(index)),
    );
  }
}
