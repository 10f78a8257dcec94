import { type Avp, avp } from '../codec/avp-types.ts';
import type { DiameterMessage } from '../codec/message.ts';
import { baseAvps, RELAY_APPLICATION } from '../dictionary/base.ts';
import type { ApplicationDefinition } from '../dictionary/dictionary.ts';
import type { DiameterIdentity } from '../identity.ts';

/** What we tell of ourselves in CER and CEA. */
export interface LocalCapabilities {
  readonly identity: DiameterIdentity;
  readonly applications: readonly ApplicationDefinition[];
  readonly productName: string;
  /** Our own Vendor-Id; 0: none. */
  readonly vendorId: number;
  /** Vendors whose AVPs we know beside those of the applications. */
  readonly supportedVendors: readonly number[];
  readonly firmwareRevision: number;
  /** Constant while the daemon runs, larger after each start. Source: RFC 6733 8.16. */
  readonly originStateId: number;
}

/** What a peer told of itself. */
export interface PeerCapabilities {
  readonly originHost: string;
  readonly originRealm: string;
  readonly productName: string;
  readonly originStateId: number | undefined;
  /** Ids from Auth-, Acct- and Vendor-Specific-Application-Id, in order, without repetition. */
  readonly applications: readonly number[];
}

/** Whether the peer passes requests on, so that it is not itself who answers. */
export function isRelay({ applications }: PeerCapabilities): boolean {
  return applications.includes(RELAY_APPLICATION);
}

/** The AVPs of a CER, or of a CEA beside result and identity. Source: RFC 6733 5.3.1, 5.3.2. */
export function capabilitiesAvps(local: LocalCapabilities, hostIpAddresses: readonly string[]): Avp[] {
  const { applications } = local;
  const vendors = new Set([...applications.map((application) => application.vendor), ...local.supportedVendors]);
  vendors.delete(0);
  return [
    ...hostIpAddresses.map((address) => avp(baseAvps.hostIpAddress, address)),
    avp(baseAvps.vendorId, local.vendorId),
    avp(baseAvps.productName, local.productName),
    avp(baseAvps.originStateId, local.originStateId),
    ...[...vendors].map((vendor) => avp(baseAvps.supportedVendorId, vendor)),
    ...applications.map((application) => avp(baseAvps.authApplicationId, application.id)),
    avp(baseAvps.inbandSecurityId, 0),
    ...applications
      .filter((application) => application.vendor !== 0)
      .map((application) =>
        avp(baseAvps.vendorSpecificApplicationId, [
          avp(baseAvps.vendorId, application.vendor),
          avp(baseAvps.authApplicationId, application.id),
        ]),
      ),
    avp(baseAvps.firmwareRevision, local.firmwareRevision),
  ];
}

/** Reads a CER or CEA, also with odd extras; undefined when Origin-Host or Origin-Realm is missing. */
export function readCapabilities(message: DiameterMessage): PeerCapabilities | undefined {
  const { avps } = message;
  const originHost = avps.text(baseAvps.originHost);
  const originRealm = avps.text(baseAvps.originRealm);
  if (originHost === undefined || originRealm === undefined) return undefined;
  const applications = new Set(avps.unsigned32s(baseAvps.authApplicationId));
  for (const id of avps.unsigned32s(baseAvps.acctApplicationId)) applications.add(id);
  for (const group of avps.groups(baseAvps.vendorSpecificApplicationId)) {
    for (const id of group.unsigned32s(baseAvps.authApplicationId)) applications.add(id);
    for (const id of group.unsigned32s(baseAvps.acctApplicationId)) applications.add(id);
  }
  return {
    originHost,
    originRealm,
    productName: avps.text(baseAvps.productName) ?? '',
    originStateId: avps.unsigned32(baseAvps.originStateId),
    applications: [...applications],
  };
}

/** Which of our applications the peer takes; a relay takes all. Source: RFC 6733 5.3. */
export function commonApplications(local: LocalCapabilities, peer: PeerCapabilities): number[] {
  const ours = local.applications.map((application) => application.id);
  if (peer.applications.includes(RELAY_APPLICATION) || ours.includes(RELAY_APPLICATION)) {
    return ours.includes(RELAY_APPLICATION) ? [...peer.applications] : ours;
  }
  return ours.filter((id) => peer.applications.includes(id));
}
