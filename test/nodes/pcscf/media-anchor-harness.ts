import type { BencodeDictionary } from '#rtpengine/bencode';
import { responseTo, type SentMessage } from '../worker-harness.ts';
import {
  alice,
  coreRequest,
  granted,
  type PcscfOptions,
  type PcscfWorker,
  register,
  registerText,
  request,
  scscf,
  serviceRoute,
  startPcscf,
  tokenOf,
  type Ue,
} from './pcscf-harness.ts';

export const sdpType = 'Content-Type: application/sdp';

/** A description of one audio stream. */
export function audio(address: string, port: number, more: readonly string[] = []): string {
  const family = address.includes(':') ? 'IP6' : 'IP4';
  const lines = ['v=0', `o=- 1 1 IN ${family} ${address}`, 's=-', `c=IN ${family} ${address}`, 't=0 0'];
  return [...lines, `m=audio ${port} RTP/AVP 104`, 'a=rtpmap:104 AMR-WB/16000', ...more]
    .map((l) => `${l}\r\n`)
    .join('');
}

/** Where a description asks for its audio. */
export function audioOf(text: string): { readonly address: string; readonly port: number } {
  const address = /^c=IN IP[46] (\S+)/m.exec(text)?.[1] ?? '';
  return { address, port: Number(/^m=audio (\d+)/m.exec(text)?.[1] ?? -1) };
}

/** A P-CSCF with a media relay. */
export function anchoring(
  endpoint: { readonly transport: 'udp'; readonly address: string; readonly port: number },
  media: Partial<NonNullable<PcscfOptions['config']>['media'] & object> = {},
  options: PcscfOptions = {},
): PcscfWorker {
  return startPcscf({
    access: [
      { from: '0.0.0.0/0', security: 'none' },
      { from: '::/0', security: 'none' },
    ],
    ...options,
    config: {
      ...options.config,
      media: { anchor: 'always', rtpengine: [endpoint], timeout: 3000, onFailure: 'continue', ...media },
    },
  });
}

/** What left, once there is a message; 100s do not count. */
export async function next(worker: PcscfWorker): Promise<SentMessage> {
  const all = await several(worker, 1);
  if (all.length !== 1) throw new Error(`not one message: ${all.map(({ startLine }) => startLine).join(' | ')}`);
  return all[0]!;
}

export async function several(worker: PcscfWorker, count: number): Promise<SentMessage[]> {
  const found: SentMessage[] = [];
  for (let i = 0; i < 300 && found.length < count; i++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    await worker.settle();
    worker.advance(0);
    found.push(...worker.take().filter(({ status }) => status !== 100));
  }
  if (found.length < count) throw new Error(`${found.length} messages left, not ${count}`);
  return found;
}

export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 300; i++) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`not within three seconds: ${what}`);
}

export interface Call {
  readonly ue: Ue;
  readonly token: string;
  readonly callId: string;
  readonly invite: SentMessage;
}

let calls = 0;

/** A registered UE calls; gives the INVITE that left. `contact`: how it names itself. */
export async function callOut(worker: PcscfWorker, body: string, from: Ue = alice, contact?: string): Promise<Call> {
  const token = contact === undefined ? register(worker, from) : registerAs(worker, from, contact);
  return callAgain(worker, token, body, from);
}

export async function callAgain(worker: PcscfWorker, token: string, body: string, from: Ue = alice): Promise<Call> {
  const callId = `out-${++calls}`;
  const lines = [
    `Route: <sip:127.0.8.1:5060;lr>, ${serviceRoute}`,
    `Call-ID: ${callId}`,
    ...(body === '' ? [] : [sdpType]),
  ];
  worker.receive(request(from, 'INVITE', 'sip:bob@ims.test', lines, body), from.source);
  return { ue: from, token, callId, invite: await next(worker) };
}

/** Registers a UE that names itself otherwise than it is seen. */
export function registerAs(worker: PcscfWorker, from: Ue, contact: string): string {
  worker.receive(registerText(from, [], `<${contact}>;expires=600000`), from.source);
  const forwarded = worker.takeOne();
  const lines = granted(from).map((line) =>
    line.startsWith('Contact:') ? `Contact: <${contact}>;expires=3600` : line,
  );
  worker.answer(forwarded, 200, lines);
  worker.takeOne();
  return tokenOf(forwarded);
}

/** The core calls a registered UE. */
export async function callIn(worker: PcscfWorker, to: Ue, body: string, contact?: string): Promise<Call> {
  const token = contact === undefined ? register(worker, to) : registerAs(worker, to, contact);
  const callId = `in-${++calls}`;
  const lines = [
    `Route: <sip:${token}@127.0.8.1:5060;lr>`,
    'Record-Route: <sip:mt@127.0.8.3:6060;lr>',
    `Call-ID: ${callId}`,
    ...(body === '' ? [] : [sdpType]),
  ];
  worker.receive(coreRequest('INVITE', `sip:${to.user}@${to.address}`, lines, body), scscf);
  return { ue: to, token, callId, invite: await next(worker) };
}

const far = 'sip:far@127.32.0.9:5070';

/** A request of the UE inside its call, which the far side has answered under `toTag`. */
export function inside(call: Call, method: string, lines: readonly string[] = [], body = '', toTag = 'remote'): string {
  return request(
    call.ue,
    method,
    far,
    [
      `Call-ID: ${call.callId}`,
      `From: <sip:${call.ue.user}@ims.test>;tag=${call.ue.user}`,
      `To: <sip:bob@ims.test>;tag=${toTag}`,
      `Route: <sip:${call.token}@127.0.8.1:5060;lr>, <sip:mo@127.0.8.3:6060;lr>`,
      ...lines,
      ...(body === '' ? [] : [sdpType]),
    ],
    body,
  );
}

/** A request of the far side inside a call of the UE. */
export function fromFar(call: Call, method: string, lines: readonly string[] = [], body = '', tag = 'remote'): string {
  return coreRequest(
    method,
    `sip:${call.ue.user}@${call.ue.address}`,
    [
      `Call-ID: ${call.callId}`,
      `From: <sip:bob@ims.test>;tag=${tag}`,
      `To: <sip:${call.ue.user}@ims.test>;tag=${call.ue.user}`,
      `Route: <sip:${call.token}@127.0.8.1:5060;lr>`,
      ...lines,
      ...(body === '' ? [] : [sdpType]),
    ],
    body,
  );
}

/** The far side answers a request that left for it; gives what the UE gets. */
export async function answered(
  worker: PcscfWorker,
  sent: SentMessage,
  status: number,
  body = '',
  lines: readonly string[] = [],
  toTag = 'remote',
): Promise<SentMessage> {
  const more = ['Contact: <sip:far@127.32.0.9:5070>', ...lines, ...(body === '' ? [] : [sdpType])];
  farAnswers(worker, sent, status, more, body, toTag);
  return next(worker);
}

/** A response of the far side, by way of the S-CSCF, which has recorded its route. */
export function farAnswers(
  worker: PcscfWorker,
  sent: SentMessage,
  status: number,
  lines: readonly string[],
  body: string,
  toTag = 'remote',
): void {
  const text = responseTo(sent, status, lines, body, toTag);
  const recorded = 'Record-Route: <sip:mo@127.0.8.3:6060;lr>\r\n';
  worker.receive(text.replace('Record-Route: ', `${recorded}Record-Route: `), scscf);
}

/** What a command says under a key, for `toMatchObject`. */
export function plain(command: BencodeDictionary): Record<string, unknown> {
  return Object.fromEntries(command);
}
