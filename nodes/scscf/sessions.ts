import type { DialogSide } from '#sip/dialog/mid-dialog-request';
import { observerGraceMs } from '#sip/dialog/session-clock';
import { leastSessionSeconds, readAgreement, refreshesSession } from '#sip/dialog/session-timer';
import { tagOf } from '#sip/header/name-addr';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipMessage, SipResponse } from '#sip/message/response';
import { flatText } from '#sip/parser/latin1';
import { readCSeq } from '#sip/parser/sanity';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import { Timer, type TimerOwner, type TimerWheel } from '#sip/transaction/timer-wheel';
import type { CallOwnership } from '#workers/frame-link';

/** One side of a session; see DialogSide. */
export interface SessionSide {
  address: string;
  tag: string;
  cseq: number;
  contact: string;
  routes: readonly string[] | null;
}

/** Whom a session is served for; see ServedUser. */
export interface SessionUser {
  readonly profileKey: string;
  readonly registration: { readonly key: string } | null;
}

/** A called side that has a dialog with the caller: one for each To tag. */
export interface CalledSide extends SessionSide {
  /** It has answered, and is not gone yet. */
  confirmed: boolean;
  /** This node has hung up on it, since its answer came too late. */
  hungUp: boolean;
}

/**
 * A call on its way through this node for one served user: an INVITE that our Record-Route stands in, and the dialogs it
 * makes. The same call passes again for the other user, and behind an application server.
 */
export class Session implements TimerOwner {
  readonly callId: string;
  /** Identity of the profile of the served user: who it is also when his registration is named anew. */
  readonly identity: string;
  /** Of his registration, '' when he has none. */
  readonly registrationKey: string;
  /** For whom: the caller or the called user. */
  readonly originating: boolean;
  readonly caller: SessionSide;
  readonly callees: CalledSide[] = [];
  /** To of the INVITE. */
  readonly calledAddress: string;
  /** Values of Record-Route that the INVITE left with, ours and those before it. */
  readonly recorded: number;
  /** The INVITE, while it has no answer. */
  opening: ProxyTransaction | null;
  /** Value of Reason with which this node has ended it: it stays known for what is still on its way. '' before. */
  released = '';
  /** Whether its ends have agreed on a session timer. */
  timed = false;
  /** What keeps its Call-ID with this worker. */
  hold = -1;
  readonly life = new Timer(this, 'session');
  readonly #ring: (session: Session) => void;

  constructor(
    opening: ProxyTransaction,
    user: SessionUser,
    originating: boolean,
    routes: readonly string[],
    ring: (session: Session) => void,
  ) {
    const { headers } = opening.request;
    this.opening = opening;
    this.identity = flatText(user.profileKey);
    this.registrationKey = user.registration?.key ?? '';
    this.originating = originating;
    this.callId = flatText(headers.get(Header['Call-ID'])!);
    this.calledAddress = flatText(headers.get(Header.To) ?? '');
    this.recorded = routes.length + 1;
    const address = flatText(headers.get(Header.From) ?? '');
    this.caller = { address, tag: tagOf(address), cseq: 0, contact: '', routes };
    noteRequest(this.caller, opening.request);
    noteContact(this.caller, opening.request);
    this.#ring = ring;
  }

  /** Whether one who was called has answered and is still there. */
  get confirmed(): boolean {
    for (const { confirmed } of this.callees) if (confirmed) return true;
    return false;
  }

  /** The called side with this To tag, a new one where it was not met before; null: there are too many. */
  callee(tag: string): CalledSide | null {
    for (const callee of this.callees) if (callee.tag === tag) return callee;
    if (tag === '' || this.callees.length >= maxForks) return null;
    const address = this.calledAddress;
    const callee = { address, tag: flatText(tag), cseq: 0, contact: '', routes: null, confirmed: false, hungUp: false };
    this.callees.push(callee);
    return callee;
  }

  onTimer(): void {
    this.#ring(this);
  }
}

export interface SessionsOptions {
  readonly calls: CallOwnership;
  readonly wheel: TimerWheel;
  /** A session was not refreshed in the time its ends agreed on. */
  readonly expired: (session: Session) => void;
}

/** Dialogs of one INVITE, as forking makes them. */
const maxForks = 16;
const maxCalls = 1 << 18;
/** A session without session timer whose BYE was lost is forgotten after this. */
const untimedMs = 12 * 3_600_000;
const longestMs = 14 * 24 * 3_600_000;
/** 64*T1 of both hops, for what is still on its way. */
const lingerMs = 64_000;

/**
 * The sessions of the users that this worker serves, in memory: what it takes to end them. They are gone after a restart;
 * the requests inside them follow their Route all the same. Source: TS 24.229 5.4.3, 5.4.5; requirements S-85, S-130.
 */
export class Sessions {
  readonly #byCall = new Map<string, Session[]>();
  readonly #options: SessionsOptions;
  readonly #ring = (session: Session) => this.#onLife(session);

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  /** Call-IDs with a session. */
  get size(): number {
    return this.#byCall.size;
  }

  /**
   * A session that an INVITE would begin; it ends with the transaction unless a 2xx comes. Asked before our Record-Route is
   * put on the INVITE.
   */
  open(opening: ProxyTransaction, user: SessionUser, originating: boolean): Session {
    const { headers } = opening.request;
    const routes = headers.has(Header['Record-Route']) ? headers.values(Header['Record-Route']).map(flatText) : none;
    const session = new Session(opening, user, originating, routes, this.#ring);
    const sessions = this.#byCall.get(session.callId);
    if (sessions !== undefined) sessions.push(session);
    else {
      if (this.#byCall.size >= maxCalls) this.#closeOldest();
      this.#byCall.set(session.callId, [session]);
    }
    session.hold = this.#options.calls.retain(session.callId);
    return session;
  }

  /** Notes a 2xx to the INVITE of a session; gives the side that sent it, null when it is none that could be kept. */
  noteAnswer(session: Session, response: SipResponse): CalledSide | null {
    const { headers } = response;
    const callee = session.callee(tagOf(headers.get(Header.To) ?? ''));
    if (callee === null) return null;
    noteContact(callee, response);
    const routes = headers.has(Header['Record-Route']) ? headers.values(Header['Record-Route']) : none;
    const own = routes.length - session.recorded;
    callee.routes = own <= 0 ? none : routes.slice(0, own).reverse().map(flatText);
    if (session.released !== '') return callee;
    callee.confirmed = true;
    session.opening = null;
    this.#keep(session, response);
    return callee;
  }

  /** The session that a request inside a dialog belongs to, as it passes for the served user; null: it is not known here. */
  find(request: SipRequest, originating: boolean): Session | null {
    const from = tagOf(request.headers.get(Header.From) ?? '');
    const to = tagOf(request.headers.get(Header.To) ?? '');
    const sessions = this.#byCall.get(request.headers.get(Header['Call-ID'])!) ?? none;
    return (
      sessions.find((session) => session.originating === originating && calleeOf(session, from, to) !== null) ?? null
    );
  }

  /**
   * Notes a request inside a session, of either side, as it passes for the served user; a BYE ends the session. Gives the
   * session when this node has ended it, else null.
   */
  noteInside(request: SipRequest, originating: boolean): Session | null {
    const sessions = this.#byCall.get(request.headers.get(Header['Call-ID'])!);
    if (sessions === undefined) return null;
    const from = tagOf(request.headers.get(Header.From) ?? '');
    const to = tagOf(request.headers.get(Header.To) ?? '');
    let ended: Session | null = null;
    // From the last: a BYE takes them out.
    for (let i = sessions.length - 1; i >= 0; i--) {
      const session = sessions[i]!;
      const callee = session.originating === originating ? calleeOf(session, from, to) : null;
      if (callee === null) continue;
      noteRequest(from === session.caller.tag ? session.caller : callee, request);
      if (session.released !== '') ended = session;
      else if (request.method === 'BYE') this.#hangUp(session, callee);
    }
    return ended;
  }

  /** Notes the answer to a request inside a session: targets and session timer may be new. Source: RFC 3311 5.1. */
  noteRefresh(request: SipRequest, response: SipResponse, originating: boolean): void {
    if (response.status < 200 || response.status > 299 || !refreshesSession(request.method)) return;
    const from = tagOf(request.headers.get(Header.From) ?? '');
    const to = tagOf(request.headers.get(Header.To) ?? '');
    for (const session of this.#byCall.get(request.headers.get(Header['Call-ID'])!) ?? none) {
      const callee = session.originating === originating ? calleeOf(session, from, to) : null;
      if (callee === null || session.released !== '') continue;
      const byCaller = from === session.caller.tag;
      noteContact(byCaller ? session.caller : callee, request);
      noteContact(byCaller ? callee : session.caller, response);
      if (callee.confirmed) this.#keep(session, response);
    }
  }

  /** All sessions of this worker. */
  *all(): Iterable<Session> {
    for (const sessions of this.#byCall.values()) yield* sessions;
  }

  /** All sessions of a Call-ID. */
  ofCall(callId: string): readonly Session[] {
    return this.#byCall.get(callId)?.slice() ?? none;
  }

  /** All sessions that users with these identities have in this worker. */
  ofIdentities(identities: ReadonlySet<string>): readonly Session[] {
    const found: Session[] = [];
    for (const sessions of this.#byCall.values()) {
      for (const session of sessions) if (identities.has(session.identity)) found.push(session);
    }
    return found;
  }

  /**
   * A session that this node ends: it stays known for as long as something of it may be under way. `reason`: value of the
   * Reason header. False when it is over already.
   */
  release(session: Session, reason: string): boolean {
    if (session.released !== '' || this.#byCall.get(session.callId)?.includes(session) !== true) return false;
    session.released = reason;
    session.opening = null;
    this.#options.wheel.start(session.life, lingerMs);
    return true;
  }

  /** The INVITE of a session is over. */
  openingEnded(session: Session): void {
    session.opening = null;
    if (!session.confirmed && session.released === '') this.close(session);
  }

  /** Forgets a session; one that is forgotten already is no mistake. */
  close(session: Session): void {
    this.#options.wheel.stop(session.life);
    session.opening = null;
    const sessions = this.#byCall.get(session.callId);
    const at = sessions?.indexOf(session) ?? -1;
    if (sessions === undefined || at < 0) return;
    sessions.splice(at, 1);
    if (sessions.length === 0) this.#byCall.delete(session.callId);
    this.#options.calls.release(session.hold);
  }

  #hangUp(session: Session, callee: CalledSide): void {
    callee.confirmed = false;
    // The INVITE may still be under way to others.
    if (session.opening === null && !session.confirmed) this.close(session);
  }

  #keep(session: Session, response: SipResponse): void {
    const agreement = readAgreement(response);
    session.timed = agreement !== null;
    const seconds = Math.max(agreement?.seconds ?? 0, leastSessionSeconds);
    const ms = agreement === null ? untimedMs : Math.min(seconds * 1000, longestMs) + observerGraceMs;
    this.#options.wheel.start(session.life, ms);
  }

  #onLife(session: Session): void {
    if (session.timed && session.released === '') this.#options.expired(session);
    else this.close(session);
  }

  #closeOldest(): void {
    for (const sessions of this.#byCall.values()) {
      for (const session of sessions.slice()) this.close(session);
      return;
    }
  }
}

const none: readonly never[] = Object.freeze([]);

/** The called side of a dialog with these tags, null when it is none of the session. */
function calleeOf(session: Session, from: string, to: string): CalledSide | null {
  if (from === session.caller.tag) return session.callee(to);
  return to === session.caller.tag ? session.callee(from) : null;
}

function noteRequest(side: Pick<DialogSide, 'cseq'>, request: SipRequest): void {
  const number = readCSeq(request)?.number ?? 0;
  if (number > side.cseq) side.cseq = number;
}

function noteContact(side: SessionSide, message: SipMessage): void {
  const contact = message.headers.get(Header.Contact);
  if (contact !== null && contact !== side.contact) side.contact = flatText(contact);
}
