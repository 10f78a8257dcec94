import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net';
import { encodeRefusal, refusalOf } from '../answer.ts';
import type { DiameterRoute } from '../client.ts';
import { uint24, uint32 } from '../codec/avp-list.ts';
import { isRequest } from '../codec/message.ts';
import { baseCommands } from '../dictionary/base.ts';
import { DiameterError } from '../errors.ts';
import { isDiameterIdentity } from '../identity.ts';
import { Connection, type ConnectionListener } from './connection.ts';
import { Entrance } from './entrance.ts';
import { type IncomingCounters, IncomingRequests } from './incoming-requests.ts';
import { type OutgoingCounters, OutgoingRequests } from './outgoing-requests.ts';
import { Peer, type PeerEventReport, type PeerPort } from './peer.ts';
import {
  isReachedAlike,
  type LivePeerOptions,
  type PeerConfig,
  type PeerSettings,
  type PeerTableOptions,
  peerSettings,
} from './peer-settings.ts';
import type { PeerState } from './peer-state.ts';
import type { PeerStatus } from './peer-status.ts';
import type { RedirectTarget } from './redirect.ts';
import type { FramingFault } from './stream-framer.ts';

export type { PeerTableOptions } from './peer-settings.ts';
export type { PeerStatus } from './peer-status.ts';

/** What the table tells its owner. Messages are the receiver's to keep. */
export interface PeerTablePort {
  /** An answer to a request of ours; `workerOf(readHopByHop(message))` says whose. */
  onAnswer(message: Buffer): void;
  /** A request of a peer; its Hop-by-Hop Identifier is ours, by which `answer` finds the way back. */
  onRequest(message: Buffer, connectionId: number): void;
  /** A request that was sent stays without answer: its peer is gone and no other is left. */
  onLost(hopByHop: number): void;
  onEvent(report: PeerEventReport): void;
  /** A peer (its Origin-Host) has restarted and forgotten its sessions. Source: RFC 6733 8.16. */
  onRestarted?(peer: string): void;
}

export interface PeerTableCounters extends IncomingCounters, OutgoingCounters {
  readonly framingFaults: number;
  readonly refusedConnections: number;
}

/** Peers that are not of the configuration: welcome strangers, and those that redirect answers named. */
const MAX_UNKNOWN_PEERS = 64;

/**
 * All peers with their connections: requests of ours go out, requests of peers come in. Bodies are not decoded here, but
 * for the base messages. Source: RFC 6733 2.7, 5, 6.1.
 */
export class PeerTable {
  readonly #port: PeerTablePort;
  readonly #options: PeerTableOptions;
  /** Shared by all parts, which read it each time: a change counts at once. */
  readonly #settings: PeerSettings;
  /** By lower-case Origin-Host. */
  readonly #peers = new Map<string, Peer>();
  /** Undefined: has not said who it is. */
  readonly #owners = new Map<Connection, Peer | undefined>();
  readonly #unknownPeers = new Set<Peer>();
  /** What takes the place of a peer once that has left, by the one that leaves. */
  readonly #successors = new Map<Peer, Peer>();
  readonly #outgoing: OutgoingRequests;
  readonly #incoming: IncomingRequests;
  readonly #entrance: Entrance;
  readonly #listener: ConnectionListener;
  readonly #peerPort: PeerPort;
  #connections = 0;
  #started = false;
  #framingFaults = 0;
  #stopping = false;
  #ended: (() => void) | undefined;

  /**
   * Throws DiameterError ERR_DIAMETER_IDENTITY for a name that is no DiameterIdentity, ERR_DIAMETER_TLS for a peer with
   * TLS where there are no certificates.
   */
  constructor(port: PeerTablePort, options: PeerTableOptions) {
    this.#port = port;
    checkOptions(options);
    this.#options = options;
    this.#settings = peerSettings(options);
    this.#outgoing = new OutgoingRequests(this.#peers, this.#settings, {
      answered: (message) => port.onAnswer(message),
      lost: (hopByHop) => port.onLost(hopByHop),
      redirectTo: (target) => this.#redirectTo(target),
    });
    this.#incoming = new IncomingRequests(this.#settings, (connection) => this.#owners.has(connection));
    this.#entrance = new Entrance(this.#settings, {
      accepted: (socket, secure) => this.#addConnection(socket, undefined, secure),
      peerOf: (originHost) => this.#peers.get(originHost.toLowerCase()) ?? this.#welcome(originHost),
      admitted: (peer, connection, cer, capabilities) => {
        this.#owners.set(connection, peer);
        peer.onCer(connection, cer, capabilities);
      },
      report: (words) => port.onEvent({ peer: '', state: 'closed', words, refused: true }),
    });
    this.#listener = {
      connected: (connection) => this.#owners.get(connection)?.onConnected(connection),
      message: (connection, octets) => this.#onMessage(connection, octets),
      fault: (connection, fault) => this.#onFault(connection, fault),
      closed: (connection, words) => this.#onClosed(connection, words),
    };
    this.#peerPort = {
      connect: (owner, address, peerPort) => this.#connect(owner, address, peerPort),
      event: (report) => port.onEvent(report),
      up: (peer) => this.#outgoing.onUp(peer),
      down: (peer, connection) => {
        // Who leaves by himself may still get the answers that are on their way.
        if (!this.#stopping) this.#outgoing.onDown(peer, connection);
      },
      suspected: (peer, connection) => {
        if (peer.suspect) this.#outgoing.onSuspect(peer, connection);
      },
      restarted: (peer) => port.onRestarted?.(peer.config.host),
      ended: (peer) => this.#onEnded(peer),
    };
    for (const config of options.peers) this.#addPeer(config);
  }

  /** What was counted since the start. */
  get counters(): PeerTableCounters {
    return {
      ...this.#outgoing.counters,
      ...this.#incoming.counters,
      framingFaults: this.#framingFaults,
      refusedConnections: this.#entrance.refused,
    };
  }

  /** Begins to connect to the peers that have an address. */
  start(): void {
    this.#started = true;
    for (const peer of this.#peers.values()) peer.start();
  }

  /** Serves peers that connect to us; rejects when the address, or the certificates for TLS, cannot be had. */
  listen(port: number, address: string, secure = false): Promise<AddressInfo> {
    return this.#entrance.listen(port, address, secure);
  }

  /**
   * Takes over other peers, routes and times. Connections of peers that are reached as before stay; a peer that is gone
   * gets a DPR, and what it has not answered goes to another one; a peer that is reached in another way is left and
   * called anew. Throws as the constructor does, and then has changed nothing.
   */
  configure(change: LivePeerOptions): void {
    if (this.#stopping) return;
    const options = { ...this.#options, ...change };
    checkOptions(options);
    // When we started, and so what we tell of it, stays.
    Object.assign(this.#settings, peerSettings(options), { local: this.#settings.local });
    const wanted = new Map(options.peers.map((config) => [config.host.toLowerCase(), config]));
    for (const peer of [...this.#peers.values()]) {
      if (!wanted.has(peer.key) && !this.#unknownPeers.has(peer)) this.#removePeer(peer);
    }
    for (const [key, config] of wanted) this.#placePeer(this.#peers.get(key), config);
  }

  /** Leaves a peer of the configuration with a DPR and keeps it away until `enable`; false: there is none of that name. */
  disable(host: string): boolean {
    const peer = this.#configured(host);
    peer?.disable();
    return peer !== undefined;
  }

  /** Lets a disabled peer in again, and calls it where it has an address; false: there is none of that name. */
  enable(host: string): boolean {
    const peer = this.#configured(host);
    peer?.enable();
    return peer !== undefined;
  }

  /** Says farewell to every peer (DPR), waits for it and closes all. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    const closed = this.#entrance.close();
    const ended = new Promise<void>((resolve) => (this.#ended = resolve));
    for (const peer of [...this.#peers.values()]) peer.stop();
    this.#checkEnded();
    await Promise.all([ended, closed]);
  }

  /**
   * Sends a request to the peer that the route leads to; false: none is connected. The message is the table's from then
   * on. Source: RFC 6733 6.1.4, 6.1.6.
   */
  send(message: Buffer, route: DiameterRoute): boolean {
    return this.#outgoing.send(message, route);
  }

  /** Sends an answer back to where its request came from (its Hop-by-Hop Identifier is put right in place). */
  answer(message: Buffer): boolean {
    return this.#incoming.answer(message);
  }

  status(): PeerStatus[] {
    return [...this.#peers.values()].map((peer) => peer.status());
  }

  #configured(host: string): Peer | undefined {
    const peer = this.#peers.get(host.toLowerCase());
    return peer === undefined || this.#unknownPeers.has(peer) ? undefined : peer;
  }

  /** What it has not answered goes to others while it is still known by its name. */
  #removePeer(peer: Peer): void {
    peer.stop('it is no peer of ours any more', true);
    if (this.#peers.get(peer.key) === peer) this.#peers.delete(peer.key);
    this.#outgoing.noteFormer(peer.key, true);
  }

  /** Has a peer be as the configuration says, in the place of the one that is there under its name. */
  #placePeer(before: Peer | undefined, config: PeerConfig): void {
    if (before !== undefined && !this.#unknownPeers.delete(before) && isReachedAlike(before.config, config)) {
      before.adopt(config);
      return;
    }
    const peer = this.#addPeer(config);
    this.#outgoing.noteFormer(peer.key, false);
    if (before === undefined) {
      if (this.#started) peer.start();
      return;
    }
    if (before.disabled) peer.disable();
    // Two connections of one name would be at odds: the first one ends before the next begins.
    this.#successors.set(before, peer);
    before.stop('the way to it has changed');
  }

  #addPeer(config: PeerConfig): Peer {
    const peer = new Peer(config, this.#settings, this.#peerPort);
    this.#peers.set(peer.key, peer);
    return peer;
  }

  #addUnknownPeer(config: PeerConfig): Peer | undefined {
    if (this.#stopping || this.#unknownPeers.size >= MAX_UNKNOWN_PEERS) return undefined;
    const peer = this.#addPeer(config);
    this.#unknownPeers.add(peer);
    return peer;
  }

  #welcome(originHost: string): Peer | undefined {
    return this.#settings.acceptUnknown ? this.#addUnknownPeer({ host: originHost }) : undefined;
  }

  /** Source: RFC 6733 6.1.8. */
  #redirectTo({ host, port, tls }: RedirectTarget): Peer | undefined {
    const known = this.#peers.get(host.toLowerCase());
    if (known !== undefined) return this.#unknownPeers.has(known) && !known.open ? known : undefined;
    if (tls && this.#settings.security === undefined) return undefined;
    const peer = this.#addUnknownPeer({ host, address: host, port, tls, once: true });
    if (peer !== undefined) setImmediate(() => peer.start());
    return peer;
  }

  #connect(owner: Peer, address: string, port: number): Connection {
    const { security } = this.#settings;
    const secure = owner.config.tls === true && security !== undefined;
    const socket = secure ? security.connect(address, port, owner.config.host) : connectTcp({ host: address, port });
    return this.#addConnection(socket, owner, secure);
  }

  #addConnection(socket: Socket, owner: Peer | undefined, secure: boolean): Connection {
    const { clock, maxSent, random, requestTimeoutMs, security } = this.#settings;
    const words = (error: NodeJS.ErrnoException) =>
      secure && security !== undefined ? security.words(error) : (error.code ?? error.message);
    const options = { clock, random, secure, words, maxSent, keepSentMs: 4 * requestTimeoutMs };
    const connection = new Connection(++this.#connections, socket, this.#listener, options);
    this.#owners.set(connection, owner);
    return connection;
  }

  #onMessage(connection: Connection, octets: Buffer): void {
    const owner = this.#owners.get(connection);
    if (owner === undefined) {
      this.#entrance.onFirstMessage(connection, octets);
      return;
    }
    owner.received();
    if (isBaseMessage(octets)) owner.onBaseMessage(connection, octets);
    else if (!owner.carries(connection)) {
      const words = 'an application message before the capabilities exchange';
      this.#report(owner.config.host, owner.state, words);
      connection.destroy(words);
    } else if (!isRequest(octets)) this.#outgoing.onAnswer(owner, connection, octets);
    else if (this.#incoming.take(owner, connection, octets)) this.#port.onRequest(octets, connection.id);
  }

  /** A header that can be trusted so far as to answer it is answered; then the connection is given up. */
  #onFault(connection: Connection, fault: FramingFault): void {
    this.#framingFaults++;
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
    this.#entrance.onClosed(connection);
    this.#owners.delete(connection);
    owner?.onClosed(connection, words);
    if (owner !== undefined) this.#outgoing.onDown(owner, connection);
    this.#checkEnded();
  }

  #onEnded(peer: Peer): void {
    if (this.#unknownPeers.delete(peer)) this.#peers.delete(peer.key);
    this.#outgoing.onEnded(peer);
    const successor = this.#successors.get(peer);
    this.#successors.delete(peer);
    if (successor !== undefined && this.#started && !this.#stopping) successor.start();
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

const baseCommandCodes: ReadonlySet<number> = new Set(Object.values(baseCommands).map(({ code }) => code));

/**
 * A message between neighbours. An answer is one by its command alone: to a request of an application, some peers answer
 * under another application (D-11).
 */
function isBaseMessage(octets: Buffer): boolean {
  return uint32(octets, 8) === 0 && (isRequest(octets) || baseCommandCodes.has(uint24(octets, 5)));
}

function checkOptions({ identity, peers, security }: PeerTableOptions): void {
  for (const host of [identity.originHost, identity.originRealm, ...peers.map((peer) => peer.host)]) {
    if (!isDiameterIdentity(host)) throw new DiameterError('ERR_DIAMETER_IDENTITY', `not a DiameterIdentity: ${host}`);
  }
  const secure = peers.find(({ tls }) => tls === true);
  if (secure !== undefined && security === undefined) {
    throw new DiameterError(
      'ERR_DIAMETER_TLS',
      `peer ${secure.host} is to be reached over TLS: that needs certificates`,
    );
  }
}
