import { REPLICATION_SLOTS, type StoredRecord } from './store.ts';

/**
 * What the threads of a process tell each other about replication, in the first slots of the store's counters: how many
 * transactions have changed records, how many of them the other machines know of, and which nodes are alive.
 */

const MARKED = REPLICATION_SLOTS;
const CONFIRMED = REPLICATION_SLOTS + 1;
/** 1: the list of nodes can be relied upon. */
const KNOWN = REPLICATION_SLOTS + 2;
const NODES = REPLICATION_SLOTS + 3;
const MAX_NODES = 32;

/** Version of a record: milliseconds and a counter (8 octets), and who wrote it (2 octets). Later ones are greater. */
export const VERSION_OCTETS = 10;

/** A record as other machines know it; null: removed. */
export interface VersionedRecord {
  readonly table: string;
  readonly key: string;
  readonly version: Buffer;
  readonly value: Buffer | null;
  readonly expiresAtMs: number;
}

/** A record that two nodes have changed without knowing of each other. */
export interface RecordConflict {
  readonly key: string;
  /** As both knew it; null: not there, or not known. */
  readonly base: StoredRecord | null;
  /** As it is here and there; null: removed. */
  readonly ours: StoredRecord | null;
  readonly theirs: StoredRecord | null;
  /** Whether ours was changed last. */
  readonly isOursNewer: boolean;
  /** Wall clock, milliseconds. */
  readonly nowMs: number;
  /** Another record as it is here. */
  read(table: string, key: string): StoredRecord | null;
}

/** What becomes of two changes. */
export interface MergedRecord {
  readonly record: StoredRecord | null;
  /** Records that are to fit it; null: removed. */
  readonly along: readonly { readonly table: string; readonly key: string; readonly record: StoredRecord | null }[];
}

/** Makes one record of two changes; pure, since it runs within a transaction. */
export type RecordMerge = (conflict: RecordConflict) => MergedRecord;

/** A number for a node, 1 to 65,535, by its name. */
export function nodeNumber(name: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
  return ((h >>> 16) ^ h) & 0xffff || 1;
}

/** The version after another one; `nowMs` is wall clock, so that versions of machines whose clocks agree compare well. */
export function nextVersion(before: Buffer | null, nowMs: number, node: number): Buffer {
  const version = Buffer.allocUnsafe(VERSION_OCTETS);
  const last = before === null ? 0n : before.readBigUInt64BE(0);
  const now = BigInt(Math.floor(nowMs)) << 16n;
  version.writeBigUInt64BE(now > last ? now : last + 1n, 0);
  version.writeUInt16BE(node, 8);
  return version;
}

/** Who wrote a version. */
export function writerOf(version: Buffer): number {
  return version.readUInt16BE(8);
}

/** One more transaction has changed records: whoever ships them is woken. */
export function markChanged(slots: Int32Array): void {
  Atomics.add(slots, MARKED, 1);
  Atomics.notify(slots, MARKED);
}

export function changesMarked(slots: Int32Array): number {
  return Atomics.load(slots, MARKED);
}

/** Waits for more changes than `seen`, at most `timeoutMs`. */
export async function moreChanges(slots: Int32Array, seen: number, timeoutMs: number): Promise<void> {
  const waiting = Atomics.waitAsync(slots, MARKED, seen, timeoutMs);
  if (waiting.async) await waiting.value;
}

/** All changes up to the count `marked` are known to the other machines. */
export function confirmChanges(slots: Int32Array, marked: number): void {
  Atomics.store(slots, CONFIRMED, marked);
  Atomics.notify(slots, CONFIRMED);
}

/** Waits until the changes up to now are known to the other machines; false after `timeoutMs`. */
export async function changesConfirmed(slots: Int32Array, timeoutMs: number): Promise<boolean> {
  const wanted = changesMarked(slots);
  const until = performance.now() + timeoutMs;
  for (;;) {
    const confirmed = Atomics.load(slots, CONFIRMED);
    // Counts may wrap: the difference tells.
    if (((confirmed - wanted) | 0) >= 0) return true;
    const left = until - performance.now();
    if (left <= 0) return false;
    const waiting = Atomics.waitAsync(slots, CONFIRMED, confirmed, left);
    if (waiting.async) await waiting.value;
  }
}

/** Tells all threads which nodes are alive; null: nobody knows at the moment. */
export function tellAlive(slots: Int32Array, nodes: readonly number[] | null): void {
  if (nodes === null) {
    Atomics.store(slots, KNOWN, 0);
    return;
  }
  for (let i = 0; i < MAX_NODES; i++) Atomics.store(slots, NODES + i, nodes[i] ?? 0);
  Atomics.store(slots, KNOWN, 1);
}

/**
 * Whether this node sees to a record that falls due: the node that wrote it last does, and when that one is gone the first
 * of those that are left. While nobody knows who is left, each sees to its own.
 */
export function isResponsible(slots: Int32Array, writer: number, node: number): boolean {
  if (writer === node) return true;
  if (Atomics.load(slots, KNOWN) === 0) return false;
  let first = node;
  for (let i = 0; i < MAX_NODES; i++) {
    const alive = Atomics.load(slots, NODES + i);
    if (alive === 0) break;
    if (alive === writer) return false;
    if (alive < first) first = alive;
  }
  return first === node;
}
