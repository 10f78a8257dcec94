import { isIPv6 } from 'node:net';
import type { Listener, Target, TransportName } from './flow.ts';

/** The listeners of a daemon, chosen by reference point, transport and address family. */
export class ListenerTable {
  readonly all: readonly Listener[];
  readonly #chosen = new Map<string, Listener | null>();

  constructor(listeners: readonly Listener[]) {
    this.all = listeners;
  }

  /** The first listener of a side that speaks a transport to an address of this family, null when there is none. */
  choose(side: string, transport: TransportName, v6: boolean): Listener | null {
    const key = `${side} ${transport} ${v6 ? 6 : 4}`;
    let listener = this.#chosen.get(key);
    if (listener === undefined) {
      listener =
        this.all.find((l) => l.sides.includes(side) && l.transport === transport && isIPv6(l.address) === v6) ?? null;
      this.#chosen.set(key, listener);
    }
    return listener;
  }

  /** Where a message for an address goes out, null when no listener of the side can reach it. */
  target(side: string, transport: TransportName, address: string, port: number): Target | null {
    const listener = this.choose(side, transport, address.indexOf(':') >= 0);
    return listener === null ? null : { listener: listener.index, transport, address, port, connection: 0 };
  }
}
