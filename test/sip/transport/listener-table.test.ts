import { expect, it } from 'vitest';
import { ParseFailure } from '#sip/errors';
import { OwnNames } from '#sip/proxy/route-processing';
import type { Listener } from '#sip/transport/flow';
import { ListenerTable } from '#sip/transport/listener-table';
import type { SipUri } from '#sip/uri/sip-uri';
import { parseUri } from '#sip/uri/uri';

function listener(index: number, port: number, more: Partial<Listener> = {}): Listener {
  return {
    index,
    sides: ['mw'],
    transport: 'udp',
    address: '127.0.0.1',
    port,
    sentBy: `127.0.0.1:${port}`,
    ...more,
  };
}

it('follows other listeners in the same list, and chooses none that is closed', () => {
  const table = new ListenerTable([listener(0, 1), listener(1, 2, { sides: ['gm'] })]);
  const { all } = table;
  expect(table.choose('mw', 'udp', false)?.index).toBe(0);
  const closed = listener(0, 1, { closed: true });
  table.replace([closed, listener(1, 2, { sides: ['gm'] }), listener(2, 3), listener(3, 3, { transport: 'tcp' })]);
  expect(table.all).toBe(all);
  expect(all.map(({ port }) => port)).toEqual([1, 2, 3, 3]);
  expect(table.choose('mw', 'udp', false)?.index).toBe(2);
  expect(table.serves('mw', 'tcp')).toBe(true);
  expect([table.at('udp', '127.0.0.1', 1), table.at('udp', '127.0.0.1', 3)?.index]).toEqual([null, 2]);
  table.replace([closed, { ...closed, index: 1 }]);
  expect(table.choose('gm', 'udp', false)).toBeNull();
});

it('leaves a node the names it had: routes of dialogs have them', () => {
  const own = new OwnNames(['a.test:5060']);
  own.add(['B.test:5070']);
  const has = (text: string) => {
    const uri = parseUri(text);
    return !(uri instanceof ParseFailure) && own.has(uri as SipUri);
  };
  expect(['sip:a.test', 'sip:b.test:5070', 'sip:b.test:5071'].map(has)).toEqual([true, true, false]);
});
