import { randomBytes } from 'node:crypto';
import type { BencodeValue } from '#rtpengine/bencode';
import type { NgClient, NgResult } from '#rtpengine/ng-client';
import type { AnchorMode } from '#service/config/pcscf-config';
import { ParseFailure } from '#sip/errors';
import { parseSessionDescription, type SessionDescription } from '#sip/sdp/session-description';
import type { Dialog } from './dialogs.ts';
import { type Family, familyOf, familyOfSdp, isElsewhere, wantsAnchor } from './media-anchor-policy.ts';
import type { AnchorSide } from './media-anchor-side.ts';

/** Which end of a dialog speaks. */
export type End = 'ue' | 'far';

/** What goes on instead of a description: another text, null for the description as it came, or that there is none. */
export type Anchored = string | null | AnchorFault;

/** The relay was asked in vain. */
export interface AnchorFault {
  readonly words: string;
}

/** A description that asks for another one. */
interface Offer {
  readonly by: End;
  /** Whether it went through the relay: then its answer does too. */
  readonly anchored: boolean;
  /** Whether its answer has come. */
  answered: boolean;
}

/** One dialog of the call: forking makes several. */
interface Leg {
  readonly dialog: Dialog;
  /** The last offer, null before the first one. */
  offer: Offer | null;
  /** Whether descriptions were exchanged since the opening INVITE had its answer. */
  renegotiated: boolean;
  /** The last description of each end, and what the other end got of it. */
  readonly said: Record<End, string>;
  readonly heard: Record<End, string>;
  /** Descriptions of both ends that the relay goes by, while a re-INVITE may still fail. */
  before: Readonly<Record<End, string>> | null;
}

/**
 * The media of one call at the relay: one call there for all dialogs of an INVITE here. Its name is new for every INVITE, so
 * that branches of a fork that come back here, and tries of one Call-ID, never meet at the relay (what `via-branch` is for).
 *
 * Every offer is looked at anew whether it has to be anchored, until one is; from then on all are. Nothing of the call is
 * left at the relay once its last dialog is over.
 *
 * Source: RFC 3264; rtpengine, "The NG control protocol"; requirement P-142.
 */
export class MediaAnchor {
  /** The name of the call at the relay. */
  readonly id: string;
  /** Of the opening INVITE, before any dialog. */
  #opening: Offer | null = null;
  #openingText: { said: string; heard: string } = { said: '', heard: '' };
  readonly #side: AnchorSide;
  readonly #mode: AnchorMode;
  readonly #legs: Leg[] = [];
  #relay: NgClient | null = null;
  /** Commands that have no answer yet. */
  #asking = 0;
  #over = false;

  constructor(side: AnchorSide, mode: AnchorMode, callId: string) {
    this.#side = side;
    this.#mode = mode;
    this.id = `${callId}-${randomBytes(6).toString('hex')}`;
  }

  /** Whether media of the call goes through the relay. */
  get anchored(): boolean {
    return this.#relay !== null;
  }

  /** A dialog of the call; those of a fork share the offer of the INVITE. */
  join(dialog: Dialog): void {
    const opening = this.#opening;
    const leg: Leg = {
      dialog,
      offer: opening === null ? null : { ...opening, answered: false },
      renegotiated: false,
      said: { ue: '', far: '' },
      heard: { ue: '', far: '' },
      before: null,
    };
    if (opening !== null) {
      leg.said[opening.by] = this.#openingText.said;
      leg.heard[opening.by] = this.#openingText.heard;
    }
    this.#legs.push(leg);
  }

  knows(dialog: Dialog): boolean {
    return this.#legOf(dialog) !== null;
  }

  /** The offer of the opening INVITE. */
  async open(dialog: Dialog, by: End, text: string): Promise<Anchored> {
    const anchored = await this.offer(dialog, by, text);
    const leg = this.#legOf(dialog);
    if (leg === null) return anchored;
    this.#opening = leg.offer;
    this.#openingText = { said: text, heard: leg.heard[by] };
    return anchored;
  }

  /** An offer. What the other end gets of it; null when it is not anchored. */
  async offer(dialog: Dialog, by: End, text: string): Promise<Anchored> {
    const leg = this.#legOf(dialog);
    const sdp = leg === null ? null : parseSessionDescription(text);
    // What nobody can read is none of the relay's business.
    if (leg === null || sdp === null || sdp instanceof ParseFailure) return null;
    if (!this.anchored && !wantsAnchor(this.#mode, dialog.binding, sdp, by === 'ue')) {
      this.#note(leg, { by, anchored: false, answered: false }, text, text);
      return null;
    }
    leg.before ??= { ...leg.said };
    const result = await this.#command('offer', leg, by, sdp);
    if (!result.ok) {
      this.#note(leg, { by, anchored: false, answered: false }, text, text);
      return result;
    }
    this.#note(leg, { by, anchored: true, answered: false }, text, result.text);
    return result.text;
  }

  /** Whether a description of an end would be the answer to an offer that has none. */
  awaitsAnswer(dialog: Dialog, by: End): boolean {
    const offer = this.#legOf(dialog)?.offer ?? null;
    return offer !== null && offer.by !== by && !offer.answered;
  }

  /** Whether an end has said this already, as responses do: `heard` is then what goes on again. */
  repeated(dialog: Dialog, by: End, text: string): Anchored | undefined {
    const leg = this.#legOf(dialog);
    if (leg === null || leg.said[by] !== text) return undefined;
    return leg.heard[by] === text ? null : leg.heard[by];
  }

  /** An answer, or a copy of one. What the other end gets of it; null when its offer was not anchored. */
  async answer(dialog: Dialog, by: End, text: string): Promise<Anchored> {
    const leg = this.#legOf(dialog);
    if (leg === null || leg.offer === null || leg.offer.by === by || !leg.offer.anchored) {
      if (leg?.offer != null) leg.offer.answered = true;
      return null;
    }
    const sdp = parseSessionDescription(text);
    if (sdp instanceof ParseFailure) return null;
    leg.offer.answered = true;
    const result = await this.#command('answer', leg, by, sdp);
    if (!result.ok) return result;
    leg.said[by] = text;
    leg.heard[by] = result.text;
    return result.text;
  }

  /**
   * The answer in a response to the opening INVITE: the first one, or the same once more. Once the ends have agreed on
   * something else it says nothing any more, and goes on as what they agreed on. Source: RFC 6337 3.1.1.
   */
  async answerOpening(dialog: Dialog, by: End, text: string): Promise<Anchored> {
    const leg = this.#legOf(dialog);
    if (leg?.renegotiated === true) return this.anchored && leg.heard[by] !== '' ? leg.heard[by] : null;
    return this.answer(dialog, by, text);
  }

  /** The last exchange stands. */
  settle(dialog: Dialog): void {
    const leg = this.#legOf(dialog);
    if (leg !== null) leg.before = null;
  }

  /** A re-INVITE or UPDATE has failed: the relay goes by the descriptions before it again. Source: RFC 6141 3.1. */
  async revert(dialog: Dialog): Promise<void> {
    const leg = this.#legOf(dialog);
    const before = leg?.before ?? null;
    if (leg === null || before === null) return;
    leg.before = null;
    const by = leg.offer?.by ?? 'ue';
    const anchored = leg.offer?.anchored === true;
    leg.offer = null;
    if (!anchored || before.ue === '' || before.far === '') return;
    const [offer, answer] = [by, by === 'ue' ? 'far' : 'ue'].map((end) => parseSessionDescription(before[end as End]));
    if (offer instanceof ParseFailure || answer instanceof ParseFailure) return;
    const offered = await this.#command('offer', leg, by, offer!);
    if (offered.ok) await this.#command('answer', leg, by === 'ue' ? 'far' : 'ue', answer!, by);
    Object.assign(leg.said, before);
  }

  /** A dialog is over; with the last one the call ends at the relay. */
  leave(dialog: Dialog): void {
    const at = this.#legs.findIndex((leg) => leg.dialog === dialog);
    if (at < 0) return;
    this.#legs.splice(at, 1);
    if (this.#legs.length > 0) return;
    this.#over = true;
    this.#delete(dialog);
  }

  #note(leg: Leg, offer: Offer, said: string, heard: string): void {
    if (leg.offer !== null) leg.renegotiated = true;
    leg.offer = offer;
    leg.said[offer.by] = said;
    leg.heard[offer.by] = heard;
  }

  async #command(
    name: 'offer' | 'answer',
    leg: Leg,
    by: End,
    sdp: SessionDescription,
    offerer: End = name === 'offer' ? by : leg.offer!.by,
  ): Promise<{ readonly ok: true; readonly text: string } | { readonly ok: false; readonly words: string }> {
    const command = this.#commandOf(name, leg, by, sdp, offerer);
    this.#asking++;
    let result: NgResult;
    if (this.#relay !== null) result = await this.#side.pool.send(this.#relay, command);
    else {
      const begun = await this.#side.pool.begin(command);
      result = begun.result;
      // A silent relay may have heard all the same.
      this.#relay = begun.relay;
      if (!result.ok) {
        this.#delete(leg.dialog, true);
        this.#relay = null;
      }
    }
    this.#asking--;
    if (this.#over) this.#delete(leg.dialog);
    if (!result.ok) return { ok: false, words: result.words };
    const text = result.answer.get('sdp');
    if (typeof text === 'string' && !(parseSessionDescription(text) instanceof ParseFailure)) return { ok: true, text };
    return { ok: false, words: 'the relay gave no session description' };
  }

  #commandOf(name: string, leg: Leg, by: End, sdp: SessionDescription, offerer: End): Map<string, BencodeValue> {
    const { dialog } = leg;
    const { binding } = dialog;
    const answerer = offerer === 'ue' ? 'far' : 'ue';
    const command = new Map<string, BencodeValue>([
      ['command', name],
      ['call-id', this.id],
      ['from-tag', dialog[offerer].tag],
      ['sdp', sdp.text],
      ['replace', ['origin', 'session-connection']],
    ]);
    if (dialog[answerer].tag !== '') command.set('to-tag', dialog[answerer].tag);
    if (by === 'ue' && isElsewhere(sdp, binding)) {
      command.set('flags', ['SIP-source-address']);
      command.set('received-from', [familyOf(binding.flow.address), binding.flow.address]);
    }
    if (name === 'answer') return command;
    const family = by === 'far' ? familyOf(binding.flow.address) : familyOfFar(leg);
    if (family !== null) command.set('address family', family);
    const { interfaces } = this.#side;
    if (interfaces !== undefined) {
      command.set('direction', by === 'ue' ? [interfaces.ue, interfaces.core] : [interfaces.core, interfaces.ue]);
    }
    return command;
  }

  /** Ends the call at the relay; while a command is under way, after that. `now`: in any case. */
  #delete(dialog: Dialog, now = false): void {
    const relay = this.#relay;
    if (relay === null || (!now && this.#asking > 0)) return;
    this.#relay = null;
    const { tag } = dialog.direction === 'originating' ? dialog.ue : dialog.far;
    const command = new Map<string, BencodeValue>([
      ['command', 'delete'],
      ['call-id', this.id],
      ['from-tag', tag],
      ['delete-delay', 0],
    ]);
    void this.#side.pool.send(relay, command).then((result) => {
      if (!result.ok && !now) this.#side.report(result.words, { callId: dialog.callId });
    });
  }

  #legOf(dialog: Dialog): Leg | null {
    for (const leg of this.#legs) if (leg.dialog === dialog) return leg;
    return null;
  }
}

/** The family that the far side has spoken, null while it has said nothing. */
function familyOfFar({ said }: Leg): Family | null {
  const sdp = said.far === '' ? null : parseSessionDescription(said.far);
  return sdp === null || sdp instanceof ParseFailure ? null : familyOfSdp(sdp);
}
