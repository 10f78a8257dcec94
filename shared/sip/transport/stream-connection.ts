import type { Socket } from 'node:net';
import { reasonPhrase } from '#sip/message/reason-phrases';
import { type FramerSink, type FramingDefect, StreamFramer } from '#sip/parser/stream-framer';
import { sanityReason, warningOf } from '#sip/reasons';
import type { Flow } from './flow.ts';
import type { TableEntry } from './flow-table.ts';
import { handshakeWords, isTlsError } from './handshake-words.ts';
import { pong } from './keep-alive.ts';
import type { StreamCounts, StreamHandlers } from './stream-events.ts';
import type { StreamLimits } from './stream-limits.ts';
import { refusalFromHead } from './stream-refusal.ts';
import type { HandshakeFailure, Secured, Securing } from './stream-security.ts';
import { isFor, plainHost } from './tls-names.ts';
import { failureOfCode, type TransportFailure } from './transport-failure.ts';

/** The transport, as its connections see it. */
export interface StreamHost {
  readonly handlers: StreamHandlers;
  readonly limits: StreamLimits;
  readonly counts: StreamCounts;
  readonly nowMs: () => number;
  /** A connection has ended: its number is not known any more. `told`: whether it was open once. */
  forget(number: number, told: boolean): void;
  /** The first message on a connection that a core node opened. */
  firstMessage(connection: StreamConnection, text: string): void;
  /** Whether a connection stays though nothing is heard or sent. */
  isHeld(number: number): boolean;
  /** `host:port` of a listener, as our Vias name it. */
  sentBy(listener: number): string;
}

export interface ConnectionOptions {
  readonly flow: Flow;
  /** Who opened it. */
  readonly accepted: boolean;
  readonly dispensable: boolean;
  /** The handshake after the TCP connection is there; null without TLS. */
  readonly securing: Securing | null;
  /** Whom we mean to reach, '' for an accepted connection. */
  readonly domain: string;
}

/** How long a message that was written counts as lost with its connection. */
const unansweredMs = 5_000;
const rememberedTokens = 256;
/** How long a peer has to close its side after we have closed ours. */
const lingerMs = 3_000;

/**
 * One connection, TCP or TLS: connecting, securing (the handshake of TLS), open, ending (our side is closed) or gone.
 *
 * Source: RFC 3261 18; requirements C-11, C-14.
 */
export class StreamConnection implements FramerSink, TableEntry {
  readonly listener: number;
  readonly address: string;
  readonly port: number;
  readonly number: number;
  readonly accepted: boolean;
  readonly dispensable: boolean;
  readonly #host: StreamHost;
  readonly #flow: Flow;
  readonly #securing: Securing | null;
  readonly #domain: string;
  readonly #framer = new StreamFramer();
  /** The TLS one from the end of the handshake on. */
  #socket: Socket;
  #state: 'connecting' | 'securing' | 'open' | 'ending' | 'gone';
  /** Domains that may be reached by it; null: any. */
  #domains: readonly string[] | null;
  #waiting: { readonly text: string; readonly token: number }[] = [];
  #connectTimer: NodeJS.Timeout | undefined;
  #failure: TransportFailure = 'closed';
  /** Whether it was us who ended it. */
  #destroyed = false;
  #activeMs: number;
  readonly #startedMs: number;
  #heard = false;
  #incompleteSinceMs = -1;
  #tokens: number[] = [];
  #tokenTimes: number[] = [];
  #pongSecond = 0;
  #pongs = 0;

  /** `socket`: connected if it was accepted, else about to connect. */
  constructor(host: StreamHost, socket: Socket, options: ConnectionOptions) {
    const { flow, accepted, dispensable, securing, domain } = options;
    this.#host = host;
    this.#socket = socket;
    this.#flow = flow;
    this.#securing = securing;
    this.#domain = domain;
    // Until the handshake is over: what we ask for it will prove, or it ends.
    this.#domains = securing === null ? null : accepted ? [] : [plainHost(domain)];
    this.listener = flow.listener;
    this.address = flow.address;
    this.port = flow.port;
    this.number = flow.connection;
    this.accepted = accepted;
    this.dispensable = dispensable;
    this.#startedMs = host.nowMs();
    this.#activeMs = this.#startedMs;
    this.#state = 'connecting';
  }

  /** Begins; once it is in the table. */
  start(): void {
    if (this.accepted) {
      this.#connected();
      return;
    }
    this.#connectTimer = setTimeout(() => this.#late(), this.#host.limits.connectMs);
    this.#socket.once('connect', this.#onConnect);
    this.#socket.on('error', this.#onError);
    this.#socket.on('close', this.#onClose);
  }

  /** Whether messages may be sent on it, now or when it is open. */
  get usable(): boolean {
    if (this.#state === 'open') return this.#socket.writable;
    return this.#state === 'connecting' || this.#state === 'securing';
  }

  /** Whether requests to a domain may take it: with TLS only if its certificate says so. Source: RFC 5922 7.3. */
  reaches(domain: string): boolean {
    return this.#domains === null || isFor(this.#domains, domain);
  }

  /** Whether its peer has proven by certificate to be a node of this host; without TLS nobody has. */
  proves(host: string): boolean {
    return this.#domains !== null && isFor(this.#domains, host);
  }

  send(text: string, token: number): void {
    if (this.#state === 'connecting' || this.#state === 'securing') {
      if (this.#waiting.length < this.#host.limits.waitingMessages) this.#waiting.push({ text, token });
      else if (token !== 0) this.#host.handlers.failed(token, 'unreachable');
      return;
    }
    this.#activeMs = this.#host.nowMs();
    if (token !== 0) this.#remember(token);
    this.#socket.write(text, 'latin1');
    if (this.#socket.writableLength > this.#host.limits.writeBytes) {
      this.#host.counts.overrun++;
      this.destroy('timeout');
    }
  }

  /** Ends it after what is queued. */
  end(last = ''): void {
    if (this.#state !== 'open') {
      if (this.#state !== 'ending' && this.#state !== 'gone') this.destroy();
      return;
    }
    this.#framer.stop();
    this.#state = 'ending';
    this.#activeMs = this.#host.nowMs();
    this.#socket.end(last, 'latin1');
  }

  destroy(failure: TransportFailure = 'closed'): void {
    this.#failure = failure;
    this.#destroyed = true;
    this.#socket.destroy();
  }

  /** Ends it and gives its number up at once; what becomes of the socket is of no interest. */
  drop(): void {
    this.destroy();
    this.#finish();
  }

  /** Ends it when its time is over; asked every second. */
  checkTime(nowMs: number): void {
    const { limits, counts } = this.#host;
    switch (this.#state) {
      case 'connecting':
      case 'gone':
        return;
      case 'securing':
        if (!this.accepted || nowMs - this.#startedMs < limits.messageMs) return;
        this.#late();
        return;
      case 'ending':
        if (nowMs - this.#activeMs >= lingerMs) this.destroy();
        return;
      case 'open': {
        const slow = this.#incompleteSinceMs >= 0 && nowMs - this.#incompleteSinceMs >= limits.messageMs;
        if (!slow && !this.#isIdle(nowMs)) return;
        counts.timedOut++;
        if (slow) this.destroy();
        else this.end();
      }
    }
  }

  message(text: string): void {
    this.#incompleteSinceMs = -1;
    if (!this.#heard) {
      this.#heard = true;
      if (this.accepted && !this.dispensable) this.#host.firstMessage(this, text);
    }
    this.#host.handlers.message(text, this.#flow);
  }

  ping(): void {
    const second = Math.floor(this.#activeMs / 1000);
    if (second !== this.#pongSecond) {
      this.#pongSecond = second;
      this.#pongs = 0;
    }
    if (this.#pongs++ < this.#host.limits.pongsPerSecond) this.#socket.write(pong, 'latin1');
  }

  broken(defect: FramingDefect, head: string): void {
    this.#host.counts.broken++;
    const statusLine = `${defect.status} ${reasonPhrase(defect.status)}`;
    const warning = warningOf(sanityReason(defect.status), this.#host.sentBy(this.listener), defect.reason);
    this.end(refusalFromHead(head, statusLine, `Warning: ${warning}\r\n`, this.#flow)?.text ?? '');
  }

  #isIdle(nowMs: number): boolean {
    const { limits } = this.#host;
    if (this.accepted && !this.#heard && nowMs - this.#startedMs >= limits.silentMs) return true;
    return nowMs - this.#activeMs >= limits.idleMs && !this.#host.isHeld(this.number);
  }

  readonly #onConnect = (): void => this.#connected();

  readonly #onError = (error: NodeJS.ErrnoException): void => {
    this.#failure = failureOfCode(error.code);
    // With TLS 1.3 a server says only now that it does not take our certificate.
    if (isTlsError(error)) this.#report(handshakeWords(error));
  };

  readonly #onClose = (): void => this.#finish();

  #connected(): void {
    if (this.#securing === null) {
      this.#open(this.#socket);
      return;
    }
    this.#state = 'securing';
    this.#socket.off('close', this.#onClose);
    this.#socket.off('error', this.#onError);
    this.#socket.on('error', () => {});
    this.#securing(this.#socket, (outcome) => this.#handshaken(outcome));
  }

  #handshaken(outcome: Secured | HandshakeFailure): void {
    if (this.#state !== 'securing') return;
    if ('words' in outcome) {
      if (!this.#destroyed) {
        // Who is there is not whom we want to talk to: trying again soon would not help.
        this.#failure = 'unreachable';
        this.#report(outcome.words);
      }
      this.#socket.destroy();
      this.#finish();
      return;
    }
    this.#domains = outcome.domains;
    this.#open(outcome.socket);
  }

  #late(): void {
    if (this.#state === 'securing') this.#report('the handshake was not over in time');
    this.destroy('timeout');
  }

  #report(words: string): void {
    this.#host.counts.handshakesFailed++;
    this.#host.handlers.report?.({ kind: 'handshake-failed', address: this.address, domain: this.#domain, words });
  }

  #open(socket: Socket): void {
    clearTimeout(this.#connectTimer);
    const isWatched = !this.accepted && socket === this.#socket;
    this.#socket = socket;
    this.#state = 'open';
    this.#activeMs = this.#host.nowMs();
    socket.on('data', (chunk) => this.#onData(chunk));
    if (!isWatched) {
      socket.on('error', this.#onError);
      socket.on('close', this.#onClose);
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { text, token } of waiting) this.send(text, token);
  }

  #onData(chunk: Buffer): void {
    this.#activeMs = this.#state === 'ending' ? this.#activeMs : this.#host.nowMs();
    const { handlers } = this.#host;
    handlers.beginBatch();
    this.#framer.push(chunk, this);
    handlers.endBatch();
    if (!this.#framer.incomplete) this.#incompleteSinceMs = -1;
    else if (this.#incompleteSinceMs < 0) this.#incompleteSinceMs = this.#activeMs;
  }

  #finish(): void {
    if (this.#state === 'gone') return;
    const told = this.#state === 'open' || this.#state === 'ending';
    this.#state = 'gone';
    clearTimeout(this.#connectTimer);
    this.#framer.stop();
    const { handlers, nowMs } = this.#host;
    for (const { token } of this.#waiting) if (token !== 0) handlers.failed(token, this.#failure);
    this.#waiting = [];
    const since = nowMs() - unansweredMs;
    const failure = this.#failure === 'refused' ? 'closed' : this.#failure;
    for (let i = 0; i < this.#tokens.length; i++) {
      if (this.#tokenTimes[i]! >= since) handlers.failed(this.#tokens[i]!, failure);
    }
    this.#host.forget(this.number, told);
  }

  /** Keeps the newest tokens: the requests that are lost if the connection breaks. */
  #remember(token: number): void {
    if (this.#tokens.length >= rememberedTokens * 2) {
      this.#tokens = this.#tokens.slice(-rememberedTokens);
      this.#tokenTimes = this.#tokenTimes.slice(-rememberedTokens);
    }
    this.#tokens.push(token);
    this.#tokenTimes.push(this.#activeMs);
  }
}
