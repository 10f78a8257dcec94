import { nativeSending, type SendingLibrary } from '#sip/transport/native-library';
import { NativeSender } from '#sip/transport/native-sender';
import type { UdpDescriptor } from '#sip/transport/udp';
import type { SendFailure } from './frame-link.ts';

/*
 * Workers of a pool send their datagrams by themselves, on the descriptors that the main thread reads: one wake of a
 * thread less for each message.
 */

/** Memory that says, by listener, on which descriptor others may send; 0: on none. */
export function createDescriptors(listeners: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(Math.max(1, listeners) * 4));
}

/** Lets the workers send on a descriptor. */
export function publish(descriptors: Int32Array, listener: number, { fd, version }: UdpDescriptor): void {
  Atomics.store(descriptors, listener, (fd + 1) * 2 + (version === 6 ? 1 : 0));
}

/** What a worker does with a datagram that it cannot send itself, and with one that failed. */
export interface DirectSendEvents {
  failed(token: number, failure: SendFailure): void;
  /** Something waits to be flushed. */
  queued(): void;
  /** The kernel has no room: the main thread waits for it. */
  postponed(listener: number, text: string, address: string, port: number, token: number): void;
}

/** The senders of one worker, by listener. */
export class DirectSends {
  readonly #descriptors: Int32Array;
  readonly #events: DirectSendEvents;
  readonly #library: SendingLibrary | null = nativeSending();
  readonly #senders: (NativeSender | undefined)[] = [];
  /** What `#descriptors` said when each sender was made: a listener may be closed, and opened anew. */
  readonly #words: number[] = [];

  constructor(descriptors: Int32Array, events: DirectSendEvents) {
    this.#descriptors = descriptors;
    this.#events = events;
  }

  /** Sends a datagram; false when it must go through the main thread. */
  send(listener: number, text: string, address: string, port: number, token: number): boolean {
    const word = listener < this.#descriptors.length ? Atomics.load(this.#descriptors, listener) : 0;
    if (word === 0 || this.#library === null) return false;
    const known = this.#words[listener] === word ? this.#senders[listener] : undefined;
    const sender = known ?? this.#open(this.#library, listener, word);
    sender.send(text, address, port, token);
    return true;
  }

  /** Hands what waits to the kernel. */
  flush(): void {
    for (let i = 0; i < this.#senders.length; i++) {
      const sender = this.#senders[i];
      // What was for a descriptor that is closed must not go out on another one of its number.
      if (sender !== undefined && Atomics.load(this.#descriptors, i) === this.#words[i]) sender.flush();
    }
  }

  /** An ICMP error that the main thread has read for an address. */
  unreachable(listener: number, address: string, port: number, failure: SendFailure): void {
    this.#senders[listener]?.unreachable(address, port, failure);
  }

  #open(library: SendingLibrary, listener: number, word: number): NativeSender {
    const sender = new NativeSender(library, (word >> 1) - 1, (word & 1) === 1 ? 6 : 4, {
      failed: (token, failure) => this.#events.failed(token, failure),
      queued: () => this.#events.queued(),
      postponed: (text, address, port, token) => this.#events.postponed(listener, text, address, port, token),
    });
    this.#senders[listener] = sender;
    this.#words[listener] = word;
    return sender;
  }
}
