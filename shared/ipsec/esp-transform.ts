import {
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
  randomFillSync,
  timingSafeEqual,
} from 'node:crypto';
import { IpsecError } from './ipsec-backend.ts';
import type { EncryptionAlgorithm, IntegrityAlgorithm } from './security-association.ts';

/*
 * What a pair of algorithms does to an ESP packet. A packet lies in a buffer as SPI (4 octets), sequence number (4), IV,
 * payload with its trailer, ICV.
 */

export const headerBytes = 8;

/** One pair of algorithms with its keys. */
export interface EspTransform {
  readonly ivBytes: number;
  readonly icvBytes: number;
  /** The payload with its trailer has a multiple of this. */
  readonly blockBytes: number;
  /** Takes a packet from `at` whose payload ends at `end`; writes the IV, encrypts it in place, and puts the ICV at `end`. */
  protect(packet: Buffer, at: number, end: number): void;
  /** Gives the payload with its trailer of a whole packet, null when the ICV is wrong. */
  verify(packet: Buffer): Buffer | null;
}

export interface TransformKeys {
  readonly integrity: IntegrityAlgorithm;
  readonly encryption: EncryptionAlgorithm;
  readonly integrityKey: Buffer;
  readonly encryptionKey: Buffer;
}

/**
 * The transform of an association. Throws IpsecError ERR_IPSEC_UNSUPPORTED for a pair that makes no sense or a key of
 * another length than its algorithm wants.
 * Source: RFC 2403, 2404, 3602, 2451, 4106, 4543; requirements P-32, P-33.
 */
export function transformOf({ integrity, encryption, integrityKey, encryptionKey }: TransformKeys): EspTransform {
  if (integrity === 'null' && encryption === 'aes-gcm') return galoisTransform(encryptionKey, true);
  if (integrity === 'aes-gmac' && encryption === 'null') return galoisTransform(integrityKey, false);
  const digest = digestOf(integrity);
  const cipher = cipherOf(encryption);
  if (digest === undefined || cipher === undefined) {
    throw new IpsecError('ERR_IPSEC_UNSUPPORTED', `no ESP with ${integrity} and ${encryption}`);
  }
  const mac = authenticator(digest.name, keyOf(integrity, integrityKey, digest.keyBytes));
  if (cipher === null) return plainTransform(mac);
  return chainedTransform(mac, cipher.name, keyOf(encryption, encryptionKey, cipher.keyBytes), cipher.blockBytes);
}

function digestOf(integrity: IntegrityAlgorithm): { readonly name: string; readonly keyBytes: number } | undefined {
  switch (integrity) {
    case 'hmac-md5-96':
      return { name: 'md5', keyBytes: 16 };
    case 'hmac-sha-1-96':
      return { name: 'sha1', keyBytes: 20 };
    case 'aes-gmac':
    case 'null':
      return undefined;
  }
}

/** Null for no encryption, undefined where the algorithm goes with no digest. */
function cipherOf(encryption: EncryptionAlgorithm) {
  switch (encryption) {
    case 'null':
      return null;
    case 'aes-cbc':
      return { name: 'aes-128-cbc', keyBytes: 16, blockBytes: 16 };
    case 'des-ede3-cbc':
      return { name: 'des-ede3-cbc', keyBytes: 24, blockBytes: 8 };
    case 'aes-gcm':
      return undefined;
  }
}

function keyOf(algorithm: string, key: Buffer, bytes: number): KeyObject {
  if (key.length !== bytes) {
    throw new IpsecError('ERR_IPSEC_UNSUPPORTED', `${algorithm} wants a key of ${bytes} octets, not ${key.length}`);
  }
  return createSecretKey(key);
}

/** The first 96 bits of an HMAC. */
type Authenticator = (bytes: Buffer) => Buffer;
const macBytes = 12;

function authenticator(digest: string, key: KeyObject): Authenticator {
  return (bytes) => createHmac(digest, key).update(bytes).digest().subarray(0, macBytes);
}

/** Whether the packet's last octets are the authenticator's word on the rest. */
function isGenuine(mac: Authenticator, packet: Buffer): boolean {
  const end = packet.length - macBytes;
  return timingSafeEqual(mac(packet.subarray(0, end)), packet.subarray(end));
}

function plainTransform(mac: Authenticator): EspTransform {
  return {
    ivBytes: 0,
    icvBytes: macBytes,
    blockBytes: 4,
    protect: (packet, at, end) => {
      mac(packet.subarray(at, end)).copy(packet, end);
    },
    verify: (packet) => (isGenuine(mac, packet) ? packet.subarray(headerBytes, packet.length - macBytes) : null),
  };
}

function chainedTransform(mac: Authenticator, name: string, key: KeyObject, blockBytes: number): EspTransform {
  const body = headerBytes + blockBytes;
  return {
    ivBytes: blockBytes,
    icvBytes: macBytes,
    blockBytes,
    protect: (packet, at, end) => {
      const iv = packet.subarray(at + headerBytes, at + body);
      randomOctets(blockBytes).copy(iv);
      const cipher = createCipheriv(name, key, iv).setAutoPadding(false);
      cipher.update(packet.subarray(at + body, end)).copy(packet, at + body);
      mac(packet.subarray(at, end)).copy(packet, end);
    },
    verify: (packet) => {
      if (!isGenuine(mac, packet)) return null;
      const decipher = createDecipheriv(name, key, packet.subarray(headerBytes, body)).setAutoPadding(false);
      return decipher.update(packet.subarray(body, packet.length - macBytes));
    },
  };
}

const galois: CipherGCMTypes = 'aes-128-gcm';
const galoisIvBytes = 8;
const tagBytes = 16;

/**
 * AES-GCM, or AES-GMAC where nothing is encrypted and all of the packet is authenticated. The key ends with the salt.
 *
 * An IV is never used twice: it is a number of this life, drawn at random, and a count.
 * Source: RFC 4106 3 to 5, RFC 4543 3.
 */
function galoisTransform(keyWithSalt: Buffer, encrypts: boolean): EspTransform {
  const key = keyOf(encrypts ? 'aes-gcm' : 'aes-gmac', keyWithSalt, 20).export();
  const cipherKey = createSecretKey(key.subarray(0, 16));
  const nonce = Buffer.alloc(4 + galoisIvBytes);
  key.copy(nonce, 0, 16);
  const life = Buffer.from(randomOctets(4));
  const body = headerBytes + galoisIvBytes;
  const options = { authTagLength: tagBytes };
  let count = 0;
  return {
    ivBytes: galoisIvBytes,
    icvBytes: tagBytes,
    blockBytes: 4,
    protect: (packet, at, end) => {
      life.copy(packet, at + headerBytes);
      packet.writeUInt32BE(++count, at + headerBytes + 4);
      packet.copy(nonce, 4, at + headerBytes, at + body);
      const cipher = createCipheriv(galois, cipherKey, nonce, options);
      cipher.setAAD(packet.subarray(at, encrypts ? at + headerBytes : end));
      if (encrypts) cipher.update(packet.subarray(at + body, end)).copy(packet, at + body);
      cipher.final();
      cipher.getAuthTag().copy(packet, end);
    },
    verify: (packet) => {
      const end = packet.length - tagBytes;
      packet.copy(nonce, 4, headerBytes, body);
      const decipher = createDecipheriv(galois, cipherKey, nonce, options);
      decipher.setAuthTag(packet.subarray(end));
      decipher.setAAD(packet.subarray(0, encrypts ? headerBytes : end));
      const payload = encrypts ? decipher.update(packet.subarray(body, end)) : packet.subarray(body, end);
      try {
        decipher.final();
      } catch {
        return null;
      }
      return payload;
    },
  };
}

const randomPool = Buffer.alloc(4096);
let randomAt = randomPool.length;

/** Random octets that nobody has seen; they are overwritten at some later call. */
function randomOctets(count: number): Buffer {
  if (randomAt + count > randomPool.length) {
    randomFillSync(randomPool);
    randomAt = 0;
  }
  randomAt += count;
  return randomPool.subarray(randomAt - count, randomAt);
}
