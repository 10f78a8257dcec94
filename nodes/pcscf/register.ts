import { formatChargingVector, newIcid, parseChargingVector } from '#ims/charging';
import { impiFrom, impuOf } from '#ims/identity';
import { reasons } from '#ims/reasons';
import { parseDigest } from '#sip/auth/digest';
import { ParseFailure } from '#sip/errors';
import { type Contact, parseContact, parseContacts } from '#sip/header/contact';
import { parseNameAddr } from '#sip/header/name-addr';
import { maxDeltaSeconds, parseClipped } from '#sip/header/number-value';
import { hasTag } from '#sip/header/option-tags';
import { unquote } from '#sip/header/token';
import { formatVisitedNetwork } from '#sip/header/visited-network';
import type { HeaderList } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import { limits } from '#sip/parser/limits';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import type { Reason } from '#sip/reasons';
import type { Flow } from '#sip/transport/flow';
import { formatHost, isIpAddress } from '#sip/uri/host-port';
import { parseUri } from '#sip/uri/uri';
import { uriTextEquals } from '#sip/uri/uri-equality';
import { type Binding, type BoundContact, type Identity, identityOf } from './binding.ts';
import type { PcscfState } from './pcscf-state.ts';
import { pendingKey } from './pending-registrations.ts';
import { newToken } from './route-entries.ts';
import { crossBorder, dropIntegrityClaims, dropKeys } from './trust-border.ts';
import { trimRequestUri } from './ue-routing.ts';

/** A REGISTER on its way to the home network. */
export interface RegisterAttempt {
  readonly kind: 'register';
  readonly impi: string;
  /** Key of the identity in To. */
  readonly aor: string;
  readonly toUri: string;
  /** Contacts asked for; empty for `*` and for a query. */
  readonly contacts: readonly Contact[];
  /** Whether it only asks what is registered. */
  readonly query: boolean;
  readonly outbound: boolean;
  readonly token: string;
  readonly icid: string;
  readonly home: string;
  readonly pendingKey: string;
}

/** Lifetime of a contact whose registrar says none. Source: RFC 3261 10.2.1.1. */
const defaultExpires = 3600;
/** Identities of one registration that are kept. */
const maxIdentities = 64;

/**
 * Sends a REGISTER of a UE to its home network: what the UE must not say is taken out, what the home network needs to
 * know of us is put in.
 * Source: TS 24.229 5.2.2.1; requirements P-10, P-14 to P-23.
 */
export function forwardRegister(state: PcscfState, transaction: ProxyTransaction): void {
  const { request } = transaction;
  const flow = request.flow!;
  const home = homeOf(state, request);
  if (home === null) {
    transaction.refuse(reasons.notHomeNetwork, request.requestUri);
    return;
  }
  const attempt = readAttempt(state, request, flow, home);
  if (isRefusal(attempt)) {
    transaction.refuse(attempt.reason, attempt.detail);
    return;
  }
  const { config } = state.context;
  const { headers } = request.by('forwardRegister (TS 24.229 5.2.2.1)');
  crossBorder(headers, 'registerFromUe');
  dropIntegrityClaims(headers);
  headers.remove(Header.Route);
  headers.prepend(Header.Path, state.routes.path(attempt.token, attempt.outbound));
  if (!hasTag(headers.values(Header.Require), 'path')) headers.append(Header.Require, 'path');
  headers.set(Header['P-Visited-Network-ID'], formatVisitedNetwork(config.visitedNetwork));
  headers.set(
    Header['P-Charging-Vector'],
    formatChargingVector({
      icid: attempt.icid,
      icidGeneratedAt: config.name,
      origIoi: config.visitedNetwork,
      termIoi: '',
      others: [],
    }),
  );
  if (!attempt.query) state.pending.put(attempt.pendingKey, attempt.token, headers.get(Header['Call-ID'])!);
  transaction.context = attempt;
  transaction.forward({ side: 'mw', guarded: true });
}

/**
 * Takes an answer of the home network: keys and charging data stay here, a 2xx is stored before it goes out. `false`
 * when something else was answered.
 * Source: TS 24.229 5.2.2.1; requirements P-30, P-50, P-51, P-55 to P-58.
 */
export function takeRegisterResponse(
  state: PcscfState,
  transaction: ProxyTransaction,
  attempt: RegisterAttempt,
  response: SipResponse,
): void | false {
  if (response.status < 200) return;
  if (response.status !== 401) state.pending.delete(attempt.pendingKey);
  if (response.status < 300 && !attempt.query && !applyRegistration(state, transaction, attempt, response)) {
    transaction.refuse(reasons.storeFailed);
    return false;
  }
  const { headers } = response.by('takeRegisterResponse (TS 24.229 5.2.2.1)');
  dropKeys(headers);
  crossBorder(headers, 'responseToUe');
}

/**
 * Host (and port) of the Request-URI, which must be a home network: any name, but of addresses only those of core nodes, and not
 * ours. Parts that would lead the request elsewhere are cut off. Null when it is none.
 * Requirements P-21, X-I18, X-I22.
 */
function homeOf(state: PcscfState, request: SipRequest): string | null {
  const uri = parseUri(request.requestUri);
  if (uri instanceof ParseFailure || uri.kind !== 'sip') return null;
  if (isIpAddress(uri.host) !== 0 && !state.access.isTrusted(uri.host)) return null;
  if (state.context.own.has(uri)) return null;
  trimRequestUri(request, ['maddr', 'ttl', 'transport']);
  return uri.port === 0 ? formatHost(uri.host) : `${formatHost(uri.host)}:${uri.port}`;
}

interface Refusal {
  readonly reason: Reason;
  readonly detail: string;
}

function isRefusal(value: RegisterAttempt | Refusal): value is Refusal {
  return 'reason' in value;
}

/** Reads what a REGISTER asks for. Requirement P-10. */
function readAttempt(state: PcscfState, request: SipRequest, flow: Flow, home: string): RegisterAttempt | Refusal {
  const { headers } = request;
  const to = parseNameAddr(headers.get(Header.To)!);
  const aor = to instanceof ParseFailure ? to : impuOf(to.uri);
  if (to instanceof ParseFailure || aor instanceof ParseFailure) return { reason: reasons.badIdentity, detail: 'To' };
  const impi = impiFrom(usernameOf(headers), aor);
  if (impi instanceof ParseFailure) return { reason: reasons.badIdentity, detail: impi.reason };
  const present = state.registrations.bySource(flow);
  const query = !headers.has(Header.Contact);
  if (query && present.length === 0) return { reason: reasons.missingContact, detail: '' };
  const parsed = parseContacts(headers.values(Header.Contact));
  if (parsed instanceof ParseFailure) return { reason: reasons.badContact, detail: parsed.reason };
  const { contacts } = parsed;
  if (contacts.length > limits.contacts) return { reason: reasons.badContact, detail: 'too many' };
  const address = contacts.length === 0 ? '' : hostPortOf(contacts[0]!.uri);
  if (address === null) return { reason: reasons.badContact, detail: 'the URI cannot be read' };
  const key = pendingKey(impi, aor, flow, address);
  const token =
    present.find((binding) => binding.impi === impi && holds(binding, aor))?.token ?? state.pending.get(key)?.token;
  const outbound = contacts.some(({ regId }) => regId > 0) && hasTag(headers.values(Header.Supported), 'outbound');
  return {
    kind: 'register',
    impi,
    aor,
    toUri: to.uri,
    contacts,
    query,
    outbound,
    token: token ?? newToken(),
    icid: newIcid(),
    home,
    pendingKey: key,
  };
}

function usernameOf(headers: HeaderList): string | null {
  const value = headers.get(Header.Authorization);
  const credentials = value === null ? null : parseDigest(value);
  return credentials === null || credentials instanceof ParseFailure ? null : credentials.get('username');
}

function hostPortOf(uriText: string): string | null {
  const uri = parseUri(uriText);
  if (uri instanceof ParseFailure) return null;
  return uri.kind === 'sip' ? `${uri.host}:${uri.port}` : uriText;
}

function holds(binding: Binding, aor: string): boolean {
  return binding.aor === aor || binding.identities.some(({ key }) => key === aor);
}

/** Makes the bindings of the subscriber what the 2xx says. Gives whether the store took it. */
function applyRegistration(
  state: PcscfState,
  transaction: ProxyTransaction,
  attempt: RegisterAttempt,
  response: SipResponse,
): boolean {
  const { registrations, context } = state;
  const flow = transaction.request.flow!;
  const nowMs = context.clock.wallMs();
  const granted = grantedContacts(response.headers, nowMs);
  const others = registrations.ofSubscriber(attempt.impi).filter(({ token }) => token !== attempt.token);
  const old = registrations.byToken(attempt.token);
  const contacts = granted.filter(
    (contact) =>
      attempt.contacts.some((asked) => isSameContact(asked, contact, granted)) ||
      old?.contacts.some((bound) => isSameContact(bound, contact, granted)),
  );
  for (const other of others) {
    if (!isGone(other, attempt, granted) && !(contacts.length > 0 && isReplaced(other, attempt, flow))) continue;
    registrations.remove(other);
    context.count('binding-replaced');
  }
  if (contacts.length === 0) {
    if (old !== null) registrations.remove(old);
    context.count('deregistered');
  } else {
    for (const holder of registrations.holdersOf(flow)) {
      if (holder.impi !== attempt.impi || holder.flow.connection !== flow.connection) registrations.remove(holder);
    }
    registrations.save(bindingOf(attempt, transaction.request, response.headers, contacts, nowMs));
    context.count(old === null ? 'registered' : 'reregistered');
  }
  try {
    registrations.commit();
    return true;
  } catch (error) {
    context.log.error(
      { reason: reasons.storeFailed.id, impi: attempt.impi, err: error },
      'a registration is not stored',
    );
    return false;
  }
}

/** The contacts of a 2xx that live; one that cannot be read is passed over. */
function grantedContacts(headers: HeaderList, nowMs: number): readonly BoundContact[] {
  const general = parseClipped(headers.get(Header.Expires) ?? '', maxDeltaSeconds);
  const granted: BoundContact[] = [];
  for (const value of headers.values(Header.Contact)) {
    const contact = parseContact(value);
    if (contact instanceof ParseFailure) continue;
    const seconds = contact.expires >= 0 ? contact.expires : general instanceof ParseFailure ? defaultExpires : general;
    if (seconds === 0) continue;
    const { uri, instance, regId, parameters } = contact;
    granted.push({
      uri,
      instance,
      regId,
      pubGruu: unquote(parameters.get('pub-gruu') ?? ''),
      tempGruu: unquote(parameters.get('temp-gruu') ?? ''),
      expiresAtMs: Math.round(nowMs + seconds * 1000),
    });
  }
  return granted;
}

interface ContactIdentity {
  readonly uri: string;
  readonly instance: string;
  readonly regId: number;
}

/** Whether a granted contact is the one asked for: by URI, else, where no granted one has that URI, by instance and reg-id. */
function isSameContact(asked: ContactIdentity, granted: BoundContact, all: readonly BoundContact[]): boolean {
  if (uriTextEquals(asked.uri, granted.uri)) return true;
  if (asked.instance === '' || asked.instance !== granted.instance || asked.regId !== granted.regId) return false;
  return !all.some(({ uri }) => uriTextEquals(asked.uri, uri));
}

/** Whether the home network does not list any contact of another binding of the same identity any more. Requirement P-55. */
function isGone(other: Binding, attempt: RegisterAttempt, granted: readonly BoundContact[]): boolean {
  if (!holds(other, attempt.aor)) return false;
  return !other.contacts.some((bound) => granted.some(({ uri }) => uriTextEquals(bound.uri, uri)));
}

/**
 * Whether the UE has moved: the same subscriber registers by way of another flow, and it is not a second flow that
 * reg-id tells apart. Requirement P-56.
 */
function isReplaced(other: Binding, attempt: RegisterAttempt, flow: Flow): boolean {
  const { address, port, transport, connection } = other.flow;
  const sameFlow =
    address === flow.address && port === flow.port && transport === flow.transport && connection === flow.connection;
  if (sameFlow) return false;
  const numbered = attempt.contacts.filter(({ regId }) => regId > 0);
  if (numbered.length === 0 || !other.outbound) return true;
  return numbered.some(({ instance, regId }) =>
    other.contacts.some((bound) => bound.instance === instance && bound.regId === regId),
  );
}

function bindingOf(
  attempt: RegisterAttempt,
  request: SipRequest,
  headers: HeaderList,
  contacts: readonly BoundContact[],
  nowMs: number,
): Binding {
  const charging = parseChargingVector(headers.get(Header['P-Charging-Vector']) ?? '');
  return {
    token: attempt.token,
    impi: attempt.impi,
    aor: attempt.aor,
    identities: identitiesOf(attempt, headers),
    contacts,
    serviceRoute: headers.values(Header['Service-Route']),
    flow: request.flow!,
    outbound: attempt.outbound,
    home: attempt.home,
    callId: request.headers.get(Header['Call-ID'])!,
    icid: attempt.icid,
    termIoi: charging instanceof ParseFailure ? '' : charging.termIoi,
    chargingFunctions: headers.get(Header['P-Charging-Function-Addresses']) ?? '',
    boundAtMs: Math.round(nowMs),
    expiresAtMs: Math.max(...contacts.map(({ expiresAtMs }) => expiresAtMs)),
  };
}

/** The identities of P-Associated-URI in order; without one, what was registered. */
function identitiesOf(attempt: RegisterAttempt, headers: HeaderList): readonly Identity[] {
  const identities: Identity[] = [];
  for (const value of headers.values(Header['P-Associated-URI'])) {
    const address = parseNameAddr(value);
    if (!(address instanceof ParseFailure) && identities.length < maxIdentities)
      identities.push(identityOf(address.uri));
  }
  return identities.length > 0 ? identities : [identityOf(attempt.toUri)];
}
