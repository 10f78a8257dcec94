import { ParseFailure } from '#sip/errors';
import { parseContentType } from '#sip/header/content-type';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import { Timer, type TimerWheel } from '#sip/transaction/timer-wheel';
import { readDeliver } from '../as/sms/deliver.ts';
import { deliveryStatus, readStatusReport } from '../as/sms/reports.ts';
import { type RpMessage, readRpMessage, rpCauses, writeRpMessage } from '../as/sms/rp-message.ts';
import { writeSubmit } from '../as/sms/submit.ts';
import { textOfUserData, userDataOfText } from '../as/sms/user-data.ts';
import { senderOf } from './party.ts';
import { shortMessageHeaders, smsMediaType } from './ue-requests.ts';

/** A short message, or a report on one, that came to a phone. */
export type ReceivedSms =
  | { readonly kind: 'text'; readonly from: string; readonly text: string }
  | { readonly kind: 'report'; readonly on: string; readonly delivered: boolean };

/** What became of a short message at the service centre. */
export interface SmsOutcome {
  /** Whether the service centre has taken it. */
  readonly accepted: boolean;
  readonly words: string;
}

export interface SmsOptions {
  /** Whether the recipient's phone shall say that it has come. */
  readonly report?: boolean;
}

/** What the short messages of a phone act through. */
export interface SmsPort {
  readonly wheel: TimerWheel;
  /** Sends a MESSAGE; gives its final answer. */
  send(
    to: string,
    headers: ReturnType<typeof shortMessageHeaders>,
    body: string,
  ): Promise<{ status: number; words: string }>;
  received(sms: ReceivedSms): void;
}

/** How long the service centre has for its report. Source: TS 24.011 10 (TR1M). */
const reportMs = 35_000;

/**
 * Short messages of a phone: gives them to the service centre and hears what it says, takes those that come and says so.
 * Source: TS 24.341 5.3.1, 5.3.2; TS 24.011 7.3.
 */
export class ShortMessages {
  readonly #port: SmsPort;
  /** By RP reference: who waits for the report of the service centre. */
  readonly #waiting = new Map<number, (outcome: SmsOutcome) => void>();
  #reference = 0;

  constructor(port: SmsPort) {
    this.#port = port;
  }

  /** Gives a text for a number to the service centre (a URI). Never rejects. */
  async submit(centre: string, number: string, text: string, { report = false }: SmsOptions = {}): Promise<SmsOutcome> {
    const userData = userDataOfText(text);
    if (userData === null) return { accepted: false, words: 'too long for one short message' };
    this.#reference = (this.#reference + 1) & 0xff;
    const reference = this.#reference;
    const submit = {
      reference,
      destination: number,
      protocol: 0,
      userData,
      statusReport: report,
      validitySeconds: null,
    };
    const tpdu = writeSubmit(submit);
    const rp: RpMessage = {
      kind: 'data',
      direction: 'to-network',
      reference,
      originator: '',
      destination: '',
      userData: tpdu,
    };
    const reported = this.#reportOn(reference);
    const { status, words } = await this.#send(centre, rp, null);
    if (status >= 300) this.#settle(reference, { accepted: false, words: `${status} ${words}` });
    return reported;
  }

  /** Takes a MESSAGE that carries a short message; false for another one. */
  take(request: SipRequest): boolean {
    const type = parseContentType(request.headers.get(Header['Content-Type']) ?? '');
    if (type instanceof ParseFailure || type.mediaType !== smsMediaType) return false;
    const rp = readRpMessage(Buffer.from(request.body, 'latin1'));
    if (rp instanceof ParseFailure || rp.direction === 'to-network') return true;
    switch (rp.kind) {
      case 'data':
        this.#takeDelivery(request, rp.reference, rp.userData);
        return true;
      case 'ack':
        this.#settle(rp.reference, { accepted: true, words: 'the service centre has it' });
        return true;
      case 'error':
        this.#settle(rp.reference, { accepted: false, words: `RP cause ${rp.cause}` });
        return true;
    }
  }

  /** Source: TS 24.341 5.3.2.3; TS 23.040 9.2.2.1a. */
  #takeDelivery(request: SipRequest, reference: number, tpdu: Uint8Array): void {
    const sms = readSms(tpdu);
    const understood = !(sms instanceof ParseFailure);
    const rp: RpMessage = understood
      ? { kind: 'ack', direction: 'to-network', reference, userData: Uint8Array.of(0, 0) }
      : { kind: 'error', direction: 'to-network', reference, cause: rpCauses.incorrectMessage, userData: null };
    void this.#send(senderOf(request), rp, request.headers.get(Header['Call-ID']));
    if (understood) this.#port.received(sms);
  }

  #send(to: string, rp: RpMessage, inReplyTo: string | null): Promise<{ status: number; words: string }> {
    return this.#port.send(to, shortMessageHeaders(inReplyTo), Buffer.from(writeRpMessage(rp)).toString('latin1'));
  }

  #reportOn(reference: number): Promise<SmsOutcome> {
    return new Promise((resolve) => {
      const late = { onTimer: () => this.#settle(reference, { accepted: false, words: 'no report came' }) };
      const timer = new Timer(late, 'report');
      this.#port.wheel.start(timer, reportMs);
      this.#waiting.set(reference, (outcome) => {
        this.#port.wheel.stop(timer);
        resolve(outcome);
      });
    });
  }

  #settle(reference: number, outcome: SmsOutcome): void {
    const told = this.#waiting.get(reference);
    this.#waiting.delete(reference);
    told?.(outcome);
  }
}

function readSms(tpdu: Uint8Array): ReceivedSms | ParseFailure {
  if (((tpdu[0] ?? 0) & 3) === 2) {
    const report = readStatusReport(tpdu);
    if (report instanceof ParseFailure) return report;
    return { kind: 'report', on: report.recipient, delivered: report.status === deliveryStatus.received };
  }
  const deliver = readDeliver(tpdu);
  if (deliver instanceof ParseFailure) return deliver;
  return { kind: 'text', from: deliver.originator, text: textOfUserData(deliver.userData) };
}
