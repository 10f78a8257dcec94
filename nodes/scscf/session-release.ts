import { reasons } from '#ims/reasons';
import { ackInside, requestInside } from '#sip/dialog/mid-dialog-request';
import { ParseFailure } from '#sip/errors';
import { parseContacts } from '#sip/header/contact';
import { formatReason } from '#sip/header/reason';
import { Header } from '#sip/message/header-names';
import type { SipResponse } from '#sip/message/response';
import { readCSeq } from '#sip/parser/sanity';
import type { BranchUser } from '#sip/proxy/proxy-branch';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import type { Reason } from '#sip/reasons';
import { parseUri } from '#sip/uri/uri';
import type { Binding, Registration } from './registration.ts';
import type { CalledSide, Session, SessionSide } from './sessions.ts';
import type { ScscfState } from './state.ts';

/** What a caller hears whose call has no answer yet, and the cause in the Reason header. Requirement S-130. */
const status = 480;
/** Nobody waits for what becomes of a BYE of ours. */
const nobody: BranchUser = Object.freeze({ branchResponse() {}, branchFailed() {} });

/**
 * Ends a session from the middle. Before its answer: CANCEL downstream and 480 upstream; afterwards: BYE to both sides.
 * What still comes of it is answered here. False when it is over already.
 *
 * Source: TS 24.229 5.4.5.1; requirement S-130.
 */
export function releaseSession(state: ScscfState, session: Session, why: Reason): boolean {
  const { opening } = session;
  const reason = formatReason({ protocol: 'SIP', cause: status, text: why.text });
  if (!state.sessions.release(session, reason)) return false;
  const { callId, identity, confirmed } = session;
  state.context.count('session-released');
  state.context.log.info({ reason: why.id, callId, impu: identity, answered: confirmed }, 'the network ends a session');
  for (const callee of session.callees) {
    if (!callee.confirmed) continue;
    hangUp(state, session, callee, session.caller);
    hangUp(state, session, session.caller, callee);
  }
  opening?.refuse({ ...why, status }, '', undefined, reason);
  return true;
}

/** Of a registration, or a part of it, that the network has ended; plain data. */
interface EndedUser {
  /** Identities of profiles. */
  readonly identities: readonly string[];
  /** Contacts that are gone, by host and port; null: all of them are. */
  readonly contacts: readonly string[] | null;
}

/**
 * Ends the sessions of a registration of which contacts were removed, in all workers, once the present message is
 * handled: all of them when nothing is left, else those of the contacts. What the policy keeps stays.
 *
 * Source: TS 24.229 5.4.5.1.1; requirements S-71, S-130.
 */
export function releaseSessionsOf(
  state: ScscfState,
  before: Registration | null,
  after: Registration | null,
  removed: readonly Binding[],
): void {
  if (before === null || removed.length === 0) return;
  const identities = before.identities.map(({ impu }) => impu);
  const contacts = after === null ? null : removed.flatMap(({ uri }) => hostPortOf(uri) ?? []);
  tellAll(state, { identities, contacts });
}

/** Ends the sessions of identities that a registration has lost, as above. Requirements S-73, S-130. */
export function releaseSessionsOfLost(state: ScscfState, before: Registration, after: Registration): void {
  const left = new Set(after.identities.filter(({ barred }) => !barred).map(({ impu }) => impu));
  const identities = before.identities.filter(({ impu, barred }) => !barred && !left.has(impu)).map(({ impu }) => impu);
  if (identities.length > 0) tellAll(state, { identities, contacts: null });
}

/** Word of a worker that sessions of a user end; false for any other word. */
export function hearRelease(state: ScscfState, word: string): boolean {
  if (!word.startsWith(releaseWord)) return false;
  const { identities, contacts } = JSON.parse(word.slice(releaseWord.length)) as EndedUser;
  for (const session of state.sessions.ofIdentities(new Set(identities))) {
    if (contacts === null || hasContact(session, contacts)) releaseSession(state, session, reasons.registrationEnded);
  }
  return true;
}

/** No identity begins so. */
const releaseWord = ' release ';

/** Answers a request of the control side with the number of sessions that were ended; null for any other request. */
export function releaseOnDemand(state: ScscfState, request: unknown): number | null {
  if (typeof request !== 'object' || request === null || !('command' in request)) return null;
  const { command, callId } = request as { command: unknown; callId?: unknown };
  if (command !== 'release-session' || typeof callId !== 'string') return null;
  const sessions = state.sessions.ofCall(callId);
  return sessions.filter((session) => releaseSession(state, session, reasons.sessionEndedByOperator)).length;
}

/** Answers what still comes of a session that this node has ended: a BYE is as good as done. */
export function answerReleased(transaction: ProxyTransaction): void {
  if (transaction.request.method === 'BYE') transaction.reply(200);
  else transaction.refuse(reasons.noDialog, 'the network has ended this session');
}

/**
 * The answer to a call that was ended while it was on its way: acknowledged and hung up. Called for each 2xx; one that
 * comes again is only acknowledged. Source: RFC 3261 9.1, 13.2.2.4; requirement S-130.
 */
export function endLateAnswer(state: ScscfState, session: Session, callee: CalledSide, response: SipResponse): void {
  const { caller, callId } = session;
  const ack = ackInside(callId, caller, callee, readCSeq(response)?.number ?? caller.cseq);
  if (!(ack instanceof ParseFailure)) state.context.origin.acknowledge(ack);
  if (callee.hungUp) return;
  callee.hungUp = true;
  hangUp(state, session, caller, callee);
}

function tellAll({ context }: ScscfState, ended: EndedUser): void {
  if (context.config.registrar.sessions === 'keep') return;
  const word = releaseWord + JSON.stringify(ended);
  const { crew, origin } = context;
  for (let worker = 0; worker < crew.places; worker++) if (crew.has(worker)) origin.tell(worker, word);
}

function hangUp(state: ScscfState, { callId, released }: Session, from: SessionSide, to: SessionSide): void {
  const { origin, log } = state.context;
  const bye = requestInside(callId, from, to, 'BYE', [[Header.Reason, released]]);
  if (bye instanceof ParseFailure) {
    log.warn({ callId, detail: bye.reason }, 'one side of a session cannot be told that it ends');
    return;
  }
  origin.originate(bye, nobody);
}

/** Whether the served user has a session by one of these contacts. */
function hasContact(session: Session, contacts: readonly string[]): boolean {
  const sides = session.originating ? [session.caller] : session.callees;
  return sides.some(({ contact }) => {
    const list = contact === '' ? null : parseContacts([contact]);
    const uri = list === null || list instanceof ParseFailure ? undefined : list.contacts[0]?.uri;
    const place = uri === undefined ? null : hostPortOf(uri);
    return place !== null && contacts.includes(place);
  });
}

/** `user@host:port` of a SIP URI, whatever its parameters. */
function hostPortOf(text: string): string | null {
  const uri = parseUri(text);
  return uri instanceof ParseFailure || uri.kind !== 'sip' ? null : `${uri.user}@${uri.host}:${uri.port}`;
}
