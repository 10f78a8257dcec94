import type { AnswerContent } from '#diameter/answer';
import { encodeRefusal } from '#diameter/answer';
import { DiameterClient } from '#diameter/client';
import { type DiameterMessage, readHopByHop } from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import { cxApplication, cxAvps, cxCommands, cxDictionary, etsiAvps } from '#diameter/dictionary/cx';
import { type AvpDefinition, type CommandDefinition, createDictionary } from '#diameter/dictionary/dictionary';
import { workerOf } from '#diameter/hop-by-hop';
import type { PeerEventReport } from '#diameter/peer/peer';
import { type PeerStatus, PeerTable } from '#diameter/peer/peer-table';
import { openTrace, type TraceSink } from '#manage/trace-recorder';
import type { HssConfig } from '#service/config/hss-config';
import { openLmdbStore } from '#store/lmdb-store';
import { openMemoryStore } from '#store/memory-store';
import type { Store } from '#store/store';
import { Findings, type NotedFinding } from '../diameter/finding.ts';
import { isBreach, refusalOfBreach } from '../diameter/finding-refusal.ts';
import { RecentRequests } from '../diameter/recent-requests.ts';
import { inspectRequest } from '../diameter/request-inspection.ts';
import { answerServerAssignment } from './assign-server.ts';
import { answerMultimediaAuth } from './authenticate-user.ts';
import { AuthenticationCentre } from './authentication-centre.ts';
import { answerUserAuthorization } from './authorize-user.ts';
import type { CxContext } from './cx-context.ts';
import { cxProtocol, requestName } from './cx-protocol.ts';
import { answerLocationInfo } from './locate-user.ts';
import { ServerOrders } from './server-orders.ts';
import { hssTables, SubscriberStates } from './subscriber-state.ts';
import { SubscriberTable } from './subscriber-table.ts';

export interface HssOptions {
  /** Folder of the registration states, which several HSSs may share; null: in memory only. */
  readonly state: string | null;
  /** Milliseconds since 1970. */
  readonly wallMs?: () => number;
  /** What happens to peers, and what goes wrong. */
  readonly report?: (event: PeerEventReport | { readonly words: string }) => void;
  /** What is wrong with what peers send. */
  readonly noted?: (finding: NotedFinding) => void;
  /** Where messages are traced; by default what the environment asks for. */
  readonly trace?: TraceSink | null;
}

/** How many requests came, by name; with which result they were answered; how many had the T flag. */
export interface HssCounters {
  readonly requests: Readonly<Record<string, number>>;
  /** `SAR 2001`; with an x before the number an Experimental-Result. */
  readonly results: Readonly<Record<string, number>>;
  readonly retransmitted: Readonly<Record<string, number>>;
  /** Requests for another host, in a loop, or too many at once: turned down unseen. */
  readonly turnedDown: number;
}

/** A running HSS. */
export interface Hss {
  readonly address: string;
  readonly port: number;
  /** How many private identities there are. */
  readonly subscribers: number;
  readonly table: SubscriberTable;
  readonly states: SubscriberStates;
  readonly findings: Findings;
  readonly orders: ServerOrders;
  readonly enforce: boolean;
  counters(): HssCounters;
  peers(): PeerStatus[];
  /** Says farewell to the peers and lets go of the store. */
  close(): Promise<void>;
}

type Procedure = (context: CxContext, request: DiameterMessage) => AnswerContent;

/** What no procedure can do without; the rest of the tables is the inspection's to judge. */
const served: readonly (readonly [CommandDefinition, Procedure, readonly AvpDefinition[]])[] = [
  [cxCommands.userAuthorization, answerUserAuthorization, [baseAvps.userName, cxAvps.publicIdentity]],
  [
    cxCommands.multimediaAuth,
    answerMultimediaAuth,
    [baseAvps.userName, cxAvps.publicIdentity, cxAvps.sipAuthDataItem, cxAvps.serverName],
  ],
  [cxCommands.serverAssignment, answerServerAssignment, [cxAvps.serverName, cxAvps.serverAssignmentType]],
  [cxCommands.locationInfo, answerLocationInfo, [cxAvps.publicIdentity]],
];

/**
 * Starts the lab's HSS with its AuC: the answering side of Cx over TCP, for whoever connects. What changes a
 * subscriber's state is in the store before the answer leaves. Each request is held against the tables of TS 29.229; with
 * `enforce` a breach is answered with its error, else it is noted and served as far as it can be.
 *
 * Rejects when the address or the state's folder cannot be had, or subscribers or profiles are wrong.
 * Source: TS 29.228 6.1, 6.3; RFC 6733 5.
 */
export async function startHss(config: HssConfig, options: HssOptions): Promise<Hss> {
  const { noted = () => {}, report = () => {}, wallMs = Date.now } = options;
  const { enforce } = config;
  const subscribers = new SubscriberTable(config.subscribers, config.domain, config);
  const store = await openStore(options.state);
  const states = new SubscriberStates(store);
  const findings = new Findings(wallMs, noted);
  const recent = new RecentRequests(wallMs);
  const trace = options.trace === undefined ? openTrace('hss') : options.trace;
  const identity = { originHost: config.name, originRealm: config.realm };
  const requests: Record<string, number> = {};
  const results: Record<string, number> = {};
  const retransmitted: Record<string, number> = {};
  const context: CxContext = {
    domain: config.domain,
    subscribers,
    states,
    centre: new AuthenticationCentre(wallMs),
    servers: config.servers,
    keepServerName: config.keepServerName,
    report(request, finding) {
      findings.add(requestName(request.command), request.avps.text(baseAvps.originHost) ?? '', finding);
      return enforce && finding.resultCode !== undefined;
    },
  };

  const answer = (message: Buffer) => {
    trace?.diameter('out', message);
    table.answer(message);
  };
  const client = new DiameterClient(
    {
      send: (message, route) => {
        trace?.diameter('out', message);
        if (!table.send(message, route)) client.onFailed(readHopByHop(message), 'no-peer');
      },
      answer,
    },
    { worker: 0, identity, dictionary: enforce ? cxDictionary : createDictionary(baseAvps, cxAvps, etsiAvps) },
  );
  let connected: Set<string> | null = null;
  const isPeer = (host: string) => {
    connected ??= new Set(table.status().map((peer) => peer.host.toLowerCase()));
    return connected.has(host.toLowerCase());
  };
  const take = (message: Buffer) => {
    const inspected = inspectRequest(message, { identity, isPeer }, cxProtocol);
    const { name, peer, retransmitted: again } = inspected;
    const found = [...inspected.findings, ...recent.inspect(message, peer, again)];
    bump(requests, name);
    if (again) bump(retransmitted, name);
    for (const finding of found) findings.add(name, peer, finding);
    const breach = enforce ? found.find(isBreach) : undefined;
    if (breach === undefined) return client.onMessage(message);
    bump(results, `${name} ${breach.resultCode}`);
    // A request of a command that is not of Cx is not answered as one of Cx.
    const application = inspected.request === undefined ? undefined : cxApplication;
    answer(encodeRefusal(message, identity, refusalOfBreach(breach), application));
  };
  const table = new PeerTable(
    {
      onAnswer: (message) => {
        trace?.diameter('in', message);
        if (workerOf(readHopByHop(message)) === 0) client.onMessage(message);
      },
      onRequest: (message) => {
        trace?.diameter('in', message);
        take(message);
      },
      onLost: (hopByHop) => client.onFailed(hopByHop, 'peer-lost'),
      onEvent: (event) => {
        connected = null;
        report(event);
      },
    },
    {
      identity,
      applications: [cxApplication],
      peers: [],
      acceptUnknown: true,
      // A wrong realm is the inspection's to judge.
      servedRealms: 'any',
      productName: 'IMS CSCF lab HSS',
    },
  );
  for (const [command, procedure, essential] of served) {
    const tolerant = { ...command, required: essential, optional: [], repeated: essential };
    client.handle(enforce ? command : tolerant, (request) => {
      const content = procedure(context, request);
      const { code, kind } = content.result;
      bump(results, `${requestName(command.code)} ${kind === 'base' ? '' : 'x'}${code}`);
      return content;
    });
  }

  try {
    const { address, port } = await table.listen(config.listen.port, config.listen.address);
    return {
      address,
      port,
      subscribers: subscribers.count,
      table: subscribers,
      states,
      findings,
      orders: new ServerOrders(client, subscribers, states, findings),
      enforce,
      counters: () => ({
        requests: { ...requests },
        results: { ...results },
        retransmitted: { ...retransmitted },
        turnedDown: table.counters.requestsTurnedDown,
      }),
      peers: () => table.status(),
      async close() {
        await table.stop();
        client.stop();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

function openStore(folder: string | null): Promise<Store> | Store {
  return folder === null ? openMemoryStore(hssTables) : openLmdbStore({ path: folder, tables: hssTables });
}

function bump(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}
