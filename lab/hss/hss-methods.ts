import { type Method, type MethodParam, MethodRegistry, RpcError, rpcCodes } from '#manage/json-rpc';
import type { ChargingConfig } from '#service/config/hss-config';
import type { NodeStatus } from '#service/node-status';
import type { FindingCount, NotedFinding } from '../diameter/finding.ts';
import type { Hss, HssCounters } from './hss.ts';
import { stateOf } from './registration-state.ts';
import { OrderError, type TerminationReason, terminationReasons } from './server-orders.ts';
import type { SubscriptionState } from './subscriber-state.ts';
import type { Subscription } from './subscriber-table.ts';

/** Result of `hss.status`. */
export interface HssStatus {
  readonly node: NodeStatus;
  readonly enforce: boolean;
  readonly counters: HssCounters;
  /** Breaches of the specifications since the start. */
  readonly breaches: number;
  readonly findings: readonly FindingCount[];
}

/** Result of `hss.findings`. */
export interface HssFindings {
  readonly breaches: number;
  readonly counts: readonly FindingCount[];
  /** Newest last. */
  readonly latest: readonly NotedFinding[];
}

/** Result of `hss.show`: a subscription with its state. */
export interface ShownSubscription {
  readonly key: string;
  readonly privates: readonly { readonly impi: string; readonly scheme: string; readonly sqn: string }[];
  readonly sets: readonly ShownSet[];
  readonly server: string | null;
  readonly serverHost: string | null;
  readonly formerServer: string | null;
  readonly visitedNetworks: readonly string[] | null;
  readonly capabilities: Subscription['capabilities'] | null;
  readonly charging: ChargingConfig | null;
  readonly unregisteredServices: boolean;
  /** The profile was replaced by a PPR. */
  readonly pushedProfile: boolean;
}

export interface ShownSet {
  readonly state: 'registered' | 'unregistered' | 'not-registered';
  readonly registeredBy: readonly string[];
  readonly pending: readonly string[];
  readonly identities: readonly { readonly identity: string; readonly barred: boolean; readonly service: boolean }[];
  /** Contacts that S-CSCFs left for a restoration. */
  readonly restoration: readonly { readonly impi: string; readonly contact: string; readonly path: string }[];
}

/** Result of `hss.list`. */
export interface ListedSubscriptions {
  readonly subscriptions: readonly {
    readonly impi: string;
    readonly state: string;
    readonly server: string;
    readonly identities: readonly string[];
  }[];
  /** There are more than were asked for. */
  readonly more: boolean;
}

const pageSize = 500;
const mostListed = 10_000;
const string = { type: 'string' } as const;

/** The methods of the HSS' management socket. `node`: its status, but for registrations and findings. */
export function hssMethods(hss: Hss, node: () => NodeStatus): MethodRegistry {
  const status = async (): Promise<NodeStatus> => ({
    ...node(),
    registrations: await countRegistered(hss),
    reasons: Object.fromEntries(hss.findings.counts().map(({ count, id, message }) => [`${message} ${id}`, count])),
  });
  return new MethodRegistry()
    .add({
      name: 'status',
      summary: 'How the HSS is: listener, peers, registrations, findings by message and id.',
      params: [],
      result: 'NodeStatus',
      call: status,
    })
    .add({
      name: 'hss.status',
      summary: 'The same with what was asked, answered and found.',
      params: [],
      result: 'HssStatus',
      call: async (): Promise<HssStatus> => ({
        node: await status(),
        enforce: hss.enforce,
        counters: hss.counters(),
        breaches: hss.findings.breaches,
        findings: hss.findings.counts(),
      }),
    })
    .add({
      name: 'hss.findings',
      summary: 'What is wrong with what peers sent: counts, and the latest findings.',
      params: [],
      result: 'HssFindings',
      call: (): HssFindings => ({
        breaches: hss.findings.breaches,
        counts: hss.findings.counts(),
        latest: hss.findings.latest(),
      }),
    })
    .add(showMethod(hss))
    .add(listMethod(hss))
    .add(terminateMethod(hss))
    .add(pushMethod(hss));
}

function showMethod(hss: Hss): Method {
  return {
    name: 'hss.show',
    summary: 'One subscription with its state, by a private or public identity.',
    params: [param('identity', 'IMPI or IMPU', string)],
    result: 'ShownSubscription',
    call(params) {
      const identity = String(params.get('identity'));
      const found = hss.table.byImpi(identity) ?? hss.table.byImpu(identity);
      if (found === undefined) throw refusal(`there is no subscriber ${identity}`);
      return shown(hss, found.subscription);
    },
  };
}

function listMethod(hss: Hss): Method {
  return {
    name: 'hss.list',
    summary: 'Subscriptions that are listed one by one or have ever been asked for.',
    params: [
      param('registered', 'only those with a registered identity', { type: 'boolean' }, false),
      param('limit', `at most so many, up to ${mostListed}`, { type: 'number' }, false),
    ],
    result: 'ListedSubscriptions',
    call(params) {
      const limit = Math.min(Number(params.get('limit') ?? 100), mostListed);
      return list(hss, params.get('registered') === true, limit);
    },
  };
}

function terminateMethod(hss: Hss): Method {
  return {
    name: 'hss.rtr',
    summary: 'Sends an RTR to the S-CSCF that serves a private identity.',
    params: [
      param('impi', 'private identity', string),
      param('impus', 'public identities; left out: all', { type: 'array' }, false),
      param('reason', Object.keys(terminationReasons).join(', '), string, false),
      param('info', 'Reason-Info', string, false),
    ],
    result: 'OrderOutcome',
    call(params) {
      const reason = String(params.get('reason') ?? 'permanent');
      if (!Object.hasOwn(terminationReasons, reason)) {
        throw refusal(`reason must be one of ${Object.keys(terminationReasons).join(', ')}`);
      }
      const info = params.get('info');
      return sent(
        hss.orders.terminate({
          impi: String(params.get('impi')),
          impus: ((params.get('impus') ?? []) as readonly unknown[]).map(String),
          reason: reason as TerminationReason,
          info: info === undefined ? undefined : latin1(String(info)),
        }),
      );
    },
  };
}

function pushMethod(hss: Hss): Method {
  return {
    name: 'hss.ppr',
    summary:
      'Sends a PPR to the S-CSCF that serves a private identity: a new profile, charging addresses, or the profile as it is.',
    params: [
      param('impi', 'private identity', string),
      param('profile', 'XML of the profile, or a template of it', string, false),
      param('charging', 'primaryCcf, secondaryCcf, primaryEcf, secondaryEcf', { type: 'object' }, false),
    ],
    result: 'OrderOutcome',
    call(params) {
      const profile = params.get('profile');
      const charging = params.get('charging');
      return sent(
        hss.orders.push({
          impi: String(params.get('impi')),
          profile: profile === undefined ? undefined : String(profile),
          charging: charging === undefined ? undefined : chargingOf(charging as Record<string, unknown>),
        }),
      );
    },
  };
}

const chargingKeys = ['primaryCcf', 'secondaryCcf', 'primaryEcf', 'secondaryEcf'] as const;

function chargingOf(given: Readonly<Record<string, unknown>>): ChargingConfig {
  const unknown = Object.keys(given).find((key) => !(chargingKeys as readonly string[]).includes(key));
  if (unknown !== undefined) throw refusal(`charging has no ${unknown}, there are ${chargingKeys.join(', ')}`);
  return Object.fromEntries(Object.entries(given).map(([key, value]) => [key, latin1(String(value))]));
}

/** AVPs are made of octets: texts of people become UTF-8. */
function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

async function sent<T>(order: Promise<T>): Promise<T> {
  try {
    return await order;
  } catch (error) {
    if (error instanceof OrderError) throw refusal(error.message);
    throw error;
  }
}

function shown(hss: Hss, subscription: Subscription): ShownSubscription {
  const state = hss.states.read(subscription);
  const pushed = state.pushed ? hss.states.pushed(subscription) : {};
  return {
    key: subscription.key,
    privates: subscription.privates.map(({ impi, scheme }) => ({ impi, scheme, sqn: sqnOf(state, impi) })),
    sets: subscription.sets.map(({ identities }, i) => {
      const { pending, registered, restoration } = state.sets[i]!;
      return {
        state: stateOf(state.sets[i]),
        registeredBy: registered,
        pending,
        identities: identities.map(({ barred, service, text }) => ({
          identity: text,
          barred,
          service: service === true,
        })),
        restoration: restoration.flatMap(({ contacts, impi }) =>
          contacts.map(({ contact, path }) => ({ impi, contact, path })),
        ),
      };
    }),
    server: state.server?.name ?? null,
    serverHost: state.server?.host ?? null,
    formerServer: state.former?.name ?? null,
    visitedNetworks: subscription.visitedNetworks ?? null,
    capabilities: subscription.capabilities ?? null,
    charging: pushed.charging ?? subscription.charging ?? null,
    unregisteredServices: subscription.unregisteredServices,
    pushedProfile: pushed.profile !== undefined,
  };
}

/** The last sequence number given out, 12 hexadecimal digits; empty: none yet. */
function sqnOf(state: SubscriptionState, impi: string): string {
  const sequence = state.sequences[impi];
  return sequence === undefined ? '' : (sequence.seq * 32 + sequence.ind).toString(16).padStart(12, '0');
}

async function list(hss: Hss, onlyRegistered: boolean, limit: number): Promise<ListedSubscriptions> {
  const found = new Map<string, Subscription>();
  if (!onlyRegistered) for (const subscription of hss.table.listed()) found.set(subscription.key, subscription);
  await walk(hss, ({ key, registered }) => {
    const subscription = onlyRegistered && !registered ? undefined : hss.table.byImpi(key)?.subscription;
    if (subscription !== undefined) found.set(subscription.key, subscription);
    return found.size <= limit;
  });
  const subscriptions = [...found.values()].slice(0, limit).map((subscription) => {
    const { server, sets } = hss.states.read(subscription);
    const states = new Set(sets.map(stateOf));
    const state = states.has('registered')
      ? 'registered'
      : states.has('unregistered')
        ? 'unregistered'
        : 'not-registered';
    const identities = subscription.sets.flatMap((set) => set.identities.map(({ text }) => text));
    return { impi: subscription.key, state, server: server?.name ?? '', identities };
  });
  return { subscriptions, more: found.size > limit };
}

async function countRegistered(hss: Hss): Promise<number> {
  let count = 0;
  await walk(hss, ({ registered }) => {
    if (registered) count++;
    return true;
  });
  return count;
}

/** Visits all stored states page by page, with turns for others in between; `visit` says whether to go on. */
async function walk(
  hss: Hss,
  visit: (entry: { readonly key: string; readonly registered: boolean }) => boolean,
): Promise<void> {
  for (let from = ''; ; ) {
    const page = hss.states.page(from, pageSize);
    for (const entry of page) if (!visit(entry)) return;
    if (page.length < pageSize) return;
    from = page.at(-1)!.key;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function param(name: string, description: string, schema: MethodParam['schema'], required = true): MethodParam {
  return { name, description, required, schema };
}

function refusal(words: string): RpcError {
  return new RpcError(rpcCodes.invalidParams, words);
}
