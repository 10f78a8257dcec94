import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, randomBytes } from 'node:crypto';
import type { AkaKeys } from './association-set.ts';

/** Seals the keys of a set for the store, and opens them again. */
export interface KeySeal {
  /** Empty where keys are not kept. `name`: what the keys belong to; only under it they can be opened again. */
  seal(keys: AkaKeys, name: string): Buffer;
  /** Null for what cannot be opened: sealed under another key or name, damaged, or not kept. */
  open(sealed: Buffer, name: string): AkaKeys | null;
}

const nonceOctets = 12;
const tagOctets = 16;
const keyOctets = 16;

/**
 * Seals with AES-256-GCM under a key made of `secret`. Without a secret nothing is kept: after a restart only associations
 * that the kernel still holds go on.
 *
 * Source: requirements P-59, X-I15.
 */
export function openKeySeal(secret: string | undefined): KeySeal {
  if (secret === undefined || secret === '') return { seal: () => Buffer.alloc(0), open: () => null };
  const key = createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', 'keys of security associations', 32)));
  return {
    seal({ ck, ik }, name) {
      const nonce = randomBytes(nonceOctets);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(name, 'latin1'));
      const sealed = Buffer.concat([cipher.update(ck), cipher.update(ik), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
    },
    open(sealed, name) {
      if (sealed.length !== nonceOctets + tagOctets + 2 * keyOctets) return null;
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceOctets));
      decipher.setAAD(Buffer.from(name, 'latin1'));
      decipher.setAuthTag(sealed.subarray(nonceOctets, nonceOctets + tagOctets));
      try {
        const octets = Buffer.concat([decipher.update(sealed.subarray(nonceOctets + tagOctets)), decipher.final()]);
        return { ck: octets.subarray(0, keyOctets), ik: octets.subarray(keyOctets) };
      } catch {
        return null;
      }
    },
  };
}
