import { createHmac } from 'node:crypto';
import type { EncryptionAlgorithm, IntegrityAlgorithm } from './security-association.ts';

/** The keys of an association as its algorithms want them; empty where an algorithm takes none. */
export interface AssociationKeys {
  readonly integrityKey: Buffer;
  readonly encryptionKey: Buffer;
}

const none = Buffer.alloc(0);

/**
 * The ESP keys of a pair of algorithms from the keys that IMS AKA agreed on (16 octets each).
 *
 * The keys of aes-gmac and aes-gcm end with the salt of 4 octets. Throws RangeError when a key has another length.
 * Source: TS 33.203 annex I; requirement P-33.
 */
export function keysOf(
  integrity: IntegrityAlgorithm,
  encryption: EncryptionAlgorithm,
  ck: Buffer,
  ik: Buffer,
): AssociationKeys {
  if (ck.length !== 16 || ik.length !== 16) throw new RangeError('CK and IK have 16 octets each');
  return { integrityKey: integrityKey(integrity, ck, ik), encryptionKey: encryptionKey(encryption, ck, ik) };
}

function integrityKey(integrity: IntegrityAlgorithm, ck: Buffer, ik: Buffer): Buffer {
  switch (integrity) {
    case 'hmac-md5-96':
      return Buffer.from(ik);
    case 'hmac-sha-1-96':
      return Buffer.concat([ik, Buffer.alloc(4)]);
    case 'aes-gmac':
      return Buffer.concat([ik, salt(ck, ik, 0x58, 'AES_GMAC_SALT')]);
    case 'null':
      return none;
  }
}

function encryptionKey(encryption: EncryptionAlgorithm, ck: Buffer, ik: Buffer): Buffer {
  switch (encryption) {
    case 'aes-cbc':
      return Buffer.from(ck);
    case 'des-ede3-cbc':
      return Buffer.concat([ck, ck.subarray(0, 8)]);
    case 'aes-gcm':
      return Buffer.concat([ck, salt(ck, ik, 0x59, 'AES_GCM_SALT')]);
    case 'null':
      return none;
  }
}

/** The last 32 bits of the key derivation function with CK || IK as its key. Source: TS 33.220 B.2. */
function salt(ck: Buffer, ik: Buffer, functionCode: number, label: string): Buffer {
  const input = Buffer.concat([Buffer.of(functionCode), Buffer.from(label), Buffer.of(0, label.length)]);
  const derived = createHmac('sha256', Buffer.concat([ck, ik]))
    .update(input)
    .digest();
  return derived.subarray(derived.length - 4);
}
