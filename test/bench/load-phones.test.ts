import { expect, test } from 'vitest';
import { TimerWheel } from '#sip/transaction/timer-wheel';
import { Exchange } from '../../bench/load/exchange.ts';
import { branchOf, challengeParameter, fieldOf, fieldsOf, statusOf, tagOf } from '../../bench/load/sip-text.ts';
import { percentile, Tally } from '../../bench/load/tally.ts';
import { loopbackAddress } from '../../bench/load/wire.ts';

/** Times at which a request goes out, and when its phone gives up, with T1 of 2 s and 20 s of patience. */
function timesOf(invite: boolean, retransmits: boolean, provisionalMs = Number.POSITIVE_INFINITY) {
  let nowMs = 0;
  const wheel = new TimerWheel(
    () => nowMs,
    () => {},
  );
  const sent: number[] = [];
  let gaveUpMs = -1;
  const exchange = new Exchange(
    wheel,
    { t1Ms: 2_000, t2Ms: 4_000, answerMs: 20_000, retransmits },
    {
      send: () => sent.push(Math.round(nowMs / 100) / 10),
      retransmitted() {},
      gaveUp: () => (gaveUpMs = nowMs),
    },
  );
  exchange.start('text', 'branch', invite);
  for (; nowMs < 40_000; nowMs += 10) {
    if (nowMs === provisionalMs) exchange.proceed();
    wheel.advance();
  }
  return { sent, gaveUpSeconds: Math.round(gaveUpMs / 100) / 10 };
}

test('phones send an INVITE again by Timer A until something comes, and give up', () => {
  const never = timesOf(true, true);
  expect(never.sent.map(Math.round)).toEqual([0, 2, 6, 14]);
  // The wheel rounds long times up, by 4 % at most.
  expect(Math.floor(never.gaveUpSeconds)).toBe(20);
  expect(timesOf(true, true, 3_000).sent.map(Math.round)).toEqual([0, 2]);
});

test('phones send other requests again by Timer E, never slower than T2, and on a stream not at all', () => {
  expect(timesOf(false, true).sent.map(Math.round)).toEqual([0, 2, 6, 10, 14, 18]);
  const stream = timesOf(false, false);
  expect(stream.sent).toEqual([0]);
  expect(Math.floor(stream.gaveUpSeconds)).toBe(20);
});

test('what phones read of a message', () => {
  const text =
    'SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.16.0.1:5;branch=z9hG4bKa1;rport\r\nRecord-Route: <sip:a;lr>\r\n' +
    'Record-Route: <sip:b;lr>\r\nTo: <sip:x@y>;tag=t1\r\n\r\nTo: body';
  expect(statusOf(text)).toBe(200);
  expect(statusOf('INVITE sip:a SIP/2.0\r\n')).toBe(0);
  expect(branchOf(text)).toBe('z9hG4bKa1');
  expect(fieldsOf(text, 'Record-Route')).toEqual(['<sip:a;lr>', '<sip:b;lr>']);
  expect(tagOf(fieldOf(text, 'To'))).toBe('t1');
  expect(fieldOf(text, 'Contact')).toBe('');
  const challenge = 'Digest realm="ims.test", nonce="a,b=", algorithm=AKAv1-MD5, qop="auth"';
  expect(['realm', 'nonce', 'algorithm', 'qop', 'opaque'].map((name) => challengeParameter(challenge, name))).toEqual([
    'ims.test',
    'a,b=',
    'AKAv1-MD5',
    'auth',
    '',
  ]);
});

test('each phone has a loopback address of its own', () => {
  expect([0, 254, 255, 65_534, 65_535].map((number) => loopbackAddress(16, number))).toEqual([
    '127.16.0.1',
    '127.16.0.255',
    '127.16.1.0',
    '127.16.255.255',
    '127.17.0.0',
  ]);
});

test('a tally knows by second what began, what ended and what did not', () => {
  const tally = new Tally(1_000);
  tally.begun('call', 1_100);
  tally.begun('call', 1_200);
  tally.begun('message', 2_500);
  tally.completed('call', 1_100, 30, 3_100);
  tally.failed('call', 1_200, '503');
  expect(tally.open).toBe(1);
  expect(tally.sums()).toEqual({ completed: 1, failed: 1, retransmitted: 0 });
  expect(tally.seconds.map(({ begun, completed, failed }) => [begun, completed, failed])).toEqual([
    [2, 0, 1],
    [1, 0, 0],
    [0, 1, 0],
  ]);
  expect([tally.completedWithin(2), tally.completedWithin(3)]).toEqual([0, 1]);
  expect(percentile([5, 1, 4, 2, 3], 0.5)).toBe(3);
  expect(percentile([], 0.99)).toBe(0);
});
