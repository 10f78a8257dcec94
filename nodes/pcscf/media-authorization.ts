import { systemClock } from '#diameter/clock';
import type { MediaComponent } from '#diameter/rx/media-component';
import { type RxOutcome, withoutConsent } from '#diameter/rx/rx-outcome';
import type { AbortSession, ReAuth } from '#diameter/rx/rx-requests';
import type { AaAnswer } from '#diameter/rx/rx-results';
import type { RxEvents, RxSession } from '#diameter/rx/rx-session';
import { abortCauses, specificActions } from '#diameter/rx/rx-values';
import { ParseFailure } from '#sip/errors';
import { parseSessionDescription } from '#sip/sdp/session-description';
import { AccessReport } from './access-report.ts';
import { type AgreedMedia, exchangeOf, isSameAgreement, isSameMedia } from './agreed-media.ts';
import type { Dialog } from './dialogs.ts';
import { forkedMedia } from './forked-media.ts';
import { type MediaComponents, type MediaExchange, type MediaLineStates, mediaComponents } from './media-components.ts';
import type { RxSide } from './rx.ts';
import { mediaService } from './rx-services.ts';

/** What is known of a call when its INVITE passes. */
export interface CallFacts {
  /** Service of the session, null when it names none. */
  readonly service: string | null;
  /** Of P-Charging-Vector, null without one. */
  readonly icid: string | null;
  /** `sos` or below it, for an emergency call. */
  readonly serviceUrn: string | undefined;
}

/** One dialog of the call: forking makes several. */
interface Leg {
  readonly dialog: Dialog;
  agreed: AgreedMedia | null;
  /** What counts again should the re-INVITE under way fail. */
  before: AgreedMedia | null;
  /** Its opening INVITE has its answer: descriptions in later responses only repeat it. Source: RFC 6337 2. */
  isAnswered: boolean;
  /** An offer in a response, which a PRACK or ACK will answer. */
  offered: { readonly byUe: boolean; readonly text: string } | null;
}

/** What a call asks of the P-CSCF when a PCRF takes its bearers away. */
export interface BearerEvents {
  /** The call must end: `words` say why. */
  released(call: MediaAuthorization, words: string): void;
}

/**
 * The media authorization of one call of one served UE: one Rx session for all of its dialogs. It hears which media the
 * sides agreed on, tells the PCRF what is new, and hears of the bearers.
 *
 * Source: TS 29.214 4.4; TS 29.213 6.2; TS 24.229 5.2.7; requirements P-123 to P-128.
 */
export class MediaAuthorization implements RxEvents {
  /** What the access network told; for P-Charging-Vector and P-Access-Network-Info. */
  readonly access = new AccessReport();
  readonly mode: 'optional' | 'required';
  /** Offer of the INVITE that began the call, '' without one. */
  readonly initialOffer: string;
  readonly #rx: RxSide;
  readonly #facts: CallFacts;
  readonly #events: BearerEvents;
  readonly #legs: Leg[] = [];
  #session: RxSession | null = null;
  /** Session-Id under which it is written down. */
  #recorded = '';
  /** What the PCRF was told last, and what follows from it for the m-lines. */
  #told: readonly AgreedMedia[] = [];
  #toldComponents: readonly MediaComponent[] = [];
  #states: MediaLineStates = [];
  #forked = false;
  #over = false;

  constructor(rx: RxSide, mode: 'optional' | 'required', facts: CallFacts, initialOffer: string, events: BearerEvents) {
    this.#rx = rx;
    this.mode = mode;
    this.#facts = facts;
    this.initialOffer = initialOffer;
    this.#events = events;
  }

  /** The dialogs of the call that live. */
  get dialogs(): readonly Dialog[] {
    return this.#legs.map(({ dialog }) => dialog);
  }

  /** Session-Id, '' before there is one. */
  get sessionId(): string {
    return this.#session?.id ?? '';
  }

  /** Whether it has been ended, and asks nothing any more. */
  get over(): boolean {
    return this.#over;
  }

  /** A dialog of the call. */
  join(dialog: Dialog): void {
    this.#legs.push({ dialog, agreed: null, before: null, isAnswered: false, offered: null });
  }

  /**
   * Tells the PCRF of the offer that begins the call, as preliminary. What it says to that decides nothing: it is asked
   * again when both sides have spoken. Source: TS 29.214 4.4.1; requirement P-123.
   */
  tellOffer({ direction, binding }: Dialog): void {
    const offer = this.initialOffer === '' ? null : parseSessionDescription(this.initialOffer);
    if (offer === null || offer instanceof ParseFailure) return;
    const byUe = direction === 'originating';
    const sides = byUe ? { ue: offer, remote: null } : { ue: null, remote: offer };
    const options = { ...this.#rx.media, ueAddress: binding.flow.address };
    const exchange: MediaExchange = { ...sides, offerer: byUe ? 'ue' : 'remote', isConfirmed: false };
    const { components, states } = mediaComponents(exchange, [], options);
    if (components.length === 0) return;
    this.#toldComponents = components;
    this.#states = states;
    void this.#authorize(components, 1, true);
  }

  /** Notes an offer in a response; a PRACK or ACK has to answer it. */
  offer(dialog: Dialog, byUe: boolean, text: string): void {
    const leg = this.#legOf(dialog);
    if (leg !== null) leg.offered = { byUe, text };
  }

  /** The answer to such an offer. Null when there is nothing to ask. */
  answer(dialog: Dialog, text: string): Promise<RxOutcome> | null {
    const leg = this.#legOf(dialog);
    if (leg === null || leg.offered === null) return null;
    const { byUe, text: offer } = leg.offered;
    leg.offered = null;
    return this.agree(dialog, byUe, offer, text);
  }

  /** Whether an offer in a response waits for its answer. */
  awaitsAnswer(dialog: Dialog): boolean {
    return (this.#legOf(dialog)?.offered ?? null) !== null;
  }

  /** Both sides have spoken: asks the PCRF. Null when it need not be asked. Requirements P-123, P-124. */
  agree(dialog: Dialog, offeredByUe: boolean, offer: string, answer: string): Promise<RxOutcome> | null {
    const leg = this.#legOf(dialog);
    if (leg === null) return null;
    const isConfirmed = dialog.confirmed || this.#rx.media.earlyMedia;
    leg.agreed = offeredByUe
      ? { ue: offer, remote: answer, offerer: 'ue', isConfirmed }
      : { ue: answer, remote: offer, offerer: 'remote', isConfirmed };
    return this.#ask();
  }

  /** A re-INVITE begins to be answered: should it fail, what was agreed before counts again. Source: RFC 6141 3.1. */
  mayRevert(dialog: Dialog): void {
    const leg = this.#legOf(dialog);
    if (leg !== null) leg.before ??= leg.agreed;
  }

  /** The re-INVITE is over; `failed`: what its provisional responses agreed is void. */
  settle(dialog: Dialog, failed: boolean): void {
    const leg = this.#legOf(dialog);
    if (leg === null) return;
    if (failed) leg.offered = null;
    if (failed && leg.before !== null) {
      leg.agreed = leg.before;
      void this.#ask();
    }
    leg.before = null;
  }

  /** The call is answered: dialogs of the fork that are not count no more. */
  confirm(): void {
    const legs = this.#legs;
    for (let i = legs.length - 1; i >= 0; i--) if (!legs[i]!.dialog.confirmed) legs.splice(i, 1);
    for (const leg of legs) {
      if (leg.agreed?.isConfirmed === false) leg.agreed = { ...leg.agreed, isConfirmed: true };
    }
  }

  /** Says that the opening INVITE has its answer in this dialog; gives whether it had it before. */
  noteAnswer(dialog: Dialog): boolean {
    const leg = this.#legOf(dialog);
    const before = leg?.isAnswered ?? true;
    if (leg !== null) leg.isAnswered = true;
    return before;
  }

  /** Tells the PCRF what has changed without a new exchange. Null when nothing has. */
  refresh(): Promise<RxOutcome> | null {
    return this.#ask();
  }

  /** A dialog is over (BYE seen, refused, forgotten); with the last one the session ends. Requirement P-126. */
  leave(dialog: Dialog): void {
    const at = this.#legs.findIndex((leg) => leg.dialog === dialog);
    if (at < 0) return;
    this.#legs.splice(at, 1);
    if (this.#legs.length === 0) this.end();
    else void this.#ask();
  }

  /** Ends the Rx session: one STR, once. Requirement P-126. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#legs.length = 0;
    this.#tellAnew();
    const session = this.#session;
    if (session === null) return;
    void session.end().then(() => this.#forget());
  }

  granted(answer: AaAnswer): void {
    this.access.take(answer);
  }

  reAuth(request: ReAuth): void {
    this.access.take(request);
    const { specificActions: actions } = request;
    const isLost =
      actions.includes(specificActions.INDICATION_OF_LOSS_OF_BEARER) ||
      actions.includes(specificActions.INDICATION_OF_RELEASE_OF_BEARER);
    if (isLost && this.#coversAll(request)) this.#release('the PCRF reports that the bearer of the call is gone');
    else if (actions.includes(specificActions.INDICATION_OF_FAILED_RESOURCES_ALLOCATION)) this.#failed(request);
  }

  aborted({ cause }: AbortSession): void {
    const name = Object.entries(abortCauses).find(([, value]) => value === cause)?.[0] ?? String(cause);
    this.#release(`the PCRF takes the bearers of the call away (${name})`);
  }

  lost(): void {
    // The call goes on; the next change of its media makes another session.
    this.#forget();
    this.#session = null;
    this.#tellAnew();
  }

  #tellAnew(): void {
    this.#told = [];
    this.#toldComponents = [];
    this.#states = [];
  }

  /** Resources for a part could not be had: before the answer that ends the call. Requirement P-127. */
  #failed(request: ReAuth): void {
    const isEarly = this.#legs.some(({ dialog }) => !dialog.confirmed);
    if (isEarly && this.#coversAll(request)) this.#release('the access network has no resources for the call');
  }

  /** Whether an indication is about all media that may flow. Source: TS 29.214 4.4.6.2; requirement P-127. */
  #coversAll({ flows = [] }: ReAuth): boolean {
    if (flows.length === 0) return true;
    return this.#toldComponents.every(({ number, subComponents }) => {
      const named = flows.filter(({ componentNumber }) => componentNumber === number);
      if (named.some(({ flowNumbers }) => flowNumbers.length === 0)) return true;
      const numbers = new Set(named.flatMap(({ flowNumbers }) => flowNumbers));
      // RTCP alone is no medium.
      return (
        named.length > 0 &&
        subComponents.every(({ flowNumber, flowUsage }) => flowUsage === 1 || numbers.has(flowNumber))
      );
    });
  }

  #release(words: string): void {
    if (this.#over) return;
    this.#events.released(this, words);
    this.end();
  }

  /** Tells the PCRF what is new. Null when nothing is. */
  #ask(): Promise<RxOutcome> | null {
    if (this.#over) return null;
    const agreed: AgreedMedia[] = [];
    for (const leg of this.#legs) if (leg.agreed !== null) agreed.push(leg.agreed);
    const told = this.#told;
    if (agreed.length === 0) return null;
    if (agreed.length === told.length && agreed.every((each, i) => isSameAgreement(each, told[i]!))) return null;
    const media = this.#componentsOf(agreed);
    if (media instanceof ParseFailure) return this.#unreadable(media);
    if (agreed.length === told.length && isSameMedia(media.components, this.#toldComponents)) return null;
    this.#told = agreed;
    this.#toldComponents = media.components;
    this.#states = media.states;
    return this.#authorize(media.components, agreed.length);
  }

  #componentsOf(agreed: readonly AgreedMedia[]) {
    const { address } = this.#legs[0]!.dialog.binding.flow;
    const options = { ...this.#rx.media, ueAddress: address };
    const perDialog: MediaComponents[] = [];
    for (const each of agreed) {
      const exchange = exchangeOf(each);
      if (exchange instanceof ParseFailure) return exchange;
      perDialog.push(mediaComponents(exchange, this.#states, options));
    }
    const [first] = perDialog;
    if (perDialog.length === 1) return first!;
    this.#forked = true;
    const longest = perDialog.reduce((a, b) => (b.states.length > a.states.length ? b : a));
    const states = longest.states.map((state, i) =>
      perDialog.some((each) => each.states[i] === 'active') ? 'active' : state,
    );
    return { components: forkedMedia(perDialog.map(({ components }) => components)), states };
  }

  async #authorize(components: readonly MediaComponent[], dialogs: number, isPreliminary = false): Promise<RxOutcome> {
    const { flow, identities, impi } = this.#legs[0]!.dialog.binding;
    const policy = this.#rx.policyOf(this.mode);
    const session = (this.#session ??= this.#rx.sessions.open(this, policy));
    const service = mediaService(
      {
        user: { address: flow.address, impus: identities.map(({ uri }) => uri) },
        components,
        ...this.#facts,
        isPreliminary,
        dialogs: dialogs > 1 ? 'several' : this.#forked ? 'winner' : undefined,
      },
      this.#rx.service,
    );
    const { callId } = this.#legs[0]!.dialog;
    const outcome = await session.authorize(service);
    // To an offer alone it decides nothing, and is asked again.
    if (!isPreliminary) this.#rx.report(outcome, { callId, impi });
    if (outcome.kind === 'continue' && outcome.granted) this.#record(session);
    return outcome;
  }

  /** A description that nobody can read: the call goes on without, or does not. */
  #unreadable(failure: ParseFailure): Promise<RxOutcome> {
    const words = `SDP offset ${failure.offset}: ${failure.reason}`;
    const outcome: RxOutcome =
      this.mode === 'required'
        ? { kind: 'not-acceptable', acceptable: undefined, words }
        : withoutConsent(words, this.#rx.policyOf(this.mode), undefined);
    const { binding, callId } = this.#legs[0]!.dialog;
    this.#rx.report(outcome, { callId, impi: binding.impi });
    return Promise.resolve(outcome);
  }

  #record(session: RxSession): void {
    if (session.id === this.#recorded || this.#session !== session || session.state === 'closed') return;
    if (this.#recorded !== '') this.#rx.records.forget(this.#recorded);
    this.#recorded = session.id;
    this.#rx.records.note(session, '');
  }

  #forget(): void {
    if (this.#recorded !== '') this.#rx.records.forget(this.#recorded);
    this.#recorded = '';
  }

  #legOf(dialog: Dialog): Leg | null {
    for (const leg of this.#legs) if (leg.dialog === dialog) return leg;
    return null;
  }
}

/** How long a SIP message waits for a PCRF, milliseconds. Source: requirement P-120. */
export const longestHoldMs = 5000;

/** What an AAR brought, but no later than after five seconds: then it counts as unanswered. Source: requirement P-120. */
export function inTime(outcome: Promise<RxOutcome>, mode: 'optional' | 'required'): Promise<RxOutcome> {
  return new Promise((resolve) => {
    const timer = systemClock.setTimer(longestHoldMs, () =>
      resolve(withoutConsent('no PCRF answered in time', { mode }, undefined)),
    );
    void outcome.then((value) => {
      systemClock.clearTimer(timer);
      resolve(value);
    });
  });
}
