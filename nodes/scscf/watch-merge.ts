import type { MergedRecord, RecordConflict } from '#store/replication';
import type { StoredRecord } from '#store/store';
import type { Binding } from './registration.ts';
import {
  decodeWatch,
  dueMs,
  type EndedContact,
  encodeWatch,
  maxNews,
  type Watch,
  type Watcher,
} from './subscription-store.ts';

/**
 * Makes one of what two S-CSCFs noted of the watchers of one registration. A subscription stands as the node left it that
 * sends its NOTIFYs, which is the one with the higher version; it tells the news of both.
 *
 * Source: RFC 3680 5.1 (versions rise); requirements S-62, X-R18.
 */
export function mergeWatches(conflict: RecordConflict): MergedRecord {
  const { key, isOursNewer, nowMs } = conflict;
  const [base, ours, theirs] = [conflict.base, conflict.ours, conflict.theirs].map((record) => read(record, key));
  const isRead = conflict.ours === null || ours !== null ? conflict.theirs === null || theirs !== null : false;
  if (!isRead) return { record: isOursNewer ? conflict.ours : conflict.theirs, along: [] };
  const watchers: Watcher[] = [];
  for (const own of ours?.watchers ?? []) {
    const before = sameIn(base, own);
    const other = sameIn(theirs, own);
    if (other !== null) watchers.push(mergeWatchers(key, before, own, other, isOursNewer, nowMs));
    // Not there: it has begun here, or ended there.
    else if (before === null) watchers.push(own);
  }
  for (const other of theirs?.watchers ?? []) {
    if (sameIn(ours, other) === null && sameIn(base, other) === null) watchers.push(other);
  }
  if (watchers.length === 0) return { record: null, along: [] };
  const [last, first] = isOursNewer ? [ours, theirs] : [theirs, ours];
  const ended = (last?.ended.length ?? 0) > 0 ? last!.ended : (first?.ended ?? []);
  return { record: recordOf({ key, ended, watchers }, nowMs), along: [] };
}

/**
 * The record of those who watch a registration that was made of two: each is to be told of it, and of contacts that gave
 * way. Null when it cannot be read.
 */
export function tellingOf(
  record: StoredRecord,
  key: string,
  gone: readonly Binding[],
  nowMs: number,
): StoredRecord | null {
  const watch = read(record, key);
  if (watch === null) return null;
  for (const watcher of watch.watchers) {
    if (watcher.subscription.ending !== null) continue;
    const news = gone.map((binding): EndedContact => ({ binding, event: 'deactivated', aors: [] }));
    watcher.news = [...watcher.news, ...news].slice(-maxNews);
    owe(watcher, nowMs);
  }
  return recordOf(watch, nowMs);
}

function mergeWatchers(
  key: string,
  before: Watcher | null,
  ours: Watcher,
  theirs: Watcher,
  isOursNewer: boolean,
  nowMs: number,
): Watcher {
  const text = (watcher: Watcher) => encodeWatch({ key, ended: [], watchers: [watcher] }).toString('latin1');
  const was = before === null ? '' : text(before);
  if (text(ours) === was) return theirs;
  if (text(theirs) === was || text(theirs) === text(ours)) return ours;
  const rise = ours.subscription.version - theirs.subscription.version;
  const [lead, other] = rise > 0 || (rise === 0 && isOursNewer) ? [ours, theirs] : [theirs, ours];
  const { subscription } = lead;
  const { dialog } = subscription;
  dialog.localCseq = Math.max(dialog.localCseq, other.subscription.dialog.localCseq);
  dialog.remoteCseq = Math.max(dialog.remoteCseq, other.subscription.dialog.remoteCseq);
  subscription.expiresAtMs = Math.max(subscription.expiresAtMs, other.subscription.expiresAtMs);
  subscription.ending ??= other.subscription.ending;
  // Alike in number: one of them has heard the answer to the NOTIFY that the other one still takes to be under way.
  if (rise === 0 && (other.subscription.phase === 'idle' || other.subscription.phase === 'waiting')) {
    subscription.phase = 'idle';
  }
  lead.news = mergeNews(before?.news ?? [], lead.news, other.news);
  owe(lead, nowMs);
  return lead;
}

/** News that either has added, without what either has told since. */
function mergeNews(
  before: readonly EndedContact[],
  ours: readonly EndedContact[],
  theirs: readonly EndedContact[],
): EndedContact[] {
  const nameOf = ({ binding, event, aors }: EndedContact) => `${binding.history.id} ${event} ${aors.join(' ')}`;
  const [was, here, there] = [before, ours, theirs].map((list) => new Set(list.map(nameOf)));
  const stays = (item: EndedContact) =>
    !was!.has(nameOf(item)) || (here!.has(nameOf(item)) && there!.has(nameOf(item)));
  const added = theirs.filter((item) => !here!.has(nameOf(item)));
  return [...ours, ...added].filter(stays).slice(-maxNews);
}

/** A NOTIFY follows: at once, or when the one under way is answered. */
function owe({ subscription }: Watcher, nowMs: number): void {
  const { phase } = subscription;
  if (phase === 'notifying') subscription.phase = 'owing';
  if (phase !== 'idle') return;
  subscription.phase = 'waiting';
  subscription.retryAtMs = nowMs;
}

function sameIn(watch: Watch | null | undefined, { subscription: { dialog } }: Watcher): Watcher | null {
  const isSame = (other: Watcher) =>
    other.subscription.dialog.callId === dialog.callId && other.subscription.dialog.localTag === dialog.localTag;
  return watch?.watchers.find(isSame) ?? null;
}

function read(record: StoredRecord | null, key: string): Watch | null {
  return record === null ? null : decodeWatch(record.value as Buffer, key);
}

function recordOf(watch: Watch, nowMs: number): StoredRecord {
  return { value: encodeWatch(watch), expiresAtMs: dueMs(watch, nowMs) };
}
