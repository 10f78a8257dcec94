import { ParseFailure } from '#sip/errors';
import { lowerSlice, skipBlanks } from '#sip/uri/characters';
import { type Parameters, parseHeaderParameters } from '#sip/uri/parameters';
import { tokenEnd, unquote } from './token.ts';

/** A media type: Content-Type, and one value of Accept. */
export interface ContentType {
  /** `application/sdp`, in lower case without blanks; in Accept also with `*`. */
  readonly mediaType: string;
  readonly parameters: Parameters;
}

/** Reads a Content-Type; blanks may stand around the slash. Source: RFC 3261 20.15, 25.1 (media-type). */
export function parseContentType(value: string): ContentType | ParseFailure {
  const from = skipBlanks(value, 0, value.length);
  const typeEnd = tokenEnd(value, from);
  const slash = skipBlanks(value, typeEnd, value.length);
  if (typeEnd === from || value.charCodeAt(slash) !== 47) return new ParseFailure('malformed media type', from);
  const subtypeAt = skipBlanks(value, slash + 1, value.length);
  const subtypeEnd = tokenEnd(value, subtypeAt);
  if (subtypeEnd === subtypeAt) return new ParseFailure('malformed media subtype', subtypeAt);
  const parameters = parseHeaderParameters(value, subtypeEnd);
  if (parameters instanceof ParseFailure) return parameters;
  const mediaType = `${lowerSlice(value, from, typeEnd)}/${lowerSlice(value, subtypeAt, subtypeEnd)}`;
  return { mediaType, parameters };
}

/** Writes a Content-Type. */
export function formatContentType({ mediaType, parameters }: ContentType): string {
  return mediaType + parameters.raw;
}

/** Value of a parameter without its quotes, null when it is absent. */
export function contentParameter({ parameters }: ContentType, name: string): string | null {
  const value = parameters.get(name);
  return value === null ? null : unquote(value);
}
