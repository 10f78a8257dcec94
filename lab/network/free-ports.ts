import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

/** Below the ports that systems give to outgoing connections: such a one could take a port between look and use. */
const lowest = 10_000;
const highest = 32_000;

/** Takes ports of one address that are free for UDP and TCP, each only once. */
export class PortFinder {
  readonly #address: string;
  readonly #taken = new Set<number>();

  constructor(address: string) {
    this.#address = address;
  }

  /** The wanted port where it is free, else another; 0: any. */
  async take(wanted: number): Promise<number> {
    if (wanted !== 0 && !this.#taken.has(wanted) && (await this.#free(wanted))) {
      this.#taken.add(wanted);
      return wanted;
    }
    for (let tried = 0; tried < 50; tried++) {
      const port = lowest + Math.floor(Math.random() * (highest - lowest));
      if (this.#taken.has(port) || !(await this.#free(port))) continue;
      this.#taken.add(port);
      return port;
    }
    throw new Error(`no free port found on ${this.#address}`);
  }

  async #free(port: number): Promise<boolean> {
    return (await this.#udp(port)) && (await this.#tcp(port));
  }

  #udp(port: number): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = createSocket(this.#address.includes(':') ? 'udp6' : 'udp4');
      socket.once('error', () => {
        socket.close();
        resolve(false);
      });
      socket.bind({ port, address: this.#address, exclusive: true }, () => socket.close(() => resolve(true)));
    });
  }

  #tcp(port: number): Promise<boolean> {
    return new Promise((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen({ port, host: this.#address }, () => server.close(() => resolve(true)));
    });
  }
}
