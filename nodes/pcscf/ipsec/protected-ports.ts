import { isIPv6 } from 'node:net';
import type { Flow, Listener, TransportName } from '#sip/transport/flow';

/**
 * The protected ports of this node, as listeners and as pools to choose from.
 * Source: TS 33.203 7.1; requirements P-01, P-02.
 */
export class ProtectedPorts {
  readonly #listeners: readonly Listener[];
  readonly #protected: readonly Listener[];

  constructor(listeners: readonly Listener[]) {
    this.#listeners = listeners;
    this.#protected = listeners.filter(({ protection }) => protection !== undefined);
  }

  /** The protected listener of a flow, null when it came by any other. */
  listenerOf(flow: Flow): Listener | null {
    const listener = this.#listeners[flow.listener];
    return listener?.protection === undefined ? null : listener;
  }

  /** Ports of an address that UEs send to, in the order of the configuration. */
  serverPorts(address: string): readonly number[] {
    return this.#ports(({ protection, address: own }) => protection === 'server' && own === address);
  }

  /** Ports of an address that this node sends from on behalf of a server port: Via names that. */
  clientPorts(address: string, serverPort: number): readonly number[] {
    return this.#ports(
      ({ protection, address: own, sentByPort }) =>
        protection === 'client' && own === address && sentByPort === serverPort,
    );
  }

  /** Index of a protected listener, -1 when there is none (any more). */
  indexOf(protection: 'server' | 'client', transport: TransportName, address: string, port: number): number {
    for (const listener of this.#protected) {
      if (listener.port !== port || listener.transport !== transport || listener.protection !== protection) continue;
      if (listener.address === address) return listener.index;
    }
    return -1;
  }

  /**
   * The address whose protected ports a UE can use that came by this flow: the one it sent to or, behind a listener on all
   * addresses, the first of its family; '' when there is none.
   */
  addressOf(flow: Flow): string {
    const address = this.#listeners[flow.listener]?.address ?? '';
    if (this.#protected.some((listener) => listener.address === address)) return address;
    if (address !== '0.0.0.0' && address !== '::') return '';
    return this.#protected.find((listener) => isIPv6(listener.address) === isIPv6(flow.address))?.address ?? '';
  }

  #ports(fits: (listener: Listener) => boolean): readonly number[] {
    return [...new Set(this.#protected.filter(fits).map(({ port }) => port))];
  }
}
