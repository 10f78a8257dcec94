import { describe, expect, it } from 'vitest';
import { type Avp, avp } from '#diameter/codec/avp-types';
import { FLAG_RETRANSMITTED } from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import { parseDiameterUri } from '#diameter/peer/redirect';
import { cxServer, toServers, until, withResult } from './peer-rig.ts';

function redirecting(uris: readonly string[], ...more: Avp[]) {
  return cxServer('slf.test', (message) =>
    withResult(message, 'slf.test', 3006, ...uris.map((uri) => avp(baseAvps.redirectHost, uri)), ...more),
  );
}

const serving = (host: string) => cxServer(host, (message) => withResult(message, host));

describe('D-22 a redirect answer', () => {
  it('is followed to a peer that is connected, without T and under the same End-to-End Identifier', async () => {
    const slf = await redirecting([
      'aaa://gone.test;transport=tcp',
      'aaa://H2.test:3868;transport=tcp;protocol=diameter',
    ]);
    const h2 = await serving('h2.test');
    const { cx, allUp, table } = toServers([slf, h2]);
    await allUp();
    expect(await cx.locationInfo({ impu: 'sip:a@b' })).toMatchObject({ originHost: 'h2.test' });
    expect(h2.seen[0]?.endToEnd).toBe(slf.seen[0]?.endToEnd);
    expect((h2.seen[0]?.flags ?? 0) & FLAG_RETRANSMITTED).toBe(0);
    await cx.locationInfo({ impu: 'sip:a@b' });
    expect(slf.seen).toHaveLength(2);
    expect(table.counters.redirects).toBe(2);
  });

  it('is kept for the realm where it says so', async () => {
    const usage = [avp(baseAvps.redirectHostUsage, 3), avp(baseAvps.redirectMaxCacheTime, 60)];
    const slf = await redirecting(['aaa://h2.test'], ...usage);
    const h2 = await serving('h2.test');
    const { cx, allUp } = toServers([slf, h2]);
    await allUp();
    for (let n = 0; n < 3; n++) {
      expect(await cx.locationInfo({ impu: 'sip:a@b' })).toMatchObject({ originHost: 'h2.test' });
    }
    expect(slf.seen).toHaveLength(1);
    h2.sockets[0]?.destroy();
    await until(() => h2.sockets.length === 2 || slf.seen.length > 1, 'the loss');
  });

  it('is followed once, and comes to the client when nobody of those named is a peer, or by policy', async () => {
    const again = await cxServer('h2.test', (message) =>
      withResult(message, 'h2.test', 3006, avp(baseAvps.redirectHost, 'aaa://h3.test')),
    );
    const slf = await redirecting(['aaa://h2.test']);
    const h3 = await serving('h3.test');
    const twice = toServers([slf, again, h3]);
    await twice.allUp();
    expect(await twice.cx.locationInfo({ impu: 'sip:a@b' })).toMatchObject({
      result: { code: 3006 },
      originHost: 'h2.test',
    });
    const unknown = await redirecting(['aaa://nobody.test', 'radius://h2.test', 'aaa://h2.test;transport=sctp']);
    const known = toServers([unknown, h3]);
    await known.allUp();
    expect(await known.cx.locationInfo({ impu: 'sip:a@b' })).toMatchObject({ result: { code: 3006 } });
    const ignoring = toServers([slf, again, h3], { redirect: 'ignore' });
    await ignoring.allUp();
    expect(await ignoring.cx.locationInfo({ impu: 'sip:a@b' })).toMatchObject({ originHost: 'slf.test' });
    expect(h3.seen).toEqual([]);
  });

  it('makes a connection under the policy connect; its request waits for it', async () => {
    const h9 = await serving('localhost');
    const slf = await redirecting([`aaa://localhost:${h9.port}`]);
    const { cx, allUp, table } = toServers([slf], { redirect: 'connect' });
    await allUp();
    const outcomes = [1, 2].map((n) => cx.locationInfo({ impu: `sip:${n}@b` }));
    expect(await Promise.all(outcomes)).toMatchObject([{ originHost: 'localhost' }, { originHost: 'localhost' }]);
    expect(table.status().map(({ host }) => host)).toEqual(['slf.test', 'localhost']);
    expect(h9.sockets).toHaveLength(1);
    h9.sockets[0]?.destroy();
    await until(() => table.status().length === 1, 'forgotten after its loss');
  });

  it('comes to the client when the other host cannot be reached', async () => {
    const slf = await redirecting(['aaa://localhost:1']);
    const { cx, allUp, table } = toServers([slf], { redirect: 'connect' });
    await allUp();
    expect(await cx.locationInfo({ impu: 'sip:a@b' })).toMatchObject({ result: { code: 3006 } });
    await until(() => table.status().length === 1, 'forgotten');
  });

  it.each([
    ['aaa://hss.test', { host: 'hss.test', port: 3868, tls: false }],
    ['AAA://hss.test:3870;transport=TCP;protocol=diameter', { host: 'hss.test', port: 3870, tls: false }],
    ['aaas://hss.test', { host: 'hss.test', port: 5658, tls: true }],
    ['aaa://hss.test;transport=sctp', undefined],
    ['aaa://hss.test;protocol=radius', undefined],
    ['aaa://hss.test:0', undefined],
    ['aaa://hss.test:65536', undefined],
    ['aaa://hss.test:1e3', undefined],
    ['aaa://', undefined],
    ['http://hss.test', undefined],
    ['aaa://a b', undefined],
  ])('reads %s', (text, expected) => {
    expect(parseDiameterUri(text)).toEqual(expected);
  });
});
