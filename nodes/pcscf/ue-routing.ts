import { ParseFailure } from '#sip/errors';
import { parseNameAddr } from '#sip/header/name-addr';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { Target } from '#sip/transport/flow';
import { equalsIgnoreCase } from '#sip/uri/characters';
import { Parameters, withoutParameter } from '#sip/uri/parameters';
import { formatSipUri, type SipUri } from '#sip/uri/sip-uri';
import { parseUri } from '#sip/uri/uri';
import { uriEquals } from '#sip/uri/uri-equality';
import type { Binding } from './binding.ts';
import type { PcscfState } from './pcscf-state.ts';

/**
 * Makes the Route of a UE's request what it has to be; where it differs, by more than spelling, it is replaced, or
 * with `serviceRoute: strict` nothing is changed and the answer is false.
 * Source: TS 24.229 5.2.6.3.1; requirements P-72, X-I4.
 */
export function enforceRoute(state: PcscfState, request: SipRequest, routes: readonly string[]): boolean {
  const { headers } = request;
  const given = headers.has(Header.Route) ? headers.values(Header.Route) : [];
  if (given.length === routes.length && given.every((value, i) => value === routes[i])) return true;
  if (state.context.config.policy.serviceRoute === 'strict' && !isSameRoute(given, routes)) return false;
  headers.remove(Header.Route);
  if (routes.length > 0) headers.append(Header.Route, routes.join(', '));
  return true;
}

/**
 * `enforceRoute` inside a dialog with a route set that is known. With `route: loose` the UE's Route counts, provided that
 * it leads to the same next hop. Source: TS 24.229 5.2.6.3.3; requirements P-101, X-I4.
 */
export function enforceDialogRoute(state: PcscfState, request: SipRequest, routes: readonly string[]): boolean {
  if (state.context.config.policy.route === 'loose') {
    const first = request.headers.first(Header.Route);
    if (first !== null && routes.length > 0 && isSameRoute([first], [routes[0]!])) return true;
  }
  return enforceRoute(state, request, routes);
}

function isSameRoute(given: readonly string[], routes: readonly string[]): boolean {
  if (given.length !== routes.length) return false;
  return given.every((value, i) => {
    const left = routeUri(value);
    const right = routeUri(routes[i]!);
    return left !== null && right !== null && left.parameters.has('lr') && uriEquals(left, right);
  });
}

function routeUri(value: string) {
  const address = parseNameAddr(value);
  const uri = address instanceof ParseFailure ? address : parseUri(address.uri);
  return uri instanceof ParseFailure || uri.kind !== 'sip' ? null : uri;
}

/**
 * Whether the next hop of a UE's request, by its Route or its Request-URI, is a node of the core or one of the UE's own
 * Service-Route. Asked where no route set is known to compare with. Requirements X-I4, X-I22.
 */
export function leadsToCore(state: PcscfState, request: SipRequest, binding: Binding): boolean {
  const route = request.headers.first(Header.Route);
  const uri = routeUri(route ?? `<${request.requestUri}>`);
  if (uri === null) return false;
  if (state.context.own.has(uri)) return false;
  if (state.access.isCoreHost(uri)) return true;
  return isOfServiceRoute(uri, binding);
}

/** Whether the home network has named the next hop of a UE's request, in the Service-Route. Requirement X-F5. */
export function followsServiceRoute(request: SipRequest, binding: Binding): boolean {
  const uri = routeUri(request.headers.first(Header.Route) ?? `<${request.requestUri}>`);
  return uri !== null && isOfServiceRoute(uri, binding);
}

function isOfServiceRoute(uri: SipUri, binding: Binding): boolean {
  if (uri.parameters.has('maddr')) return false;
  return binding.serviceRoute.some((value) => {
    const known = routeUri(value);
    return known !== null && known.host === uri.host && known.port === uri.port;
  });
}

/**
 * Cuts off what would lead a request past its route, or smuggle header fields: maddr and the header part. `names`:
 * further parameters that go. Requirement X-I18.
 */
export function trimRequestUri(request: SipRequest, names: readonly string[] = uriTraps): void {
  const text = request.requestUri;
  if (text.indexOf(';') < 0 && text.indexOf('?') < 0) return;
  const uri = parseUri(text);
  if (uri instanceof ParseFailure || uri.kind !== 'sip') return;
  let { raw } = uri.parameters;
  for (const name of names) raw = withoutParameter(raw, name);
  if (raw === uri.parameters.raw && uri.headers === '') return;
  request.setRequestUri(formatSipUri({ ...uri, parameters: new Parameters(raw), headers: '' }));
}

const uriTraps: readonly string[] = ['maddr', 'ttl'];

/**
 * Where requests to a UE go: the flow it registered by. On a stream that is gone, a connection to its contact may
 * be tried instead, if the contact is at the address it registered from and the UE does not use outbound.
 * Source: RFC 5626 5.3; requirements P-82, P-90, P-96.
 */
export function targetsOf(state: PcscfState, binding: Binding): Target[] {
  if (binding.association !== '') return protectedTargets(state, binding);
  const { flow } = binding;
  const listener = listenerOf(state, binding);
  if (listener < 0) return [];
  if (flow.transport === 'udp') return [listener === flow.listener ? flow : { ...flow, listener }];
  const targets: Target[] = [];
  // Connections have new numbers after a restart: an old number may be another UE's now.
  if (binding.boundAtMs >= state.context.bootMs) targets.push(flow);
  const port = binding.outbound ? -1 : contactPort(binding);
  if (port >= 0) targets.push({ listener, transport: flow.transport, address: flow.address, port, connection: 0 });
  return targets;
}

/**
 * The ways to a UE by its security associations: from our client port to its server port over UDP; over TCP by the
 * connection that the UE has opened, else by one of ours. A large request tries TCP first by itself, see StreamSwitch. The
 * other ways are for when the first cannot be sent by.
 * Source: TS 33.203 7.1; requirements P-82, P-96.
 */
function protectedTargets({ ipsec }: PcscfState, binding: Binding): Target[] {
  const set = ipsec?.associations.byId(binding.association) ?? null;
  if (ipsec === null || set === null || set.state === 'temporary') return [];
  const { own, ue } = set;
  const udp = ipsec.ports.indexOf('client', 'udp', own.address, own.clientPort);
  const tcp = ipsec.ports.indexOf('client', 'tcp', own.address, own.clientPort);
  const incoming = ipsec.ports.indexOf('server', 'tcp', own.address, own.serverPort);
  const connection = ipsec.associations.connectionOf(set);
  const to = { address: ue.address, port: ue.serverPort, connection: 0 } as const;
  const targets: Target[] = [];
  if (connection > 0 && incoming >= 0) {
    targets.push({ listener: incoming, transport: 'tcp', address: ue.address, port: ue.clientPort, connection });
  }
  if (udp < 0) return targets;
  const datagram: Target = { listener: udp, transport: 'udp', ...to };
  if (wantsStream(binding)) {
    if (tcp >= 0) targets.push({ listener: tcp, transport: 'tcp', ...to });
    return [...targets, datagram];
  }
  const large = tcp < 0 ? datagram : { ...datagram, streamListener: tcp };
  return [connection > 0 ? { ...large, streamConnection: connection } : large, ...targets];
}

/** Whether the UE has named TCP in its contact. */
function wantsStream({ contacts }: Binding): boolean {
  return contacts.some(({ uri: text }) => {
    const uri = parseUri(text);
    if (uri instanceof ParseFailure || uri.kind !== 'sip') return false;
    return equalsIgnoreCase(uri.parameters.get('transport') ?? '', 'tcp');
  });
}

/** The listener a binding came to; another of the same kind when the configuration has changed since, -1 without one. */
function listenerOf(state: PcscfState, { flow }: Binding): number {
  const { listeners } = state.context;
  const listener = listeners.all[flow.listener];
  const isThere = listener?.transport === flow.transport && listener.sides.includes('gm');
  if (isThere && listener.closed !== true) return flow.listener;
  return listeners.choose('gm', flow.transport, flow.address.includes(':'))?.index ?? -1;
}

/** Port of the contact, -1 when the contact is somewhere else than the UE. */
function contactPort({ flow, contacts }: Binding): number {
  for (const contact of contacts) {
    const uri = parseUri(contact.uri);
    if (uri instanceof ParseFailure || uri.kind !== 'sip' || uri.host !== flow.address) continue;
    return uri.port || (flow.transport === 'tls' ? 5061 : 5060);
  }
  return -1;
}
