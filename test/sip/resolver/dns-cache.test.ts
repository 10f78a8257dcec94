import { describe, expect, it } from 'vitest';
import { DnsCache } from '#sip/resolver/dns-cache';
import { type KnownZone, ZoneClient } from './known-zone.ts';

function cacheOf(zone: KnownZone, ttlSeconds = 60, capacity = 100) {
  const client = new ZoneClient(zone, ttlSeconds);
  const time = { nowMs: 1_000 };
  const cache = new DnsCache(client, () => time.nowMs, capacity);
  return { client, time, cache };
}

const one: KnownZone = { 'a.test': { A: ['10.0.0.1'] } };

describe('DnsCache', () => {
  it.each([
    [0, 1],
    [1, 1],
    [300, 300],
    [3_600, 3_600],
    [86_400, 3_600],
  ])('C-17 keeps records with a lifetime of %i s for %i s', async (ttlSeconds, keptSeconds) => {
    const { cache, time } = cacheOf(one, ttlSeconds);
    expect(cache.known('A', 'a.test')).toBeNull();
    await cache.ask('A', 'a.test');
    time.nowMs += keptSeconds * 1000 - 1;
    expect(cache.known('A', 'a.test')).toEqual(['10.0.0.1']);
    time.nowMs += 1;
    expect(cache.known('A', 'a.test')).toBeNull();
  });

  it('C-17 keeps SRV and NAPTR records, whose lifetime is not told, for a minute', async () => {
    const record = { name: 's.test', port: 5060, priority: 1, weight: 1 };
    const { cache, time } = cacheOf({ '_sip._udp.a.test': { SRV: [record] } });
    await cache.ask('SRV', '_sip._udp.a.test');
    time.nowMs += 59_999;
    expect(cache.known('SRV', '_sip._udp.a.test')).toEqual([record]);
    time.nowMs += 1;
    expect(cache.known('SRV', '_sip._udp.a.test')).toBeNull();
  });

  it('C-17 keeps for 30 s that there is nothing, and for 5 s that nobody said', async () => {
    const { cache, time } = cacheOf({ 'b.test': { A: 'fails' } });
    await cache.ask('A', 'a.test');
    await cache.ask('A', 'b.test');
    time.nowMs += 4_999;
    expect(cache.known('A', 'b.test')).toEqual([]);
    time.nowMs += 1;
    expect(cache.known('A', 'b.test')).toBeNull();
    time.nowMs += 24_999;
    expect(cache.known('A', 'a.test')).toEqual([]);
    time.nowMs += 1;
    expect(cache.known('A', 'a.test')).toBeNull();
  });

  it('C-17 knows each type by itself', async () => {
    const { cache } = cacheOf(one);
    await cache.ask('A', 'a.test');
    expect(cache.known('AAAA', 'a.test')).toBeNull();
    expect(cache.known('A', 'a.test')).toEqual(['10.0.0.1']);
  });

  it('C-17 asks once when many want to know the same at once', async () => {
    const { cache, client } = cacheOf(one);
    await Promise.all([cache.ask('A', 'a.test'), cache.ask('A', 'a.test'), cache.ask('AAAA', 'a.test')]);
    expect(client.asked).toEqual(['A a.test', 'AAAA a.test']);
    await cache.ask('A', 'a.test');
    expect(client.asked).toHaveLength(3);
  });

  it('C-17 X-F5 is bounded: the name that was not needed for longest goes', async () => {
    const zone: KnownZone = {};
    for (let i = 0; i < 6; i++) zone[`n${i}.test`] = { A: ['10.0.0.1'] };
    const { cache } = cacheOf(zone, 60, 4);
    for (let i = 0; i < 4; i++) await cache.ask('A', `n${i}.test`);
    expect(cache.known('A', 'n0.test')).not.toBeNull();
    await cache.ask('A', 'n4.test');
    await cache.ask('A', 'n5.test');
    expect(cache.size).toBe(4);
    expect(['n0', 'n1', 'n2', 'n3', 'n4', 'n5'].filter((name) => cache.known('A', `${name}.test`))).toEqual([
      'n0',
      'n3',
      'n4',
      'n5',
    ]);
  });

  it('X-F5 asks no more than 256 questions at once', async () => {
    const zone: KnownZone = {};
    for (let i = 0; i < 300; i++) zone[`n${i}.test`] = { A: 'silent' };
    const { cache, client } = cacheOf(zone);
    for (let i = 0; i < 300; i++) void cache.ask('A', `n${i}.test`);
    expect(client.asked).toHaveLength(256);
    await cache.ask('A', 'n299.test');
    expect(cache.known('A', 'n299.test')).toBeNull();
  });

  it('C-17 goes on with old records for up to an hour while the DNS fails, then with none', async () => {
    const { cache, client, time } = cacheOf(one);
    await cache.ask('A', 'a.test');
    client.zone = { 'a.test': { A: 'fails' } };
    time.nowMs += 60_000;
    expect(cache.known('A', 'a.test')).toBeNull();
    expect(cache.known('A', 'a.test', true)).toEqual(['10.0.0.1']);
    await cache.ask('A', 'a.test');
    expect(cache.known('A', 'a.test')).toEqual(['10.0.0.1']);
    time.nowMs += 30_000;
    expect(cache.known('A', 'a.test')).toBeNull();
    time.nowMs += 3_570_000;
    expect(cache.known('A', 'a.test', true)).toBeNull();
    await cache.ask('A', 'a.test');
    expect(cache.known('A', 'a.test')).toEqual([]);
  });

  it('C-17 drops old records as soon as the DNS says that there are none', async () => {
    const { cache, client, time } = cacheOf(one);
    await cache.ask('A', 'a.test');
    client.zone = {};
    time.nowMs += 60_000;
    await cache.ask('A', 'a.test');
    expect(cache.known('A', 'a.test', true)).toEqual([]);
  });
});
