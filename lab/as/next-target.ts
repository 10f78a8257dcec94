import type { Target } from '#sip/transport/flow';
import { isIpAddress } from '#sip/uri/host-port';
import type { Uri } from '#sip/uri/uri';

/** Address of the S-CSCF. */
export interface Hop {
  readonly address: string;
  readonly port: number;
}

/**
 * Where a request for a URI goes: to a numeric host by UDP, or TCP where the URI says so; everything else, such as a name
 * or a telephone number, to the S-CSCF, which knows more. Source: RFC 3263 4.
 */
export function nextTarget(uri: Uri, scscf: Hop): Target {
  if (uri.kind !== 'sip' || isIpAddress(uri.host) === 0) return targetBy('udp', scscf);
  const transport = uri.parameters.get('transport')?.toLowerCase() === 'tcp' ? 'tcp' : 'udp';
  return targetBy(transport, { address: uri.host, port: uri.port || 5060 });
}

/** `listener`: those of an `Endpoint`. */
function targetBy(transport: 'udp' | 'tcp', { address, port }: Hop): Target {
  return { listener: transport === 'udp' ? 0 : 1, transport, address, port, connection: 0 };
}
