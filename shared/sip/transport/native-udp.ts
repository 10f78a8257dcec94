import { isIP } from 'node:net';
import { SipError } from '#sip/errors';
import { readLatin1 } from '#sip/parser/latin1';
import type { Listener } from './flow.ts';
import { isKeepAlive } from './keep-alive.ts';
import { encodeAddress, readAddress, readPort, sockaddrBytes } from './native-address.ts';
import { Arena, datagramBytes, type Koffi, type Library, nameBytes, nativeLibrary, slots } from './native-library.ts';
import { failureOfErrno, gatherSends, NativeSender } from './native-sender.ts';
import { PollHandle, readable, writable } from './poll-handle.ts';
import { answerBinding } from './stun.ts';
import type { TransportFailure } from './transport-failure.ts';
import { receiveBufferBytes, type UdpDescriptor, type UdpHandlers, type UdpSocket } from './udp.ts';

/*
 * UDP on descriptors of our own: libuv's public uv_poll tells on the main loop when one is readable, recvmmsg and
 * sendmmsg move up to 64 datagrams per call.
 */

const socketDatagram = 2;
const nonBlockCloseOnExec = 0o2004000;
const levelSocket = 1;
const levelIp = 0;
const levelIpv6 = 41;
const optionReceiveBuffer = 8;
const optionReceiveBufferForce = 33;
const optionV6Only = 26;
const optionReceiveErrorsV4 = 11;
const optionReceiveErrorsV6 = 25;
const messageDontWait = 0x40;
const messageErrorQueue = 0x2000;
const emsgsize = 90;

/** Reads of one wake: at most this many times `slots`, so that the loop's other work has its turn. */
const roundsPerWake = 4;
const waitingDatagrams = 1024;

/** Everything received is read out before the next call: all sockets share one arena. */
let receiving: { readonly arena: Arena; readonly data: Buffer } | undefined;
/**
 * Opens a UDP socket on a descriptor of its own. Call it only where `probeNativeUdp` (native-library) gives null.
 *
 * ICMP errors are read from the socket's error queue and told of for what was sent to that address lately (C-14).
 * Throws SipError ERR_SIP_LISTEN when the address can't be bound.
 */
export async function openNativeUdp(listener: Listener, handlers: UdpHandlers): Promise<UdpSocket> {
  const library = nativeLibrary();
  if (typeof library === 'string') throw new SipError('ERR_SIP_LISTEN', library);
  return new NativeSocket(library, listener, handlers);
}

class NativeSocket implements UdpSocket {
  readonly port: number;
  readonly descriptor: UdpDescriptor;
  readonly #lib: Library;
  readonly #handlers: UdpHandlers;
  readonly #version: 4 | 6;
  readonly #fd: number;
  readonly #isGm: boolean;
  readonly #poll: PollHandle;
  #closed: Promise<void> | undefined;
  readonly #sender: NativeSender;
  /** What the kernel had no room for. */
  #waiting: { readonly text: string; readonly address: string; readonly port: number; readonly token: number }[] = [];

  constructor(lib: Library, listener: Listener, handlers: UdpHandlers) {
    this.#lib = lib;
    this.#handlers = handlers;
    this.#version = isIP(listener.address) === 6 ? 6 : 4;
    this.#fd = this.#bind(listener);
    this.#isGm = listener.sides.includes('gm');
    this.port = this.#boundPort();
    this.descriptor = { fd: this.#fd, version: this.#version };
    receiving ??= createReceiving(lib.koffi);
    this.#sender = new NativeSender(lib, this.#fd, this.#version, {
      failed: (token, failure) => handlers.failed(token, failure),
      // What procedures send that waited for the same answers of a peer leaves together.
      queued: () => process.nextTick(this.#flush),
      postponed: (text, address, port, token) => this.#wait(text, address, port, token),
    });
    this.#poll = new PollHandle(lib, this.#fd, `udp ${listener.address}:${listener.port}`, this.#wake);
  }

  send(text: string, address: string, port: number, token: number): void {
    if (this.#closed) this.#fail(token, 'closed');
    else if (this.#waiting.length > 0) this.#wait(text, address, port, token);
    else this.#sender.send(text, address, port, token);
  }

  close(): Promise<void> {
    if (this.#closed) return this.#closed;
    this.#sender.flush();
    this.#closed = this.#poll.close();
    return this.#closed;
  }

  #bind(listener: Listener): number {
    const lib = this.#lib;
    const domain = this.#version === 4 ? 2 : 10;
    const fd = lib.socket(domain, socketDatagram | nonBlockCloseOnExec, 0);
    const name = encodeAddress(listener.address, this.#version);
    if (fd < 0 || !name) {
      if (fd >= 0) lib.close(fd);
      throw new SipError('ERR_SIP_LISTEN', `udp ${listener.address}:${listener.port}: no such address`);
    }
    const bytes = Buffer.from(name);
    bytes.writeUInt16BE(listener.port, 2);
    if (this.#version === 6) this.#option(fd, levelIpv6, optionV6Only, 1);
    if (this.#version === 6) this.#option(fd, levelIpv6, optionReceiveErrorsV6, 1);
    else this.#option(fd, levelIp, optionReceiveErrorsV4, 1);
    // The forced form passes the system's limit where we may; the other takes what is granted.
    if (this.#option(fd, levelSocket, optionReceiveBufferForce, receiveBufferBytes) !== 0) {
      this.#option(fd, levelSocket, optionReceiveBuffer, receiveBufferBytes);
    }
    if (lib.bind(fd, bytes, bytes.length) !== 0) {
      const errno = lib.koffi.errno();
      lib.close(fd);
      throw new SipError('ERR_SIP_LISTEN', `udp ${listener.address}:${listener.port}: bind failed (errno ${errno})`);
    }
    return fd;
  }

  #option(fd: number, level: number, name: number, value: number): number {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    return this.#lib.setsockopt(fd, level, name, bytes, 4);
  }

  #boundPort(): number {
    const name = Buffer.alloc(nameBytes);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(sockaddrBytes);
    this.#lib.getsockname(this.#fd, name, length);
    return readPort(name, 0);
  }

  readonly #flush = (): void => this.#sender.flush();

  /** The loop's call: never throws into native code. */
  readonly #wake = (status: number, events: number): void => {
    if (this.#closed) return;
    if (status < 0) {
      // libuv stops a poll that has an error pending (POLLERR): here that is the ICMP error queue.
      this.#readErrors();
      this.#poll.watch(this.#waiting.length > 0 ? readable | writable : readable);
    }
    if (events & writable) this.#sendWaiting();
    if (status < 0 || events & readable) gatherSends(this.#readBatch);
  };

  readonly #readBatch = (): void => {
    this.#handlers.beginBatch();
    try {
      for (let round = 0; round < roundsPerWake && !this.#closed; round++) if (this.#readRound() < slots) break;
    } finally {
      this.#handlers.endBatch();
    }
  };

  #readRound(): number {
    const { arena, data } = receiving!;
    const count = this.#lib.recvmmsg(this.#fd, arena.headers, slots, messageDontWait, null);
    for (let i = 0; i < count; i++) {
      const word = i * 16;
      const length = arena.words[word + 14]!;
      const address = readAddress(arena.names, i * nameBytes);
      const port = readPort(arena.names, i * nameBytes);
      // The kernel has put the length it used in the place of the length there is.
      arena.words[word + 2] = sockaddrBytes;
      if (length <= 4) continue;
      const start = i * datagramBytes;
      const text = readLatin1(data, start, start + length);
      if (isKeepAlive(text)) continue;
      const binding = this.#isGm && text.charCodeAt(0) === 0 ? answerBinding(text, address, port) : null;
      if (binding === null) this.#handlers.datagram(text, address, port);
      else this.send(binding, address, port, 0);
    }
    return count;
  }

  #wait(text: string, address: string, port: number, token: number): void {
    if (this.#waiting.length === 0) this.#poll.watch(readable | writable);
    // Beyond the bound a datagram is lost, as the network may lose it: transactions send again.
    if (this.#waiting.length < waitingDatagrams) this.#waiting.push({ text, address, port, token });
  }

  #sendWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { text, address, port, token } of waiting) this.send(text, address, port, token);
    if (this.#waiting.length === 0) this.#poll.watch(readable);
  }

  /** Reads the ICMP errors: each names where the datagram went. Source: ip(7), IP_RECVERR. */
  #readErrors(): void {
    const { arena } = receiving!;
    const control = Buffer.allocUnsafeSlow(512);
    const pointers = new BigUint64Array(arena.headers.buffer, 0, 8);
    try {
      for (;;) {
        pointers[4] = BigInt(this.#lib.koffi.address(control));
        pointers[5] = BigInt(control.length);
        arena.words[2] = sockaddrBytes;
        if (this.#lib.recvmsg(this.#fd, arena.headers, messageErrorQueue | messageDontWait) < 0) break;
        // struct cmsghdr (16 bytes), then struct sock_extended_err, which begins with the errno.
        const errno = Number(pointers[5]) >= 32 ? control.readUInt32LE(16) : 0;
        if (errno !== 0 && errno !== emsgsize) {
          const failure = failureOfErrno(errno);
          const address = readAddress(arena.names, 0);
          const port = readPort(arena.names, 0);
          this.#sender.unreachable(address, port, failure);
          this.#handlers.unreachable?.(address, port, failure);
        }
      }
    } finally {
      pointers[4] = 0n;
      pointers[5] = 0n;
      arena.words[2] = sockaddrBytes;
    }
  }

  #fail(token: number, failure: TransportFailure): void {
    if (token !== 0) this.#handlers.failed(token, failure);
  }
}

function createReceiving(koffi: Koffi): { arena: Arena; data: Buffer } {
  const data = Buffer.allocUnsafeSlow(slots * datagramBytes);
  return { arena: new Arena(koffi, data, datagramBytes), data };
}
