import { describe, expect, it } from 'vitest';
import { carryListeners, pathOfListener } from '#service/listener-changes';
import type { Listener } from '#sip/transport/flow';

function listener(port: number, more: Partial<Listener> = {}): Listener {
  return {
    index: 0,
    sides: ['gm'],
    transport: 'udp',
    address: '127.0.0.1',
    port,
    sentBy: `127.0.0.1:${port}`,
    ...more,
  };
}
const list = (...all: Listener[]) => all.map((one, index) => ({ ...one, index }));
const shown = (all: readonly Listener[] | string) =>
  typeof all === 'string' ? all : all.map(({ index, port, closed }) => `${index}:${port}${closed ? ' closed' : ''}`);

describe('listeners of a new configuration', () => {
  it('keep their places, come after all others when they are new, and stay as closed ones when they are gone', () => {
    const first = list(listener(1), listener(2), listener(3));
    const second = carryListeners(first, list(listener(4), listener(3), listener(1))) as Listener[];
    expect(shown(second)).toEqual(['0:1', '1:2 closed', '2:3', '3:4']);
    const third = carryListeners(second, list(listener(2), listener(1))) as Listener[];
    expect(shown(third)).toEqual(['0:1', '1:2', '2:3 closed', '3:4 closed']);
    expect(third[1]).toEqual(listener(2, { index: 1 }));
  });

  it('tell transports and families of one port apart, and take over sides and names', () => {
    const first = list(listener(1), listener(1, { transport: 'tcp' }), listener(1, { address: '::1' }));
    const next = [...first].reverse().map((one, index) => ({ ...one, index, sentBy: 'a.test:1', sides: ['gm', 'mw'] }));
    const carried = carryListeners(first, next) as Listener[];
    expect(carried.map(({ transport, address }) => `${transport} ${address}`)).toEqual(
      first.map(({ transport, address }) => `${transport} ${address}`),
    );
    expect(carried.every(({ sentBy, sides }) => sentBy === 'a.test:1' && sides.length === 2)).toBe(true);
  });

  it('P-02 do not change what ports are protected', () => {
    const protectedOne = listener(5, { protection: 'server', sentByPort: 5 });
    const first = list(listener(1), protectedOne);
    expect(shown(carryListeners(first, list(listener(1), listener(2), protectedOne)))).toEqual(['0:1', '1:5', '2:2']);
    expect(carryListeners(first, list(listener(1)))).toContain('protected ports');
    const moved = { ...protectedOne, address: '127.0.0.2' };
    expect(carryListeners(first, list(listener(1), moved))).toContain('needs a restart');
  });

  it('do not grow without end', () => {
    const many = list(...Array.from({ length: 4_095 }, (_, i) => listener(i + 1)));
    const full = carryListeners(many, [listener(5_000)]) as Listener[];
    expect(full.at(-1)).toMatchObject({ index: 4_095, port: 5_000 });
    expect(carryListeners(full, [listener(5_001)])).toContain('restart');
    expect(shown(carryListeners(full, [listener(7)]))[6]).toBe('6:7');
  });

  it('are found in the configuration, in the short and the long form', () => {
    const data = { listeners: { gm: ['udp:127.0.0.1:1', { listen: 'udp:[::]:2', advertise: 'a.test' }] } };
    expect(pathOfListener(listener(1), data)).toEqual(['listeners', 'gm', '0']);
    expect(pathOfListener(listener(2, { address: '::' }), data)).toEqual(['listeners', 'gm', '1']);
    expect(pathOfListener(listener(3), data)).toEqual(['listeners']);
  });
});
