import { tagOf } from '#sip/header/name-addr';
import type { Flow } from '#sip/transport/flow';
import { type Refusal, refusalFromHead } from '#sip/transport/stream-refusal';

/** In which order messages are shed: lower goes first, `never` always passes. */
export const shedOrder = Object.freeze({ options: 0, initial: 1, register: 2, never: 3 });

/** How full (1: the ring, more: frames wait outside it) each order may find a worker's queue. */
const fillLimits: readonly number[] = [0.5, 0.75, 0.9, Number.POSITIVE_INFINITY];

const inDialogMethods = new Set(['ACK', 'CANCEL', 'BYE', 'PRACK', 'UPDATE']);

/**
 * Where a message stands when a worker's queue is full: OPTIONS first, then requests that begin something, REGISTER
 * last; never responses, ACK, CANCEL, what belongs to a dialog (To has a tag), emergency.
 *
 * Reads the start line and the To field only. Source: requirements P-143, S-133; RFC 3261 21.5.4.
 */
export function shedOrderOf(text: string): number {
  if (text.startsWith('SIP/2.0 ')) return shedOrder.never;
  const methodEnd = text.indexOf(' ');
  if (methodEnd <= 0 || methodEnd > 64) return shedOrder.options;
  const method = text.slice(0, methodEnd);
  if (inDialogMethods.has(method)) return shedOrder.never;
  if (text.slice(methodEnd + 1, methodEnd + 16).toLowerCase() === 'urn:service:sos') return shedOrder.never;
  if (hasToTag(text)) return shedOrder.never;
  if (method === 'OPTIONS') return shedOrder.options;
  if (method !== 'REGISTER') return shedOrder.initial;
  // An emergency registration is known by the sos parameter of its Contact (TS 24.229 5.1.6.2).
  return lowerHead(text).includes(';sos') ? shedOrder.never : shedOrder.register;
}

/** Whether a queue that is this full has no room for a message of this order. */
export function isShed(order: number, fill: number): boolean {
  return fill >= fillLimits[order]!;
}

/** 503 with a Retry-After of 10 to 60 s; null when there is nothing to answer. Source: P-143, RFC 3261 21.5.4. */
export function overloadRefusal(text: string, flow: Flow): Refusal | null {
  const seconds = 10 + Math.floor(Math.random() * 51);
  return refusalFromHead(text, '503 Service Unavailable', `Retry-After: ${seconds}\r\n`, flow);
}

function lowerHead(text: string): string {
  const end = text.indexOf('\r\n\r\n');
  return (end < 0 ? text : text.slice(0, end)).toLowerCase();
}

function hasToTag(text: string): boolean {
  let at = text.indexOf('\n') + 1;
  while (at > 0 && at < text.length) {
    const first = text.charCodeAt(at) | 0x20;
    if (first === 0x74) {
      const long = (text.charCodeAt(at + 1) | 0x20) === 0x6f;
      let colon = at + (long ? 2 : 1);
      while (text.charCodeAt(colon) === 32 || text.charCodeAt(colon) === 9) colon++;
      if (text.charCodeAt(colon) === 58) {
        let end = text.indexOf('\n', colon);
        while (end >= 0 && (text.charCodeAt(end + 1) === 32 || text.charCodeAt(end + 1) === 9))
          end = text.indexOf('\n', end + 1);
        const value = text.slice(colon + 1, end < 0 ? text.length : end);
        return tagOf(value.replaceAll('\r', ' ').replaceAll('\n', ' ').trim()) !== '';
      }
    }
    const next = text.indexOf('\n', at) + 1;
    // The empty line ends the head.
    if (
      next > 0 &&
      (text.charCodeAt(next) === 10 || (text.charCodeAt(next) === 13 && text.charCodeAt(next + 1) === 10))
    )
      break;
    at = next;
  }
  return false;
}
