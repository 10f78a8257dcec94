import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type DigestInput,
  digestHa1,
  digestHashOf,
  digestResponse,
  formatDigest,
  parseDigest,
  parseNonceCount,
  sameResponse,
  withoutParameter,
  withParameter,
} from '#sip/auth/digest';
import { ParseFailure } from '#sip/errors';
import { quickest } from '../../torture/quickest.ts';

function parsed(text: string) {
  const result = parseDigest(text);
  if (result instanceof ParseFailure) throw new Error(`${result.reason} at ${result.offset}`);
  return result;
}

const FIRST_REGISTER =
  'Digest username="001010000000001@ims.test",realm="ims.test",nonce="",uri="sip:ims.test",response="",integrity-protected="no"';

describe('parsing of digest headers', () => {
  it('C-29 reads quoted and unquoted values, any case, odd blanks and empty list elements', () => {
    const digest = parsed(
      'dIgEsT  Username = "bob" ,, REALM=ims.test ,\r\n nonce="a\\"b\\\\c", QOP=auth,algorithm="AKAv1-MD5",',
    );
    expect(digest.get('username')).toBe('bob');
    expect(digest.get('realm')).toBe('ims.test');
    expect(digest.get('Nonce')).toBe('a"b\\c');
    expect(digest.get('qop')).toBe('auth');
    expect(digest.get('algorithm')).toBe('AKAv1-MD5');
    expect(digest.get('opaque')).toBeNull();
    expect(digest.list.map((p) => p.quoted)).toEqual([true, false, true, false, true]);
  });

  it('C-29 takes unquoted base64 and URIs', () => {
    const digest = parsed('Digest nonce=AAEC+/8=, uri=sip:ims.test;transport=udp');
    expect(digest.get('nonce')).toBe('AAEC+/8=');
    expect(digest.get('uri')).toBe('sip:ims.test;transport=udp');
  });

  it('C-29 keeps unknown parameters in order and octets above 127', () => {
    const text = 'Digest x-one="\u00ff\u00e9", realm="r", x-two=2';
    expect(formatDigest(parsed(text).list)).toBe(text);
  });

  it('C-29 tells the hash of an algorithm, MD5 where none is named', () => {
    expect([null, 'md5', 'SHA-256', 'sha-256'].map(digestHashOf)).toEqual(['MD5', 'MD5', 'SHA-256', 'SHA-256']);
    for (const other of ['', 'MD5-sess', 'SHA-256-sess', 'SHA-512-256', 'AKAv1-MD5'])
      expect(digestHashOf(other)).toBeNull();
  });

  it('C-29 reads every parameter of RFC 7616 3.4 quoted and unquoted, auth-int and user names of any kind too', () => {
    const names = [
      'username',
      'username*',
      'realm',
      'nonce',
      'uri',
      'response',
      'algorithm',
      'cnonce',
      'opaque',
      'qop',
      'nc',
    ];
    const values = ["UTF-8''J%C3%A4s%C3%B8n", 'sip:ims.test', 'auth-int', '00000001', 'SHA-256', 'true'];
    for (const value of values) {
      const text = (quote: string) =>
        `Digest ${[...names, 'userhash'].map((name) => `${name}=${quote}${value}${quote}`).join(',')}`;
      for (const quote of ['', '"']) {
        const digest = parsed(text(quote));
        expect([...names, 'userhash'].map((name) => digest.get(name))).toEqual(Array<string>(12).fill(value));
      }
    }
  });

  it('X-S10 an incomplete header is read as what it is: what is missing is not there', () => {
    const digest = parsed('Digest username="bob",nonce=""');
    expect(['username', 'nonce', 'realm', 'uri', 'response'].map((name) => digest.get(name))).toEqual([
      'bob',
      '',
      null,
      null,
      null,
    ]);
    expect(parseDigest('NoOneKnowsThisScheme opaque-data=here')).toBeInstanceOf(ParseFailure);
  });

  it('X-S14 knows no parameter that was not sent', () => {
    const digest = parsed('Digest __proto__="x", realm="r"');
    expect(digest.get('__proto__')).toBe('x');
    for (const name of ['constructor', 'toString', 'hasOwnProperty']) expect(digest.get(name)).toBeNull();
    expect(Object.hasOwn(Object.prototype, 'x')).toBe(false);
  });

  it.each([
    ['', 'scheme is not Digest'],
    ['Digest', 'no blank after the scheme'],
    ['Digest ', 'no parameters'],
    ['Digest ,,, ', 'no parameters'],
    ['Basic dXNlcg==', 'scheme is not Digest'],
    ['DigestX a=b', 'scheme is not Digest'],
    ['Digest username', '= expected'],
    ['Digest username=', 'value expected'],
    ['Digest username=,realm="r"', 'value expected'],
    ['Digest ="x"', 'parameter name expected'],
    ['Digest username="bob', 'quoted value does not end'],
    ['Digest username="bob\\"', 'quoted value does not end'],
    ['Digest username="bo\r\nb"', 'quoted value does not end'],
    ['Digest username="bob\0"', 'quoted value does not end'],
    ['Digest username="a"realm="b"', 'no comma between parameters'],
    ['Digest username="a" realm="b"', 'no comma between parameters'],
    ['Digest nonce="1", username="a", NONCE="2"', 'parameter nonce given twice'],
    ['Digest a=b, Digest c=d', '= expected'],
    [`Digest a="${'x'.repeat(17_000)}"`, 'header value too long'],
    [`Digest ${Array.from({ length: 65 }, (_, i) => `p${i}=1`).join(',')}`, 'too many parameters'],
  ])('X-S10 refuses %j', (text, reason) => {
    const result = parseDigest(text);
    expect(result).toBeInstanceOf(ParseFailure);
    expect((result as ParseFailure).reason).toBe(reason);
  });

  it('X-S13 takes no time over 16 KiB of one character', () => {
    for (const char of [' ', ',', '"', '\\', '=', 'a', '\t']) {
      for (const head of ['', 'a=', 'a="']) {
        const text = `Digest ${head}${char.repeat(16_000)}`;
        expect(
          quickest(20, () => parseDigest(text)),
          text.slice(0, 12),
        ).toBeLessThan(20);
      }
    }
  });

  it('X-S10 never throws, whatever arrives', () => {
    const piece = fc.constantFrom('Digest', ' ', ',', '=', '"', '\\', 'nonce', 'a', '\r\n', '\0', '\u00ff', 'x="y"');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const text = `Digest ${pieces.join('')}`;
        const result = parseDigest(text);
        const without = withoutParameter(text, 'nonce');
        const added = withParameter(text, 'integrity-protected', 'no', true);
        if (!(result instanceof ParseFailure) && typeof added === 'string') {
          expect(parsed(added).get('integrity-protected')).toBe('no');
        }
        expect(typeof without === 'string' || without instanceof ParseFailure).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('edits of a P-CSCF', () => {
  it('X-I3 removes every integrity-protected, whatever its case and place, and nothing else', () => {
    expect(withoutParameter(FIRST_REGISTER, 'integrity-protected')).toBe(
      'Digest username="001010000000001@ims.test",realm="ims.test",nonce="",uri="sip:ims.test",response=""',
    );
    const text = 'Digest Integrity-Protected=yes ,  realm="r" ,integrity-PROTECTED = "yes", x=1 ';
    expect(withoutParameter(text, 'integrity-protected')).toBe('Digest realm="r", x=1 ');
    expect(withoutParameter('Digest realm="integrity-protected=yes"', 'integrity-protected')).toBe(
      'Digest realm="integrity-protected=yes"',
    );
  });

  it('X-I3 leaves exactly one integrity-protected with our value', () => {
    const text = 'Digest integrity-protected="yes", realm="r", integrity-protected=yes';
    const result = withParameter(text, 'integrity-protected', 'no', true);
    expect(result).toBe('Digest realm="r", integrity-protected="no"');
    expect(withParameter('Digest integrity-protected=yes', 'integrity-protected', 'no', true)).toBe(
      'Digest integrity-protected="no"',
    );
  });

  it('S-08 takes ck and ik out of a challenge', () => {
    let text: string | ParseFailure =
      'Digest realm="ims.test", nonce="abc", algorithm=AKAv1-MD5, qop="auth", ck="00", ik="11"';
    for (const name of ['ck', 'ik']) {
      text = withoutParameter(text, name);
      if (text instanceof ParseFailure) throw new Error(text.reason);
    }
    expect(text).toBe('Digest realm="ims.test", nonce="abc", algorithm=AKAv1-MD5, qop="auth"');
  });

  it('X-I3 refuses to edit what it cannot read', () => {
    expect(withoutParameter('Digest realm="r', 'x')).toBeInstanceOf(ParseFailure);
    expect(withParameter('Basic abc', 'x', 'y', true)).toBeInstanceOf(ParseFailure);
  });

  it('C-29 escapes quotes and backslashes when writing', () => {
    const text = withParameter('Digest realm="r"', 'x', 'a"b\\', true);
    expect(text).toBe('Digest realm="r", x="a\\"b\\\\"');
    expect(parsed(text as string).get('x')).toBe('a"b\\');
  });
});

describe('digest responses', () => {
  const mufasa: DigestInput = {
    username: 'Mufasa',
    realm: 'http-auth@example.org',
    password: 'Circle of Life',
    method: 'GET',
    uri: '/dir/index.html',
    nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
    nc: '00000001',
    cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
    qop: 'auth',
  };

  it('S-10 computes the examples of RFC 7616 3.9.1', () => {
    expect(digestResponse({ ...mufasa, algorithm: 'MD5' })).toBe('8ca523f5e9506fed4657c9700eebdbec');
    expect(digestResponse({ ...mufasa, algorithm: 'SHA-256' })).toBe(
      '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1',
    );
  });

  it('S-10 computes the example of RFC 2617 3.5', () => {
    expect(
      digestResponse({
        username: 'Mufasa',
        realm: 'testrealm@host.com',
        password: 'Circle Of Life',
        method: 'GET',
        uri: '/dir/index.html',
        nonce: 'dcd98b7102dd2f0e8b11d0f600bfb0c093',
        nc: '00000001',
        cnonce: '0a4f113b',
        qop: 'auth',
      }),
    ).toBe('6629fae49393a05397450978507c4ef1');
  });

  it('S-11 takes H(A1) instead of a password', () => {
    const ha1 = digestHa1('Mufasa', 'http-auth@example.org', 'Circle of Life');
    const { username: _u, realm: _r, password: _p, ...rest } = mufasa;
    expect(digestResponse({ ...rest, ha1: ha1.toUpperCase() })).toBe(digestResponse(mufasa));
  });

  it('S-10 leaves nc, cnonce and qop out when there is no qop, and hashes the body for auth-int', () => {
    const { qop: _q, ...legacy } = mufasa;
    expect(digestResponse(legacy)).toBe(digestResponse({ ...legacy, nc: 'ignored', cnonce: 'ignored' }));
    const first = digestResponse({ ...mufasa, qop: 'auth-int', entityBody: 'v=0' });
    expect(first).not.toBe(digestResponse({ ...mufasa, qop: 'auth-int', entityBody: Buffer.from('v=1') }));
  });

  it('X-S15 hashes octets, not UTF-8', () => {
    const input = { ...mufasa, password: '\u00ff\u00fe' };
    expect(digestResponse(input)).toBe(digestResponse({ ...mufasa, password: Buffer.from([0xff, 0xfe]) }));
    expect(digestResponse(input)).not.toBe(
      digestResponse({ ...mufasa, password: Buffer.from('\u00ff\u00fe', 'utf8') }),
    );
  });

  it('S-10 compares responses without regard to hexadecimal case', () => {
    expect(sameResponse('00ffaa', '00FFaA')).toBe(true);
    expect(sameResponse('00ffaa', '00ffab')).toBe(false);
    expect(sameResponse('00ffaa', '00ffaa0')).toBe(false);
    expect(sameResponse('00ffaa', '')).toBe(false);
  });

  it('S-10 takes nc only as eight hexadecimal digits', () => {
    expect(parseNonceCount('0000000a')).toBe(10);
    expect(parseNonceCount('FFFFFFFF')).toBe(0xffffffff);
    for (const text of ['1', '000000001', '0000000g', '0x000001', ' 0000001', '-0000001']) {
      expect(parseNonceCount(text)).toBeInstanceOf(ParseFailure);
    }
  });
});
