import { describe, expect, it } from 'vitest';
import { FlowTable } from '#sip/transport/flow-table';

const entry = (port: number, dispensable = true, address = '10.0.0.1') => ({ listener: 0, address, port, dispensable });

/** A table with connections of these ports, numbered from 1. */
function table(...entries: ReturnType<typeof entry>[]) {
  const made = new FlowTable<ReturnType<typeof entry>>();
  for (const each of entries) made.add(made.nextNumber(), each);
  return made;
}

describe('the newest connection that may go', () => {
  it('X-S4 is the newest that is neither held nor indispensable', () => {
    const made = table(entry(1), entry(2), entry(3), entry(4, false));
    expect(made.newestDispensable()?.port).toBe(3);
    made.hold(3, true);
    expect(made.newestDispensable()?.port).toBe(2);
    made.remove(2);
    expect(made.newestDispensable()?.port).toBe(1);
    made.hold(1, true);
    expect(made.newestDispensable()).toBeUndefined();
    made.hold(1, false);
    expect(made.newestDispensable()?.port).toBe(1);
  });

  it('X-S4 is found among many that come and go, in memory that does not grow with them', () => {
    const made = table(entry(1));
    for (let i = 0; i < 10_000; i++) {
      const number = made.nextNumber();
      made.add(number, entry(i + 2));
      made.hold(number, true);
      made.hold(number, false);
      made.remove(number);
    }
    expect(made.newestDispensable()?.port).toBe(1);
    expect(made.size).toBe(1);
  });

  it('a mark on a connection that is gone is passed over', () => {
    const made = table(entry(1));
    made.hold(7, true);
    made.remove(1);
    made.hold(1, true);
    expect([made.isHeld(7), made.isHeld(1), made.size]).toEqual([false, false, 0]);
  });
});

describe('finding a connection', () => {
  it('RFC 5923 by its own port and by an alias, until it is gone', () => {
    const made = table(entry(40_000));
    made.alias(1, 5060);
    expect(made.find(0, '10.0.0.1', 5060)?.port).toBe(40_000);
    expect(made.find(0, '10.0.0.1', 40_000)?.port).toBe(40_000);
    made.remove(1);
    expect(made.find(0, '10.0.0.1', 5060)).toBeUndefined();
  });

  it('RFC 5923 a newer connection to the address itself is found before an alias, and outlives it', () => {
    const made = table(entry(40_000));
    made.alias(1, 5060);
    made.add(made.nextNumber(), entry(5060));
    expect(made.find(0, '10.0.0.1', 5060)?.port).toBe(5060);
    made.remove(1);
    expect(made.find(0, '10.0.0.1', 5060)?.port).toBe(5060);
  });
});
