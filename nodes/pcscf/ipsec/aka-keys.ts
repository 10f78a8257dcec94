import { parseDigest } from '#sip/auth/digest';
import { ParseFailure } from '#sip/errors';
import { type HeaderList, lineValue } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import { equalsIgnoreCase } from '#sip/uri/characters';
import type { AkaKeys } from './association-set.ts';

/** Hexadecimal digits of a key of 16 octets. */
const keyDigits = 32;

/**
 * CK and IK of the first AKA challenge among the WWW-Authenticate of a 401; `none` when none is an AKA challenge,
 * `incomplete` when it comes without two whole keys.
 *
 * Source: TS 24.229 5.2.2.1, RFC 3310 3; requirements P-30, P-31.
 */
export function readAkaKeys(headers: HeaderList): AkaKeys | 'none' | 'incomplete' {
  for (const line of headers.lines) {
    if (line.id !== Header['WWW-Authenticate']) continue;
    const challenge = parseDigest(lineValue(line));
    if (challenge instanceof ParseFailure || !isAka(challenge.get('algorithm'))) continue;
    const ck = keyOf(challenge.get('ck'));
    const ik = keyOf(challenge.get('ik'));
    return ck === null || ik === null ? 'incomplete' : { ck, ik };
  }
  return 'none';
}

function isAka(algorithm: string | null): boolean {
  const version = algorithm?.slice(0, 6) ?? '';
  return equalsIgnoreCase(version, 'AKAv1-') || equalsIgnoreCase(version, 'AKAv2-');
}

function keyOf(text: string | null): Buffer | null {
  if (text === null || text.length !== keyDigits) return null;
  const key = Buffer.from(text, 'hex');
  return key.length * 2 === keyDigits ? key : null;
}
