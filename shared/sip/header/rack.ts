import { ParseFailure } from '#sip/errors';
import { isBlank, skipBlanks, trimEnd } from '#sip/uri/characters';
import { digitsEnd } from '#sip/uri/host-port';
import { parseCSeq } from './cseq.ts';
import { decimalAt, parseDecimal } from './number-value.ts';

/** Which provisional response a PRACK acknowledges. */
export interface RAck {
  /** RSeq of the response. */
  readonly rseq: number;
  /** CSeq of the response. */
  readonly cseq: number;
  readonly method: string;
}

const maxRSeq = 0xffff_ffff;

/** Reads an RAck. Source: RFC 3262 7.2. */
export function parseRAck(value: string): RAck | ParseFailure {
  const from = skipBlanks(value, 0, value.length);
  const to = trimEnd(value, from, value.length);
  const end = digitsEnd(value, from, to);
  const rseq = decimalAt(value, from, end, maxRSeq);
  if (rseq instanceof ParseFailure) return rseq;
  if (rseq === 0 || !isBlank(value.charCodeAt(end))) return new ParseFailure('malformed response number', end);
  const cseq = parseCSeq(value.slice(end));
  return cseq instanceof ParseFailure ? cseq : { rseq, cseq: cseq.number, method: cseq.method };
}

/** Writes an RAck. */
export function formatRAck(rack: RAck): string {
  return `${rack.rseq} ${rack.cseq} ${rack.method}`;
}

/** Reads an RSeq, which is never 0. Source: RFC 3262 7.1. */
export function parseRSeq(value: string): number | ParseFailure {
  const rseq = parseDecimal(value, maxRSeq);
  return rseq === 0 ? new ParseFailure('RSeq of 0') : rseq;
}

/** Writes an RSeq. */
export function formatRSeq(rseq: number): string {
  return String(rseq);
}
