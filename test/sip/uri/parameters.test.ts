import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ParseFailure } from '#sip/errors';
import { Parameters, parseHeaderParameters, withoutParameter, withParameter } from '#sip/uri/parameters';

const token = fc.stringMatching(/^[A-Za-z0-9.!%*_+`'~-]{1,12}$/);
const plain = fc.stringMatching(/^[A-Za-z0-9.!%*_+:/[\]@=-]{1,12}$/);
const quoted = fc.stringMatching(/^(?:[ !#-[\]-~;,<>]|\\["\\a;]){0,12}$/).map((text) => `"${text}"`);
const pair = fc.record({ name: token, value: fc.oneof(fc.constant(''), plain, quoted) });
const distinct = fc.uniqueArray(pair, { maxLength: 12, selector: (p) => p.name.toLowerCase() });
const write = (pairs: ReadonlyArray<{ name: string; value: string }>) =>
  pairs.map(({ name, value }) => (value === '' ? `;${name}` : `;${name}=${value}`)).join('');

describe('parameters', () => {
  it('C-22 finds names in any case and gives values as received', () => {
    const list = new Parameters(';Transport=TCP;lr;+sip.Instance="<urn:uuid:A;b>" ; q = 0.5');
    expect(list.get('transport')).toBe('TCP');
    expect(list.get('LR')).toBe('');
    expect(list.get('+SIP.instance')).toBe('"<urn:uuid:A;b>"');
    expect(list.get('Q')).toBe('0.5');
    expect(list.get('b')).toBeNull();
    expect(list.get('')).toBeNull();
    expect(list.has('lr')).toBe(true);
    expect(list.has('l')).toBe(false);
    expect(list.has('transport=')).toBe(false);
  });

  it('C-22 does not look for parameters inside quoted strings', () => {
    const list = new Parameters(';x="a;tag=evil\\";tag=worse";tag=real');
    expect(list.get('tag')).toBe('real');
    expect(withoutParameter(list.raw, 'tag')).toBe(';x="a;tag=evil\\";tag=worse"');
    expect(withParameter(list.raw, 'TAG', 'new')).toBe(';x="a;tag=evil\\";tag=worse";tag=new');
    expect(list.entries().map((entry) => entry.name)).toEqual(['x', 'tag']);
  });

  it('X-S14 takes names of object members as plain names', () => {
    const list = new Parameters(';a=1');
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      expect(list.get(name)).toBeNull();
      expect(new Parameters(withParameter(list.raw, name, 'x')).get(name)).toBe('x');
    }
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  it('replaces the first occurrence and drops the others', () => {
    expect(withParameter(';a=1;B=2;b;c', 'b', '3')).toBe(';a=1;B=3;c');
    expect(withParameter(';a=1;b=2', 'b', null)).toBe(';a=1;b');
    expect(withParameter('', 'lr', null)).toBe(';lr');
    expect(withoutParameter(';b;a=1;B=2;b="x;y"', 'b')).toBe(';a=1');
    expect(withoutParameter(';ab=1', 'b')).toBe(';ab=1');
  });

  it('reads what it wrote', () => {
    fc.assert(
      fc.property(distinct, (pairs) => {
        const raw = write(pairs);
        const parsed = parseHeaderParameters(raw, 0);
        expect(parsed).not.toBeInstanceOf(ParseFailure);
        const list = parsed as Parameters;
        expect(list.raw).toBe(raw);
        expect(list.entries()).toEqual(pairs);
        for (const { name, value } of pairs) expect(list.get(name.toUpperCase())).toBe(value);
      }),
    );
  });

  it('setting and removing leaves all other parameters alone', () => {
    fc.assert(
      fc.property(distinct, token, plain, (pairs, name, value) => {
        const others = pairs.filter((p) => p.name.toLowerCase() !== name.toLowerCase());
        expect(new Parameters(withoutParameter(write(pairs), name)).entries()).toEqual(others);
        const set = new Parameters(withParameter(write(pairs), name, value));
        expect(set.get(name)).toBe(value);
        expect(new Parameters(withoutParameter(set.raw, name)).entries()).toEqual(others);
      }),
    );
  });

  it('takes any text without throwing', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...';="\\ ab,<>\t\r\n\0\xff'), maxLength: 60 }), (raw) => {
        const list = new Parameters(raw);
        list.entries();
        expect(new Parameters(withoutParameter(raw, 'a')).raw.length).toBeLessThanOrEqual(raw.length);
        const parsed = parseHeaderParameters(raw, 0);
        if (!(parsed instanceof ParseFailure))
          expect(parsed.has('a')).toBe(parsed.entries().some((e) => /^a$/i.test(e.name)));
      }),
    );
  });

  it.each([
    [';', 'malformed parameter'],
    [';;a', 'malformed parameter'],
    [';a=', 'malformed parameter'],
    [';a="x', 'malformed parameter'],
    [';a="x\\', 'malformed parameter'],
    [';a=x y', 'unexpected character before a parameter'],
    [';a,b', 'unexpected character before a parameter'],
    [';a="x"y', 'unexpected character before a parameter'],
    [';a=x\r\n;b', 'unexpected character before a parameter'],
    ['a', 'unexpected character before a parameter'],
    [';a="\0"', 'malformed parameter'],
  ])('X-S11 refuses %j', (raw, reason) => {
    expect(parseHeaderParameters(raw, 0)).toMatchObject({ reason });
  });

  it('X-S16 refuses more than 100 parameters', () => {
    expect(parseHeaderParameters(';a'.repeat(100), 0)).toBeInstanceOf(Parameters);
    expect(parseHeaderParameters(';a'.repeat(101), 0)).toMatchObject({ reason: 'too many parameters' });
  });
});
