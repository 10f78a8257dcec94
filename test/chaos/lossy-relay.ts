import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type CscfRole, cscfRoles } from '../../bench/load/core-network.ts';
import { Storm, type Weather } from './lossy-wire.ts';
import type { SeededRandom } from './seeded-random.ts';

const address = '127.0.0.1';

/** A port that hands on what comes to it to a node behind, in bad weather. */
class LossyRelay {
  readonly port: number;
  /** Port of the node, 0 while nobody has one. */
  to = 0;
  readonly #socket: Socket;
  #closed = false;

  constructor(socket: Socket, storm: Storm) {
    this.#socket = socket;
    this.port = socket.address().port;
    socket.on('message', (datagram) =>
      storm.pass(() => {
        if (!this.#closed) socket.send(datagram, this.to, address);
      }),
    );
  }

  close(): void {
    this.#closed = true;
    this.#socket.close();
  }
}

/**
 * Bad weather between the CSCFs: each is known to the others by a relay before it, in Via, Path, Record-Route, in the
 * host tables and as the S-CSCF's name. So requests and responses between two nodes pass one relay, that of who gets them.
 */
export class LossyCore {
  readonly storm: Storm;
  readonly #relays = new Map<CscfRole, LossyRelay>();

  private constructor(storm: Storm) {
    this.storm = storm;
  }

  static async open(weather: Weather, random: SeededRandom): Promise<LossyCore> {
    const core = new LossyCore(new Storm(weather, random));
    for (const role of cscfRoles) {
      const socket = createSocket('udp4');
      socket.bind(0, address);
      await once(socket, 'listening');
      socket.setRecvBufferSize(1 << 20);
      core.#relays.set(role, new LossyRelay(socket, core.storm));
    }
    return core;
  }

  /** Puts the relays over the configuration of a node. */
  change(role: CscfRole, content: Record<string, unknown>): void {
    const port = (of: CscfRole) => this.#relays.get(of)!.port;
    const listeners = content.listeners as Record<string, unknown[]>;
    const listen = String(listeners.mw![0]);
    this.#relays.get(role)!.to = Number(listen.slice(listen.lastIndexOf(':') + 1));
    listeners.mw = [{ listen, advertise: `${address}:${port(role)}` }];
    const scscf = `sip:${address}:${port('scscf')}`;
    const entry = { 'ims.test': [`udp:${address}:${port('icscf')}`] };
    if (role === 'icscf') content.scscfs = [{ uri: scscf, capabilities: [], priority: 1 }];
    else content.hosts = { ...(content.hosts as object), ...entry };
    if (role === 'scscf') content.uri = scscf;
  }

  close(): void {
    for (const relay of this.#relays.values()) relay.close();
  }
}
