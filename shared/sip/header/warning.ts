import { ParseFailure } from '#sip/errors';
import { isBlank, quotedEnd, skipBlanks } from '#sip/uri/characters';
import { splitListValues } from './list-values.ts';
import { decimalAt } from './number-value.ts';
import { quote, unquote } from './token.ts';

/** One value of a Warning header. */
export interface Warning {
  readonly code: number;
  /** Host (with port) or pseudonym of who warns, as received. */
  readonly agent: string;
  /** Unquoted. */
  readonly text: string;
}

/** Reads all values of a Warning field. Source: RFC 3261 20.43. */
export function parseWarnings(value: string): Warning[] | ParseFailure {
  const parts = splitListValues(value);
  if (parts instanceof ParseFailure) return parts;
  const warnings: Warning[] = [];
  for (const part of parts) {
    const code = part.length > 3 && isBlank(part.charCodeAt(3)) ? decimalAt(part, 0, 3, 999) : -1;
    if (code instanceof ParseFailure || code < 100) return new ParseFailure('malformed warn-code');
    const agentStart = skipBlanks(part, 4, part.length);
    let agentEnd = agentStart;
    while (agentEnd < part.length && !isBlank(part.charCodeAt(agentEnd)) && part.charCodeAt(agentEnd) !== 34)
      agentEnd++;
    if (agentEnd === agentStart) return new ParseFailure('no warn-agent', agentStart);
    const textStart = skipBlanks(part, agentEnd, part.length);
    if (part.charCodeAt(textStart) !== 34 || quotedEnd(part, textStart, part.length) !== part.length) {
      return new ParseFailure('malformed warn-text', textStart);
    }
    warnings.push({ code, agent: part.slice(agentStart, agentEnd), text: unquote(part.slice(textStart)) });
  }
  return warnings;
}

/** Writes a Warning value, 399 unless told otherwise; the text is quoted and escaped. */
export function formatWarning(agent: string, text: string, code = 399): string {
  return `${code} ${agent} ${quote(text)}`;
}
