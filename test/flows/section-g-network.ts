import { encodeAnswer } from '#diameter/answer';
import { DiameterClient } from '#diameter/client';
import { decodeMessage } from '#diameter/codec/decode';
import { readHopByHop } from '#diameter/codec/message';
import { CxClient } from '#diameter/cx/cx-client';
import { locationInfoAnswer } from '#diameter/cx/cx-server';
import { cxApplication, cxCommands, cxDictionary } from '#diameter/dictionary/cx';
import { rxApplication, rxDictionary } from '#diameter/dictionary/rx';
import { DecodeFailure } from '#diameter/errors';
import { baseResult, experimentalResult } from '#diameter/result';
import { traceTo } from '#manage/trace-recorder';
import { createIcscf } from '#nodes/icscf/icscf';
import { pcscfTables } from '#nodes/pcscf/registrations';
import { createScscf, scscfTables } from '#nodes/scscf/scscf';
import type { IcscfConfig } from '#service/config/icscf-config';
import type { ScscfConfig } from '#service/config/scscf-config';
import type { NodeLogic } from '#sip/proxy/node-logic';
import { openMemoryStore } from '#store/memory-store';
import { profileXml, TestHss } from '../fixtures/test-hss.ts';
import { ipsecConfig, RecordingPort } from '../nodes/pcscf/ipsec/ipsec-harness.ts';
import { startPcscf } from '../nodes/pcscf/pcscf-harness.ts';
import { responseTo, type SentMessage, startWorker, type WorkerHarness } from '../nodes/worker-harness.ts';

export const home = 'ims.mnc001.mcc001.3gppnetwork.org';
/** Addresses of the worked flows. */
export const addresses = { P: '172.22.0.21', I: '172.22.0.19', S: '172.22.0.20' } as const;
export const userA = {
  impi: `001010000000001@${home}`,
  number: '+15550001',
  address: '10.46.0.5',
  portC: 50600,
  portS: 50601,
};
export const userB = {
  impi: `001010000000002@${home}`,
  number: '+15550002',
  address: '10.46.0.9',
  portC: 50700,
  portS: 50701,
};

/** An application server that hears of registrations, where the flow has one. */
export const applicationServer = '172.22.0.30';

type NodeName = keyof typeof addresses;

/** What follows a registration in the network: a PCRF, an application server, and the P-CSCF hears of its end. */
export interface SectionGOptions {
  readonly afterwards?: boolean;
}

/** One message on its way: who sent it, from which port to whom. */
export interface Hop {
  readonly from: NodeName | 'A' | 'B';
  readonly to: NodeName | 'A' | 'B' | 'AS' | '?';
  /** `udp 172.22.0.21:5100`. */
  readonly source: string;
  readonly message: SentMessage;
}

const listeners: Readonly<Record<NodeName, readonly string[]>> = {
  P: [
    `gm+mw udp:${addresses.P}:5060`,
    `gm+mw tcp:${addresses.P}:5060`,
    `gm udp:${addresses.P}:6100 server`,
    `gm tcp:${addresses.P}:6100 server`,
    ...[5100, 5102].flatMap((port) => [
      `gm udp:${addresses.P}:${port} client 6100`,
      `gm tcp:${addresses.P}:${port} client 6100`,
    ]),
  ],
  I: [`mw udp:${addresses.I}:4060`, `mw tcp:${addresses.I}:4060`],
  S: [`mw udp:${addresses.S}:6060`, `mw tcp:${addresses.S}:6060`],
};

const hosts = {
  [home]: [`udp:${addresses.I}:4060`],
  [`scscf.${home}`]: [`udp:${addresses.S}:6060`],
  [`pcscf.${home}`]: [`udp:${addresses.P}:5060`],
  [`as.${home}`]: [`udp:${applicationServer}:5060`],
};

/** The application server is told of registrations. */
const toldOfRegistrations = `<InitialFilterCriteria><Priority>0</Priority><TriggerPoint><ConditionTypeCNF>1</ConditionTypeCNF><SPT><ConditionNegated>0</ConditionNegated><Group>0</Group><Method>REGISTER</Method></SPT></TriggerPoint><ApplicationServer><ServerName>sip:as.${home}</ServerName><DefaultHandling>0</DefaultHandling></ApplicationServer></InitialFilterCriteria>`;

const common = {
  homeDomain: home,
  trusted: ['172.22.0.0/24'],
  numbers: { dialPlan: [] },
  routes: { trustedDomains: [] },
  dns: { budget: 2, homeNetworks: [] },
  transport: { setAside: 30, switchToTcpAbove: 1300 },
  timers: { t1: 500, t2: 4000, t4: 5000, timerC: 185_000, gm: { t1: 2000, t2: 16_000, t4: 17_000 } },
};

const cx = { realm: home, announce: [], dialect: '3gpp' };
const realms = [{ realm: home, application: 'cx', peers: [{ host: `hss.${home}`, priority: 1, weight: 1 }] }];

/**
 * The P-, I- and S-CSCF of the worked flows at their addresses, each in a worker of its own, with the HSS, in one process:
 * messages are handed over as they are sent, and every one is written down. Security associations are only noted.
 */
export class SectionG {
  readonly hss = new TestHss();
  readonly associations = new RecordingPort();
  /** Everything that was sent, in order. */
  readonly hops: Hop[] = [];
  readonly nodes: Readonly<Record<NodeName, WorkerHarness<NodeLogic & { stop?(): void }>>>;
  /** What the P-CSCF asked the PCRF, AVP by AVP, and how many hops there had been. */
  readonly rx: { readonly head: string; readonly avps: readonly string[]; readonly after: number }[] = [];
  /** Keys of all challenges, hexadecimal. */
  readonly keys: string[] = [];
  /** Records of the P-CSCF. */
  readonly store = openMemoryStore(pcscfTables);
  readonly #clients = new Map<NodeName, DiameterClient>();
  readonly #options: SectionGOptions;

  constructor(options: SectionGOptions = {}) {
    this.#options = options;
    for (const { impi, number } of [userA, userB]) {
      const plain = profileXml(`sip:${number}@${home}`, `tel:${number}`, `sip:${impi}`);
      const profile = options.afterwards
        ? plain.replace('</ServiceProfile>', `${toldOfRegistrations}</ServiceProfile>`)
        : plain;
      this.hss.subscribers.set(impi, { profile, ccf: 'aaa://pcrf' });
    }
    this.nodes = { P: this.#pcscf(), I: this.#icscf(), S: this.#scscf() };
  }

  /** A phone sends a message to the P-CSCF: `udp 10.46.0.5:50600` to port 6100. Gives all that was sent then. */
  async send(source: string, port: number, text: string): Promise<Hop[]> {
    const first = this.hops.length;
    const listener = listeners.P.findIndex((spec) => spec.includes(` ${source.slice(0, 3)}:${addresses.P}:${port}`));
    this.nodes.P.receive(text, source, listener);
    await this.#run();
    return this.hops.slice(first);
  }

  /** Lets time pass at the P-CSCF until it sends something; gives all that was sent then. */
  async wait(ms: number): Promise<Hop[]> {
    const first = this.hops.length;
    for (let past = 0; past < ms && this.hops.length === first; past += 50) {
      this.nodes.P.advance(50);
      await this.#run();
    }
    return this.hops.slice(first);
  }

  /** Ends all; throws what a procedure threw. */
  stop(): void {
    for (const node of Object.values(this.nodes)) {
      node.logic.stop?.();
      node.stop();
      for (const failure of node.failures) throw failure;
    }
  }

  /** Hands over what was sent until nothing moves any more. */
  async #run(): Promise<void> {
    for (let quiet = 0; quiet < 3; ) {
      let moved = false;
      for (const name of ['P', 'I', 'S'] as const) {
        const node = this.nodes[name];
        await node.settle();
        for (const message of node.take()) {
          moved = true;
          this.#deliver(name, message);
        }
        if (this.#askHss(name)) moved = true;
      }
      quiet = moved ? 0 : quiet + 1;
    }
  }

  #deliver(from: NodeName, message: SentMessage): void {
    const { target } = message;
    const [, endpoint] = listeners[from][target.listener]!.split(' ');
    const source = endpoint!.replace(':', ' ');
    const to = (Object.keys(addresses) as NodeName[]).find((name) => addresses[name] === target.address);
    const phone = target.address === userA.address ? 'A' : target.address === userB.address ? 'B' : '?';
    const isServer = target.address === applicationServer;
    this.hops.push({ from, to: to ?? (isServer ? 'AS' : phone), source, message });
    if (isServer) this.nodes[from].receive(responseTo(message, 200, [], '', 'as'), `udp ${applicationServer}:5060`);
    if (to === undefined) return;
    const listener = listeners[to].findIndex((spec) =>
      spec.includes(` ${target.transport}:${target.address}:${target.port}`),
    );
    this.nodes[to].receive(message.text, source, listener);
  }

  #askHss(name: NodeName): boolean {
    const node = this.nodes[name];
    const answerOf = (message: Buffer) => (name === 'P' ? this.#answerOfPcrf(message) : this.#answerOf(message));
    const asked = node.diameterSent.splice(0);
    for (const { message } of asked) {
      const answer = answerOf(message);
      const { vector } = this.hss;
      if (vector !== null) this.keys.push(vector.ck.toString('hex'), vector.ik.toString('hex'));
      node.side.beginBatch();
      if (answer === null) node.side.diameterFailed(readHopByHop(message), 'no-peer');
      else node.side.diameter(answer);
      node.side.endBatch();
    }
    return asked.length > 0;
  }

  /** The PCRF consents to everything. */
  #answerOfPcrf(octets: Buffer): Buffer {
    const request = decodeMessage(octets, rxDictionary);
    if (request instanceof DecodeFailure) throw new Error(request.reason);
    const note = traceTo('P', ({ head, text }) =>
      this.rx.push({ head, avps: text.split('\n'), after: this.hops.length }),
    );
    note.diameter('out', octets);
    const names = { originHost: `pcrf.${home}`, originRealm: home };
    return encodeAnswer(request, rxApplication, names, { result: baseResult(2001), avps: [] });
  }

  #answerOf(octets: Buffer): Buffer | null {
    const request = decodeMessage(octets, cxDictionary);
    if (request instanceof DecodeFailure) throw new Error(request.reason);
    const isLocation = request.command === cxCommands.locationInfo.code;
    if (!isLocation && request.command !== cxCommands.userAuthorization.code) {
      const answer = this.hss.answer(octets);
      return answer === 'no-peer' ? null : answer;
    }
    const result = isLocation ? baseResult(2001) : experimentalResult(2001);
    const content = locationInfoAnswer({ result, serverName: `sip:scscf.${home}:6060` });
    return encodeAnswer(request, cxApplication, { originHost: `hss.${home}`, originRealm: home }, content);
  }

  #diameter(
    name: NodeName,
  ): (port: Parameters<NonNullable<Parameters<typeof startWorker>[0]['diameter']>>[0]) => DiameterClient {
    return (port) => {
      const client = new DiameterClient(
        {
          send: (message, route) => port.diameterRequest(message, route),
          answer: (message) => port.diameterAnswer(message),
        },
        {
          worker: 0,
          identity: { originHost: `${name.toLowerCase()}cscf.${home}`, originRealm: home },
          dictionary: name === 'P' ? rxDictionary : cxDictionary,
          timeoutMs: 60_000,
        },
      );
      this.#clients.set(name, client);
      return client;
    };
  }

  #pcscf(): WorkerHarness<NodeLogic & { stop?(): void }> {
    const following = {
      diameter: this.#diameter('P'),
      rx: { mode: 'required', signalling: true },
      regEvent: { subscribe: true },
    } as const;
    return startPcscf({
      store: this.store,
      ...(this.#options.afterwards ? following : {}),
      listeners: listeners.P,
      trusted: common.trusted,
      access: [{ from: '10.46.0.0/16', security: 'ipsec-required' }],
      ipsec: { ...ipsecConfig, addresses: [addresses.P], clientPorts: [5100, 5102] },
      associations: this.associations,
      switchToTcpAbove: 1300,
      hosts,
      own: [`pcscf.${home}:5060`, `pcscf.${home}:0`],
      homeNetworks: [home],
      config: { name: `pcscf.${home}`, homeDomain: home, visitedNetwork: home },
    });
  }

  #icscf(): WorkerHarness<NodeLogic & { stop?(): void }> {
    const config = {
      ...common,
      role: 'icscf',
      name: `icscf.${home}`,
      scscfs: [{ uri: `sip:scscf.${home}:6060`, capabilities: [], priority: 1, weight: 1 }],
      selection: { tries: 3, responseTimeout: 10, restoration: true },
      locationCache: 0,
      diameter: { cx, realms },
      unknownUser: 604,
    } as unknown as IcscfConfig;
    return startWorker({
      listeners: listeners.I,
      name: config.name,
      own: [`${home}:0`],
      hosts,
      diameter: this.#diameter('I'),
      createLogic: (parts) => {
        const client = new CxClient(this.#clients.get('I')!, { homeRealm: home });
        const store = openMemoryStore([]);
        return createIcscf({ ...parts, config, cx: client, store, volatile: store }, client);
      },
    });
  }

  #scscf(): WorkerHarness<NodeLogic & { stop?(): void }> {
    const config = {
      ...common,
      role: 'scscf',
      name: `scscf.${home}`,
      uri: `sip:scscf.${home}:6060`,
      diameter: { originHost: `scscf.${home}`, originRealm: home, cx, peers: [{ host: `hss.${home}` }], realms },
      auth: {
        defaultScheme: 'Digest-AKAv1-MD5',
        resyncs: 2,
        failures: 2,
        qop: true,
        schemeSpelling: {},
        reauthentication: {},
      },
      regEvent: { minExpires: 60, defaultExpires: 3761, maxExpires: 600_000, watchers: [] },
      registrar: {
        minExpires: 60,
        defaultExpires: 3600,
        maxExpires: 7200,
        maxContacts: 3,
        sarOnReRegistration: false,
      },
      sessionTimer: { insert: 'none', defaultSeconds: 1800, minSeconds: 90, maxSeconds: 7200 },
      sharedIfcSets: [],
      services: {
        continuedTimeout: 2,
        terminatedTimeout: 5,
        recordRoute: 'ends',
        maxServers: 8,
        unregisteredProfile: 0,
      },
    } as unknown as ScscfConfig;
    return startWorker({
      listeners: listeners.S,
      name: config.name,
      own: [`scscf.${home}:6060`, `scscf.${home}:0`],
      hosts,
      diameter: this.#diameter('S'),
      createLogic: (parts) => {
        const client = new CxClient(this.#clients.get('S')!, { homeRealm: home });
        const store = openMemoryStore(scscfTables);
        return createScscf({ ...parts, config, cx: client, store, volatile: openMemoryStore(scscfTables) }, client);
      },
    });
  }
}
