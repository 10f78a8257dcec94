import { describe, expect, it } from 'vitest';
import { isRefusal } from '#sip/dialog/refusal';
import { Notifier, type NotifierEnd } from '#sip/event/notifier';
import { type EventPackage, readSubscribe } from '#sip/event/subscribe-request';
import { acceptSubscribe, openSubscription, refreshSubscription, type Subscription } from '#sip/event/subscription';
import { createResponse } from '#sip/message/create';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import { parsed, requestText } from '../proxy-rig.ts';

const reg: EventPackage = {
  event: 'reg',
  contentType: 'application/reginfo+xml',
  defaultSeconds: 3761,
  minSeconds: 60,
  maxSeconds: 600_000,
};

const subscribe = (fields: Record<string, string> = {}) =>
  parsed(
    requestText('SUBSCRIBE', {
      Event: 'reg',
      'Record-Route': '<sip:p2;lr>, <sip:p1;lr>',
      Contact: '<sip:pcscf@10.0.0.1:5070>',
      ...fields,
    }),
  ) as SipRequest;

const inDialog = (cseq: number, fields: Record<string, string> = {}) =>
  subscribe({ To: '<sip:bob@ims.test>;tag=own', CSeq: `${cseq} SUBSCRIBE`, ...fields });

/** One subscription of a notifier, the clock and what the port was told. */
function start(fields: Record<string, string> = {}) {
  const sent: SipRequest[] = [];
  const ended: NotifierEnd[] = [];
  const clock = { nowMs: 1_000_000 };
  const notifier = new Notifier(reg.contentType, {
    nowMs: () => clock.nowMs,
    body: ({ version }) => `state ${version}`,
    // What is stored is read back each time: nothing may live beside it.
    send: (_subscription, notify) => void sent.push(notify),
    changed() {},
    ended: (_subscription, why) => void ended.push(why),
  });
  const request = subscribe(fields);
  const asked = readSubscribe(request, reg);
  if (isRefusal(asked)) throw new Error(asked.reason.id);
  const opened = openSubscription(request, asked, 'own', '<sip:scscf@10.0.0.6>', clock.nowMs);
  if (isRefusal(opened)) throw new Error(opened.reason.id);
  let subscription: Subscription = opened;
  notifier.refreshed(subscription);
  return {
    sent,
    ended,
    clock,
    notifier,
    get subscription() {
      return subscription;
    },
    /** As if it had been written to a store and read from it. */
    store() {
      subscription = JSON.parse(JSON.stringify(subscription)) as Subscription;
    },
    /** The subscriber answers the last NOTIFY. */
    answer(status: number, header: Record<string, string> = {}) {
      const response = createResponse(sent.at(-1)!, status, '');
      for (const [name, value] of Object.entries(header)) response.headers.append(name, value);
      notifier.answered(subscription, response);
    },
    /** State and body of the NOTIFYs since the last call. */
    take: () => sent.splice(0).map(({ headers, body }) => `${headers.get(Header['Subscription-State'])} | ${body}`),
  };
}

describe('SUBSCRIBE', () => {
  const verdict = (fields: Record<string, string>) => {
    const read = readSubscribe(subscribe(fields), reg);
    return isRefusal(read)
      ? [read.reason.status, ...(read.headers[0] ? [read.headers[0][1]] : [])]
      : [read.event, read.seconds];
  };

  it.each([
    ['without Expires gets the default', {}, ['reg', 3761]],
    ['gets what it asks for', { Expires: '7200' }, ['reg', 7200]],
    ['gets no more than allowed', { Expires: '99999999999' }, ['reg', 600_000]],
    ['that is too short gets 423', { Expires: '59' }, [423, '60']],
    ['may ask for nothing but the state', { Expires: '0' }, ['reg', 0]],
    ['keeps its id', { Event: 'reg;id=7;x=y' }, ['reg;id=7', 3761]],
    ['of another package gets 489', { Event: 'presence' }, [489, 'reg']],
    ['of a package in other letters gets 489', { Event: 'Reg' }, [489, 'reg']],
    ['without Event gets 489', { Event: '' }, [489, 'reg']],
    ['that takes other documents gets 406', { Accept: 'application/pidf+xml' }, [406, 'application/reginfo+xml']],
    ['that takes the documents', { Accept: 'text/plain, Application/RegInfo+XML' }, ['reg', 3761]],
    ['that takes all applications', { Accept: 'application/*' }, ['reg', 3761]],
    ['with an Expires that is none gets 400', { Expires: 'soon' }, [400]],
    ['with an Accept that is none gets 400', { Accept: '"' }, [400]],
  ])('C-31 S-60 S-61 %s', (_name, fields, expected) => {
    expect(verdict(fields)).toEqual(expected);
  });

  it('C-31 S-61 is answered with Contact, Expires and the Record-Route it came with', () => {
    const { subscription } = start();
    const request = subscribe({ Expires: '600' });
    const response = createResponse(request, 200, 'own');
    acceptSubscribe(subscription, request, { event: 'reg', seconds: 600 }, response);
    const { headers } = response;
    expect([headers.get(Header.Contact), headers.get(Header.Expires)]).toEqual(['<sip:scscf@10.0.0.6>', '600']);
    expect(headers.values(Header['Record-Route'])).toEqual(['<sip:p2;lr>', '<sip:p1;lr>']);
  });

  it('C-31 without a usable Contact gets 400', () => {
    const opened = openSubscription(subscribe({ Contact: '' }), { event: 'reg', seconds: 1 }, 't', '<sip:x>', 0);
    expect(opened).toMatchObject({ reason: { status: 400 } });
  });
});

describe('NOTIFY', () => {
  it('C-31 S-62 goes out at once, inside the dialog, with state, event, contact and document', () => {
    const rig = start({ Event: 'reg;id=5' });
    const [notify] = rig.sent;
    const { headers } = notify!;
    expect([notify!.method, notify!.requestUri, notify!.body]).toEqual([
      'NOTIFY',
      'sip:pcscf@10.0.0.1:5070',
      'state 0',
    ]);
    expect(headers.values(Header.Route)).toEqual(['<sip:p2;lr>', '<sip:p1;lr>']);
    const named = ['From', 'To', 'CSeq', 'Event', 'Subscription-State', 'Contact', 'Content-Type'] as const;
    expect(named.map((name) => headers.get(Header[name]))).toEqual([
      '<sip:bob@ims.test>;tag=own',
      '<sip:alice@ims.test>;tag=a',
      '1 NOTIFY',
      'reg;id=5',
      'active;expires=3761',
      '<sip:scscf@10.0.0.6>',
      'application/reginfo+xml',
    ]);
  });

  it('C-31 S-62 S-63 is one at a time; what changes meanwhile is told by one more, with the next version', () => {
    const rig = start();
    rig.take();
    for (let i = 0; i < 5; i++) {
      rig.notifier.stateChanged(rig.subscription);
      rig.store();
    }
    expect(rig.take()).toEqual([]);
    rig.notifier.answered(rig.subscription, createResponse(inFlight(rig), 200, ''));
    expect(rig.take()).toEqual(['active;expires=3761 | state 1']);
    rig.notifier.answered(rig.subscription, createResponse(inFlight(rig), 200, ''));
    rig.clock.nowMs += 61_000;
    rig.notifier.stateChanged(rig.subscription);
    expect(rig.take()).toEqual(['active;expires=3700 | state 2']);
  });

  it('C-31 S-65 ends with a last one that says why, and only then', () => {
    const rig = start();
    rig.take();
    rig.notifier.terminate(rig.subscription, 'probation', 30);
    rig.notifier.stateChanged(rig.subscription);
    expect([rig.take(), rig.ended]).toEqual([[], []]);
    rig.notifier.answered(rig.subscription, createResponse(inFlight(rig), 200, ''));
    expect(rig.sent[0]!.headers.get(Header['Subscription-State'])).toBe('terminated;reason=probation;retry-after=30');
    expect(rig.ended).toEqual([]);
    rig.answer(200);
    expect(rig.ended).toEqual(['finished']);
    rig.notifier.stateChanged(rig.subscription);
    rig.notifier.terminate(rig.subscription, 'noresource');
    rig.take();
    expect(rig.sent).toEqual([]);
  });

  it.each(['answered with a failure', 'not answered'])('C-31 S-65 the last one ends it also when it is %s', (how) => {
    const rig = start();
    rig.answer(200);
    rig.notifier.terminate(rig.subscription, 'noresource');
    if (how === 'not answered') rig.notifier.unanswered(rig.subscription, rig.sent.at(-1)!);
    else rig.answer(500, { 'Retry-After': '5' });
    expect(rig.ended).toEqual(['finished']);
  });

  it('C-31 S-65 a subscription that runs out is told timeout', () => {
    const rig = start({ Expires: '100' });
    rig.answer(200);
    rig.take();
    expect(rig.notifier.dueMs(rig.subscription)).toBe(1_100_000);
    rig.clock.nowMs = 1_099_999;
    rig.notifier.due(rig.subscription);
    expect(rig.take()).toEqual([]);
    rig.clock.nowMs = 1_100_000;
    rig.notifier.due(rig.subscription);
    expect(rig.take()).toEqual(['terminated;reason=timeout | state 1']);
    expect(rig.notifier.dueMs(rig.subscription)).toBe(-1);
  });

  it('C-31 S-61 a SUBSCRIBE with Expires 0 gets the state once', () => {
    const rig = start({ Expires: '0' });
    expect(rig.sent[0]!.headers.get(Header['Subscription-State'])).toBe('terminated;reason=timeout');
    rig.answer(200);
    expect(rig.ended).toEqual(['finished']);
  });

  it.each([404, 405, 408, 410, 480, 481, 489, 501, 604])('C-31 S-66 a %i ends the subscription', (status) => {
    const rig = start();
    rig.answer(status);
    expect([rig.ended, rig.subscription.phase, rig.subscription.dialog.state]).toEqual([
      ['refused'],
      'ended',
      'terminated',
    ]);
  });

  it('C-31 S-66 silence ends it, also with a change owed', () => {
    for (const change of [false, true]) {
      const rig = start();
      if (change) rig.notifier.stateChanged(rig.subscription);
      rig.notifier.unanswered(rig.subscription, rig.sent.at(-1)!);
      expect(rig.ended).toEqual(['silent']);
    }
  });

  it.each([400, 403, 500, 503])('C-31 S-66 a %i without Retry-After does not; the next change is told', (status) => {
    const rig = start();
    rig.answer(status);
    expect(rig.ended).toEqual([]);
    rig.take();
    rig.notifier.stateChanged(rig.subscription);
    expect(rig.take()).toEqual(['active;expires=3761 | state 1']);
  });

  it('C-31 S-66 a 5xx with Retry-After is repeated once, with what has changed by then', () => {
    const rig = start();
    rig.answer(503, { 'Retry-After': '10' });
    rig.store();
    rig.take();
    rig.notifier.stateChanged(rig.subscription);
    expect(rig.take()).toEqual([]);
    expect(rig.notifier.dueMs(rig.subscription)).toBe(1_010_000);
    rig.clock.nowMs += 10_000;
    rig.notifier.due(rig.subscription);
    expect(rig.sent).toHaveLength(1);
    rig.answer(503, { 'Retry-After': '10' });
    rig.take();
    rig.clock.nowMs += 100_000;
    rig.notifier.due(rig.subscription);
    expect([rig.take(), rig.ended]).toEqual([[], []]);
  });

  it('C-31 S-66 the end is not kept back by a Retry-After', () => {
    const rig = start({ Expires: '100' });
    rig.answer(503, { 'Retry-After': '4294967295' });
    rig.take();
    expect(rig.notifier.dueMs(rig.subscription)).toBe(1_100_000);
    rig.clock.nowMs = 1_100_000;
    rig.notifier.due(rig.subscription);
    expect(rig.take()).toEqual(['terminated;reason=timeout | state 1']);
  });

  it('C-31 an answer to an older NOTIFY counts for nothing, nor does a provisional one', () => {
    const rig = start();
    const first = rig.sent[0]!;
    rig.answer(200);
    rig.notifier.stateChanged(rig.subscription);
    rig.notifier.answered(rig.subscription, createResponse(first, 481, ''));
    rig.notifier.unanswered(rig.subscription, first);
    rig.answer(100);
    expect([rig.ended, rig.subscription.phase]).toEqual([[], 'notifying']);
  });

  it('C-31 the 2xx to a NOTIFY moves the target', () => {
    const rig = start();
    rig.answer(200, { Contact: '<sip:pcscf@10.0.0.99>' });
    rig.notifier.stateChanged(rig.subscription);
    expect(rig.sent.at(-1)!.requestUri).toBe('sip:pcscf@10.0.0.99');
  });

  it('C-31 S-63 after a restart the state is told again, with a version not used before', () => {
    const rig = start();
    rig.store();
    rig.take();
    rig.notifier.resume(rig.subscription);
    expect(rig.take()).toEqual(['active;expires=3761 | state 1']);
    const idle = start();
    idle.answer(200);
    idle.take();
    idle.notifier.resume(idle.subscription);
    expect(idle.take()).toEqual([]);
  });

  function inFlight({ subscription }: ReturnType<typeof start>): SipRequest {
    const cseq = subscription.dialog.localCseq;
    return parsed(requestText('NOTIFY', { CSeq: `${cseq} NOTIFY` })) as SipRequest;
  }
});

describe('SUBSCRIBE inside the dialog', () => {
  const refresh = (rig: ReturnType<typeof start>, request: SipRequest) => {
    const asked = refreshSubscription(rig.subscription, request, reg, rig.clock.nowMs);
    if (!isRefusal(asked)) rig.notifier.refreshed(rig.subscription);
    return isRefusal(asked) ? asked.reason.status : asked.seconds;
  };

  it('C-31 S-67 prolongs, moves the target, and is told the state at once', () => {
    const rig = start();
    rig.answer(200);
    rig.take();
    rig.clock.nowMs += 1_000_000;
    expect(refresh(rig, inDialog(2, { Expires: '5000', Contact: '<sip:pcscf@10.0.0.2>' }))).toBe(5000);
    expect(rig.sent[0]!.requestUri).toBe('sip:pcscf@10.0.0.2');
    expect(rig.take()).toEqual(['active;expires=5000 | state 1']);
  });

  it('C-31 with Expires 0 ends it with timeout', () => {
    const rig = start();
    rig.answer(200);
    rig.take();
    expect(refresh(rig, inDialog(2, { Expires: '0' }))).toBe(0);
    expect(rig.take()).toEqual(['terminated;reason=timeout | state 1']);
    expect(refresh(rig, inDialog(3))).toBe(481);
  });

  it.each([
    ['other tags', inDialog(2, { From: '<sip:alice@ims.test>;tag=x' }), 481],
    ['another package', inDialog(2, { Event: 'presence' }), 489],
    ['another id', inDialog(2, { Event: 'reg;id=2' }), 481],
    ['a lower CSeq', inDialog(0), 500],
    ['too short a time', inDialog(2, { Expires: '5' }), 423],
  ])('C-31 S-67 is refused with %s, and what was granted stays', (_name, request, status) => {
    const rig = start();
    rig.answer(200);
    rig.take();
    const before = rig.subscription.expiresAtMs;
    expect(refresh(rig, request)).toBe(status);
    expect([rig.take(), rig.subscription.expiresAtMs]).toEqual([[], before]);
  });
});
