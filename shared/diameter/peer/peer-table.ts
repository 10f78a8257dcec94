import { type AddressInfo, connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { encodeRefusal, refusalOf } from '../answer.ts';
import type { DiameterRoute } from '../client.ts';
import type { Clock } from '../clock.ts';
import { systemClock } from '../clock.ts';
import { uint24, uint32 } from '../codec/avp-list.ts';
import { decodeMessage } from '../codec/decode.ts';
import { isRequest, readHopByHop, writeHopByHop } from '../codec/message.ts';
import { baseAvps, baseCommands } from '../dictionary/base.ts';
import { type ApplicationDefinition, createDictionary } from '../dictionary/dictionary.ts';
import { DecodeFailure, DiameterError, resultCodes } from '../errors.ts';
import { type DiameterIdentity, isDiameterIdentity, sameIdentity } from '../identity.ts';
import { commonApplications, readCapabilities } from './capabilities.ts';
import { Connection, type ConnectionListener } from './connection.ts';
import { Peer, type PeerConfig, type PeerEventReport, type PeerSettings } from './peer.ts';
import type { PeerState } from './peer-state.ts';
import { findRealm, pickPeer, type RealmPeer, type RealmRoute } from './realm-table.ts';
import type { FramingFault } from './stream-framer.ts';

/** Times in milliseconds; each has a default. */
export interface PeerTableOptions {
  readonly identity: DiameterIdentity;
  readonly applications: readonly ApplicationDefinition[];
  readonly peers: readonly PeerConfig[];
  readonly realms?: readonly RealmRoute[];
  /** Who gets requests of realms without a row, when no connected peer is of that realm. */
  readonly defaultPeers?: readonly RealmPeer[];
  /** Whether a peer that is not configured may connect, or answer under another name. Default false. */
  readonly acceptUnknown?: boolean;
  readonly productName?: string;
  readonly vendorId?: number;
  readonly firmwareRevision?: number;
  /** Default: Unix seconds of the start. */
  readonly originStateId?: number;
  readonly hostIpAddresses?: readonly string[];
  /** Tc, default 5000, doubled after each failure in a row up to `reconnectCapMs` (default 30000). */
  readonly reconnectMs?: number;
  readonly reconnectCapMs?: number;
  /** Default 10000. */
  readonly exchangeTimeoutMs?: number;
  /** Tw, default 30000, with a jitter of 2000. */
  readonly watchdogMs?: number;
  readonly watchdogJitterMs?: number;
  /** How long a DPA is awaited, default 5000. */
  readonly disconnectTimeoutMs?: number;
  /** Default 300000. */
  readonly unwantedMs?: number;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/** What the table tells its owner. Messages are the receiver's to keep. */
export interface PeerTablePort {
  /** An answer to a request of ours; `workerOf(readHopByHop(message))` says whose. */
  onAnswer(message: Buffer): void;
  /** A request of a peer; its Hop-by-Hop Identifier is ours, by which `answer` finds the way back. */
  onRequest(message: Buffer, connectionId: number): void;
  /** A request that was sent stays without answer: its connection is gone. */
  onLost(hopByHop: number): void;
  onEvent(report: PeerEventReport): void;
}

/** One peer as an administrator sees it. */
export interface PeerStatus {
  readonly host: string;
  readonly state: PeerState | 'suspect';
  readonly remote: string | undefined;
  readonly realm: string | undefined;
  readonly productName: string | undefined;
  readonly applications: readonly number[];
  /** Requests that await an answer. */
  readonly outstanding: number;
}

export interface PeerTableCounters {
  requestsSent: number;
  requestsWithoutPeer: number;
  answersReceived: number;
  /** Answers to nothing that was sent on their connection. */
  unmatchedAnswers: number;
  requestsReceived: number;
  answersSent: number;
  /** Answers whose connection is gone, or to no request. */
  undeliverableAnswers: number;
  framingFaults: number;
  refusedConnections: number;
}

interface Asked {
  readonly connection: Connection;
  readonly hopByHop: number;
}

/** Connections that have not said who they are. */
const MAX_STRANGERS = 64;
/** Peers that are not configured, where such are welcome. */
const MAX_UNKNOWN_PEERS = 64;
/** Requests of peers that await our answer; the oldest is forgotten beyond it. */
const MAX_ASKED = 64 * 1024;

const baseDictionary = createDictionary(baseAvps);

/**
 * All peers with their connections: routes requests out, and hands in what comes. Bodies are not decoded here, but
 * for the base messages. Source: RFC 6733 2.7, 5, 6.1.
 */
export class PeerTable {
  readonly counters: PeerTableCounters = {
    requestsSent: 0,
    requestsWithoutPeer: 0,
    answersReceived: 0,
    unmatchedAnswers: 0,
    requestsReceived: 0,
    answersSent: 0,
    undeliverableAnswers: 0,
    framingFaults: 0,
    refusedConnections: 0,
  };
  readonly #port: PeerTablePort;
  readonly #settings: PeerSettings;
  readonly #realms: readonly RealmRoute[];
  readonly #defaultPeers: readonly RealmPeer[];
  /** By lower-case Origin-Host. */
  readonly #peers = new Map<string, Peer>();
  /** Undefined: has not said who it is. */
  readonly #owners = new Map<Connection, Peer | undefined>();
  readonly #unknownPeers = new Set<Peer>();
  readonly #listener: ConnectionListener;
  readonly #servers: Server[] = [];
  readonly #asked = new Map<number, Asked>();
  #nextAsked = 0;
  #strangers = 0;
  #connections = 0;
  #stopping = false;
  #ended: (() => void) | undefined;

  /** Throws DiameterError ERR_DIAMETER_IDENTITY for a name that is no DiameterIdentity. */
  constructor(port: PeerTablePort, options: PeerTableOptions) {
    this.#port = port;
    for (const host of [options.identity.originHost, ...options.peers.map((peer) => peer.host)]) {
      if (!isDiameterIdentity(host))
        throw new DiameterError('ERR_DIAMETER_IDENTITY', `not a DiameterIdentity: ${host}`);
    }
    this.#settings = settingsOf(options);
    this.#realms = options.realms ?? [];
    this.#defaultPeers = options.defaultPeers ?? [];
    this.#listener = {
      connected: (connection) => this.#owners.get(connection)?.onConnected(connection),
      message: (connection, octets) => this.#onMessage(connection, octets),
      fault: (connection, fault) => this.#onFault(connection, fault),
      closed: (connection, words) => this.#onClosed(connection, words),
    };
    for (const config of options.peers) this.#addPeer(config);
  }

  /** Begins to connect to the peers that have an address. */
  start(): void {
    for (const peer of this.#peers.values()) peer.start();
  }

  /** Serves peers that connect to us; rejects when the address cannot be had. */
  listen(port: number, address: string): Promise<AddressInfo> {
    const server = createServer((socket) => this.#onAccepted(socket));
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, address, () => {
        server.off('error', reject);
        server.on('error', (error) => this.#report('', 'closed', `listener ${address}:${port}: ${error.message}`));
        resolve(server.address() as AddressInfo);
      });
    });
  }

  /** Says farewell to every peer (DPR), waits for it and closes all. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    const closed = this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    for (const [connection, owner] of this.#owners) if (owner === undefined) connection.destroy('we are shutting down');
    const ended = new Promise<void>((resolve) => (this.#ended = resolve));
    for (const peer of [...this.#peers.values()]) peer.stop();
    this.#checkEnded();
    await Promise.all([ended, ...closed]);
  }

  /**
   * Sends a request to the peer that the route leads to; false: none is connected. Source: RFC 6733 6.1.4, 6.1.6.
   */
  send(message: Buffer, route: DiameterRoute): boolean {
    const connection = this.#choose(route)?.connection;
    if (connection === undefined) {
      this.counters.requestsWithoutPeer++;
      return false;
    }
    this.counters.requestsSent++;
    connection.ask(readHopByHop(message), message);
    return true;
  }

  /** Sends an answer back to where its request came from (its Hop-by-Hop Identifier is put right in place). */
  answer(message: Buffer): boolean {
    const hopByHop = readHopByHop(message);
    const asked = this.#asked.get(hopByHop);
    this.#asked.delete(hopByHop);
    if (asked === undefined || !this.#owners.has(asked.connection)) {
      this.counters.undeliverableAnswers++;
      return false;
    }
    this.counters.answersSent++;
    writeHopByHop(message, asked.hopByHop);
    asked.connection.send(message);
    return true;
  }

  status(): PeerStatus[] {
    return [...this.#peers.values()].map((peer) => ({
      host: peer.config.host,
      state: peer.suspect ? 'suspect' : peer.state,
      remote: peer.open ? peer.connection?.remote : undefined,
      realm: peer.open ? peer.capabilities?.originRealm : undefined,
      productName: peer.open ? peer.capabilities?.productName : undefined,
      applications: peer.applications,
      outstanding: peer.connection?.outstanding ?? 0,
    }));
  }

  /** Direct, else by the realm table, else any peer of that realm, else the default; suspects only if none else is there. */
  #choose(route: DiameterRoute): Peer | undefined {
    const { application, host, realm } = route;
    if (host !== '') {
      const direct = this.#peers.get(host.toLowerCase());
      if (direct !== undefined && canTake(direct, application) && !direct.suspect) return direct;
    }
    const row = findRealm(this.#realms, realm, application);
    return this.#chooseOf(row, realm, application, false) ?? this.#chooseOf(row, realm, application, true);
  }

  #chooseOf(
    row: readonly RealmPeer[] | undefined,
    realm: string,
    application: number,
    suspects: boolean,
  ): Peer | undefined {
    const { random } = this.#settings;
    const usable = (host: string) => {
      const peer = this.#peers.get(host.toLowerCase());
      return peer !== undefined && canTake(peer, application) && peer.suspect === suspects ? peer : undefined;
    };
    if (row !== undefined) return pickPeer(row, usable, random);
    for (const peer of this.#peers.values()) {
      if (!canTake(peer, application) || peer.suspect !== suspects) continue;
      if (sameIdentity(peer.capabilities?.originRealm ?? '', realm)) return peer;
    }
    return pickPeer(this.#defaultPeers, usable, random);
  }

  #addPeer(config: PeerConfig): Peer {
    const peer = new Peer(config, this.#settings, {
      connect: (owner, address, port) => this.#connect(owner, address, port),
      event: (report) => this.#port.onEvent(report),
      ended: (ended) => this.#onEnded(ended),
    });
    this.#peers.set(config.host.toLowerCase(), peer);
    return peer;
  }

  #connect(owner: Peer, address: string, port: number): Connection {
    return this.#addConnection(connectTcp({ host: address, port }), owner);
  }

  #addConnection(socket: Socket, owner: Peer | undefined): Connection {
    const connection = new Connection(++this.#connections, socket, this.#listener, this.#settings.clock);
    this.#owners.set(connection, owner);
    return connection;
  }

  #onAccepted(socket: Socket): void {
    if (this.#stopping || this.#strangers >= MAX_STRANGERS) {
      this.counters.refusedConnections++;
      socket.destroy();
      return;
    }
    this.#strangers++;
    const { clock, exchangeTimeoutMs } = this.#settings;
    const connection = this.#addConnection(socket, undefined);
    const timer = clock.setTimer(exchangeTimeoutMs, () => {
      if (this.#isStranger(connection)) this.#turnAway(connection, 'no CER came');
    });
    socket.once('close', () => clock.clearTimer(timer));
  }

  #isStranger(connection: Connection): boolean {
    return this.#owners.has(connection) && this.#owners.get(connection) === undefined;
  }

  #onMessage(connection: Connection, octets: Buffer): void {
    const owner = this.#owners.get(connection);
    if (owner === undefined) {
      this.#onFirstMessage(connection, octets);
      return;
    }
    owner.received();
    if (uint32(octets, 8) === 0) {
      owner.onBaseMessage(connection, octets);
      return;
    }
    const established = owner.open || owner.state === 'closing';
    if (!established || connection !== owner.connection) {
      this.#report(owner.config.host, owner.state, 'an application message before the capabilities exchange');
      connection.destroy('an application message before the capabilities exchange');
    } else if (isRequest(octets)) this.#onRequest(connection, octets);
    else if (connection.settle(readHopByHop(octets))) {
      this.counters.answersReceived++;
      this.#port.onAnswer(octets);
    } else this.counters.unmatchedAnswers++;
  }

  #onRequest(connection: Connection, octets: Buffer): void {
    this.counters.requestsReceived++;
    if (this.#asked.size >= MAX_ASKED) {
      for (const oldest of this.#asked.keys()) {
        this.#asked.delete(oldest);
        break;
      }
    }
    this.#nextAsked = (this.#nextAsked + 1) >>> 0;
    this.#asked.set(this.#nextAsked, { connection, hopByHop: readHopByHop(octets) });
    writeHopByHop(octets, this.#nextAsked);
    this.#port.onRequest(octets, connection.id);
  }

  /** The first message of a connection that we accepted: a CER of a peer that may talk to us. Source: RFC 6733 5.3. */
  #onFirstMessage(connection: Connection, octets: Buffer): void {
    if (!isRequest(octets) || uint24(octets, 5) !== baseCommands.capabilitiesExchange.code || uint32(octets, 8) !== 0) {
      this.#turnAway(connection, 'the first message was no CER');
      return;
    }
    const cer = decodeMessage(octets, baseDictionary);
    if (cer instanceof DecodeFailure) {
      const { words, resultCode, failedAvp } = refusalOf(cer);
      this.#refuseCer(connection, octets, resultCode, `malformed CER: ${words}`, failedAvp);
      return;
    }
    const capabilities = readCapabilities(cer);
    if (capabilities === undefined) {
      this.#refuseCer(connection, octets, resultCodes.MISSING_AVP, 'CER without Origin-Host or Origin-Realm');
      return;
    }
    const { originHost } = capabilities;
    if (!isDiameterIdentity(originHost) || sameIdentity(originHost, this.#settings.local.identity.originHost)) {
      this.#refuseCer(connection, octets, resultCodes.INVALID_AVP_VALUE, 'CER with an Origin-Host that cannot be');
      return;
    }
    if (commonApplications(this.#settings.local, capabilities).length === 0) {
      const words = `${originHost} offers no application of ours`;
      this.#refuseCer(connection, octets, resultCodes.NO_COMMON_APPLICATION, words);
      return;
    }
    const peer = this.#peers.get(originHost.toLowerCase()) ?? this.#welcome(originHost);
    if (peer === undefined) {
      this.#refuseCer(connection, octets, resultCodes.UNKNOWN_PEER, `${originHost} is not a peer of ours`);
      return;
    }
    this.#strangers--;
    this.#owners.set(connection, peer);
    peer.onCer(connection, cer, capabilities);
  }

  #welcome(originHost: string): Peer | undefined {
    if (!this.#settings.acceptUnknown || this.#unknownPeers.size >= MAX_UNKNOWN_PEERS) return undefined;
    const peer = this.#addPeer({ host: originHost });
    this.#unknownPeers.add(peer);
    return peer;
  }

  #refuseCer(connection: Connection, cer: Buffer, resultCode: number, words: string, failedAvp?: Buffer): void {
    connection.send(encodeRefusal(cer, this.#settings.local.identity, { resultCode, words, failedAvp }));
    this.#turnAway(connection, words);
  }

  #turnAway(connection: Connection, words: string): void {
    this.counters.refusedConnections++;
    this.#report('', 'closed', `connection from ${connection.remote} refused: ${words}`);
    connection.end(words);
  }

  /** A header that can be trusted so far as to answer it is answered; then the connection is given up. */
  #onFault(connection: Connection, fault: FramingFault): void {
    this.counters.framingFaults++;
    const owner = this.#owners.get(connection);
    const words = `the stream cannot be followed: ${fault.failure.reason}`;
    this.#report(owner?.config.host ?? '', owner?.state ?? 'closed', words);
    if (owner?.open === true && isRequest(fault.header)) {
      connection.send(encodeRefusal(fault.header, this.#settings.local.identity, refusalOf(fault.failure)));
    }
    connection.end(words);
  }

  #onClosed(connection: Connection, words: string): void {
    const owner = this.#owners.get(connection);
    if (this.#isStranger(connection)) this.#strangers--;
    this.#owners.delete(connection);
    owner?.onClosed(connection, words);
    // Failing over to another peer with the T bit has its place here, before the loss is told (RFC 6733 5.5.4).
    for (const hopByHop of connection.takeOutstanding().keys()) this.#port.onLost(hopByHop);
    this.#checkEnded();
  }

  #onEnded(peer: Peer): void {
    if (this.#unknownPeers.delete(peer)) this.#peers.delete(peer.config.host.toLowerCase());
    this.#checkEnded();
  }

  #checkEnded(): void {
    if (this.#ended === undefined || this.#owners.size > 0) return;
    for (const peer of this.#peers.values()) if (peer.state !== 'closed') return;
    this.#ended();
  }

  #report(peer: string, state: PeerState, words: string): void {
    this.#port.onEvent({ peer, state, words });
  }
}

function canTake(peer: Peer, application: number): boolean {
  return peer.open && peer.applications.includes(application) && peer.connection?.writable === true;
}

function settingsOf(options: PeerTableOptions): PeerSettings {
  return {
    local: {
      identity: options.identity,
      applications: options.applications,
      productName: options.productName ?? 'ims-cscf-suite',
      vendorId: options.vendorId ?? 0,
      firmwareRevision: options.firmwareRevision ?? 1,
      originStateId: options.originStateId ?? Math.floor(Date.now() / 1000),
    },
    hostIpAddresses: options.hostIpAddresses ?? [],
    acceptUnknown: options.acceptUnknown ?? false,
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
    reconnectMs: options.reconnectMs ?? 5_000,
    reconnectCapMs: options.reconnectCapMs ?? 30_000,
    exchangeTimeoutMs: options.exchangeTimeoutMs ?? 10_000,
    watchdogMs: options.watchdogMs ?? 30_000,
    watchdogJitterMs: options.watchdogJitterMs ?? 2_000,
    disconnectTimeoutMs: options.disconnectTimeoutMs ?? 5_000,
    unwantedMs: options.unwantedMs ?? 300_000,
  };
}
