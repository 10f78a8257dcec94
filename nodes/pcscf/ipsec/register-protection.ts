import { randomInt } from 'node:crypto';
import { reasons } from '#ims/reasons';
import type { AccessSecurity } from '#service/config/pcscf-config';
import { ParseFailure } from '#sip/errors';
import type { Contact } from '#sip/header/contact';
import { parseVia } from '#sip/header/via';
import type { HeaderList } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import type { Reason } from '#sip/reasons';
import { parseUri } from '#sip/uri/uri';
import type { AkaKeys, AssociationSet } from './association-set.ts';
import type { IpsecSide } from './ipsec-side.ts';
import {
  type Agreement,
  agreementOf,
  insistsOnAgreement,
  offersOf,
  repeatsClient,
  securityClientOf,
  verifies,
} from './security-agreement.ts';

/** How a REGISTER is protected, or can be. */
export type Protection =
  /** Neither: the access profile does without, or the UE does and may. */
  | { readonly kind: 'plain' }
  /** Not protected; with its challenge associations are set up. */
  | { readonly kind: 'offered'; readonly agreement: Agreement }
  /** It came by a set; when it is challenged, another one is set up by what it offers in Security-Client. */
  | { readonly kind: 'inside'; readonly set: AssociationSet; readonly offer: readonly string[] };

/** Why a REGISTER may not pass. */
export interface ProtectionRefusal {
  readonly kind: 'refused';
  readonly reason: Reason;
  readonly detail: string;
  readonly edit?: (response: SipResponse) => void;
}

export const plain: Protection = Object.freeze({ kind: 'plain' });

/**
 * What a REGISTER that came unprotected asks for, by the access profile of its network.
 * Source: RFC 3329 2.3.1, TS 24.229 5.2.2.1; requirements P-05, P-11 to P-13.
 */
export function judgeUnprotected(
  side: IpsecSide | null,
  security: AccessSecurity,
  request: SipRequest,
): Protection | ProtectionRefusal {
  if (side === null || security === 'none' || security === 'tls') return plain;
  const { headers } = request;
  const insists = insistsOnAgreement(headers);
  const isNeeded = security === 'ipsec-required' || insists;
  const offer = securityClientOf(headers);
  const agreement = offer.length === 0 ? null : agreementOf(offer, side.order);
  if (agreement === null) {
    if (!isNeeded) return plain;
    return offer.length > 0 || insists ? noAgreement(side) : agreementWanted;
  }
  if (!side.associations.available || side.ports.addressOf(request.flow!) === '') {
    return isNeeded ? busy(reasons.ipsecUnavailable) : plain;
  }
  if (side.associations.full) return busy(reasons.tooManyAssociations);
  return { kind: 'offered', agreement };
}

const agreementWanted: ProtectionRefusal = Object.freeze({
  kind: 'refused',
  reason: reasons.agreementRequired,
  detail: '',
  edit: (response: SipResponse) => response.headers.append(Header.Require, 'sec-agree'),
});

/** 494, with what may be agreed here. Requirements P-11, P-13. */
export function noAgreement({ order }: IpsecSide, reason: Reason = reasons.noCommonAlgorithm): ProtectionRefusal {
  return {
    kind: 'refused',
    reason,
    detail: '',
    edit: (response) => response.headers.append(Header['Security-Server'], offersOf(order)),
  };
}

/** 503 with a time to wait, which is not the same for all. Requirement P-39. */
export function busy(reason: Reason): ProtectionRefusal {
  return {
    kind: 'refused',
    reason,
    detail: '',
    edit: (response) => response.headers.append(Header['Retry-After'], String(randomInt(10, 31))),
  };
}

/**
 * Whether a REGISTER that came by a protected port is that of the UE whose set it came by, and answers its challenge as
 * it was agreed. `contacts`: those it registers.
 *
 * Source: TS 24.229 5.2.2.3; requirements P-40, P-41, P-43, P-44, X-I7, X-I11.
 */
export function judgeProtected(
  side: IpsecSide,
  request: SipRequest,
  impi: string,
  contacts: readonly Contact[],
): Protection | ProtectionRefusal {
  const { headers } = request;
  const set = side.associations.ofRegister(request.flow!, headers);
  if (set === null) return { kind: 'refused', reason: reasons.noAssociation, detail: '' };
  if (set.impi !== impi) return { kind: 'refused', reason: reasons.otherUsersAssociation, detail: impi };
  const offer = securityClientOf(headers);
  if (set.state === 'temporary') {
    if (!verifies(headers, set.server) || !repeatsClient(offer, set.client)) {
      side.associations.end(set.id);
      return noAgreement(side, reasons.agreementChanged);
    }
    side.associations.answered(set);
  }
  if (side.strictContact) {
    const elsewhere = strayPart(set, headers, contacts);
    if (elsewhere !== '') return { kind: 'refused', reason: reasons.contactElsewhere, detail: elsewhere };
  }
  return { kind: 'inside', set, offer };
}

/** What of Via and Contact is not at the UE's end of the set, '' when all is. Requirement P-43. */
export function strayPart({ ue }: AssociationSet, headers: HeaderList, contacts: readonly Contact[]): string {
  const via = parseVia(headers.first(Header.Via) ?? '');
  if (via instanceof ParseFailure || via.host !== ue.address) return 'Via';
  for (const contact of contacts) {
    const uri = parseUri(contact.uri);
    if (uri instanceof ParseFailure || uri.kind !== 'sip' || uri.host !== ue.address) return 'address of the Contact';
    if (uri.port !== 0 && uri.port !== ue.serverPort) return 'port of the Contact';
  }
  return '';
}

/** What of a REGISTER its set is known by. */
export interface ChallengedRegister {
  readonly impi: string;
  readonly aor: string;
  readonly contact: string;
  readonly token: string;
  readonly protection: Protection;
}

/**
 * Sets up the associations of an AKA challenge. Gives the Security-Server that goes with it, null when the challenge goes
 * on without one, or why it may not go on. What is decided without waiting is no promise.
 *
 * Source: TS 24.229 5.2.2.1, TS 33.203 7.4; requirements P-31, P-35, P-36, P-39.
 */
export function protectChallenge(
  side: IpsecSide,
  request: SipRequest,
  { impi, aor, contact, token, protection }: ChallengedRegister,
  keys: AkaKeys | 'none' | 'incomplete',
): null | ProtectionRefusal | Promise<string | ProtectionRefusal> {
  if (protection.kind === 'plain' || keys === 'none') return null;
  if (keys === 'incomplete') return { kind: 'refused', reason: reasons.keysMissing, detail: '' };
  const inside = protection.kind === 'inside' ? protection.set : null;
  if (inside?.state === 'temporary') {
    // Its SPIs are those of the set under it: there is nothing to build another one of. The UE has to begin anew.
    side.associations.end(inside.id);
    return null;
  }
  const agreement = protection.kind === 'inside' ? agreementOf(protection.offer, side.order) : protection.agreement;
  if (agreement === null) return noAgreement(side);
  return side.associations
    .begin({ impi, aor, contact, token, agreement, flow: request.flow!, inside, keys })
    .then((begun) => ('set' in begun ? begun.set.server : refusalOf(begun.refusal)));
}

function refusalOf(reason: Reason): ProtectionRefusal {
  return reason.status === 503 ? busy(reason) : { kind: 'refused', reason, detail: '' };
}
