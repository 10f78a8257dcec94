import { describe, expect, it } from 'vitest';
import type { RequestFailure } from '#diameter/client';
import { baseResult, type DiameterResult, experimentalResult } from '#diameter/result';
import { rxOutcome } from '#diameter/rx/rx-outcome';
import { type AaAnswer, rxResultCodes, rxResultWords } from '#diameter/rx/rx-results';

function answer(result: DiameterResult, more: Partial<AaAnswer> = {}): AaAnswer {
  return {
    result,
    originHost: 'pcrf.epc.test',
    originRealm: 'epc.test',
    originStateId: undefined,
    errorMessage: undefined,
    acceptable: undefined,
    accessCharging: [],
    accessChargingAddress: undefined,
    accessNetwork: {},
    flows: [],
    supportedFeatures: [],
    retryInterval: undefined,
    authorizationLifetime: undefined,
    classes: [],
    ...more,
  };
}

const acceptable = { mediaComponents: [], maxUplink: 1, maxDownlink: 2 };
const required = { mode: 'required' } as const;
const optional = { mode: 'optional' } as const;

describe('rxOutcome', () => {
  it('P-125 2001 goes on with consent', () => {
    for (const policy of [required, optional]) {
      expect(rxOutcome(answer(baseResult(2001)), policy)).toMatchObject({ kind: 'continue', granted: true });
    }
  });

  it('P-125 5061 and 5062 are 488, and 5063 is with what would be acceptable', () => {
    for (const policy of [required, optional]) {
      for (const code of [5061, 5062]) {
        expect(rxOutcome(answer(experimentalResult(code)), policy)).toMatchObject({ kind: 'not-acceptable' });
      }
      const outcome = rxOutcome(answer(experimentalResult(5063), { acceptable }), policy);
      expect(outcome).toMatchObject({ kind: 'not-acceptable', acceptable });
    }
  });

  it('P-125 every other refusal and no answer at all are 503 where consent is required, and no obstacle elsewhere', () => {
    const failure = (kind: RequestFailure['failure']): RequestFailure => ({ failure: kind, words: kind });
    const refusals = [
      ...[4261, 5063, 5065, 5066, 5067, 5068, 5999].map((code) => answer(experimentalResult(code))),
      ...[3002, 3004, 4001, 5003, 5012, 5065].map((code) => answer(baseResult(code))),
      answer(experimentalResult(5061, 9)),
      failure('timeout'),
      failure('no-peer'),
      failure('peer-lost'),
      failure('malformed'),
    ];
    for (const refusal of refusals) {
      expect(rxOutcome(refusal, required)).toMatchObject({ kind: 'unavailable', retryAfterSeconds: 5 });
      expect(rxOutcome(refusal, optional)).toMatchObject({ kind: 'continue', granted: false });
    }
  });

  it('P-125 Retry-After is that of the PCRF, an hour at most, else the configured one', () => {
    const refusal = (retryInterval?: number) => answer(experimentalResult(4261), { retryInterval });
    expect(rxOutcome(refusal(17), required)).toMatchObject({ retryAfterSeconds: 17 });
    expect(rxOutcome(refusal(4_294_967_295), required)).toMatchObject({ retryAfterSeconds: 3600 });
    expect(rxOutcome(refusal(), { ...required, retryAfterSeconds: 30 })).toMatchObject({ retryAfterSeconds: 30 });
  });

  it('P-125 5064 and an update of a session that is not there (5002) are tried again after an STR', () => {
    for (const result of [experimentalResult(5064), baseResult(5002)]) {
      expect(rxOutcome(answer(result), optional)).toMatchObject({ kind: 'retry-after-str' });
    }
  });

  it('P-125 takes an Rx code in Result-Code for what it is', () => {
    expect(rxOutcome(answer(baseResult(5061)), required)).toMatchObject({ kind: 'not-acceptable' });
    expect(rxOutcome(answer(baseResult(5064)), required)).toMatchObject({ kind: 'retry-after-str' });
  });

  it('D-20 says every result in words', () => {
    for (const [name, code] of Object.entries(rxResultCodes)) {
      expect(rxResultWords(experimentalResult(code))).toMatch(new RegExp(`^${code} ${name}: [a-z].{10}`, 'i'));
    }
    expect(rxResultWords(baseResult(3002))).toBe('3002 UNABLE_TO_DELIVER');
    expect(rxResultWords(experimentalResult(5061, 9))).toBe('5061 of vendor 9');
    expect(rxResultWords(baseResult(5012), 'out of rules')).toBe('5012 UNABLE_TO_COMPLY (peer says: out of rules)');
    expect(rxResultWords(baseResult(5012), 'x'.repeat(9999)).length).toBeLessThan(300);
  });
});
