import { openRecord, RecordReader, RecordWriter } from '#store/records';
import type { Store } from '#store/store';

/** Challenges by private identity: at most one is outstanding for each. */
export const CHALLENGES = 'challenges';

const RECORD_TYPE = 2;
const RECORD_VERSION = 1;

export type ChallengeKind = 'AKAv1-MD5' | 'AKAv2-MD5' | 'SIP Digest';

/** What a challenge is answered against, and what was tried so far in this attempt to register. */
export interface Challenge {
  readonly impu: string;
  readonly kind: ChallengeKind;
  readonly realm: string;
  readonly nonce: string;
  /** Of AKA: what takes the password's place. */
  readonly password: Buffer;
  /** Of SIP Digest: H(A1) in hexadecimal. */
  readonly ha1: string;
  readonly hash: 'MD5' | 'SHA-256';
  /** Largest nonce count accepted; above 0 the nonce has served and may serve again (SIP Digest). */
  readonly nonceCount: number;
  /** Wrong responses in this attempt. */
  readonly failures: number;
  /** AUTS in this attempt. */
  readonly resyncs: number;
  /** Rejections of AUTN in this attempt. */
  readonly macFailures: number;
  readonly expiresAtMs: number;
}

/**
 * The outstanding challenges, so that whichever worker gets the answer can verify it. A record lives for minutes and need
 * not survive a restart: the UE is then challenged anew. There is no cache before the store: each record is read once.
 */
export class ChallengeStore {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** The record of a private identity, null when there is none in force. */
  get(impi: string, nowMs: number): Challenge | null {
    const octets = this.#store.get(CHALLENGES, impi);
    const challenge = octets === null ? null : decodeChallenge(octets);
    return challenge === null || challenge.expiresAtMs <= nowMs ? null : challenge;
  }

  /** Keeps a challenge within the store's batch, in place of an older one. */
  set(impi: string, challenge: Challenge): void {
    this.#store.put(CHALLENGES, impi, encodeChallenge(challenge), challenge.expiresAtMs);
  }

  remove(impi: string): void {
    this.#store.remove(CHALLENGES, impi);
  }
}

const kinds: readonly ChallengeKind[] = ['AKAv1-MD5', 'AKAv2-MD5', 'SIP Digest'];

function encodeChallenge(challenge: Challenge): Buffer {
  return new RecordWriter(RECORD_TYPE, RECORD_VERSION)
    .string(challenge.impu)
    .number(kinds.indexOf(challenge.kind))
    .string(challenge.realm)
    .string(challenge.nonce)
    .bytes(challenge.password)
    .string(challenge.ha1)
    .flag(challenge.hash === 'SHA-256')
    .number(challenge.nonceCount)
    .number(challenge.failures)
    .number(challenge.resyncs)
    .number(challenge.macFailures)
    .number(challenge.expiresAtMs)
    .finish();
}

/** Reads a record; null when it is none of ours. */
export function decodeChallenge(octets: Buffer): Challenge | null {
  const reader = openRecord(octets, RECORD_TYPE, RECORD_VERSION);
  if (!(reader instanceof RecordReader)) return null;
  const challenge: Challenge = {
    impu: reader.string(),
    kind: kinds[reader.number()] ?? 'AKAv1-MD5',
    realm: reader.string(),
    nonce: reader.string(),
    password: reader.bytes(),
    ha1: reader.string(),
    hash: reader.flag() ? 'SHA-256' : 'MD5',
    nonceCount: reader.number(),
    failures: reader.number(),
    resyncs: reader.number(),
    macFailures: reader.number(),
    expiresAtMs: reader.number(),
  };
  return reader.damaged ? null : challenge;
}
