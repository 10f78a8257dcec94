import { answerChallenge } from '#lab/ue/credentials';
import { Header } from '#sip/message/header-names';
import { parseMessage } from '#sip/parser/parse-message';
import { flowFrom } from '../sip/wire-port.ts';
import { type Address, TcpPeer, UdpPeer } from './raw-peer.ts';

/** Lines of a request that are put in the place of the usual ones, by name; null leaves one out. */
export type Lines = Readonly<Record<string, string | null>>;

let serial = 0;

/** A request with a transaction of its own. `lines`: whole values by field name, `uri`, and `extra` for whole lines. */
export function requestOf(
  peer: { readonly address: string; readonly port: number },
  transport: 'UDP' | 'TCP',
  method: string,
  uri: string,
  lines: Lines = {},
  extra: readonly string[] = [],
  body = '',
): { readonly text: string; readonly callId: string } {
  const number = ++serial;
  const callId = `x-${process.pid}-${number}`;
  const fields: Lines = {
    Via: `SIP/2.0/${transport} ${peer.address}:${peer.port};branch=z9hG4bK${callId};rport`,
    'Max-Forwards': '70',
    From: `<sip:mallory@ims.test>;tag=m${number}`,
    To: `<${uri}>`,
    'Call-ID': callId,
    CSeq: `1 ${method}`,
    ...(method === 'INVITE' ? { Contact: `<sip:mallory@${peer.address}:${peer.port}>` } : {}),
    ...lines,
    'Content-Length': lines['Content-Length'] === undefined ? String(body.length) : lines['Content-Length'],
  };
  const written = Object.entries(fields).flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}`]));
  return { text: [`${method} ${uri} SIP/2.0`, ...extra, ...written, '', body].join('\r\n'), callId };
}

/** A phone that is registered by SIP Digest and then sends whatever octets it is told. */
export class RawUe {
  readonly peer: UdpPeer | TcpPeer;
  readonly transport: 'UDP' | 'TCP';
  readonly impu: string;
  readonly impi: string;
  readonly proxy: Address;
  readonly #password: string;
  #cseq = 0;

  private constructor(peer: UdpPeer | TcpPeer, proxy: Address, digits: string) {
    this.peer = peer;
    this.transport = peer instanceof UdpPeer ? 'UDP' : 'TCP';
    this.proxy = proxy;
    this.impi = `user${digits}@ims.test`;
    this.impu = `sip:${this.impi}`;
    this.#password = `pw${digits}`;
  }

  /** User `number` of the range of the lab, not registered yet. */
  static async open(proxy: Address, number: number, transport: 'UDP' | 'TCP' = 'UDP'): Promise<RawUe> {
    const peer = transport === 'UDP' ? await UdpPeer.open('127.0.0.1') : await TcpPeer.open(proxy);
    return new RawUe(peer, proxy, String(number).padStart(6, '0'));
  }

  get credentials(): { readonly impi: string; readonly password: string } {
    return { impi: this.impi, password: this.#password };
  }

  async send(text: string): Promise<void> {
    if (this.peer instanceof UdpPeer) await this.peer.send(text, this.proxy);
    else this.peer.send(text);
  }

  request(method: string, uri: string, lines: Lines = {}, extra: readonly string[] = [], body = '') {
    const own = { From: `<${this.impu}>;tag=u${serial}`, ...lines };
    return requestOf(this.peer, this.transport, method, uri, own, extra, body);
  }

  /** Sends a request; gives its final answer, null without one. */
  async ask(request: { readonly text: string; readonly callId: string }): Promise<string | null> {
    await this.send(request.text);
    return this.peer.next((text) => isFinalOf(text, request.callId));
  }

  /** A REGISTER of this user; a nonce that the home network gave is answered with `authorization`. */
  registerRequest(lines: Lines = {}, extra: readonly string[] = []) {
    const { address, port } = this.peer;
    const to = { From: `<${this.impu}>;tag=r`, To: `<${this.impu}>`, CSeq: `${++this.#cseq} REGISTER` };
    const contact = { Contact: `<sip:${address}:${port}${this.transport === 'TCP' ? ';transport=tcp' : ''}>` };
    return this.request('REGISTER', 'sip:ims.test', { ...to, ...contact, Expires: '3600', ...lines }, extra);
  }

  /** Registers; gives the 200. `rewrite`: what becomes of the credentials before they are sent. */
  async register(lines: Lines = {}, rewrite: (credentials: string) => string = (same) => same): Promise<string> {
    const challenged = await this.ask(this.registerRequest(lines));
    const answer = challenged === null ? null : parseMessage(challenged, flowFrom('127.0.0.1', 5060));
    if (answer?.kind !== 'response' || answer.status !== 401) throw new Error(`not challenged: ${challenged}`);
    const challenge = answer.headers.get(Header['WWW-Authenticate'])!;
    const response = answerChallenge(challenge, this.credentials, 'REGISTER', 'sip:ims.test');
    if (typeof response === 'string') throw new Error(response);
    const accepted = await this.ask(this.registerRequest({ ...lines, Authorization: rewrite(response.authorization) }));
    if (!accepted?.startsWith('SIP/2.0 200 ')) throw new Error(`not registered: ${accepted}`);
    return accepted;
  }

  close(): Promise<unknown> {
    return this.peer.close();
  }
}

/** Whether a text is a final answer to the request with this Call-ID. */
export function isFinalOf(text: string, callId: string): boolean {
  return text.startsWith('SIP/2.0 ') && !text.startsWith('SIP/2.0 1') && text.includes(`\r\nCall-ID: ${callId}\r\n`);
}

/** `400 malformed`: status and reason id of an answer; `no answer` without one. */
export function verdictIn(answer: string | null): string {
  if (answer === null) return 'no answer';
  const id = answer.split('\r\nWarning: 399 ')[1]?.split('"')[1]?.split(':')[0];
  return id === undefined ? answer.slice(8, 11) : `${answer.slice(8, 11)} ${id}`;
}

/** The words of the Warning of an answer. */
export function wordsIn(answer: string | null): string {
  return answer?.split('\r\nWarning: ')[1]?.split('\r\n')[0] ?? '';
}
