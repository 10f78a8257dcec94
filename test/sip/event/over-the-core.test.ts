import { describe, expect, it } from 'vitest';
import { isRefusal, type Refusal } from '#sip/dialog/refusal';
import { Notifier } from '#sip/event/notifier';
import { defaultSubscriberPolicy } from '#sip/event/resubscription';
import { type EventPackage, readSubscribe } from '#sip/event/subscribe-request';
import { Subscriber } from '#sip/event/subscriber';
import type { SubscriberState } from '#sip/event/subscriber-state';
import { acceptSubscribe, openSubscription, refreshSubscription, type Subscription } from '#sip/event/subscription';
import type { SipRequest } from '#sip/message/request';
import type { ProxyCore } from '#sip/proxy/proxy-core';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import { type ProxyRig, startProxy } from '../proxy-rig.ts';
import { flowFrom } from '../wire-port.ts';

const reg: EventPackage = {
  event: 'reg',
  contentType: 'application/reginfo+xml',
  defaultSeconds: 3761,
  minSeconds: 60,
  maxSeconds: 7200,
};

function refuse(transaction: ProxyTransaction, { reason, detail, headers }: Refusal): void {
  transaction.refuse(reason, detail, (response) => {
    for (const [key, value] of headers) response.headers.append(key, value);
  });
}

/** Sends a request of ours and tells what became of it. */
function send(
  core: ProxyCore,
  request: SipRequest,
  user: { answered(response: Parameters<Notifier['answered']>[1]): void; unanswered(): void },
): void {
  core.originate(request, {
    branchResponse: (_branch, response) => user.answered(response),
    branchFailed: () => user.unanswered(),
  });
}

/** A node with subscriptions of others. */
function notifierNode() {
  const subscriptions = new Map<string, Subscription>();
  let state = 'one';
  const notifier: Notifier = new Notifier(reg.contentType, {
    nowMs: () => rig.time.nowMs,
    body: ({ version }) => `${state} v${version}`,
    send: (subscription, notify) =>
      send(rig.core, notify, {
        answered: (response) => notifier.answered(subscription, response),
        unanswered: () => notifier.unanswered(subscription, notify),
      }),
    changed() {},
    ended: ({ dialog }) => void subscriptions.delete(dialog.callId),
  });
  const rig: ProxyRig = startProxy({
    handleRequest(transaction) {
      const { request } = transaction;
      if (!transaction.serveAsUas([])) return;
      const asked = readSubscribe(request, reg);
      if (isRefusal(asked)) return refuse(transaction, asked);
      const contact = '<sip:notifier@127.0.0.1:5060>';
      const opened = openSubscription(request, asked, transaction.toTag, contact, rig.time.nowMs);
      if (isRefusal(opened)) return refuse(transaction, opened);
      subscriptions.set(opened.dialog.callId, opened);
      transaction.reply(200, (response) => acceptSubscribe(opened, request, asked, response));
      notifier.refreshed(opened);
    },
    handleLocal(transaction) {
      const { request } = transaction;
      const subscription = subscriptions.get(request.headers.get('Call-ID')!);
      if (subscription === undefined) return transaction.reply(481);
      const asked = refreshSubscription(subscription, request, reg, rig.time.nowMs);
      if (isRefusal(asked)) return refuse(transaction, asked);
      transaction.reply(200, (response) => acceptSubscribe(subscription, request, asked, response));
      notifier.refreshed(subscription);
    },
  });
  return {
    rig,
    subscriptions,
    notifier,
    change(next: string) {
      state = next;
      for (const subscription of subscriptions.values()) notifier.stateChanged(subscription);
    },
  };
}

/** A node that subscribes. */
function subscriberNode() {
  const heard: string[] = [];
  let serial = 0;
  const subscriber: Subscriber = new Subscriber(defaultSubscriberPolicy, {
    nowMs: () => rig.time.nowMs,
    newCallId: () => `sub-${++serial}`,
    newTag: () => rig.core.newTag(),
    releaseCallId() {},
    send: (state, subscribe) =>
      send(rig.core, subscribe, {
        answered: (response) => subscriber.answered(state, response),
        unanswered: () => subscriber.unanswered(state, subscribe),
      }),
    changed() {},
    notified: (_state, { body }, told) => void heard.push(`${told.state} ${body}`),
    ended: (_state, why) => void heard.push(why),
  });
  let state: SubscriberState | null = null;
  const rig: ProxyRig = startProxy({
    handleLocal(transaction) {
      const refusal = subscriber.receive(state!, transaction.request);
      if (refusal === null) transaction.reply(200);
      else refuse(transaction, refusal);
    },
  });
  return {
    rig,
    heard,
    subscriber,
    get state() {
      return state!;
    },
    subscribe() {
      state = subscriber.start({
        requestUri: 'sip:alice@10.0.0.2',
        from: '<sip:pcscf.ims.test>',
        to: '<sip:alice@ims.test>',
        contact: '<sip:reg@127.0.0.1:5060>',
        routes: [],
        event: 'reg',
        accept: 'application/reginfo+xml',
        seconds: 7200,
        headers: [],
      });
    },
  };
}

/** Carries what two nodes send to each other, until both are silent. */
function carry(one: ProxyRig, other: ProxyRig): string[] {
  const carried: string[] = [];
  for (let more = true; more; ) {
    more = false;
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      for (const { text } of from.sent.splice(0)) {
        carried.push(text.slice(0, text.indexOf('\r\n')).replace(/ SIP\/2\.0$/, ''));
        to.receive(text, flowFrom('127.0.0.1', 5060));
        more = true;
      }
    }
  }
  return carried;
}

describe('a subscriber and a notifier', () => {
  it('C-31 subscribe, notify, refresh and leave through two cores', () => {
    const theirs = notifierNode();
    const ours = subscriberNode();
    ours.subscribe();
    expect(carry(ours.rig, theirs.rig)).toEqual([
      'SUBSCRIBE sip:alice@10.0.0.2',
      'SIP/2.0 200 OK',
      'NOTIFY sip:reg@127.0.0.1:5060',
      'SIP/2.0 200 OK',
    ]);
    expect([ours.heard, ours.state.phase]).toEqual([['active one v0'], 'active']);
    theirs.change('two');
    theirs.change('three');
    carry(ours.rig, theirs.rig);
    expect(ours.heard.slice(1)).toEqual(['active two v1', 'active three v2']);
    const wait = ours.state.dueMs - ours.rig.time.nowMs;
    expect(wait).toBe(6_600_000);
    ours.rig.time.advance(wait);
    theirs.rig.time.advance(wait);
    ours.subscriber.due(ours.state);
    expect(carry(ours.rig, theirs.rig)[0]).toBe('SUBSCRIBE sip:notifier@127.0.0.1:5060');
    expect(ours.heard.at(-1)).toBe('active three v3');
    ours.subscriber.stop(ours.state);
    carry(ours.rig, theirs.rig);
    expect(ours.heard.slice(-2)).toEqual(['terminated three v4', 'left']);
    expect(theirs.subscriptions.size).toBe(0);
  });

  it('C-31 C-05 a SUBSCRIBE that comes twice begins one subscription', () => {
    const theirs = notifierNode();
    const ours = subscriberNode();
    ours.subscribe();
    const { text } = ours.rig.sent[0]!;
    theirs.rig.receive(text, flowFrom('127.0.0.1', 5060));
    theirs.rig.receive(text.replace(/branch=\S+/, 'branch=z9hG4bKother'), flowFrom('127.0.0.1', 5060));
    expect(theirs.rig.sent.map(({ text: sent }) => sent.slice(0, 11))).toEqual([
      'SIP/2.0 200',
      'NOTIFY sip:',
      'SIP/2.0 482',
    ]);
  });

  it('C-31 a subscriber that is gone loses its subscription with the first NOTIFY it does not answer', () => {
    const theirs = notifierNode();
    const ours = subscriberNode();
    ours.subscribe();
    carry(ours.rig, theirs.rig);
    theirs.change('two');
    theirs.rig.time.advance(34_000);
    expect(theirs.subscriptions.size).toBe(0);
  });

  it('C-31 a notifier that has forgotten all is subscribed to anew', () => {
    const theirs = notifierNode();
    const ours = subscriberNode();
    ours.subscribe();
    carry(ours.rig, theirs.rig);
    theirs.subscriptions.clear();
    ours.rig.time.advance(6_600_000);
    theirs.rig.time.advance(6_600_000);
    ours.subscriber.due(ours.state);
    const carried = carry(ours.rig, theirs.rig);
    expect(carried.filter((line) => line.startsWith('S') && !line.startsWith('SIP/2.0 200'))).toEqual([
      'SUBSCRIBE sip:notifier@127.0.0.1:5060',
      'SIP/2.0 481 Call/Transaction Does Not Exist',
      'SUBSCRIBE sip:alice@10.0.0.2',
    ]);
    expect([ours.state.callId, ours.state.phase]).toEqual(['sub-2', 'active']);
  });
});
