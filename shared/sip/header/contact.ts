import { ParseFailure } from '#sip/errors';
import { isDigit, trimEnd } from '#sip/uri/characters';
import { isNamed, newParameterSpan, nextParameter, type Parameters, withParameter } from '#sip/uri/parameters';
import { maxListValues, splitListValues } from './list-values.ts';
import { formatNameAddr, parametersStart, parseNameAddr } from './name-addr.ts';
import { clippedAt, decimalAt, maxDeltaSeconds } from './number-value.ts';
import { trimBlanks, unquote } from './token.ts';

/** One Contact value. */
export interface Contact {
  readonly uri: string;
  /** As received, quotes included; '' when there is none. */
  readonly displayName: string;
  /** All parameters as received, also those that the fields below read. */
  readonly parameters: Parameters;
  /** Seconds, -1 when absent; one that is no number counts as 3600. */
  readonly expires: number;
  /** Thousandths, -1 when absent. */
  readonly q: number;
  /** `+sip.instance` without its quotes (`<urn:...>`), '' when there is none. */
  readonly instance: string;
  /** reg-id, 0 when there is none. */
  readonly regId: number;
  /** The value as received. */
  readonly raw: string;
}

export interface Contacts {
  /** Whether the one value was `*`. */
  readonly star: boolean;
  readonly contacts: readonly Contact[];
}

/** What a contact's expires counts as when it is no number. Source: RFC 3261 20.10. */
const malformedExpires = 3600;
const maxRegId = 0x7fff_ffff;
const span = newParameterSpan();

/**
 * Reads the Contact values of a message, lists in one value split.
 *
 * `*` beside anything else, more than 100 values, and any malformed value are failures. Source: RFC 3261 20.10, RFC 5626 4.1.
 */
export function parseContacts(values: readonly string[]): Contacts | ParseFailure {
  const contacts: Contact[] = [];
  let stars = 0;
  for (const value of values) {
    const parts = value.indexOf(',') < 0 ? [trimBlanks(value)] : splitListValues(value);
    if (parts instanceof ParseFailure) return parts;
    for (const part of parts) {
      if (contacts.length + stars === maxListValues) return new ParseFailure('too many contacts');
      if (part === '*') {
        stars++;
        continue;
      }
      const contact = parseContact(part);
      if (contact instanceof ParseFailure) return contact;
      contacts.push(contact);
    }
  }
  if (stars > 1 || (stars === 1 && contacts.length > 0)) return new ParseFailure('* beside other contacts');
  return { star: stars === 1, contacts };
}

/** Reads one Contact value. */
export function parseContact(value: string): Contact | ParseFailure {
  const address = parseNameAddr(value);
  if (address instanceof ParseFailure) return address;
  const { parameters, uri, displayName } = address;
  let expires = -1;
  let q = -1;
  let instance = '';
  let regId = 0;
  const raw = parameters.raw;
  for (let at = 0; nextParameter(raw, at, span); at = span.end) {
    switch (span.nameEnd - span.nameStart) {
      case 1:
        if (q < 0 && isNamed(raw, span, 'q')) {
          q = parseQ(raw.slice(span.valueStart, span.valueEnd));
          if (q < 0) return new ParseFailure('malformed q');
        }
        break;
      case 6:
        if (regId === 0 && isNamed(raw, span, 'reg-id')) {
          const id = decimalAt(raw, span.valueStart, span.valueEnd, maxRegId);
          if (id instanceof ParseFailure || id === 0) return new ParseFailure('malformed reg-id');
          regId = id;
        }
        break;
      case 7:
        if (expires < 0 && isNamed(raw, span, 'expires')) {
          const seconds = clippedAt(raw, span.valueStart, span.valueEnd, maxDeltaSeconds);
          expires = seconds instanceof ParseFailure ? malformedExpires : seconds;
        }
        break;
      case 13:
        if (instance === '' && isNamed(raw, span, '+sip.instance')) {
          instance = unquote(raw.slice(span.valueStart, span.valueEnd));
        }
        break;
    }
  }
  return { uri, displayName, parameters, expires, q, instance, regId, raw: value };
}

/** qvalue in thousandths, -1 when it is none. Source: RFC 3261 25.1. */
export function parseQ(text: string): number {
  const first = text.charCodeAt(0);
  if ((first !== 48 && first !== 49) || text.length > 5) return -1;
  if (text.length > 1 && text.charCodeAt(1) !== 46) return -1;
  let thousandths = (first - 48) * 1000;
  let scale = 100;
  for (let i = 2; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (!isDigit(code)) return -1;
    thousandths += (code - 48) * scale;
    scale /= 10;
  }
  return thousandths <= 1000 ? thousandths : -1;
}

/** Writes a contact with all its parameters as received (S-35). */
export function formatContact(contact: Pick<Contact, 'uri' | 'displayName' | 'parameters'>): string {
  return formatNameAddr({ ...contact, bracketed: true });
}

/** A Contact value with this expires parameter, all else byte for byte. */
export function contactWithExpires(raw: string, seconds: number): string {
  const value = raw.slice(0, trimEnd(raw, 0, raw.length));
  const start = parametersStart(value);
  return value.slice(0, start) + withParameter(value.slice(start), 'expires', String(seconds));
}
