import { DiameterClient } from '#diameter/client';
import type { Avp } from '#diameter/codec/avp-types';
import { type DiameterMessage, readHopByHop } from '#diameter/codec/message';
import { CxClient } from '#diameter/cx/cx-client';
import { cxDictionary } from '#diameter/dictionary/cx';
import type { CommandDefinition } from '#diameter/dictionary/dictionary';
import type { DiameterIdentity } from '#diameter/identity';
import { createScscf, type ScscfLogic, scscfTables } from '#nodes/scscf/scscf';
import type { ScscfConfig } from '#service/config/scscf-config';
import { akaPassword } from '#sip/auth/aka';
import { digestResponse, parseDigest } from '#sip/auth/digest';
import { ParseFailure } from '#sip/errors';
import { openMemoryStore } from '#store/memory-store';
import type { Store } from '#store/store';
import { profileXml, TestHss } from '../../fixtures/test-hss.ts';
import { type SentMessage, sip, startWorker, type WorkerHarness } from '../worker-harness.ts';

/** Where requests come from: the P-CSCF. */
export const pcscf = 'udp 127.0.0.1:5070';

export const config = {
  role: 'scscf',
  name: 'scscf.ims.test',
  homeDomain: 'ims.test',
  uri: 'sip:127.0.0.1:6060',
  numbers: { dialPlan: [] },
  routes: { trustedDomains: [] },
  dns: { budget: 2 },
  trusted: ['127.0.0.0/8'],
  diameter: {
    originHost: 'scscf.ims.test',
    originRealm: 'ims.test',
    cx: { realm: 'ims.test', announce: [], dialect: '3gpp' },
    peers: [{ host: 'hss.ims.test' }, { host: 'icscf.ims.test' }, { host: 'hss01' }],
    realms: [{ realm: 'ims.test', application: 'cx', peers: [{ host: 'hss.ims.test' }, { host: 'hss01' }] }],
  },
  auth: { defaultScheme: 'Digest-AKAv1-MD5', resyncs: 2, failures: 2, qop: true, schemeSpelling: {} },
  regEvent: { minExpires: 60, defaultExpires: 3761, maxExpires: 600_000, watchers: ['sip:presence.ims.test'] },
  registrar: { minExpires: 60, defaultExpires: 3600, maxExpires: 600_000, maxContacts: 3, sarOnReRegistration: false },
} as unknown as ScscfConfig;

/** What a REGISTER of a test says; the rest is usual. */
export interface RegisterOptions {
  readonly impi?: string;
  readonly impu?: string;
  /** Value of Contact, '' for none. */
  readonly contact?: string;
  readonly callId?: string;
  readonly cseq?: number;
  /** Value of Authorization; '' for none. */
  readonly authorization?: string;
  /** Added to the Authorization. */
  readonly protection?: 'yes' | 'no';
  readonly path?: string;
  readonly lines?: readonly string[];
}

/** An S-CSCF in a worker of its own, with a test HSS behind it. */
export class HomeNetwork {
  readonly hss = new TestHss();
  readonly store: Store;
  readonly harness: WorkerHarness<ScscfLogic>;
  /** Third-party REGISTERs that left together with an answer. */
  readonly toServers: SentMessage[] = [];
  readonly #timers = new Set<() => void>();
  #branch = 0;

  constructor(changes: Partial<ScscfConfig> = {}, store: Store = openMemoryStore(scscfTables)) {
    this.store = store;
    this.hss.subscribers.set('alice@ims.test', {
      profile: profileXml('sip:alice@ims.test', 'tel:+15550001', '!sip:secret@ims.test'),
      ccf: 'aaa://cdf.ims.test',
    });
    this.hss.subscribers.set('bob@ims.test', { profile: profileXml('sip:bob@ims.test', 'tel:+15550002') });
    let client: DiameterClient | undefined;
    this.harness = startWorker({
      listeners: ['mw udp:127.0.0.1:6060'],
      name: config.name,
      hosts: { 'ims.test': ['udp:127.0.0.1:4060'] },
      diameter: (port) => {
        client = new DiameterClient(
          {
            send: (message, route) => port.diameterRequest(message, route),
            answer: (message) => port.diameterAnswer(message),
          },
          {
            worker: 0,
            identity: { originHost: 'scscf.ims.test', originRealm: 'ims.test' },
            dictionary: cxDictionary,
            clock: {
              now: () => this.harness.clock.nowMs(),
              setTimer: (_delayMs, fire) => {
                this.#timers.add(fire);
                return fire;
              },
              clearTimer: (timer) => void this.#timers.delete(timer as () => void),
            },
          },
        );
        return client;
      },
      createLogic: (parts) => {
        const cx = new CxClient(client!, { homeRealm: 'ims.test' });
        const volatile = openMemoryStore(scscfTables);
        return createScscf({ ...parts, config: { ...config, ...changes }, cx, store, volatile }, cx);
      },
    });
  }

  /** Lets the HSS answer what it was asked, until nothing moves any more. */
  async settle(): Promise<void> {
    for (;;) {
      await this.harness.settle();
      const asked = this.harness.diameterSent.splice(0);
      if (asked.length === 0) return;
      for (const { message } of asked) {
        const answer = this.hss.answer(message);
        this.harness.side.beginBatch();
        if (answer === 'no-peer') this.harness.side.diameterFailed(readHopByHop(message), 'no-peer');
        else if (answer !== null) this.harness.side.diameter(answer);
        this.harness.side.endBatch();
      }
    }
  }

  /** Sends a request of the HSS, or of whoever `from` says, and gives the answer. */
  async fromHss(
    command: CommandDefinition,
    avps: readonly Avp[],
    from: DiameterIdentity = { originHost: 'hss.ims.test', originRealm: 'ims.test' },
  ): Promise<DiameterMessage> {
    let request: Buffer | undefined;
    const peer = new DiameterClient(
      { send: (message) => (request = message), answer: () => undefined },
      {
        worker: 0,
        identity: from,
        dictionary: cxDictionary,
        clock: { now: () => 0, setTimer: () => null, clearTimer() {} },
      },
    );
    const destination = { destinationRealm: 'ims.test', destinationHost: 'scscf.ims.test' };
    const outcome = peer.request({ command, ...destination, avps }, (message) => message);
    peer.onMessage(this.deliver(request!));
    const answer = await outcome;
    if ('failure' in answer) throw new Error(answer.words);
    return answer;
  }

  /** Hands in the octets of a request of a Diameter peer and gives those of the answer. */
  deliver(request: Buffer): Buffer {
    this.harness.side.beginBatch();
    this.harness.side.diameter(request);
    this.harness.side.endBatch();
    const at = this.harness.diameterSent.findIndex(({ route }) => route === null);
    if (at < 0) throw new Error('the request was not answered');
    return this.harness.diameterSent.splice(at, 1)[0]!.message;
  }

  /** The Diameter client gives up what waits. */
  async loseAnswers(): Promise<void> {
    this.harness.advance(6000);
    for (const fire of [...this.#timers]) {
      this.#timers.delete(fire);
      fire();
    }
    await this.settle();
  }

  /** Sends a REGISTER and gives the answer; what application servers are told of it then stands in `toServers`. */
  async register(options: RegisterOptions = {}): Promise<SentMessage> {
    this.harness.receive(this.registerText(options), pcscf);
    await this.settle();
    const sent = this.harness.take();
    this.toServers.push(...sent.filter(({ method }) => method === 'REGISTER'));
    const [answer, ...more] = sent.filter(({ method }) => method !== 'REGISTER');
    if (answer === undefined || more.length > 0) throw new Error(`${sent.length} messages left, not one answer`);
    return answer;
  }

  registerText(options: RegisterOptions): string {
    const { impi = 'alice@ims.test', impu = `sip:${impi}`, callId = 'reg-1', cseq = 1 } = options;
    const { contact = `<sip:${impi.split('@')[0]}@10.0.0.1:5060>;expires=3600` } = options;
    const empty = `Digest username="${impi}", realm="ims.test", uri="sip:ims.test", nonce="", response=""`;
    let authorization = options.authorization ?? empty;
    if (options.protection !== undefined) authorization += `, integrity-protected="${options.protection}"`;
    const path = options.path ?? '<sip:term@127.0.0.1:5070;lr>';
    return sip([
      'REGISTER sip:127.0.0.1:6060 SIP/2.0',
      `Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKr${++this.#branch}`,
      'Max-Forwards: 68',
      // Its own tag each: with one tag a second of the same CSeq would be a merged request (C-05).
      `From: <${impu}>;tag=r${this.#branch}`,
      `To: <${impu}>`,
      `Call-ID: ${callId}`,
      `CSeq: ${cseq} REGISTER`,
      ...(contact === '' ? [] : [`Contact: ${contact}`]),
      ...(path === '' ? [] : [`Path: ${path}`]),
      ...(authorization === '' ? [] : [`Authorization: ${authorization}`]),
      'Supported: path',
      'P-Charging-Vector: icid-value=reg0a1b;orig-ioi=visited.test',
      ...(options.lines ?? []),
    ]);
  }

  /** Authorization that answers a challenge as the USIM of TestHss does. */
  credentials(challenge: SentMessage, changes: { [name: string]: string } = {}, impi = 'alice@ims.test'): string {
    const asked = parseDigest(challenge.header('WWW-Authenticate')!);
    if (asked instanceof ParseFailure) throw new Error(asked.reason);
    const nonce = asked.get('nonce')!;
    const algorithm = asked.get('algorithm')!;
    const { xres, ik, ck } = this.hss.vector!;
    const kind = algorithm === 'AKAv2-MD5' ? 'AKAv2-MD5' : 'AKAv1-MD5';
    const qop = asked.get('qop') === null ? undefined : ('auth' as const);
    const response = digestResponse({
      method: 'REGISTER',
      uri: 'sip:ims.test',
      nonce,
      username: impi,
      realm: 'ims.test',
      password: akaPassword(kind, xres, ik, ck),
      ...(qop === undefined ? {} : { qop, nc: '00000001', cnonce: 'c1' }),
    });
    const parameters: { [name: string]: string } = {
      username: `"${impi}"`,
      realm: '"ims.test"',
      nonce: `"${nonce}"`,
      uri: '"sip:ims.test"',
      response: `"${response}"`,
      algorithm,
      ...(qop === undefined ? {} : { qop: 'auth', nc: '00000001', cnonce: '"c1"' }),
      ...changes,
    };
    return `Digest ${Object.entries(parameters)
      .filter(([, value]) => value !== '')
      .map(([name, value]) => `${name}=${value}`)
      .join(', ')}`;
  }

  /** A whole registration: challenge and answer; gives what came to the second REGISTER. */
  async registered(options: RegisterOptions = {}): Promise<SentMessage> {
    const { cseq = 1, impi = 'alice@ims.test' } = options;
    const challenge = await this.register(options);
    if (challenge.status !== 401) throw new Error(`no challenge: ${challenge.startLine}`);
    return this.register({ ...options, cseq: cseq + 1, authorization: this.credentials(challenge, {}, impi) });
  }

  /** Hands a request in, from the P-CSCF. */
  async send(method: string, uri: string, lines: readonly string[], from = pcscf): Promise<SentMessage[]> {
    const common = lines.some((line) => line.startsWith('To:')) ? [] : [`To: <${uri}>`];
    this.harness.receive(
      sip([
        `${method} ${uri} SIP/2.0`,
        `Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKi${++this.#branch}`,
        'Max-Forwards: 68',
        'From: <sip:alice@ims.test>;tag=a',
        ...common,
        `Call-ID: call-${this.#branch}`,
        `CSeq: 1 ${method}`,
        ...(method === 'INVITE' ? ['Contact: <sip:alice@10.0.0.1:5060>'] : []),
        ...lines,
      ]),
      from,
    );
    await this.settle();
    return this.harness.take();
  }

  stop(): void {
    this.harness.logic.stop();
    this.harness.stop();
  }
}
