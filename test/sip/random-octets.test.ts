import { describe, expect, it } from 'vitest';
import { randomOctets } from '#sip/random-octets';

describe('random octets', () => {
  it('are as many as asked for, never the same, and nobody else has them', () => {
    const seen = new Set<string>();
    for (let i = 0; i < 2_000; i++) {
      const octets = randomOctets(12);
      expect(octets).toHaveLength(12);
      seen.add(octets.toString('hex'));
      octets.fill(0);
    }
    expect(seen.size).toBe(2_000);
    expect(randomOctets(256)).toHaveLength(256);
  });
});
