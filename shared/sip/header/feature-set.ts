import { ParseFailure } from '#sip/errors';
import { equalsIgnoreCase, isDigit } from '#sip/uri/characters';
import type { Parameters } from '#sip/uri/parameters';
import { isQuoted, trimBlanks, unquote } from './token.ts';

/** One value of a feature tag. */
export type FeatureValue =
  /** A token, or TRUE and FALSE. */
  | { readonly kind: 'token'; readonly negated: boolean; readonly text: string }
  /** What stands between `<` and `>`, compared by case. */
  | { readonly kind: 'string'; readonly negated: boolean; readonly text: string }
  /** A range of numbers, both ends within; ±Infinity where it is open. */
  | { readonly kind: 'range'; readonly negated: boolean; readonly from: number; readonly to: number };

/** A media feature tag of a Contact, Accept-Contact or Reject-Contact, and its values: one of them has to hold. */
export interface Feature {
  /** Without `+`, in lower case. */
  readonly tag: string;
  readonly values: readonly FeatureValue[];
}

/** Tags that stand without `+`. Source: RFC 3840 9. */
const baseTags: ReadonlySet<string> = new Set([
  'audio',
  'automata',
  'class',
  'duplex',
  'data',
  'control',
  'mobility',
  'description',
  'events',
  'priority',
  'methods',
  'schemes',
  'application',
  'video',
  'language',
  'type',
  'isfocus',
  'actor',
  'text',
  'extensions',
]);

/** More values of one tag than this make its parameter unreadable. */
const maxValues = 100;

/**
 * The features among the parameters of a Contact, Accept-Contact or Reject-Contact; all others, and those that cannot be
 * read, are left out. A tag without a value is TRUE.
 *
 * Source: RFC 3840 9, RFC 3841 7; requirement S-122.
 */
export function parseFeatures(parameters: Parameters): Feature[] {
  const features: Feature[] = [];
  for (const { name, value } of parameters.entries()) {
    const lower = name.toLowerCase();
    const extension = lower.startsWith('+');
    if (!extension && !baseTags.has(lower)) continue;
    const values = value === '' ? [flag] : parseValues(value);
    if (!(values instanceof ParseFailure)) features.push({ tag: extension ? lower.slice(1) : lower, values });
  }
  return features;
}

/**
 * Whether some value fits what is wanted of a tag and what a contact has under it: a token in any case, a string by its
 * case, a number that lies in both ranges. Values of different kinds have nothing in common.
 *
 * Source: RFC 2533 4, RFC 3841 7.2.4; requirement S-122.
 */
export function haveCommonValue(wanted: Feature, offered: Feature): boolean {
  return wanted.values.some((a) => offered.values.some((b) => overlap(a, b)));
}

function overlap(a: FeatureValue, b: FeatureValue): boolean {
  // What is neither this nor that there is always.
  if (a.negated && b.negated) return true;
  if (a.negated) return !covers(a, b);
  if (b.negated) return !covers(b, a);
  if (a.kind === 'range' || b.kind === 'range') {
    return a.kind === 'range' && b.kind === 'range' && a.from <= b.to && b.from <= a.to;
  }
  return isSameText(a, b);
}

/** Whether every value that `inner` means is one that `outer` means, both taken without their negation. */
function covers(outer: FeatureValue, inner: FeatureValue): boolean {
  if (outer.kind === 'range' || inner.kind === 'range') {
    return outer.kind === 'range' && inner.kind === 'range' && outer.from <= inner.from && inner.to <= outer.to;
  }
  return isSameText(outer, inner);
}

type FeatureText = Exclude<FeatureValue, { readonly kind: 'range' }>;

function isSameText(a: FeatureText, b: FeatureText): boolean {
  return a.kind === b.kind && (a.kind === 'token' ? equalsIgnoreCase(a.text, b.text) : a.text === b.text);
}

const flag: FeatureValue = Object.freeze({ kind: 'token', negated: false, text: 'TRUE' });

/** Quoted: a string in angle brackets, or a list; unquoted, as some phones write it, one token. */
function parseValues(text: string): FeatureValue[] | ParseFailure {
  const list = isQuoted(text) ? unquote(text) : text;
  const negated = list.startsWith('!');
  const start = negated ? 1 : 0;
  if (list.charCodeAt(start) === 60) {
    if (!list.endsWith('>') || list.length < start + 2) return new ParseFailure('unclosed bracket');
    return [{ kind: 'string', negated, text: list.slice(start + 1, -1) }];
  }
  const parts = list.split(',', maxValues + 1);
  if (parts.length > maxValues) return new ParseFailure('too many values');
  const values: FeatureValue[] = [];
  for (const part of parts) {
    const value = parseValue(trimBlanks(part));
    if (value instanceof ParseFailure) return value;
    values.push(value);
  }
  return values;
}

function parseValue(text: string): FeatureValue | ParseFailure {
  const negated = text.startsWith('!');
  const plain = negated ? text.slice(1) : text;
  if (plain === '') return new ParseFailure('empty value');
  if (plain.startsWith('#')) return parseRange(plain.slice(1), negated);
  return { kind: 'token', negated, text: plain };
}

/** `>=5`, `<=5`, `=5`, `3:7`. */
function parseRange(text: string, negated: boolean): FeatureValue | ParseFailure {
  const relation = text.startsWith('>=') || text.startsWith('<=') ? text.slice(0, 2) : text.startsWith('=') ? '=' : '';
  const colon = relation === '' ? text.indexOf(':') : -1;
  if (relation === '' && colon < 0) return new ParseFailure('malformed number');
  const first = numberIn(text, relation.length, colon < 0 ? text.length : colon);
  const last = colon < 0 ? first : numberIn(text, colon + 1, text.length);
  if (Number.isNaN(first) || Number.isNaN(last)) return new ParseFailure('malformed number');
  const from = relation === '<=' ? Number.NEGATIVE_INFINITY : first;
  const to = relation === '>=' ? Number.POSITIVE_INFINITY : last;
  return { kind: 'range', negated, from, to };
}

/** A number with sign and fraction, up to 15 digits; NaN when it is none. Source: RFC 3840 9. */
function numberIn(text: string, start: number, end: number): number {
  let i = start;
  if (text[i] === '+' || text[i] === '-') i++;
  const digitsAt = i;
  let dots = 0;
  for (; i < end; i++) {
    if (text[i] === '.' && ++dots === 1) continue;
    if (!isDigit(text.charCodeAt(i))) return Number.NaN;
  }
  const digits = end - digitsAt - dots;
  return digits < 1 || digits > 15 ? Number.NaN : Number(text.slice(start, end));
}
