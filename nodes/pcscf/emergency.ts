import { offerAlternative } from '#ims/alternative-service';
import { reasons } from '#ims/reasons';
import type { EmergencyConfig, PcscfConfig } from '#service/config/pcscf-config';
import type { NodeContext } from '#service/node-context';
import { ParseFailure } from '#sip/errors';
import { parseContacts } from '#sip/header/contact';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import type { Reason } from '#sip/reasons';
import { serviceOf } from '#sip/uri/urn';
import { assertIdentity } from './asserted-identity.ts';
import type { Binding } from './binding.ts';
import { anonymousBinding, isEmergencyContact, isSameSource } from './emergency-registration.ts';
import { NumberList } from './number-list.ts';
import { sendFromUe } from './originating.ts';
import type { PcscfState } from './pcscf-state.ts';
import { crossBorder } from './trust-border.ts';
import { trimRequestUri } from './ue-routing.ts';

/** What one worker knows of emergency calls. */
export interface EmergencySide {
  readonly policy: EmergencyConfig;
  readonly numbers: NumberList;
  /** Bindings that dialogs of emergency calls stand on: copies of their own, which nothing else refers to. */
  readonly calls: WeakSet<Binding>;
}

/** Reads the configuration, and follows it. */
export function openEmergency(context: NodeContext<PcscfConfig>): EmergencySide {
  let numbers = new NumberList(context.config.emergency.numbers);
  context.onConfig(({ emergency }) => {
    numbers = new NumberList(emergency.numbers);
  });
  return {
    get policy() {
      return context.config.emergency;
    },
    get numbers() {
      return numbers;
    },
    calls: new WeakSet(),
  };
}

/** How a request was found to be for help: it names an emergency service, or a number of the list was dialled. */
export type EmergencyKind = 'service' | 'number';

/** Whether a request of a UE outside dialogs is for help; null when it is not. Requirement P-130. */
export function emergencyOf({ context, emergency }: PcscfState, request: SipRequest): EmergencyKind | null {
  if (namesEmergency(request)) return 'service';
  if (emergency.numbers.isEmpty || request.method !== 'INVITE') return null;
  return emergency.numbers.find(request.uri, context.config.homeDomain) === '' ? null : 'number';
}

/** Whether a request of a UE is a call for help or registers for one: a node that drains takes it, too. Requirement P-143. */
export function isForHelp(state: PcscfState, request: SipRequest): boolean {
  if (request.method !== 'REGISTER') return emergencyOf(state, request) !== null;
  const contacts = parseContacts(request.headers.values(Header.Contact));
  return !(contacts instanceof ParseFailure) && contacts.contacts.some(isEmergencyContact);
}

/**
 * What admission says of a request, but that who is not registered may call for help where that is allowed, whatever
 * security the access profile asks for. Requirements P-04, P-133.
 */
export function admitEmergency(state: PcscfState, request: SipRequest, verdict: Reason | 'drop' | null) {
  if (verdict !== reasons.accessNotSecured || state.emergency.policy.anonymous === 'off') return verdict;
  if (namesEmergency(request)) return null;
  const { flow } = request;
  const isOwn = (binding: Binding) => state.emergency.calls.has(binding) && isSameSource(binding.flow, flow!);
  const dialog = state.dialogs.ofUe(request, isOwn);
  return dialog === null || typeof dialog === 'string' ? verdict : null;
}

/**
 * Sends a call for help to the E-CSCF, or to the answering point of the configuration. Its Route is not screened, nothing
 * of policy stands in its way. `bindings`: those of the UE's flow, none when it is not registered.
 *
 * Source: TS 24.229 5.2.10; requirements P-132 to P-136.
 */
export function forwardEmergency(
  state: PcscfState,
  transaction: ProxyTransaction,
  bindings: readonly Binding[],
  kind: EmergencyKind,
): void | Promise<void> {
  const { policy } = state.emergency;
  const { request } = transaction;
  const refusal = refusalOf(policy, request, bindings, kind);
  if (refusal !== null) {
    transaction.refuse(refusal);
    return;
  }
  if (kind === 'number' && policy.onNumber === 'redirect') {
    redirect(state, transaction, bindings[0]!);
    return;
  }
  const { headers } = request.by('forwardEmergency (TS 24.229 5.2.10)');
  trimRequestUri(request);
  const dialled = request.requestUri;
  if (kind === 'number') request.setRequestUri('urn:service:sos');
  headers.remove(Header.Route);
  const asserted = bindings.length === 0 ? null : assertIdentity(headers, bindings);
  crossBorder(headers, 'requestFromUe');
  if (asserted !== null) headers.append(Header['P-Asserted-Identity'], withBothKinds(asserted.value, asserted.binding));
  const binding = asserted === null ? anonymousBinding(state, request) : { ...asserted.binding };
  state.emergency.calls.add(binding);
  if (policy.ecscf !== undefined) headers.append(Header.Route, routeTo(policy.ecscf));
  state.context.count(asserted === null ? 'emergency-anonymous' : 'emergency-call');
  return sendFromUe(state, transaction, binding, {
    way: { side: 'mw' },
    answeredBy: kind === 'number' ? `<${dialled}>` : '',
    requestUri: policy.ecscf === undefined ? policy.psap! : '',
  });
}

function refusalOf(
  policy: EmergencyConfig,
  { method }: SipRequest,
  bindings: readonly Binding[],
  kind: EmergencyKind,
): Reason | null {
  if (bindings.length === 0) {
    if (kind === 'number') return reasons.notRegistered;
    if (policy.anonymous === 'off') return reasons.emergencyNotRegistered;
  }
  if (method !== 'INVITE' && !policy.methods.includes(method)) return reasons.emergencyMethod;
  if (kind === 'number' && policy.onNumber === 'redirect') return null;
  return policy.ecscf === undefined && policy.psap === undefined ? reasons.emergencyUnrouted : null;
}

/** Tells the UE to register for an emergency, and to call the service. Source: TS 24.229 5.2.10.4; requirement P-134. */
function redirect(state: PcscfState, transaction: ProxyTransaction, { token }: Binding): void {
  state.context.count('emergency-redirected');
  transaction.refuse(reasons.emergencyByNumber, '', (response) => {
    response.headers.append(Header['P-Asserted-Identity'], state.routes.path(token, false));
    response.headers.append(Header.Contact, '<urn:service:sos>');
    offerAlternative(response, { type: 'emergency', reason: 'emergency number', action: 'emergency-registration' });
  });
}

/** An emergency centre wants a number to call back and a SIP URI alike. Requirement P-132. */
function withBothKinds(value: string, { identities }: Binding): string {
  const isTel = (uri: string) => uri.slice(0, 4).toLowerCase() === 'tel:';
  const has = { tel: value.toLowerCase().includes('<tel:'), sip: value.toLowerCase().includes('<sip') };
  const missing = identities.find(({ uri }) => (isTel(uri) ? !has.tel : !has.sip));
  return missing === undefined ? value : `${value}, <${missing.uri}>`;
}

/** `urn:service:sos` and what is below it. */
function namesEmergency(request: SipRequest): boolean {
  // Nearly every request is for a sip or tel URI.
  if ((request.requestUri.charCodeAt(0) | 0x20) !== 0x75) return false;
  const { uri } = request;
  const service = 'kind' in uri ? serviceOf(uri) : null;
  return service === 'sos' || service?.startsWith('sos.') === true;
}

function routeTo(uri: string): string {
  return uri.includes(';lr') ? `<${uri}>` : `<${uri};lr>`;
}
