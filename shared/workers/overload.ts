import { ParseFailure } from '#sip/errors';
import { parseVia } from '#sip/header/via';
import { coreReasons, warningOf } from '#sip/reasons';
import type { Flow } from '#sip/transport/flow';
import { responseTarget } from '#sip/transport/response-address';
import { hasStray, type Refusal, refusalFromHead, stableTag, viaWithSource } from '#sip/transport/stream-refusal';
import { HeadScan } from './head-scan.ts';

/**
 * In which order messages are shed, lowest first, and served, highest first. `stranger` and `newcomer`: requests and
 * REGISTERs of sources nobody has registered from; `onward` and `arriving`: what other nodes have worked on already, one
 * of them or nearly all; `never` always passes.
 */
export const shedOrder = Object.freeze({
  options: 0,
  stranger: 1,
  newcomer: 2,
  initial: 3,
  onward: 4,
  register: 5,
  arriving: 6,
  never: 7,
});

/** How many orders there are. */
export const shedOrderCount = 8;

/** Who sends by a flow: a node of ours, a registered UE, or somebody of whom nothing is known. */
export type Standing = 'core' | 'known' | 'stranger';

/** How full (1: the ring, more: frames wait outside it) each order may find a worker's ring. */
const fillLimits: readonly number[] = [0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95, Number.POSITIVE_INFINITY];

/**
 * How long each order may have to wait, as a share of what an initial request may. What has come far may wait longer: to
 * refuse it wastes the work of the nodes before, which are to refuse in its stead. A phone that registers is patient, and it is
 * served after the others anyway.
 */
const delayShares: readonly number[] = [0.25, 0.4, 1.5, 1, 4, 5, 6, Number.POSITIVE_INFINITY];

/** Vias of a request from the core: the caller's and those of the nodes it has passed. */
const onwardVias = 2;
const arrivingVias = 4;

const inDialogMethods = new Set(['ACK', 'CANCEL', 'BYE', 'PRACK', 'UPDATE']);
const scratch = new HeadScan();

/**
 * Where a message stands when there is more to do than can be done: OPTIONS and what is no request first, then requests
 * that begin something, REGISTER last; never responses, ACK, CANCEL, what belongs to a dialog (To has a tag), emergency.
 * Gives `options`, `initial`, `register` or `never`; `standingOrder` refines it by who sent it.
 *
 * Reads the start line and where header fields stand: `scan` holds them afterwards, unless the start line was enough.
 * Source: requirements P-143, S-133; RFC 3261 21.5.4.
 */
export function shedOrderOf(text: string, scan: HeadScan = scratch): number {
  if (text.startsWith('SIP/2.0 ')) return shedOrder.never;
  const methodEnd = text.indexOf(' ');
  if (methodEnd <= 0 || methodEnd > 64) {
    scan.scan('');
    return shedOrder.options;
  }
  const method = text.slice(0, methodEnd);
  if (inDialogMethods.has(method) || isEmergency(text, methodEnd)) return shedOrder.never;
  scan.scan(text);
  if (scan.hasToTag) return shedOrder.never;
  if (method === 'OPTIONS') return shedOrder.options;
  if (method !== 'REGISTER') return shedOrder.initial;
  return isEmergencyContact(scan) ? shedOrder.never : shedOrder.register;
}

/** Whether a request asks for an emergency service, or registers for one. Source: TS 24.229 5.1.6.2. */
export function isEmergencyRequest(text: string): boolean {
  if (isEmergency(text, text.indexOf(' '))) return true;
  if (!text.startsWith('REGISTER ')) return false;
  scratch.scan(text);
  return isEmergencyContact(scratch);
}

/**
 * The order with regard to who sent it: among strangers REGISTER is shed after the rest, unless it answers a challenge
 * that has just been sent there; what has come through the core is shed later the more nodes have worked on it.
 *
 * `order`: from `shedOrderOf`, which has filled `scan`; `challenged`: a 401 went to the source lately.
 * Source: requirements P-143, X-F1.
 */
export function standingOrder(order: number, standing: Standing, challenged: boolean, scan: HeadScan): number {
  if (standing === 'stranger') {
    if (order === shedOrder.initial) return shedOrder.stranger;
    if (order !== shedOrder.register) return order;
    return challenged && hasResponse(scan) ? shedOrder.register : shedOrder.newcomer;
  }
  if (standing !== 'core' || order !== shedOrder.initial || scan.vias < onwardVias) return order;
  return scan.vias < arrivingVias ? shedOrder.onward : shedOrder.arriving;
}

/** Whether a queue that is this full has no room for a message of this order. */
export function isShed(order: number, fill: number): boolean {
  return fill >= fillLimits[order]!;
}

/** How long messages of each order may wait, milliseconds, when an initial request may wait for `delayMs`. */
export function delayLimits(delayMs: number): readonly number[] {
  return delayShares.map((share) => share * delayMs);
}

/** What the To tags of this process's stateless answers begin with; all its threads agree by `seed`. */
export function refusalMark(seed: number): string {
  return `o${(seed >>> 0).toString(36)}-`;
}

/** Whether a message is the ACK to a stateless answer of this process: nothing waits for it. */
export function isAckOfRefusal(text: string, mark: string): boolean {
  return text.charCodeAt(0) === 65 && text.startsWith('ACK ') && text.includes(mark);
}

/**
 * 503 with a Retry-After of 10 to 60 s, from the head of a request alone; null when there is nothing to answer.
 *
 * `scan`: of this text; `toSource`: over UDP it goes where the request came from, whatever Via says.
 * Source: P-143, RFC 3261 21.5.4.
 */
export function overloadRefusal(
  text: string,
  flow: Flow,
  mark: string,
  toSource = false,
  scan: HeadScan | null = null,
): Refusal | null {
  const extra = `Retry-After: ${10 + Math.floor(Math.random() * 51)}\r\n${warning}`;
  const head = scan ?? scratch;
  if (scan === null) head.scan(text);
  const refusal = (head.plain ? plainRefusal(text, head, extra, flow, mark) : null) ?? general(text, extra, flow, mark);
  if (refusal === null || !toSource || flow.transport !== 'udp') return refusal;
  return { text: refusal.text, target: flow };
}

const statusLine = '503 Service Unavailable';
/** The workers of all roles say the same: no name of a node is known here. */
const warning = `Warning: ${warningOf(coreReasons.overload, 'cscf')}\r\n`;

function general(text: string, extra: string, flow: Flow, mark: string): Refusal | null {
  return refusalFromHead(text, statusLine, extra, flow, mark);
}

/** The same for a head as nearly all are: lines are copied as they stand. Null when one of them must not be. */
function plainRefusal(text: string, scan: HeadScan, extra: string, flow: Flow, mark: string): Refusal | null {
  if (text.startsWith('SIP/') || text.startsWith('ACK ')) return null;
  const { via, from, to, callId, cseq } = scan;
  const top = parseVia(scan.valueOf(via));
  if (top instanceof ParseFailure) return null;
  const stamped = viaWithSource(top, flow);
  const others = scan.vias > 1 ? text.slice(via.end, scan.viasEnd) : '';
  const tag = scan.hasToTag ? '' : `;tag=${mark}${stableTag(stamped + scan.valueOf(callId))}`;
  const answer = `SIP/2.0 ${statusLine}\r\nVia: ${stamped}\r\n${others}${text.slice(from.start, from.end)}${text.slice(to.start, to.valueEnd)}${tag}\r\n${text.slice(callId.start, callId.end)}${text.slice(cseq.start, cseq.end)}${extra}Content-Length: 0\r\n\r\n`;
  return hasStray(answer) ? null : { text: answer, target: responseTarget(top, flow) };
}

function isEmergency(text: string, methodEnd: number): boolean {
  const first = text.charCodeAt(methodEnd + 1) | 0x20;
  return first === 0x75 && text.slice(methodEnd + 1, methodEnd + 16).toLowerCase() === 'urn:service:sos';
}

/** An emergency registration is known by the sos parameter of its Contact. */
function isEmergencyContact(scan: HeadScan): boolean {
  return scan.contact.start >= 0 && scan.valueOf(scan.contact).toLowerCase().includes(';sos');
}

/** Whether Authorization carries an answer to a challenge. */
function hasResponse(scan: HeadScan): boolean {
  const value = scan.valueOf(scan.authorization);
  const at = value.indexOf('response="');
  return at >= 0 && value.charCodeAt(at + 10) !== 34;
}
