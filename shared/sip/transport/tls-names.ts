import { isIP } from 'node:net';

/** The parts of a certificate that names stand in, as node:tls gives them. */
export interface CertificateNames {
  /** `DNS:a.example, URI:sip:example, IP Address:192.0.2.1`. */
  readonly subjectaltname?: string | undefined;
  readonly subject?: { readonly CN?: string | readonly string[] | undefined } | undefined;
}

/**
 * The SIP domains a certificate is for, lower case: the hosts of its `sip:` URIs, else its DNS names; without a
 * subjectAltName its common name. Its IP addresses count besides, since labs write addresses into URIs. Names with
 * wildcards are for nobody.
 *
 * Source: RFC 5922 7.1, 7.2.
 */
export function sipDomainsOf(certificate: CertificateNames): readonly string[] {
  const { subjectaltname, subject } = certificate;
  if (subjectaltname === undefined || subjectaltname === '') {
    const name = subject?.CN;
    return typeof name === 'string' && isHostName(name) ? [name.toLowerCase()] : [];
  }
  const uris: string[] = [];
  const dns: string[] = [];
  const addresses: string[] = [];
  for (const entry of splitNames(subjectaltname)) {
    const colon = entry.indexOf(':');
    const value = entry.slice(colon + 1);
    switch (entry.slice(0, colon)) {
      case 'URI': {
        const host = hostOfSipUri(value);
        if (host !== '') uris.push(host);
        break;
      }
      case 'DNS':
        if (isHostName(value)) dns.push(value.toLowerCase());
        break;
      case 'IP Address':
        if (isIP(value) !== 0) addresses.push(plainHost(value));
        break;
    }
  }
  return [...(uris.length > 0 ? uris : dns), ...addresses];
}

/** Whether a certificate with these domains is for a host: the whole name, in any case. Source: RFC 5922 7.2. */
export function isFor(domains: readonly string[], host: string): boolean {
  return domains.includes(plainHost(host));
}

/** One spelling for each host: lower case, and of an IPv6 address the short form. */
export function plainHost(host: string): string {
  return isIP(host) === 6 ? new URL(`http://[${host}]`).hostname.slice(1, -1) : host.toLowerCase();
}

/** The entries of a subjectAltName text. One that holds a quoted value, which no host needs, is left out. */
function splitNames(text: string): string[] {
  const entries: string[] = [];
  let from = 0;
  let quoted = false;
  let plain = true;
  for (let i = 0; i <= text.length; i++) {
    const character = text[i];
    if (i === text.length || (character === ',' && !quoted)) {
      if (plain) entries.push(text.slice(from, i).trim());
      from = i + 1;
      plain = true;
    } else if (character === '"') {
      quoted = !quoted;
      plain = false;
    } else if (character === '\\' && quoted) i++;
  }
  return entries;
}

/** Host of a `sip:` URI that names a domain: no user part; '' for any other. */
function hostOfSipUri(uri: string): string {
  if (uri.slice(0, 4).toLowerCase() !== 'sip:' || uri.includes('@')) return '';
  let end = 4;
  while (end < uri.length && !':;?'.includes(uri[end]!)) end++;
  const host = uri.slice(4, end);
  return isHostName(host) ? host.toLowerCase() : '';
}

function isHostName(text: string): boolean {
  if (text === '' || text.length > 253) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i) | 0x20;
    const letter = code >= 0x61 && code <= 0x7a;
    const digit = text.charCodeAt(i) >= 0x30 && text.charCodeAt(i) <= 0x39;
    if (!letter && !digit && text[i] !== '-' && text[i] !== '.') return false;
  }
  return true;
}
