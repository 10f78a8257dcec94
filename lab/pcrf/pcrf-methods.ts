import type { MediaComponent } from '#diameter/rx/media-component';
import { flowStatuses, specificActions } from '#diameter/rx/rx-values';
import { type Method, type MethodParam, MethodRegistry, RpcError, rpcCodes } from '#manage/json-rpc';
import type { NodeStatus } from '#service/node-status';
import type { FindingCount, NotedFinding } from '../diameter/finding.ts';
import type { AfSession } from './af-sessions.ts';
import { OrderError, type OrderTarget, parseFlows } from './bearer-orders.ts';
import { mediaTypeName } from './media-type-name.ts';
import { type ActionName, actionNames, type CauseName, causeNames } from './order-names.ts';
import type { Pcrf, PcrfCounters } from './pcrf.ts';
import { codecsOf } from './policy-rules.ts';

/** Result of `pcrf.status`. */
export interface PcrfStatus {
  readonly node: NodeStatus;
  readonly sessions: number;
  readonly rules: number;
  readonly enforce: boolean;
  readonly counters: PcrfCounters;
  /** Breaches of the specifications since the start. */
  readonly breaches: number;
  readonly findings: readonly FindingCount[];
}

/** Result of `pcrf.findings`. */
export interface PcrfFindings {
  readonly breaches: number;
  readonly counts: readonly FindingCount[];
  /** Newest last. */
  readonly latest: readonly NotedFinding[];
}

/** Result of `pcrf.list`. */
export interface ListedSessions {
  readonly sessions: readonly ListedSession[];
  /** There are more than were asked for. */
  readonly more: boolean;
}

export interface ListedSession {
  readonly number: number;
  readonly id: string;
  readonly host: string;
  readonly state: string;
  /** Empty: none was told. */
  readonly address: string;
  readonly subscriptions: readonly string[];
  /** `1 audio`, `2 video`. */
  readonly media: readonly string[];
}

/** Result of `pcrf.show`. */
export interface ShownSession extends ListedSession {
  readonly startedMs: number;
  readonly changedMs: number;
  readonly requests: number;
  readonly rule: string;
  readonly applicationIdentifier: string | null;
  readonly chargingIdentifier: string | null;
  readonly serviceUrn: string | null;
  readonly specificActions: readonly string[];
  readonly components: readonly ShownComponent[];
}

export interface ShownComponent {
  readonly number: number;
  readonly media: string;
  readonly status: string;
  /** bit/s; null: not told. */
  readonly maxUplink: number | null;
  readonly maxDownlink: number | null;
  readonly minUplink: number | null;
  readonly minDownlink: number | null;
  readonly codecs: readonly string[];
  readonly flows: readonly { readonly number: number; readonly usage: number; readonly filters: readonly string[] }[];
}

/** What came of a reload: how many rules there are now. */
export interface Reloaded {
  readonly rules: number;
}

const mostListed = 10_000;
const string = { type: 'string' } as const;
const number = { type: 'number' } as const;

/** The methods of the PCRF's management socket. `node`: its status; `reload` reads the rules anew. */
export function pcrfMethods(pcrf: Pcrf, node: () => NodeStatus, reload: () => Reloaded): MethodRegistry {
  const status = (): NodeStatus => ({
    ...node(),
    reasons: Object.fromEntries(pcrf.findings.counts().map(({ count, id, message }) => [`${message} ${id}`, count])),
  });
  return new MethodRegistry()
    .add({
      name: 'status',
      summary: 'How the PCRF is: listener, peers, findings by message and id.',
      params: [],
      result: 'NodeStatus',
      call: status,
    })
    .add({
      name: 'pcrf.status',
      summary: 'The same with what was asked, answered and found.',
      params: [],
      result: 'PcrfStatus',
      call: (): PcrfStatus => ({
        node: status(),
        sessions: pcrf.sessions.size,
        rules: pcrf.ruleCount,
        enforce: pcrf.enforce,
        counters: pcrf.counters(),
        breaches: pcrf.findings.breaches,
        findings: pcrf.findings.counts(),
      }),
    })
    .add({
      name: 'pcrf.findings',
      summary: 'What is wrong with what peers sent: counts, and the latest findings.',
      params: [],
      result: 'PcrfFindings',
      call: (): PcrfFindings => ({
        breaches: pcrf.findings.breaches,
        counts: pcrf.findings.counts(),
        latest: pcrf.findings.latest(),
      }),
    })
    .add({
      name: 'pcrf.reload',
      summary: 'Reads the rules of the configuration anew; what is wrong with it leaves them as they are.',
      params: [],
      result: 'Reloaded',
      call: reload,
    })
    .add(listMethod(pcrf))
    .add(showMethod(pcrf))
    .add(reAuthMethod(pcrf))
    .add(abortMethod(pcrf));
}

function listMethod(pcrf: Pcrf): Method {
  return {
    name: 'pcrf.list',
    summary: 'The sessions, the oldest first.',
    params: [
      param('ip', 'only those with this Framed address', string, false),
      param('limit', `at most so many, up to ${mostListed}`, number, false),
    ],
    result: 'ListedSessions',
    call(params): ListedSessions {
      const limit = Math.min(Number(params.get('limit') ?? 100), mostListed);
      const address = params.get('ip');
      const all = address === undefined ? pcrf.sessions.list() : pcrf.sessions.byAddress(String(address));
      return { sessions: all.slice(0, limit).map(listed), more: all.length > limit };
    },
  };
}

function showMethod(pcrf: Pcrf): Method {
  return {
    name: 'pcrf.show',
    summary: 'One session with its media components.',
    params: [param('session', 'Session-Id, or the number that the list shows', string)],
    result: 'ShownSession',
    call(params) {
      const name = String(params.get('session'));
      const session = pcrf.sessions.find(name);
      if (session === undefined) throw refusal(`there is no session ${name}`);
      return shown(session);
    },
  };
}

const targetParams = [
  param('session', 'Session-Id, or the number that the list shows; either this or ip', string, false),
  param('ip', 'Framed address: all its sessions', string, false),
];

function reAuthMethod(pcrf: Pcrf): Method {
  return {
    name: 'pcrf.rar',
    summary: 'Sends a RAR to the P-CSCF of a session, or of all sessions of an address.',
    params: [
      ...targetParams,
      param('actions', Object.keys(actionNames).join(', '), { type: 'array' }),
      param('flows', 'COMPONENT:FLOW or COMPONENT, separated by commas', string, false),
      param('cause', `Abort-Cause: ${Object.keys(causeNames).join(', ')}`, string, false),
      param('chargingIdentifier', 'Access-Network-Charging-Identifier-Value', string, false),
      param('ipCan', 'IP-CAN-Type', number, false),
      param('rat', 'RAT-Type', number, false),
      param('location', '3GPP-User-Location-Info, hexadecimal', string, false),
    ],
    result: 'OrderOutcome[]',
    call(params) {
      const actions = (params.get('actions') as readonly unknown[]).map((name) =>
        nameAmong(actionNames, 'action', name),
      );
      if (actions.length === 0) throw refusal('there is no action');
      const { cause, chargingIdentifier, flows, ipCan, location, rat } = Object.fromEntries(params);
      return sent(() =>
        pcrf.orders.reAuth(targetOf(params), {
          actions: actions as ActionName[],
          flows: flows === undefined ? undefined : parseFlows(String(flows)),
          cause: cause === undefined ? undefined : (nameAmong(causeNames, 'cause', cause) as CauseName),
          chargingIdentifier: chargingIdentifier as string | undefined,
          ipCanType: ipCan as number | undefined,
          ratType: rat as number | undefined,
          userLocation: location === undefined ? undefined : hexOctets(String(location)),
        }),
      );
    },
  };
}

function abortMethod(pcrf: Pcrf): Method {
  return {
    name: 'pcrf.asr',
    summary: 'Sends an ASR to the P-CSCF of a session, or of all sessions of an address, and waits for the STR.',
    params: [...targetParams, param('cause', Object.keys(causeNames).join(', '), string, false)],
    result: 'OrderOutcome[]',
    call(params) {
      const cause = nameAmong(causeNames, 'cause', params.get('cause') ?? 'bearer-released') as CauseName;
      return sent(() => pcrf.orders.abort(targetOf(params), cause));
    },
  };
}

function hexOctets(text: string): Buffer {
  const octets = Buffer.from(text, 'hex');
  if (text === '' || octets.length * 2 !== text.length) throw refusal('location has pairs of hexadecimal digits');
  return octets;
}

function targetOf(params: ReadonlyMap<string, unknown>): OrderTarget {
  const session = params.get('session');
  const address = params.get('ip');
  if ((session === undefined) === (address === undefined)) throw refusal('give either session or ip');
  return session === undefined ? { address: String(address) } : { session: String(session) };
}

function nameAmong(names: object, what: string, given: unknown): string {
  if (!Object.hasOwn(names, String(given))) {
    throw refusal(`${what} must be one of ${Object.keys(names).join(', ')}`);
  }
  return String(given);
}

async function sent<T>(order: () => Promise<T>): Promise<T> {
  try {
    return await order();
  } catch (error) {
    if (error instanceof OrderError) throw refusal(error.message);
    throw error;
  }
}

function listed(session: AfSession): ListedSession {
  const { components, framedAddress, host, id, state } = session;
  const isOneHost = framedAddress?.prefixLength === (framedAddress?.address.includes(':') === true ? 128 : 32);
  return {
    number: session.number,
    id,
    host,
    state,
    address:
      framedAddress === undefined
        ? ''
        : isOneHost
          ? framedAddress.address
          : `${framedAddress.address}/${framedAddress.prefixLength}`,
    subscriptions: session.subscriptionIds.map(({ data }) => data),
    media: [...components.values()].map((component) => `${component.number} ${mediaOf(component)}`),
  };
}

function shown(session: AfSession): ShownSession {
  const { changedMs, requests, rule, startedMs } = session;
  return {
    ...listed(session),
    startedMs,
    changedMs,
    requests,
    rule,
    applicationIdentifier: session.applicationIdentifier ?? null,
    chargingIdentifier: session.chargingIdentifier ?? null,
    serviceUrn: session.serviceUrn ?? null,
    specificActions: session.specificActions.map((action) => nameOf(specificActions, action)),
    components: [...session.components.values()].map(shownComponent),
  };
}

function shownComponent(component: MediaComponent): ShownComponent {
  const { flowStatus, maxDownlink, maxUplink, minDownlink, minUplink, subComponents } = component;
  return {
    number: component.number,
    media: mediaOf(component),
    status: flowStatus === undefined ? '' : nameOf(flowStatuses, flowStatus),
    maxUplink: maxUplink ?? null,
    maxDownlink: maxDownlink ?? null,
    minUplink: minUplink ?? null,
    minDownlink: minDownlink ?? null,
    codecs: codecsOf(component),
    flows: subComponents.map(({ flowDescriptions, flowNumber, flowUsage = 0 }) => ({
      number: flowNumber,
      usage: flowUsage,
      filters: flowDescriptions,
    })),
  };
}

function mediaOf({ mediaType }: MediaComponent): string {
  return mediaType === undefined ? 'no type' : mediaTypeName(mediaType);
}

function nameOf(names: Readonly<Record<string, number>>, value: number): string {
  return Object.keys(names).find((name) => names[name] === value) ?? String(value);
}

function param(name: string, description: string, schema: MethodParam['schema'], required = true): MethodParam {
  return { name, description, required, schema };
}

function refusal(words: string): RpcError {
  return new RpcError(rpcCodes.invalidParams, words);
}
