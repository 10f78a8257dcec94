import { describe, expect, it } from 'vitest';
import { ParseFailure } from '#sip/errors';
import { parseVia } from '#sip/header/via';
import type { Flow } from '#sip/transport/flow';
import { responseTarget } from '#sip/transport/response-address';

const udp: Flow = { listener: 2, transport: 'udp', address: '192.0.2.9', port: 40_000, connection: 0 };
const tcp: Flow = { ...udp, transport: 'tcp', connection: 17 };

function target(via: string, flow: Flow) {
  const parsed = parseVia(via);
  if (parsed instanceof ParseFailure) throw new Error(parsed.reason);
  const { address, port, connection, listener } = responseTarget(parsed, flow);
  expect(listener).toBe(2);
  return `${address} ${port} ${connection}`;
}

describe('C-12 response address (RFC 3261 18.2.2, RFC 3581 4)', () => {
  it.each([
    ['sent-by port', 'SIP/2.0/UDP host.example:5080;branch=z', udp, '192.0.2.9 5080 0'],
    ['5060 without a port', 'SIP/2.0/UDP 10.0.0.1;branch=z', udp, '192.0.2.9 5060 0'],
    ['source port with rport', 'SIP/2.0/UDP 10.0.0.1:5080;rport;branch=z', udp, '192.0.2.9 40000 0'],
    ['source port with a filled rport', 'SIP/2.0/UDP 10.0.0.1;rport=1;branch=z', udp, '192.0.2.9 40000 0'],
    ['source, whatever received says', 'SIP/2.0/UDP 10.0.0.1;received=10.9.9.9', udp, '192.0.2.9 5060 0'],
    ['maddr before all', 'SIP/2.0/UDP a:5080;maddr=224.0.1.75;rport', udp, '224.0.1.75 5080 0'],
    ['maddr in IPv6', 'SIP/2.0/UDP a;maddr=[2001:db8::1]', udp, '2001:db8::1 5060 0'],
    ['no maddr that needs DNS', 'SIP/2.0/UDP a;maddr=evil.example', udp, '192.0.2.9 5060 0'],
    ['the connection, else sent-by port', 'SIP/2.0/TCP a:5090;rport', tcp, '192.0.2.9 5090 17'],
    ['the connection, else 5060', 'SIP/2.0/TCP a', tcp, '192.0.2.9 5060 17'],
    ['the connection, else 5061 on TLS', 'SIP/2.0/TLS a', { ...tcp, transport: 'tls' } as Flow, '192.0.2.9 5061 17'],
  ])('is the %s', (_name, via, flow, expected) => {
    expect(target(via, flow)).toBe(expected);
  });
});
