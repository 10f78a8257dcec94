import type { EspPayload } from './esp-receiver.ts';

export const protocolTcp = 6;
export const protocolUdp = 17;

const leastUdpBytes = 8;
const leastTcpBytes = 20;

/**
 * Whether a payload is UDP or TCP between these ports: what else comes under an association is not the peer's to send.
 * Source: RFC 4301 5.2 step 4; requirement P-40.
 */
export function hasPorts({ protocol, bytes }: EspPayload, sourcePort: number, destinationPort: number): boolean {
  const least = protocol === protocolUdp ? leastUdpBytes : leastTcpBytes;
  if (protocol !== protocolUdp && protocol !== protocolTcp) return false;
  if (bytes.length < least) return false;
  return bytes.readUInt16BE(0) === sourcePort && bytes.readUInt16BE(2) === destinationPort;
}
