import type { KeyObject } from 'node:crypto';
import { formatChargingVector, newIcid } from '#ims/charging';
import { reasons } from '#ims/reasons';
import { formatRegInfo, regInfoType } from '#ims/reginfo';
import type { ScscfConfig } from '#service/config/scscf-config';
import type { ClaimedCall, NodeContext } from '#service/node-context';
import { isRefusal, type Refusal, refusal } from '#sip/dialog/refusal';
import { Notifier } from '#sip/event/notifier';
import type { EventPackage, SubscribeRequest } from '#sip/event/subscribe-request';
import { openSubscription, refreshSubscription, type Subscription } from '#sip/event/subscription';
import { tagOf } from '#sip/header/name-addr';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import { coreReasons } from '#sip/reasons';
import { isKey, StoreError } from '#store/store';
import { makeGruus } from './gruu.ts';
import { type EventSource, newsOf, regInfoOf } from './reg-event-document.ts';
import type { Registration } from './registration.ts';
import type { RegistrationStore } from './registration-store.ts';
import { maxNews, SubscriptionStore, type Watch, type Watcher } from './subscription-store.ts';

/** Subscriptions to one registration; a UE, its P-CSCF and some application servers are usual. */
const maxWatchers = 64;

const allDialogs = 'all';
const noDialog: readonly string[] = [];
type CallIds = readonly string[] | typeof allDialogs;

/** A SUBSCRIBE that was accepted: what its 200 is made of. */
export interface AcceptedSubscribe {
  readonly subscription: Subscription;
  readonly asked: SubscribeRequest;
}

/** One change of the subscriptions to a registration. */
interface Turn {
  watch: Watch;
  readonly registration: Registration | null;
  readonly nowMs: number;
  /** Call-IDs whose answers come to this worker: only for these a NOTIFY may be sent. */
  readonly claims: Map<string, ClaimedCall>;
  /** NOTIFYs to send when the change is kept. */
  sends: SipRequest[];
  /** Call-IDs of subscriptions whose NOTIFY another worker has to send. */
  readonly deferred: Set<string>;
}

/**
 * The notifier of the reg event package. Subscriptions live in the store, so any worker can change them; a NOTIFY is sent
 * by a worker that could claim the Call-ID of its dialog, since the answer is dispatched by it. That is nearly always the
 * one that made the change: nothing of a quiet subscription lives anywhere. While something does (the transaction of its
 * SUBSCRIBE, a NOTIFY under way), the change is noted in the store and, where no answer is awaited that would bring it up,
 * the owner is told to look.
 *
 * Source: RFC 3680, RFC 6665 4.2, TS 24.229 5.4.2.1; requirements S-60 to S-67, S-71.
 */
export class RegEvents {
  readonly #context: NodeContext<ScscfConfig>;
  readonly #registrations: RegistrationStore;
  readonly #subscriptions: SubscriptionStore;
  readonly #gruuSecret: KeyObject;
  readonly #notifier: Notifier;
  /** Dialogs of which this worker has a NOTIFY under way. */
  readonly #inFlight = new Set<string>();
  #turn: Turn | null = null;

  constructor(context: NodeContext<ScscfConfig>, registrations: RegistrationStore, gruuSecret: KeyObject) {
    this.#context = context;
    this.#registrations = registrations;
    this.#subscriptions = new SubscriptionStore(context.store);
    this.#gruuSecret = gruuSecret;
    this.#notifier = new Notifier(regInfoType, {
      nowMs: () => context.clock.wallMs(),
      body: (subscription) => this.#body(subscription),
      send: (_subscription, notify) => void this.#turn?.sends.push(notify),
      // The record is written after every turn.
      changed() {},
      ended() {},
    });
  }

  /**
   * Begins a subscription to the registration with this key, or to an identity that nobody is registered with. `accepted`
   * sends the 200; the first NOTIFY follows. A fetch has one NOTIFY.
   *
   * @throws StoreError when it could not be kept.
   */
  subscribe(
    request: SipRequest,
    key: string,
    asked: SubscribeRequest,
    localTag: string,
    accepted: (accepted: AcceptedSubscribe) => void,
  ): Refusal | null {
    const contact = `<${this.#context.config.uri}>`;
    let outcome: AcceptedSubscribe | Refusal = refusal(reasons.tooManyWatchers);
    const open = (turn: Turn) => {
      if (turn.watch.watchers.length >= maxWatchers) return;
      const subscription = openSubscription(request, asked, localTag, contact, turn.nowMs);
      outcome = isRefusal(subscription) ? subscription : { subscription, asked };
      if (isRefusal(subscription)) return;
      const watcher = { subscription, owner: this.#context.store.nodes?.own ?? 0, news: [], told: [] };
      turn.watch.watchers = [...turn.watch.watchers, watcher];
      this.#notify(turn, watcher);
    };
    const seen = this.#registrations.get(key);
    this.#change(key, [callIdOf(request)], open, () => {
      if (!isRefusal(outcome)) accepted(outcome);
    });
    if (isRefusal(outcome)) return outcome;
    this.#guard(key, () => this.#lookAgain(key, callIdOf(request), localTag, seen));
    return null;
  }

  /** Another worker may have changed the registration while the subscription was not to be seen yet. */
  #lookAgain(key: string, callId: string, localTag: string, seen: Registration | null): void {
    const now = this.#registrations.find(key);
    if (now === seen) return;
    if (now !== null && now.key !== key) this.#adopt(null, now);
    this.#change(now?.key ?? key, [callId], (turn) => {
      const watcher = watcherOf(turn.watch, callId, localTag);
      if (watcher === undefined || watcher.subscription.ending !== null) return;
      if (now === null) {
        turn.watch.ended = seen?.identities ?? [];
        watcher.subscription.ending = { reason: 'noresource', retryAfter: -1 };
      }
      this.#notify(turn, watcher);
    });
  }

  /** Whether a request belongs to the dialog of a subscription. */
  knows(request: SipRequest): boolean {
    return this.#subscriptions.keyOf(callIdOf(request), localTagOf(request)) !== null;
  }

  /** A SUBSCRIBE inside a dialog: prolongs or ends its subscription; else as `subscribe`. Requirement S-67. */
  refresh(request: SipRequest, offered: EventPackage, accepted: (accepted: AcceptedSubscribe) => void): Refusal | null {
    const callId = callIdOf(request);
    const localTag = localTagOf(request);
    const key = this.#subscriptions.keyOf(callId, localTag);
    if (key === null) return refusal(coreReasons.unknownDialog);
    let outcome: AcceptedSubscribe | Refusal = refusal(coreReasons.unknownDialog);
    const take = (turn: Turn) => {
      const watcher = watcherOf(turn.watch, callId, localTag);
      if (watcher === undefined) return;
      this.#stepIn(watcher);
      const { subscription } = watcher;
      const asked = refreshSubscription(subscription, request, offered, turn.nowMs);
      outcome = isRefusal(asked) ? asked : { subscription, asked };
      if (!isRefusal(asked)) this.#notify(turn, watcher);
    };
    this.#change(key, [callId], take, () => {
      if (!isRefusal(outcome)) accepted(outcome);
    });
    return isRefusal(outcome) ? outcome : null;
  }

  /**
   * A registration was made, changed or ended: its watchers are told. `eventOf` says why a contact that is gone is gone.
   * Both registrations as they were read and written; a failure of the store is logged. `later`: no NOTIFY leaves before
   * this worker's next batch.
   *
   * Source: TS 24.229 5.4.2.1.2; requirements S-62, S-64, S-65.
   */
  changed(
    before: Registration | null,
    after: Registration | null,
    eventOf: EventSource,
    when: 'now' | 'later' = 'now',
  ): void {
    const key = (after ?? before)?.key;
    if (key === undefined || before === after) return;
    this.#guard(key, () => {
      if (after !== null && before?.key !== after.key) this.#adopt(before, after);
      if (this.#subscriptions.get(key) === null) return;
      const news = newsOf(before, after, eventOf);
      const tell = (turn: Turn) => {
        if (after === null) turn.watch.ended = before?.identities ?? [];
        for (const watcher of turn.watch.watchers) {
          // The last document of a subscription has been made.
          if (watcher.subscription.ending !== null) continue;
          watcher.news = [...watcher.news, ...news].slice(-maxNews);
          if (after === null) watcher.subscription.ending = { reason: 'noresource', retryAfter: -1 };
          this.#notify(turn, watcher);
        }
      };
      this.#change(key, when === 'now' ? allDialogs : noDialog, tell);
    });
  }

  /** Looks at the subscriptions to one registration: whether one has run out, waits to be told, or lost its NOTIFY. */
  attend(key: string): void {
    this.#guard(key, () => {
      if (this.#subscriptions.get(key) === null) return;
      this.#change(key, allDialogs, (turn) => {
        for (const watcher of turn.watch.watchers) {
          if (!this.#isOurs(watcher)) continue;
          const { subscription } = watcher;
          const isOver = subscription.ending === null && turn.nowMs >= subscription.expiresAtMs;
          const isDue = subscription.phase === 'waiting' && turn.nowMs >= subscription.retryAtMs;
          if (isOver) subscription.ending = { reason: 'timeout', retryAfter: -1 };
          if (isOver || isDue || this.#isLost(turn, watcher)) this.#notify(turn, watcher);
        }
      });
    });
  }

  /** Whether subscriptions to a registration that fall due are seen to here: where several S-CSCFs share them, one of them does. */
  seesTo(key: string): boolean {
    if (this.#context.store.nodes === undefined) return true;
    const nowMs = this.#context.clock.wallMs();
    const watchers = this.#subscriptions.get(key)?.watchers ?? [];
    const isDue = ({ subscription: { phase, retryAtMs, expiresAtMs } }: Watcher) =>
      phase === 'waiting' ? retryAtMs <= nowMs : phase !== 'idle' || expiresAtMs <= nowMs;
    return watchers.length === 0 || watchers.some((watcher) => this.#isOurs(watcher) && isDue(watcher));
  }

  /** Whether this S-CSCF sends the NOTIFYs of a subscription: one of those that share it does, so that versions rise. */
  #isOurs({ owner }: Watcher): boolean {
    return this.#context.store.nodes?.standsInFor(owner) ?? true;
  }

  /** This S-CSCF sends the NOTIFYs from now on, and is who the subscriber turns to. */
  #stepIn(watcher: Watcher): void {
    const own = this.#context.store.nodes?.own ?? watcher.owner;
    if (watcher.owner === own) return;
    watcher.owner = own;
    watcher.subscription.contact = `<${this.#context.config.uri}>`;
  }

  /** Sends a NOTIFY of what there is now, or sees to it that one follows. */
  #notify(turn: Turn, watcher: Watcher): void {
    const { subscription } = watcher;
    if (turn.claims.has(subscription.dialog.callId)) this.#stepIn(watcher);
    if (this.#isLost(turn, watcher)) {
      watcher.news = [...watcher.told, ...watcher.news];
      this.#notifier.resume(subscription);
      return;
    }
    if (subscription.phase === 'idle' || subscription.phase === 'waiting') {
      const { callId } = subscription.dialog;
      const isMine = turn.claims.has(callId);
      if (subscription.phase === 'idle' && !isMine) {
        subscription.phase = 'waiting';
        subscription.retryAtMs = turn.nowMs;
      }
      const isDue = subscription.ending !== null || turn.nowMs >= subscription.retryAtMs;
      if (!isMine) {
        if (isDue && this.#isOurs(watcher)) turn.deferred.add(callId);
        return;
      }
      if (isDue) subscription.phase = 'idle';
    }
    this.#notifier.refreshed(subscription);
  }

  /** Whether the answer to a NOTIFY will not come: who awaited it would own the Call-ID. */
  #isLost(turn: Turn, { subscription }: Watcher): boolean {
    const { phase, dialog } = subscription;
    if (phase !== 'notifying' && phase !== 'owing' && phase !== 'finishing') return false;
    return turn.claims.has(dialog.callId) && !this.#inFlight.has(`${dialog.callId}\n${dialog.localTag}`);
  }

  /** `callIds`: only NOTIFYs of these dialogs may be sent. `kept` is called before they leave. */
  #change(key: string, callIds: CallIds, act: (turn: Turn) => void, kept?: () => void): void {
    const turn: Turn = {
      watch: { key, ended: [], watchers: [] },
      registration: this.#registrations.get(key),
      nowMs: this.#context.clock.wallMs(),
      claims: this.#claim(key, callIds),
      sends: [],
      deferred: new Set(),
    };
    try {
      this.#turn = turn;
      this.#subscriptions.change(key, turn.nowMs, (watch) => {
        turn.watch = watch;
        turn.sends = [];
        turn.deferred.clear();
        act(turn);
      });
      this.#turn = null;
      kept?.();
      for (const notify of turn.sends) this.#send(notify, turn);
    } finally {
      this.#turn = null;
      for (const { hold } of turn.claims.values()) this.#context.calls.release(hold);
    }
    this.#handOver(key, turn.deferred);
  }

  #claim(key: string, callIds: CallIds): Map<string, ClaimedCall> {
    const claims = new Map<string, ClaimedCall>();
    const all = callIds === allDialogs ? (this.#subscriptions.get(key)?.watchers ?? []) : [];
    const watchers = all.filter((watcher) => this.#isOurs(watcher));
    const wanted = callIds === allDialogs ? watchers.map(({ subscription }) => subscription.dialog.callId) : callIds;
    for (const each of new Set(wanted)) {
      const claim = this.#context.origin.claim(each);
      if (claim !== null) claims.set(each, claim);
    }
    return claims;
  }

  #send(notify: SipRequest, turn: Turn): void {
    const { calls, config, origin } = this.#context;
    const callId = callIdOf(notify);
    // A second dialog with this Call-ID needs a hold of its own.
    const claim = turn.claims.get(callId) ?? origin.claim(callId);
    turn.claims.delete(callId);
    const dialog = `${callId}\n${tagOf(notify.headers.get(Header.From) ?? '')}`;
    this.#inFlight.add(dialog);
    const finish = (response: SipResponse | null) => {
      this.#inFlight.delete(dialog);
      this.#answered(notify, response);
      if (claim !== null) calls.release(claim.hold);
    };
    const vector = { icid: newIcid(), icidGeneratedAt: '', origIoi: config.homeDomain, termIoi: '', others: [] };
    notify.headers.append(Header['P-Charging-Vector'], formatChargingVector(vector));
    origin.originate(notify, {
      branchResponse: (_branch, response) => finish(response),
      branchFailed: () => finish(null),
    });
  }

  /** `response`: the final one, null for none. Requirement S-66. */
  #answered(notify: SipRequest, response: SipResponse | null): void {
    const callId = callIdOf(notify);
    const localTag = tagOf(notify.headers.get(Header.From) ?? '');
    const key = this.#subscriptions.keyOf(callId, localTag);
    if (key === null) return;
    this.#guard(key, () =>
      this.#change(key, [callId], (turn) => {
        const watcher = watcherOf(turn.watch, callId, localTag);
        if (watcher === undefined) return;
        const { subscription } = watcher;
        const { told } = watcher;
        if (response === null) this.#notifier.unanswered(subscription, notify);
        else this.#notifier.answered(subscription, response);
        if (subscription.phase === 'waiting') watcher.news = [...told, ...watcher.news];
        // Else the next document is out already, and has its own.
        if (watcher.told === told) watcher.told = [];
      }),
    );
  }

  /** The owners of these Call-IDs look at the subscriptions; a Call-ID that became free meanwhile is ours to look at. */
  #handOver(key: string, callIds: ReadonlySet<string>): void {
    const { origin, worker } = this.#context;
    const owners = new Set([...callIds].map((callId) => origin.ownerOf(callId)));
    for (const owner of owners) origin.tell(owner < 0 ? worker : owner, key);
  }

  /** Who asked for one of the identities before anybody registered with it, and who watched under another key. */
  #adopt(before: Registration | null, after: Registration): void {
    const keys = new Set(after.identities.map(({ impu }) => impu));
    if (before !== null) keys.add(before.key);
    keys.delete(after.key);
    for (const key of keys) {
      // An identity may have a registration of its own under its name.
      if (!isKey(key) || this.#subscriptions.get(key) === null || this.#registrations.get(key) !== null) continue;
      let moving: readonly Watcher[] = [];
      const nowMs = this.#context.clock.wallMs();
      this.#subscriptions.change(key, nowMs, (watch) => {
        moving = watch.watchers.filter(({ subscription }) => subscription.ending === null);
        watch.watchers = watch.watchers.filter(({ subscription }) => subscription.ending !== null);
      });
      this.#subscriptions.change(after.key, nowMs, (watch) => {
        watch.watchers = [...watch.watchers, ...moving].slice(0, maxWatchers);
      });
    }
  }

  #body(subscription: Subscription): string {
    const { watch, registration, nowMs } = this.#turn!;
    const watcher = watch.watchers.find((each) => each.subscription === subscription);
    const { news = [] } = watcher ?? {};
    if (watcher !== undefined) {
      watcher.told = news;
      watcher.news = [];
    }
    const ended = subscription.ending?.reason === 'noresource';
    const others = ended && watch.ended.length > 0 ? watch.ended : [unregistered(watch.key)];
    const state = { registration: ended ? null : registration, others, news, ended };
    const { homeDomain } = this.#context.config;
    return formatRegInfo(
      regInfoOf(state, subscription.version, nowMs, (binding, impu) =>
        makeGruus(binding, impu, homeDomain, this.#gruuSecret),
      ),
    );
  }

  /** What watchers are told must not keep a registration from being made. */
  #guard(key: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      const fields = { reason: 'store-failed', err: error, key };
      this.#context.log.error(fields, 'watchers of a registration could not be told');
    }
  }
}

function unregistered(impu: string) {
  return { impu, uri: impu, barred: false, wildcard: false };
}

function watcherOf(watch: Watch, callId: string, localTag: string): Watcher | undefined {
  return watch.watchers.find(
    ({ subscription: { dialog } }) => dialog.callId === callId && dialog.localTag === localTag,
  );
}

function callIdOf({ headers }: SipRequest): string {
  return headers.get(Header['Call-ID']) ?? '';
}

/** Our tag in a request of the peer. */
function localTagOf({ headers }: SipRequest): string {
  return tagOf(headers.get(Header.To) ?? '');
}
