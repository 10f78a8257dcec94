import { isUtf8 } from 'node:buffer';
import { escapeXml } from './xml.ts';

/** Media type of the documents of the reg event package. */
export const regInfoType = 'application/reginfo+xml';

export const regInfoNamespaces = Object.freeze({
  regInfo: 'urn:ietf:params:xml:ns:reginfo',
  /** RFC 5628. */
  gruu: 'urn:ietf:params:xml:ns:gruuinfo',
  /** TS 24.229 7.10.2. */
  wildcard: 'urn:3gpp:ns:extRegInfo:1.0',
});

/** What brought a contact into its state. Source: RFC 3680 3.2. */
export const contactEvents = Object.freeze([
  'registered',
  'created',
  'refreshed',
  'shortened',
  'expired',
  'deactivated',
  'probation',
  'unregistered',
  'rejected',
] as const);
export type ContactEvent = (typeof contactEvents)[number];

/** A document of the reg event package. Texts are latin1 strings of UTF-8 octets, '' where absent; numbers -1. */
export interface RegInfo {
  readonly version: number;
  readonly state: 'full' | 'partial';
  readonly registrations: readonly RegInfoRegistration[];
}

/** The state of one public identity. */
export interface RegInfoRegistration {
  readonly aor: string;
  readonly id: string;
  readonly state: 'init' | 'active' | 'terminated';
  /** The wildcarded identity it stands for. */
  readonly wildcard: string;
  readonly contacts: readonly RegInfoContact[];
}

/** The state of one contact of an identity. Durations in seconds. */
export interface RegInfoContact {
  readonly id: string;
  readonly state: 'active' | 'terminated';
  readonly event: ContactEvent;
  readonly uri: string;
  /** Without quotes. */
  readonly displayName: string;
  readonly durationRegistered: number;
  readonly expires: number;
  readonly retryAfter: number;
  /** Thousandths. */
  readonly q: number;
  readonly callId: string;
  readonly cseq: number;
  /** Contact header parameters that have no place of their own, values as written. */
  readonly parameters: readonly { readonly name: string; readonly value: string }[];
  readonly publicGruu: string;
  readonly temporaryGruu: string;
  /** CSeq of the REGISTER since which the temporary GRUUs with this Call-ID hold. */
  readonly firstCseq: number;
}

/**
 * Writes a document, latin1. Everything that a peer gave is escaped; what is no UTF-8 is taken for latin1.
 * Source: RFC 3680 5, RFC 5628 5, TS 24.229 5.4.2.1.2, 7.10.2; requirement S-63.
 */
export function formatRegInfo({ version, state, registrations }: RegInfo): string {
  const namespaces = [` xmlns="${regInfoNamespaces.regInfo}"`];
  if (registrations.some(({ contacts }) => contacts.some(hasGruu))) {
    namespaces.push(` xmlns:gr="${regInfoNamespaces.gruu}"`);
  }
  if (registrations.some(({ wildcard }) => wildcard !== '')) {
    namespaces.push(` xmlns:ere="${regInfoNamespaces.wildcard}"`);
  }
  let text = `<?xml version="1.0" encoding="UTF-8"?>\n<reginfo${namespaces.join('')} version="${version}" state="${state}">\n`;
  for (const registration of registrations) text += formatRegistration(registration);
  return `${text}</reginfo>\n`;
}

function formatRegistration({ aor, id, state, wildcard, contacts }: RegInfoRegistration): string {
  const start = `<registration aor="${safe(aor)}" id="${safe(id)}" state="${state}">\n`;
  // Elements of other namespaces stand behind our own: the schema wants it so.
  const end = wildcard === '' ? '' : `<ere:wildcardedIdentity>${safe(wildcard)}</ere:wildcardedIdentity>\n`;
  return `${start}${contacts.map(formatContact).join('')}${end}</registration>\n`;
}

function formatContact(contact: RegInfoContact): string {
  let text = `<contact id="${safe(contact.id)}" state="${contact.state}" event="${contact.event}"`;
  text += number('duration-registered', contact.durationRegistered);
  text += number('expires', contact.expires);
  text += number('retry-after', contact.retryAfter);
  if (contact.q >= 0) text += ` q="${contact.q / 1000}"`;
  if (contact.callId !== '') text += ` callid="${safe(contact.callId)}"`;
  text += number('cseq', contact.cseq);
  text += `>\n<uri>${safe(contact.uri)}</uri>\n`;
  if (contact.displayName !== '') text += `<display-name>${safe(contact.displayName)}</display-name>\n`;
  for (const { name, value } of contact.parameters) {
    text += `<unknown-param name="${safe(name)}">${safe(value)}</unknown-param>\n`;
  }
  if (contact.publicGruu !== '') text += `<gr:pub-gruu uri="${safe(contact.publicGruu)}"/>\n`;
  if (contact.temporaryGruu !== '') {
    text += `<gr:temp-gruu uri="${safe(contact.temporaryGruu)}"${number('first-cseq', contact.firstCseq)}/>\n`;
  }
  return `${text}</contact>\n`;
}

function hasGruu({ publicGruu, temporaryGruu }: RegInfoContact): boolean {
  return publicGruu !== '' || temporaryGruu !== '';
}

function number(name: string, value: number): string {
  return value < 0 ? '' : ` ${name}="${value}"`;
}

function safe(text: string): string {
  const octets = Buffer.from(text, 'latin1');
  return escapeXml(isUtf8(octets) ? text : Buffer.from(text, 'utf8').toString('latin1'));
}
