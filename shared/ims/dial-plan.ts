/** One rule of the dial plan: a prefix of dialled digits and what stands for it in the international number. */
export interface DialRule {
  /** Phone-context the rule is for, lower case; '' for the home domain. */
  readonly context: string;
  /** Digits, `*` and `#` that the number begins with; '' for any. */
  readonly prefix: string;
  /** `+` and digits. */
  readonly replace: string;
  /** How many characters the number must have; 0: any number. */
  readonly length: number;
}

/** Most digits of an international number. Source: E.164 6.2.1. */
const maxDigits = 15;

/**
 * The international number (`+` and digits) that local digits stand for: by the rule of their context with the longest
 * prefix, among equals the one that asks for a length, then the first. Null when no rule fits, or what it gives is no
 * number.
 *
 * `number`: without visual separators; `context`: phone-context, '' for the home domain, numeric ones without separators.
 * Source: TS 24.229 5.4.3.2, RFC 3966 5.1.5; requirements S-113, I-21.
 */
export function internationalNumber(rules: readonly DialRule[], number: string, context: string): string | null {
  let best: DialRule | null = null;
  for (const rule of rules) {
    if (rule.context !== context || !number.startsWith(rule.prefix)) continue;
    if (rule.length !== 0 && rule.length !== number.length) continue;
    if (best === null || isBetter(rule, best)) best = rule;
  }
  if (best === null) return null;
  const result = best.replace + number.slice(best.prefix.length);
  return isInternational(result) ? result : null;
}

function isBetter(rule: DialRule, than: DialRule): boolean {
  if (rule.prefix.length !== than.prefix.length) return rule.prefix.length > than.prefix.length;
  return rule.length !== 0 && than.length === 0;
}

/** Whether a text is `+` and 1 to 15 digits. Source: RFC 3966 5.1.4. */
export function isInternational(text: string): boolean {
  if (text.charCodeAt(0) !== 0x2b || text.length < 2 || text.length > maxDigits + 1) return false;
  for (let i = 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x30 || code > 0x39) return false;
  }
  return true;
}
