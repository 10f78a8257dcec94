import { describe, expect, it } from 'vitest';
import { StreamSwitch } from '#sip/transaction/stream-switch';
import type { Target } from '#sip/transport/flow';

const to = (address: string, streamListener = 1): Target => ({
  listener: 0,
  transport: 'udp',
  address,
  port: 5060,
  connection: 0,
  streamListener,
});

describe('the switch to TCP', () => {
  it.each([
    ['192.0.2.1', 1400, true],
    ['10.127.0.1', 1400, true],
    ['2001:db8::1', 1400, true],
    ['127.0.8.3', 1400, false],
    ['::1', 1400, false],
    ['127.0.8.3', 65_400, true],
  ])(
    'C-10 by default a request to %s of %d octets: %s, since the path MTU within a host is known',
    (address, octets, by) => {
      const streams = new StreamSwitch('auto', () => 0);
      expect(octets > streams.aboveOctets && streams.streamOf(to(address), octets) !== null).toBe(by);
    },
  );

  it('C-10 a number counts everywhere, 0 nowhere', () => {
    const limited = new StreamSwitch(1300, () => 0);
    expect(limited.aboveOctets).toBe(1300);
    expect(limited.streamOf(to('127.0.0.1'), 1301)).toMatchObject({ transport: 'tcp', listener: 1, port: 5060 });
    expect(new StreamSwitch(0, () => 0).aboveOctets).toBe(Number.POSITIVE_INFINITY);
  });
});
