import { Pacer } from './pacer.ts';
import { statusOf } from './sip-text.ts';
import { openUdpWire } from './udp-wire.ts';
import type { Wire } from './wire.ts';

export interface StrangersOptions {
  readonly proxy: { readonly address: string; readonly port: number };
  readonly domain: string;
  /** Datagrams per second. */
  readonly rate: number;
  /** From how many addresses. */
  readonly sources: number;
  /** User parts of subscribers that the HSS knows: whom they pretend to be, and call. */
  readonly users: readonly string[];
}

export interface StrangersReport {
  readonly rate: number;
  readonly sources: number;
  readonly sent: number;
  /** Answers by status. */
  readonly answers: Readonly<Record<string, number>>;
}

/** Second octet of their addresses. */
const group = 200;
const garbageTexts = 64;
const garbageBytes = 600;

/** Sends REGISTER, INVITE, OPTIONS and garbage, a quarter each, from addresses that have not registered; heeds no answer. */
export class Strangers {
  readonly #options: StrangersOptions;
  readonly #wire: Wire;
  readonly #pacer: Pacer;
  readonly #garbage: readonly string[];
  readonly #answers = new Map<number, number>();
  readonly #run = Math.random().toString(36).slice(2, 8);
  #sent = 0;

  constructor(options: StrangersOptions) {
    this.#options = options;
    this.#garbage = Array.from({ length: garbageTexts }, (_, i) => this.#garbled(i));
    this.#wire = openUdpWire(
      { ...options.proxy, group },
      {
        message: (text) => {
          const status = statusOf(text);
          this.#answers.set(status, (this.#answers.get(status) ?? 0) + 1);
        },
        lost() {},
      },
    );
    this.#pacer = new Pacer(
      options.rate,
      true,
      () => this.#send(),
      (work) => this.#wire.batch(work),
    );
  }

  start(): void {
    this.#pacer.start();
  }

  async stop(): Promise<StrangersReport> {
    this.#pacer.stop();
    await this.#wire.close();
    const { rate, sources } = this.#options;
    return { rate, sources, sent: this.#sent, answers: Object.fromEntries(this.#answers) };
  }

  #send(): void {
    const number = this.#sent++;
    const source = number % this.#options.sources;
    const text = number % 4 === 3 ? this.#garbage[number % garbageTexts]! : this.#request(number, source);
    this.#wire.send(text, source);
  }

  #request(number: number, source: number): string {
    const { domain, users } = this.#options;
    const method = number % 4 === 0 ? 'REGISTER' : number % 4 === 1 ? 'INVITE' : 'OPTIONS';
    const user = users[number % users.length]!;
    const own = `sip:${user}@${domain}`;
    const other = `sip:${users[(number * 7 + 1) % users.length]}@${domain}`;
    const sentBy = this.#wire.sentBy(source);
    const id = `${this.#run}${number.toString(36)}`;
    const registers = method === 'REGISTER';
    const authorization = `Digest username="${user}@${domain}", realm="${domain}", uri="sip:${domain}", nonce="", response=""`;
    return (
      `${method} ${registers ? `sip:${domain}` : other} SIP/2.0\r\n` +
      `Via: SIP/2.0/UDP ${sentBy};branch=z9hG4bK${id};rport\r\nMax-Forwards: 70\r\n` +
      `From: <${own}>;tag=${id}\r\nTo: <${registers ? own : other}>\r\nCall-ID: ${id}@${sentBy}\r\nCSeq: 1 ${method}\r\n` +
      `Contact: <sip:${user}@${sentBy}>\r\nUser-Agent: stranger\r\n` +
      `${registers ? `Expires: 3600\r\nAuthorization: ${authorization}\r\n` : ''}Content-Length: 0\r\n\r\n`
    );
  }

  /** A request with its octets from somewhere on turned at random, or nothing but random octets. */
  #garbled(number: number): string {
    const random = (length: number) =>
      String.fromCharCode(...Array.from({ length }, () => Math.floor(Math.random() * 256)));
    if (number % 2 === 0) return random(garbageBytes);
    return (
      `INVITE sip:${this.#options.domain} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKg${number}\r\n` +
      random(garbageBytes)
    );
  }
}
