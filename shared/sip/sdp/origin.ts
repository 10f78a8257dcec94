import { ParseFailure } from '#sip/errors';
import { wordsOf } from './sdp-lines.ts';

/** Who made a session description, and which version of it this is. */
export interface Origin {
  readonly username: string;
  /** Digits; too long for a number now and then. */
  readonly sessionId: string;
  readonly sessionVersion: string;
  readonly networkType: string;
  readonly addressType: string;
  readonly address: string;
}

/** Reads the value of an o= line. Source: RFC 8866 5.2. */
export function parseOrigin(value: string): Origin | ParseFailure {
  const [username, sessionId, sessionVersion, networkType, addressType, address, more] = wordsOf(value, 7);
  if (
    username === undefined ||
    sessionId === undefined ||
    sessionVersion === undefined ||
    networkType === undefined ||
    addressType === undefined ||
    address === undefined ||
    more !== undefined
  ) {
    return new ParseFailure('malformed origin');
  }
  return { username, sessionId, sessionVersion, networkType, addressType, address };
}

/** Writes the value of an o= line. */
export function formatOrigin(origin: Origin): string {
  const { username, sessionId, sessionVersion, networkType, addressType, address } = origin;
  return [username, sessionId, sessionVersion, networkType, addressType, address].join(' ');
}
