import { describe, expect, it } from 'vitest';
import { endClock, observerClock, sessionDue } from '#sip/dialog/session-clock';
import {
  acceptSessionTimer,
  answerSessionTimer,
  leastAfterRefusal,
  offerSessionTimer,
  readAgreement,
  refreshesSession,
  type SessionOffer,
  type SessionTimerPolicy,
  sessionTimerHeaders,
} from '#sip/dialog/session-timer';
import { ParseFailure } from '#sip/errors';
import { createResponse } from '#sip/message/create';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import { parsed, requestText } from '../proxy-rig.ts';

const policy: SessionTimerPolicy = { defaultSeconds: 1800, minSeconds: 90, maxSeconds: 7200, insert: 'supporting' };
const invite = (fields: Record<string, string> = {}) => parsed(requestText('INVITE', fields)) as SipRequest;
const supporting = { Supported: '100rel, timer' };

function offer(fields: Record<string, string>, changes: Partial<SessionTimerPolicy> = {}) {
  const request = invite(fields);
  const offered = offerSessionTimer(request, { ...policy, ...changes });
  const { headers } = request;
  return { offered, expires: headers.get(Header['Session-Expires']), minSe: headers.get(Header['Min-SE']) };
}

function ok(fields: Record<string, string> = {}) {
  const response = createResponse(invite(), 200, 'b');
  for (const [name, value] of Object.entries(fields)) response.headers.append(name, value);
  return response;
}

describe('a proxy and the request', () => {
  const cases: [name: string, fields: Record<string, string>, changes: Partial<SessionTimerPolicy>, after: string][] = [
    ['inserts for who supports it', supporting, {}, '1800'],
    ['inserts nothing for who does not', {}, {}, 'null'],
    ['inserts for all when told so', {}, { insert: 'all' }, '1800'],
    ['inserts for nobody when told so', supporting, { insert: 'none' }, 'null'],
    ['inserts no less than Min-SE', { ...supporting, 'Min-SE': '3600' }, {}, '3600 min 3600'],
    ['leaves what is there', { 'Session-Expires': '600;refresher=uas' }, {}, '600;refresher=uas'],
    ['reads the compact form', { x: '600' }, {}, '600'],
    ['lowers a long one, not its refresher', { 'Session-Expires': '9000;refresher=uac' }, {}, '7200;refresher=uac'],
    ['lowers no further than Min-SE', { 'Session-Expires': '9000', 'Min-SE': '8000' }, {}, '8000 min 8000'],
    ['raises a short one of who cannot be told', { 'Session-Expires': '60' }, {}, '90 min 90'],
    [
      'raises to its own minimum',
      { 'Session-Expires': '100;refresher=uac' },
      { minSeconds: 300 },
      '300;refresher=uac min 300',
    ],
    ['raises Min-SE, does not lower it', { 'Session-Expires': '60', 'Min-SE': '400' }, {}, '90 min 400'],
  ];
  it.each(cases)('P-80 S-115 %s', (_name, fields, changes, after) => {
    const { expires, minSe } = offer(fields, changes);
    expect(minSe === null ? String(expires) : `${expires} min ${minSe}`).toBe(after);
  });

  it('P-80 refuses a short one with 422 and Min-SE to who supports timers', () => {
    for (const fields of [supporting, { Require: 'timer' }] as Record<string, string>[]) {
      const { offered } = offer({ ...fields, 'Session-Expires': '89' });
      expect(offered).toMatchObject({
        reason: { id: 'session-too-brief', status: 422 },
        headers: [[Header['Min-SE'], '90']],
      });
    }
  });

  it('P-80 remembers what went on, and whether the caller supports timers', () => {
    expect(offer(supporting).offered).toEqual({ seconds: 1800, callerSupports: true });
    expect(offer({ 'Session-Expires': '60' }).offered).toEqual({ seconds: 90, callerSupports: false });
    expect(offer({}).offered).toBeNull();
  });

  it.each([
    ['Session-Expires', 'x'],
    ['Session-Expires', '-1'],
    ['Session-Expires', '1.5'],
    ['Min-SE', 'x'],
  ])('P-80 %s: %s is a failure', (name, value) => {
    expect(offerSessionTimer(invite({ [name]: value }), policy)).toBeInstanceOf(ParseFailure);
  });

  it('P-80 concerns INVITE and UPDATE', () => {
    expect(['INVITE', 'UPDATE', 'ACK', 'BYE', 'SUBSCRIBE'].map(refreshesSession)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
  });
});

describe('a proxy and the 2xx', () => {
  const told: SessionOffer = { seconds: 1800, callerSupports: true };
  const mute: SessionOffer = { seconds: 1800, callerSupports: false };
  const accept = (offered: SessionOffer | null, fields: Record<string, string> = {}) => {
    const response = ok(fields);
    const agreed = acceptSessionTimer(response, offered);
    const { headers } = response;
    return [agreed, headers.get(Header['Session-Expires']), headers.values(Header.Require).join()];
  };

  it('S-115 gives the refreshing to a caller that can, when the callee knows no timers', () => {
    expect(accept(told)).toEqual([{ seconds: 1800, refresher: 'uac' }, '1800;refresher=uac', 'timer']);
    expect(accept(told, { Require: 'timer' })[2]).toBe('timer');
    expect(accept(told, { Require: '100rel' })[2]).toBe('100rel,timer');
  });

  it('S-115 leaves it when neither end knows timers, or nobody asked', () => {
    expect(accept(mute)).toEqual([null, null, '']);
    expect(accept(null)).toEqual([null, null, '']);
  });

  it('P-80 takes what the callee says as it is', () => {
    const fields = { 'Session-Expires': '600;refresher=uas' };
    expect(accept(told, fields)).toEqual([{ seconds: 600, refresher: 'uas' }, '600;refresher=uas', '']);
    expect(accept(null, { 'Session-Expires': '600' })[0]).toEqual({ seconds: 600, refresher: 'uac' });
    expect(accept(told, { 'Session-Expires': 'often' })).toEqual([null, 'often', '']);
    expect(accept(told, { 'Session-Expires': '0' })[0]).toBeNull();
  });
});

describe('a UA that is called', () => {
  const answer = (fields: Record<string, string>, changes: Partial<SessionTimerPolicy> = {}) => {
    const response = ok();
    const agreed = answerSessionTimer(invite(fields), response, { ...policy, ...changes });
    return [agreed, response.headers.get(Header['Session-Expires']), response.headers.get(Header.Require)];
  };

  it.each([
    ['the caller, when nobody is named', { ...supporting, 'Session-Expires': '600' }, '600;refresher=uac', 'timer'],
    ['whom the caller names', { ...supporting, 'Session-Expires': '600;refresher=uas' }, '600;refresher=uas', null],
    ['itself for a caller that cannot', { 'Session-Expires': '600' }, '600;refresher=uas', null],
    ['the caller, when it asks for the timer itself', supporting, '1800;refresher=uac', 'timer'],
  ])('P-80 lets %s refresh', (_name, fields: Record<string, string>, expires, require) => {
    expect(answer(fields).slice(1)).toEqual([expires, require]);
  });

  it('P-80 refuses a short interval where it can, else raises it; wants none where none is asked', () => {
    expect(answer({ ...supporting, 'Session-Expires': '60' })[0]).toMatchObject({ reason: { status: 422 } });
    expect(answer({ 'Session-Expires': '60' })[1]).toBe('90;refresher=uas');
    expect(answer({})).toEqual([null, null, null]);
    expect(answer({ 'Session-Expires': 'x' })[0]).toBeInstanceOf(ParseFailure);
  });
});

describe('a UA that calls', () => {
  it('P-80 asks with Supported, Session-Expires and, above 90, Min-SE', () => {
    expect(sessionTimerHeaders(1800, 90)).toEqual([
      [Header.Supported, 'timer'],
      [Header['Session-Expires'], '1800'],
    ]);
    expect(sessionTimerHeaders(100, 300, 'uac').slice(1)).toEqual([
      [Header['Session-Expires'], '300;refresher=uac'],
      [Header['Min-SE'], '300'],
    ]);
  });

  it('P-80 learns from a 422 what is long enough', () => {
    const refused = (value: string) => {
      const response = createResponse(invite(), 422, 'b');
      if (value !== '') response.headers.append(Header['Min-SE'], value);
      return leastAfterRefusal(response);
    };
    expect([refused('300'), refused(''), refused('x'), refused('10')]).toEqual([300, 90, 90, 90]);
  });

  it('P-80 reads what was agreed', () => {
    expect(readAgreement(ok({ 'Session-Expires': '90;refresher=UAS' }))).toEqual({ seconds: 90, refresher: 'uas' });
    expect(readAgreement(ok())).toBeNull();
  });
});

describe('deadlines', () => {
  it.each([
    ['the refresher refreshes at half time', 'uac', 1800, false, { action: 'refresh', atMs: 900_000 }],
    ['and hangs up 32 s before the end when that fails', 'uac', 1800, true, { action: 'release', atMs: 1_768_000 }],
    ['the other end hangs up 32 s before the end', 'uas', 1800, false, { action: 'release', atMs: 1_768_000 }],
    ['or a third before the end of a short session', 'uas', 90, false, { action: 'release', atMs: 60_000 }],
  ] as const)('P-80 %s', (_name, self, seconds, refreshing, due) => {
    const clock = endClock({ seconds, refresher: 'uac' }, self, 5_000);
    clock.refreshing = refreshing;
    expect(sessionDue(clock)).toEqual({ ...due, atMs: due.atMs + 5_000 });
  });

  it('P-80 S-130 a proxy waits for the end and 64*T1 more', () => {
    expect(sessionDue(observerClock({ seconds: 90, refresher: 'uac' }, 0))).toEqual({
      action: 'expire',
      atMs: 122_000,
    });
  });
});
