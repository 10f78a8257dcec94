import { encodeRefusal, type Refusal } from '../answer.ts';
import { uint24, uint32 } from '../codec/avp-list.ts';
import { readHopByHop, writeHopByHop } from '../codec/message.ts';
import { resultCodes } from '../errors.ts';
import { isDiameterIdentity, sameIdentity } from '../identity.ts';
import type { Connection } from './connection.ts';
import type { Peer } from './peer.ts';
import type { PeerSettings } from './peer-settings.ts';
import { type Asker, RepeatedAnswers } from './repeated-answers.ts';
import { type RequestRouting, readOutcome, readRouting } from './routing-avps.ts';

export interface IncomingCounters {
  requestsReceived: number;
  /** Requests that are not for us, or too many. */
  requestsTurnedDown: number;
  /** Requests that came again and got the answer of the first. */
  requestsRepeated: number;
  answersSent: number;
  /** Answers whose connection is gone, or to no request. */
  undeliverableAnswers: number;
}

interface Asked extends Asker<Connection> {
  readonly peer: Peer;
  readonly command: number;
  /** Under which its answer is kept; undefined: it is not. */
  readonly key: string | undefined;
  readonly sinceMs: number;
}

/** Requests of all peers together that may await our answer. */
const MAX_ASKED = 64 * 1024;
/** Of names in what is kept of a request. */
const MAX_KEY_LENGTH = 1024;
/** After this time no answer comes any more. */
const KEEP_ASKED_MS = 60_000;

/** Re-Auth, Abort-Session, Registration-Termination, Push-Profile: what would do harm twice. */
const onceOnly: ReadonlySet<number> = new Set([258, 274, 304, 305]);

/**
 * Requests of peers until we have answered them: refuses what is not for us, repeats the answer to what comes again,
 * and brings answers back to where their requests came from. Bodies are not decoded.
 * Source: RFC 6733 6.1.3 to 6.1.7, 6.2; requirements D-12, D-14, D-16.
 */
export class IncomingRequests {
  readonly counters: IncomingCounters = {
    requestsReceived: 0,
    requestsTurnedDown: 0,
    requestsRepeated: 0,
    answersSent: 0,
    undeliverableAnswers: 0,
  };
  readonly #settings: PeerSettings;
  readonly #isOpen: (connection: Connection) => boolean;
  readonly #asked = new Map<number, Asked>();
  readonly #repeated = new RepeatedAnswers<Connection>();
  #nextAsked = 0;

  constructor(settings: PeerSettings, isOpen: (connection: Connection) => boolean) {
    this.#settings = settings;
    this.#isOpen = isOpen;
  }

  /**
   * Takes a request; true when it is to be served: it then carries an identifier of ours, by which `answer` finds the
   * way back.
   */
  take(peer: Peer, connection: Connection, octets: Buffer): boolean {
    this.counters.requestsReceived++;
    const { clock, local, maxAsked } = this.#settings;
    const nowMs = clock.now();
    const command = uint24(octets, 5);
    const routing = readRouting(octets, local.identity.originHost);
    const refusal = this.#whyNotHere(routing, peer.config.anyDestination === true);
    if (refusal !== undefined) return this.#turnDown(peer, connection, octets, refusal);
    const asker = { connection, hopByHop: readHopByHop(octets) };
    const key = onceOnly.has(command) ? keyOf(routing, octets) : undefined;
    if (key !== undefined && !this.#repeated.begin(key, asker, nowMs, this.#repeat)) {
      this.counters.requestsRepeated++;
      return false;
    }
    if (connection.asked >= maxAsked || !this.#hasRoom(nowMs)) {
      if (key !== undefined) this.#repeated.withdraw(key);
      const words = `${connection.asked} requests of yours await an answer: too many at once`;
      return this.#turnDown(peer, connection, octets, { resultCode: resultCodes.TOO_BUSY, words });
    }
    do this.#nextAsked = (this.#nextAsked + 1) >>> 0;
    while (this.#asked.has(this.#nextAsked));
    this.#asked.set(this.#nextAsked, { ...asker, peer, command, key, sinceMs: nowMs });
    connection.asked++;
    writeHopByHop(octets, this.#nextAsked);
    return true;
  }

  /** Sends an answer to where its request came from (its Hop-by-Hop Identifier is put right in place); false: nowhere. */
  answer(message: Buffer): boolean {
    const id = readHopByHop(message);
    const asked = this.#asked.get(id);
    if (asked === undefined) {
      this.counters.undeliverableAnswers++;
      return false;
    }
    this.#asked.delete(id);
    asked.connection.asked--;
    asked.peer.statistics.served(asked.command, readOutcome(message));
    if (asked.key !== undefined) this.#repeated.finish(asked.key, message, this.#repeat);
    return this.#send(message, asked);
  }

  readonly #repeat = (answer: Buffer, asker: Asker<Connection>): void => {
    this.#send(Buffer.from(answer), asker);
  };

  #send(message: Buffer, { connection, hopByHop }: Asker<Connection>): boolean {
    if (!this.#isOpen(connection)) {
      this.counters.undeliverableAnswers++;
      return false;
    }
    this.counters.answersSent++;
    writeHopByHop(message, hopByHop);
    connection.send(message);
    return true;
  }

  #turnDown(peer: Peer, connection: Connection, octets: Buffer, refusal: Refusal): false {
    this.counters.requestsTurnedDown++;
    peer.statistics.served(uint24(octets, 5), refusal.resultCode);
    connection.send(encodeRefusal(octets, this.#settings.local.identity, refusal));
    return false;
  }

  /** Why a request is for somebody else; we pass nothing on. A request that names us is ours in any realm. */
  #whyNotHere(routing: RequestRouting, anyDestination: boolean): Refusal | undefined {
    const { destinationHost, destinationRealm, passedHere } = routing;
    const { local, servedRealms } = this.#settings;
    const { originHost } = local.identity;
    if (passedHere) return { resultCode: resultCodes.LOOP_DETECTED, words: `${originHost} is in Route-Record already` };
    if (anyDestination) return undefined;
    if (destinationHost !== undefined && sameIdentity(destinationHost, originHost)) return undefined;
    const served =
      destinationRealm === undefined ||
      servedRealms === 'any' ||
      servedRealms.some((realm) => sameIdentity(realm, destinationRealm));
    if (!served) {
      const words = `${originHost} serves ${servedRealms.join(', ')}, not ${shown(destinationRealm)}`;
      return { resultCode: resultCodes.REALM_NOT_SERVED, words };
    }
    if (destinationHost === undefined) return undefined;
    const words = `this is ${originHost}, which is no relay to ${shown(destinationHost)}`;
    return { resultCode: resultCodes.UNABLE_TO_DELIVER, words };
  }

  #hasRoom(nowMs: number): boolean {
    if (this.#asked.size < MAX_ASKED) {
      const first = this.#asked.entries().next().value;
      if (first === undefined || nowMs - first[1].sinceMs < KEEP_ASKED_MS) return true;
    }
    for (const [id, { connection, sinceMs }] of this.#asked) {
      if (nowMs - sinceMs < KEEP_ASKED_MS) break;
      this.#asked.delete(id);
      connection.asked--;
    }
    return this.#asked.size < MAX_ASKED;
  }
}

/** A name that a peer wrote, fit to be repeated. */
function shown(name: string): string {
  return isDiameterIdentity(name) ? name : 'a name that is no DiameterIdentity';
}

/**
 * What tells a request from every other of the last minutes; the session besides, since not all count well. Undefined
 * for names too long to be kept.
 */
function keyOf({ originHost, sessionId }: RequestRouting, octets: Buffer): string | undefined {
  if (originHost.length + sessionId.length > MAX_KEY_LENGTH) return undefined;
  return `${originHost.toLowerCase()} ${uint32(octets, 16)} ${uint24(octets, 5)} ${sessionId}`;
}
