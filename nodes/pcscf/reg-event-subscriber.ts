import { formatChargingVector, newIcid } from '#ims/charging';
import { readRegInfo } from '#ims/reginfo-read';
import { ParseFailure } from '#sip/errors';
import { defaultSubscriberPolicy } from '#sip/event/resubscription';
import { Subscriber, type SubscriberEnd } from '#sip/event/subscriber';
import type { SubscriberState } from '#sip/event/subscriber-state';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { ForwardOptions } from '#sip/proxy/proxy-branch';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import { coreReasons } from '#sip/reasons';
import type { Binding } from './binding.ts';
import type { PcscfState } from './pcscf-state.ts';
import { applyRegInfo, watchedBindings } from './reg-event-subscriber-news.ts';
import {
  decodeWatch,
  encodeWatch,
  newWatch,
  type RegWatch,
  regEventKey,
  regEventKeyOf,
  regEventTable,
  type TargetFrame,
} from './reg-event-subscriber-record.ts';

/** How long after its last binding went a subscription is kept: mostly the notifier ends it before. */
const partingMs = 10_000;
/** A record whose SUBSCRIBE is under way is looked at again after this, longer than Timer F. */
const underWayMs = 60_000;
/** When the Call-ID of a subscription is another worker's at the moment. */
const busyMs = 1_000;

/** One subscription in the hands of this worker. */
interface Live {
  readonly watch: RegWatch;
  /** What keeps its Call-ID with this worker, -1: nothing. */
  hold: number;
  /** No binding is left. */
  unbound: boolean;
}

/**
 * The subscriptions of this node to what home networks do with the registrations of its UEs. They live in the store, each with
 * the time when somebody has to look at it: a worker takes those of its share that are due. While a SUBSCRIBE is under way
 * its Call-ID belongs to the worker that sent it; later any worker takes the NOTIFYs.
 *
 * Source: TS 24.229 5.2.3, RFC 3680, RFC 6665 4.1; requirements P-60 to P-65.
 */
export class RegEventSubscriber {
  readonly #state: PcscfState;
  readonly #subscriber: Subscriber;
  /** Those with a SUBSCRIBE of this worker under way, by key. */
  readonly #live = new Map<string, Live>();
  readonly #frame: TargetFrame;
  /** The one being acted on. */
  #current: Live | null = null;
  /** When the next new subscription may begin. */
  #nextStartMs = 0;

  constructor(state: PcscfState) {
    this.#state = state;
    const { context, routes } = state;
    const { clock, origin, calls } = context;
    this.#frame = {
      toCore: (user) => routes.toCore(user),
      homeDomain: context.config.homeDomain,
      get expires() {
        return context.config.regEvent.expires;
      },
    };
    this.#subscriber = new Subscriber(defaultSubscriberPolicy, {
      nowMs: () => clock.wallMs(),
      newCallId: () => this.#newCallId(),
      newTag: () => origin.newTag(),
      releaseCallId: () => {
        const live = this.#current;
        if (live === null || live.hold < 0) return;
        calls.release(live.hold);
        live.hold = -1;
      },
      send: (subscription, subscribe) => this.#send(subscription, subscribe),
      // It is written when the step is over.
      changed() {},
      notified: (_subscription, notify) => this.#notified(notify),
      ended: (_subscription, why) => this.#ended(why),
    });
  }

  /**
   * A binding was made or refreshed: it is watched from now on. New subscriptions begin at a rate of their own, so that
   * registrations do not wait for them. Requirement P-60.
   */
  bound(binding: Binding): void {
    const { config, store, clock } = this.#state.context;
    const { regEvent } = config;
    if (!regEvent.subscribe) return;
    const key = regEventKey(binding);
    const live = this.#live.get(key);
    if (live !== undefined) live.unbound = false;
    if (live !== undefined || store.get(regEventTable, key) !== null) return;
    const watch = newWatch(binding, key, this.#frame);
    this.#nextStartMs = Math.max(clock.wallMs(), this.#nextStartMs + 1000 / regEvent.rate);
    watch.state.dueMs = this.#nextStartMs;
    this.#put(watch, this.#nextStartMs);
  }

  /** A binding is gone; without another one the subscription ends. Requirement P-55. */
  unbound(binding: Binding): void {
    const key = regEventKey(binding);
    const live = this.#live.get(key);
    if (live !== undefined) live.unbound = true;
    const { store, clock } = this.#state.context;
    if (store.get(regEventTable, key) === null) return;
    const expiresAtMs = clock.wallMs() + partingMs;
    store.update(regEventTable, key, (record) => (record === null ? undefined : { value: record.value, expiresAtMs }));
  }

  /** A subscription of this worker's share is due. Requirements P-61, P-65. */
  due(key: string): void {
    const underWay = this.#live.get(key);
    if (underWay !== undefined) {
      this.#act(underWay, () => this.#subscriber.due(underWay.watch.state));
      return;
    }
    const { context } = this.#state;
    const watch = this.#read(key);
    if (watch === null) {
      context.store.remove(regEventTable, key);
      return;
    }
    const { state } = watch;
    const live = this.#take(watch);
    if (live === null) {
      this.#put(watch, context.clock.wallMs() + busyMs);
      return;
    }
    const isWanted = context.config.regEvent.subscribe && this.#bindingsOf(watch).length > 0;
    this.#act(live, () => {
      if (state.phase === 'leaving') this.#subscriber.due(state);
      else if (!isWanted) this.#subscriber.stop(state);
      else {
        this.#subscriber.resume(state);
        this.#subscriber.due(state);
      }
    });
  }

  /**
   * Takes a NOTIFY for a subscription of this node; false when the request is none. Requirement P-62.
   */
  take(transaction: ProxyTransaction): boolean {
    const { request } = transaction;
    const { uri } = request;
    const key = 'user' in uri && request.method === 'NOTIFY' ? regEventKeyOf(uri.user) : '';
    if (key === '') return false;
    if (!transaction.serveAsUas()) return true;
    const watch = this.#live.get(key)?.watch ?? this.#read(key);
    const live = this.#live.get(key) ?? (watch === null ? null : { watch, hold: -1, unbound: false });
    if (live === null) {
      transaction.refuse(coreReasons.unknownDialog);
      return true;
    }
    const verdict: { refusal: ReturnType<Subscriber['receive']> } = { refusal: null };
    this.#act(live, () => {
      verdict.refusal = this.#subscriber.receive(live.watch.state, request);
      return verdict.refusal === null;
    });
    const { refusal } = verdict;
    if (refusal === null) transaction.reply(200);
    else {
      transaction.refuse(refusal.reason, refusal.detail, ({ headers }) => {
        for (const [name, value] of refusal.headers) headers.append(name, value);
      });
    }
    return true;
  }

  /** Does one step with a subscription and keeps what became of it, unless the step says that nothing did (false). */
  #act(live: Live, step: () => boolean | void): void {
    const before = this.#current;
    this.#current = live;
    let hasChanged = true;
    try {
      hasChanged = step() !== false;
    } finally {
      this.#current = before;
      if (hasChanged) this.#keep(live);
    }
  }

  #keep(live: Live): void {
    const { watch } = live;
    const { state, key } = watch;
    const { store, calls, clock } = this.#state.context;
    const nowMs = clock.wallMs();
    switch (state.phase) {
      case 'subscribing':
      case 'noticed':
        // What the store has comes due again if this worker dies.
        this.#live.set(key, live);
        return;
      case 'refreshing':
      case 'leaving':
        this.#live.set(key, live);
        this.#put(watch, nowMs + underWayMs);
        return;
      case 'ended':
        store.remove(regEventTable, key);
        break;
      case 'accepted':
      case 'active':
      case 'waiting':
        this.#put(watch, live.unbound ? nowMs + partingMs : state.dueMs);
        break;
    }
    this.#live.delete(key);
    if (live.hold >= 0) calls.release(live.hold);
    live.hold = -1;
  }

  #put(watch: RegWatch, dueMs: number): void {
    this.#state.context.store.put(regEventTable, watch.key, encodeWatch(watch), Math.max(1, dueMs));
  }

  #read(key: string): RegWatch | null {
    const octets = this.#state.context.store.get(regEventTable, key);
    return octets === null ? null : decodeWatch(key, octets, this.#frame);
  }

  /** Makes the Call-ID of a subscription this worker's; null while it is another's. */
  #take(watch: RegWatch): Live | null {
    const { callId } = watch.state;
    if (callId === '') return { watch, hold: -1, unbound: false };
    const claimed = this.#state.context.origin.claim(callId);
    return claimed === null ? null : { watch, hold: claimed.hold, unbound: false };
  }

  #bindingsOf({ key, impi }: RegWatch): readonly Binding[] {
    return watchedBindings(this.#state, impi, (binding) => regEventKey(binding) === key);
  }

  /** Null where nothing is registered any more: then it is looked at later, and given up. Requirement P-65. */
  #newCallId(): string | null {
    const live = this.#current;
    if (live === null || live.unbound) return null;
    const { callId, hold } = this.#state.context.origin.newCallId();
    live.hold = hold;
    live.watch.version = -1;
    return callId;
  }

  #send(subscription: SubscriberState, subscribe: SipRequest): void {
    const live = this.#current!;
    const { origin, config } = this.#state.context;
    const vector = formatChargingVector({
      icid: newIcid(),
      icidGeneratedAt: config.name,
      origIoi: config.visitedNetwork,
      termIoi: '',
      others: [],
    });
    subscribe.headers.append(Header['P-Charging-Vector'], vector);
    // The first one goes where a UE has said it is at home.
    const way: ForwardOptions = { side: 'mw', guarded: subscription.dialog === null };
    // It may fail before this returns, and then be looked for among those under way.
    this.#live.set(live.watch.key, live);
    origin.originate(
      subscribe,
      {
        branchResponse: (_branch, response) => this.#act(live, () => this.#subscriber.answered(subscription, response)),
        branchFailed: () => this.#act(live, () => this.#subscriber.unanswered(subscription, subscribe)),
      },
      way,
    );
  }

  #notified(notify: SipRequest): void {
    const live = this.#current!;
    const { watch } = live;
    const { context } = this.#state;
    if (watch.version < 0) context.count('reg-event-subscribed');
    if (notify.body === '') return;
    const document = readRegInfo(Buffer.from(notify.body, 'latin1'));
    if (document instanceof ParseFailure) {
      const { impi } = watch;
      context.log.warn({ reason: 'reg-event-unreadable', impi, detail: document.reason }, 'a NOTIFY cannot be used');
      return;
    }
    if (document.version <= watch.version) return;
    const hasGap = document.state === 'partial' && document.version > watch.version + 1;
    watch.version = document.version;
    const nowMs = context.clock.wallMs();
    live.unbound = applyRegInfo(this.#state, this.#bindingsOf(watch), document, nowMs) === 0;
    // Something was missed: a refresh brings a full document. Source: RFC 3680 5.2.
    if (hasGap && watch.state.phase === 'active') watch.state.dueMs = nowMs;
  }

  #ended(why: SubscriberEnd): void {
    const { impi, impu } = this.#current!.watch;
    if (why !== 'refused' && why !== 'failed') return;
    const { context } = this.#state;
    context.count('reg-event-failed');
    context.log.warn(
      { reason: 'reg-event-failed', impi, impu, why },
      'no subscription to a registration: its end will not be heard; the next REGISTER tries again',
    );
  }
}
