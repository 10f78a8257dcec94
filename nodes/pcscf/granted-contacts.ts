import { ParseFailure } from '#sip/errors';
import { parseContact } from '#sip/header/contact';
import { maxDeltaSeconds, parseClipped } from '#sip/header/number-value';
import { unquote } from '#sip/header/token';
import type { HeaderList } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import { uriTextEquals } from '#sip/uri/uri-equality';
import type { BoundContact } from './binding.ts';

/** Lifetime of a contact whose registrar says none. Source: RFC 3261 10.2.1.1. */
const defaultExpires = 3600;

/** The contacts of a 2xx that live; one that cannot be read is passed over. */
export function grantedContacts(headers: HeaderList, nowMs: number): readonly BoundContact[] {
  const general = parseClipped(headers.get(Header.Expires) ?? '', maxDeltaSeconds);
  const granted: BoundContact[] = [];
  for (const value of headers.values(Header.Contact)) {
    const contact = parseContact(value);
    if (contact instanceof ParseFailure) continue;
    const seconds = contact.expires >= 0 ? contact.expires : general instanceof ParseFailure ? defaultExpires : general;
    if (seconds === 0) continue;
    const { uri, instance, regId, parameters } = contact;
    granted.push({
      uri,
      instance,
      regId,
      pubGruu: unquote(parameters.get('pub-gruu') ?? ''),
      tempGruu: unquote(parameters.get('temp-gruu') ?? ''),
      expiresAtMs: Math.round(nowMs + seconds * 1000),
    });
  }
  return granted;
}

/** What contacts are told apart by. */
export interface ContactIdentity {
  readonly uri: string;
  readonly instance: string;
  readonly regId: number;
}

/** Whether a granted contact is the one asked for: by URI, else, where no granted one has that URI, by instance and reg-id. */
export function isSameContact(asked: ContactIdentity, granted: BoundContact, all: readonly BoundContact[]): boolean {
  if (uriTextEquals(asked.uri, granted.uri)) return true;
  if (asked.instance === '' || asked.instance !== granted.instance || asked.regId !== granted.regId) return false;
  return !all.some(({ uri }) => uriTextEquals(asked.uri, uri));
}
