import { describe, expect, it } from 'vitest';
import { decodeMessage } from '#diameter/codec/decode';
import { encodeAvps } from '#diameter/codec/encode';
import { rxDictionary } from '#diameter/dictionary/rx';
import { DecodeFailure } from '#diameter/errors';
import { framedAddressAvp, readFramedAddress } from '#diameter/rx/framed-address';
import { raw, rawMessage } from './raw-avp.ts';

function encoded(address: string, prefixLength = 128): Buffer | undefined {
  const avp = framedAddressAvp({ address, prefixLength });
  return avp === undefined ? undefined : encodeAvps([avp]);
}

function read(octets: Buffer) {
  const message = decodeMessage(rawMessage({ command: 265, flags: 0xc0, hopByHop: 1 }, [octets]), rxDictionary);
  return message instanceof DecodeFailure ? message.resultCode : readFramedAddress(message.avps);
}

describe('Framed addresses', () => {
  it('D-70 E.6 Open5GS: Framed-IP-Address is exactly the 4 octets of the address', () => {
    expect(encoded('10.46.0.5')).toEqual(raw(8, 'M', Buffer.from('0a2e0005', 'hex')));
    expect(encoded('::ffff:10.46.0.5')).toEqual(raw(8, 'M', Buffer.from('0a2e0005', 'hex')));
  });

  it('D-70 E.6 Open5GS: Framed-IPv6-Prefix is exactly 18 octets with prefix length 128', () => {
    const expected = Buffer.from('008020010db8cafe0000000000000000002a', 'hex');
    expect(expected).toHaveLength(18);
    expect(encoded('2001:db8:cafe::2a')).toEqual(raw(97, 'M', expected));
  });

  it('D-70 a shorter prefix keeps 18 octets, with nothing behind the prefix', () => {
    const expected = Buffer.from('004020010db8cafe00010000000000000000', 'hex');
    expect(encoded('2001:db8:cafe:1:2:3:4:5', 64)).toEqual(raw(97, 'M', expected));
    expect(encoded('ffff::ffff', 3)).toEqual(raw(97, 'M', Buffer.from(`0003e0${'00'.repeat(15)}`, 'hex')));
  });

  it('D-70 what is no address is not told', () => {
    for (const text of ['', 'ue.example', '10.0.0', '1:2:3', '[2001:db8::1]']) expect(encoded(text)).toBeUndefined();
  });

  it('X-D2 reads prefixes of any length, and nothing out of octets that cannot be', () => {
    expect(read(encoded('10.46.0.5')!)).toEqual({ address: '10.46.0.5', prefixLength: 32 });
    expect(read(encoded('2001:db8::1')!)).toEqual({ address: '2001:db8::1', prefixLength: 128 });
    const short = raw(97, 'M', Buffer.from('004020010db8cafe0001', 'hex'));
    expect(read(short)).toEqual({ address: '2001:db8:cafe:1::', prefixLength: 64 });
    for (const bad of ['0081', '004020010db8']) {
      expect(read(raw(97, 'M', Buffer.from(bad, 'hex')))).toBeUndefined();
    }
    for (const bad of ['', '00', `0080${'00'.repeat(17)}`]) {
      expect(read(raw(97, 'M', Buffer.from(bad, 'hex')))).toBe(5014);
    }
    for (const bad of ['0a2e00', '0a2e000501']) expect(read(raw(8, 'M', Buffer.from(bad, 'hex')))).toBe(5014);
  });
});
