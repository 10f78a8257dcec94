import { hash } from 'node:crypto';
import { numberedName } from '#lab/hss/numbered-name';
import type { SubscriberConfig } from '#service/config/hss-config';
import { akaPassword, parseAkaNonce } from '#sip/auth/aka';
import { Milenage, opcFromOp } from '#sip/auth/milenage';
import { ParseFailure } from '#sip/errors';
import { challengeParameter } from './sip-text.ts';

/** One user with a phone. */
export interface Phone {
  /** Position among the phones; its address follows from it. */
  readonly number: number;
  /** User part of its identities. */
  readonly user: string;
  readonly password: string;
  registered: boolean;
  /** A REGISTER of it is under way. */
  registering: boolean;
  /** Values of Service-Route. */
  serviceRoute: string;
}

/** The users of one range of the HSS, who share K and OP. */
export interface Users {
  readonly phones: readonly Phone[];
  readonly domain: string;
  readonly milenage: Milenage;
  /** Finds a phone by the user part of its identity. */
  byUser(user: string): Phone | undefined;
  /** User parts of the range that have no phone here: for strangers who use them. */
  readonly strangers: readonly string[];
}

const strangerNames = 20_000;

/** The first `count` users of a range of the HSS' configuration. Throws RangeError when it has not as many. */
export function usersOf(range: SubscriberConfig, domain: string, count: number): Users {
  const { prefix, first, count: size } = range.range!;
  if (count > size) throw new RangeError(`the HSS has a range of ${size} users; ${count} are too many`);
  const name = numberedName(prefix);
  const password = range.password?.includes('%') ? numberedName(range.password) : undefined;
  const phones = Array.from({ length: count }, (_, number): Phone => {
    const own = password === undefined ? (range.password ?? '') : password.format(first + number);
    const user = name.format(first + number);
    return { number, user, password: own, registered: false, registering: false, serviceRoute: '' };
  });
  const k = Buffer.from(range.k, 'hex');
  const opc = range.opc === undefined ? opcFromOp(k, Buffer.from(range.op!, 'hex')) : Buffer.from(range.opc, 'hex');
  const others = Math.min(strangerNames, size - count);
  return {
    phones,
    domain,
    milenage: new Milenage(k, opc),
    byUser: (user) => phones[name.parse(user) - first],
    strangers: Array.from({ length: others }, (_, i) => name.format(first + size - 1 - i)),
  };
}

const cnonce = '0a4f113b';

/**
 * The Authorization that answers a challenge (value of WWW-Authenticate) to a REGISTER: AKAv1-MD5 with the USIM's keys,
 * or MD5 with the password. A string that says why not, when it can't be answered. Source: RFC 3310 3.3, RFC 2617 3.2.2.
 */
export function answerTo(challenge: string, phone: Phone, users: Users): { authorization: string } | string {
  const { domain } = users;
  const nonce = challengeParameter(challenge, 'nonce');
  const algorithm = challengeParameter(challenge, 'algorithm') || 'MD5';
  const secret = secretFor(algorithm, nonce, phone, users);
  if (typeof secret === 'string') return secret;
  const username = `${phone.user}@${domain}`;
  const realm = challengeParameter(challenge, 'realm');
  const ha1 = hash('md5', Buffer.concat([Buffer.from(`${username}:${realm}:`, 'latin1'), secret]));
  const ha2 = hash('md5', `REGISTER:sip:${domain}`);
  const opaque = challengeParameter(challenge, 'opaque');
  const withQop = challengeParameter(challenge, 'qop') !== '';
  const response = hash('md5', withQop ? `${ha1}:${nonce}:00000001:${cnonce}:auth:${ha2}` : `${ha1}:${nonce}:${ha2}`);
  const qop = withQop ? `, qop=auth, nc=00000001, cnonce="${cnonce}"` : '';
  const authorization =
    `Digest username="${username}", realm="${realm}", nonce="${nonce}", uri="sip:${domain}", ` +
    `algorithm=${algorithm}, response="${response}"${qop}${opaque === '' ? '' : `, opaque="${opaque}"`}`;
  return { authorization };
}

function secretFor(algorithm: string, nonce: string, phone: Phone, { milenage }: Users): Buffer | string {
  if (algorithm === 'MD5') return Buffer.from(phone.password, 'latin1');
  if (algorithm !== 'AKAv1-MD5') return `challenged with ${algorithm}`;
  const parsed = parseAkaNonce(nonce);
  if (parsed instanceof ParseFailure) return 'challenged with a nonce that is none of AKA';
  const { macOk, xres, ck, ik } = milenage.verifyAutn(parsed.rand, parsed.autn);
  return macOk ? akaPassword('AKAv1-MD5', xres, ik, ck) : 'challenged by a network that does not know the key';
}
