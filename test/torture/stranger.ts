import { readSentBy } from '#sip/header/via';
import { Header } from '#sip/message/header-names';
import { parseMessage } from '#sip/parser/parse-message';
import { flowFrom } from '../sip/wire-port.ts';
import { type Address, TcpPeer, UdpPeer } from './raw-peer.ts';
import type { NodeVerdict } from './torture-case.ts';
import { readAnswer, readableRequest } from './verdict.ts';

const defaultPort = 5060;
let sentinels = 0;

/**
 * Somebody at a loopback address of his own whom no daemon knows. He hears answers at whatever port the Via of a
 * message names, and learns from the answer to a plain OPTIONS behind it that a message was left unanswered.
 */
export class Stranger {
  readonly address: string;
  readonly #peers = new Map<number, Promise<UdpPeer>>();

  constructor(address: string) {
    this.address = address;
  }

  /**
   * Sends a datagram; gives the status of its answer. `answered`: one is expected, which may come later than that to the
   * OPTIONS, since other nodes have a say.
   */
  async askByUdp(text: string, to: Address, answered: boolean): Promise<NodeVerdict> {
    const peer = await this.#peer(answerPort(text));
    await peer.send(text, to);
    return verdictOf(peer, text, answered, (sentinel) => void peer.send(sentinel, to), 'UDP');
  }

  /** The same on a connection of its own. */
  async askByTcp(text: string, to: Address, answered: boolean): Promise<NodeVerdict> {
    const peer = await TcpPeer.open(to, this.address);
    peer.send(text);
    const verdict = await verdictOf(peer, text, answered, (sentinel) => peer.send(sentinel), 'TCP');
    await peer.close();
    return verdict;
  }

  async close(): Promise<void> {
    for (const peer of this.#peers.values()) await (await peer).close();
  }

  #peer(port: number): Promise<UdpPeer> {
    const known = this.#peers.get(port);
    if (known !== undefined) return known;
    const peer = UdpPeer.open(this.address, port);
    this.#peers.set(port, peer);
    return peer;
  }
}

/** The port that the answer to a request goes to. */
function answerPort(text: string): number {
  const via = readableRequest(text)?.headers.first(Header.Via) ?? null;
  return (via === null ? null : readSentBy(via))?.port || defaultPort;
}

type Transport = 'UDP' | 'TCP';

function sentinelRequest(peer: Address, transport: Transport) {
  const callId = `sentinel-${process.pid}-${++sentinels}`;
  const text = [
    'OPTIONS sip:sentinel@ims.test SIP/2.0',
    `Via: SIP/2.0/${transport} ${peer.address}:${peer.port};branch=z9hG4bK${callId}`,
    'Max-Forwards: 70',
    'From: <sip:sentinel@ims.test>;tag=s',
    'To: <sip:sentinel@ims.test>',
    `Call-ID: ${callId}`,
    'CSeq: 1 OPTIONS',
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n');
  return { text, callId };
}

/** The final answer to a message that was sent, or `dropped` when the node answers what came after it. */
async function verdictOf(
  peer: UdpPeer | TcpPeer,
  text: string,
  answered: boolean,
  send: (sentinel: string) => void,
  transport: Transport,
): Promise<NodeVerdict> {
  const callId = readableRequest(text)?.headers.get(Header['Call-ID']) ?? null;
  const isAnswer = (heard: string) => isFinalTo(heard, callId);
  const early = answered ? await peer.next(isAnswer) : null;
  const sentinel = sentinelRequest(peer, transport);
  send(sentinel.text);
  if ((await peer.next((heard) => heard.includes(sentinel.callId))) === null) {
    throw new Error('the daemon does not answer any more');
  }
  const answer = early ?? (await peer.next(isAnswer, 0));
  return answer === null ? 'dropped' : (readAnswer(answer).verdict as NodeVerdict);
}

function isFinalTo(heard: string, callId: string | null): boolean {
  if (!heard.startsWith('SIP/2.0 ') || heard.startsWith('SIP/2.0 1') || heard.includes('sentinel-')) return false;
  const answer = parseMessage(heard, flowFrom('127.0.0.1', 5060));
  if (answer.kind !== 'response') throw new Error(`an answer that cannot be read: ${heard}`);
  return answer.headers.get(Header['Call-ID']) === callId;
}
