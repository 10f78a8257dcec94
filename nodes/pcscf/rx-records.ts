import type { RxSession } from '#diameter/rx/rx-session';
import { Timer, type TimerOwner, type TimerWheel } from '#sip/transaction/timer-wheel';
import { openRecord, RecordReader, RecordWriter } from '#store/records';
import type { Store } from '#store/store';

/** What must be known of an Rx session to end it after a restart. */
export interface RxRecord {
  readonly sessionId: string;
  readonly host: string;
  readonly realm: string;
  readonly classes: readonly Buffer[];
  /** Token of the binding whose signalling it is about, '' for a media session. */
  readonly token: string;
}

/** Table of the sessions by Session-Id. */
export const rxSessionTable = 'rx-sessions';

const recordType = 0x52;
const recordVersion = 1;
/** Sessions that end sooner than this are never written. */
const flushMs = 250;

/**
 * Writes down which Rx sessions PCRFs hold for us, so that the next start can end what this one left. What began and
 * ended within a quarter of a second costs nothing. Requirement P-129.
 */
export class RxRecords implements TimerOwner {
  readonly #store: Store;
  readonly #wheel: TimerWheel;
  readonly #timer = new Timer(this, 'rx-records');
  /** To be written, null: to be removed. */
  readonly #changes = new Map<string, RxRecord | null>();

  constructor(store: Store, wheel: TimerWheel) {
    this.#store = store;
    this.#wheel = wheel;
  }

  /** A PCRF holds this session. */
  note(session: RxSession, token: string): void {
    const record = {
      sessionId: session.id,
      host: session.pcrfHost ?? '',
      realm: session.pcrfRealm ?? '',
      classes: session.classes,
      token,
    };
    this.#changes.set(session.id, record);
    this.#schedule();
  }

  /** The PCRF holds it no more. */
  forget(sessionId: string): void {
    // Not written yet: then there is nothing to remove.
    if (this.#changes.get(sessionId)) this.#changes.delete(sessionId);
    else this.#changes.set(sessionId, null);
    this.#schedule();
  }

  /** Sessions that are written, behind the Session-Id `after`. */
  list(limit: number, after: string): RxRecord[] {
    const found: RxRecord[] = [];
    const from = after === '' ? [] : ([after] as const);
    for (const { key, value } of this.#store.range(rxSessionTable, '', limit, ...from)) {
      const record = decode(key, value);
      if (record === null) this.#store.remove(rxSessionTable, key);
      else found.push(record);
    }
    return found;
  }

  /** Writes what is due now, as before a stop. */
  flush(): void {
    this.#wheel.stop(this.#timer);
    for (const [id, record] of this.#changes) {
      if (record === null) this.#store.remove(rxSessionTable, id);
      else this.#store.put(rxSessionTable, id, encode(record));
    }
    this.#changes.clear();
  }

  onTimer(): void {
    this.flush();
  }

  #schedule(): void {
    if (!this.#timer.running) this.#wheel.start(this.#timer, flushMs);
  }
}

function encode({ classes, host, realm, token }: RxRecord): Buffer {
  const writer = new RecordWriter(recordType, recordVersion).string(host).string(realm).string(token);
  return writer.list(classes, (each, octets) => each.bytes(octets)).finish();
}

function decode(sessionId: string, octets: Buffer): RxRecord | null {
  const reader = openRecord(octets, recordType, recordVersion);
  if (!(reader instanceof RecordReader)) return null;
  const [host, realm, token] = [reader.string(), reader.string(), reader.string()];
  const classes = reader.list((each) => Buffer.from(each.bytes()));
  return reader.damaged ? null : { sessionId, host, realm, classes, token };
}
