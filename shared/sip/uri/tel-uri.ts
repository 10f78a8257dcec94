import { ParseFailure } from '#sip/errors';
import { equalsIgnoreCase, equalsUnescaped, isOf, matchesAt, skipClass, telClass } from './characters.ts';
import { noParameters, Parameters, scanUriParameters } from './parameters.ts';
import { maxUriLength } from './sip-uri.ts';

/** A `tel:` URI. */
export interface TelUri {
  readonly kind: 'tel';
  /** As received, visual separators included; a global number begins with `+`. */
  readonly number: string;
  readonly parameters: Parameters;
}

/**
 * Reads a tel URI. A local number without phone-context is accepted: terminals dial so, the network adds the context.
 *
 * Source: RFC 3966 3.
 */
export function parseTelUri(text: string): TelUri | ParseFailure {
  const to = text.length;
  if (to > maxUriLength) return new ParseFailure('URI too long', maxUriLength);
  if (!matchesAt(text, 0, 'tel:')) return new ParseFailure('not a tel URI');
  const global = text.charCodeAt(4) === 43;
  const end = skipClass(text, global ? 5 : 4, to, telClass);
  if (!isNumber(text, global ? 5 : 4, end, global)) return new ParseFailure('malformed telephone number', 4);
  if (end === to) return { kind: 'tel', number: text.slice(4), parameters: noParameters };
  const parametersEnd = scanUriParameters(text, end, to);
  if (parametersEnd < 0) return new ParseFailure('malformed URI parameters', -1 - parametersEnd);
  if (parametersEnd < to) return new ParseFailure('unexpected character in URI', parametersEnd);
  return { kind: 'tel', number: text.slice(4, end), parameters: new Parameters(text.slice(end)) };
}

/** A number has one digit at least; hexadecimal letters, `*` and `#` are for local numbers. */
function isNumber(text: string, from: number, to: number, global: boolean): boolean {
  let dialled = false;
  for (let i = from; i < to; i++) {
    const code = text.charCodeAt(i);
    if (isSeparator(code)) continue;
    if (global && (code < 48 || code > 57)) return false;
    dialled = true;
  }
  return dialled;
}

/** Writes a tel URI. */
export function formatTelUri(uri: TelUri): string {
  return `tel:${uri.number}${uri.parameters.raw}`;
}

/** A number without its visual separators. Source: RFC 3966 5.1.1. */
export function withoutSeparators(number: string): string {
  let kept = '';
  let from = 0;
  for (let i = 0; i < number.length; i++) {
    if (!isSeparator(number.charCodeAt(i))) continue;
    kept += number.slice(from, i);
    from = i + 1;
  }
  return from === 0 ? number : kept + number.slice(from);
}

function isSeparator(code: number): boolean {
  return code === 45 || code === 46 || code === 40 || code === 41;
}

/**
 * Whether two tel URIs are equivalent: the same number without separators, the same parameters in any order; ext and a
 * phone-context that is a number are compared without separators as well.
 *
 * Source: RFC 3966 4.
 */
export function telUriEquals(a: TelUri, b: TelUri): boolean {
  if (!equalsIgnoreCase(withoutSeparators(a.number), withoutSeparators(b.number))) return false;
  if (a.parameters.raw === b.parameters.raw) return true;
  return holdsAll(a.parameters, b.parameters) && holdsAll(b.parameters, a.parameters);
}

/** Whether the second list holds each parameter of the first, with the same value; both are as long. */
function holdsAll(some: Parameters, others: Parameters): boolean {
  const list = some.entries();
  if (list.length !== others.entries().length) return false;
  for (const { name, value } of list) {
    const other = others.get(name);
    if (other === null) return false;
    const plain =
      isNumericParameter(name, value) && isNumericParameter(name, other)
        ? equalsIgnoreCase(withoutSeparators(value), withoutSeparators(other))
        : equalsUnescaped(value, other, true);
    if (!plain) return false;
  }
  return true;
}

function isNumericParameter(name: string, value: string): boolean {
  if (equalsIgnoreCase(name, 'ext')) return true;
  return equalsIgnoreCase(name, 'phone-context') && value.charCodeAt(0) === 43 && isOf(value.charCodeAt(1), telClass);
}
