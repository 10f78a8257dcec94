import { isIP } from 'node:net';
import type { Via } from '#sip/header/via';
import type { Flow, Target } from './flow.ts';

/**
 * Where the answer to a request goes: from the listener that received it, on the connection it came by while that is
 * open, else to the address the top Via and the source give.
 *
 * `via`: the top Via as the sender wrote it; `flow`: where the request came from (its address is what `received`
 * says). A maddr that is a host name is passed over: answering must not wait for DNS.
 *
 * Source: RFC 3261 18.2.2, RFC 3581 4.
 */
export function responseTarget(via: Via, flow: Flow): Target {
  const sentByPort = via.port || (flow.transport === 'tls' ? 5061 : 5060);
  if (flow.transport === 'tls') return { ...flow, port: sentByPort, domain: via.host };
  if (flow.transport === 'tcp') return { ...flow, port: sentByPort };
  const maddr = literalAddress(via.maddr);
  if (maddr) return { ...flow, address: maddr, port: sentByPort };
  return via.rport >= 0 ? flow : { ...flow, port: sentByPort };
}

/** The address of an IP literal without brackets, or an empty string. */
function literalAddress(host: string): string {
  if (host.length === 0) return '';
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
  return isIP(bare) === 0 ? '' : bare;
}
