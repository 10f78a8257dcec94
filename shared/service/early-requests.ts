import type { DiameterRoute } from '#diameter/client';

const limitMs = 1_000;
const mostHeld = 10_000;
const hopByHopOffset = 12;

export interface EarlyRequestsPort {
  /** Sends a request; false: no peer is connected. */
  send(message: Buffer, route: DiameterRoute): boolean;
  /** There is nobody to send it to. */
  failed(hopByHop: number): void;
}

/**
 * Holds the Diameter requests of a node that has only started, until its peers are connected or known to be away, for a
 * second at most: phones that call a restarted node in its first moments are not refused for an HSS that is well.
 * Source: security row X-R2.
 */
export class EarlyRequests {
  readonly #port: EarlyRequestsPort;
  #held: { readonly message: Buffer; readonly route: DiameterRoute }[] = [];
  #limit: NodeJS.Timeout | null = null;

  constructor(port: EarlyRequestsPort) {
    this.#port = port;
  }

  /** The peers are being called from now on. */
  begin(): void {
    this.#limit = setTimeout(() => this.end(), limitMs).unref();
  }

  /** Whether it may still hold requests. */
  get holds(): boolean {
    return this.#limit !== null;
  }

  /** Sends a request, now or when there is somebody to send it to; false: no peer is connected. */
  send(message: Buffer, route: DiameterRoute): boolean {
    if (!this.holds || this.#held.length >= mostHeld) return this.#port.send(message, route);
    this.#held.push({ message, route });
    return true;
  }

  /** The peers are connected, or will not be soon. Does nothing the second time. */
  end(): void {
    if (this.#limit === null) return;
    clearTimeout(this.#limit);
    this.#limit = null;
    const held = this.#held;
    this.#held = [];
    for (const { message, route } of held) {
      const hopByHop = message.readUInt32BE(hopByHopOffset);
      if (!this.#port.send(message, route)) this.#port.failed(hopByHop);
    }
  }
}
