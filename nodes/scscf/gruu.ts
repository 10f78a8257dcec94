import { createCipheriv, createDecipheriv, hash, type KeyObject } from 'node:crypto';
import { lookupIdentityOf } from '#ims/identity';
import { ParseFailure } from '#sip/errors';
import { parametersStart } from '#sip/header/name-addr';
import { quote } from '#sip/header/token';
import type { SipRequest } from '#sip/message/request';
import { randomOctets } from '#sip/random-octets';
import { isOf, uriParameterClass } from '#sip/uri/characters';
import { withoutParameter, withParameter } from '#sip/uri/parameters';
import { isEmergency } from './registrar.ts';
import { type Binding, identityOf, type Registration } from './registration.ts';

/** The GRUUs of one contact. */
export interface Gruus {
  readonly publicGruu: string;
  readonly temporaryGruu: string;
}

/** What a GRUU says of whom it leads to. */
export type Gruu =
  | { readonly kind: 'public'; readonly impu: string; readonly instance: string }
  | {
      readonly kind: 'temporary';
      readonly impu: string;
      /** Short hashes in hexadecimal: of the instance, and of the Call-ID it was registered with. */
      readonly instance: string;
      readonly callId: string;
    };

/** Octets of the secret that temporary GRUUs are sealed with. */
export const GRUU_SECRET_LENGTH = 32;

const CIPHER = 'aes-256-gcm';
const IV_LENGTH = 12;
const TAG_LENGTH = 12;
const HASH_LENGTH = 8;
const SEAL_LENGTH = IV_LENGTH + TAG_LENGTH + 2 * HASH_LENGTH;
/** So that an HSS can have all of them as one wildcarded PSI. */
const PREFIX = 'tgruu.';
const MAX_USER = 1024;
/** Longer instances get no GRUU, nor do longer identities: the URI must stay one that everybody takes. */
const MAX_INSTANCE = 255;
const MAX_IMPU = 255;

/**
 * The identity that the GRUUs of a registration are made of: the registered one when it is a sip identity, else the first
 * of the set; null when the registered one is barred or there is none. Source: TS 24.229 5.4.7A.2; requirement S-41.
 */
export function gruuIdentity(registration: Registration, impu: string): string | null {
  const registered = identityOf(registration, impu);
  if (registered === null || registered.barred) return null;
  if (impu.startsWith('sip:')) return impu;
  for (const identity of registration.identities) {
    if (!identity.barred && !identity.wildcard && identity.impu.startsWith('sip:')) return identity.impu;
  }
  return null;
}

/**
 * The GRUUs of a contact, the temporary one new with each call; null for a contact without a usable instance and for one
 * of an emergency registration.
 *
 * A temporary GRUU holds all that is needed to find its contact, sealed with `secret`: nothing is stored for it. It is as
 * good as the registrations of its instance with the same Call-ID. Source: RFC 5627 3.1.2, 5.2; requirement S-41.
 */
export function makeGruus(binding: Binding, impu: string, homeDomain: string, secret: KeyObject): Gruus | null {
  const urn = urnOf(binding.instance);
  if (urn === '' || urn.length > MAX_INSTANCE || impu.length > MAX_IMPU || isEmergency(binding)) return null;
  const temporaryGruu = `sip:${PREFIX}${seal(binding, urn, impu, secret)}@${homeDomain};gr`;
  return { publicGruu: `${impu};gr=${escapeUrn(urn)}`, temporaryGruu };
}

/** A Contact value with these GRUUs; what the UE wrote in their place goes. Source: RFC 5627 5.2; requirement S-36. */
export function contactWithGruus(contact: string, gruus: Gruus | null): string {
  const start = parametersStart(contact);
  let raw = withoutParameter(withoutParameter(contact.slice(start), 'pub-gruu'), 'temp-gruu');
  if (gruus !== null) {
    raw = withParameter(raw, 'pub-gruu', quote(gruus.publicGruu));
    raw = withParameter(raw, 'temp-gruu', quote(gruus.temporaryGruu));
  }
  return contact.slice(0, start) + raw;
}

/**
 * The GRUU in a Request-URI: null when it is none, a ParseFailure when it looks like one but was not given here.
 * Source: RFC 5627 4.1, 5.4.
 */
export function readGruu(
  { uri, requestUri }: Pick<SipRequest, 'uri' | 'requestUri'>,
  homeDomain: string,
  secret: KeyObject,
): Gruu | ParseFailure | null {
  if (uri instanceof ParseFailure || uri.kind !== 'sip') return null;
  const gr = uri.parameters.get('gr');
  if (gr === null) return null;
  if (gr !== '') {
    const impu = lookupIdentityOf(requestUri);
    return impu instanceof ParseFailure ? impu : { kind: 'public', impu, instance: withoutEscapes(gr).toLowerCase() };
  }
  if (uri.host !== homeDomain) return new ParseFailure('temporary GRUU of another domain');
  if (!uri.user.startsWith(PREFIX) || uri.user.length > MAX_USER) return new ParseFailure('no temporary GRUU of ours');
  return unseal(uri.user.slice(PREFIX.length), secret);
}

/**
 * The contacts a GRUU stands for, of those of its registration: none when its instance has none, null when it is a
 * temporary one that a registration with another Call-ID has made void. Source: RFC 5627 3.1.2, 5.4.
 */
export function contactsOfGruu(gruu: Gruu, bindings: readonly Binding[]): readonly Binding[] | null {
  if (gruu.kind === 'public') {
    return bindings.filter((binding) => urnOf(binding.instance).toLowerCase() === gruu.instance);
  }
  const found = bindings.filter((binding) => {
    const urn = urnOf(binding.instance);
    return urn !== '' && hashOf(urn.toLowerCase()).toString('hex') === gruu.instance;
  });
  if (found.length === 0) return found;
  return found.some((binding) => hashOf(binding.callId).toString('hex') === gruu.callId) ? found : null;
}

/** `<urn:...>` without its brackets. */
function urnOf(instance: string): string {
  return instance.startsWith('<') && instance.endsWith('>') ? instance.slice(1, -1) : instance;
}

function seal(binding: Binding, urn: string, impu: string, secret: KeyObject): string {
  const iv = randomOctets(IV_LENGTH);
  const cipher = createCipheriv(CIPHER, secret, iv, { authTagLength: TAG_LENGTH });
  const plain = Buffer.concat([hashOf(urn.toLowerCase()), hashOf(binding.callId), Buffer.from(impu, 'latin1')]);
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url');
}

function unseal(text: string, secret: KeyObject): Gruu | ParseFailure {
  const octets = Buffer.from(text, 'base64url');
  if (octets.length <= SEAL_LENGTH) return new ParseFailure('temporary GRUU too short');
  const decipher = createDecipheriv(CIPHER, secret, octets.subarray(0, IV_LENGTH), { authTagLength: TAG_LENGTH });
  decipher.setAuthTag(octets.subarray(IV_LENGTH, IV_LENGTH + TAG_LENGTH));
  const plain = decipher.update(octets.subarray(IV_LENGTH + TAG_LENGTH));
  try {
    decipher.final();
  } catch {
    return new ParseFailure('temporary GRUU with a wrong seal');
  }
  return {
    kind: 'temporary',
    impu: plain.toString('latin1', 2 * HASH_LENGTH),
    instance: plain.toString('hex', 0, HASH_LENGTH),
    callId: plain.toString('hex', HASH_LENGTH, 2 * HASH_LENGTH),
  };
}

function hashOf(text: string): Buffer {
  return hash('sha256', Buffer.from(text, 'latin1'), 'buffer').subarray(0, HASH_LENGTH);
}

/** Source: RFC 3261 25.1 (pvalue). */
function escapeUrn(urn: string): string {
  let escaped = '';
  for (let i = 0; i < urn.length; i++) {
    const code = urn.charCodeAt(i);
    if (isOf(code, uriParameterClass)) escaped += urn[i]!;
    else escaped += `%${code.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return escaped;
}

/** Every escape undone; the parser has checked that they are whole. */
function withoutEscapes(text: string): string {
  let plain = '';
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) !== 0x25) {
      plain += text[i]!;
      continue;
    }
    plain += String.fromCharCode(Number.parseInt(text.slice(i + 1, i + 3), 16));
    i += 2;
  }
  return plain;
}
