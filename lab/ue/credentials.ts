import { randomBytes } from 'node:crypto';
import { akaAlgorithmOf, akaPassword, formatAuts, parseAkaNonce } from '#sip/auth/aka';
import {
  type DigestHash,
  type DigestParameter,
  digestHashOf,
  digestResponse,
  formatDigest,
  parseDigest,
} from '#sip/auth/digest';
import { ParseFailure } from '#sip/errors';
import type { Usim } from './usim.ts';

/** What a UE proves its identity with. */
export interface Credentials {
  readonly impi: string;
  readonly usim?: Usim | undefined;
  /** For SIP Digest. */
  readonly password?: string | undefined;
}

/** The answer to a challenge, as an Authorization value, and what it says. */
export interface ChallengeAnswer {
  readonly kind: 'response' | 'resynchronise' | 'rejected';
  readonly authorization: string;
  readonly ck?: Buffer;
  readonly ik?: Buffer;
}

/** An Authorization without an answer: it tells the private identity before there is a challenge. Source: TS 24.229 5.1.1.2. */
export function emptyAuthorization(impi: string, domain: string): string {
  const texts: [string, string][] = [
    ['username', impi],
    ['realm', domain],
    ['uri', `sip:${domain}`],
    ['nonce', ''],
    ['response', ''],
  ];
  return formatDigest(texts.map(([name, value]) => ({ name, value, quoted: true })));
}

/**
 * Answers a challenge (the value of WWW-Authenticate): with AKA by the USIM, whose two ways to say no are AUTS with an
 * empty password and an empty response, or with SIP Digest by the password. A string says why that can't be.
 * Source: RFC 3310 3.3, 3.4; RFC 7616 3.4; TS 24.229 5.1.1.5.
 */
export function answerChallenge(
  challenge: string,
  credentials: Credentials,
  method: string,
  uri: string,
): ChallengeAnswer | string {
  const parameters = parseDigest(challenge);
  if (parameters instanceof ParseFailure) return `the challenge cannot be read: ${parameters.reason}`;
  const realm = parameters.get('realm');
  const nonce = parameters.get('nonce');
  if (realm === null || nonce === null) return 'the challenge lacks realm or nonce';
  const algorithm = parameters.get('algorithm') ?? 'MD5';
  const qop = chooseQop(parameters.get('qop'));
  if (qop === null) return `the challenge asks for qop ${parameters.get('qop')}, auth is what there is here`;

  const secret = secretFor(algorithm, nonce, credentials);
  if (typeof secret === 'string') return secret;
  const cnonce = randomBytes(8).toString('hex');
  const nc = '00000001';
  const rejected = secret.kind === 'rejected';
  const answer = (): string =>
    digestResponse({
      method,
      uri,
      nonce,
      algorithm: secret.hash,
      username: credentials.impi,
      realm,
      password: secret.password,
      ...(qop === '' ? {} : { qop, nc, cnonce }),
    });

  const list: DigestParameter[] = [
    { name: 'username', value: credentials.impi, quoted: true },
    { name: 'realm', value: realm, quoted: true },
    { name: 'nonce', value: nonce, quoted: true },
    { name: 'uri', value: uri, quoted: true },
    { name: 'algorithm', value: algorithm, quoted: false },
    { name: 'response', value: rejected ? '' : answer(), quoted: true },
  ];
  if (qop !== '' && !rejected) {
    list.push({ name: 'qop', value: qop, quoted: false });
    list.push({ name: 'nc', value: nc, quoted: false });
    list.push({ name: 'cnonce', value: cnonce, quoted: true });
  }
  const opaque = parameters.get('opaque');
  if (opaque !== null) list.push({ name: 'opaque', value: opaque, quoted: true });
  if (secret.auts !== undefined) list.push({ name: 'auts', value: formatAuts(secret.auts), quoted: true });
  return {
    kind: secret.kind,
    authorization: formatDigest(list),
    ...(secret.ck && secret.ik ? { ck: secret.ck, ik: secret.ik } : {}),
  };
}

interface Secret {
  readonly kind: ChallengeAnswer['kind'];
  readonly hash: DigestHash;
  readonly password: Buffer | string;
  readonly auts?: Buffer;
  readonly ck?: Buffer;
  readonly ik?: Buffer;
}

function secretFor(algorithm: string, nonce: string, credentials: Credentials): Secret | string {
  const aka = akaAlgorithmOf(algorithm);
  if (aka === null) {
    const hash = digestHashOf(algorithm);
    if (hash === null) return `the challenge asks for ${algorithm}, which is not known here`;
    if (credentials.password === undefined) return 'the challenge asks for a password (SIP Digest), and there is none';
    return { kind: 'response', hash, password: credentials.password };
  }
  if (credentials.usim === undefined) return 'the challenge asks for AKA, and there is no USIM (K and OP or OPc)';
  const parsed = parseAkaNonce(nonce);
  if (parsed instanceof ParseFailure) return `the nonce is no AKA nonce: ${parsed.reason}`;
  const outcome = credentials.usim.answer(parsed.rand, parsed.autn);
  switch (outcome.kind) {
    case 'accepted': {
      const { res, ck, ik } = outcome;
      return { kind: 'response', hash: 'MD5', password: akaPassword(aka, res, ik, ck), ck, ik };
    }
    case 'resynchronise':
      return { kind: 'resynchronise', hash: 'MD5', password: '', auts: outcome.auts };
    case 'rejected':
      return { kind: 'rejected', hash: 'MD5', password: '' };
  }
}

/** 'auth' where offered, '' where no qop is asked for, null where only others are. */
function chooseQop(offered: string | null): 'auth' | '' | null {
  if (offered === null || offered.trim() === '') return '';
  return offered.split(',').some((each) => each.trim().toLowerCase() === 'auth') ? 'auth' : null;
}
