import { describe, expect, it } from 'vitest';
import { FilterCriteriaCache } from '#ims/filter-criteria-cache';
import { sharedFilterSets } from '#ims/shared-filter-sets';
import {
  about,
  criterion,
  criterionXml,
  invite,
  matching,
  profileXml,
  readProfile,
} from './filter-criteria-fixture.ts';

const profile = (criteria: string, user?: string) => readProfile(profileXml(criteria, user)).serviceProfiles[0]!;
const trigger = '<SPT><Method>INVITE</Method></SPT>';

describe('FilterCriteriaCache', () => {
  it('S-90 gives users with the same criteria one compiled form, whatever their identities', () => {
    const cache = new FilterCriteriaCache(new Map());
    const criteria = criterionXml(1, 'sip:a', trigger) + criterionXml(2, 'sip:b');
    let compilations = 0;
    const fresh = () => {
      compilations++;
    };
    const first = cache.criteriaOf(profile(criteria, 'sip:alice@ims.test'), fresh);
    for (let i = 0; i < 100; i++) {
      expect(cache.criteriaOf(profile(criteria, `sip:user${i}@ims.test`), fresh)).toBe(first);
    }
    expect([cache.size, compilations]).toEqual([1, 1]);
    expect(cache.criteriaOf(profile(criteria.replace('sip:b', 'sip:c')), fresh)).not.toBe(first);
    expect([cache.size, compilations]).toEqual([2, 2]);
  });

  it('S-90 keeps to its bound; what was not asked for the longest goes', () => {
    const cache = new FilterCriteriaCache(new Map(), 3);
    const of = (n: number) => cache.criteriaOf(profile(criterionXml(n, 'sip:a')));
    const kept = [of(0), of(1), of(2)];
    expect(of(0)).toBe(kept[0]);
    of(3);
    expect(cache.size).toBe(3);
    expect(of(0)).toBe(kept[0]);
    expect(of(1)).not.toBe(kept[1]);
  });

  it('S-90 knows criteria apart that other elements stand between', () => {
    const [a, b] = [criterionXml(1, 'sip:a'), criterionXml(2, 'sip:b')];
    const extra = '<PublicIdentity><Identity>sip:x@ims.test</Identity></PublicIdentity>';
    const cache = new FilterCriteriaCache(new Map());
    const compiled = cache.criteriaOf(profile(a + b));
    // The same criteria around something else have the same XML.
    expect(profile(a + extra + b).criteriaXml).toBe(a + b);
    expect(cache.criteriaOf(profile(a + extra + b))).toBe(compiled);
    expect(profile('').criteriaXml).toBe('');
  });

  const shared = sharedFilterSets([
    {
      id: 4,
      criteria: [5, 1].map((priority) => ({
        priority,
        serverName: `sip:shared${priority}`,
        defaultHandling: 'SESSION_CONTINUED',
        serviceInfo: '',
        includeRegisterRequest: false,
        includeRegisterResponse: false,
        profilePart: 'both',
        conditionTypeCnf: false,
        spts: [{ groups: [0], negated: false, registrationTypes: [], method: 'INVITE' }],
      })),
    },
  ]);
  const ids = (...numbers: number[]) =>
    `<Extension>${numbers.map((id) => `<SharedIFCSetID>${id}</SharedIFCSetID>`).join('')}</Extension>`;

  it('S-28 merges the shared sets that a profile names by priority, its own first among equals', () => {
    const cache = new FilterCriteriaCache(shared);
    const own = criterionXml(5, 'sip:own5') + criterionXml(3, 'sip:own3') + criterionXml(1, 'sip:own1');
    const compiled = cache.criteriaOf(profile(own + ids(4, 4)));
    const names = matching(compiled, about(invite())).map((i) => compiled.criteria[i]!.applicationServer.serverName);
    expect(names).toEqual(['sip:own1', 'sip:shared1', 'sip:own3', 'sip:own5', 'sip:shared5']);
    expect(compiled.warnings).toEqual([]);
    expect(cache.criteriaOf(profile(own)).criteria).toHaveLength(3);
  });

  it('S-28 leaves out a set that is not configured, with a warning', () => {
    const warnings: string[] = [];
    const cache = new FilterCriteriaCache(shared);
    const compiled = cache.criteriaOf(profile(ids(9)), (fresh) => warnings.push(...fresh.warnings));
    expect(compiled.criteria).toEqual([]);
    expect(warnings).toEqual(['the shared iFC set 9 is not configured, it is left out']);
    cache.criteriaOf(profile(ids(9)), () => warnings.push('again'));
    expect(warnings).toHaveLength(1);
  });

  it('S-91 S-92 compiles equal conditions of several criteria once', () => {
    const cache = new FilterCriteriaCache(new Map());
    const method = { kind: 'method', method: 'INVITE', groups: [1], negated: false, registrationTypes: [] } as const;
    const served = { ...profile(''), filterCriteria: [criterion([method]), criterion([{ ...method, groups: [2] }])] };
    expect(cache.criteriaOf(served).triggers).toHaveLength(1);
  });
});
