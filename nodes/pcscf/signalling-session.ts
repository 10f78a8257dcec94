import type { RxOutcome } from '#diameter/rx/rx-outcome';
import type { AbortSession, ReAuth } from '#diameter/rx/rx-requests';
import type { AaAnswer } from '#diameter/rx/rx-results';
import type { RxEvents, RxSession } from '#diameter/rx/rx-session';
import { specificActions } from '#diameter/rx/rx-values';
import type { Clock } from '#service/clock';
import type { Listener } from '#sip/transport/flow';
import { CachedReader } from '#store/cached-reader';
import { openRecord, RecordReader, RecordWriter } from '#store/records';
import type { Store } from '#store/store';
import type { Binding } from './binding.ts';
import { inTime } from './media-authorization.ts';
import type { RxSide } from './rx.ts';
import { signallingService } from './rx-services.ts';

/** Tables: who holds the signalling session of a binding, and which bindings have lost their bearer, both by token. */
export const signallingTables: readonly string[] = ['rx-users', 'rx-bearer-lost'];

export interface SignallingOptions {
  readonly rx: RxSide;
  readonly store: Store;
  /** For what need not survive a restart but must be seen by all workers. */
  readonly volatile: Store;
  readonly clock: Clock;
  readonly worker: number;
  /** Whether a worker with this number is there. */
  readonly isThere: (worker: number) => boolean;
  readonly listeners: readonly Listener[];
  readonly binding: (token: string) => Binding | null;
  readonly tell: (worker: number, word: string) => void;
  /** A UE was marked, or is not any more. */
  readonly marked: (isLost: boolean) => void;
  /** The bearer of a UE is gone, and its sessions with it. */
  readonly bearerGone: (token: string) => void;
  readonly log: { info(fields: object, message: string): void };
}

/** Where the session of a binding is held, and for what. */
interface Holder {
  readonly worker: number;
  readonly address: string;
  readonly port: number;
  /** Milliseconds since 1970; 0: for as long as the session lives. */
  readonly authorizedUntilMs: number;
}

interface Held {
  readonly session: RxSession;
  /** Session-Id under which it is written down. */
  recorded: string;
}

const recordType = 0x55;
const recordVersion = 1;
const cacheSize = 16_384;
const empty = new Uint8Array(0);
const refreshWord = ' rx-refresh ';
const endWord = ' rx-end ';

/**
 * The Rx sessions of registrations: one for the signalling bearer of each binding, held by the worker that opened it;
 * other workers tell that one what happens to the binding.
 *
 * Source: TS 29.214 4.4.5; TS 24.229 5.2.7.1; requirements P-95, P-121, P-122, P-127, P-128.
 */
export class SignallingSessions {
  readonly #options: SignallingOptions;
  readonly #held = new Map<string, Held>();
  readonly #lost: CachedReader<true>;

  constructor(options: SignallingOptions) {
    this.#options = options;
    this.#lost = new CachedReader(options.volatile, 'rx-bearer-lost', () => true, cacheSize);
  }

  get size(): number {
    return this.#held.size;
  }

  /** Whether the PCRF reports that the UE of a binding has no bearer. Requirement P-95. */
  isLost(token: string): boolean {
    return this.#lost.get(token) === true;
  }

  /**
   * A binding was made or refreshed. Null when the PCRF need not be asked, or nobody waits for what it says; else what
   * follows, within five seconds. Requirements P-121, P-122.
   */
  bound(binding: Binding): Promise<RxOutcome> | null {
    const { rx, worker } = this.#options;
    const { token } = binding;
    const mode = rx.modeOf(binding.flow.address);
    if (this.isLost(token)) this.#markLost(token, false);
    if (mode === 'off') {
      this.unbound(token);
      return null;
    }
    const holder = this.#holderOf(token);
    const isMine = holder === null || holder.worker === worker;
    if (isMine && !this.#isOpen(token)) return this.#ask(binding, mode);
    if (holder !== null && this.#stillFits(holder, binding)) return null;
    if (isMine) return this.#ask(binding, mode);
    this.#options.tell(holder.worker, refreshWord + token);
    return null;
  }

  /** A binding is gone. Requirements P-55, P-122, P-126. */
  unbound(token: string): void {
    if (this.isLost(token)) this.#markLost(token, false);
    const holder = this.#holderOf(token);
    if (holder !== null && holder.worker !== this.#options.worker) {
      this.#options.tell(holder.worker, endWord + token);
    } else this.#end(token);
  }

  /** Hears another worker; false for what is not for us. */
  hear(word: string): boolean {
    if (word.startsWith(endWord)) this.#end(word.slice(endWord.length));
    else if (word.startsWith(refreshWord)) {
      const binding = this.#options.binding(word.slice(refreshWord.length));
      const mode = binding === null ? 'off' : this.#options.rx.modeOf(binding.flow.address);
      if (binding !== null && mode !== 'off') void this.#ask(binding, mode);
    } else return false;
    return true;
  }

  #ask(binding: Binding, mode: 'optional' | 'required'): Promise<RxOutcome> {
    const { rx } = this.#options;
    const { flow, identities, impi, token } = binding;
    const held = this.#open(token, mode);
    const own = this.#options.listeners[flow.listener];
    const service = signallingService(
      { address: flow.address, impus: identities.map(({ uri }) => uri) },
      { ueAddress: flow.address, uePort: flow.port, ownAddress: own?.address ?? '', ownPort: own?.port ?? 0 },
      rx.service,
    );
    // Written at once, so that no other worker opens another one.
    this.#putHolder(binding, 0);
    const outcome = held.session.authorize(service).then((told) => {
      rx.report(told, { impi, impu: binding.aor });
      if (told.kind === 'continue' && told.granted) this.#record(token, held);
      else this.#end(token);
      return told;
    });
    return inTime(outcome, mode);
  }

  #open(token: string, mode: 'optional' | 'required'): Held {
    const known = this.#held.get(token);
    if (known !== undefined && this.#isOpen(token)) return known;
    const { rx } = this.#options;
    const session = rx.sessions.open(this.#events(token), rx.policyOf(mode));
    const held: Held = { session, recorded: '' };
    this.#held.set(token, held);
    return held;
  }

  #isOpen(token: string): boolean {
    const state = this.#held.get(token)?.session.state;
    return state !== undefined && state !== 'ending' && state !== 'closed';
  }

  #end(token: string): void {
    const held = this.#held.get(token);
    this.#options.store.remove('rx-users', token);
    if (held === undefined) return;
    this.#held.delete(token);
    void held.session.end().then(() => this.#forget(held));
  }

  #events(token: string): RxEvents {
    return {
      granted: ({ authorizationLifetime }: AaAnswer) => {
        const binding = this.#options.binding(token);
        if (authorizationLifetime === undefined || binding === null) return;
        this.#putHolder(binding, Math.round(this.#options.clock.wallMs() + authorizationLifetime * 1000));
      },
      reAuth: (request) => this.#reAuth(token, request),
      aborted: (request) => this.#aborted(token, request),
      lost: () => {
        const held = this.#held.get(token);
        this.#held.delete(token);
        this.#options.store.remove('rx-users', token);
        if (held !== undefined) this.#forget(held);
      },
    };
  }

  #reAuth(token: string, { specificActions: actions }: ReAuth): void {
    if (actions.includes(specificActions.INDICATION_OF_RECOVERY_OF_BEARER)) this.#markLost(token, false);
    else if (actions.includes(specificActions.INDICATION_OF_RELEASE_OF_BEARER)) this.#bearerGone(token, 'released');
    else if (actions.includes(specificActions.INDICATION_OF_LOSS_OF_BEARER)) this.#markLost(token, true);
  }

  #aborted(token: string, { cause }: AbortSession): void {
    this.#bearerGone(token, `aborted with cause ${cause}`);
    const held = this.#held.get(token);
    if (held === undefined) return;
    this.#held.delete(token);
    this.#options.store.remove('rx-users', token);
    // It ends by itself; this waits for that.
    void held.session.end().then(() => this.#forget(held));
  }

  /** The UE cannot be reached, nor can its calls go on. */
  #bearerGone(token: string, words: string): void {
    this.#markLost(token, true);
    const impi = this.#options.binding(token)?.impi;
    this.#options.log.info({ impi, words }, 'the PCRF reports that a UE has no signalling bearer any more');
    this.#options.bearerGone(token);
  }

  #markLost(token: string, isLost: boolean): void {
    const { marked, volatile } = this.#options;
    if (isLost === this.isLost(token)) return;
    if (isLost) volatile.put('rx-bearer-lost', token, empty);
    else volatile.remove('rx-bearer-lost', token);
    // An event of a PCRF is no part of a batch that would write it.
    volatile.commit();
    marked(isLost);
  }

  #record(token: string, held: Held): void {
    const { records } = this.#options.rx;
    if (held.recorded === held.session.id) return;
    this.#forget(held);
    held.recorded = held.session.id;
    records.note(held.session, token);
  }

  #forget(held: Held): void {
    if (held.recorded !== '') this.#options.rx.records.forget(held.recorded);
    held.recorded = '';
  }

  /** Whether the PCRF knows all it has to until the registration runs out. Requirement P-122. */
  #stillFits({ address, authorizedUntilMs, port }: Holder, { expiresAtMs, flow }: Binding): boolean {
    if (address !== flow.address || port !== flow.port) return false;
    return authorizedUntilMs === 0 || authorizedUntilMs > expiresAtMs;
  }

  #holderOf(token: string): Holder | null {
    const octets = this.#options.store.get('rx-users', token);
    const reader = octets === null ? null : openRecord(octets, recordType, recordVersion);
    if (!(reader instanceof RecordReader)) return null;
    const [worker, address, port, authorizedUntilMs] = [
      reader.number(),
      reader.string(),
      reader.number(),
      reader.number(),
    ];
    // One that has left, or of a run that had more of them, holds nothing.
    if (reader.damaged || !this.#options.isThere(worker)) return null;
    return { worker, address, port, authorizedUntilMs };
  }

  #putHolder({ flow, token }: Binding, authorizedUntilMs: number): void {
    const writer = new RecordWriter(recordType, recordVersion);
    const octets = writer.number(this.#options.worker).string(flow.address).number(flow.port).number(authorizedUntilMs);
    this.#options.store.put('rx-users', token, octets.finish());
  }
}
