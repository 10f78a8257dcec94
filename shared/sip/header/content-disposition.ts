import { ParseFailure } from '#sip/errors';
import { equalsIgnoreCase, lowerSlice, skipBlanks } from '#sip/uri/characters';
import { type Parameters, parseHeaderParameters } from '#sip/uri/parameters';
import { tokenEnd } from './token.ts';

/** What a body, or one part of it, is for. */
export interface ContentDisposition {
  /** `session`, `render`, `early-session` and so on, in lower case. */
  readonly type: string;
  /** Whether a receiver that does not know the body may pass over it (handling=optional). */
  readonly optional: boolean;
  readonly parameters: Parameters;
}

/** Reads a Content-Disposition. Source: RFC 3261 20.11; RFC 5621 3.3. */
export function parseContentDisposition(value: string): ContentDisposition | ParseFailure {
  const from = skipBlanks(value, 0, value.length);
  const end = tokenEnd(value, from);
  if (end === from) return new ParseFailure('malformed disposition type', from);
  const parameters = parseHeaderParameters(value, end);
  if (parameters instanceof ParseFailure) return parameters;
  const optional = equalsIgnoreCase(parameters.get('handling') ?? '', 'optional');
  return { type: lowerSlice(value, from, end), optional, parameters };
}

/** Writes a Content-Disposition. */
export function formatContentDisposition({
  type,
  parameters,
}: Pick<ContentDisposition, 'type' | 'parameters'>): string {
  return type + parameters.raw;
}
