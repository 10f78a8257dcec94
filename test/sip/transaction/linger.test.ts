import { describe, expect, it } from 'vitest';
import { Linger } from '#sip/transaction/linger';
import { answerTo, requestText, startProxy } from '../proxy-rig.ts';

describe('how long answered transactions are kept', () => {
  it('C-01 is what the RFCs say while they take less than half of the memory they may take', () => {
    const linger = new Linger(1_000_000);
    for (let i = 0; i < 45; i++) linger.opened('INVITE');
    expect(linger.ms(128_000)).toBe(128_000);
  });

  it('X-F2 shrinks with the memory that is left, to a second and never less', () => {
    const linger = new Linger(1_000_000);
    const times: number[] = [];
    for (let i = 0; i < 100; i++) {
      linger.opened('INVITE');
      times.push(linger.ms(32_000));
    }
    expect(times.every((ms, i) => i === 0 || ms <= times[i - 1]!)).toBe(true);
    expect(times.at(-1)).toBe(1_000);
    expect(linger.ms(500)).toBe(500);
    for (let i = 0; i < 100; i++) linger.ended('INVITE');
    expect([linger.octets, linger.ms(32_000)]).toEqual([0, 32_000]);
  });

  it('X-F2 bounds the transactions of a proxy whatever the rate of calls is', () => {
    const rig = startProxy();
    let most = 0;
    for (let i = 0; i < 60_000; i++) {
      const fields = { Via: `SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKc${i}`, 'Call-ID': `c${i}`, Contact: '<sip:a@h>' };
      rig.receive(requestText(i % 2 === 0 ? 'INVITE' : 'MESSAGE', fields));
      rig.receive(answerTo(rig.sent.at(-1)!.text, 200));
      rig.sent.length = 0;
      // 500 a second: by the book 16,000 would be kept.
      if (i % 10 === 0) rig.time.advance(20);
      most = Math.max(most, rig.layer.counts.servers);
    }
    expect(most).toBeLessThan(12_000);
    rig.time.advance(140_000);
    expect(rig.layer.counts).toEqual({ servers: 0, clients: 0 });
  });
});
