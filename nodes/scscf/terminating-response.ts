import {
  type ChargingVector,
  formatChargingFunctionAddresses,
  formatChargingVector,
  parseChargingVector,
} from '#ims/charging';
import { sessionCases } from '#ims/filter-criterion';
import { isOwnHost } from '#ims/network-border';
import { ParseFailure } from '#sip/errors';
import type { HeaderList } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import { assertedIdentities, secondIdentity } from './originating.ts';
import { identityOf } from './registration.ts';
import type { ServiceChain } from './service-chain-state.ts';
import type { ScscfState } from './state.ts';

/**
 * Completes a provisional or successful answer of the called user on its way to the caller: his second identity, this
 * network as the one that answers, and the addresses of its charging functions for its own nodes only.
 *
 * `request`: as it came. Source: TS 24.229 5.4.3.3, RFC 7315 5.5, 5.6; requirement S-125.
 */
export function completeAnswer(
  state: ScscfState,
  chain: ServiceChain,
  request: SipRequest,
  response: SipResponse,
): void {
  const { sessionCase } = chain;
  const isTerminating =
    sessionCase === sessionCases.terminatingRegistered || sessionCase === sessionCases.terminatingUnregistered;
  if (!isTerminating || response.status <= 100 || response.status > 299) return;
  const { headers } = response.by('completeAnswer (TS 24.229 5.4.3.3)');
  assertSecondIdentity(state, chain, headers);
  const asked = vectorOf(request.headers);
  const { homeDomain } = state.context.config;
  const isInward = asked !== null && isOwnHost(asked.origIoi.toLowerCase(), homeDomain);
  const vector = isInward ? (vectorOf(headers) ?? asked) : asked;
  if (vector !== null) {
    const text = formatChargingVector({ ...vector, origIoi: asked?.origIoi ?? '', termIoi: homeDomain });
    headers.set(Header['P-Charging-Vector'], text);
  } else headers.remove(Header['P-Charging-Vector']);
  if (isInward) addChargingFunctions(chain, headers);
  else headers.remove(Header['P-Charging-Function-Addresses']);
}

/** As S-110 does for a caller. */
function assertSecondIdentity(state: ScscfState, { served }: ServiceChain, headers: HeaderList): void {
  const { registration } = served;
  if (registration === null) return;
  const asserted = assertedIdentities(headers);
  const only = asserted[0];
  if (asserted.length !== 1 || only === undefined) return;
  const identity = identityOf(registration, only);
  const second = secondIdentity(registration, identity, asserted, state.context.config.homeDomain);
  if (second !== null) headers.append(Header['P-Asserted-Identity'], `<${second}>`);
}

function addChargingFunctions({ served }: ServiceChain, headers: HeaderList): void {
  const { ccf, ecf } = served.charging;
  if ((ccf === '' && ecf === '') || headers.has(Header['P-Charging-Function-Addresses'])) return;
  const addresses = { ccf: ccf === '' ? [] : [ccf], ecf: ecf === '' ? [] : [ecf], others: [] };
  headers.append(Header['P-Charging-Function-Addresses'], formatChargingFunctionAddresses(addresses));
}

function vectorOf(headers: HeaderList): ChargingVector | null {
  const value = headers.get(Header['P-Charging-Vector']);
  const vector = value === null ? null : parseChargingVector(value);
  return vector instanceof ParseFailure ? null : vector;
}
