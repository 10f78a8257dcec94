import { type AnswerContent, encodeAnswer } from '#diameter/answer';
import { DiameterClient } from '#diameter/client';
import { decodeMessage } from '#diameter/codec/decode';
import type { DiameterMessage } from '#diameter/codec/message';
import { CxClient, type CxClientOptions } from '#diameter/cx/cx-client';
import { locationInfoAnswer } from '#diameter/cx/cx-server';
import { cxApplication, cxDictionary } from '#diameter/dictionary/cx';
import { DecodeFailure } from '#diameter/errors';
import { createIcscf } from '#nodes/icscf/icscf';
import type { IcscfConfig } from '#service/config-shape';
import { openMemoryStore } from '#store/memory-store';
import { sip, startWorker, type WorkerHarness } from '../worker-harness.ts';

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
    const next = this.harness.diameterSent.shift();
    if (next === undefined) throw new Error('the HSS was not asked');
    const message = decodeMessage(next.message, cxDictionary);
    if (message instanceof DecodeFailure) throw new Error(message.reason);
    return message;
  }

  /** The HSS answers the oldest question with these octets. */
  async answerOctets(make: (request: Buffer) => Buffer): Promise<Buffer> {
    const next = this.harness.diameterSent.shift();
    if (next === undefined) throw new Error('the HSS was not asked');
    this.harness.side.beginBatch();
    this.harness.side.diameter(make(next.message));
    this.harness.side.endBatch();
    await this.harness.settle();
    return next.message;
  }

  async answer(question: DiameterMessage, content: AnswerContent): Promise<void> {
    const identity = { originHost: 'hss.ims.test', originRealm: 'ims.test' };
    this.harness.side.beginBatch();
    this.harness.side.diameter(encodeAnswer(question, cxApplication, identity, content));
    this.harness.side.endBatch();
    await this.harness.settle();
  }

  async uaa(
    result: AnswerContent['result'],
    more: Partial<Parameters<typeof locationInfoAnswer>[0]> = {},
  ): Promise<DiameterMessage> {
    const question = this.question();
    await this.answer(question, locationInfoAnswer({ result, ...more }));
    return question;
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
