import { describe, expect, it } from 'vitest';
import { defaultSubscriberPolicy, refreshAfterSeconds } from '#sip/event/resubscription';
import { Subscriber, type SubscriberEnd } from '#sip/event/subscriber';
import type { SubscriberState, SubscriptionTarget } from '#sip/event/subscriber-state';
import { createResponse } from '#sip/message/create';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import { parsed, requestText } from '../proxy-rig.ts';

const target: SubscriptionTarget = {
  requestUri: 'sip:alice@ims.test',
  from: '<sip:pcscf.ims.test>',
  to: '<sip:alice@ims.test>',
  contact: '<sip:reg@10.0.0.5>',
  routes: ['<sip:icscf.ims.test;lr>'],
  event: 'reg',
  accept: 'application/reginfo+xml',
  seconds: 600_000,
  headers: [['P-Asserted-Identity', '<sip:pcscf.ims.test>']],
};

/** A subscriber with the clock, what it sent and what it told. */
function start(changes: Partial<SubscriptionTarget> = {}) {
  const sent: SipRequest[] = [];
  const told: string[] = [];
  const ended: SubscriberEnd[] = [];
  const callIds = new Set<string>();
  const clock = { nowMs: 1_000_000 };
  let serial = 0;
  let granted = true;
  const subscriber = new Subscriber(defaultSubscriberPolicy, {
    nowMs: () => clock.nowMs,
    newCallId() {
      if (!granted) return null;
      const callId = `call-${++serial}`;
      callIds.add(callId);
      return callId;
    },
    newTag: () => `tag${serial}`,
    releaseCallId: (callId) => void callIds.delete(callId),
    send: (_state, subscribe) => void sent.push(subscribe),
    changed() {},
    notified: (_state, notify, { state }) => void told.push(`${state} ${notify.body}`),
    ended: (_state, why) => void ended.push(why),
  });
  let state = subscriber.start({ ...target, ...changes });
  return {
    sent,
    told,
    ended,
    callIds,
    clock,
    subscriber,
    get state(): SubscriberState {
      return state;
    },
    store() {
      state = JSON.parse(JSON.stringify(state)) as SubscriberState;
    },
    refuseCallIds(refused: boolean) {
      granted = !refused;
    },
    /** The notifier answers the last SUBSCRIBE. */
    answer(status: number, fields: Record<string, string> = {}, of: SipRequest = sent.at(-1)!) {
      const response = createResponse(of, status, 'n');
      if (status < 300) response.headers.append(Header.Contact, '<sip:scscf@10.0.0.6>');
      for (const [name, value] of Object.entries(fields)) response.headers.append(name, value);
      subscriber.answered(state, response);
    },
    /** The notifier sends a NOTIFY; gives the status of the answer. */
    notify(subscriptionState: string, cseq: number, fields: Record<string, string> = {}) {
      const request = parsed(
        requestText(
          'NOTIFY',
          {
            'Call-ID': state.callId,
            To: `<sip:pcscf.ims.test>;tag=${state.localTag}`,
            From: '<sip:alice@ims.test>;tag=n',
            CSeq: `${cseq} NOTIFY`,
            Event: 'reg',
            'Subscription-State': subscriptionState,
            Contact: '<sip:scscf@10.0.0.6>',
            ...fields,
          },
          'sip:reg@10.0.0.5',
          `v${cseq}`,
        ),
      ) as SipRequest;
      const refused = subscriber.receive(state, request);
      return refused === null ? 200 : refused.reason.status;
    },
    advance(seconds: number) {
      clock.nowMs += seconds * 1000;
      subscriber.due(state);
    },
    /** What SUBSCRIBEs went out since the last call. */
    take: () =>
      sent.splice(0).map(({ headers }) => {
        const tag = /;tag=(\w+)/.exec(headers.get(Header.From)!)![1];
        return `${headers.get(Header['Call-ID'])} ${tag} ${headers.get(Header.CSeq)} ${headers.get(Header.Expires)}`;
      }),
    /** Granted and told once. */
    activate(expires = '7200') {
      this.answer(200, { Expires: expires });
      this.notify('active', 1);
      this.take();
      told.length = 0;
    },
  };
}

describe('beginning', () => {
  it('C-31 P-60 sends a SUBSCRIBE with all that the target names', () => {
    const { sent } = start();
    const [subscribe] = sent;
    const { headers } = subscribe!;
    expect(subscribe!.requestUri).toBe('sip:alice@ims.test');
    const values = headers.lines.map((line) => line.text.trimEnd());
    expect(values).toEqual([
      'Route: <sip:icscf.ims.test;lr>',
      'Max-Forwards: 70',
      'From: <sip:pcscf.ims.test>;tag=tag1',
      'To: <sip:alice@ims.test>',
      'Call-ID: call-1',
      'CSeq: 1 SUBSCRIBE',
      'Contact: <sip:reg@10.0.0.5>',
      'Event: reg',
      'Accept: application/reginfo+xml',
      'Expires: 600000',
      'P-Asserted-Identity: <sip:pcscf.ims.test>',
    ]);
  });

  it.each([200, 202])('C-31 a %i grants it, and the NOTIFY serves it', (status) => {
    const rig = start();
    rig.answer(status, { Expires: '7200' });
    expect(rig.state.phase).toBe('accepted');
    expect(rig.notify('active;expires=7200', 1)).toBe(200);
    expect([rig.state.phase, rig.told]).toEqual(['active', ['active v1']]);
    expect(rig.state.dialog).toMatchObject({ remoteTarget: 'sip:scscf@10.0.0.6', remoteTag: 'n', localCseq: 1 });
  });

  it('C-31 the NOTIFY may come before the 2xx', () => {
    const rig = start();
    expect(rig.notify('active;expires=100', 5)).toBe(200);
    expect(rig.state.phase).toBe('noticed');
    rig.answer(200, { Expires: '7200' });
    expect(rig.state.phase).toBe('active');
    rig.advance(6600);
    expect(rig.take().at(-1)).toBe('call-1 tag1 2 SUBSCRIBE 600000');
  });

  it('C-31 a 2xx without NOTIFY is a failure after 64*T1', () => {
    const rig = start();
    rig.answer(200, { Expires: '7200' });
    rig.take();
    rig.advance(31);
    expect(rig.state.phase).toBe('accepted');
    rig.advance(1);
    expect([rig.state.phase, rig.state.failures]).toEqual(['waiting', 1]);
    rig.advance(30);
    expect(rig.take()).toEqual(['call-2 tag2 1 SUBSCRIBE 600000']);
  });

  it.each([403, 404, 408, 480, 481, 500, 503, 504])(
    'C-31 P-60 after a %i it is tried again later, ever later',
    (status) => {
      const rig = start();
      const waits: number[] = [];
      for (let i = 0; i < 9; i++) {
        rig.answer(status);
        waits.push((rig.state.dueMs - rig.clock.nowMs) / 1000);
        rig.advance(waits.at(-1)!);
      }
      expect(waits).toEqual([30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
      expect(rig.sent).toHaveLength(10);
      rig.answer(status);
      expect(rig.ended).toEqual([]);
      rig.advance(3600);
      rig.answer(status);
      expect([rig.ended, rig.callIds.size]).toEqual([['failed'], 0]);
    },
  );

  it('C-31 no answer is a failure like others; a Retry-After is kept', () => {
    const rig = start();
    rig.subscriber.unanswered(rig.state, rig.sent[0]!);
    expect(rig.state.phase).toBe('waiting');
    rig.advance(30);
    rig.answer(503, { 'Retry-After': '500' });
    expect(rig.state.dueMs).toBe(rig.clock.nowMs + 500_000);
  });

  it.each([405, 406, 420, 489, 501, 603])('C-31 a %i is the last word', (status) => {
    const rig = start();
    rig.answer(status);
    expect([rig.ended, rig.state.phase]).toEqual([['refused'], 'ended']);
  });

  it('C-31 a 423 is followed by what it asks for, at once and not for ever', () => {
    const rig = start({ seconds: 60 });
    rig.take();
    rig.answer(423, { 'Min-Expires': '600' }, subscribeOf(rig));
    expect(rig.take()).toEqual(['call-2 tag2 1 SUBSCRIBE 600']);
    rig.answer(423, { 'Min-Expires': '601' }, subscribeOf(rig));
    expect([rig.take(), rig.state.phase]).toEqual([[], 'waiting']);
    const mute = start();
    mute.answer(423);
    expect(mute.ended).toEqual(['refused']);
  });

  it('C-31 without a Call-ID to be had it waits', () => {
    const rig = start();
    rig.answer(500);
    rig.refuseCallIds(true);
    rig.advance(30);
    rig.take();
    expect([rig.state.phase, rig.state.callId]).toEqual(['waiting', '']);
    rig.refuseCallIds(false);
    rig.advance(60);
    expect(rig.take()).toEqual(['call-2 tag2 1 SUBSCRIBE 600000']);
  });

  function subscribeOf({ state }: ReturnType<typeof start>): SipRequest {
    const fields = { 'Call-ID': state.callId, CSeq: `${state.cseq} SUBSCRIBE` };
    return parsed(requestText('SUBSCRIBE', fields)) as SipRequest;
  }
});

describe('NOTIFY', () => {
  it.each([
    ['another Call-ID', { 'Call-ID': 'x' }, 481],
    ['another To tag', { To: '<sip:pcscf.ims.test>;tag=x' }, 481],
    ['no To tag', { To: '<sip:pcscf.ims.test>' }, 481],
    ['the From tag of another fork', { From: '<sip:alice@ims.test>;tag=x' }, 481],
    ['another package', { Event: 'presence' }, 489],
    ['another id', { Event: 'reg;id=1' }, 489],
    ['no Event', { Event: '' }, 489],
    ['no Subscription-State', { 'Subscription-State': '' }, 400],
    ['a lower CSeq', { CSeq: '1 NOTIFY' }, 500],
  ])('C-31 P-62 with %s is refused and changes nothing', (_name, fields, status) => {
    const rig = start();
    rig.answer(200, { Expires: '7200' });
    rig.notify('active', 5);
    rig.told.length = 0;
    const before = JSON.stringify(rig.state);
    expect(rig.notify('terminated', 6, fields)).toBe(status);
    expect([JSON.stringify(rig.state), rig.told]).toEqual([before, []]);
  });

  it('C-31 that begins the dialog has to have a Contact', () => {
    const rig = start();
    expect(rig.notify('active', 1, { Contact: '' })).toBe(400);
    expect(rig.state.phase).toBe('subscribing');
  });

  it('C-31 may shorten the subscription, not prolong it', () => {
    const rig = start();
    rig.activate('7200');
    rig.notify('active;expires=99999', 2);
    expect(rig.state.expiresAtMs).toBe(1_000_000 + 7_200_000);
    rig.notify('active;expires=1000', 3);
    expect(rig.state.expiresAtMs).toBe(1_000_000 + 1_000_000);
    expect(rig.state.dueMs).toBe(1_000_000 + 500_000);
  });

  it('C-31 moves the target of the next SUBSCRIBE', () => {
    const rig = start();
    rig.activate();
    rig.notify('active', 2, { Contact: '<sip:other@10.0.0.8>' });
    rig.advance(6600);
    expect(rig.sent[0]!.requestUri).toBe('sip:other@10.0.0.8');
  });
});

describe('refreshing', () => {
  it('P-61 600 seconds before the end, of short ones at half time', () => {
    expect([600_000, 1201, 1200, 100].map(refreshAfterSeconds)).toEqual([599_400, 601, 600, 50]);
  });

  it('C-31 P-61 goes inside the dialog, and is answered with a new time', () => {
    const rig = start();
    rig.activate('7200');
    rig.advance(6599);
    expect(rig.take()).toEqual([]);
    rig.advance(1);
    expect(rig.sent[0]!.headers.get(Header.To)).toBe('<sip:alice@ims.test>;tag=n');
    expect(rig.take()).toEqual(['call-1 tag1 2 SUBSCRIBE 600000']);
    rig.answer(200, { Expires: '1000' }, latest(rig));
    expect([rig.state.phase, rig.state.dueMs - rig.clock.nowMs]).toEqual(['active', 500_000]);
  });

  it.each([404, 408, 481, 489])('C-31 P-61 a %i to it begins a new subscription at once', (status) => {
    const rig = start();
    rig.activate();
    rig.advance(6600);
    rig.take();
    rig.answer(status, {}, latest(rig));
    expect(rig.take()).toEqual(['call-2 tag2 1 SUBSCRIBE 600000']);
    expect([...rig.callIds]).toEqual(['call-2']);
  });

  it.each([403, 500, 503])('C-31 a %i to it leaves what was granted; it is tried again until the end', (status) => {
    const rig = start();
    rig.activate();
    rig.advance(6600);
    rig.answer(status, {}, latest(rig));
    expect(rig.state.phase).toBe('active');
    rig.take();
    rig.advance(30);
    expect(rig.take()).toEqual(['call-1 tag1 3 SUBSCRIBE 600000']);
    rig.answer(status, { 'Retry-After': '9999' }, latest(rig));
    rig.advance(570);
    expect(rig.take()).toEqual(['call-2 tag2 1 SUBSCRIBE 600000']);
  });

  it('C-31 silence begins a new subscription after a while', () => {
    const rig = start();
    rig.activate();
    rig.advance(6600);
    rig.subscriber.unanswered(rig.state, latest(rig));
    rig.take();
    expect(rig.state.phase).toBe('waiting');
    rig.advance(30);
    expect(rig.take()).toEqual(['call-2 tag2 1 SUBSCRIBE 600000']);
  });

  it('C-31 an answer to an older SUBSCRIBE counts for nothing', () => {
    const rig = start();
    const first = rig.sent[0]!;
    rig.activate();
    rig.advance(6600);
    rig.answer(481, {}, first);
    rig.subscriber.unanswered(rig.state, first);
    rig.answer(100, {}, latest(rig));
    expect(rig.state.phase).toBe('refreshing');
  });

  function latest({ state }: ReturnType<typeof start>): SipRequest {
    const fields = { 'Call-ID': state.callId, CSeq: `${state.cseq} SUBSCRIBE` };
    return parsed(requestText('SUBSCRIBE', fields)) as SipRequest;
  }
});

describe('the end by the notifier', () => {
  const cases: [state: string, wait: number | null][] = [
    ['terminated;reason=deactivated', 0],
    ['terminated;reason=timeout', 0],
    ['terminated;reason=Timeout;retry-after=9', 0],
    ['terminated;reason=probation;retry-after=90', 90],
    ['terminated;reason=giveup;retry-after=90', 90],
    ['terminated;reason=probation', null],
    ['terminated;reason=giveup', null],
    ['terminated;reason=rejected', null],
    ['terminated;reason=rejected;retry-after=90', null],
    ['terminated;reason=noresource;retry-after=90', null],
    ['terminated;reason=invariant', null],
    ['terminated', null],
    ['terminated;reason=whatever;retry-after=90', 90],
  ];
  it.each(cases)('C-31 P-65 %s: a new one after %s', (state, wait) => {
    const rig = start();
    rig.activate();
    rig.clock.nowMs += 100_000;
    expect(rig.notify(state, 2)).toBe(200);
    expect(rig.told).toEqual(['terminated v2']);
    if (wait === null) {
      expect([rig.ended, rig.callIds.size]).toEqual([['terminated'], 0]);
      return;
    }
    if (wait > 0) {
      expect(rig.take()).toEqual([]);
      rig.advance(wait);
    }
    expect(rig.take()).toEqual(['call-2 tag2 1 SUBSCRIBE 600000']);
  });

  it('C-31 X-I19 one that ends again and again is begun anew more and more slowly', () => {
    const rig = start();
    const waits: number[] = [];
    for (let i = 0; i < 5; i++) {
      rig.notify('terminated;reason=deactivated', 1);
      const wait = rig.state.phase === 'waiting' ? (rig.state.dueMs - rig.clock.nowMs) / 1000 : 0;
      waits.push(wait);
      if (wait > 0) rig.advance(wait);
    }
    expect(waits).toEqual([0, 30, 60, 120, 240]);
    rig.clock.nowMs += 61_000;
    rig.notify('terminated;reason=deactivated', 1);
    expect(rig.state.phase).toBe('subscribing');
  });

  it('C-31 the old dialog is known no more', () => {
    const rig = start();
    rig.activate();
    const { callId, localTag } = rig.state;
    rig.notify('terminated;reason=deactivated', 2);
    const old = { 'Call-ID': callId, To: `<sip:pcscf.ims.test>;tag=${localTag}` };
    expect(rig.notify('active', 3, old)).toBe(481);
  });
});

describe('leaving', () => {
  it('C-31 asks for the end, and is gone with the last NOTIFY', () => {
    const rig = start();
    rig.activate();
    rig.subscriber.stop(rig.state);
    expect(rig.take()).toEqual(['call-1 tag1 2 SUBSCRIBE 0']);
    rig.answer(200, { Expires: '0' }, lastOf(rig));
    expect(rig.ended).toEqual([]);
    expect(rig.notify('terminated;reason=timeout', 2)).toBe(200);
    expect(rig.ended).toEqual(['left']);
  });

  it.each([
    ['a failure', (rig: ReturnType<typeof start>) => rig.answer(481, {}, lastOf(rig))],
    ['silence', (rig: ReturnType<typeof start>) => rig.subscriber.unanswered(rig.state, lastOf(rig))],
    ['no NOTIFY in 64*T1', (rig: ReturnType<typeof start>) => rig.advance(32)],
  ])('C-31 is gone with %s as well', (_name, happens) => {
    const rig = start();
    rig.activate();
    rig.subscriber.stop(rig.state);
    rig.store();
    happens(rig);
    expect([rig.ended, rig.callIds.size]).toEqual([['left'], 0]);
    rig.subscriber.stop(rig.state);
    expect(rig.ended).toHaveLength(1);
  });

  it('C-31 before anything was granted is silent', () => {
    const rig = start();
    rig.take();
    rig.subscriber.stop(rig.state);
    expect([rig.take(), rig.ended]).toEqual([[], ['left']]);
    expect(rig.notify('active', 1)).toBe(481);
  });

  function lastOf({ state }: ReturnType<typeof start>): SipRequest {
    const fields = { 'Call-ID': state.callId, CSeq: `${state.cseq} SUBSCRIBE` };
    return parsed(requestText('SUBSCRIBE', fields)) as SipRequest;
  }
});

describe('after a restart', () => {
  it('C-31 goes on from what was stored', () => {
    const rig = start();
    rig.activate('7200');
    rig.store();
    rig.subscriber.resume(rig.state);
    rig.advance(6600);
    expect(rig.take()).toEqual(['call-1 tag1 2 SUBSCRIBE 600000']);
    rig.store();
    rig.subscriber.resume(rig.state);
    expect(rig.state.phase).toBe('waiting');
    rig.advance(30);
    expect(rig.take()).toEqual(['call-2 tag2 1 SUBSCRIBE 600000']);
  });
});
