import { randomUUID } from 'node:crypto';
import { createRequest } from '#sip/message/create';
import type { HeaderKey } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { TransportName } from '#sip/transport/flow';
import type { Endpoint } from './endpoint.ts';

/** What a phone says of itself, the same in all its requests. */
export interface UeIdentity {
  readonly domain: string;
  readonly impu: string;
  readonly contactUri: string;
  /** Value of +sip.instance, without quotes. */
  readonly instance: string;
  readonly accessNetworkInfo: string;
  /** The P-CSCF as a Route value. */
  readonly firstRoute: string;
}

/** What an identity is made of. */
export interface IdentityOptions {
  readonly domain: string;
  readonly impu: string;
  readonly credentials: { readonly impi: string };
  readonly proxy: { readonly address: string; readonly port: number };
  readonly accessNetworkInfo?: string;
}

/** Methods that a phone takes, as an Allow value. */
export const allowedMethods = 'INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, MESSAGE, NOTIFY, OPTIONS, INFO, REFER';
const mmtel = 'urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel';

/** The identity of a phone on an endpoint; each has an instance of its own. Source: TS 24.229 5.1.1.2.1. */
export function identityOn(endpoint: Endpoint, options: IdentityOptions): UeIdentity {
  const { domain, impu, credentials, proxy } = options;
  const { sentBy, transport } = endpoint;
  const user = credentials.impi.split('@')[0];
  const host = proxy.address.includes(':') ? `[${proxy.address}]` : proxy.address;
  return {
    domain,
    impu,
    contactUri: `sip:${user}@${sentBy}${byTransport(transport)}`,
    instance: `<urn:uuid:${randomUUID()}>`,
    accessNetworkInfo: options.accessNetworkInfo ?? '3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=0010100010000101',
    firstRoute: `<sip:${host}:${proxy.port};lr${byTransport(transport)}>`,
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
  ]);
}

/** What an initial request is about. */
export interface InitialParts {
  readonly method: string;
  readonly to: string;
  readonly tag: string;
  /** Of the registration. */
  readonly serviceRoute: readonly string[];
  readonly headers: readonly [HeaderKey, string][];
  readonly body?: string;
}

/** A request outside a dialog, by way of the P-CSCF and the Service-Route. Source: TS 24.229 5.1.2A.1.1. */
export function initialRequest(identity: UeIdentity, parts: InitialParts): SipRequest {
  const { method, to, tag, serviceRoute, headers, body = '' } = parts;
  return createRequest(
    method,
    to,
    [
      ...[identity.firstRoute, ...serviceRoute].map((route): [HeaderKey, string] => [Header.Route, route]),
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

/** The URI parameter of a transport; UDP needs none. */
function byTransport(transport: TransportName): string {
  return transport === 'udp' ? '' : `;transport=${transport}`;
}
