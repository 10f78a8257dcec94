import { tagOf } from '../header/name-addr.ts';
import type { Via } from '../header/via.ts';
import { Header } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';
import { flatText } from '../parser/latin1.ts';
import { readCSeq } from '../parser/sanity.ts';

const magicCookie = 'z9hG4bK';

/**
 * Key of the server transaction a request belongs to: branch, sent-by and method (an ACK has the INVITE's).
 * Without the magic cookie of RFC 3261 the older rule serves: Request-URI, From tag, Call-ID, CSeq number, topmost Via.
 * It is a text of its own: a transaction that is kept keeps its key, and must not keep the message through it.
 *
 * Source: RFC 3261 17.2.3; requirement C-03.
 */
export function serverTransactionKey(request: SipRequest, via: Via, method = request.method): string {
  const name = method === 'ACK' ? 'INVITE' : method;
  if (via.branch.startsWith(magicCookie) && via.branch.length > magicCookie.length) {
    return branchKey(via, name);
  }
  const { headers } = request;
  const number = readCSeq(request)?.number ?? -1;
  const from = tagOf(headers.get(Header.From) ?? '');
  return flatText(`2543 ${name} ${number} ${from} ${headers.get(Header['Call-ID'])} ${via.raw} ${request.requestUri}`);
}

/** The key where the branch has the magic cookie, as a request has it that comes again. */
export function branchKey(via: Via, method: string): string {
  return flatText(`${via.branch} ${via.host}:${via.port} ${method}`);
}

/**
 * Branches of our own client transactions: `z9hG4bK<worker>-<index>-<serial>`, numbers in base 36. The index finds the
 * transaction without a search, the serial (random start) makes the branch unique and is checked with the rest.
 * `mark`: ends the branch as `-<mark>`, '' for none.
 */
export function formatBranch(worker: number, index: number, serial: string, mark = ''): string {
  const branch = `${magicCookie}${worker.toString(36)}-${index.toString(36)}-${serial}`;
  return mark === '' ? branch : `${branch}-${mark}`;
}

/** Index of the transaction that a branch of ours names, -1 when the branch is not of our form. */
export function branchIndex(branch: string): number {
  const start = branch.indexOf('-') + 1;
  const end = branch.indexOf('-', start);
  if (start === 0 || end <= start || end - start > 6 || !branch.startsWith(magicCookie)) return -1;
  return digits36(branch, start, end);
}

/** Worker that a branch of ours names, -1 when the branch is not of our form. */
export function branchWorker(branch: string): number {
  const end = branch.indexOf('-');
  if (end <= magicCookie.length || end - magicCookie.length > 2 || !branch.startsWith(magicCookie)) return -1;
  return digits36(branch, magicCookie.length, end);
}

function digits36(text: string, start: number, end: number): number {
  let value = 0;
  for (let i = start; i < end; i++) {
    const c = text.charCodeAt(i);
    const digit = c >= 48 && c <= 57 ? c - 48 : c >= 97 && c <= 122 ? c - 87 : -1;
    if (digit < 0) return -1;
    value = value * 36 + digit;
  }
  return value;
}
