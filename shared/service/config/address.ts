import { isIP, isIPv4, isIPv6 } from 'node:net';
import type { TransportName } from '#sip/transport/flow';

/** Why a text is not what it should be, in words for the person who wrote it. */
export interface AddressFault {
  readonly fault: string;
  readonly suggestion: string;
}

/** Address of a socket; IPv6 without brackets. */
export interface Endpoint {
  readonly transport: TransportName;
  readonly address: string;
  readonly port: number;
}

const example = 'write transport:address:port, such as udp:127.0.0.1:5060; IPv6 in quotes: "udp:[::1]:5060"';

/** Whether parsing failed. */
export function isFault(value: object): value is AddressFault {
  return 'fault' in value;
}

/** Parses `transport:address:port`; the address is numeric, IPv6 in brackets. */
export function parseEndpoint(text: string): Endpoint | AddressFault {
  const colon = text.indexOf(':');
  const transport = text.slice(0, Math.max(colon, 0));
  if (transport !== 'udp' && transport !== 'tcp' && transport !== 'tls') {
    const known =
      isIP(transport) > 0 || colon < 0 || transport.startsWith('[')
        ? `"${text}" has no transport`
        : `"${transport}" is no transport`;
    return { fault: `${known}; udp, tcp and tls exist`, suggestion: example };
  }
  const rest = text.slice(colon + 1);
  const hostPort = splitHostPort(rest);
  if (hostPort === undefined) return { fault: `"${rest}" is not address:port`, suggestion: example };
  const { host, port } = hostPort;
  if (!isIP(host)) {
    const bare = isIPv6(rest) ? 'IPv6 needs brackets' : 'an IP address is needed here, not a name';
    return { fault: `"${host}" is not an IP address (${bare})`, suggestion: example };
  }
  return { transport, address: host, port };
}

/** Splits `host:port` or `[v6]:port`; undefined when the port is missing or not 1 to 65535, or a v6 lacks its brackets. */
export function splitHostPort(text: string): { host: string; port: number } | undefined {
  const colon = text.lastIndexOf(':');
  if (colon < 1) return undefined;
  const port = parsePort(text.slice(colon + 1));
  if (port === undefined) return undefined;
  const host = text.slice(0, colon);
  if (!host.startsWith('[')) return host.includes(':') ? undefined : { host, port };
  return host.endsWith(']') && isIPv6(host.slice(1, -1)) ? { host: host.slice(1, -1), port } : undefined;
}

function parsePort(text: string): number | undefined {
  if (text === '' || text.length > 5) return undefined;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 0x30 || text.charCodeAt(i) > 0x39) return undefined;
  const port = Number(text);
  return port >= 1 && port <= 65_535 ? port : undefined;
}

/** `host:port` as SIP writes it, IPv6 in brackets. */
export function formatHostPort(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** `transport:address:port`, the form of the configuration. */
export function formatEndpoint(endpoint: Endpoint): string {
  return `${endpoint.transport}:${formatHostPort(endpoint.address, endpoint.port)}`;
}

/** Whether an address stands for every address of the machine. */
export function isWildcard(address: string): boolean {
  if (isIPv4(address)) return address === '0.0.0.0';
  return isIPv6(address) && !/[1-9a-f]/i.test(address);
}

/** Whether a text is a host name: labels of letters, digits and inner hyphens, 253 characters at most. */
export function isDomain(text: string): boolean {
  if (text.length === 0 || text.length > 253) return false;
  return text
    .split('.')
    .every((label) => label.length <= 63 && /^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?$/.test(label));
}

/**
 * Parses what a listener is advertised as: host, IPv4, IPv6 with or without brackets, each with or without a port.
 * `port` stays undefined when none is given.
 */
export function parseAdvertise(text: string): { host: string; port: number | undefined } | AddressFault {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  const whole = isIP(bare) > 0 || isDomain(bare) ? { host: bare, port: undefined } : undefined;
  const parsed = whole ?? splitHostPort(text);
  const usable = parsed !== undefined && (isIP(parsed.host) > 0 ? !isWildcard(parsed.host) : isDomain(parsed.host));
  if (usable) return parsed;
  return {
    fault: `"${text}" is nothing that others can reach`,
    suggestion: 'write a host name or address, with :port if it differs',
  };
}
