import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileCriteria, nextMatch } from '#ims/filter-criteria';
import { explainCriteria } from '#ims/filter-criteria-explanation';
import type { FilterCriterion, ServicePointTrigger } from '#ims/filter-criterion';
import { about, criterion, invite, matching, spt } from './filter-criteria-fixture.ts';

/** A condition of the brute force: what it should come to is known beforehand. */
interface Known {
  readonly groups: readonly number[];
  readonly negated: boolean;
  readonly value: boolean;
  readonly kind: number;
}

const known: fc.Arbitrary<Known> = fc.record({
  groups: fc.uniqueArray(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 3 }),
  negated: fc.boolean(),
  value: fc.boolean(),
  kind: fc.integer({ min: 0, max: 3 }),
});

const point = fc.record({
  cnf: fc.boolean(),
  spts: fc.array(known, { maxLength: 8 }),
  part: fc.constantFrom(null, 0 as const, 1 as const),
  priority: fc.integer({ min: 0, max: 3 }),
});

/** Some condition that holds for the request of the test, or does not. */
function conditionOf({ groups, negated, value, kind }: Known): ServicePointTrigger {
  const conditions = [
    { kind: 'method', method: value ? 'INVITE' : 'BYE' },
    { kind: 'session-case', sessionCase: value ? 0 : 1 },
    { kind: 'request-uri', pattern: value ? '^sip:(bob|carol)@' : '^tel:' },
    { kind: 'sip-header', header: value ? '^F.*m$' : 'Subject', content: null },
  ];
  return { ...spt(conditions[kind]!), groups, negated };
}

/** Every group in turn, by the words of the standard. */
function bruteForce(cnf: boolean, spts: readonly Known[]): boolean {
  const groups = new Set(spts.flatMap((one) => one.groups));
  if (groups.size === 0) return true;
  const results = [...groups].map((group) => {
    const members = spts.filter((one) => one.groups.includes(group)).map((one) => one.value !== one.negated);
    return cnf ? members.includes(true) : !members.includes(false);
  });
  return cnf ? !results.includes(false) : results.includes(true);
}

describe('filter criteria and brute force', () => {
  it('S-90 S-91 agree for any groups, negations, priorities and parts', () => {
    const request = invite();
    fc.assert(
      fc.property(fc.array(point, { minLength: 1, maxLength: 6 }), fc.boolean(), (points, registered) => {
        const sorted = points.toSorted((a, b) => a.priority - b.priority);
        const criteria = sorted.map(
          ({ cnf, spts, part, priority }): FilterCriterion => ({
            ...criterion(spts.map(conditionOf), cnf, priority),
            profilePartIndicator: part,
          }),
        );
        const expected = sorted.flatMap(({ cnf, spts, part }, i) =>
          (part === null || (part === 0) === registered) && bruteForce(cnf, spts) ? [i] : [],
        );
        const compiled = compileCriteria(criteria);
        const context = about(request, { registered });
        expect(matching(compiled, context)).toEqual(expected);
        const explained = explainCriteria(compiled, context);
        expect(explained.flatMap(({ matches, position }) => (matches ? [position] : []))).toEqual(expected);
      }),
      { numRuns: 1500 },
    );
  });

  it('S-91 a request is judged alike whatever was asked before', () => {
    fc.assert(
      fc.property(fc.array(known, { maxLength: 6 }), fc.boolean(), (spts, cnf) => {
        const compiled = compileCriteria([criterion(spts.map(conditionOf), cnf)]);
        const first = nextMatch(compiled, -1, about(invite()));
        nextMatch(compiled, -1, about(invite([], '', 'BYE tel:+1 SIP/2.0'), { sessionCase: 1 }));
        expect(nextMatch(compiled, -1, about(invite()))).toBe(first);
      }),
      { numRuns: 300 },
    );
  });
});
