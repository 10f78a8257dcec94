import { createHmac } from 'node:crypto';
import { ParseFailure } from '#sip/errors';

/** Algorithm names of digest AKA as they stand in the `algorithm` parameter. */
export type AkaAlgorithm = 'AKAv1-MD5' | 'AKAv2-MD5';

/** What an AKA nonce carries: RAND and AUTN, 16 octets each, and server data of any length. */
export interface AkaNonce {
  readonly rand: Buffer;
  readonly autn: Buffer;
  readonly data: Buffer;
}

const MAX_NONCE = 1024;
const AUTS_OCTETS = 14;
const AKA_V2_LABEL = 'http-digest-akav2-password';

/** Nonce of an AKA challenge. RAND and AUTN have 16 octets each, else RangeError. Source: RFC 3310 3.2. */
export function formatAkaNonce(rand: Uint8Array, autn: Uint8Array, data?: Uint8Array): string {
  if (rand.length !== 16 || autn.length !== 16) throw new RangeError('RAND and AUTN have 16 octets each');
  return Buffer.concat(data === undefined ? [rand, autn] : [rand, autn, data]).toString('base64');
}

/** RAND, AUTN and server data of a nonce; what is no base64 of at least 32 octets is a ParseFailure. Source: RFC 3310 3.2. */
export function parseAkaNonce(nonce: string): AkaNonce | ParseFailure {
  if (nonce.length > MAX_NONCE) return new ParseFailure('nonce too long', MAX_NONCE);
  const octets = decodeBase64(nonce);
  if (octets instanceof ParseFailure) return octets;
  if (octets.length < 32) return new ParseFailure('nonce is shorter than RAND and AUTN');
  return { rand: octets.subarray(0, 16), autn: octets.subarray(16, 32), data: octets.subarray(32) };
}

/** AUTS, 14 octets, out of the `auts` parameter. Source: RFC 3310 3.4. */
export function parseAuts(text: string): Buffer | ParseFailure {
  if (text.length > 32) return new ParseFailure('auts too long', 32);
  const octets = decodeBase64(text);
  if (octets instanceof ParseFailure) return octets;
  return octets.length === AUTS_OCTETS ? octets : new ParseFailure(`auts has ${octets.length} octets, not 14`);
}

/** Value of the `auts` parameter. Source: RFC 3310 3.4. */
export function formatAuts(auts: Uint8Array): string {
  return Buffer.from(auts).toString('base64');
}

/** The algorithm a parameter value names (any case), null for one that is not AKA. */
export function akaAlgorithmOf(value: string): AkaAlgorithm | null {
  const lower = value.toLowerCase();
  if (lower === 'akav1-md5') return 'AKAv1-MD5';
  return lower === 'akav2-md5' ? 'AKAv2-MD5' : null;
}

/**
 * The octets that take the password's place in H(A1): RES itself for AKAv1; for AKAv2 the base64 of
 * HMAC-MD5 keyed with RES, IK and CK. With `auts` the password is empty (a caller's matter).
 * Source: RFC 3310 3.3; RFC 4169 3.
 */
export function akaPassword(algorithm: AkaAlgorithm, res: Uint8Array, ik: Uint8Array, ck: Uint8Array): Buffer {
  if (algorithm === 'AKAv1-MD5') return Buffer.from(res);
  const key = Buffer.concat([res, ik, ck]);
  return Buffer.from(createHmac('md5', key).update(AKA_V2_LABEL).digest('base64'), 'latin1');
}

/** Strict: Node's own decoder skips what it does not know. Missing padding is taken. */
function decodeBase64(text: string): Buffer | ParseFailure {
  let end = text.length;
  while (end > 0 && text.length - end < 2 && text.charCodeAt(end - 1) === 0x3d) end--;
  for (let i = 0; i < end; i++) if (!isBase64(text.charCodeAt(i))) return new ParseFailure('not base64', i);
  if (end % 4 === 1) return new ParseFailure('base64 breaks off', end);
  return Buffer.from(text.slice(0, end), 'base64');
}

function isBase64(code: number): boolean {
  return (
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x2b ||
    code === 0x2f
  );
}
