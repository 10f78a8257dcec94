import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { ParseFailure } from '#sip/errors';
import { type BencodeDictionary, type BencodeValue, decodeBencode, encodeBencode } from './bencode.ts';

export interface NgClientOptions {
  /** Where rtpengine listens for the ng protocol; numeric, IPv6 without brackets. */
  readonly address: string;
  readonly port: number;
  /** After which a command counts as unanswered, milliseconds. */
  readonly timeoutMs: number;
}

/** A command: its name stands under `command`. */
export type NgCommand = ReadonlyMap<string, BencodeValue>;

/** What became of a command. `silent`: nobody answered, so another rtpengine may be asked. */
export type NgResult =
  | { readonly ok: true; readonly answer: BencodeDictionary }
  | { readonly ok: false; readonly silent: boolean; readonly words: string };

interface Pending {
  readonly datagram: Buffer;
  readonly settle: (result: NgResult) => void;
  timer: NodeJS.Timeout;
  left: number;
}

/** Times a command is sent in all; rtpengine knows copies by their cookie, and answers them alike. */
const sends = 3;
const maxPending = 16_384;

/**
 * Speaks with one rtpengine: commands as UDP datagrams of a cookie and a bencoded dictionary. Its socket keeps no process
 * alive, and is opened with the first command.
 *
 * Source: rtpengine, "The NG control protocol"; requirement P-142.
 */
export class NgClient {
  readonly #options: NgClientOptions;
  readonly #pending = new Map<string, Pending>();
  /** Differs from start to start: rtpengine remembers cookies for a while. */
  readonly #prefix = randomBytes(6).toString('hex');
  #number = 0;
  #socket: Promise<Socket> | null = null;
  #closed = false;

  constructor(options: NgClientOptions) {
    this.#options = options;
  }

  /** `udp:ADDRESS:PORT`, for the log. */
  get name(): string {
    const { address, port } = this.#options;
    return `udp:${address.includes(':') ? `[${address}]` : address}:${port}`;
  }

  /** Sends a command and gives what came of it, within the timeout. Never rejects. */
  async send(command: NgCommand): Promise<NgResult> {
    if (this.#closed) return fault('this node is stopping');
    if (this.#pending.size >= maxPending) return fault('too many commands are under way');
    const cookie = `${this.#prefix}_${++this.#number}`;
    const datagram = Buffer.from(`${cookie} ${encodeBencode(command)}`, 'latin1');
    let socket: Socket;
    try {
      socket = await (this.#socket ??= this.#open());
    } catch (error) {
      this.#socket = null;
      return fault(`no socket to ${this.name}: ${String(error)}`);
    }
    if (this.#closed) return fault('this node is stopping');
    return new Promise((settle) => {
      const interval = this.#options.timeoutMs / sends;
      const pending: Pending = {
        datagram,
        settle,
        left: sends,
        timer: setTimeout(() => this.#again(cookie), interval),
      };
      this.#pending.set(cookie, pending);
      this.#transmit(socket, pending);
    });
  }

  /** Ends all that is under way. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const cookie of [...this.#pending.keys()]) this.#settle(cookie, fault('this node is stopping'));
    this.#socket?.then(
      (socket) => socket.close(),
      () => {},
    );
  }

  #open(): Promise<Socket> {
    const { address, port } = this.#options;
    return new Promise((resolve, reject) => {
      const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
      socket.once('error', reject);
      socket.connect(port, address, () => {
        socket.off('error', reject);
        // The host says that nobody listens: copies tell in good time whether that is so.
        socket.on('error', () => {});
        socket.on('message', (octets) => this.#take(octets.toString('latin1')));
        socket.unref();
        resolve(socket);
      });
    });
  }

  #transmit(socket: Socket, pending: Pending): void {
    pending.left--;
    socket.send(pending.datagram, () => {});
  }

  #again(cookie: string): void {
    const pending = this.#pending.get(cookie);
    if (pending === undefined) return;
    if (pending.left === 0) {
      this.#settle(cookie, fault(`${this.name} does not answer`));
      return;
    }
    pending.timer = setTimeout(() => this.#again(cookie), this.#options.timeoutMs / sends);
    void this.#socket?.then((socket) => this.#transmit(socket, pending));
  }

  #take(text: string): void {
    const blank = text.indexOf(' ');
    const cookie = text.slice(0, Math.max(blank, 0));
    if (!this.#pending.has(cookie)) return;
    const answer = decodeBencode(text.slice(blank + 1));
    this.#settle(cookie, readResult(answer, this.name));
  }

  #settle(cookie: string, result: NgResult): void {
    const pending = this.#pending.get(cookie);
    if (pending === undefined) return;
    this.#pending.delete(cookie);
    clearTimeout(pending.timer);
    pending.settle(result);
  }
}

function fault(words: string): NgResult {
  return { ok: false, silent: true, words };
}

function readResult(answer: BencodeValue | ParseFailure, name: string): NgResult {
  if (answer instanceof ParseFailure || !(answer instanceof Map)) {
    return { ok: false, silent: false, words: `${name} answers what is no dictionary` };
  }
  const dictionary: BencodeDictionary = answer;
  const result = dictionary.get('result');
  if (result === 'ok' || result === 'pong') return { ok: true, answer: dictionary };
  const words = dictionary.get('error-reason');
  return {
    ok: false,
    silent: result === 'load limit',
    words: typeof words === 'string' ? words : `${name}: ${String(result)}`,
  };
}
