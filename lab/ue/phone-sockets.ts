import { isIPv6 } from 'node:net';
import type { Flow, Listener, TransportName } from '#sip/transport/flow';
import { StreamTransport } from '#sip/transport/stream-transport';
import { phoneSecurity } from '#sip/transport/tls-security';
import { openDgram, type UdpSocket } from '#sip/transport/udp';
import type { EndpointOptions } from './endpoint.ts';

/** The ports of an endpoint that are for IPsec. Numbers of listeners and of ports. */
export interface ProtectedSockets {
  /** `host:port` of the server port, which Via and Contact name. */
  readonly sentBy: string;
  readonly server: { readonly port: number };
  readonly clients: readonly { readonly port: number; readonly udp: number; readonly tcp: number }[];
}

/** Who hears what comes; filled in once the endpoint is there. */
export interface Receiver {
  begin(): void;
  message(text: string, flow: Flow): void;
  failed(token: number): void;
}

/** The sockets while they are opened: plain ones, then for IPsec the server port and the client ports. */
export class PhoneSockets {
  readonly datagrams: (UdpSocket | null)[] = [];
  readonly listeners: Listener[] = [];
  readonly streams: StreamTransport;
  readonly #options: EndpointOptions;
  readonly #receive: Receiver;

  constructor(options: EndpointOptions, receive: Receiver) {
    const { tls, insecure } = options;
    this.#options = options;
    this.#receive = receive;
    this.streams = new StreamTransport(
      {
        beginBatch: () => receive.begin(),
        endBatch: () => {},
        message: (text, flow) => receive.message(text, flow),
        closed: () => {},
        failed: (token) => receive.failed(token),
        report: (event) => {
          if (event.kind === 'handshake-failed') insecure?.(event.words);
        },
      },
      () => performance.now(),
      {
        limits: { idleMs: 24 * 3600 * 1000 },
        ...(tls === undefined ? {} : { security: phoneSecurity(tls.ca, tls.insecure !== true) }),
      },
    );
  }

  async open(): Promise<void> {
    const { port = 0, protectedClients = 0 } = this.#options;
    const plain = await this.#openUdp(port);
    await this.streams.listen(this.#add('tcp', plain));
    this.streams.connectFrom(this.#add('tls', plain));
    if (protectedClients === 0) return;
    const server = await this.#openUdp(0, 'server');
    await this.streams.listen(this.#add('tcp', server, 'server', server));
    for (let i = 0; i < protectedClients; i++) {
      const client = await this.#openUdp(0, 'client', server);
      this.streams.connectFrom(this.#add('tcp', client, 'client', server));
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.streams.close(), ...this.datagrams.map((socket) => socket?.close())]);
  }

  /** Gives the port in use. */
  async #openUdp(port: number, protection?: Listener['protection'], server = 0): Promise<number> {
    const { address } = this.#options;
    const index = this.listeners.length;
    const socket = await openDgram(listenerOf(index, 'udp', address, port), {
      beginBatch: () => this.#receive.begin(),
      endBatch: () => {},
      datagram: (text, from, fromPort) =>
        this.#receive.message(text, {
          listener: index,
          transport: 'udp',
          address: from,
          port: fromPort,
          connection: 0,
        }),
      failed: (token) => this.#receive.failed(token),
    });
    this.#add('udp', socket.port, protection, server || socket.port);
    this.datagrams[index] = socket;
    return socket.port;
  }

  #add(transport: TransportName, port: number, protection?: Listener['protection'], server = 0): Listener {
    const plain = listenerOf(this.listeners.length, transport, this.#options.address, port);
    const listener =
      protection === undefined
        ? plain
        : { ...plain, sentBy: listenerOf(0, 'udp', plain.address, server).sentBy, protection, sentByPort: server };
    this.listeners.push(listener);
    this.datagrams.push(null);
    return listener;
  }
}

/** What of the listeners is for IPsec, null when nothing is. */
export function protectedSocketsOf(listeners: readonly Listener[]): ProtectedSockets | null {
  const server = listeners.find(({ protection }) => protection === 'server');
  if (server === undefined) return null;
  const clients = listeners.filter(({ protection, transport }) => protection === 'client' && transport === 'udp');
  return {
    sentBy: server.sentBy,
    server: { port: server.port },
    clients: clients.map(({ port, index }) => ({ port, udp: index, tcp: index + 1 })),
  };
}

function listenerOf(index: number, transport: TransportName, address: string, port: number): Listener {
  const host = isIPv6(address) ? `[${address}]` : address;
  return { index, sides: ['gm'], transport, address, port, sentBy: `${host}:${port}` };
}
