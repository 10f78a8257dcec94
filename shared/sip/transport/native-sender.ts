import { readLatin1, writeLatin1 } from '#sip/parser/latin1';
import { encodeAddress, readAddress, readPort } from './native-address.ts';
import { Arena, headerBytes, nameBytes, type SendingLibrary, slots } from './native-library.ts';
import type { TransportFailure } from './transport-failure.ts';

/*
 * The sending half of native UDP. It needs no event loop, so that worker threads send by themselves on the descriptors
 * that the main thread reads.
 */

const messageDontWait = 0x40;
const eintr = 4;
const eagain = 11;
const emsgsize = 90;
const enobufs = 105;
const econnrefused = 111;

const sendBytes = 256 * 1024;
const largestPayload = 65_507;
const rememberedSends = 1024;
/** An ICMP error is matched with what was sent within this time. */
const errorWindowMs = 5_000;

/** Senders with datagrams that leave when the batch ends; null outside a batch. */
let batch: NativeSender[] | null = null;

/** Runs `work` and lets the datagrams it sends leave together, one system call per socket. */
export function gatherSends(work: () => void): void {
  if (batch !== null) {
    work();
    return;
  }
  batch = [];
  try {
    work();
  } finally {
    const touched = batch;
    batch = null;
    for (let i = 0; i < touched.length; i++) touched[i]!.flush();
  }
}

/** Who hears of what did not leave. */
export interface SenderEvents {
  /** A datagram with a token did not leave, or an ICMP error came back for it. */
  failed(token: number, failure: TransportFailure): void;
  /**
   * Something waits that was sent outside a batch: whoever gives this function calls `flush` soon. Without it such a
   * datagram leaves at once.
   */
  readonly queued?: () => void;
  /** The kernel has no room for this datagram now. */
  postponed(text: string, address: string, port: number, token: number): void;
}

/**
 * Sends datagrams on a descriptor, up to 64 a call, and remembers for a while what went where, since an ICMP error names
 * only the address. The descriptor stays its opener's.
 */
export class NativeSender {
  readonly #lib: SendingLibrary;
  readonly #fd: number;
  readonly #version: 4 | 6;
  readonly #events: SenderEvents;
  readonly #data = Buffer.allocUnsafeSlow(sendBytes);
  readonly #arena: Arena;
  readonly #tokens = new Float64Array(slots);
  #queued = 0;
  #queuedBytes = 0;

  readonly #sentAddress: string[] = [];
  readonly #sentPort = new Uint16Array(rememberedSends);
  readonly #sentToken = new Float64Array(rememberedSends);
  readonly #sentAt = new Float64Array(rememberedSends);
  #sentNext = 0;

  constructor(lib: SendingLibrary, fd: number, version: 4 | 6, events: SenderEvents) {
    this.#lib = lib;
    this.#fd = fd;
    this.#version = version;
    this.#events = events;
    this.#arena = new Arena(lib.koffi, this.#data, 0);
  }

  /** Sends at once, or with the batch that is gathered. */
  send(text: string, address: string, port: number, token: number): void {
    const name = encodeAddress(address, this.#version);
    if (!name || port < 1 || port > 65535 || text.length > largestPayload) {
      this.#fail(token, text.length > largestPayload ? 'too-large' : 'unreachable');
      return;
    }
    if (this.#queued === slots || this.#queuedBytes + text.length > sendBytes) this.flush();
    const slot = this.#queued++;
    const { names, words, vectors, dataAddress } = this.#arena;
    const at = this.#queuedBytes;
    writeLatin1(this.#data, text, at);
    this.#queuedBytes = at + text.length;
    vectors[slot * 2] = dataAddress + BigInt(at);
    vectors[slot * 2 + 1] = BigInt(text.length);
    names.set(name, slot * nameBytes);
    names[slot * nameBytes + 2] = port >> 8;
    names[slot * nameBytes + 3] = port & 255;
    words[slot * 16 + 2] = name.length;
    this.#tokens[slot] = token;
    if (token !== 0) this.#remember(address, port, token);
    if (batch !== null) {
      if (slot === 0) batch.push(this);
    } else if (this.#events.queued === undefined) this.flush();
    else if (slot === 0) this.#events.queued();
  }

  /** Hands what is queued to the kernel. */
  flush(): void {
    const count = this.#queued;
    let sent = 0;
    let retried = -1;
    while (sent < count) {
      const headers = sent === 0 ? this.#arena.headers : this.#arena.headers.subarray(sent * headerBytes);
      const done = this.#lib.sendmmsg(this.#fd, headers, count - sent, messageDontWait);
      if (done > 0) {
        sent += done;
        continue;
      }
      const errno = this.#lib.koffi.errno();
      if (errno === eintr) continue;
      if (errno === eagain || errno === enobufs) {
        this.#postpone(sent, count);
        break;
      }
      // An error that an earlier datagram met is told by the next call: try this one once more.
      if (retried !== sent) retried = sent;
      else {
        this.#fail(this.#tokens[sent]!, failureOfErrno(errno));
        sent++;
      }
    }
    this.#queued = 0;
    this.#queuedBytes = 0;
  }

  /** An ICMP error came for an address: what was sent there lately with a token has failed. Requirement C-14. */
  unreachable(address: string, port: number, failure: TransportFailure): void {
    const since = performance.now() - errorWindowMs;
    for (let i = 0; i < this.#sentAddress.length; i++) {
      const token = this.#sentToken[i]!;
      if (token === 0 || this.#sentPort[i] !== port || this.#sentAt[i]! < since) continue;
      if (this.#sentAddress[i] !== address) continue;
      this.#sentToken[i] = 0;
      this.#fail(token, failure);
    }
  }

  #postpone(first: number, count: number): void {
    const { names, vectors, dataAddress } = this.#arena;
    for (let slot = first; slot < count; slot++) {
      const at = Number(vectors[slot * 2]! - dataAddress);
      const text = readLatin1(this.#data, at, at + Number(vectors[slot * 2 + 1]));
      const name = slot * nameBytes;
      this.#events.postponed(text, readAddress(names, name), readPort(names, name), this.#tokens[slot]!);
    }
  }

  #remember(address: string, port: number, token: number): void {
    const i = this.#sentNext;
    this.#sentNext = (i + 1) % rememberedSends;
    this.#sentAddress[i] = address;
    this.#sentPort[i] = port;
    this.#sentToken[i] = token;
    this.#sentAt[i] = performance.now();
  }

  #fail(token: number, failure: TransportFailure): void {
    if (token !== 0) this.#events.failed(token, failure);
  }
}

/** The failure that a system error number stands for. */
export function failureOfErrno(errno: number): TransportFailure {
  if (errno === econnrefused) return 'refused';
  return errno === emsgsize ? 'too-large' : 'unreachable';
}
