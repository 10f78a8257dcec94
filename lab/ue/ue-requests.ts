import { randomUUID } from 'node:crypto';
import { createRequest } from '#sip/message/create';
import type { HeaderKey } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { TransportName } from '#sip/transport/flow';

/** What a phone says of itself, the same in all its requests. */
export interface UeIdentity {
  readonly domain: string;
  readonly impu: string;
  readonly contactUri: string;
  /** Value of +sip.instance, without quotes. */
  readonly instance: string;
  readonly accessNetworkInfo: string;
}

/** What an identity is made of. */
export interface IdentityOptions {
  readonly domain: string;
  readonly impu: string;
  readonly credentials: { readonly impi: string };
  readonly accessNetworkInfo?: string;
}

/** Methods that a phone takes, as an Allow value. */
export const allowedMethods = 'INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, MESSAGE, NOTIFY, OPTIONS, INFO, REFER';
const mmtel = 'urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel';

/**
 * The identity of a phone that is reached at `sentBy`, by a transport that its Contact names unless it is UDP; each has an
 * instance of its own. Source: TS 24.229 5.1.1.2.1.
 */
export function identityAt(sentBy: string, transport: TransportName, options: IdentityOptions): UeIdentity {
  const { domain, impu, credentials } = options;
  const user = credentials.impi.split('@')[0];
  return {
    domain,
    impu,
    contactUri: `sip:${user}@${sentBy}${byTransport(transport)}`,
    instance: `<urn:uuid:${randomUUID()}>`,
    accessNetworkInfo: options.accessNetworkInfo ?? '3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=0010100010000101',
  };
}

/** Contact value of everything but REGISTER. */
export function contactOf(identity: UeIdentity): string {
  return `<${identity.contactUri}>;+g.3gpp.icsi-ref="${mmtel}"`;
}

/** Header fields that name user and access in all requests but REGISTER. Source: TS 24.229 5.1.2A.1.1. */
export function identityHeaders({ impu, accessNetworkInfo }: UeIdentity): [HeaderKey, string][] {
  return [
    [Header['P-Preferred-Identity'], `<${impu}>`],
    [Header['P-Access-Network-Info'], accessNetworkInfo],
  ];
}

/** What is different in each REGISTER of a phone. */
export interface RegisterParts {
  readonly callId: string;
  readonly sequence: number;
  readonly tag: string;
  /** Seconds. */
  readonly expires: number;
  /** Authorization value. */
  readonly authorization: string;
  /** What the access has to say. */
  readonly headers: readonly [HeaderKey, string][];
}

/** A REGISTER. Source: TS 24.229 5.1.1.2.1. */
export function registerRequest(identity: UeIdentity, parts: RegisterParts): SipRequest {
  const { domain, impu, contactUri, instance, accessNetworkInfo } = identity;
  return createRequest('REGISTER', `sip:${domain}`, [
    [Header['Max-Forwards'], '70'],
    [Header.From, `<${impu}>;tag=${parts.tag}`],
    [Header.To, `<${impu}>`],
    [Header['Call-ID'], parts.callId],
    [Header.CSeq, `${parts.sequence} REGISTER`],
    [Header.Contact, `<${contactUri}>;+g.3gpp.icsi-ref="${mmtel}";+g.3gpp.smsip;+sip.instance="${instance}";audio`],
    [Header.Expires, String(parts.expires)],
    [Header.Authorization, parts.authorization],
    [Header.Supported, 'path'],
    [Header.Allow, allowedMethods],
    [Header['P-Access-Network-Info'], accessNetworkInfo],
    [Header['User-Agent'], 'IMS CSCF lab UE'],
    ...parts.headers,
  ]);
}

/** What an initial request is about. */
export interface InitialParts {
  readonly method: string;
  readonly to: string;
  readonly tag: string;
  /** Route values: the P-CSCF, then the Service-Route of the registration. */
  readonly routes: readonly string[];
  readonly headers: readonly [HeaderKey, string][];
  readonly body?: string;
}

/** A request outside a dialog, by way of the P-CSCF and the Service-Route. Source: TS 24.229 5.1.2A.1.1. */
export function initialRequest(identity: UeIdentity, parts: InitialParts): SipRequest {
  const { method, to, tag, routes, headers, body = '' } = parts;
  return createRequest(
    method,
    to,
    [
      ...routes.map((route): [HeaderKey, string] => [Header.Route, route]),
      [Header['Max-Forwards'], '70'],
      [Header.From, `<${identity.impu}>;tag=${tag}`],
      [Header.To, `<${to}>`],
      [Header['Call-ID'], randomUUID()],
      [Header.CSeq, `1 ${method}`],
      ...identityHeaders(identity),
      ...headers,
    ],
    body,
  );
}

/** Header fields of the INVITE of a call, besides its body. Source: TS 24.229 5.1.3.1, TS 24.173 5.2. */
export function callHeaders(contact: string): [HeaderKey, string][] {
  return [
    [Header.Contact, contact],
    [Header.Supported, '100rel, timer'],
    [Header.Allow, allowedMethods],
    [Header.Accept, 'application/sdp, application/3gpp-ims+xml'],
    [Header['P-Preferred-Service'], 'urn:urn-7:3gpp-service.ims.icsi.mmtel'],
    [Header['Accept-Contact'], `*;+g.3gpp.icsi-ref="${mmtel}"`],
    [Header['P-Early-Media'], 'supported'],
  ];
}

/** Header fields of a SUBSCRIBE to the own registration state; `expires` in seconds. Source: TS 24.229 5.1.1.3. */
export function registrationEventHeaders(contact: string, expires: number): [HeaderKey, string][] {
  return [
    [Header.Contact, contact],
    [Header.Event, 'reg'],
    [Header.Accept, 'application/reginfo+xml'],
    [Header.Expires, String(expires)],
  ];
}

/** Body of a MESSAGE that carries an RP message. Source: TS 24.341 5.3. */
export const smsMediaType = 'application/vnd.3gpp.sms';

/** Header fields of a MESSAGE with RP-DATA, or a report on the MESSAGE with this Call-ID. Source: TS 24.341 5.3.1.2, 5.3.2.4. */
export function shortMessageHeaders(inReplyTo: string | null): [HeaderKey, string][] {
  return [
    [Header['Content-Type'], smsMediaType],
    [Header['Request-Disposition'], 'no-fork'],
    ...(inReplyTo === null ? [] : [['In-Reply-To', inReplyTo] as [HeaderKey, string]]),
  ];
}

/** The URI parameter of a transport; UDP needs none. */
function byTransport(transport: TransportName): string {
  return transport === 'udp' ? '' : `;transport=${transport}`;
}
