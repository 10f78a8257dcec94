import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ParseFailure } from '#sip/errors';
import { firstListValue, splitListValues } from '#sip/header/list-values';
import { formatNameAddr, type NameAddr, parametersStart, parseNameAddr, tagOf } from '#sip/header/name-addr';
import { Parameters } from '#sip/uri/parameters';

describe('name-addr', () => {
  // Shapes of RFC 4475 3.1.1 in words of our own.
  it.each([
    ['<sip:a@b>', '', 'sip:a@b', '', true],
    ['"Alice" <sip:a@b;lr>;tag=1', '"Alice"', 'sip:a@b;lr', ';tag=1', true],
    ['Alice B. Toklas <sip:a@b?x=y,z>', 'Alice B. Toklas', 'sip:a@b?x=y,z', '', true],
    ['Alice<sip:a@b>', 'Alice', 'sip:a@b', '', true],
    ['  sip:a@b ;   tag    = 1918181833n ', '', 'sip:a@b', ';   tag    = 1918181833n', false],
    ['sip:a@b;tag=1;x', '', 'sip:a@b', ';tag=1;x', false],
    ['tel:+1-2;tag=3', '', 'tel:+1-2', ';tag=3', false],
    ['"A \\\\\\"" \t <sip:a@b>  ; tag = 98asjd8', '"A \\\\\\""', 'sip:a@b', '; tag = 98asjd8', true],
    ['"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:a@b>', '"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f"', 'sip:a@b', '', true],
    ['"<sip:evil@x>;tag=x" <sip:a@b>', '"<sip:evil@x>;tag=x"', 'sip:a@b', '', true],
    [
      "w1~` w2'+_ w3*%!.- <sip:m@e.com>;p''~+*_!.-%=\"\xd1\x80\";tag=_t~1'+`*%!-.",
      "w1~` w2'+_ w3*%!.-",
      'sip:m@e.com',
      ";p''~+*_!.-%=\"\xd1\x80\";tag=_t~1'+`*%!-.",
      true,
    ],
    ['J\xc3\xb6rg <sip:j@b>', 'J\xc3\xb6rg', 'sip:j@b', '', true],
    ['"" <sip:a@b>', '""', 'sip:a@b', '', true],
    ['<sip:a@[2001:db8::1]:5060>;tag=[::1]', '', 'sip:a@[2001:db8::1]:5060', ';tag=[::1]', true],
    [
      '<sip:a@b>;+sip.instance="<urn:uuid:1>";x="a;b,c"',
      '',
      'sip:a@b',
      ';+sip.instance="<urn:uuid:1>";x="a;b,c"',
      true,
    ],
  ])('C-22 reads %j', (value, displayName, uri, parameters, bracketed) => {
    expect(parseNameAddr(value)).toEqual({ displayName, uri, parameters: new Parameters(parameters), bracketed });
  });

  it.each([
    '',
    '  ',
    '<>',
    '<sip:a@b',
    'sip:a@b>',
    '"Mr. J. User <sip:a@b>',
    '"a" sip:a@b',
    '"a"',
    'Bell, Alexander <sip:a@b>',
    '"Watson, Thomas" < sip:a@b >',
    'a@b <sip:a@b>',
    'sip:a@b?Route=%3Csip:c%3E',
    'sip:a@b,sip:c@d',
    '<sip:a@b>, <sip:c@d>',
    '<sip:a@b> tag=1',
    '<sip:a@b>;',
    '<sip:a@b>;;;;',
    'sip:a@b;;tag=1',
    '<sip:a@b>;tag=',
    '<sip:a@b>;tag="x',
    '<sip:a@b>;tag=1;x;TAG=2',
    '<sip:a@b>;tag=1 2',
    '<sip:a b@c>',
    '<sip:a"@c>',
    '<sip:a<b>@c>',
    '<sip:a\0@c>',
    '<sip:a\r\nTo: x@c>',
    '"a\r\nTo: x" <sip:a@b>',
    '"a\nb" <sip:a@b>',
    '<sip:a@b>\r\n',
    '<sip:a@b>;x=\0',
    `<sip:${'a'.repeat(5000)}@b>`,
    `sip:${'a'.repeat(5000)}@b`,
    `<sip:a@b>${';x'.repeat(101)}`,
  ])('C-24 X-S11 refuses %j', (value) => {
    expect(parseNameAddr(value)).toBeInstanceOf(ParseFailure);
  });

  it.each([
    ['<sip:a@b>;tag=1', '1'],
    ['sip:a@b;x;TaG = 1 ;y', '1'],
    ['"x;tag=no" <sip:a@b;tag=no>;x=";tag=no";tag=yes', 'yes'],
    ['"x\\";tag=no" <sip:a@b>', ''],
    ['<sip:a@b;tag=no>', ''],
    ['<sip:a@b>;tags=1;xtag=2', ''],
    ['"unclosed ;tag=1', ''],
    ['<sip:a@b;tag=1', ''],
    ['', ''],
  ])('X-S8 finds the tag of %j', (value, tag) => {
    expect(tagOf(value)).toBe(tag);
  });

  it('X-S8 keeps a long tag as it is and knows the parameters from the URI', () => {
    const tag = 'x'.repeat(16_000);
    expect(tagOf(`<sip:a@b>;tag=${tag}`)).toBe(tag);
    expect(tagOf(parseNameAddr(`<sip:a@b>;tag=${tag}`) as NameAddr)).toBe(tag);
    expect(tagOf(parseNameAddr('<sip:a@b>') as NameAddr)).toBe('');
    expect(parametersStart('"a;b" <sip:a;b>;c')).toBe(15);
  });

  const quoted = fc.stringMatching(/^(?:[ !#-[\]-~;,<>\x80-\xff]|\\["\\a]){0,10}$/).map((text) => `"${text}"`);
  const display = fc.oneof(
    fc.constant(''),
    fc.stringMatching(/^[A-Za-z0-9.!%*_+`'~-]{1,8}( [A-Za-z0-9]{1,5}){0,2}$/),
    quoted,
  );
  const raw = fc
    .array(fc.constantFrom(';tag=1', ';lr', ';x="a;,b"', ' ; y = z', ';q=0.5'), { maxLength: 5 })
    .map((p) => {
      const list = p.filter((one, i) => p.indexOf(one) === i).join('');
      return list.trimStart();
    });
  const address = fc.record({
    displayName: display,
    uri: fc.constantFrom('sip:a@b', 'sip:a@b;lr', 'tel:+1', 'sip:a,b?c@d', 'urn:service:sos', 'sip:a@b?x=y'),
    parameters: raw.map((text) => new Parameters(text)),
    bracketed: fc.constant(true),
  });

  it('reads what it wrote', () => {
    fc.assert(
      fc.property(address, (made) => {
        expect(parseNameAddr(formatNameAddr(made))).toEqual(made);
      }),
    );
    const bare = parseNameAddr('sip:a@b;tag=1') as NameAddr;
    expect(formatNameAddr(bare)).toBe('sip:a@b;tag=1');
    expect(formatNameAddr({ ...bare, uri: 'sip:a@b;lr' })).toBe('<sip:a@b;lr>;tag=1');
    expect(formatNameAddr({ ...bare, displayName: 'A' })).toBe('A <sip:a@b>;tag=1');
  });

  it('splits what was joined', () => {
    fc.assert(
      fc.property(
        fc.array(address, { minLength: 1, maxLength: 6 }),
        fc.constantFrom(',', ', ', ' ,\t'),
        (made, comma) => {
          const values = made.map(formatNameAddr);
          const joined = values.join(comma);
          expect(splitListValues(joined)).toEqual(values);
          const { value, rest } = firstListValue(joined);
          expect(value).toBe(values[0]);
          expect(rest).toBe(values.slice(1).join(comma));
        },
      ),
    );
  });

  it('takes any text without throwing, and agrees with itself on the tag', () => {
    const unit = fc.constantFrom(...'sip:a@b;tag=1<>" \\,?\r\n\0\xff*');
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 60 }), (value) => {
        const parsed = parseNameAddr(value);
        const tag = tagOf(value);
        splitListValues(value);
        firstListValue(value);
        if (!(parsed instanceof ParseFailure)) expect(tag).toBe(tagOf(parsed));
      }),
      { numRuns: 5000 },
    );
  });
});

describe('list values', () => {
  it('C-22 leaves commas in quotes and brackets alone', () => {
    expect(splitListValues('"a, b" <sip:a,b@c>;x="d,e" , <sip:f>')).toEqual(['"a, b" <sip:a,b@c>;x="d,e"', '<sip:f>']);
    expect(splitListValues('')).toEqual([]);
    expect(splitListValues('a,, b,')).toEqual(['a', '', 'b', '']);
    expect(firstListValue(' a , b, c')).toEqual({ value: 'a', rest: 'b, c' });
    expect(firstListValue('a')).toEqual({ value: 'a', rest: '' });
    expect(firstListValue('"a, b')).toEqual({ value: '"a, b', rest: '' });
  });

  it('X-S11 X-S16 refuses unclosed quotes and brackets and more than 100 values', () => {
    expect(splitListValues('a, "b')).toMatchObject({ reason: 'unclosed quote or bracket', offset: 3 });
    expect(splitListValues('a, <b')).toMatchObject({ reason: 'unclosed quote or bracket', offset: 3 });
    expect(splitListValues(Array(100).fill('a').join())).toHaveLength(100);
    expect(splitListValues(','.repeat(1000))).toMatchObject({ reason: 'too many values' });
  });
});
