import { ParseFailure } from '#sip/errors';
import { equalsIgnoreCase, skipBlanks } from '#sip/uri/characters';
import { digitsEnd } from '#sip/uri/host-port';
import { type Parameters, parseHeaderParameters } from '#sip/uri/parameters';
import { clippedAt, maxDeltaSeconds } from './number-value.ts';

export interface SessionExpires {
  readonly seconds: number;
  /** '' when absent or of another value. */
  readonly refresher: 'uac' | 'uas' | '';
}

interface SecondsAndParameters {
  readonly seconds: number;
  readonly parameters: Parameters;
}

/** Reads a Session-Expires; an overlong number is clipped. Source: RFC 4028 4. */
export function parseSessionExpires(value: string): SessionExpires | ParseFailure {
  const parsed = parseSecondsAndParameters(value);
  if (parsed instanceof ParseFailure) return parsed;
  const text = parsed.parameters.get('refresher') ?? '';
  const refresher = equalsIgnoreCase(text, 'uac') ? 'uac' : equalsIgnoreCase(text, 'uas') ? 'uas' : '';
  return { seconds: parsed.seconds, refresher };
}

/** Reads a Min-SE, in seconds. Source: RFC 4028 5. */
export function parseMinSe(value: string): number | ParseFailure {
  const parsed = parseSecondsAndParameters(value);
  return parsed instanceof ParseFailure ? parsed : parsed.seconds;
}

function parseSecondsAndParameters(value: string): SecondsAndParameters | ParseFailure {
  const from = skipBlanks(value, 0, value.length);
  const end = digitsEnd(value, from, value.length);
  const seconds = clippedAt(value, from, end, maxDeltaSeconds);
  if (seconds instanceof ParseFailure) return seconds;
  const parameters = parseHeaderParameters(value, end);
  return parameters instanceof ParseFailure ? parameters : { seconds, parameters };
}

/** Writes a Session-Expires. */
export function formatSessionExpires(session: SessionExpires): string {
  return session.refresher === '' ? String(session.seconds) : `${session.seconds};refresher=${session.refresher}`;
}

/** Writes a Min-SE. */
export function formatMinSe(seconds: number): string {
  return String(seconds);
}
