import { describe, expect, it } from 'vitest';
import type { RequestFailure } from '#diameter/client';
import type {
  LocationInfoAnswer,
  MultimediaAuthAnswer,
  ServerAssignmentAnswer,
  UserAuthorizationAnswer,
} from '#diameter/cx/cx-results';
import { baseResult, type DiameterResult, experimentalResult } from '#diameter/result';
import {
  lirRefusal,
  marRefusal,
  outcomeDetail,
  resultRows,
  retryAfterSeconds,
  sarRefusal,
  uarRefusal,
} from '#ims/result-reasons';

const answer = (result: DiameterResult, more: object = {}) =>
  ({ result, originHost: '', originRealm: '', errorMessage: undefined, serverName: undefined, ...more }) as unknown;
const uaa = (result: DiameterResult) => uarRefusal(answer(result) as UserAuthorizationAnswer);
const lia = (result: DiameterResult, unknown: 604 | 404 = 604, more: object = {}) =>
  lirRefusal(answer(result, more) as LocationInfoAnswer, unknown);
const maa = (result: DiameterResult) => marRefusal(answer(result) as MultimediaAuthAnswer);
const saa = (result: DiameterResult) => sarRefusal(answer(result) as ServerAssignmentAnswer);
const base = baseResult;
const exp = experimentalResult;

describe('refusals of the HSS', () => {
  it('I-12 lets the codes through that lead to an S-CSCF', () => {
    for (const result of [exp(2001), exp(2002), exp(2005), base(2001), base(2002)]) expect(uaa(result)).toBeNull();
  });

  it('I-12 maps the refusals of a UAR', () => {
    const rows: [DiameterResult, string, number][] = [
      [exp(5001), 'user-unknown', 403],
      [exp(5002), 'identities-dont-match', 403],
      [exp(5003), 'identity-not-registered', 403],
      [exp(5004), 'roaming-not-allowed', 403],
      [base(5003), 'authorization-rejected', 403],
      [base(3004), 'hss-busy', 500],
      [base(3002), 'hss-unroutable', 500],
      [base(3003), 'hss-unroutable', 500],
      [base(3001), 'hss-error', 500],
      [base(5012), 'hss-error', 500],
      [exp(5011), 'hss-error', 500],
    ];
    for (const [result, id, status] of rows) expect(uaa(result), id).toMatchObject({ id, status });
  });

  it('I-12 does not take another vendor or a base code for a Cx code', () => {
    expect(uaa(exp(5001, 9))).toMatchObject({ id: 'hss-error' });
    expect(uaa(base(5001))).toMatchObject({ id: 'hss-error' });
    expect(uaa(exp(5004, 0))).toMatchObject({ id: 'roaming-not-allowed' });
  });

  it('I-12 S-07 tells a silent HSS from a missing one', () => {
    const outcome = (failure: RequestFailure['failure']): RequestFailure => ({ failure, words: 'why' });
    expect(uarRefusal(outcome('timeout'))).toMatchObject({ id: 'hss-timeout', status: 504 });
    expect(marRefusal(outcome('no-peer'))).toMatchObject({ id: 'hss-unreachable', status: 504 });
    expect(sarRefusal(outcome('peer-lost'))).toMatchObject({ id: 'hss-unreachable', status: 504 });
    expect(lirRefusal(outcome('malformed'), 604)).toMatchObject({ id: 'hss-malformed', status: 500 });
    expect(outcomeDetail('UAR', outcome('timeout'))).toBe('UAR: why');
  });

  it('I-22 maps the outcome of a LIR', () => {
    expect(lia(base(2001))).toBeNull();
    expect(lia(exp(2003))).toBeNull();
    expect(lia(exp(2004))).toMatchObject({ id: 'no-server-stored', status: 480 });
    expect(lia(exp(2004), 604, { serverName: 'sip:s' })).toBeNull();
    expect(lia(exp(5003))).toMatchObject({ status: 480 });
    expect(lia(exp(5001))).toMatchObject({ status: 604 });
    expect(lia(exp(5001), 404)).toMatchObject({ status: 404 });
    expect(lia(base(5012))).toMatchObject({ status: 500 });
  });

  it('S-07 maps the outcome of a MAR', () => {
    expect(maa(base(2001))).toBeNull();
    for (const code of [5001, 5002, 5006]) expect(maa(exp(code)), String(code)).toMatchObject({ status: 403 });
    expect(maa(base(3004))).toMatchObject({ status: 500 });
    expect(maa(exp(5011))).toMatchObject({ status: 500 });
  });

  it('S-22 maps the outcome of a SAR', () => {
    expect(saa(base(2001))).toBeNull();
    expect(saa(base(2002))).toBeNull();
    for (const code of [5001, 5002, 5004]) expect(saa(exp(code)), String(code)).toMatchObject({ status: 403 });
    for (const code of [5005, 5007]) expect(saa(exp(code)), String(code)).toMatchObject({ id: 'assignment-conflict' });
    for (const code of [5008, 5009]) expect(saa(exp(code)), String(code)).toMatchObject({ status: 500 });
  });

  it('S-07 says when to come back only where waiting helps', () => {
    expect(retryAfterSeconds(maa(base(3004))!)).toBeGreaterThan(0);
    expect(retryAfterSeconds(maa(base(5012))!)).toBe(0);
  });

  it('I-12 I-22 S-07 S-22 names command, code and host of the HSS, and its words', () => {
    const from = (result: DiameterResult, more: object = {}) =>
      answer(result, { originHost: 'hss.ims.test', ...more }) as UserAuthorizationAnswer;
    expect(outcomeDetail('UAR', from(exp(5004)))).toBe('UAA 5004 ROAMING_NOT_ALLOWED from hss.ims.test');
    expect(outcomeDetail('UAR', from(exp(5003)))).toBe('UAA 5003 IDENTITY_NOT_REGISTERED from hss.ims.test');
    expect(outcomeDetail('UAR', from(base(5003)))).toBe('UAA 5003 AUTHORIZATION_REJECTED from hss.ims.test');
    expect(outcomeDetail('LIR', from(exp(5001), { errorMessage: 'who?' }))).toBe(
      'LIA 5001 USER_UNKNOWN from hss.ims.test: who?',
    );
    expect(outcomeDetail('SAR', from(base(5005), { failedAvp: '10415:601' }))).toBe(
      'SAA 5005 MISSING_AVP from hss.ims.test (Failed-AVP 10415:601)',
    );
    expect(outcomeDetail('SAR', answer(base(5012)) as ServerAssignmentAnswer)).toBe('SAA 5012 UNABLE_TO_COMPLY');
    expect(outcomeDetail('UAR', from(exp(5001, 9)))).toBe('UAA 5001 of vendor 9 from hss.ims.test');
    expect(outcomeDetail('UAR', from(base(5999)))).toBe('UAA 5999 of no known meaning from hss.ims.test');
  });

  it('E.6 Open5GS a code that the command does not have gets no name that would mislead', () => {
    const from = (result: DiameterResult) => answer(result, { originHost: 'hss' }) as UserAuthorizationAnswer;
    expect(outcomeDetail('MAR', from(exp(5004)))).toBe(
      'MAA 5004 (experimental, which means nothing in a MAA) from hss',
    );
    expect(marRefusal(from(exp(5004)) as unknown as MultimediaAuthAnswer)).toMatchObject({ id: 'hss-error' });
    expect(outcomeDetail('UAR', from(exp(4100)))).toContain('4100 (experimental, which');
  });

  it('I-12 I-22 S-07 S-22 has one row for each result of a command', () => {
    const keys = resultRows.map(({ command, kind, code }) => `${command} ${kind} ${code}`);
    expect(new Set(keys).size).toBe(keys.length);
  });
});
