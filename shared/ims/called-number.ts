import { ParseFailure } from '#sip/errors';
import { Parameters, withoutParameter } from '#sip/uri/parameters';
import type { SipUri } from '#sip/uri/sip-uri';
import { parseTelUri, type TelUri, withoutSeparators } from '#sip/uri/tel-uri';
import type { Uri } from '#sip/uri/uri';
import { type DialRule, internationalNumber, isInternational } from './dial-plan.ts';

/** A telephone number that a Request-URI names. */
export interface CalledNumber {
  /** Without visual separators; `+` and digits where it is international. */
  readonly number: string;
  readonly isGlobal: boolean;
  /** Phone-context of a local number: '' for the home domain or none, numeric ones without separators. */
  readonly context: string;
  /** Parameters of the number (`;npdi;rn=...`) without its phone-context, '' for none. */
  readonly parameters: string;
  /**
   * Whether somebody has looked for its operator before (npdi), or knows it (rn): the number alone does not say any more
   * where the call goes. Source: RFC 4694 5, 6.
   */
  readonly isDipped: boolean;
}

/**
 * The telephone number of a Request-URI: of a tel URI, or of a SIP URI with user=phone of this domain. A phone number in
 * another domain belongs to that domain. Null when there is none.
 *
 * Source: RFC 3966, RFC 3261 19.1.6, TS 24.229 5.4.3.2; requirement S-113.
 */
export function calledNumberOf(uri: Uri, homeDomain: string): CalledNumber | null {
  const tel = telOf(uri, homeDomain);
  if (tel === null) return null;
  const number = withoutSeparators(tel.number);
  const isGlobal = isInternational(number);
  // Two plus signs, or more digits than there are numbers for.
  if (!isGlobal && number.charCodeAt(0) === 0x2b) return null;
  const { parameters } = tel;
  return {
    number: isGlobal ? number : number.toLowerCase(),
    isGlobal,
    context: isGlobal ? '' : contextOf(parameters.get('phone-context') ?? '', homeDomain),
    parameters: withoutParameter(parameters.raw, 'phone-context'),
    isDipped: parameters.has('npdi') || parameters.has('rn'),
  };
}

/** A local number as an international one, where the dial plan has a rule for it; its parameters stay. Else null. */
export function globalised(called: CalledNumber, rules: readonly DialRule[]): CalledNumber | null {
  const number = internationalNumber(rules, called.number, called.context);
  return number === null ? null : { ...called, number, isGlobal: true, context: '' };
}

/** A tel URI of a number, with its parameters. */
export function telUriOf({ number, parameters }: CalledNumber): string {
  return `tel:${number}${parameters}`;
}

/** A SIP URI of this domain for a number, with its parameters. Source: RFC 3261 19.1.6. */
export function phoneUriOf({ number, parameters }: CalledNumber, homeDomain: string): string {
  return `sip:${asUser(number + parameters)}@${homeDomain};user=phone`;
}

function telOf(uri: Uri, homeDomain: string): Pick<TelUri, 'number' | 'parameters'> | null {
  switch (uri.kind) {
    case 'tel':
      return uri;
    case 'sip':
      return isPhoneOf(uri, homeDomain) ? telInside(uri) : null;
    case 'other':
      return null;
  }
}

function isPhoneOf(uri: SipUri, homeDomain: string): boolean {
  return uri.host === homeDomain && uri.parameters.get('user')?.toLowerCase() === 'phone';
}

/** The user part read as what follows `tel:`; null for a user part that is no number. */
function telInside({ user }: SipUri): Pick<TelUri, 'number' | 'parameters'> | null {
  const text = user.includes('%') ? unescapeBrackets(user) : user;
  const tel = parseTelUri(`tel:${text}`);
  return tel instanceof ParseFailure ? null : { number: tel.number, parameters: new Parameters(tel.parameters.raw) };
}

function contextOf(context: string, homeDomain: string): string {
  if (context.charCodeAt(0) === 0x2b) return withoutSeparators(context);
  const name = context.toLowerCase();
  return name === homeDomain ? '' : name;
}

/** Characters of tel parameters that a user part has to escape. Source: RFC 3261 25.1, RFC 3966 3. */
const escaped: readonly (readonly [string, string])[] = [
  ['#', '%23'],
  ['[', '%5B'],
  [']', '%5D'],
  [':', '%3A'],
];

function asUser(text: string): string {
  return escaped.reduce((user, [plain, code]) => user.replaceAll(plain, code), text);
}

function unescapeBrackets(user: string): string {
  return escaped.reduce(
    (text, [plain, code]) => text.replaceAll(code, plain).replaceAll(code.toLowerCase(), plain),
    user,
  );
}
