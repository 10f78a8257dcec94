import { ParseFailure } from '#sip/errors';
import { parseHeaderParameters } from '#sip/uri/parameters';
import { splitListValues } from './list-values.ts';
import { parseDecimal } from './number-value.ts';
import { quote, tokenEnd, unquote } from './token.ts';

/** One value of a Reason header. */
export interface Reason {
  /** `SIP`, `Q.850` and so on, as received. */
  readonly protocol: string;
  /** -1 when absent. */
  readonly cause: number;
  /** Unquoted, '' when absent. */
  readonly text: string;
}

const maxCause = 0xffff_ffff;

/** Reads all values of a Reason field. Source: RFC 3326 2. */
export function parseReasons(value: string): Reason[] | ParseFailure {
  const parts = splitListValues(value);
  if (parts instanceof ParseFailure) return parts;
  const reasons: Reason[] = [];
  for (const part of parts) {
    const end = tokenEnd(part, 0);
    if (end === 0) return new ParseFailure('malformed protocol');
    const parameters = parseHeaderParameters(part, end);
    if (parameters instanceof ParseFailure) return parameters;
    const causeText = parameters.get('cause');
    const cause = causeText === null ? -1 : parseDecimal(causeText, maxCause);
    if (cause instanceof ParseFailure) return new ParseFailure('malformed cause');
    reasons.push({ protocol: part.slice(0, end), cause, text: unquote(parameters.get('text') ?? '') });
  }
  return reasons;
}

/** Writes one Reason value: `SIP;cause=503;text="Service Unavailable"`. */
export function formatReason(reason: Reason): string {
  let text = reason.protocol;
  if (reason.cause >= 0) text += `;cause=${reason.cause}`;
  return reason.text === '' ? text : `${text};text=${quote(reason.text)}`;
}
