import { ParseFailure } from '#sip/errors';
import { lowerSlice } from './characters.ts';
import type { OtherUri, Uri } from './uri.ts';

/** A URN: `urn:service:sos`, `urn:gsma:imei:...`, `urn:uuid:...`, `urn:urn-7:3gpp-service...`. */
export interface Urn {
  /** Namespace, in lower case. */
  readonly namespace: string;
  /** What the namespace gave the name to, as received. */
  readonly name: string;
  /** The r-, q- and f-component with their `?+`, `?=` and `#`, as received; '' when there is none. */
  readonly components: string;
}

const maxNamespace = 32;

/** Takes a URN apart; a URI of another scheme, or without namespace or name, is a ParseFailure. Source: RFC 8141 2. */
export function parseUrn(uri: OtherUri): Urn | ParseFailure {
  const { scheme, opaque } = uri;
  if (scheme !== 'urn') return new ParseFailure(`not a URN: ${scheme}`);
  const colon = opaque.indexOf(':');
  if (colon < 2 || colon > maxNamespace || !isNamespace(opaque, colon)) return new ParseFailure('malformed namespace');
  let end = colon + 1;
  while (end < opaque.length && !isComponent(opaque, end)) end++;
  if (end === colon + 1) return new ParseFailure('URN without a name', colon);
  const name = opaque.slice(colon + 1, end);
  return { namespace: lowerSlice(opaque, 0, colon), name, components: opaque.slice(end) };
}

/** Letters, digits and hyphens, none of the latter at an end. */
function isNamespace(text: string, end: number): boolean {
  for (let i = 0; i < end; i++) {
    const code = text.charCodeAt(i) | 32;
    const alphanumeric = (code >= 97 && code <= 122) || (text.charCodeAt(i) >= 48 && text.charCodeAt(i) <= 57);
    if (!alphanumeric && (text[i] !== '-' || i === 0 || i === end - 1)) return false;
  }
  return true;
}

function isComponent(text: string, at: number): boolean {
  if (text[at] === '#') return true;
  return text[at] === '?' && (text[at + 1] === '+' || text[at + 1] === '=');
}

/** Writes a URN. */
export function formatUrn({ namespace, name, components }: Urn): string {
  return `urn:${namespace}:${name}${components}`;
}

/**
 * The service that a service URN names, in lower case (`sos`, `sos.police`); null for any other URI.
 *
 * Source: RFC 5031 4; requirements P-130, P-132.
 */
export function serviceOf(uri: Uri): string | null {
  if (uri.kind !== 'other') return null;
  const urn = parseUrn(uri);
  return urn instanceof ParseFailure || urn.namespace !== 'service' ? null : urn.name.toLowerCase();
}
