import { describe, expect, it } from 'vitest';
import { applyEnumRule, parseEnumRule } from '#ims/enum-rule';
import { ParseFailure } from '#sip/errors';
import { quickest } from '../torture/quickest.ts';

const apply = (field: string, number = '+15550002'): string | null => {
  const rule = parseEnumRule(field);
  if (rule instanceof ParseFailure) throw new Error(`${field}: ${rule.reason}`);
  return applyEnumRule(rule, number);
};

describe('the rule of a NAPTR record', () => {
  it.each([
    ['S-113 replaces the whole number', '!^.*$!sip:bob@ims.test!', 'sip:bob@ims.test'],
    ['S-113 puts groups in their places', '!^\\+1(555)(.*)$!sip:\\2-\\1@ims.test!', 'sip:0002-555@ims.test'],
    ['S-113 \\0 is the match', '!^.*$!sip:\\0@ims.test;user=phone!', 'sip:+15550002@ims.test;user=phone'],
    [
      'S-113 groups within groups, by their opening brackets',
      '!^\\+((1)(5+))0(.*)$!sip:\\3.\\2.\\1.\\4@x!',
      'sip:555.1.1555.002@x',
    ],
    ['S-113 a group that took no part is empty', '!^(\\+44)?(.*)$!sip:\\1\\2@x!', 'sip:+15550002@x'],
    ['S-113 a repeated group is its last turn', '!^(\\+|[0-9])+$!sip:\\1@x!', 'sip:2@x'],
    ['S-113 takes as much as it can', '!^\\+(.*)0(.*)$!sip:\\1-\\2@x!', 'sip:155500-2@x'],
    ['S-113 any other delimiter', '/^.*$/sip:a@x/', 'sip:a@x'],
    ['S-113 an escaped delimiter is a character', '!^.*$!sip:a\\!b@x!', 'sip:a!b@x'],
    ['S-113 letters in both cases with the flag', '!^\\+1.*$!sip:a@x!i', 'sip:a@x'],
    ['S-113 a plus sign that was not escaped', '!^+1(.*)$!sip:\\1@x!', 'sip:5550002@x'],
    ['S-113 keeps what stands around the match', '!555!-!', '+1-0002'],
    ['S-113 the leftmost match', '!0!x!', '+1555x002'],
  ])('%s', (_name, field, result) => {
    expect(apply(field)).toBe(result);
  });

  it('S-113 gives nothing where the expression does not match', () => {
    expect(apply('!^\\+44.*$!sip:a@x!')).toBe(null);
    expect(apply('!^\\+1$!sip:a@x!')).toBe(null);
  });

  it('S-113 agrees with RegExp wherever both mean the same', () => {
    const parts = ['(.*)', '(\\+1)?', '(5+)', '(55|5)', '([0-9]*)', '(0|00|)*', '(5(5)?)', '.', '[^5]*', '(1|(5))*'];
    let compared = 0;
    for (const a of parts) {
      for (const b of parts) {
        for (const c of parts) {
          const expression = `^${a}${b}${c}`;
          const found = new RegExp(expression).exec('+15550002')!;
          // An empty turn of a loop leaves other groups in RegExp than anywhere else.
          if (found === null || expression.includes('*)*') || expression.includes('|)*') || expression.includes('))*'))
            continue;
          const expected = `${[1, 2, 3].map((n) => found[n] ?? '').join('|')}${'+15550002'.slice(found[0].length)}`;
          expect(apply(`!${expression}!\\1|\\2|\\3!`), expression).toBe(expected);
          compared++;
        }
      }
    }
    expect(compared).toBeGreaterThan(250);
  });

  it.each([
    ['nothing', ''],
    ['one part', '!^.*$!'],
    ['no end', '!^.*$!sip:a@x'],
    ['a digit for a delimiter', '1^.*$1sip:a@x1'],
    ['a backslash for a delimiter', '\\^.*$\\sip:a@x\\'],
    ['unknown flags', '!^.*$!sip:a@x!g'],
    ['a broken expression', '!^(.*$!sip:a@x!'],
    ['a back-reference in the expression', '!^(.)\\1$!sip:a@x!'],
    ['an expression too large', '!^((.{255}){255}){255}$!sip:a@x!'],
    ['a rule too long', `!^.*$!sip:${'a'.repeat(255)}@x!`],
  ])('S-113 refuses %s', (_name, field) => {
    expect(parseEnumRule(field)).toBeInstanceOf(ParseFailure);
  });

  it('S-113 X-F5 takes no longer for an expression that would ruin a backtracking engine', () => {
    const rule = parseEnumRule('!^(([0-9+]*)*)*x$!sip:\\1@x!');
    if (rule instanceof ParseFailure) throw new Error(rule.reason);
    expect(quickest(20, () => applyEnumRule(rule, '+123456789012345'))).toBeLessThan(20);
  });
});
