import { describe, expect, it } from 'vitest';
import { ParseFailure } from '#sip/errors';
import {
  formatIpsecMechanism,
  formatSecurityMechanism,
  type IpsecMechanism,
  parseIpsecMechanism,
  parseSecurityMechanisms,
  type SecurityMechanism,
  sameSecurityFields,
} from '#sip/header/security-mechanism';

function parse(...fields: string[]): SecurityMechanism[] {
  const parsed = parseSecurityMechanisms(fields);
  if (parsed instanceof ParseFailure) throw new Error(parsed.reason);
  return parsed;
}

const flow = 'prot=esp;mod=trans;spi-c=11111;spi-s=4294967295;port-c=50600;port-s=50601';
const mechanism: IpsecMechanism = {
  alg: 'hmac-sha-1-96',
  ealg: 'aes-cbc',
  prot: 'esp',
  mod: 'trans',
  spiC: 11111,
  spiS: 4_294_967_295,
  portC: 50600,
  portS: 50601,
};

describe('Security-Client, Security-Server, Security-Verify', () => {
  it('P-12 reads comma lists and several fields, whatever their length', () => {
    const algs = ['hmac-md5-96', 'hmac-sha-1-96'].flatMap((alg) =>
      ['des-ede3-cbc', 'aes-cbc', 'null'].map((ealg) => [alg, ealg]),
    );
    const values = algs.map(([alg, ealg]) => `ipsec-3gpp;alg=${alg};ealg=${ealg};${flow}`);
    const all = parse(values.join(', '), `tls;q=0.2, ${values.join(',')}`);
    expect(all).toHaveLength(13);
    expect(all.filter(({ name }) => name === 'ipsec-3gpp').map(parseIpsecMechanism)).toEqual(
      [...algs, ...algs].map(([alg, ealg]) => ({ ...mechanism, alg, ealg })),
    );
    expect([all[6]!.name, all[6]!.q, all[0]!.q]).toEqual(['tls', 200, -1]);
  });

  it('P-12 takes parameters in any order and case, and knows what an absent one means', () => {
    const [first] = parse(
      'IPSEC-3GPP ; Port-S=50601;PORT-C = 50600;spi-s="4294967295";Alg=HMAC-SHA-1-96;SPI-C=11111;x=y',
    );
    expect(parseIpsecMechanism(first!)).toEqual({ ...mechanism, ealg: 'null' });
  });

  it.each([
    ['no alg', 'spi-c=1;spi-s=2;port-c=3;port-s=4', 'no alg'],
    ['no SPI', 'alg=x;spi-s=2;port-c=3;port-s=4', 'no proper spi-c'],
    ['an SPI that is none', 'alg=x;spi-c=1;spi-s=0x2;port-c=3;port-s=4', 'no proper spi-s'],
    ['an SPI of 33 bits', 'alg=x;spi-c=1;spi-s=4294967296;port-c=3;port-s=4', 'no proper spi-s'],
    ['no port', 'alg=x;spi-c=1;spi-s=2;port-c=3', 'no proper port-s'],
    ['a port of 17 bits', 'alg=x;spi-c=1;spi-s=2;port-c=65536;port-s=4', 'no proper port-c'],
    [
      'parameters inside a quoted alg',
      'alg="x;ealg=null";spi-c=1;spi-s=2;port-c=3;port-s=4',
      'an algorithm or mode that is no token',
    ],
    [
      'a list inside a quoted ealg',
      'alg=x;ealg="null, tls";spi-c=1;spi-s=2;port-c=3;port-s=4',
      'an algorithm or mode that is no token',
    ],
    ['port 0', 'alg=x;spi-c=1;spi-s=2;port-c=0;port-s=4', 'port of 0'],
  ])('P-12 a value with %s is of no use', (_, parameters, reason) => {
    expect(parseIpsecMechanism(parse(`ipsec-3gpp;${parameters}`)[0]!)).toMatchObject({ reason });
  });

  it('P-12 skips what it cannot read, and does not take another mechanism for IPsec', () => {
    const all = parse(`;x, ipsec-3gpp;;x, , @, tls, ipsec-3gpp;alg=x;${flow}`);
    expect(all.map(({ name }) => name)).toEqual(['tls', 'ipsec-3gpp']);
    expect(parseIpsecMechanism(all[0]!)).toBeInstanceOf(ParseFailure);
    expect(parseSecurityMechanisms(['tls;x="'])).toBeInstanceOf(ParseFailure);
  });

  it('P-36 writes one value with all that matters, and reads it again', () => {
    const text = formatIpsecMechanism(mechanism, 100);
    expect(text).toBe(`ipsec-3gpp;q=0.1;${flow};alg=hmac-sha-1-96;ealg=aes-cbc`);
    const [again] = parse(text);
    expect([again!.q, parseIpsecMechanism(again!)]).toEqual([100, mechanism]);
    expect(formatIpsecMechanism(mechanism)).toBe(`ipsec-3gpp;${flow};alg=hmac-sha-1-96;ealg=aes-cbc`);
    const unknown = 'ipsec-3gpp;alg=x;new="a, b"';
    expect(formatSecurityMechanism(parse(unknown)[0]!)).toBe(unknown);
  });

  const server = formatIpsecMechanism(mechanism, 100);

  it.each([
    ['the same', [server], true],
    ['other blanks', [server.replaceAll(';', ' ; ').replaceAll('=', ' = ')], true],
    ['another order', [`ipsec-3gpp;alg=hmac-sha-1-96;ealg=aes-cbc;${flow};q=0.1`], true],
    ['another case', [server.toUpperCase()], true],
    ['nothing', [], false],
    ['a value more', [server, server], false],
    ['a value more that cannot be read', [`${server}, ;x`], false],
    ['another algorithm', [server.replace('aes-cbc', 'null')], false],
    ['another SPI', [server.replace('11111', '11112')], false],
    ['a parameter less', [server.replace(';ealg=aes-cbc', '')], false],
    ['a parameter more', [`${server};ealg=null`], false],
    ['another preference', [server.replace('q=0.1', 'q=0.2')], false],
    [
      'half of two parameters in one',
      [server.replace(';alg=hmac-sha-1-96;ealg=aes-cbc', ';alg="hmac-sha-1-96;ealg=aes-cbc"')],
      false,
    ],
  ])('P-41 X-I11 compares value by value: %s', (_, verify, same) => {
    expect(sameSecurityFields(verify, [server])).toBe(same);
    expect(sameSecurityFields([server], verify)).toBe(same);
  });

  it('P-41 lists compare in their order, split over fields as they like', () => {
    const [a, b] = ['tls;q=0.2', 'ipsec-3gpp;alg=x'];
    expect(sameSecurityFields([`${a},${b}`], [a!, b!])).toBe(true);
    expect(sameSecurityFields([`${b},${a}`], [a!, b!])).toBe(false);
  });
});
