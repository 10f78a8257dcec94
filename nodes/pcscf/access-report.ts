import type { AccessCharging, AccessNetworkInfo, Flows } from '#diameter/rx/rx-requests';
import { Header } from '#sip/message/header-names';
import type { SipMessage } from '#sip/message/response';
import { networkProvidedAccess } from './network-location.ts';

/** What an AAA or RAR tells of the access network. */
export interface AccessTold {
  readonly accessCharging?: readonly AccessCharging[] | undefined;
  readonly accessChargingAddress?: string | undefined;
  readonly accessNetwork?: AccessNetworkInfo | undefined;
}

/** More charging identifiers than a call has bearers are not passed on, nor longer ones. */
const maxIdentifiers = 16;
const maxIdentifier = 64;
const gprs = 0;

/**
 * What PCRFs told of the access network during a call, and how SIP says it to the core. Source: TS 24.229 5.2.7.4,
 * 7.2A.4, 7.2A.5; requirements P-75, P-77, P-127.
 */
export class AccessReport {
  #charging: readonly AccessCharging[] = [];
  #address = '';
  #ipCanType: number | undefined;
  #ratType: number | undefined;
  /** Value of P-Access-Network-Info, '' without one. */
  #location = '';
  /** Parameters for P-Charging-Vector, '' without any. */
  #parameters = '';

  /** Notes what is told anew; what is left out stays as it was. */
  take({ accessCharging, accessChargingAddress, accessNetwork }: AccessTold): void {
    this.#ipCanType = accessNetwork?.ipCanType ?? this.#ipCanType;
    this.#ratType = accessNetwork?.ratType ?? this.#ratType;
    this.#address = accessChargingAddress ?? accessNetwork?.anGwAddresses?.[0] ?? this.#address;
    if (accessCharging !== undefined && accessCharging.length > 0) {
      this.#charging = accessCharging.filter(({ value }) => value.length > 0 && value.length <= maxIdentifier);
    }
    if (this.#charging.length > 0) this.#parameters = this.#chargingParameters();
    if (accessNetwork !== undefined)
      this.#location = networkProvidedAccess(accessNetwork, this.#ratType) || this.#location;
  }

  /** IP-CAN-Type and RAT-Type as told last. */
  get kinds(): { readonly ipCanType: number | undefined; readonly ratType: number | undefined } {
    return { ipCanType: this.#ipCanType, ratType: this.#ratType };
  }

  /** Writes what is known into a message of the UE, on its way to the core and otherwise complete. */
  addTo({ headers }: SipMessage): void {
    if (this.#parameters !== '') {
      const vector = headers.get(Header['P-Charging-Vector']);
      // What a 3xx-6xx does not have it does not get.
      if (vector !== null) headers.set(Header['P-Charging-Vector'], vector + this.#parameters);
    }
    if (this.#location !== '') headers.append(Header['P-Access-Network-Info'], this.#location);
  }

  #chargingParameters(): string {
    const isGprs = this.#ipCanType === gprs;
    const [node, info, prefix, id] = isGprs
      ? ['ggsn', 'pdp-info', 'pdp', 'gcid']
      : ['pdngw', 'eps-info', 'eps', 'ecid'];
    const items = this.#charging.slice(0, maxIdentifiers).map(({ flows, value }, i) => {
      const of = flows.length === 0 ? '' : `;flow-id=(${flows.flatMap(flowIds).join(',')})`;
      return `${prefix}-item=${i + 1};${prefix}-sig=no;${id}=${value.toString('hex')}${of}`;
    });
    const host = this.#address.includes(':') ? `[${this.#address}]` : this.#address;
    return `${host === '' ? '' : `;${node}=${host}`};${info}="${items.join(',')}"`;
  }
}

/** `{1,2}`: flow 2 of component 1; all of a component is its flow 0. Source: TS 24.229 7.2A.5.2.2. */
function flowIds({ componentNumber, flowNumbers }: Flows): string[] {
  return (flowNumbers.length === 0 ? [0] : flowNumbers.slice(0, maxIdentifiers)).map(
    (number) => `{${componentNumber},${number}}`,
  );
}
