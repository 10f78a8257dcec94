import { ParseFailure } from '#sip/errors';
import { equalsIgnoreCase } from './characters.ts';
import { sipUriEquals } from './sip-uri.ts';
import { telUriEquals } from './tel-uri.ts';
import { type OtherUri, parseUri, type Uri } from './uri.ts';
import { parseUrn } from './urn.ts';

/**
 * Whether two URIs are equivalent by the rules of their scheme; those of different schemes never are, and those of a
 * scheme without rules here only when they are the same text.
 *
 * Source: RFC 3261 19.1.4, RFC 5954 4.2, RFC 3966 4, RFC 8141 3.
 */
export function uriEquals(a: Uri, b: Uri): boolean {
  if (a.kind === 'sip') return b.kind === 'sip' && sipUriEquals(a, b);
  if (a.kind === 'tel') return b.kind === 'tel' && telUriEquals(a, b);
  if (b.kind !== 'other' || a.scheme !== b.scheme) return false;
  return a.opaque === b.opaque || (a.scheme === 'urn' && urnEquals(a, b));
}

/**
 * Whether two texts are the same URI: equivalent, or the same text also where it cannot be read.
 *
 * Source: RFC 3261 10.3, 19.1.4.
 */
export function uriTextEquals(a: string, b: string): boolean {
  if (a === b) return true;
  const left = parseUri(a);
  if (left instanceof ParseFailure) return false;
  const right = parseUri(b);
  return !(right instanceof ParseFailure) && uriEquals(left, right);
}

/**
 * Namespaces whose names compare in any case. Source: RFC 5031 4 (service), RFC 9562 4 (uuid), RFC 7254 (gsma: digits and
 * keywords); the service identifiers of 3GPP (urn-7) are written in lower case throughout.
 */
const anyCase: ReadonlySet<string> = new Set(['service', 'uuid', 'gsma', 'urn-7']);

/** The same namespace and name; escapes are not read, but for the case of their digits; r-, q- and f-components do not count. */
function urnEquals(a: OtherUri, b: OtherUri): boolean {
  const left = parseUrn(a);
  const right = parseUrn(b);
  if (left instanceof ParseFailure || right instanceof ParseFailure) return false;
  if (left.namespace !== right.namespace) return false;
  if (anyCase.has(left.namespace)) return equalsIgnoreCase(left.name, right.name);
  return sameButEscapes(left.name, right.name);
}

/** Whether two texts are the same, the two digits after each `%` in any case. */
function sameButEscapes(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let from = 0;
  for (let percent = a.indexOf('%'); percent >= 0; percent = a.indexOf('%', from)) {
    if (a.slice(from, percent + 1) !== b.slice(from, percent + 1)) return false;
    from = percent + 3;
    if (!equalsIgnoreCase(a.slice(percent + 1, from), b.slice(percent + 1, from))) return false;
  }
  return a.slice(from) === b.slice(from);
}
