import { ParseFailure } from '#sip/errors';
import { matchesAt } from '#sip/uri/characters';
import { noParameters, type Parameters, parseHeaderParameters } from '#sip/uri/parameters';
import { splitListValues } from './list-values.ts';
import { tokenEnd, trimBlanks } from './token.ts';

/** One value of P-Access-Network-Info. */
export interface AccessNetworkInfo {
  /** `3GPP-E-UTRAN-FDD`, `IEEE-802.11` and so on, as received. */
  readonly accessType: string;
  readonly parameters: Parameters;
  /** Whether a network node vouches for it. */
  readonly networkProvided: boolean;
  readonly raw: string;
}

const networkProvidedName = 'network-provided';

/** Reads all values of one field. Source: RFC 7315 5.4. */
export function parseAccessNetworkInfo(value: string): AccessNetworkInfo[] | ParseFailure {
  const parts = splitListValues(value);
  if (parts instanceof ParseFailure) return parts;
  const infos: AccessNetworkInfo[] = [];
  for (const raw of parts) {
    const end = tokenEnd(raw, 0);
    if (end === 0) return new ParseFailure('malformed access type');
    const parameters = parseHeaderParameters(raw, end);
    if (parameters instanceof ParseFailure) return parameters;
    const networkProvided = parameters.has(networkProvidedName);
    infos.push({ accessType: raw.slice(0, end), parameters, networkProvided, raw });
  }
  return infos;
}

/** Writes one value. */
export function formatAccessNetworkInfo(accessType: string, parameters: Parameters = noParameters): string {
  return accessType + parameters.raw;
}

/**
 * Whether a field claims anywhere to be network-provided; one that can't be parsed does so when the words occur in it.
 *
 * Source: RFC 7315 5.4, TS 24.229 5.2.1.
 */
export function isNetworkProvided(value: string): boolean {
  const infos = parseAccessNetworkInfo(value);
  if (infos instanceof ParseFailure) return mentionsNetworkProvided(value);
  return infos.some((info) => info.networkProvided);
}

/**
 * A field without its network-provided values, '' when nothing is left (P-74); as it is when it holds none.
 *
 * One that can't be parsed and mentions the words goes as a whole.
 */
export function withoutNetworkProvided(value: string): string {
  const infos = parseAccessNetworkInfo(value);
  if (infos instanceof ParseFailure) return mentionsNetworkProvided(value) ? '' : value;
  const kept = infos.filter((info) => !info.networkProvided);
  return kept.length === infos.length ? trimBlanks(value) : kept.map((info) => info.raw).join(', ');
}

function mentionsNetworkProvided(value: string): boolean {
  const last = value.length - networkProvidedName.length;
  for (let i = 0; i <= last; i++) if (matchesAt(value, i, networkProvidedName)) return true;
  return false;
}
