import { ParseFailure } from '#sip/errors';
import { compileExpression, type ExtendedExpression, matchesExpression } from './extended-expression.ts';
import { impuOf } from './identity.ts';

/** Longest identity that is matched. */
const MAX_IDENTITY = 512;

/** What stands around the expression of a wildcarded identity, as it stands in the keys of `impuOf`. */
export interface WildcardLiterals {
  readonly prefix: string;
  readonly suffix: string;
  /** Characters of both: of several wildcards that match, the one with most counts. */
  readonly literalLength: number;
  /** The expression as written. */
  readonly expression: string;
}

/** A wildcarded public identity, ready to match. */
export interface Wildcard extends WildcardLiterals {
  readonly compiled: ExtendedExpression;
}

/**
 * Takes a wildcarded identity apart without looking into its expression, which stands between the first and the last `!`.
 * The rest is brought into the form of `impuOf`: host in lower case, no parameters, no visual separators.
 * Source: TS 23.003 13.4, 13.5; requirement S-26.
 */
export function literalsOf(text: string): WildcardLiterals | ParseFailure {
  if (text.length > MAX_IDENTITY) return new ParseFailure(`wildcard of ${text.length} characters`);
  const open = text.indexOf('!');
  const close = text.lastIndexOf('!');
  if (open < 0 || close === open) return new ParseFailure('no expression between two !');
  // Two stand-ins for the expression: where the keys differ is where it belongs.
  const before = text.slice(0, open);
  const after = text.slice(close + 1);
  const key = impuOf(`${before}1${after}`);
  const other = impuOf(`${before}2${after}`);
  if (key instanceof ParseFailure) return key;
  if (other instanceof ParseFailure) return other;
  let at = 0;
  while (at < key.length && key[at] === other[at]) at++;
  if (at === key.length || key.slice(at + 1) !== other.slice(at + 1)) {
    return new ParseFailure('the expression is in no part that identifies', open);
  }
  const expression = text.slice(open + 1, close);
  return { prefix: key.slice(0, at), suffix: key.slice(at + 1), literalLength: key.length - 1, expression };
}

/**
 * Reads a wildcarded public user or service identity: text between `!` is an extended regular expression, the rest
 * literal. A text without expression, or with one that cannot be used, is a ParseFailure.
 * Source: TS 23.003 13.4, 13.5; requirement S-26.
 */
export function parseWildcard(text: string): Wildcard | ParseFailure {
  const literals = literalsOf(text);
  if (literals instanceof ParseFailure) return literals;
  const compiled = compileExpression(literals.expression);
  return compiled instanceof ParseFailure ? compiled : { ...literals, compiled };
}

/** Whether the literal parts stand around an identity: a wildcard with others need not be compiled. */
export function fitsLiterals(literals: WildcardLiterals, impu: string): boolean {
  const { prefix, suffix, literalLength } = literals;
  if (impu.length < literalLength || impu.length > MAX_IDENTITY) return false;
  return impu.startsWith(prefix) && impu.endsWith(suffix);
}

/**
 * Whether an identity (a key of `impuOf`) is one of those a wildcard stands for. The expression has to match all that is
 * between the literal parts; it takes time in proportion to the length.
 * Source: TS 23.003 13.4, 13.5; requirement S-26.
 */
export function matchesWildcard(wildcard: Wildcard, impu: string): boolean {
  if (!fitsLiterals(wildcard, impu)) return false;
  const { compiled, prefix, suffix } = wildcard;
  return matchesExpression(compiled, impu, prefix.length, impu.length - suffix.length);
}
