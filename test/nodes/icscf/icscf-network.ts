import { type AnswerContent, encodeAnswer } from '#diameter/answer';
import { DiameterClient } from '#diameter/client';
import { decodeMessage } from '#diameter/codec/decode';
import type { DiameterMessage } from '#diameter/codec/message';
import { CxClient, type CxClientOptions } from '#diameter/cx/cx-client';
import type { ServerCapabilities } from '#diameter/cx/cx-results';
import { locationInfoAnswer } from '#diameter/cx/cx-server';
import { cxApplication, cxDictionary } from '#diameter/dictionary/cx';
import { DecodeFailure } from '#diameter/errors';
import { baseResult } from '#diameter/result';
import { createIcscf } from '#nodes/icscf/icscf';
import type { IcscfConfig } from '#service/config/icscf-config';
import { openMemoryStore } from '#store/memory-store';
import { type SentMessage, sip, startWorker, type WorkerHarness } from '../worker-harness.ts';

export const scscf = 'sip:127.0.0.1:6060';
export const pcscf = 'udp 127.0.0.1:5070';

const config = {
  role: 'icscf',
  name: 'icscf.ims.test',
  homeDomain: 'ims.test',
  trusted: ['127.0.0.0/8'],
  scscfs: [
    { uri: scscf, capabilities: [1, 2], priority: 1, weight: 1 },
    { uri: 'sip:127.0.0.2:6060', capabilities: [2], priority: 2, weight: 1 },
  ],
  selection: { tries: 3, responseTimeout: 10, restoration: true },
  locationCache: 0,
  numbers: { dialPlan: [] },
  routes: { trustedDomains: [] },
  dns: { budget: 2 },
  transport: { setAside: 30 },
  diameter: {
    cx: { realm: 'ims.test' },
    realms: [{ realm: 'ims.test', application: 'cx', peers: [{ host: 'hss.ims.test', priority: 1, weight: 1 }] }],
  },
  unknownUser: 604,
} as unknown as IcscfConfig;

/** What the HSS says in an answer beside its result. */
export type AnswerDetails = Partial<Omit<Parameters<typeof locationInfoAnswer>[0], 'result'>>;

/** What the HSS wants of an S-CSCF; any will do when all is left out. */
export function capabilities(
  mandatory: readonly number[] = [],
  optional: readonly number[] = [],
  serverNames: readonly string[] = [],
): ServerCapabilities {
  return { mandatory, optional, serverNames };
}

/** An I-CSCF in a worker of its own; the test is the HSS. */
export class Network {
  readonly harness: WorkerHarness<ReturnType<typeof createIcscf>>;
  #client: DiameterClient | undefined;

  constructor(changes: Partial<IcscfConfig> = {}, options: Partial<CxClientOptions> = {}) {
    this.harness = startWorker({
      listeners: ['mw udp:127.0.0.1:4060', 'mw tcp:127.0.0.1:4060'],
      name: config.name,
      diameter: (port) => {
        this.#client = new DiameterClient(
          {
            send: (message, route) => port.diameterRequest(message, route),
            answer: (message) => port.diameterAnswer(message),
          },
          {
            worker: 0,
            identity: { originHost: 'icscf.ims.test', originRealm: 'ims.test' },
            dictionary: cxDictionary,
            timeoutMs: 200,
          },
        );
        return this.#client;
      },
      createLogic: (parts) => {
        const cx = new CxClient(this.#client!, { homeRealm: 'ims.test', ...options });
        const store = openMemoryStore([]);
        return createIcscf({ ...parts, config: { ...config, ...changes }, cx, store, volatile: store }, cx);
      },
    });
  }

  /** The oldest question to the HSS that was not looked at yet. */
  question(): DiameterMessage {
    const message = decodeMessage(this.#oldest(), cxDictionary);
    if (message instanceof DecodeFailure) throw new Error(message.reason);
    return message;
  }

  /** The HSS answers the oldest question with these octets. */
  async answerOctets(make: (request: Buffer) => Buffer): Promise<Buffer> {
    const question = this.#oldest();
    await this.#deliver(make(question));
    return question;
  }

  async answer(question: DiameterMessage, content: AnswerContent): Promise<void> {
    const identity = { originHost: 'hss.ims.test', originRealm: 'ims.test' };
    await this.#deliver(encodeAnswer(question, cxApplication, identity, content));
  }

  async uaa(result: AnswerContent['result'], more: AnswerDetails = {}): Promise<DiameterMessage> {
    const question = this.question();
    await this.answer(question, locationInfoAnswer({ result, ...more }));
    return question;
  }

  /** The HSS answers the oldest question with the server of a user, `scscf` unless told. */
  found(more: AnswerDetails = {}): Promise<DiameterMessage> {
    return this.uaa(baseResult(2001), { serverName: scscf, ...more });
  }

  /** The oldest question cannot be sent to any HSS. */
  async unanswered(): Promise<void> {
    this.harness.side.diameterFailed(this.#oldest().readUInt32BE(12), 'no-peer');
    await this.harness.settle();
  }

  #oldest(): Buffer {
    const next = this.harness.diameterSent.shift();
    if (next === undefined) throw new Error('the HSS was not asked');
    return next.message;
  }

  async #deliver(answer: Buffer): Promise<void> {
    this.harness.side.beginBatch();
    this.harness.side.diameter(answer);
    this.harness.side.endBatch();
    await this.harness.settle();
  }

  /** Nobody takes a request, as often as it is sent; gives the answer that goes back in the end. */
  async refuseAll(first: SentMessage): Promise<SentMessage> {
    let sent = [first];
    for (let i = 0; i < 100; i++) {
      for (const message of sent) {
        if (message.status >= 200) return message;
        if (message.status === 0) this.harness.failSend(message);
      }
      await this.harness.settle();
      if (this.harness.sent.length === 0) this.harness.advance(200);
      sent = this.harness.take();
    }
    throw new Error('no answer in 20 s');
  }
}

/** A REGISTER that came from the P-CSCF. */
export function register(more: string[] = [], cseq = 1): string {
  return sip([
    'REGISTER sip:ims.test SIP/2.0',
    `Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKr${cseq}`,
    'Max-Forwards: 69',
    'From: <sip:alice@ims.test>;tag=a',
    'To: <sip:Alice@IMS.test:5060;x=y>',
    'Call-ID: reg-1',
    `CSeq: ${cseq} REGISTER`,
    'Contact: <sip:alice@10.0.0.1>;expires=3600',
    'Path: <sip:term@127.0.0.1:5070;lr>',
    'P-Visited-Network-ID: "visited.test"',
    'Authorization: Digest username="alice@ims.test",realm="ims.test",uri="sip:ims.test",nonce="",response=""',
    ...more,
  ]);
}

/** An initial request that came from the P-CSCF or an S-CSCF. */
export function invite(uri: string, more: string[] = [], method = 'INVITE'): string {
  return sip([
    `${method} ${uri} SIP/2.0`,
    'Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKi1',
    'Max-Forwards: 68',
    'From: <sip:alice@ims.test>;tag=a',
    `To: <${uri}>`,
    'Call-ID: call-1',
    `CSeq: 1 ${method}`,
    'Contact: <sip:alice@10.0.0.1>',
    'P-Asserted-Identity: <sip:alice@ims.test>, <tel:+15550001>',
    ...more,
  ]);
}
