import type { EncryptionAlgorithm, IntegrityAlgorithm } from '#ipsec/security-association';
import { formatIpsecMechanism } from '#sip/header/security-mechanism';

/** SPIs and ports of one end. */
export interface SecurityEnd {
  readonly spiC: number;
  readonly spiS: number;
  readonly portC: number;
  readonly portS: number;
}

/** How phones say in Security-Client what they can, and what else is particular about them. */
export interface PhoneKind {
  /** What it does, for --help. */
  readonly words: string;
  /** Values of the Security-Client fields, each a field of its own. */
  readonly fields: (end: SecurityEnd) => string[];
  /** What the REGISTER that answers the challenge goes by, where that is its own. */
  readonly registerBy?: 'udp' | 'tcp';
}

type Pair = readonly [alg: IntegrityAlgorithm, ealg: EncryptionAlgorithm];

const sixPairs: readonly Pair[] = [
  ['hmac-md5-96', 'des-ede3-cbc'],
  ['hmac-md5-96', 'aes-cbc'],
  ['hmac-md5-96', 'null'],
  ['hmac-sha-1-96', 'des-ede3-cbc'],
  ['hmac-sha-1-96', 'aes-cbc'],
  ['hmac-sha-1-96', 'null'],
];

const fourPairs: readonly Pair[] = [
  ['hmac-sha-1-96', 'aes-cbc'],
  ['hmac-sha-1-96', 'null'],
  ['hmac-md5-96', 'aes-cbc'],
  ['hmac-md5-96', 'null'],
];

function value([alg, ealg]: Pair, end: SecurityEnd): string {
  return formatIpsecMechanism({ alg, ealg, prot: 'esp', mod: 'trans', ...end });
}

/** The kinds of phones that `lab ue --security-client` knows. */
export const phoneKinds = {
  samsung: {
    words: 'six pairs in one field, all with the same SPIs and ports; answers the challenge by TCP, the rest by UDP',
    fields: (end) => [sixPairs.map((pair) => value(pair, end)).join(',')],
    registerBy: 'tcp',
  },
  iphone: {
    words: 'four pairs, each in a field of its own; all by UDP but what is too large',
    fields: (end) => fourPairs.map((pair) => value(pair, end)),
  },
  minimal: {
    words: 'one pair with nothing that has a default: no prot, mod and ealg',
    fields: ({ spiC, spiS, portC, portS }) => [
      `ipsec-3gpp;alg=hmac-sha-1-96;spi-c=${spiC};spi-s=${spiS};port-c=${portC};port-s=${portS}`,
    ],
  },
  unusual: {
    words: 'a mechanism nobody knows first, blanks, capitals and quotes where they may be, parameters in another order',
    fields: ({ spiC, spiS, portC, portS }) => [
      'tls;q=0.2, digest;d-alg=md5',
      `IPSEC-3GPP ; port-s=${portS} ; port-c="${portC}";ALG=HMAC-MD5-96;spi-s=${spiS};ealg = aes-cbc;spi-c=${spiC};q=0.5;prot=ESP;mod=Trans`,
    ],
  },
} as const satisfies Record<string, PhoneKind>;

export type PhoneKindName = keyof typeof phoneKinds;
export const phoneKindNames = Object.keys(phoneKinds) as PhoneKindName[];
