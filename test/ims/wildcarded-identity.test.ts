import { describe, expect, it } from 'vitest';
import { compileExpression, matchesExpression } from '#ims/extended-expression';
import { matchesWildcard, parseWildcard } from '#ims/wildcarded-identity';
import { ParseFailure } from '#sip/errors';
import { quickest } from '../torture/quickest.ts';

const matches = (expression: string, text: string): boolean => {
  const compiled = compileExpression(expression);
  if (compiled instanceof ParseFailure) throw new Error(`${expression}: ${compiled.reason}`);
  return matchesExpression(compiled, text);
};

const fits = (text: string, impu: string): boolean => {
  const wildcard = parseWildcard(text);
  if (wildcard instanceof ParseFailure) throw new Error(`${text}: ${wildcard.reason}`);
  return matchesWildcard(wildcard, impu);
};

describe('compileExpression', () => {
  it.each([
    ['S-26 any characters', '.*', ['', 'a', 'a.b'], []],
    ['S-26 a literal, the whole of it', 'abc', ['abc'], ['ab', 'abcd', 'xabc', 'ABC', '']],
    ['S-26 alternatives, one of them empty', 'a|bc|', ['a', 'bc', ''], ['b', 'abc']],
    ['S-26 groups and repetitions', '(ab)+c?d*', ['ab', 'ababcdd'], ['', 'abccd']],
    ['S-26 counts', '[0-9]{3}x{2,}y{0,2}', ['123xx', '123xxxyy'], ['12xx', '123x', '123xxyyy']],
    ['S-26 a count of nothing', 'a{0}b', ['b'], ['ab']],
    ['S-26 sets with ranges, negation, bracket and hyphen', '[^a-c][]x][a-]', ['d]a', 'zx-'], ['a]a', 'd]b']],
    ['S-26 named classes', '[[:alpha:]_][[:digit:][:punct:]]', ['a1', '_!'], ['11', 'aa']],
    ['S-26 a backslash in a set is one', '[\\.]', ['\\', '.'], ['a']],
    ['S-26 escaped characters and the usual classes', '\\+\\d\\.\\w\\S', ['+1.a/'], ['11.a/', '+1.a ']],
    ['S-26 anchors', '^(a|^b)$', ['a', 'b'], ['ab']],
    ['S-26 anchors that cannot hold', 'a^b', [], ['ab', 'a^b']],
    ['S-26 empty loops', '(a*)*(b?){3}', ['', 'aab', 'abbb'], ['abbbb']],
  ] as const)('%s', (_name, expression, yes, no) => {
    for (const text of yes) expect(matches(expression, text), text).toBe(true);
    for (const text of no) expect(matches(expression, text), text).toBe(false);
  });

  it('S-26 agrees with RegExp wherever both mean the same', () => {
    const atoms = ['a', 'b', '.', '[ab]', '[^a]', '(a|b)', '(ab)', '(a|)', '(b(a|b))'];
    const marks = ['', '', '*', '+', '?', '{2}', '{1,2}', '{2,}'];
    let seed = 7;
    const pick = <T>(from: readonly T[]): T => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      return from[(seed >>> 8) % from.length]!;
    };
    for (let round = 0; round < 400; round++) {
      const part = () => Array.from({ length: pick([1, 2, 3]) }, () => pick(atoms) + pick(marks)).join('');
      const expression = pick([true, false]) ? part() : `${part()}|${part()}`;
      const native = new RegExp(`^(?:${expression})$`);
      for (let i = 0; i < 10; i++) {
        const text = Array.from({ length: pick([0, 1, 2, 3, 5, 7]) }, () => pick(['a', 'b', 'c'])).join('');
        expect(matches(expression, text), `${expression} ${text}`).toBe(native.test(text));
      }
    }
  });

  it('S-26 refuses what is no extended expression', () => {
    const wrong = [
      ...['(', ')', 'a)', '[a', '[', '*a', '+', '?', 'a**', 'a{', 'a{1', 'a{x}', 'a{2,1}', 'a{256}', 'a{1,2,3}', '{1}'],
      ...[
        '(?i)a',
        '(?=a)',
        '\\1',
        '\\',
        '\\b',
        '\\p',
        '[z-a]',
        '[[:none:]]',
        '[[.a.]]',
        '[[=a=]]',
        '[a-[:digit:]]',
        'a{}',
      ],
      ...['a{0,256}', 'a{,5}', '[]', '[^]', '(|*)', 'a|*'],
    ];
    for (const expression of wrong) expect(compileExpression(expression), expression).toBeInstanceOf(ParseFailure);
  });

  it('S-26 bounds length, depth and states', () => {
    const wrong = [
      'a'.repeat(257),
      `${'('.repeat(40)}a${')'.repeat(40)}`,
      '(((a{255}){255}){255}){255}',
      '(.{30}){30}',
    ];
    const tookMs = quickest(200, () => {
      for (const expression of wrong) expect(compileExpression(expression)).toBeInstanceOf(ParseFailure);
      for (const nothing of ['()', 'a{0}', '(|){0}']) {
        expect(matches(`((((${nothing}){255}){255}){255}){255}`, '')).toBe(true);
      }
    });
    expect(tookMs).toBeLessThan(200);
    expect(matches('a'.repeat(256), 'a'.repeat(256))).toBe(true);
    expect(matches('.{0,250}', 'a'.repeat(250))).toBe(true);
    expect(matches('.{0,250}', 'a'.repeat(251))).toBe(false);
  });

  it('S-26 takes linear time where backtracking takes for ever', () => {
    const text = `${'a'.repeat(500)}b`;
    const tookMs = quickest(500, () => {
      for (const expression of ['(a+)+', '(a|a)*', '(a*)*', '(a|a?)+', '(.*)(.*)(.*)(.*)x', '(a?){160}a{160}']) {
        expect(matches(expression, text), expression).toBe(false);
      }
    });
    expect(tookMs).toBeLessThan(500);
  });

  it('S-26 reads any octets without throwing', () => {
    let seed = 3;
    const alphabet = '()[]{}|*+?\\^$.-,:=a19\xe9';
    for (let round = 0; round < 5000; round++) {
      let text = '';
      for (let i = 0; i < 12; i++) {
        seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
        text += alphabet[(seed >>> 8) % alphabet.length];
      }
      const compiled = compileExpression(text);
      if (!(compiled instanceof ParseFailure)) matchesExpression(compiled, 'a1\xe9\u1234(');
    }
  });
});

describe('parseWildcard', () => {
  it('S-26 takes the text between ! for an expression, the rest literally', () => {
    expect(fits('sip:chatlist!.*!@example.com', 'sip:chatlist1@example.com')).toBe(true);
    expect(fits('sip:chatlist!.*!@example.com', 'sip:chatlist@example.com')).toBe(true);
    expect(fits('sip:chatlist!.*!@example.com', 'sip:Chatlist1@example.com')).toBe(false);
    expect(fits('sip:a.c!.*!@example.com', 'sip:abc1@example.com')).toBe(false);
    expect(fits('sip:!.*!@example.com', 'sip:x@example.com.evil')).toBe(false);
    expect(fits('sip:!.+!@example.com', 'sips:x@example.com')).toBe(false);
    expect(fits('sip:ab!.*!ba@x.test', 'sip:aba@x.test')).toBe(false);
  });

  it('S-26 matches the reduced URI: host in lower case, no parameters, no port, escapes undone', () => {
    expect(fits('SIP:bob-!.*!@IMS.Test:5060;user=phone', 'sip:bob-1@ims.test')).toBe(true);
    expect(fits('sip:b%6Fb%21-![0-9]!@ims.test', 'sip:bob!-1@ims.test')).toBe(true);
    expect(fits('tel:+1-555-![0-9]{4}!', 'tel:+15551234')).toBe(true);
    expect(fits('tel:+1-555-![0-9]{4}!', 'tel:+155512345')).toBe(false);
    expect(fits('tel:!\\+1[0-9]*!', 'tel:+1555')).toBe(true);
    expect(fits('tel:7!.*!;phone-context=IMS.test', 'tel:712;phone-context=ims.test')).toBe(true);
  });

  it('S-26 takes the outer pair of more than two', () => {
    expect(fits('sip:!a!b!@x.test', 'sip:a!b@x.test')).toBe(true);
  });

  it('S-26 counts the literal characters', () => {
    expect(parseWildcard('sip:bob-!.*!@ims.test;x=y')).toMatchObject({ literalLength: 'sip:bob-@ims.test'.length });
  });

  it('S-26 refuses what is no wildcard', () => {
    const wrong = ['sip:bob@ims.test', 'sip:bob!@ims.test', '', '!', '!!', '!.*!', 'mailto:!.*!@x', 'sip:a!(!@x.test'];
    wrong.push('sip:a@x.test;p=!.*!', `sip:!.*!@${'x'.repeat(600)}`);
    for (const text of wrong) expect(parseWildcard(text), text).toBeInstanceOf(ParseFailure);
  });
});
