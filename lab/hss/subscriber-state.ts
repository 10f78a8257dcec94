import type { ScscfRestorationInfo } from '#diameter/cx/restoration-info';
import type { ChargingConfig } from '#service/config/hss-config';
import type { Store } from '#store/store';
import type { Subscription } from './subscriber-table.ts';

/** Registration state of the identities of one implicit set. Source: TS 29.228 3.1, 6.1.2. */
export interface SetState {
  /** Private identities that have it registered; empty: not registered, or unregistered. */
  registered: string[];
  /** Nobody has it registered, but an S-CSCF keeps it for services of unregistered users. */
  unregistered: boolean;
  /** Private identities that are being authenticated. */
  pending: string[];
  /** What S-CSCFs left here for a restoration, of one private identity each. Source: TS 23.380 4.3. */
  restoration: ScscfRestorationInfo[];
}

/** The last sequence number given out to a USIM. Source: TS 33.102 C.1.1. */
export interface SequenceState {
  seq: number;
  ind: number;
  /** How far this USIM's sequence numbers are from the clock's. Source: TS 33.102 C.1.1.3 (DIF). */
  offset: number;
}

/** Who asks in a SAR or MAR: the S-CSCF's SIP name, and its Diameter names for requests to it. */
export interface ServingNode {
  readonly name: string;
  readonly host: string;
  readonly realm: string;
}

/** What the HSS remembers of one subscription. */
export interface SubscriptionState {
  server: ServingNode | null;
  /** The S-CSCF that was assigned before this one took over. */
  former: ServingNode | null;
  /** The S-CSCF was sent the profile since it was assigned. */
  hasProfile: boolean;
  /** By position of the implicit set. */
  sets: SetState[];
  /** By private identity; none yet when one is missing. */
  sequences: Record<string, SequenceState>;
  /** A profile or charging addresses were pushed: they stand in the other table. */
  pushed: boolean;
}

/** What a PPR brought, and what answers carry from then on. */
export interface PushedData {
  /** Template of the whole profile. */
  readonly profile?: string | undefined;
  readonly charging?: ChargingConfig | undefined;
}

/** The tables of the HSS' store. */
export const subscriberTableName = 'subscribers';
export const pushedTableName = 'pushed';
export const hssTables = [subscriberTableName, pushedTableName] as const;

/**
 * States of subscriptions in the store. Nothing is cached and each change is one transaction, so that several HSSs over one
 * folder see each other's changes and never give out a sequence number twice.
 */
export class SubscriberStates {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** The state as it is now; changes to it are not kept. Reads inside a transaction, past what other processes wrote. */
  read(subscription: Subscription): SubscriptionState {
    let state: SubscriptionState | undefined;
    this.#store.update(subscriberTableName, subscription.key, (record) => {
      state = decode(record?.value, subscription);
      return undefined;
    });
    return state!;
  }

  /**
   * Lets `change` change the state, and writes it when it did. Gives what `change` gives. Throws ERR_STORE_WRITE, and what
   * `change` throws; nothing is changed then.
   */
  change<T>(subscription: Subscription, change: (state: SubscriptionState) => T): T {
    let result: T | undefined;
    this.#store.update(subscriberTableName, subscription.key, (record) => {
      const state = decode(record?.value, subscription);
      const before = record === null ? '' : textOf(record.value);
      result = change(state);
      const after = JSON.stringify(state);
      return after === before ? undefined : { value: Buffer.from(after, 'latin1'), expiresAtMs: 0 };
    });
    return result as T;
  }

  pushed(subscription: Subscription): PushedData {
    let data: PushedData = {};
    this.#store.update(pushedTableName, subscription.key, (record) => {
      if (record !== null) data = JSON.parse(Buffer.from(record.value).toString('utf8')) as PushedData;
      return undefined;
    });
    return data;
  }

  push(subscription: Subscription, data: PushedData): void {
    const value = Buffer.from(JSON.stringify(data), 'utf8');
    this.#store.put(pushedTableName, subscription.key, value);
    this.change(subscription, (state) => {
      state.pushed = true;
    });
  }

  /** Keys of subscriptions that have ever had a state, behind `from`, and whether one of its sets is registered. */
  page(from: string, limit: number): { readonly key: string; readonly registered: boolean }[] {
    const entries = this.#store.range(subscriberTableName, '', limit, from);
    return entries.map(({ key, value }) => {
      const { sets = [] } = JSON.parse(textOf(value)) as Partial<SubscriptionState>;
      return { key, registered: sets.some(({ registered }) => registered.length > 0) };
    });
  }
}

function textOf(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1');
}

/** Sets that the configuration has got since are added, a record of an earlier version is understood. */
function decode(value: Uint8Array | undefined, { key, sets }: Subscription): SubscriptionState {
  const stored = value === undefined ? {} : (JSON.parse(textOf(value)) as Partial<SubscriptionState> & FormerRecord);
  const state: SubscriptionState =
    stored.registration === undefined ? { ...fresh(), ...stored } : fromFormerRecord(stored, key);
  while (state.sets.length < sets.length) state.sets.push(freshSet());
  return state;
}

function fresh(): SubscriptionState {
  return { server: null, former: null, hasProfile: false, sets: [], sequences: {}, pushed: false };
}

function freshSet(): SetState {
  return { registered: [], unregistered: false, pending: [], restoration: [] };
}

/** How one subscriber was stored in version 0.2. */
interface FormerRecord {
  readonly registration?: 'not-registered' | 'registered' | 'unregistered';
  readonly serverName?: string;
  readonly serverHost?: string;
  readonly seq?: number;
  readonly ind?: number;
  readonly seqOffset?: number;
}

function fromFormerRecord(record: FormerRecord, impi: string): SubscriptionState {
  const { ind = 0, registration, seq = 0, seqOffset = 0, serverHost = '', serverName = '' } = record;
  const realm = serverHost.slice(serverHost.indexOf('.') + 1);
  const registered = registration === 'registered' ? [impi] : [];
  return {
    ...fresh(),
    server: serverName === '' ? null : { name: serverName, host: serverHost, realm },
    hasProfile: registration !== 'not-registered',
    sets: [{ ...freshSet(), registered, unregistered: registration === 'unregistered' }],
    sequences: seq === 0 ? {} : { [impi]: { seq, ind, offset: seqOffset } },
  };
}
