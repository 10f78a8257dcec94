import { ParseFailure } from '#sip/errors';
import { skipBlanks } from '#sip/uri/characters';
import { digitsEnd } from '#sip/uri/host-port';
import { parseHeaderParameters } from '#sip/uri/parameters';
import { clippedAt, maxDeltaSeconds, parseClipped } from './number-value.ts';

export interface RetryAfter {
  readonly seconds: number;
  /** How long the peer will be reachable from then on, -1 when it does not say. */
  readonly duration: number;
}

/** Reads a Retry-After, its comment passed over; overlong numbers are clipped. Source: RFC 3261 20.33. */
export function parseRetryAfter(value: string): RetryAfter | ParseFailure {
  const from = skipBlanks(value, 0, value.length);
  const end = digitsEnd(value, from, value.length);
  const seconds = clippedAt(value, from, end, maxDeltaSeconds);
  if (seconds instanceof ParseFailure) return seconds;
  const afterComment = commentEnd(value, skipBlanks(value, end, value.length));
  if (afterComment < 0) return new ParseFailure('unclosed comment', end);
  const parameters = parseHeaderParameters(value, afterComment);
  if (parameters instanceof ParseFailure) return parameters;
  const durationText = parameters.get('duration');
  const duration = durationText === null ? -1 : parseClipped(durationText, maxDeltaSeconds);
  return duration instanceof ParseFailure ? duration : { seconds, duration };
}

/** Position after the comment at `from` (or `from` when none opens there), -1 when it never closes. */
function commentEnd(text: string, from: number): number {
  if (text.charCodeAt(from) !== 40) return from;
  let depth = 0;
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 92) i++;
    else if (code === 40) depth++;
    else if (code === 41 && --depth === 0) return i + 1;
  }
  return -1;
}

/** Writes a Retry-After. */
export function formatRetryAfter(seconds: number): string {
  return String(seconds);
}
