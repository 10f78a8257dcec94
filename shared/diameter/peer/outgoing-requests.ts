import type { DiameterRoute } from '../client.ts';
import { uint24 } from '../codec/avp-list.ts';
import { decodeMessage } from '../codec/decode.ts';
import { type DiameterMessage, readHopByHop, writeHopByHop } from '../codec/message.ts';
import { baseAvps } from '../dictionary/base.ts';
import { createDictionary } from '../dictionary/dictionary.ts';
import { DecodeFailure, resultCodes } from '../errors.ts';
import type { Connection } from './connection.ts';
import type { Peer } from './peer.ts';
import { PeerChoice } from './peer-choice.ts';
import type { PeerSettings } from './peer-settings.ts';
import { RedirectCache, type RedirectTarget, redirectTargets } from './redirect.ts';
import { readOutcome, retransmissionOf, withoutDestinationHost } from './routing-avps.ts';
import type { SentRequest } from './sent-requests.ts';

export interface OutgoingCounters {
  requestsSent: number;
  requestsWithoutPeer: number;
  /** Requests sent again to another peer, with the T flag. */
  failovers: number;
  /** Requests sent on to where a redirect answer pointed. */
  redirects: number;
  /** Requests whose peer is gone while no other was left. */
  requestsLost: number;
  answersReceived: number;
  /** Answers to nothing that awaits one on their connection: unknown, repeated, or late after a failover. */
  unmatchedAnswers: number;
}

export interface OutgoingPort {
  /** The answer to a request of ours, under the identifier of its client. */
  answered(message: Buffer): void;
  /** No peer is left to answer it; `hopByHop`: the client's. */
  lost(hopByHop: number): void;
  /** Begins to connect to where a redirect answer points; undefined: it is not to be. */
  redirectTo(target: RedirectTarget): Peer | undefined;
}

/** A redirected request, and the answer that its client gets if the other host cannot be reached. */
interface Parked {
  readonly request: SentRequest;
  readonly answer: Buffer;
}

const MAX_PARKED = 1024;
const MAX_FORMER = 1024;
const baseDictionary = createDictionary(baseAvps);

/**
 * Requests of ours from `send` to their answer: to which peer, and to which other one when that is lost, suspect or
 * cannot serve it. Each peer gets a request once. Source: RFC 6733 5.5.4, 6.1, 6.2; requirements D-11 to D-13, D-22.
 */
export class OutgoingRequests {
  readonly counters: OutgoingCounters = {
    requestsSent: 0,
    requestsWithoutPeer: 0,
    failovers: 0,
    redirects: 0,
    requestsLost: 0,
    answersReceived: 0,
    unmatchedAnswers: 0,
  };
  readonly #peers: ReadonlyMap<string, Peer>;
  readonly #settings: PeerSettings;
  readonly #port: OutgoingPort;
  readonly #redirects = new RedirectCache();
  readonly #choice: PeerChoice;
  readonly #parked = new Map<Peer, Parked[]>();
  #parkedCount = 0;
  /** Hosts that were peers: whoever still names one means what took its place. */
  readonly #former = new Set<string>();

  constructor(peers: ReadonlyMap<string, Peer>, settings: PeerSettings, port: OutgoingPort) {
    this.#peers = peers;
    this.#settings = settings;
    this.#port = port;
    this.#choice = new PeerChoice(peers, settings, this.#redirects);
  }

  /** Sends a request, which is the table's from now on, to the peer that the route leads to; false: there is none. */
  send(message: Buffer, route: DiameterRoute): boolean {
    const peer = this.#choice.choose(route, [], true);
    if (peer === undefined) {
      this.counters.requestsWithoutPeer++;
      return false;
    }
    this.counters.requestsSent++;
    const nowMs = this.#settings.clock.now();
    const request: SentRequest = {
      octets: message,
      command: uint24(message, 5),
      route,
      hopByHop: readHopByHop(message),
      firstSentMs: nowMs,
      sentMs: nowMs,
      tried: [],
      redirected: false,
    };
    this.#transmit(request, peer);
    return true;
  }

  /** A host is no peer any more, by a change of the configuration; or is one again. */
  noteFormer(host: string, isFormer: boolean): void {
    this.#former.delete(host);
    if (isFormer && this.#former.size < MAX_FORMER) this.#former.add(host);
  }

  /** Takes an answer of a peer. Who waits for it is found by connection, Hop-by-Hop Identifier and command. */
  onAnswer(peer: Peer, connection: Connection, octets: Buffer): void {
    const request = connection.sent.take(readHopByHop(octets), uint24(octets, 5));
    if (request === undefined) {
      this.counters.unmatchedAnswers++;
      return;
    }
    const outcome = readOutcome(octets);
    peer.statistics.answered(request.command, outcome, this.#settings.clock.now() - request.sentMs);
    if (outcome === resultCodes.REDIRECT_INDICATION && this.#redirect(request, octets)) return;
    if (this.#settings.failoverResults.has(outcome) && this.#failOver(request, false)) return;
    this.#deliver(request, octets);
  }

  /** A connection without a sign of life: what others can serve goes to them, the rest waits on. */
  onSuspect(peer: Peer, connection: Connection): void {
    connection.sent.move((request) => {
      if (!this.#failOver(request, false)) return false;
      peer.statistics.lost(request.command);
      return true;
    });
  }

  /** A connection that answers nothing any more: what awaits an answer goes to another peer, or is lost. */
  onDown(peer: Peer, connection: Connection): void {
    connection.sent.move((request) => {
      peer.statistics.lost(request.command);
      if (!this.#failOver(request, true)) this.#lose(request);
      return true;
    });
  }

  /** A peer is there: for what was redirected to it, and for what suspect peers hold. */
  onUp(peer: Peer): void {
    for (const { request, answer } of this.#takeParked(peer)) {
      if (peer.takes(request.route.application)) this.#transmit(request, peer);
      else this.#deliver(request, answer);
    }
    for (const other of this.#peers.values()) {
      if (other.suspect && other.connection !== undefined) this.onSuspect(other, other.connection);
    }
  }

  /** A peer is not to be reached: who waited to be redirected to it gets the redirect answer itself. */
  onEnded(peer: Peer): void {
    for (const { request, answer } of this.#takeParked(peer)) this.#deliver(request, answer);
  }

  /** Sends to another peer with the T flag, while one is left and the client still waits. */
  #failOver(request: SentRequest, suspects: boolean): boolean {
    const { clock, failovers, requestTimeoutMs } = this.#settings;
    if (request.tried.length > failovers || clock.now() - request.firstSentMs >= requestTimeoutMs) return false;
    const peer = this.#choice.choose(request.route, request.tried, suspects);
    if (peer === undefined) return false;
    this.counters.failovers++;
    request.octets = retransmissionOf(request.octets);
    this.#transmit(request, peer);
    return true;
  }

  #transmit(request: SentRequest, peer: Peer): void {
    if (this.#isForAnother(request, peer)) request.octets = withoutDestinationHost(request.octets);
    request.sentMs = this.#settings.clock.now();
    request.tried.push(peer.key);
    peer.connection?.ask(request);
  }

  /**
   * Whether a request names a host that is, or was, a peer of ours and gets it not: then the realm decides, since the peer that
   * gets it instead could only refuse it. A relay may still find the way. Source: requirement D-10.
   */
  #isForAnother({ route }: SentRequest, peer: Peer): boolean {
    const host = route.host.toLowerCase();
    if (host === '' || host === peer.key || peer.relays) return false;
    return this.#peers.has(host) || this.#former.has(host);
  }

  #redirect(request: SentRequest, octets: Buffer): boolean {
    const { redirect } = this.#settings;
    const answer = decodeMessage(octets, baseDictionary);
    if (redirect === 'ignore' || request.redirected || answer instanceof DecodeFailure) return false;
    request.redirected = true;
    const targets = redirectTargets(answer.avps).filter(({ host }) => !request.tried.includes(host.toLowerCase()));
    for (const { host } of targets) {
      const peer = this.#peers.get(host.toLowerCase());
      if (peer?.takes(request.route.application) !== true) continue;
      this.#follow(request, answer, peer);
      this.#transmit(request, peer);
      return true;
    }
    if (redirect !== 'connect') return false;
    for (const target of targets) {
      const peer = this.#parkedCount < MAX_PARKED ? this.#port.redirectTo(target) : undefined;
      if (peer === undefined) continue;
      this.#follow(request, answer, peer);
      this.#park(peer, { request, answer: octets });
      return true;
    }
    return false;
  }

  #follow(request: SentRequest, answer: DiameterMessage, peer: Peer): void {
    this.counters.redirects++;
    this.#redirects.learn(answer.avps, request.route, peer.key, this.#settings.clock.now());
    // A copy: the identifier of the other connection must not show in what this one may still have to write.
    request.octets = Buffer.from(request.octets);
  }

  #park(peer: Peer, parked: Parked): void {
    this.#parkedCount++;
    const others = this.#parked.get(peer);
    if (others === undefined) this.#parked.set(peer, [parked]);
    else others.push(parked);
  }

  #takeParked(peer: Peer): readonly Parked[] {
    const parked = this.#parked.get(peer) ?? [];
    this.#parked.delete(peer);
    this.#parkedCount -= parked.length;
    return parked;
  }

  #deliver(request: SentRequest, octets: Buffer): void {
    writeHopByHop(octets, request.hopByHop);
    this.counters.answersReceived++;
    this.#port.answered(octets);
  }

  #lose(request: SentRequest): void {
    this.counters.requestsLost++;
    this.#port.lost(request.hopByHop);
  }
}
