import { impiFrom, registeringIdentityOf } from '#ims/identity';
import { reasons } from '#ims/reasons';
import type { ScscfConfig } from '#service/config/scscf-config';
import { type DigestParameters, parseDigest } from '#sip/auth/digest';
import { ParseFailure } from '#sip/errors';
import { type Contact, parseContacts } from '#sip/header/contact';
import { parseCSeq } from '#sip/header/cseq';
import { parseNameAddr } from '#sip/header/name-addr';
import { maxDeltaSeconds, parseClipped } from '#sip/header/number-value';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { Reason } from '#sip/reasons';
import { parseUri } from '#sip/uri/uri';

/** A contact and the time it asks for. */
export interface RequestedContact {
  readonly contact: Contact;
  /** Seconds, within the limits of the configuration; 0 removes the contact. */
  readonly seconds: number;
}

/** What a REGISTER says. */
export interface RegisterRequest {
  readonly impu: string;
  readonly impi: string;
  /** Null when there are none, or none that can be read. */
  readonly credentials: DigestParameters | null;
  /** What the P-CSCF says of the way the request came in; '' when it says nothing about IPsec. */
  readonly protection: 'yes' | 'no' | '';
  /** `Contact: *` */
  readonly star: boolean;
  readonly contacts: readonly RequestedContact[];
  /** Whether it binds a contact; one that only removes or only asks does not. */
  readonly binds: boolean;
  /** Whether it binds a flow among several. Source: RFC 5626 4.2. */
  readonly outbound: boolean;
  /** Path values in order, comma-joined. */
  readonly path: string;
  readonly callId: string;
  readonly cseq: number;
}

/** Why a REGISTER is refused for what it says. */
export interface RegisterFault {
  readonly reason: Reason;
  readonly detail: string;
}

/**
 * Reads a REGISTER as far as no state is needed.
 * Source: TS 24.229 5.4.1.1, RFC 3261 10.3; requirements S-01, S-30, S-34.
 */
export function readRegister(
  request: SipRequest,
  config: Pick<ScscfConfig, 'homeDomain' | 'registrar'>,
): RegisterRequest | RegisterFault {
  const { headers } = request;
  const to = parseNameAddr(headers.get(Header.To) ?? '');
  const toUri = to instanceof ParseFailure ? to : parseUri(to.uri);
  if (to instanceof ParseFailure || toUri instanceof ParseFailure) return fault(reasons.badIdentity, 'To');
  if (toUri.kind === 'sip' && toUri.host !== config.homeDomain) return fault(reasons.foreignDomain, toUri.host);
  const impu = registeringIdentityOf(to.uri);
  if (impu instanceof ParseFailure) return fault(reasons.badIdentity, `To: ${impu.reason}`);

  const authorization = headers.get(Header.Authorization);
  const parsed = authorization === null ? null : parseDigest(authorization);
  const credentials = parsed instanceof ParseFailure ? null : parsed;
  const impi = impiFrom(credentials?.get('username') ?? null, impu);
  if (impi instanceof ParseFailure) return fault(reasons.badIdentity, impi.reason);
  if (impi.indexOf('@') < 0 || impi.startsWith('sip:')) return fault(reasons.badIdentity, 'username is not user@realm');

  const cseq = parseCSeq(headers.get(Header.CSeq) ?? '');
  if (cseq instanceof ParseFailure) return fault(reasons.badContact, `CSeq: ${cseq.reason}`);
  const requested = readContacts(request, config.registrar);
  if ('reason' in requested) return requested;
  return {
    impu,
    impi,
    credentials,
    protection: protectionOf(credentials),
    ...requested,
    path: headers.values(Header.Path).join(', '),
    callId: headers.get(Header['Call-ID']) ?? '',
    cseq: cseq.number,
  };
}

function readContacts(
  request: SipRequest,
  limits: ScscfConfig['registrar'],
): Pick<RegisterRequest, 'star' | 'contacts' | 'binds' | 'outbound'> | RegisterFault {
  const { headers } = request;
  const read = parseContacts(headers.values(Header.Contact));
  if (read instanceof ParseFailure) return fault(reasons.badContact, read.reason);
  const expires = headers.get(Header.Expires);
  const parsed = expires === null ? -1 : parseClipped(expires, maxDeltaSeconds);
  const common = parsed instanceof ParseFailure ? -1 : parsed;
  if (read.star) {
    if (common !== 0) return fault(reasons.badContact, '* without Expires: 0');
    return { star: true, contacts: [], binds: false, outbound: false };
  }
  const contacts: RequestedContact[] = [];
  let binds = false;
  let outbound = false;
  for (const contact of read.contacts) {
    const uri = parseUri(contact.uri);
    if (uri instanceof ParseFailure || uri.kind !== 'sip') return fault(reasons.badContact, contact.uri);
    const asked = contact.expires >= 0 ? contact.expires : common >= 0 ? common : limits.defaultExpires;
    if (asked > 0 && asked < limits.minExpires) return fault(reasons.intervalTooBrief, `${asked} s`);
    contacts.push({ contact, seconds: Math.min(asked, limits.maxExpires) });
    if (asked === 0) continue;
    binds = true;
    if (contact.regId > 0 && contact.instance !== '') outbound = true;
  }
  return { star: false, contacts, binds, outbound };
}

function protectionOf(credentials: DigestParameters | null): 'yes' | 'no' | '' {
  const value = credentials?.get('integrity-protected')?.toLowerCase();
  return value === 'yes' || value === 'no' ? value : '';
}

function fault(reason: Reason, detail: string): RegisterFault {
  return { reason, detail };
}
