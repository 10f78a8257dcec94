import { hash } from 'node:crypto';
import { type ContactEvent, contactEvents } from '#ims/reginfo';
import type { Dialog } from '#sip/dialog/dialog';
import type { NotifyPhase, Subscription } from '#sip/event/subscription';
import { CachedReader } from '#store/cached-reader';
import { openRecord, RecordReader, RecordWriter } from '#store/records';
import type { Store } from '#store/store';
import {
  type Binding,
  makeBinding,
  type RegisteredIdentity,
  readBinding,
  readHistory,
  readIdentity,
  writeBinding,
  writeHistory,
  writeIdentity,
} from './registration.ts';

/** Who watches a registration, by the key of the registration; of somebody not registered by the identity asked for. */
export const SUBSCRIPTIONS = 'subscriptions';
/** Where the subscription of a dialog stands: key in `SUBSCRIPTIONS`, by a hash of Call-ID and our tag. */
const SUBSCRIPTION_DIALOGS = 'subscription-dialogs';

/** The tables that the store of an S-CSCF needs for subscriptions. */
export const subscriptionTables: readonly string[] = [SUBSCRIPTIONS, SUBSCRIPTION_DIALOGS];

/** A contact that has ended, for the one document that tells it. */
export interface EndedContact {
  readonly binding: Binding;
  readonly event: ContactEvent;
  /** URIs of the identities that lost it; none: all. */
  readonly aors: readonly string[];
}

/** One subscription to a registration. */
export interface Watcher {
  readonly subscription: Subscription;
  /** Number of the S-CSCF that sends its NOTIFYs; 0 where only one has the record. */
  owner: number;
  /** What the next NOTIFY tells beside the state as it is then. */
  news: readonly EndedContact[];
  /** What the last NOTIFY told; it may have to be told again. */
  told: readonly EndedContact[];
}

/** All who watch one registration. */
export interface Watch {
  readonly key: string;
  /** The identities of the registration when it ended, for the last NOTIFYs. */
  ended: readonly RegisteredIdentity[];
  watchers: readonly Watcher[];
}

/** Contacts that wait for being told; more lose the oldest, whose state nobody asks for any more. */
export const maxNews = 64;

const RECORD_TYPE = 3;
const RECORD_VERSION = 2;
const CACHE_CAPACITY = 4096;
/** A NOTIFY that was not answered after this time was lost with its worker: longer than Timer F. */
const LOST_AFTER_MS = 40_000;
const phases: readonly NotifyPhase[] = ['idle', 'notifying', 'owing', 'waiting', 'finishing', 'ended'];

/** Subscriptions to registrations, seen alike by all workers; one record for all who watch one registration. */
export class SubscriptionStore {
  readonly #store: Store;
  readonly #watches: CachedReader<Watch>;

  constructor(store: Store) {
    this.#store = store;
    this.#watches = new CachedReader(store, SUBSCRIPTIONS, decodeWatch, CACHE_CAPACITY);
  }

  /** Who watches, null when nobody does. Read only: it is shared. */
  get(key: string): Watch | null {
    return this.#watches.get(key);
  }

  /** Where the subscription of a dialog stands, null when it is none of ours. */
  keyOf(callId: string, localTag: string): string | null {
    return this.#store.get(SUBSCRIPTION_DIALOGS, dialogName(callId, localTag))?.toString('latin1') ?? null;
  }

  /**
   * Changes who watches one registration, and how, atomically over all workers; it is committed then. Subscriptions that
   * have ended are forgotten. `change` may do as it likes with what it is given, but not write to the store.
   *
   * @throws StoreError ERR_STORE_WRITE when nothing could be written.
   */
  change(key: string, nowMs: number, change: (watch: Watch) => void): Watch {
    let before: readonly Watcher[] = [];
    let after: Watch = { key, ended: [], watchers: [] };
    this.#store.update(SUBSCRIPTIONS, key, (record) => {
      after = (record === null ? null : decodeWatch(record.value as Buffer, key)) ?? { key, ended: [], watchers: [] };
      before = after.watchers;
      change(after);
      after.watchers = after.watchers.filter(({ subscription }) => subscription.phase !== 'ended');
      if (after.watchers.length === 0) return record === null ? undefined : null;
      return { value: encodeWatch(after), expiresAtMs: dueMs(after, nowMs) };
    });
    this.#index(key, before, after.watchers);
    return after;
  }

  /** Goes into the batch; a dialog that is lost with it is begun anew by its subscriber (481). */
  #index(key: string, before: readonly Watcher[], after: readonly Watcher[]): void {
    for (const { subscription } of before) {
      if (after.some((watcher) => watcher.subscription === subscription)) continue;
      const name = nameOf(subscription.dialog);
      // It may have moved to another registration.
      if (this.#store.get(SUBSCRIPTION_DIALOGS, name)?.toString('latin1') === key) {
        this.#store.remove(SUBSCRIPTION_DIALOGS, name);
      }
    }
    for (const { subscription } of after) {
      if (before.some((watcher) => watcher.subscription === subscription)) continue;
      this.#store.put(SUBSCRIPTION_DIALOGS, nameOf(subscription.dialog), Buffer.from(key, 'latin1'));
    }
  }
}

function nameOf({ callId, localTag }: Dialog): string {
  return dialogName(callId, localTag);
}

/** A hash: Call-IDs may be longer than keys. */
function dialogName(callId: string, localTag: string): string {
  return hash('sha256', `${callId}\n${localTag}`, 'base64url');
}

/** When somebody has to look at a record: what is to be sent again or ends. */
export function dueMs(watch: Watch, nowMs: number): number {
  let earliestMs = Number.POSITIVE_INFINITY;
  for (const { subscription } of watch.watchers) {
    const { phase, retryAtMs, expiresAtMs } = subscription;
    const atMs = phase === 'waiting' ? retryAtMs : phase === 'idle' ? expiresAtMs : nowMs + LOST_AFTER_MS;
    earliestMs = Math.min(earliestMs, atMs);
  }
  return earliestMs;
}

export function encodeWatch({ ended, watchers }: Watch): Buffer {
  return new RecordWriter(RECORD_TYPE, RECORD_VERSION)
    .list(ended, writeIdentity)
    .list(watchers, (writer, { subscription, news, told }) => {
      writeSubscription(writer, subscription);
      writer.list(news, writeEnded).list(told, writeEnded);
    })
    .list(watchers, (writer, { owner }) => writer.number(owner))
    .finish();
}

export function decodeWatch(octets: Buffer, key: string): Watch | null {
  const reader = openRecord(octets, RECORD_TYPE, RECORD_VERSION);
  if (!(reader instanceof RecordReader)) return null;
  const ended = reader.list(readIdentity);
  const watchers = reader.list((record) => {
    const subscription = readSubscription(record);
    return { subscription, owner: 0, news: readAllEnded(record), told: readAllEnded(record) };
  });
  // Records of version 1 have none.
  for (const [i, owner] of reader.list((record) => record.number()).entries()) {
    const watcher = watchers[i];
    if (watcher !== undefined) watcher.owner = owner;
  }
  return reader.damaged ? null : { key, ended, watchers };
}

function writeSubscription(writer: RecordWriter, subscription: Subscription): void {
  const { dialog, ending } = subscription;
  writer
    .string(dialog.callId)
    .string(dialog.localTag)
    .string(dialog.remoteTag)
    .string(dialog.localAddress)
    .string(dialog.remoteAddress)
    .string(dialog.remoteTarget)
    .strings(dialog.routeSet)
    .number(dialog.localCseq)
    // -1 before the first.
    .number(dialog.remoteCseq + 1)
    .flag(dialog.secure)
    .string(subscription.event)
    .string(subscription.contact)
    .number(subscription.expiresAtMs)
    .number(subscription.version)
    .number(phases.indexOf(subscription.phase))
    .number(subscription.retryAtMs)
    .flag(subscription.retried)
    .string(ending?.reason ?? '')
    .number((ending?.retryAfter ?? -1) + 1);
}

function readSubscription(reader: RecordReader): Subscription {
  const dialog: Dialog = {
    callId: reader.string(),
    localTag: reader.string(),
    remoteTag: reader.string(),
    localAddress: reader.string(),
    remoteAddress: reader.string(),
    remoteTarget: reader.string(),
    routeSet: reader.strings(),
    localCseq: reader.number(),
    remoteCseq: reader.number() - 1,
    secure: reader.flag(),
    state: 'confirmed',
  };
  const subscription = {
    dialog,
    event: reader.string(),
    contact: reader.string(),
    expiresAtMs: reader.number(),
    version: reader.number(),
    phase: phases[reader.number()] ?? 'idle',
    retryAtMs: reader.number(),
    retried: reader.flag(),
  };
  const reason = reader.string();
  const retryAfter = reader.number() - 1;
  return { ...subscription, ending: reason === '' ? null : { reason, retryAfter } };
}

function writeEnded(writer: RecordWriter, { binding, event, aors }: EndedContact): void {
  writeBinding(writer, binding);
  writeHistory(writer, binding);
  writer.number(contactEvents.indexOf(event)).strings(aors);
}

function readAllEnded(reader: RecordReader): EndedContact[] {
  const read = reader.list((record) => {
    const binding = makeBinding({ ...readBinding(record), history: readHistory(record) });
    const event = contactEvents[record.number()] ?? 'deactivated';
    return { binding, event, aors: record.strings() };
  });
  return read.flatMap(({ binding, event, aors }) => (binding === null ? [] : [{ binding, event, aors }]));
}
