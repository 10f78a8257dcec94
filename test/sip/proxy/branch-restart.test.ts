import { describe, expect, it } from 'vitest';
import type { ForwardOptions } from '#sip/proxy/proxy-branch';
import type { TransportFailure } from '#sip/transport/transport-failure';
import { answerTo, type ProxyRig, requestText, startProxy, ua, viaOf } from '../proxy-rig.ts';
import { flowFrom } from '../wire-port.ts';

const timerBMs = 32_000;
const alone = 'sip:10.0.0.40';
const inDialog = { To: '<sip:bob@ims.test>;tag=b' };

/** Every request that left, refused as long as `away` says. Gives when they left, milliseconds after the first. */
function refuse(rig: ProxyRig, away: () => boolean, failure: TransportFailure = 'refused'): number[] {
  const startMs = rig.time.nowMs;
  const times: number[] = [];
  let seen = 0;
  while (rig.time.nowMs - startMs < 40_000) {
    const { length } = rig.sent;
    for (; seen < length; seen++) {
      const { text, token } = rig.sent[seen]!;
      if (text.startsWith('SIP/2.0 ')) continue;
      times.push(rig.time.nowMs - startMs);
      if (away()) rig.layer.sendFailed(token, failure);
    }
    rig.time.advance(10);
  }
  return times;
}

/** Statuses of the final responses, a retransmission counting as the same. */
function finals(rig: ProxyRig): string[] {
  const texts = rig.sent.flatMap(({ text }) => (/^SIP\/2\.0 [2-6]/.test(text) ? [text] : []));
  return [...new Set(texts)].map((text) => text.slice(0, 11));
}

describe('a next hop without another that refuses', () => {
  it.each(['INVITE', 'BYE', 'UPDATE'])(
    'X-R2 C-14 inside a dialog %s is sent again by Timer A or E until it is back',
    (method) => {
      const rig = startProxy();
      rig.receive(requestText(method, inDialog, alone));
      const { text, token } = rig.sent[0]!;
      rig.layer.sendFailed(token, 'refused');
      rig.time.advance(3_600);
      const sent = rig.sent.filter((each) => each.text === text);
      expect(sent).toHaveLength(4);
      for (const again of sent) rig.layer.sendFailed(again.token, 'refused');
      rig.time.advance(4_100);
      expect(finals(rig)).toEqual([]);
      rig.receive(answerTo(text, 200));
      expect(finals(rig)).toEqual(['SIP/2.0 200']);
      expect(rig.core.health.size).toBe(0);
    },
  );

  it.each(['INVITE', 'BYE'])('X-R2 C-14 inside a dialog %s is 504 when Timer B or F ends', (method) => {
    const rig = startProxy();
    rig.receive(requestText(method, inDialog, alone));
    const times = refuse(rig, () => true);
    expect(finals(rig)).toEqual(['SIP/2.0 504']);
    expect(times.at(-1)).toBeLessThan(timerBMs);
    expect(times.length).toBeGreaterThan(5);
    expect(rig.layer.counts.clients).toBe(0);
  });

  it.each(['INVITE', 'MESSAGE', 'REGISTER'])('X-R2 C-14 %s is sent four times, then it is 504', (method) => {
    const rig = startProxy();
    rig.receive(requestText(method, {}, alone));
    const times = refuse(rig, () => true);
    expect(times.map((ms) => Math.round(ms / 100))).toEqual([0, 5, 15, 36]);
    expect(finals(rig)).toEqual(['SIP/2.0 504']);
    expect(rig.core.health.size).toBe(1);
  });

  it('X-R2 C-14 the time counts only as long as it refuses: then it is silent like any other', () => {
    const rig = startProxy();
    rig.receive(requestText('MESSAGE', {}, alone));
    let refusals = 0;
    const times = refuse(rig, () => refusals++ < 3);
    expect(times.at(-1)).toBeGreaterThan(20_000);
    expect(finals(rig)).toEqual(['SIP/2.0 504']);
  });

  it.each(['refused', 'closed'] as const)(
    'X-R2 C-14 over a stream that is %s it is sent again by a new one, as often, and not without a failure',
    (failure) => {
      for (const method of ['INVITE', 'MESSAGE']) {
        const rig = startProxy();
        rig.receive(requestText(method, {}, `${alone};transport=tcp`));
        let refusals = 0;
        const times = refuse(rig, () => refusals++ < 2, failure);
        expect(times.map((ms) => Math.round(ms / 100))).toEqual([0, 5, 15]);
        const dead = startProxy();
        dead.receive(requestText(method, {}, `${alone};transport=tcp`));
        expect(refuse(dead, () => true, failure)).toHaveLength(4);
        expect(finals(dead)).toEqual(['SIP/2.0 504']);
      }
    },
  );

  it('X-R2 a 100 and then a restart: the request inside a dialog reaches the new process', () => {
    const rig = startProxy();
    rig.receive(requestText('UPDATE', inDialog, alone));
    const { text, token } = rig.sent[0]!;
    rig.receive(answerTo(text, 100));
    rig.time.advance(600);
    rig.layer.sendFailed(token, 'refused');
    rig.time.advance(4_100);
    expect(rig.sent.filter((each) => each.text === text)).toHaveLength(3);
    expect(finals(rig)).toEqual([]);
  });

  it('C-06 a call that is cancelled meanwhile is over with the next refusal', () => {
    const rig = startProxy();
    rig.receive(requestText('INVITE', {}, alone));
    const { token } = rig.sent[0]!;
    rig.layer.sendFailed(token, 'refused');
    rig.receive(requestText('CANCEL', {}, alone));
    rig.time.advance(600);
    rig.layer.sendFailed(token, 'refused');
    expect(finals(rig)).toEqual(['SIP/2.0 200', 'SIP/2.0 487']);
    expect(rig.sent.some(({ text }) => text.startsWith('CANCEL '))).toBe(false);
  });
});

describe('at once', () => {
  const atOnce = (fields: Record<string, string>, options: ForwardOptions, failure: TransportFailure = 'refused') => {
    const rig = startProxy({ handleRequest: (transaction) => transaction.forward(options) });
    rig.receive(requestText('MESSAGE', fields, alone));
    rig.layer.sendFailed(rig.sent[0]!.token, failure);
    return finals(rig);
  };

  it('C-14 C-16 the next one of several is tried, and the last one is waited for', () => {
    const rig = startProxy();
    rig.receive(requestText('BYE', inDialog, 'sip:pool.test'));
    for (const { token } of [...rig.sent]) rig.layer.sendFailed(token, 'refused');
    expect(rig.sent.map(({ target }) => target.address)).toEqual(['10.0.0.10', '10.0.0.11']);
    rig.layer.sendFailed(rig.sent[1]!.token, 'refused');
    expect(finals(rig)).toEqual([]);
    rig.time.advance(510);
    expect(rig.sent.map(({ target }) => target.address)).toEqual(['10.0.0.10', '10.0.0.11', '10.0.0.11']);
  });

  it('C-14 a phone that refuses is gone', () => {
    for (const fields of [inDialog, {} as Record<string, string>]) {
      expect(atOnce(fields, { targets: [flowFrom('10.0.0.9', 5060)] })).toEqual(['SIP/2.0 504']);
    }
  });

  it('C-14 I-13 S-97 a node that said how long it waits has something else to do', () => {
    expect(atOnce({}, { responseTimeoutMs: 5_000 })).toEqual(['SIP/2.0 504']);
  });

  it.each(['unreachable', 'too-large', 'timeout', 'closed'] as const)('C-14 %s is no restart', (failure) => {
    expect(atOnce(inDialog, {}, failure)).toEqual(['SIP/2.0 504']);
  });

  it('C-17 whoever else asks for a host hears that it refuses', () => {
    const rig = startProxy();
    rig.receive(requestText('MESSAGE', {}, 'sip:10.0.0.31'));
    rig.layer.sendFailed(rig.sent[0]!.token, 'refused');
    rig.take();
    rig.receive(requestText('MESSAGE', viaOf('other'), 'sip:trio.test'));
    expect(rig.take()).toEqual([`MESSAGE sip:trio.test SIP/2.0 > 10.0.0.32:5060`]);
    expect(rig.take()).not.toContain(ua);
  });
});
