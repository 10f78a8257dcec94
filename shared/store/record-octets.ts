import type { Database } from 'lmdb';
import type { VersionedRecord } from './replication.ts';
import { dueTime, type StoredRecord } from './store.ts';

/** Each value starts with its due time: 48 bits, milliseconds, 0 for never. */
export const HEADER = 6;

/** A record as it stands in a database, a copy; null when there is none. */
export function readRecord(db: Database<Buffer, string>, key: string): StoredRecord | null {
  const octets = db.getBinaryFast(key);
  if (octets === undefined) return null;
  const end = octets.length;
  const value = Buffer.allocUnsafe(end - HEADER);
  octets.copy(value, 0, HEADER, end);
  return { value, expiresAtMs: octets.readUIntBE(0, HEADER) };
}

/** A record as it is stored, with its due time; a copy. */
export function readOctets(db: Database<Buffer, string>, key: string): Buffer | null {
  const octets = db.getBinaryFast(key);
  return octets === undefined ? null : Buffer.from(octets.subarray(0, octets.length));
}

/** The record in these octets; its value stays part of them. */
export function storedRecord(octets: Buffer): StoredRecord {
  return { value: octets.subarray(HEADER), expiresAtMs: octets.readUIntBE(0, HEADER) };
}

/** What a record of another node is stored as; null for one that is removed. */
export function encodeRecord({ value, expiresAtMs }: VersionedRecord): Buffer | null {
  return value === null ? null : encode(value, dueTime(expiresAtMs));
}

/** What a value with its due time is stored as. */
export function encode(value: Uint8Array, dueMs: number): Buffer {
  const octets = Buffer.allocUnsafe(HEADER + value.length);
  octets.writeUIntBE(dueMs, 0, HEADER);
  octets.set(value, HEADER);
  return octets;
}
