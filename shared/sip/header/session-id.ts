import { ParseFailure } from '#sip/errors';
import { hexClass, skipBlanks, skipClass } from '#sip/uri/characters';
import { type Parameters, parseHeaderParameters } from '#sip/uri/parameters';

/** Session-ID: both halves of the identifier that a session keeps from end to end. */
export interface SessionId {
  /** 32 hexadecimal digits, in lower case; all zero when it is not known. */
  readonly local: string;
  /** As `local`, '' when it is not there (senders of RFC 7329). */
  readonly remote: string;
  /** All parameters as received, remote included. */
  readonly parameters: Parameters;
}

const digits = 32;

/** Reads a Session-ID; capitals are taken as well. Source: RFC 7989 5; requirement C-33. */
export function parseSessionId(value: string): SessionId | ParseFailure {
  const from = skipBlanks(value, 0, value.length);
  const end = skipClass(value, from, value.length, hexClass);
  if (end - from !== digits) return new ParseFailure('malformed session identifier', from);
  const parameters = parseHeaderParameters(value, end);
  if (parameters instanceof ParseFailure) return parameters;
  const remote = parameters.get('remote') ?? '';
  if (remote !== '' && (remote.length !== digits || skipClass(remote, 0, digits, hexClass) !== digits)) {
    return new ParseFailure('malformed remote session identifier', end);
  }
  return { local: value.slice(from, end).toLowerCase(), remote: remote.toLowerCase(), parameters };
}

/** Writes a Session-ID; `remote` is taken from the parameters. */
export function formatSessionId({ local, parameters }: Pick<SessionId, 'local' | 'parameters'>): string {
  return local + parameters.raw;
}
