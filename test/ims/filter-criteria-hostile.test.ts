import { describe, expect, it } from 'vitest';
import { evaluationSteps } from '#ims/filter-context';
import { compileCriteria, nextMatch } from '#ims/filter-criteria';
import { explainCriteria } from '#ims/filter-criteria-explanation';
import type { ServicePointTrigger } from '#ims/filter-criterion';
import type { SipRequest } from '#sip/message/request';
import { quickest } from '../torture/quickest.ts';
import { about, criterion, invite, spt } from './filter-criteria-fixture.ts';

/** Values are set, since the parser lets no line of this length in: an application server's edit might. */
function withHeader(name: string, value: string): SipRequest {
  const request = invite();
  request.headers.set(name, value);
  return request;
}

const header = (content: string, name = 'Subject') => spt({ kind: 'sip-header', header: name, content });

const catastrophic = [
  '(a+)+$',
  '^(a|a)*$',
  '^(a*)*b',
  '(a|a?)+c',
  '(.*)(.*)(.*)(.*)(.*)x',
  '^(a?){200}a{200}$',
  '((a{0,20}){0,20}){0,2}c',
  '(x+x+)+y',
  '^(([a-z])+.)+[A-Z]([a-z])+$',
];

describe('hostile filter criteria', () => {
  it.each(catastrophic)('S-92 X-D9 %s takes linear time on 100 kB', (expression) => {
    const request = withHeader('Subject', `${'a'.repeat(100_000)}!`);
    const compiled = compileCriteria([criterion([header(expression)])]);
    expect(compiled.warnings).toEqual([]);
    expect(quickest(150, () => nextMatch(compiled, -1, about(request)))).toBeLessThan(150);
    expect(nextMatch(compiled, -1, about(request))).toBe(-1);
  });

  it('S-92 X-D9 a plain text is found in linear time, even a repeating one', () => {
    const request = withHeader('Subject', 'a'.repeat(100_000));
    const compiled = compileCriteria([
      criterion([header(`b${'a'.repeat(1000)}`), header(`${'a'.repeat(500)}b`)], true),
    ]);
    expect(quickest(100, () => nextMatch(compiled, -1, about(request)))).toBeLessThan(100);
    expect(nextMatch(compiled, -1, about(request))).toBe(-1);
  });

  it('S-92 X-D9 an evaluation ends after a number of steps, and then nothing holds, negated or not', () => {
    // Each one different, so that none is known from another one.
    const spts: ServicePointTrigger[] = Array.from({ length: 120 }, (_, n) => header(`(a|b|c+)*${n}[0-9]$`));
    const last = { ...header('zz$'), negated: true };
    const request = withHeader('Subject', 'abc'.repeat(33_000));
    const compiled = compileCriteria([criterion(spts, true), criterion([last], true, 1)]);
    expect(quickest(400, () => nextMatch(compiled, -1, about(request)))).toBeLessThan(400);
    expect(120 * 99_000).toBeGreaterThan(evaluationSteps);
    expect(nextMatch(compiled, -1, about(request))).toBe(-1);
    const explained = explainCriteria(compiled, about(request));
    expect(explained[1]).toMatchObject({ matches: false });
    expect(explained[1]!.triggers[0]).toMatchObject({
      holds: false,
      why: 'the expressions take too long on this request',
    });
    // The next evaluation has steps of its own.
    expect(nextMatch(compiled, 0, about(request))).toBe(1);
    expect(nextMatch(compiled, -1, about(withHeader('Subject', 'abc')))).toBe(1);
  });

  it('X-D9 expressions of one profile are compiled within common bounds', () => {
    const spts = Array.from({ length: 1000 }, (_, n) => header(`(x|y{250}){0,2}${n}`));
    let warnings: readonly string[] = [];
    const tookMs = quickest(400, () => {
      warnings = compileCriteria([criterion(spts)]).warnings;
    });
    expect(tookMs).toBeLessThan(400);
    expect(warnings).toHaveLength(20);
    expect(warnings[0]).toContain('too large together');
    const single = compileCriteria([criterion([header('((a{255}){255}){255}')])]);
    expect(single.warnings[0]).toContain('states');
  });

  it('X-D9 a request of the largest size and the largest profile do not hold a thread up', () => {
    const lines = Array.from({ length: 95 }, (_, i) => `X-A${i}: ${'ab, '.repeat(300)}`);
    const request = invite(lines);
    const spts = Array.from({ length: 1024 }, (_, n) => header(`^(a|b)+,[^x]*${n}$`, '.*'));
    const criteria = Array.from({ length: 8 }, (_, n) => criterion(spts.slice(n * 128, n * 128 + 128), true));
    const compiled = compileCriteria(criteria);
    expect(compiled.triggers).toHaveLength(1024);
    expect(quickest(300, () => nextMatch(compiled, -1, about(request)))).toBeLessThan(300);
  });

  it('X-D9 reads any octets as an expression without throwing', () => {
    const alphabet = '()[]{}|*+?\\^$.-,:=a19\xe9\0';
    let seed = 5;
    for (let round = 0; round < 3000; round++) {
      let text = '';
      for (let i = 0; i < 10; i++) {
        seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
        text += alphabet[(seed >>> 8) % alphabet.length];
      }
      const line = spt({ kind: 'session-description', line: text, content: text });
      const uri = spt({ kind: 'request-uri', pattern: text });
      const compiled = compileCriteria([criterion([header(text, text), line, uri], true)]);
      nextMatch(compiled, -1, about(invite(['X-a: a1\xe9'])));
      explainCriteria(compiled, about(invite()));
    }
  });

  it('X-S14 leaves Object.prototype alone', () => {
    const before = Object.getOwnPropertyNames(Object.prototype).length;
    const spts = [header('__proto__', '__proto__'), header('x', 'constructor')];
    const compiled = compileCriteria([criterion(spts.map((one) => ({ ...one, groups: [0, 1] })))]);
    nextMatch(compiled, -1, about(withHeader('__proto__', '__proto__')));
    explainCriteria(compiled, about(withHeader('__proto__', '__proto__')));
    expect(Object.getOwnPropertyNames(Object.prototype)).toHaveLength(before);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });
});
