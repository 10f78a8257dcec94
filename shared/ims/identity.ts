import { ParseFailure } from '#sip/errors';
import type { SipUri } from '#sip/uri/sip-uri';
import { type TelUri, withoutSeparators } from '#sip/uri/tel-uri';
import { parseUri } from '#sip/uri/uri';

const MAX_IMPI = 255;

/**
 * The public identity a URI stands for, as a key: `sip:user@host` or `tel:number`, nothing else of it. Host in lower case,
 * escapes of characters that need none undone, a tel number without visual separators, with its phone-context if it is
 * local. The scheme stays (`sips:` too). Takes To, From, Request-URI and the identities of a profile; garbage and
 * other schemes are a ParseFailure.
 * Source: TS 29.228 6.1.1, TS 23.003 13.4.
 */
export function impuOf(uriText: string): string | ParseFailure {
  const uri = parseUri(uriText);
  if (uri instanceof ParseFailure) return uri;
  if (uri.kind === 'sip') return sipKey(uri.scheme, uri);
  if (uri.kind === 'tel') return telKey(uri);
  return new ParseFailure(`no public identity in a ${uri.scheme} URI`);
}

/**
 * The public identity that a To registers: as `impuOf`, but `sips:` is `sip:`, since an HSS has no identity of that scheme.
 * Source: TS 23.003 13.4; requirement E.6 (PyHSS cuts four characters off and takes the rest for the user).
 */
export function registeringIdentityOf(uriText: string): string | ParseFailure {
  const impu = impuOf(uriText);
  return impu instanceof ParseFailure || !impu.startsWith('sips:') ? impu : `sip:${impu.slice(5)}`;
}

/**
 * The public identity to look a called party up by: as `impuOf`, and a telephone number in a SIP URI
 * (`+digits`, user=phone) becomes its tel URI, `sips:`, `pres:` and `im:` become `sip:`.
 * Source: TS 24.229 5.3.2.1, TS 29.228 6.1.4.
 */
export function lookupIdentityOf(uriText: string): string | ParseFailure {
  let uri = parseUri(uriText);
  if (!(uri instanceof ParseFailure) && uri.kind === 'other' && (uri.scheme === 'pres' || uri.scheme === 'im')) {
    uri = parseUri(`sip:${uri.opaque}`);
  }
  if (uri instanceof ParseFailure) return uri;
  if (uri.kind === 'tel') return telKey(uri);
  if (uri.kind === 'other') return new ParseFailure(`no public identity in a ${uri.scheme} URI`);
  return globalNumberOf(uri) ?? sipKey('sip', uri);
}

/**
 * The private identity of a REGISTER: the `username` of its Authorization or, without one (null or empty), the public
 * identity without its scheme.
 * Source: TS 24.229 5.3.1.2, TS 23.003 13.3.
 */
export function impiFrom(username: string | null, impu: string): string | ParseFailure {
  const impi = username === null || username === '' ? impu.slice(impu.indexOf(':') + 1) : username;
  if (impi.length === 0 || impi.length > MAX_IMPI) return new ParseFailure(`private identity of ${impi.length} octets`);
  for (let i = 0; i < impi.length; i++) {
    const code = impi.charCodeAt(i);
    if (code <= 0x20 || code === 0x7f) return new ParseFailure('blank or control character in the private identity', i);
  }
  return impi;
}

/** tel key of a SIP URI with user=phone and a global number; null for any other. */
function globalNumberOf(uri: SipUri): string | null {
  if (!isPhone(uri) || uri.user.charCodeAt(0) !== 0x2b) return null;
  const semicolon = uri.user.indexOf(';');
  const number = withoutSeparators(semicolon < 0 ? uri.user : uri.user.slice(0, semicolon));
  for (let i = 1; i < number.length; i++) {
    const code = number.charCodeAt(i);
    if (code < 0x30 || code > 0x39) return null;
  }
  return number.length > 1 ? `tel:${number}` : null;
}

function isPhone(uri: SipUri): boolean {
  return uri.parameters.get('user')?.toLowerCase() === 'phone';
}

function sipKey(scheme: string, uri: SipUri): string {
  const host = uri.host.includes(':') ? `[${uri.host}]` : uri.host;
  return uri.user === '' ? `${scheme}:${host}` : `${scheme}:${normaliseEscapes(uri.user)}@${host}`;
}

function telKey(uri: TelUri): string {
  const number = withoutSeparators(uri.number);
  if (number.charCodeAt(0) === 0x2b) return `tel:${number}`;
  const context = uri.parameters.get('phone-context');
  const local = `tel:${number.toLowerCase()}`;
  if (context === null || context === '') return local;
  const isNumber = context.charCodeAt(0) === 0x2b;
  return `${local};phone-context=${isNumber ? withoutSeparators(context) : context.toLowerCase()}`;
}

/** `%61` is `a`; what has to stay escaped gets upper case digits. Source: RFC 3261 19.1.4. */
function normaliseEscapes(user: string): string {
  let percent = user.indexOf('%');
  if (percent < 0) return user;
  let result = '';
  let from = 0;
  while (percent >= 0) {
    const code = Number.parseInt(user.slice(percent + 1, percent + 3), 16);
    result += user.slice(from, percent);
    result += isUnreserved(code) ? String.fromCharCode(code) : user.slice(percent, percent + 3).toUpperCase();
    from = percent + 3;
    percent = user.indexOf('%', from);
  }
  return result + user.slice(from);
}

/** Source: RFC 3261 25.1. */
function isUnreserved(code: number): boolean {
  if ((code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || (code >= 0x30 && code <= 0x39)) return true;
  return code > 0x20 && code < 0x7f && "-_.!~*'()".includes(String.fromCharCode(code));
}
