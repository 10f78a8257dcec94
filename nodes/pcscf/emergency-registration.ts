import { ParseFailure } from '#sip/errors';
import type { Contact } from '#sip/header/contact';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import { flatText } from '#sip/parser/latin1';
import type { Flow } from '#sip/transport/flow';
import { parseUri } from '#sip/uri/uri';
import { uriTextEquals } from '#sip/uri/uri-equality';
import { type Binding, type BoundContact, identityOf } from './binding.ts';
import type { PcscfState } from './pcscf-state.ts';
import { newToken } from './route-entries.ts';

/** An emergency call without registration is forgotten after this. */
const anonymousMs = 12 * 3_600_000;

/** Whether a contact is registered for emergency calls: the `sos` parameter of its URI. Source: TS 24.229 7.2A.13; requirement P-131. */
export function isEmergencyContact({ uri: text }: Pick<Contact, 'uri'>): boolean {
  if (!text.toLowerCase().includes(';sos')) return false;
  const uri = parseUri(text);
  return !(uri instanceof ParseFailure) && uri.kind === 'sip' && uri.parameters.has('sos');
}

/** Whether a binding is an emergency registration: it lives beside a normal one of the same UE. Requirement P-131. */
export function isEmergencyBinding({ contacts }: Pick<Binding, 'contacts'>): boolean {
  return contacts.some(isEmergencyContact);
}

/**
 * The contacts of an emergency registration after a 2xx: none lives shorter than it did before, whatever the UE asked for.
 * Requirement P-131.
 */
export function lastingContacts(
  { contacts }: Pick<Binding, 'contacts'>,
  granted: readonly BoundContact[],
  nowMs: number,
): readonly BoundContact[] {
  const lasting = contacts.filter(({ expiresAtMs }) => expiresAtMs > nowMs);
  const longer = (contact: BoundContact): BoundContact => {
    const before = lasting.find((old) => uriTextEquals(old.uri, contact.uri));
    return before === undefined || before.expiresAtMs <= contact.expiresAtMs
      ? contact
      : { ...contact, expiresAtMs: before.expiresAtMs };
  };
  const kept = lasting.filter((old) => !granted.some(({ uri }) => uriTextEquals(old.uri, uri)));
  return [...granted.map(longer), ...kept];
}

/**
 * What the call of somebody who is not registered goes by: his flow, remembered with the call alone. Requirement P-133.
 */
export function anonymousBinding({ context }: PcscfState, request: SipRequest): Binding {
  const nowMs = Math.round(context.clock.wallMs());
  return {
    token: newToken(),
    impi: '',
    aor: '',
    identities: [identityOf('sip:anonymous@anonymous.invalid')],
    contacts: [],
    serviceRoute: [],
    flow: request.flow!,
    association: '',
    outbound: false,
    home: context.config.homeDomain,
    callId: flatText(request.headers.get(Header['Call-ID'])!),
    icid: '',
    termIoi: '',
    chargingFunctions: '',
    boundAtMs: nowMs,
    expiresAtMs: nowMs + anonymousMs,
  };
}

/** Whether two flows have the same other end, by the same connection. */
export function isSameSource(a: Flow, b: Flow): boolean {
  return a.address === b.address && a.port === b.port && a.transport === b.transport && a.connection === b.connection;
}
