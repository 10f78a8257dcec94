import { newIcid } from '#ims/charging';
import { impiFrom, impuOf } from '#ims/identity';
import { reasons } from '#ims/reasons';
import { parseDigest } from '#sip/auth/digest';
import { ParseFailure } from '#sip/errors';
import { type Contact, parseContacts } from '#sip/header/contact';
import { parseNameAddr } from '#sip/header/name-addr';
import { hasTag } from '#sip/header/option-tags';
import type { HeaderList } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import { limits } from '#sip/parser/limits';
import type { Reason } from '#sip/reasons';
import { formatHost, isIpAddress } from '#sip/uri/host-port';
import { parseUri } from '#sip/uri/uri';
import type { Binding } from './binding.ts';
import { isEmergencyBinding, isEmergencyContact } from './emergency-registration.ts';
import {
  judgeProtected,
  judgeUnprotected,
  type Protection,
  type ProtectionRefusal,
  strayPart,
} from './ipsec/register-protection.ts';
import type { PcscfState } from './pcscf-state.ts';
import { pendingKey } from './pending-registrations.ts';
import { newToken } from './route-entries.ts';
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
  /** `host:port` of the first contact, '' without one. */
  readonly contact: string;
  /** Whether it only asks what is registered. */
  readonly query: boolean;
  readonly outbound: boolean;
  /** Whether the UE registers for emergency calls. Requirement P-131. */
  readonly emergency: boolean;
  readonly token: string;
  readonly icid: string;
  readonly home: string;
  readonly pendingKey: string;
  readonly protection: Protection;
}

/** Why a REGISTER is refused. */
export interface RegisterRefusal {
  readonly kind: 'refused';
  readonly reason: Reason;
  readonly detail: string;
  readonly edit?: ProtectionRefusal['edit'];
}

function refused(reason: Reason, detail: string): RegisterRefusal {
  return { kind: 'refused', reason, detail };
}

/**
 * Reads what a REGISTER asks for, and how it is protected.
 * Source: TS 24.229 5.2.2; requirements P-10, P-11, P-21, P-23, P-40 to P-44.
 */
export function readAttempt(state: PcscfState, request: SipRequest): RegisterAttempt | RegisterRefusal {
  const home = homeOf(state, request);
  if (home === null) return refused(reasons.notHomeNetwork, request.requestUri);
  const { headers } = request;
  const flow = request.flow!;
  const to = parseNameAddr(headers.get(Header.To)!);
  const aor = to instanceof ParseFailure ? to : impuOf(to.uri);
  if (to instanceof ParseFailure || aor instanceof ParseFailure) return refused(reasons.badIdentity, 'To');
  const impi = impiFrom(usernameOf(headers), aor);
  if (impi instanceof ParseFailure) return refused(reasons.badIdentity, impi.reason);
  const present = state.registrations.bySource(flow);
  const query = !headers.has(Header.Contact);
  if (query && present.length === 0) return refused(reasons.missingContact, '');
  const contacts = contactsOf(headers);
  if ('reason' in contacts) return contacts;
  const contact = contacts.length === 0 ? '' : hostPortOf(contacts[0]!.uri);
  if (contact === null) return refused(reasons.badContact, 'the URI cannot be read');
  const protection = protectionOf(state, request, impi, contacts);
  if (protection.kind === 'refused') return protection;
  const emergency = contacts.some(isEmergencyContact);
  const key = pendingKey(impi, aor, flow, contact);
  const token =
    challengedToken(protection, aor) ??
    present.find((each) => each.impi === impi && holdsIdentity(each, aor) && isEmergencyBinding(each) === emergency)
      ?.token ??
    state.pending.get(key)?.token;
  const outbound = contacts.some(({ regId }) => regId > 0) && hasTag(headers.values(Header.Supported), 'outbound');
  return {
    kind: 'register',
    impi,
    aor,
    toUri: to.uri,
    contacts,
    contact,
    query,
    outbound,
    emergency,
    token: token ?? newToken(),
    icid: newIcid(),
    home,
    pendingKey: key,
    protection,
  };
}

/** Who answers a challenge goes on with the token of the REGISTER that was challenged. */
function challengedToken(protection: Protection, aor: string): string | undefined {
  if (protection.kind !== 'inside' || protection.set.state !== 'temporary') return undefined;
  return protection.set.aor === aor ? protection.set.token : undefined;
}

function protectionOf(
  { ipsec, access, context }: PcscfState,
  request: SipRequest,
  impi: string,
  contacts: readonly Contact[],
): Protection | ProtectionRefusal {
  const flow = request.flow!;
  if (ipsec === null || ipsec.ports.listenerOf(flow) === null) {
    return judgeUnprotected(ipsec, access.securityOf(flow.address), request);
  }
  const protection = judgeProtected(ipsec, request, impi, contacts);
  if (protection.kind !== 'inside' || ipsec.strictContact) return protection;
  const stray = strayPart(protection.set, request.headers, contacts);
  if (stray !== '') {
    context.count('contact-elsewhere');
    context.log.info({ impi, ue: flow.address, stray }, "a protected REGISTER names another place than the UE's end");
  }
  return protection;
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

function contactsOf(headers: HeaderList): readonly Contact[] | RegisterRefusal {
  const parsed = parseContacts(headers.values(Header.Contact));
  if (parsed instanceof ParseFailure) return refused(reasons.badContact, parsed.reason);
  return parsed.contacts.length > limits.contacts ? refused(reasons.badContact, 'too many') : parsed.contacts;
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

/** Whether a binding is of an identity, or of a set of identities with it. */
export function holdsIdentity(binding: Binding, aor: string): boolean {
  return binding.aor === aor || binding.identities.some(({ key }) => key === aor);
}
