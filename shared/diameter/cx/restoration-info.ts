import type { AvpList } from '../codec/avp-list.ts';
import { type Avp, avp } from '../codec/avp-types.ts';
import { baseAvps } from '../dictionary/base.ts';
import { cxAvps } from '../dictionary/cx.ts';

/** What the HSS keeps for S-CSCFs of one private identity. Source: TS 29.229 6.3.45; TS 23.380 4.3. */
export interface ScscfRestorationInfo {
  readonly impi: string;
  readonly contacts: readonly RestorationInfo[];
  /** SIP-Authentication-Scheme. */
  readonly scheme?: string | undefined;
}

/** One registered contact. Texts are header values as they were in the SIP message. Source: TS 29.229 6.3.52. */
export interface RestorationInfo {
  readonly path: string;
  readonly contact: string;
  readonly initialCseq?: number | undefined;
  readonly callId?: string | undefined;
  readonly subscription?: SubscriptionInfo | undefined;
}

/** The UE's subscription to the reg event package. Source: TS 29.229 6.3.46. */
export interface SubscriptionInfo {
  readonly callId: string;
  readonly from: string;
  readonly to: string;
  readonly recordRoute: string;
  readonly contact: string;
}

/** One SCSCF-Restoration-Info. Source: TS 29.229 6.3.45. */
export function restorationInfoAvp(info: ScscfRestorationInfo): Avp {
  const parts: Avp[] = [avp(baseAvps.userName, info.impi), ...info.contacts.map(contactAvp)];
  if (info.scheme !== undefined) parts.push(avp(cxAvps.sipAuthenticationScheme, info.scheme));
  return avp(cxAvps.scscfRestorationInfo, parts);
}

function contactAvp(info: RestorationInfo): Avp {
  const parts: Avp[] = [avp(cxAvps.path, info.path), avp(cxAvps.contact, info.contact)];
  if (info.initialCseq !== undefined) parts.push(avp(cxAvps.initialCseqSequenceNumber, info.initialCseq));
  if (info.callId !== undefined) parts.push(avp(cxAvps.callIdSipHeader, info.callId));
  const { subscription } = info;
  if (subscription !== undefined) {
    parts.push(
      avp(cxAvps.subscriptionInfo, [
        avp(cxAvps.callIdSipHeader, subscription.callId),
        avp(cxAvps.fromSipHeader, subscription.from),
        avp(cxAvps.toSipHeader, subscription.to),
        avp(cxAvps.recordRoute, subscription.recordRoute),
        avp(cxAvps.contact, subscription.contact),
      ]),
    );
  }
  return avp(cxAvps.restorationInfo, parts);
}

/** All SCSCF-Restoration-Info of a SAR or SAA; one without User-Name, a contact without its URI are left out. */
export function readRestorationInfos(avps: AvpList): ScscfRestorationInfo[] {
  const infos: ScscfRestorationInfo[] = [];
  for (const group of avps.groups(cxAvps.scscfRestorationInfo)) {
    const impi = group.text(baseAvps.userName);
    if (impi === undefined) continue;
    const contacts: RestorationInfo[] = [];
    for (const item of group.groups(cxAvps.restorationInfo)) {
      const contact = readContact(item);
      if (contact !== undefined) contacts.push(contact);
    }
    infos.push({ impi, contacts, scheme: group.text(cxAvps.sipAuthenticationScheme) });
  }
  return infos;
}

function readContact(group: AvpList): RestorationInfo | undefined {
  const contact = group.text(cxAvps.contact);
  if (contact === undefined) return undefined;
  const subscription = group.grouped(cxAvps.subscriptionInfo);
  return {
    path: group.text(cxAvps.path) ?? '',
    contact,
    initialCseq: group.unsigned32(cxAvps.initialCseqSequenceNumber),
    callId: group.text(cxAvps.callIdSipHeader),
    subscription: subscription === undefined ? undefined : readSubscription(subscription),
  };
}

function readSubscription(group: AvpList): SubscriptionInfo {
  return {
    callId: group.text(cxAvps.callIdSipHeader) ?? '',
    from: group.text(cxAvps.fromSipHeader) ?? '',
    to: group.text(cxAvps.toSipHeader) ?? '',
    recordRoute: group.text(cxAvps.recordRoute) ?? '',
    contact: group.text(cxAvps.contact) ?? '',
  };
}
