import { describe, expect, it } from 'vitest';
import { HeadScan } from '#workers/head-scan';
import { createRefused, RefusedRequests } from '#workers/refused-requests';

function scanned(branch: string): HeadScan {
  return scanOf(`Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK${branch}`);
}

function scanOf(...fields: readonly string[]): HeadScan {
  const scan = new HeadScan();
  scan.scan(`OPTIONS sip:x SIP/2.0\r\n${fields.join('\r\n')}\r\n\r\n`);
  return scan;
}

describe('requests that were refused lately', () => {
  it('X-R14 are known for 32 s, to all threads, and are then forgotten', () => {
    const memory = createRefused();
    const [one, other] = [new RefusedRequests(memory, 5), new RefusedRequests(memory, 5)];
    expect(other.isActive(1_000)).toBe(false);
    one.note(scanned('a'), 1_000);
    expect([other.isActive(1_000), other.has(scanned('a'), 1_000)]).toEqual([true, true]);
    expect(other.has(scanned('b'), 1_000)).toBe(false);
    one.note(scanned('b'), 20_000);
    expect([other.has(scanned('a'), 32_900), other.has(scanned('a'), 33_100)]).toEqual([true, false]);
    expect([other.has(scanned('b'), 51_900), other.isActive(51_900)]).toEqual([true, true]);
    expect([other.has(scanned('b'), 52_100), other.isActive(52_100)]).toEqual([false, false]);
  });

  it('X-R14 are told apart by Call-ID and CSeq where their sender makes no branches', () => {
    const refused = new RefusedRequests(createRefused(), 5);
    const via = 'Via: SIP/2.0/UDP 192.0.2.1:5060';
    refused.note(scanOf(via, 'Call-ID: a', 'CSeq: 1 OPTIONS'), 0);
    expect(refused.has(scanOf(via, 'Call-ID: a', 'CSeq: 1 OPTIONS'), 0)).toBe(true);
    expect(refused.has(scanOf(via, 'Call-ID: a', 'CSeq: 2 OPTIONS'), 0)).toBe(false);
    expect(refused.has(scanOf(via, 'Call-ID: b', 'CSeq: 1 OPTIONS'), 0)).toBe(false);
  });

  it('X-F1 a flood of them makes it forget some sooner', () => {
    const refused = new RefusedRequests(createRefused(), 5);
    for (let i = 0; i < 100_000; i++) refused.note(scanned(`flood${i}`), 0);
    let known = 0;
    for (let i = 80_000; i < 100_000; i++) if (refused.has(scanned(`flood${i}`), 0)) known++;
    expect(refused.has(scanned('flood99999'), 0)).toBe(true);
    // Of the last 20,000 among 65,536 places about one in seven is overwritten.
    expect(known).toBeGreaterThan(16_000);
    expect(known).toBeLessThan(19_000);
  });
});
