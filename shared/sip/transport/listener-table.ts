import { isIPv6 } from 'node:net';
import type { Listener, Target, TransportName } from './flow.ts';

/**
 * The listeners of a daemon, chosen by reference point, transport and address family. Protected ones are chosen by their
 * port alone (`at`): which one it is, the security associations of a UE say. Closed ones are not chosen.
 */
export class ListenerTable {
  /** By index; the same list for the life of the table, whatever is in it by now. */
  readonly all: readonly Listener[];
  readonly #all: Listener[] = [];
  /** By side: the listener of each transport and family, as `slotOf` counts them. */
  readonly #sides = new Map<string, (Listener | null)[]>();
  readonly #byAddress = new Map<string, Listener>();

  constructor(listeners: readonly Listener[]) {
    this.all = this.#all;
    this.replace(listeners);
  }

  /** Takes over other listeners, those that stay at their places. */
  replace(listeners: readonly Listener[]): void {
    this.#all.splice(0, this.#all.length, ...listeners);
    this.#sides.clear();
    this.#byAddress.clear();
    for (const listener of listeners) {
      if (listener.closed) continue;
      this.#byAddress.set(addressKey(listener.transport, listener.address, listener.port), listener);
      if (listener.protection !== undefined) continue;
      for (const side of listener.sides) {
        let slots = this.#sides.get(side);
        if (slots === undefined) this.#sides.set(side, (slots = [null, null, null, null, null, null]));
        slots[slotOf(listener.transport, isIPv6(listener.address))] ??= listener;
      }
    }
  }

  /** The first listener of a side that speaks a transport to an address of this family, null when there is none. */
  choose(side: string, transport: TransportName, v6: boolean): Listener | null {
    return this.#sides.get(side)?.[slotOf(transport, v6)] ?? null;
  }

  /** The listener with exactly this local address, null when there is none. */
  at(transport: TransportName, address: string, port: number): Listener | null {
    return this.#byAddress.get(addressKey(transport, address, port)) ?? null;
  }

  /** Whether a side sends by a transport at all, to addresses of either family. */
  serves(side: string, transport: TransportName): boolean {
    return this.choose(side, transport, false) !== null || this.choose(side, transport, true) !== null;
  }

  /**
   * Where a message for an address goes out, null when no listener of the side can reach it.
   *
   * `pinned`: the transport was named; else a request too large for a datagram may go by TCP, where the side has it.
   * `domain`: host of the URI, for the certificate of a TLS peer. Source: RFC 3261 18.1.1; requirement C-10.
   */
  target(
    side: string,
    transport: TransportName,
    address: string,
    port: number,
    pinned = true,
    domain = '',
  ): Target | null {
    const v6 = address.indexOf(':') >= 0;
    const listener = this.choose(side, transport, v6);
    if (listener === null) return null;
    const { index } = listener;
    if (transport === 'tls' && domain !== '') {
      return { listener: index, transport, address, port, connection: 0, domain };
    }
    const stream = pinned || transport !== 'udp' ? null : this.choose(side, 'tcp', v6);
    return stream === null
      ? { listener: index, transport, address, port, connection: 0 }
      : { listener: index, transport, address, port, connection: 0, streamListener: stream.index };
  }
}

function addressKey(transport: TransportName, address: string, port: number): string {
  return `${transport} ${port} ${address}`;
}

function slotOf(transport: TransportName, v6: boolean): number {
  const pair = transport === 'udp' ? 0 : transport === 'tcp' ? 2 : 4;
  return v6 ? pair + 1 : pair;
}
