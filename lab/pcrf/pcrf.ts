import { DiameterClient, type RequestHandler } from '#diameter/client';
import { readHopByHop } from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import { type CommandDefinition, createDictionary } from '#diameter/dictionary/dictionary';
import { rxApplication, rxAvps, rxCommands } from '#diameter/dictionary/rx';
import { workerOf } from '#diameter/hop-by-hop';
import type { PeerEventReport } from '#diameter/peer/peer';
import { type PeerStatus, PeerTable } from '#diameter/peer/peer-table';
import { openTrace, type TraceSink } from '#manage/trace-recorder';
import type { PcrfConfig, PcrfRuleConfig } from '#service/config/pcrf-config';
import { Findings, type NotedFinding } from '../diameter/finding.ts';
import { AfIntake } from './af-intake.ts';
import { type AfContext, answerAaRequest, answerSessionTermination } from './af-requests.ts';
import { AfSessions } from './af-sessions.ts';
import { BearerOrders } from './bearer-orders.ts';
import { PolicyRules } from './policy-rules.ts';
import { rxProtocol } from './rx-protocol.ts';

export interface PcrfOptions {
  /** Milliseconds since 1970. */
  readonly wallMs?: () => number;
  /** What happens to peers, and what goes wrong. */
  readonly report?: (event: PeerEventReport | { readonly words: string }) => void;
  /** What is wrong with what peers send. */
  readonly noted?: (finding: NotedFinding) => void;
  /** Where messages are traced; by default what the environment asks for. */
  readonly trace?: TraceSink | null;
  /** How long the STR after an ASR is waited for, milliseconds. Default 3000. */
  readonly terminationMs?: number;
}

/** How many requests came, by name; with which result they were answered; how many had the T flag. */
export interface PcrfCounters {
  readonly requests: Readonly<Record<string, number>>;
  /** `AAR 2001`; with an x before the number an Experimental-Result; `AAR none` for what a rule left unanswered. */
  readonly results: Readonly<Record<string, number>>;
  readonly retransmitted: Readonly<Record<string, number>>;
  /** Requests for another host, in a loop, or too many at once: turned down unseen. */
  readonly turnedDown: number;
}

/** A running PCRF. */
export interface Pcrf {
  readonly address: string;
  readonly port: number;
  readonly sessions: AfSessions;
  readonly findings: Findings;
  readonly orders: BearerOrders;
  readonly enforce: boolean;
  /** How many rules there are. */
  readonly ruleCount: number;
  counters(): PcrfCounters;
  peers(): PeerStatus[];
  /** Takes other rules for the requests to come. */
  replaceRules(rules: readonly PcrfRuleConfig[]): void;
  /** Says farewell to the peers. */
  close(): Promise<void>;
}

/**
 * Starts the lab's PCRF: the PCRF's side of Rx over TCP, for whoever connects. AARs are answered as the rules say. Each
 * request is held against the tables of TS 29.214 and against its session; with `enforce` a breach is answered with its
 * error, else it is noted and served as far as it can be. Sessions are kept in memory.
 *
 * Rejects when the address cannot be had. Source: TS 29.214 4.4; RFC 6733 5.
 */
export async function startPcrf(config: PcrfConfig, options: PcrfOptions = {}): Promise<Pcrf> {
  const { noted = () => {}, report = () => {}, terminationMs = 3000, wallMs = Date.now } = options;
  const { enforce } = config;
  const sessions = new AfSessions(wallMs);
  const rules = new PolicyRules(config.rules);
  const findings = new Findings(wallMs, noted);
  const trace = options.trace === undefined ? openTrace('pcrf') : options.trace;
  const identity = { originHost: config.name, originRealm: config.realm };
  const originStateId = Math.floor(wallMs() / 1000);
  const context: AfContext = {
    sessions,
    rules,
    originStateId,
    wait: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds).unref()),
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
    {
      worker: 0,
      identity,
      dictionary: enforce ? rxProtocol.dictionary : createDictionary(baseAvps, rxAvps),
      failed: (error) => report({ words: `a request could not be handled: ${(error as Error).stack}` }),
    },
  );
  let connected: Set<string> | null = null;
  const isPeer = (host: string) => {
    connected ??= new Set(table.status().map((peer) => peer.host.toLowerCase()));
    return connected.has(host.toLowerCase());
  };
  const restarted = (peer: string, forgotten: number) => {
    if (forgotten > 0) report({ words: `${peer} has restarted without ending its ${forgotten} sessions` });
  };
  const intake = new AfIntake({
    context,
    findings,
    identity,
    enforce,
    wallMs,
    isPeer,
    serve: (octets) => client.onMessage(octets),
    answer,
    restarted,
  });
  const table = new PeerTable(
    {
      onAnswer: (message) => {
        trace?.diameter('in', message);
        if (workerOf(readHopByHop(message)) === 0) client.onMessage(message);
      },
      onRequest: (message) => {
        trace?.diameter('in', message);
        intake.take(message);
      },
      onLost: (hopByHop) => client.onFailed(hopByHop, 'peer-lost'),
      onEvent: (event) => {
        connected = null;
        report(event);
      },
      onRestarted: (peer) => restarted(peer, sessions.orphan(peer)),
    },
    {
      identity,
      applications: [rxApplication],
      peers: [],
      acceptUnknown: true,
      // A wrong realm is the inspection's to judge.
      servedRealms: 'any',
      originStateId,
      productName: 'IMS CSCF lab PCRF',
    },
  );
  const handle = (command: CommandDefinition, name: string, handler: RequestHandler) => {
    // What no procedure can do without every session message has; the rest of the tables is the inspection's to judge.
    const tolerant = { ...command, required: [], optional: [], repeated: [] };
    client.handle(enforce ? command : tolerant, async (request) => {
      const content = await handler(request);
      intake.answered(name, content.result);
      return content;
    });
  };
  handle(rxCommands.aa, 'AAR', (request) => answerAaRequest(context, request));
  handle(rxCommands.sessionTermination, 'STR', (request) => answerSessionTermination(context, request));

  const { address, port } = await table.listen(config.listen.port, config.listen.address);
  return {
    address,
    port,
    sessions,
    findings,
    orders: new BearerOrders({ client, sessions, findings, sender: { ...identity, originStateId }, terminationMs }),
    enforce,
    get ruleCount() {
      return rules.count;
    },
    counters: () => ({
      requests: { ...intake.requests },
      results: { ...intake.results },
      retransmitted: { ...intake.retransmitted },
      turnedDown: table.counters.requestsTurnedDown,
    }),
    peers: () => table.status(),
    replaceRules: (other) => rules.replace(other),
    async close() {
      await table.stop();
      client.stop();
    },
  };
}
