import { reasons } from '#ims/reasons';
import { CidrTable } from '#service/cidr';
import type { AccessSecurity, PcscfConfig } from '#service/config/pcscf-config';
import { tagOf } from '#sip/header/name-addr';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { Reason } from '#sip/reasons';
import type { TimerProfile } from '#sip/transaction/timers';
import type { Flow, Listener } from '#sip/transport/flow';
import { isIpAddress } from '#sip/uri/host-port';
import type { SipUri } from '#sip/uri/sip-uri';

/** Who is at the other end of a flow. */
export type Side = 'ue' | 'core' | 'stranger';

/**
 * Who may send what over which socket. Headers never decide it: a listener of Gm only has UEs, one of Mw only core
 * nodes, and where one address serves both, `trusted` sources are core and all others UEs.
 * Source: TS 33.203 7.1, TS 24.229 5.2.1; requirements P-01, P-03 to P-05.
 */
export class AccessPolicy {
  readonly #sides: readonly (Side | 'both')[];
  readonly #addresses: AddressVerdicts;
  readonly #hosts: ReadonlySet<string>;
  readonly #homeDomain: string;
  readonly #homeSuffix: string;
  /** By listener, whether only traffic inside security associations passes it. */
  readonly #protected: readonly boolean[];
  readonly #ipsec: boolean;

  constructor(config: PcscfConfig) {
    this.#protected = config.listeners.map(({ protection }) => protection !== undefined);
    this.#ipsec = config.ipsec !== undefined;
    this.#sides = config.listeners.map(servedSide);
    this.#addresses = new AddressVerdicts(config);
    this.#hosts = new Set(config.hosts.map(({ name }) => name));
    this.#homeDomain = config.homeDomain.toLowerCase();
    this.#homeSuffix = `.${this.#homeDomain}`;
  }

  sideOf(flow: Flow): Side {
    const side = this.#sides[flow.listener] ?? 'stranger';
    if (side === 'ue') return 'ue';
    if (this.isTrusted(flow.address)) return 'core';
    return side === 'both' ? 'ue' : 'stranger';
  }

  isTrusted(address: string): boolean {
    return this.#addresses.of(address).trusted;
  }

  /** Why a request may not enter, `drop` for what deserves no answer, null when it may. */
  refusal(request: SipRequest): Reason | 'drop' | null {
    const flow = request.flow!;
    switch (this.sideOf(flow)) {
      case 'ue':
        return this.#meetsProfile(flow, request.method) ? null : reasons.accessNotSecured;
      case 'core':
        return request.method === 'REGISTER' ? reasons.registerFromCore : null;
      case 'stranger':
        return opensNothing(request) ? 'drop' : reasons.untrustedPeer;
    }
  }

  /** Whether a URI names a core node by itself: a trusted address, a host of the configuration, a name of the home domain. */
  isCoreHost(uri: SipUri): boolean {
    if (uri.parameters.has('maddr')) return false;
    const { host } = uri;
    if (isIpAddress(host) !== 0) return this.isTrusted(host);
    return this.#hosts.has(host) || host === this.#homeDomain || host.endsWith(this.#homeSuffix);
  }

  /** Access profile of the network of a UE. Requirement P-05. */
  securityOf(address: string): AccessSecurity {
    return this.#addresses.of(address).security;
  }

  /**
   * Whether a UE came as the access profile of its network wants. Where that is IPsec, the unprotected port is for what
   * begins a registration; who comes by a protected port is asked for his association later. Requirements P-04, P-05.
   */
  #meetsProfile(flow: Flow, method: string): boolean {
    switch (this.securityOf(flow.address)) {
      case 'none':
      case 'ipsec-preferred':
        return true;
      case 'tls':
        return flow.transport === 'tls';
      case 'ipsec-required':
        if (!this.#ipsec) return false;
        return this.#protected[flow.listener] === true || method === 'REGISTER' || method === 'OPTIONS';
    }
  }
}

/**
 * Timer values by who is at the other end: a UE waits longer than a core node, and is answered where it sent from.
 * Source: TS 24.229 7.7; requirements P-94, P-142.
 */
export function profileOf(config: PcscfConfig): (listener: Listener, address: string) => TimerProfile {
  const { t1, t2, t4, gm } = config.timers;
  const core: TimerProfile = { t1Ms: t1, t2Ms: t2, t4Ms: t4 };
  const ue: TimerProfile = { t1Ms: gm.t1, t2Ms: gm.t2, t4Ms: gm.t4, answersToSource: true };
  const addresses = new AddressVerdicts(config);
  return (listener, address) => {
    const side = servedSide(listener);
    if (side === 'both') return addresses.of(address).trusted ? core : ue;
    return side === 'ue' ? ue : core;
  };
}

function servedSide(listener: Listener): Side | 'both' {
  const gm = listener.sides.includes('gm');
  if (listener.sides.includes('mw')) return gm ? 'both' : 'stranger';
  return gm ? 'ue' : 'stranger';
}

interface AddressVerdict {
  readonly trusted: boolean;
  readonly security: AccessSecurity;
}

/** Addresses whose verdict is kept, twice. */
const keptAddresses = 65_536;

/**
 * What the configuration says of an address. Kept for as many addresses as a worker has UEs: every message asks.
 * Two generations: a hit in the older one moves over, a full younger one becomes the older.
 */
class AddressVerdicts {
  readonly #trusted: CidrTable<true>;
  readonly #security: CidrTable<AccessSecurity>;
  #young = new Map<string, AddressVerdict>();
  #old = new Map<string, AddressVerdict>();

  constructor(config: PcscfConfig) {
    this.#trusted = new CidrTable(config.trusted.map((network) => [network, true] as const));
    this.#security = new CidrTable(config.access.map(({ from, security }) => [from, security] as const));
  }

  /** An address of no network of `access` has to use IPsec: the strictest profile. */
  of(address: string): AddressVerdict {
    const known = this.#young.get(address);
    if (known !== undefined) return known;
    const verdict = this.#old.get(address) ?? {
      trusted: this.#trusted.find(address) === true,
      security: this.#security.find(address) ?? 'ipsec-required',
    };
    if (this.#young.size >= keptAddresses) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(address, verdict);
    return verdict;
  }
}

/** An ACK, or a request inside a dialog: whoever sends such a thing without trust gets no answer to learn from. */
function opensNothing(request: SipRequest): boolean {
  if (request.method === 'REGISTER') return false;
  return request.method === 'ACK' || tagOf(request.headers.get(Header.To) ?? '') !== '';
}
