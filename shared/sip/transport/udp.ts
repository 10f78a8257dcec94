import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIP } from 'node:net';
import { SipError } from '#sip/errors';
import { readLatin1 } from '#sip/parser/latin1';
import type { Listener } from './flow.ts';
import { isKeepAlive } from './keep-alive.ts';
import { answerBinding } from './stun.ts';
import { failureOfCode, type TransportFailure } from './transport-failure.ts';

/** One bound UDP socket. Both implementations (node:dgram, native) have this face. */
export interface UdpSocket {
  /** The port in use (the system's choice when the listener asked for 0). */
  readonly port: number;
  /** For threads that send by themselves; null where only the socket's own thread can. */
  readonly descriptor: UdpDescriptor | null;
  /** Sends one datagram, latin1, to an IP literal. `token` (0: none) comes back in `failed` if it did not leave. */
  send(text: string, address: string, port: number, token: number): void;
  /** Ends the socket; nothing is heard of it once the promise is fulfilled. */
  close(): Promise<void>;
}

/** A descriptor that any thread of the process may send on while its socket is open. */
export interface UdpDescriptor {
  readonly fd: number;
  readonly version: 4 | 6;
}

/** What a UDP socket tells; one wake brings one batch. */
export interface UdpHandlers {
  beginBatch(): void;
  endBatch(): void;
  /** One datagram, latin1, keep-alives left out. `address` has no brackets. */
  datagram(text: string, address: string, port: number): void;
  failed(token: number, failure: TransportFailure): void;
  /** An ICMP error for an address, for what other threads sent there. */
  unreachable?(address: string, port: number, failure: TransportFailure): void;
}

/** Kernel memory asked for per socket, so that a pause of the process loses nothing. */
export const receiveBufferBytes = 4 * 1024 * 1024;

/**
 * Opens a UDP socket on node:dgram.
 *
 * Throws SipError ERR_SIP_LISTEN when the address can't be bound.
 */
export async function openDgram(listener: Listener, handlers: UdpHandlers): Promise<UdpSocket> {
  const family = isIP(listener.address);
  const socket = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    ipv6Only: family === 6,
    // Addresses are literals: no name service, no wait.
    lookup: (host, _options, done) => done(null, host, isIP(host)),
  });
  try {
    await bind(socket, listener);
  } catch (cause) {
    socket.close();
    throw new SipError('ERR_SIP_LISTEN', `udp ${listener.address}:${listener.port}: ${(cause as Error).message}`, {
      cause,
    });
  }
  try {
    socket.setRecvBufferSize(receiveBufferBytes);
  } catch {
    // Less than we ask for is what the system grants.
  }
  // ICMP errors of unconnected sockets don't arrive here; what does concerns no single message.
  socket.on('error', () => {});
  const isGm = listener.sides.includes('gm');
  const opened = new DgramSocket(socket, family, handlers);
  socket.on('message', (bytes: Buffer, from: RemoteInfo) => {
    const text = readLatin1(bytes);
    if (isKeepAlive(text)) return;
    const binding = isGm && text.charCodeAt(0) === 0 ? answerBinding(text, from.address, from.port) : null;
    if (binding !== null) {
      opened.send(binding, from.address, from.port, 0);
      return;
    }
    handlers.beginBatch();
    handlers.datagram(text, from.address, from.port);
    handlers.endBatch();
  });
  return opened;
}

function bind(socket: Socket, listener: Listener): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address: listener.address, port: listener.port, exclusive: true }, () => {
      socket.off('error', reject);
      resolve();
    });
  });
}

class DgramSocket implements UdpSocket {
  readonly port: number;
  readonly descriptor = null;
  readonly #socket: Socket;
  readonly #family: number;
  readonly #handlers: UdpHandlers;
  #closed = false;

  constructor(socket: Socket, family: number, handlers: UdpHandlers) {
    this.#socket = socket;
    this.#family = family;
    this.#handlers = handlers;
    this.port = socket.address().port;
  }

  send(text: string, address: string, port: number, token: number): void {
    if (this.#closed) {
      this.#fail(token, 'closed');
      return;
    }
    if (isIP(address) !== this.#family || port < 1 || port > 65535) {
      this.#fail(token, 'unreachable');
      return;
    }
    this.#socket.send(Buffer.from(text, 'latin1'), port, address, (error) => {
      if (error) this.#fail(token, failureOfCode((error as NodeJS.ErrnoException).code));
    });
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    return new Promise((resolve) => this.#socket.close(resolve));
  }

  #fail(token: number, failure: TransportFailure): void {
    if (token !== 0) this.#handlers.failed(token, failure);
  }
}
