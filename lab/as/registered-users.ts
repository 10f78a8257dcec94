import { impuOf } from '#ims/identity';
import { ParseFailure } from '#sip/errors';
import { parseContacts } from '#sip/header/contact';
import { parseContentType } from '#sip/header/content-type';
import { maxDeltaSeconds, parseClipped } from '#sip/header/number-value';
import { Header } from '#sip/message/header-names';
import { isMultipart, parseMultipart } from '#sip/message/multipart';
import type { SipRequest } from '#sip/message/request';
import { parseMessage } from '#sip/parser/parse-message';
import { withoutSeparators } from '#sip/uri/tel-uri';
import { parseUri } from '#sip/uri/uri';
import { bareUri } from '../ue/party.ts';

/** One body of a third-party REGISTER. */
export interface RegisterPart {
  readonly mediaType: string;
  /** Octets as latin1. */
  readonly content: string;
}

/** A user whom an S-CSCF says to be registered. */
export interface RegisteredUser {
  readonly impu: string;
  /** Contact of the S-CSCF. */
  readonly contact: string;
  /** Milliseconds of the clock given. */
  readonly expiresMs: number;
  readonly parts: readonly RegisterPart[];
  /** All that is known of the user, as keys of `impuOf`: the IMPU, those of an included 200, tel URIs of their numbers. */
  readonly identities: readonly string[];
}

/** What a third-party REGISTER came to. */
export interface RegisterTaken {
  readonly impu: string;
  /** Seconds; 0: the user is gone. */
  readonly expires: number;
  readonly contact: string;
  readonly parts: readonly RegisterPart[];
}

const maxUsers = 100_000;
const maxIdentities = 50;
const defaultExpires = 3600;

/**
 * Who is registered, by third-party REGISTER. Of more than 100,000 users the one told of first is forgotten.
 * Source: TS 24.229 5.4.1.7, 5.7.1.1; requirements S-50 to S-52.
 */
export class RegisteredUsers {
  readonly #nowMs: () => number;
  readonly #users = new Map<string, RegisteredUser>();
  /** IMPU of the user whom each identity belongs to. */
  readonly #owners = new Map<string, string>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  get size(): number {
    return this.#users.size;
  }

  /** Takes a REGISTER; a ParseFailure where it says not who, or where. */
  take(request: SipRequest): RegisterTaken | ParseFailure {
    const impu = impuOf(bareUri(request.headers.get(Header.To) ?? ''));
    if (impu instanceof ParseFailure) return impu;
    const contacts = parseContacts(request.headers.values(Header.Contact));
    if (contacts instanceof ParseFailure) return contacts;
    const contact = contacts.contacts[0]?.uri ?? '';
    const value = request.headers.get(Header.Expires);
    const general = value === null ? defaultExpires : parseClipped(value, maxDeltaSeconds);
    if (general instanceof ParseFailure) return general;
    const own = contacts.contacts[0]?.expires ?? -1;
    const expires = own >= 0 ? own : general;
    const parts = readParts(request);
    if (parts instanceof ParseFailure) return parts;
    this.#forget(impu);
    if (expires > 0) this.#remember({ impu, contact, parts, expires }, identitiesOf(impu, parts, request));
    return { impu, expires, contact, parts };
  }

  /** The registered user with this identity (`sip:alice@ims.test`, `tel:+15550001`), null when there is none. */
  find(identity: string): RegisteredUser | null {
    const owner = this.#owners.get(identity);
    const user = owner === undefined ? undefined : this.#users.get(owner);
    if (user === undefined) return null;
    if (user.expiresMs > this.#nowMs()) return user;
    this.#forget(user.impu);
    return null;
  }

  /** Learns from what the network asserts that a registered user has a number. */
  learnNumber(identity: string, number: string): void {
    const user = this.find(identity);
    const key = `tel:${number}`;
    if (user === null || this.#owners.has(key) || user.identities.length >= maxIdentities) return;
    this.#users.set(user.impu, { ...user, identities: [...user.identities, key] });
    this.#owners.set(key, user.impu);
  }

  #remember({ impu, contact, parts, expires }: RegisterTaken, identities: readonly string[]): void {
    const oldest = this.#users.size >= maxUsers ? this.#users.keys().next().value : undefined;
    if (oldest !== undefined) this.#forget(oldest);
    this.#users.set(impu, { impu, contact, parts, identities, expiresMs: this.#nowMs() + expires * 1000 });
    for (const identity of identities) this.#owners.set(identity, impu);
  }

  #forget(impu: string): void {
    for (const identity of this.#users.get(impu)?.identities ?? []) {
      if (this.#owners.get(identity) === impu) this.#owners.delete(identity);
    }
    this.#users.delete(impu);
  }
}

/** The telephone number (`+15550001`) of an identity, null when it has none. Source: RFC 3966 3, TS 23.003 13.4. */
export function numberOfIdentity(identity: string): string | null {
  const uri = parseUri(identity);
  if (uri instanceof ParseFailure || uri.kind === 'other') return null;
  const text = uri.kind === 'tel' ? withoutSeparators(uri.number) : uri.user;
  if (text.length < 2 || text.length > 21 || text.charCodeAt(0) !== 43) return null;
  for (let i = 1; i < text.length; i++) if (text.charCodeAt(i) < 48 || text.charCodeAt(i) > 57) return null;
  return text;
}

function readParts(request: SipRequest): RegisterPart[] | ParseFailure {
  const value = request.headers.get(Header['Content-Type']);
  if (value === null || request.body === '') return [];
  const type = parseContentType(value);
  if (type instanceof ParseFailure) return type;
  if (!isMultipart(type)) return [{ mediaType: type.mediaType, content: request.body }];
  const parts = parseMultipart(request.body, type);
  if (parts instanceof ParseFailure) return parts;
  return parts.map(({ contentType, start, end }) => ({
    mediaType: contentType.mediaType,
    content: request.body.slice(start, end),
  }));
}

/** The identity itself, and the P-Associated-URI of the 200 that the S-CSCF put in. Source: TS 24.229 5.4.1.7A. */
function identitiesOf(impu: string, parts: readonly RegisterPart[], { flow }: SipRequest): string[] {
  const identities = new Set([impu]);
  for (const { mediaType, content } of parts) {
    if (mediaType !== 'message/sip' || flow === null) continue;
    const message = parseMessage(content, flow);
    if (message.kind !== 'response') continue;
    for (const value of message.headers.values(Header['P-Associated-URI'])) {
      const other = impuOf(bareUri(value));
      if (!(other instanceof ParseFailure) && identities.size < maxIdentities) identities.add(other);
    }
  }
  for (const identity of [...identities]) {
    const number = numberOfIdentity(identity);
    if (number !== null) identities.add(`tel:${number}`);
  }
  return [...identities];
}
