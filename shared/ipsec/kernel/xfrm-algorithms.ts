import { IpsecError } from '../ipsec-backend.ts';
import type { EncryptionAlgorithm, IntegrityAlgorithm, SecurityAssociation } from '../security-association.ts';

/** An algorithm by the kernel's name; `bits`: of the integrity check value, 0 for a cipher. */
export interface KernelAlgorithm {
  readonly kind: 'integrity' | 'cipher' | 'combined';
  readonly name: string;
  readonly bits: number;
  readonly keyBytes: number;
}

/** An algorithm with its key. Never show it. */
export interface KeyedAlgorithm extends KernelAlgorithm {
  readonly key: Buffer;
}

type Algorithms = Pick<SecurityAssociation, 'integrity' | 'encryption' | 'integrityKey' | 'encryptionKey'>;

const integrities: Record<Exclude<IntegrityAlgorithm, 'null'>, KernelAlgorithm> = {
  'hmac-md5-96': { kind: 'integrity', name: 'hmac(md5)', bits: 96, keyBytes: 16 },
  'hmac-sha-1-96': { kind: 'integrity', name: 'hmac(sha1)', bits: 96, keyBytes: 20 },
  'aes-gmac': { kind: 'combined', name: 'rfc4543(gcm(aes))', bits: 128, keyBytes: 20 },
};

const encryptions: Record<EncryptionAlgorithm, KernelAlgorithm> = {
  null: { kind: 'cipher', name: 'ecb(cipher_null)', bits: 0, keyBytes: 0 },
  'aes-cbc': { kind: 'cipher', name: 'cbc(aes)', bits: 0, keyBytes: 16 },
  'des-ede3-cbc': { kind: 'cipher', name: 'cbc(des3_ede)', bits: 0, keyBytes: 24 },
  'aes-gcm': { kind: 'combined', name: 'rfc4106(gcm(aes))', bits: 128, keyBytes: 20 },
};

/** What an association without any protection would have: it stands in where the kernel wants some algorithm. */
export const noAlgorithms: readonly KeyedAlgorithm[] = [{ ...encryptions.null, key: Buffer.alloc(0) }];

/**
 * The kernel's algorithms for a pair of Security-Client: an integrity and a cipher, or one that does both.
 *
 * Throws IpsecError ERR_IPSEC_UNSUPPORTED for a pair that does not exist, ERR_IPSEC_FAILED for a key of another length.
 * Source: TS 33.203 annex H; requirement P-32.
 */
export function kernelAlgorithms(association: Algorithms): readonly KeyedAlgorithm[] {
  const { integrity, encryption } = association;
  if (encryption === 'aes-gcm' && integrity === 'null') {
    return [keyed(encryptions[encryption], association.encryptionKey, encryption)];
  }
  if (integrity === 'aes-gmac' && encryption === 'null') {
    return [keyed(integrities[integrity], association.integrityKey, integrity)];
  }
  if (integrity === 'null' || integrity === 'aes-gmac' || encryption === 'aes-gcm') {
    throw new IpsecError('ERR_IPSEC_UNSUPPORTED', `there is no ESP with ${integrity} and ${encryption}`);
  }
  return [
    keyed(integrities[integrity], association.integrityKey, integrity),
    keyed(encryptions[encryption], association.encryptionKey, encryption),
  ];
}

function keyed(algorithm: KernelAlgorithm, key: Buffer, name: string): KeyedAlgorithm {
  if (key.length !== algorithm.keyBytes) {
    const wanted = `${algorithm.keyBytes} octets, not ${key.length}`;
    throw new IpsecError('ERR_IPSEC_FAILED', `the key of ${name} has ${wanted}`);
  }
  return { ...algorithm, key };
}
