import type { RegInfo } from '#ims/reginfo';
import { readRegInfo } from '#ims/reginfo-read';
import { ParseFailure } from '#sip/errors';
import { type SentMessage, sip } from '../worker-harness.ts';
import { type HomeNetwork, pcscf } from './home-network.ts';

/** What a SUBSCRIBE of a test says; the rest is that of a UE behind its P-CSCF. */
export interface SubscribeOptions {
  readonly uri?: string;
  /** Value of P-Asserted-Identity; '' for none. */
  readonly asserted?: string;
  readonly event?: string;
  readonly accept?: string;
  /** Value of Expires; '' for none. */
  readonly expires?: string;
  readonly callId?: string;
  readonly cseq?: number;
  /** Of the 200 to the first SUBSCRIBE. */
  readonly toTag?: string;
  readonly contact?: string;
  readonly route?: string;
  readonly from?: string;
  /** Values of Record-Route; those of a P-CSCF when left out. */
  readonly recordRoutes?: readonly string[];
  readonly lines?: readonly string[];
}

let branch = 0;

/** Sends a SUBSCRIBE; gives what left then. */
export async function subscribe(net: HomeNetwork, options: SubscribeOptions = {}): Promise<SentMessage[]> {
  const { uri = 'sip:alice@ims.test', asserted = '<sip:alice@ims.test>', event = 'reg', callId = 'sub-1' } = options;
  const { accept = 'application/reginfo+xml', expires = '600000', cseq = 1, toTag = '', route = '' } = options;
  const { recordRoutes = ['<sip:tok@127.0.0.1:5070;lr>', '<sip:tok@127.0.0.1:6100;lr>'] } = options;
  const { contact = '<sip:alice@10.0.0.1:5060>', from = '<sip:alice@ims.test>' } = options;
  net.harness.receive(
    sip([
      `SUBSCRIBE ${uri} SIP/2.0`,
      `Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKs${++branch}`,
      'Max-Forwards: 68',
      ...(route === '' ? [] : [`Route: ${route}`]),
      ...recordRoutes.map((route) => `Record-Route: ${route}`),
      `From: ${from};tag=w`,
      `To: <sip:alice@ims.test>${toTag === '' ? '' : `;tag=${toTag}`}`,
      `Call-ID: ${callId}`,
      `CSeq: ${cseq} SUBSCRIBE`,
      `Contact: ${contact}`,
      ...(event === '' ? [] : [`Event: ${event}`]),
      ...(accept === '' ? [] : [`Accept: ${accept}`]),
      ...(expires === '' ? [] : [`Expires: ${expires}`]),
      ...(asserted === '' ? [] : [`P-Asserted-Identity: ${asserted}`]),
      ...(options.lines ?? []),
    ]),
    pcscf,
  );
  await net.settle();
  return net.harness.take();
}

/** Begins a subscription and answers its first NOTIFY. */
export async function watched(net: HomeNetwork, options: SubscribeOptions = {}) {
  const [accepted, notify, ...more] = await subscribe(net, options);
  if (accepted?.status !== 200 || notify?.method !== 'NOTIFY' || more.length > 0) {
    throw new Error(`${accepted?.startLine} then ${notify?.startLine} and ${more.length} more`);
  }
  net.harness.answer(notify, 200);
  await net.settle();
  return { accepted, notify, toTag: tagOf(accepted.header('To')!), document: documentOf(notify) };
}

/** The NOTIFYs that left since; each is answered. */
export async function notified(net: HomeNetwork): Promise<SentMessage[]> {
  await net.settle();
  const all: SentMessage[] = [];
  for (;;) {
    const sent = distinct(net.harness.take()).filter(({ method }) => method === 'NOTIFY');
    if (sent.length === 0) return all;
    all.push(...sent);
    for (const notify of sent) net.harness.answer(notify, 200);
    await net.settle();
  }
}

/** The one NOTIFY that left since; it is answered. */
export async function notifiedOnce(net: HomeNetwork): Promise<SentMessage> {
  const all = await notified(net);
  if (all.length !== 1) throw new Error(`${all.length} NOTIFYs, not one`);
  return all[0]!;
}

/** Messages without their retransmissions. */
export function distinct(messages: readonly SentMessage[]): SentMessage[] {
  return [...new Map(messages.map((message) => [message.text, message])).values()];
}

export function documentOf(notify: SentMessage): RegInfo {
  const document = readRegInfo(Buffer.from(notify.body, 'latin1'));
  if (document instanceof ParseFailure) throw new Error(document.reason);
  return document;
}

/** `sip:alice@ims.test active: active/registered terminated/expired`, a line for each identity. */
export function statesIn(notify: SentMessage): string[] {
  return documentOf(notify).registrations.map(
    ({ aor, state, contacts }) =>
      `${aor} ${state}:${contacts.map((contact) => ` ${contact.state}/${contact.event}`).join('')}`,
  );
}

export function tagOf(address: string): string {
  return address.split(';tag=')[1] ?? '';
}
