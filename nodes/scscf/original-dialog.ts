import { createCipheriv, createDecipheriv, createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { type SessionCase, sessionCases } from '#ims/filter-criterion';
import { ParseFailure } from '#sip/errors';
import { randomOctets } from '#sip/random-octets';

/**
 * Where a chain of services stands while an application server has the request: what its original dialog identifier (ODI)
 * says. The identifier itself holds all of it, sealed: whichever worker gets the request back, under whatever Call-ID, in
 * whatever dialog and however often, can go on, also when the worker that sent it is gone, and nothing is stored for it.
 */
export interface OriginalDialog {
  /** Names the hop among those that its worker remembers. */
  readonly link: number;
  readonly worker: number;
  /** Seconds since 1970. */
  readonly issuedS: number;
  readonly sessionCase: SessionCase;
  readonly registered: boolean;
  /** Position of the filter criterion among those of the profile, and its priority. */
  readonly position: number;
  readonly priority: number;
  /** Application servers that this leg has been sent to, this one included. */
  readonly depth: number;
  /** The served user. */
  readonly impu: string;
  /** The identity of the profile that stands for it: the same one, or a wildcard. */
  readonly profileKey: string;
}

const CIPHER = 'aes-256-gcm';
const IV_LENGTH = 12;
const TAG_LENGTH = 12;
const VERSION = 1;
const REGISTERED = 1;
/** Octets before the two identities. */
const HEAD = 36;
const PREFIX = 'odi.';
const maxUser = 2048;
const cases: readonly number[] = Object.values(sessionCases);

/** The key that ODIs are sealed with, made of the secret that all workers share: what opens one kind of token opens no other. */
export function originalDialogKey(secret: KeyObject): KeyObject {
  return createSecretKey(createHmac('sha256', secret).update('original dialog identifier').digest());
}

/** Whether the user part of a Route entry of ours claims to be an ODI. */
export function isOriginalDialog(user: string): boolean {
  return user.startsWith(PREFIX);
}

/** Writes an ODI, the user part of a URI; no two are alike. Source: TS 24.229 5.4.3.4; requirement S-95. */
export function sealOriginalDialog(dialog: OriginalDialog, key: KeyObject): string {
  const { impu, profileKey } = dialog;
  const plain = Buffer.alloc(HEAD + impu.length + (profileKey === impu ? 0 : profileKey.length));
  plain.writeUInt8(VERSION, 0);
  plain.writeUInt8(dialog.sessionCase, 1);
  plain.writeUInt8(dialog.registered ? REGISTERED : 0, 2);
  plain.writeUInt8(dialog.depth, 3);
  plain.writeUInt16BE(dialog.worker, 4);
  plain.writeUInt16BE(impu.length, 6);
  plain.writeDoubleBE(dialog.priority, 8);
  plain.writeDoubleBE(dialog.issuedS, 16);
  plain.writeUInt32BE(dialog.position, 24);
  plain.writeUIntBE(dialog.link, 28, 6);
  plain.write(impu, HEAD, 'latin1');
  if (profileKey !== impu) plain.write(profileKey, HEAD + impu.length, 'latin1');
  const iv = randomOctets(IV_LENGTH);
  const cipher = createCipheriv(CIPHER, key, iv, { authTagLength: TAG_LENGTH });
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
  return PREFIX + Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url');
}

/** Reads an ODI; what was not written with this key is a ParseFailure. Whoever asks looks at its age. Requirement S-95. */
export function openOriginalDialog(user: string, key: KeyObject): OriginalDialog | ParseFailure {
  if (!isOriginalDialog(user) || user.length > maxUser)
    return new ParseFailure('no original dialog identifier of ours');
  const octets = Buffer.from(user.slice(PREFIX.length), 'base64url');
  if (octets.length <= IV_LENGTH + TAG_LENGTH + HEAD) return new ParseFailure('original dialog identifier too short');
  const decipher = createDecipheriv(CIPHER, key, octets.subarray(0, IV_LENGTH), { authTagLength: TAG_LENGTH });
  decipher.setAuthTag(octets.subarray(IV_LENGTH, IV_LENGTH + TAG_LENGTH));
  const plain = decipher.update(octets.subarray(IV_LENGTH + TAG_LENGTH));
  try {
    decipher.final();
  } catch {
    return new ParseFailure('original dialog identifier with a wrong seal');
  }
  const sessionCase = plain.readUInt8(1);
  // Of a later release that shares the store, after a step back.
  if (plain.readUInt8(0) !== VERSION || !cases.includes(sessionCase)) {
    return new ParseFailure('original dialog identifier of another release');
  }
  const end = HEAD + plain.readUInt16BE(6);
  const impu = plain.toString('latin1', HEAD, end);
  return {
    link: plain.readUIntBE(28, 6),
    worker: plain.readUInt16BE(4),
    issuedS: plain.readDoubleBE(16),
    sessionCase: sessionCase as SessionCase,
    registered: (plain.readUInt8(2) & REGISTERED) !== 0,
    position: plain.readUInt32BE(24),
    priority: plain.readDoubleBE(8),
    depth: plain.readUInt8(3),
    impu,
    profileKey: end === plain.length ? impu : plain.toString('latin1', end),
  };
}
