import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { encodeRefusal, type Refusal, refusalOf } from '../answer.ts';
import { uint24, uint32 } from '../codec/avp-list.ts';
import { decodeMessage } from '../codec/decode.ts';
import { type DiameterMessage, isRequest } from '../codec/message.ts';
import { baseAvps, baseCommands } from '../dictionary/base.ts';
import { createDictionary } from '../dictionary/dictionary.ts';
import { DecodeFailure, DiameterError, resultCodes } from '../errors.ts';
import type { PeerCapabilities } from './capabilities.ts';
import { checkCer } from './capabilities-check.ts';
import type { Connection } from './connection.ts';
import type { Peer } from './peer.ts';
import type { PeerSettings } from './peer-settings.ts';

export interface EntrancePort {
  /** Makes a connection of an accepted socket. */
  accepted(socket: Socket, secure: boolean): Connection;
  /** The peer of that Origin-Host, also a new one where such are welcome; undefined: it is no peer of ours. */
  peerOf(originHost: string): Peer | undefined;
  /** The connection is that peer's from now on. */
  admitted(peer: Peer, connection: Connection, cer: DiameterMessage, capabilities: PeerCapabilities): void;
  /** A connection, or a listener, was given up. */
  report(words: string): void;
}

/** Connections that have not said who they are, handshakes included. */
const MAX_STRANGERS = 64;
/** Not in RFC 6733's list of the codes that we send elsewhere. Source: RFC 6733 7.1.5. */
const NO_COMMON_SECURITY = 5017;

const baseDictionary = createDictionary(baseAvps);

/**
 * Where peers come in: listeners, and connections until their CER says who is there. Strangers are few, have little
 * time and may send little. Source: RFC 6733 5.3; requirements D-03, D-04, X-D1, X-D3, X-D7.
 */
export class Entrance {
  /** Connections that were turned away. */
  refused = 0;
  readonly #settings: PeerSettings;
  readonly #port: EntrancePort;
  readonly #servers: Server[] = [];
  readonly #strangers = new Map<Connection, Socket>();
  #handshakes = 0;
  #closing = false;

  constructor(settings: PeerSettings, port: EntrancePort) {
    this.#settings = settings;
    this.#port = port;
  }

  /**
   * Listens; rejects when the address cannot be had, throws DiameterError ERR_DIAMETER_TLS for `secure` without
   * certificates.
   */
  async listen(port: number, address: string, secure: boolean): Promise<AddressInfo> {
    const server = secure ? this.#secureServer() : createServer((socket) => this.#onAccepted(socket, false));
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, address, () => {
        server.off('error', reject);
        server.on('error', (error) => this.#port.report(`listener ${address}:${port}: ${error.message}`));
        resolve(server.address() as AddressInfo);
      });
    });
  }

  /** Lets nobody in any more and sends the strangers away; resolves when the listeners are closed. */
  async close(): Promise<void> {
    this.#closing = true;
    const closed = this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    for (const connection of [...this.#strangers.keys()]) connection.destroy('we are shutting down');
    await Promise.all(closed);
  }

  isStranger(connection: Connection): boolean {
    return this.#strangers.has(connection);
  }

  /** A stranger is gone. */
  onClosed(connection: Connection): void {
    this.#strangers.delete(connection);
  }

  /** The first message of a connection that we accepted: a CER of a peer that may talk to us. */
  onFirstMessage(connection: Connection, octets: Buffer): void {
    if (!isRequest(octets) || uint24(octets, 5) !== baseCommands.capabilitiesExchange.code || uint32(octets, 8) !== 0) {
      this.turnAway(connection, 'the first message was no CER');
      return;
    }
    const cer = decodeMessage(octets, baseDictionary);
    if (cer instanceof DecodeFailure) {
      const refusal = refusalOf(cer);
      this.#refuse(connection, octets, { ...refusal, words: `malformed CER: ${refusal.words}` });
      return;
    }
    const capabilities = checkCer(cer, this.#settings.local);
    if ('resultCode' in capabilities) {
      this.#refuse(connection, octets, capabilities);
      return;
    }
    const peer = this.#port.peerOf(capabilities.originHost);
    const refusal = this.#whyNotAdmitted(connection, capabilities.originHost, peer);
    if (peer === undefined || refusal !== undefined) {
      this.#refuse(connection, octets, refusal ?? { resultCode: resultCodes.UNKNOWN_PEER, words: '' });
      return;
    }
    this.#strangers.delete(connection);
    this.#port.admitted(peer, connection, cer, capabilities);
  }

  /** Gives a stranger up. */
  turnAway(connection: Connection, words: string): void {
    this.refused++;
    this.#port.report(`connection from ${connection.remote} refused: ${words}`);
    connection.end(words);
  }

  #whyNotAdmitted(connection: Connection, originHost: string, peer: Peer | undefined): Refusal | undefined {
    const { security } = this.#settings;
    if (peer === undefined) {
      return { resultCode: resultCodes.UNKNOWN_PEER, words: `${originHost} is not a peer of ours` };
    }
    if (peer.disabled) return { resultCode: resultCodes.UNKNOWN_PEER, words: `${originHost} is disabled here` };
    if (!connection.secure) {
      if (peer.config.tls !== true) return undefined;
      return { resultCode: NO_COMMON_SECURITY, words: `${originHost} is to connect over TLS` };
    }
    const socket = this.#strangers.get(connection) as TLSSocket | undefined;
    if (socket !== undefined && security?.proves(socket, originHost) === true) return undefined;
    return { resultCode: resultCodes.UNKNOWN_PEER, words: `the certificate is not for ${originHost}` };
  }

  #refuse(connection: Connection, cer: Buffer, refusal: Refusal): void {
    connection.send(encodeRefusal(cer, this.#settings.local.identity, refusal));
    this.turnAway(connection, refusal.words);
  }

  #onAccepted(socket: Socket, secure: boolean): void {
    if (this.#isFull()) {
      this.refused++;
      socket.destroy();
      return;
    }
    const { clock, exchangeTimeoutMs } = this.#settings;
    const connection = this.#port.accepted(socket, secure);
    this.#strangers.set(connection, socket);
    const timer = clock.setTimer(exchangeTimeoutMs, () => {
      if (this.#strangers.has(connection)) this.turnAway(connection, 'no CER came');
    });
    socket.once('close', () => clock.clearTimer(timer));
  }

  #isFull(): boolean {
    return this.#closing || this.#strangers.size + this.#handshakes >= MAX_STRANGERS;
  }

  #secureServer(): Server {
    const { clock, exchangeTimeoutMs, security } = this.#settings;
    if (security === undefined) {
      throw new DiameterError('ERR_DIAMETER_TLS', 'a Diameter listener with TLS needs certificates');
    }
    const server = security.createServer();
    const handshakes = new Set<string>();
    const over = (key: string) => {
      if (handshakes.delete(key)) this.#handshakes--;
    };
    server.on('connection', (raw: Socket) => {
      if (this.#isFull()) {
        this.refused++;
        raw.destroy();
        return;
      }
      const key = `${raw.remoteAddress} ${raw.remotePort}`;
      handshakes.add(key);
      this.#handshakes++;
      const timer = clock.setTimer(exchangeTimeoutMs, () => {
        if (handshakes.has(key)) raw.destroy();
      });
      raw.once('close', () => {
        clock.clearTimer(timer);
        over(key);
      });
    });
    server.on('secureConnection', (socket: TLSSocket) => {
      over(`${socket.remoteAddress} ${socket.remotePort}`);
      this.#onAccepted(socket, true);
    });
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
      this.refused++;
      this.#port.report(`connection from ${socket.remoteAddress ?? '?'} refused: ${security.words(error)}`);
      socket.destroy();
    });
    return server;
  }
}
