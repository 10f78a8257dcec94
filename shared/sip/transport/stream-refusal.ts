import { ParseFailure } from '#sip/errors';
import { firstListValue } from '#sip/header/list-values';
import { tagOf } from '#sip/header/name-addr';
import { parseVia, type Via, withReceived } from '#sip/header/via';
import { Header, headerId } from '#sip/message/header-names';
import { isBlank } from '#sip/parser/scanner';
import type { Flow, Target } from './flow.ts';
import { responseTarget } from './response-address.ts';

/** An answer and the way it takes. */
export interface Refusal {
  readonly text: string;
  readonly target: Target;
}

const maxAnswer = 16 * 1024;
/** Twice what a sound message may have: what an answer needs stands before that. */
const maxFields = 512;
const seed = (Math.random() * 0x100000000) >>> 0;

/**
 * An answer to a request of which only the head, perhaps a broken one, is at hand: written from the raw Via, From, To,
 * Call-ID and CSeq lines without parsing them further.
 *
 * `statusLine`: `513 Message Too Large`; `extra`: whole header lines, each with its CRLF; `flow`: how the request
 * came; `mark`: what the To tag begins with. Gives null when there is nothing to answer: a response, an ACK, a head
 * without these lines, a broken Via.
 *
 * Source: RFC 3261 8.2.6, 8.2.7, 18.2.1, 18.3; RFC 3581 4.
 */
export function refusalFromHead(
  head: string,
  statusLine: string,
  extra: string,
  flow: Flow,
  mark = '',
): Refusal | null {
  if (head.startsWith('SIP/') || head.startsWith('ACK ')) return null;
  let top: Via | null = null;
  let vias = '';
  let from = '';
  let to = '';
  let callId = '';
  let cseq = '';
  let at = nextLine(head, 0);
  for (let fields = 0; at < head.length && fields < maxFields; fields++) {
    const colon = head.indexOf(':', at);
    if (colon < 0) break;
    const end = fieldEnd(head, at);
    if (colon < end) {
      let nameEnd = colon;
      while (nameEnd > at && isBlank(head.charCodeAt(nameEnd - 1))) nameEnd--;
      const id = headerId(head.slice(at, nameEnd));
      if (id === Header.Via) {
        const value = unfolded(head, colon + 1, end);
        if (top !== null) vias += `Via: ${value}\r\n`;
        else {
          const { value: first, rest } = firstListValue(value);
          const via = parseVia(first);
          if (via instanceof ParseFailure) return null;
          top = via;
          vias = `Via: ${viaWithSource(via, flow)}${rest === '' ? '' : `, ${rest}`}\r\n`;
        }
      } else if (id === Header.From && from === '') from = unfolded(head, colon + 1, end);
      else if (id === Header.To && to === '') to = unfolded(head, colon + 1, end);
      else if (id === Header['Call-ID'] && callId === '') callId = unfolded(head, colon + 1, end);
      else if (id === Header.CSeq && cseq === '') cseq = unfolded(head, colon + 1, end);
    }
    if (vias.length > maxAnswer) return null;
    at = nextLine(head, end - 1);
    if (head.charCodeAt(at) === 13 || head.charCodeAt(at) === 10) break;
  }
  if (top === null || from === '' || to === '' || callId === '' || cseq === '') return null;
  const tag = tagOf(to) !== '' ? '' : `;tag=${mark}${stableTag(vias + callId)}`;
  const text = `SIP/2.0 ${statusLine}\r\n${vias}From: ${from}\r\nTo: ${to}${tag}\r\nCall-ID: ${callId}\r\nCSeq: ${cseq}\r\n${extra}Content-Length: 0\r\n\r\n`;
  return text.length > maxAnswer || hasStray(text) ? null : { text, target: responseTarget(top, flow) };
}

function nextLine(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  return end < 0 ? text.length : end + 1;
}

/** End of the header field at `start`, its continuation lines and the last line end included. */
function fieldEnd(text: string, start: number): number {
  let end = nextLine(text, start);
  while (end < text.length && isBlank(text.charCodeAt(end))) end = nextLine(text, end);
  return end;
}

/** The value in [start, end) on one line. */
function unfolded(text: string, start: number, end: number): string {
  const value = text.slice(start, end);
  const lineEnd = value.indexOf('\n');
  if (lineEnd < 0 || lineEnd === value.length - 1) return value.trim();
  return value
    .split('\n')
    .map((line) => line.trim())
    .join(' ')
    .trim();
}

/** The top Via with `received` and `rport` as the source demands. */
export function viaWithSource(via: Via, flow: Flow): string {
  if (via.rport < 0 && via.host === flow.address) return via.raw;
  return withReceived(via.raw, flow.address, flow.port);
}

/** Whether a CR stands alone, or a NUL anywhere: such lines are not sent back. */
export function hasStray(text: string): boolean {
  if (text.includes('\0')) return true;
  for (let at = text.indexOf('\r'); at >= 0; at = text.indexOf('\r', at + 1)) {
    if (text.charCodeAt(at + 1) !== 10) return true;
  }
  return false;
}

/** The same tag for every retransmission, another one in every process. */
export function stableTag(text: string): string {
  let value = seed;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return (value >>> 0).toString(36);
}
