import { randomUUID } from 'node:crypto';
import { impuOf } from '#ims/identity';
import { ParseFailure } from '#sip/errors';
import { parseContentType } from '#sip/header/content-type';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import { bareUri } from '../../ue/party.ts';
import { smsMediaType } from '../../ue/ue-requests.ts';
import { numberOfIdentity, type RegisteredUser, type RegisteredUsers } from '../registered-users.ts';
import { writeDeliver } from './deliver.ts';
import { MessageStore, type WaitingMessage } from './message-store.ts';
import { deliveryStatus, writeStatusReport, writeSubmitReport } from './reports.ts';
import { type RpMessage, readRpMessage, rpCauses, writeRpMessage } from './rp-message.ts';
import { readSubmit, type Submit, smsCommand } from './submit.ts';
import { textOfUserData } from './user-data.ts';

/** A MESSAGE of the gateway. */
export interface GatewayMessage {
  /** URI of the phone's user. */
  readonly to: string;
  readonly callId: string;
  /** Call-ID of the MESSAGE that it answers, null for a new one. */
  readonly inReplyTo: string | null;
  /** Address of the S-CSCF, '' for the usual one. */
  readonly scscf: string;
  /** RP message as latin1. */
  readonly body: string;
}

/** What the gateway acts through. */
export interface GatewayPort {
  readonly users: RegisteredUsers;
  /** Identities that belong to telephone numbers, besides those that registrations tell. */
  readonly numbers: ReadonlyMap<string, string>;
  /** How long a phone has for its delivery report. Source: TS 24.011 10 (TR1N). */
  readonly reportMs: number;
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** Gives the final status. */
  send(message: GatewayMessage): Promise<number>;
  after(ms: number, action: () => void): void;
  note(words: string): void;
}

/** The answer to a MESSAGE, and what is to be done once it has gone out. */
export interface Accepted {
  readonly status: number;
  readonly phrase?: string;
  readonly act: () => void;
}

interface Sender {
  /** As in P-Asserted-Identity. */
  readonly uri: string;
  /** Number, else identity: what his messages and reports are kept by. */
  readonly address: string;
}

interface Delivery {
  readonly message: WaitingMessage;
  readonly reference: number;
  readonly callId: string;
}

const daySeconds = 86_400;

/**
 * Short messages over IP: takes them from phones, keeps them while their recipients are away, delivers them, and reports.
 * Source: TS 24.341 5.3.3, TS 23.204 6; TS 24.011 7.3; TS 23.040 3.
 */
export class ShortMessageGateway {
  readonly #port: GatewayPort;
  readonly #store = new MessageStore();
  /** By address of the recipient: one at a time for each. */
  readonly #underway = new Map<string, Delivery>();
  #reference = 0;

  constructor(port: GatewayPort) {
    this.#port = port;
  }

  /** How many messages wait or are on their way. */
  get size(): number {
    return this.#store.size;
  }

  /** Takes a MESSAGE of a phone to the service centre. Null: it is something else, and to be sent on. */
  accept(request: SipRequest): Accepted | null {
    const type = parseContentType(request.headers.get(Header['Content-Type']) ?? '');
    if (request.method !== 'MESSAGE' || type instanceof ParseFailure || type.mediaType !== smsMediaType) return null;
    const rp = readRpMessage(Buffer.from(request.body, 'latin1'));
    if (rp instanceof ParseFailure) return { status: 400, phrase: `Bad RP message: ${rp.reason}`, act() {} };
    if (rp.direction === 'to-phone') return null;
    const sender = this.#senderOf(request);
    return { status: 202, act: () => this.#take(rp, sender, request) };
  }

  /** A user has registered, or renewed his registration: what waits for him is sent. */
  registered(user: RegisteredUser): void {
    for (const address of this.#addressesOf(user)) void this.#deliver(address);
  }

  /** Lets go of messages whose validity has ended. */
  expire(): void {
    for (const message of this.#store.takeExpired(this.#port.nowMs())) {
      this.#port.note(`sms ${message.words} given up: its validity has ended`);
      this.#report(message, deliveryStatus.expired);
    }
  }

  #take(rp: RpMessage, sender: Sender, request: SipRequest): void {
    switch (rp.kind) {
      case 'data':
        this.#takeSubmit(rp.reference, rp.userData, sender, request);
        return;
      case 'ack':
      case 'error':
        this.#takeReport(rp, sender, request);
        return;
      case 'memory-available':
        this.#answer(sender, request, { kind: 'ack', direction: 'to-phone', reference: rp.reference, userData: null });
        void this.#deliver(sender.address);
        return;
    }
  }

  #takeSubmit(reference: number, tpdu: Uint8Array, sender: Sender, request: SipRequest): void {
    const nowMs = this.#port.nowMs();
    const submit = readSubmit(tpdu, nowMs);
    const refuse = (cause: number, words: string) => {
      this.#port.note(`sms from ${sender.address} refused: ${words} (RP cause ${cause})`);
      this.#answer(sender, request, { kind: 'error', direction: 'to-phone', reference, cause, userData: null });
    };
    if (submit instanceof ParseFailure) refuse(rpCauses.incorrectMessage, submit.reason);
    else if (submit === smsCommand) refuse(rpCauses.facilityNotImplemented, 'SMS-COMMAND');
    else if (!this.#store.add(waitingMessage(submit, sender, nowMs))) refuse(rpCauses.congestion, 'no room');
    else {
      const userData = writeSubmitReport(nowMs);
      this.#answer(sender, request, { kind: 'ack', direction: 'to-phone', reference, userData });
      const isKnown = this.#userOf(submit.destination) !== null;
      const words = `sms from ${sender.address} to ${submit.destination}: ${textOfUserData(submit.userData)}`;
      this.#port.note(isKnown ? words : `${words} (kept, the recipient is not registered)`);
      void this.#deliver(submit.destination);
    }
  }

  /** RP-ACK or RP-ERROR of a phone. Source: TS 24.341 5.3.3.4.3. */
  #takeReport(rp: RpMessage & { kind: 'ack' | 'error' }, sender: Sender, request: SipRequest): void {
    const callId = request.headers.get('In-Reply-To');
    const address = this.#addressOfReport(sender, callId);
    const delivery = address === undefined ? undefined : this.#underway.get(address);
    if (address === undefined || delivery?.reference !== rp.reference) {
      this.#port.note(`sms report of ${sender.address} (reference ${rp.reference}) is for nothing that was sent`);
      return;
    }
    this.#underway.delete(address);
    const { message } = delivery;
    if (rp.kind === 'error' && rp.cause === rpCauses.memoryExceeded) {
      this.#port.note(`sms ${message.words} kept: the phone has no memory left`);
      return;
    }
    this.#store.remove(message);
    const received = rp.kind === 'ack';
    this.#port.note(`sms ${message.words} ${received ? 'delivered' : `refused by the phone (RP cause ${rp.cause})`}`);
    this.#report(message, received ? deliveryStatus.received : deliveryStatus.refused);
    void this.#deliver(address);
  }

  /** The next message of a recipient. Never rejects. */
  async #deliver(address: string): Promise<void> {
    this.expire();
    const user = this.#userOf(address);
    const message = this.#store.first(address);
    if (user === null || message === null || this.#underway.has(address)) return;
    this.#reference = (this.#reference + 1) & 0xff;
    const delivery: Delivery = { message, reference: this.#reference, callId: randomUUID() };
    this.#underway.set(address, delivery);
    const { reference, callId } = delivery;
    const userData = message.tpdu;
    const rp: RpMessage = { kind: 'data', direction: 'to-phone', reference, originator: '', destination: '', userData };
    const status = await this.#send(user.impu, rp, callId, null);
    if (status >= 300) this.#keep(address, delivery, `was answered ${status}`);
    else this.#port.after(this.#port.reportMs, () => this.#keep(address, delivery, 'no delivery report came'));
  }

  /** A delivery failed: its message waits for the next registration. */
  #keep(address: string, delivery: Delivery, why: string): void {
    if (this.#underway.get(address) !== delivery) return;
    this.#underway.delete(address);
    this.#port.note(`sms ${delivery.message.words} kept: ${why}`);
  }

  #report(message: WaitingMessage, status: number): void {
    if (message.report === null) return;
    const { to, reference } = message.report;
    const doneMs = this.#port.nowMs();
    const recipient = message.to;
    const tpdu = writeStatusReport({ reference, recipient, submittedMs: message.atMs, doneMs, status });
    const words = `report to ${to} on ${recipient}`;
    this.#store.add({ to, tpdu, words, atMs: doneMs, expiresMs: doneMs + daySeconds * 1000, report: null });
    void this.#deliver(to);
  }

  #answer(sender: Sender, request: SipRequest, rp: RpMessage): void {
    void this.#send(sender.uri, rp, randomUUID(), request.headers.get(Header['Call-ID']));
  }

  #send(to: string, rp: RpMessage, callId: string, inReplyTo: string | null): Promise<number> {
    const identity = impuOf(to);
    const user = identity instanceof ParseFailure ? null : this.#port.users.find(identity);
    const body = Buffer.from(writeRpMessage(rp)).toString('latin1');
    return this.#port.send({ to, callId, inReplyTo, scscf: user?.contact ?? '', body });
  }

  #senderOf({ headers }: SipRequest): Sender {
    const asserted = headers.values(Header['P-Asserted-Identity']).map(bareUri);
    const uris = asserted.length > 0 ? asserted : [bareUri(headers.get(Header.From) ?? '')];
    const uri = uris.find((each) => each.startsWith('sip:')) ?? uris[0]!;
    const identities = uris.map(impuOf).filter((identity) => typeof identity === 'string');
    const known = identities.flatMap((identity) => this.#port.users.find(identity)?.identities ?? []);
    const all = [...identities, ...known];
    const mapped = [...this.#port.numbers].find(([, identity]) => all.includes(identity))?.[0];
    const number = all.map(numberOfIdentity).find((each) => each !== null);
    if (number !== undefined) for (const identity of identities) this.#port.users.learnNumber(identity, number);
    const address = mapped ?? number ?? identities[0] ?? uri;
    return { uri, address };
  }

  #userOf(address: string): RegisteredUser | null {
    const { users, numbers } = this.#port;
    const mapped = numbers.get(address);
    return users.find(mapped ?? (isNumber(address) ? `tel:${address}` : address));
  }

  #addressesOf(user: RegisteredUser): string[] {
    const own = user.identities.flatMap((identity) => [identity, numberOfIdentity(identity) ?? identity]);
    const mapped = [...this.#port.numbers].filter(([, identity]) => user.identities.includes(identity));
    return [...new Set([...own, ...mapped.map(([number]) => number)])];
  }

  /** Which recipient a report is of: by In-Reply-To, and it must be his; else by who sends it. */
  #addressOfReport(sender: Sender, callId: string | null): string | undefined {
    const user = this.#userOf(sender.address);
    const addresses = [sender.address, ...(user === null ? [] : this.#addressesOf(user))];
    return addresses.find((address) => {
      const delivery = this.#underway.get(address);
      return delivery !== undefined && (callId === null || delivery.callId === callId);
    });
  }
}

/** What is kept of an SMS-SUBMIT: the SMS-DELIVER it becomes. Source: TS 23.040 3.2.9, 9.2.2.1. */
function waitingMessage(submit: Submit, sender: Sender, atMs: number): WaitingMessage {
  const { destination, protocol, userData, statusReport, validitySeconds, reference } = submit;
  const originator = isNumber(sender.address) ? sender.address : userPart(sender.address);
  return {
    to: destination,
    tpdu: writeDeliver({ originator, protocol, atMs, userData }),
    words: `from ${sender.address} to ${destination}`,
    atMs,
    expiresMs: atMs + (validitySeconds ?? daySeconds) * 1000,
    report: statusReport ? { to: sender.address, reference } : null,
  };
}

function isNumber(address: string): boolean {
  const first = address.charCodeAt(0);
  return first === 43 || (first >= 48 && first <= 57);
}

/** `alice` of `sip:alice@ims.test`. */
function userPart(identity: string): string {
  const from = identity.indexOf(':') + 1;
  const to = identity.indexOf('@');
  return identity.slice(from, to < 0 ? identity.length : to);
}
