import { ParseFailure } from '#sip/errors';
import { firstListValue } from './list-values.ts';
import { formatNameAddr, type NameAddr, parseNameAddr } from './name-addr.ts';

/** Reads a P-Called-Party-ID: who was called, before the request got its contact. Source: RFC 7315 5.2; C-32. */
export function parseCalledParty(value: string): NameAddr | ParseFailure {
  const { value: first, rest } = firstListValue(value);
  return rest === '' ? parseNameAddr(first) : new ParseFailure('more than one called party');
}

/** Writes a P-Called-Party-ID. */
export function formatCalledParty(address: NameAddr): string {
  return formatNameAddr({ ...address, bracketed: true });
}
