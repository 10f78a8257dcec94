import { type Refusal, refusalOf } from '../answer.ts';
import { decodeMessage } from '../codec/decode.ts';
import { type DiameterMessage, isRequest } from '../codec/message.ts';
import { baseAvps, baseCommands } from '../dictionary/base.ts';
import { createDictionary } from '../dictionary/dictionary.ts';
import { DecodeFailure, resultCodes } from '../errors.ts';
import { BaseMessages } from './base-messages.ts';
import { commonApplications, isRelay, type PeerCapabilities, readCapabilities } from './capabilities.ts';
import { whyNotCea } from './capabilities-check.ts';
import type { Connection } from './connection.ts';
import type { PeerConfig, PeerSettings } from './peer-settings.ts';
import { nextPeerState, type PeerAction, type PeerEvent, type PeerState } from './peer-state.ts';
import { PeerStatistics } from './peer-statistics.ts';
import type { PeerStatus } from './peer-status.ts';
import { RetryTimer } from './retry-timer.ts';
import { Watchdog } from './watchdog.ts';

/** What happened to a peer, in plain words. */
export interface PeerEventReport {
  readonly peer: string;
  readonly state: PeerState | 'suspect';
  readonly words: string;
  /** Only a connection was turned away; there may be many of them. */
  readonly refused?: true;
}

export interface PeerPort {
  connect(peer: Peer, address: string, port: number): Connection;
  event(report: PeerEventReport): void;
  up(peer: Peer): void;
  /** The connection carries nothing new any more; what awaits an answer on it is to go elsewhere. */
  down(peer: Peer, connection: Connection): void;
  /** The watchdog found no life, or found it again. */
  suspected(peer: Peer, connection: Connection): void;
  /** It tells a higher Origin-State-Id than before. */
  restarted(peer: Peer): void;
  /** The peer is closed and will not try again by itself. */
  ended(peer: Peer): void;
}

interface Newcomer {
  readonly connection: Connection;
  readonly cer: DiameterMessage;
  readonly capabilities: PeerCapabilities;
}

/** Disconnect-Cause. Source: RFC 6733 5.4.3. */
const REBOOTING = 0;
const DO_NOT_WANT_TO_TALK_TO_YOU = 2;
const DISABLED_WORDS = 'disabled by the administrator: it is left alone until it is enabled';
const DEFAULT_PORT = 3868;
/** What neighbours say is short, and what they are answered repeats parts of it. */
const MAX_BASE_MESSAGE = 64 * 1024;
const baseDictionary = createDictionary(baseAvps);

/** One peer: its state machine with the connections, timers and base messages that it drives. Source: RFC 6733 5. */
export class Peer {
  /** Origin-Host in lower case. */
  readonly key: string;
  readonly statistics = new PeerStatistics();
  readonly #settings: PeerSettings;
  readonly #port: PeerPort;
  readonly #messages: BaseMessages;
  readonly #retry: RetryTimer;
  readonly #localWins: boolean;
  #config: PeerConfig;
  #state: PeerState = 'closed';
  #suspect = false;
  #initiator: Connection | undefined;
  #responder: Newcomer | undefined;
  #newcomer: Newcomer | undefined;
  #capabilities: PeerCapabilities | undefined;
  #applications: readonly number[] = [];
  #originStateId: number | undefined;
  #dpr: DiameterMessage | undefined;
  #watchdog: Watchdog | undefined;
  #timer: unknown;
  #stopping = false;
  #disabled = false;
  #leavingCause = REBOOTING;
  #words = '';
  #lastError: string | undefined;
  #connectedSinceMs: number | undefined;

  constructor(config: PeerConfig, settings: PeerSettings, port: PeerPort) {
    this.#config = config;
    this.key = config.host.toLowerCase();
    this.#settings = settings;
    this.#port = port;
    this.#messages = new BaseMessages(settings.local, settings.hostIpAddresses, settings.random);
    this.#retry = new RetryTimer(settings, () => this.#dispatch('start', ''));
    this.#localWins = settings.local.identity.originHost.toLowerCase() > this.key;
  }

  get config(): PeerConfig {
    return this.#config;
  }

  /** Whether the administrator wants nothing of it. */
  get disabled(): boolean {
    return this.#disabled;
  }

  get state(): PeerState {
    return this.#state;
  }

  get suspect(): boolean {
    return this.#suspect;
  }

  get open(): boolean {
    return this.#state === 'open-initiator' || this.#state === 'open-responder';
  }

  /** What it told of itself, while open. */
  get capabilities(): PeerCapabilities | undefined {
    return this.#capabilities;
  }

  /** Our applications that it takes, while open. */
  get applications(): readonly number[] {
    return this.#applications;
  }

  /** Whether it passes on what is for others. */
  get relays(): boolean {
    return this.#capabilities !== undefined && isRelay(this.#capabilities);
  }

  /** Whether a request of an application can be written to it now. */
  takes(application: number): boolean {
    return this.open && this.#applications.includes(application) && this.connection?.writable === true;
  }

  /** Whether a connection is the one that carries requests and answers, also while it closes. */
  carries(connection: Connection): boolean {
    return (this.open || this.#state === 'closing') && connection === this.connection;
  }

  /** The connection that carries requests and answers, also while it closes. */
  get connection(): Connection | undefined {
    return this.#initiator ?? this.#responder?.connection;
  }

  /** Begins to connect, if there is an address to connect to. */
  start(): void {
    if (this.config.address !== undefined && !this.#disabled) this.#dispatch('start', '');
  }

  /**
   * Leaves with a DPR; `ended` is called when all is closed. `isForGood`: the peer is to stay away, else it may come
   * again at once.
   */
  stop(words = 'we are shutting down', isForGood = false): void {
    this.#stopping = true;
    this.#leave(words, isForGood ? DO_NOT_WANT_TO_TALK_TO_YOU : REBOOTING);
  }

  /** Leaves with a DPR and lets nobody in under this name. Source: RFC 6733 5.4. */
  disable(): void {
    if (this.#disabled) return;
    this.#disabled = true;
    this.#leave('disabled by the administrator', DO_NOT_WANT_TO_TALK_TO_YOU);
  }

  /** Ends what `disable` began. */
  enable(): void {
    if (!this.#disabled) return;
    this.#disabled = false;
    this.#words = '';
    if (this.#state === 'closed') this.start();
  }

  /** Takes over what changes nothing about the connection; see `isReachedAlike`. */
  adopt(config: PeerConfig): void {
    this.#config = config;
  }

  onConnected(connection: Connection): void {
    if (connection === this.#initiator) this.#dispatch('connected', '');
  }

  onClosed(connection: Connection, words: string): void {
    if (connection === this.#initiator) this.#dispatch('initiator-lost', this.#lostWords(words));
    else if (connection === this.#responder?.connection) this.#dispatch('responder-lost', this.#lostWords(words));
  }

  /** A connection that another side opened has brought a good CER of this peer. */
  onCer(connection: Connection, cer: DiameterMessage, capabilities: PeerCapabilities): void {
    this.#newcomer = { connection, cer, capabilities };
    this.#dispatch('cer', 'a second connection of the same peer');
    this.#newcomer = undefined;
  }

  /** Any traffic on its connection. */
  received(): void {
    this.#watchdog?.received();
  }

  /** How it stands, for an administrator. */
  status(): PeerStatus {
    const { open } = this;
    return {
      host: this.config.host,
      state: this.#suspect ? 'suspect' : this.#state,
      words: this.#disabled ? DISABLED_WORDS : this.#words,
      lastError: this.#lastError,
      remote: open ? this.connection?.remote : undefined,
      realm: open ? this.#capabilities?.originRealm : undefined,
      productName: open ? this.#capabilities?.productName : undefined,
      connectedSinceMs: open ? this.#connectedSinceMs : undefined,
      roundTripMs: this.statistics.roundTripMs,
      applications: this.#applications,
      outstanding: this.connection?.sent.size ?? 0,
      asked: this.connection?.asked ?? 0,
      counts: this.statistics.counts,
    };
  }

  /** Takes a message of the base protocol. */
  onBaseMessage(connection: Connection, octets: Buffer): void {
    const message =
      octets.length > MAX_BASE_MESSAGE
        ? new DecodeFailure(resultCodes.INVALID_MESSAGE_LENGTH, `${octets.length} octets between neighbours`, 1)
        : decodeMessage(octets, baseDictionary);
    if (message instanceof DecodeFailure) {
      if (isRequest(octets)) connection.send(this.#messages.refusal(octets, refusalOf(message)));
      else if (connection === this.#initiator) this.#dispatch('not-cea', `a malformed answer: ${message.reason}`);
      return;
    }
    switch (message.command) {
      case baseCommands.capabilitiesExchange.code:
        this.#onCapabilities(connection, message);
        return;
      case baseCommands.deviceWatchdog.code:
        if (!this.carries(connection)) return;
        if (isRequest(octets)) connection.send(this.#messages.dwa(message));
        this.#noteOriginStateId(message.avps.unsigned32(baseAvps.originStateId));
        return;
      case baseCommands.disconnectPeer.code:
        if (!this.carries(connection)) return;
        if (isRequest(octets)) {
          this.#dpr = message;
          this.#dispatch('dpr', `DPR from ${this.config.host}: ${causeWords(this.#disconnectCause())}`);
        } else this.#dispatch('dpa', 'DPA received');
        return;
      default: {
        const words = `command ${message.command} is not served here`;
        if (isRequest(octets)) this.#refuse(connection, octets, { resultCode: resultCodes.COMMAND_UNSUPPORTED, words });
      }
    }
  }

  #onCapabilities(connection: Connection, message: DiameterMessage): void {
    if (isRequest(message.octets)) {
      const words = 'capabilities cannot be changed on an open connection';
      this.#refuse(connection, message.octets, { resultCode: resultCodes.UNABLE_TO_COMPLY, words });
      return;
    }
    if (connection !== this.#initiator || this.open) return;
    const { acceptUnknown, local } = this.#settings;
    const capabilities = readCapabilities(message);
    const words = whyNotCea(message, capabilities, local, acceptUnknown ? undefined : this.config.host);
    if (words !== undefined) {
      this.#dispatch('not-cea', words);
      return;
    }
    this.#capabilities = capabilities;
    this.#dispatch('cea', '');
  }

  /** An increase says that the peer has forgotten its sessions. Source: RFC 6733 8.16; requirement D-09. */
  #noteOriginStateId(told: number | undefined): void {
    if (told === undefined || told === 0) return;
    const before = this.#originStateId;
    this.#originStateId = told;
    if (before !== undefined && told > before) this.#port.restarted(this);
  }

  #dispatch(event: PeerEvent, words: string): void {
    const { state, actions } = nextPeerState(this.#state, event, this.#localWins);
    const before = this.#state;
    this.#state = state;
    for (const action of actions) this.#perform(action);
    if (state === 'closed' || this.open) this.#clearTimer();
    if (actions.includes('up')) {
      this.#report(this.#upWords(), false);
      this.#port.up(this);
    } else if (actions.includes('reject-newcomer')) this.#reportRefused(words);
    else if (actions.includes('down') || actions.includes('retry')) {
      this.#report(words + this.#retry.words, event !== 'stop' && before !== 'closing');
    }
    if (state === 'closed' && before !== 'closed' && !this.#retry.armed) this.#port.ended(this);
  }

  #perform(action: PeerAction): void {
    const { disconnectTimeoutMs, exchangeTimeoutMs } = this.#settings;
    const active = this.connection;
    switch (action) {
      case 'connect':
        this.#initiator = this.#port.connect(this, this.config.address ?? '', this.config.port ?? DEFAULT_PORT);
        this.#armTimer(exchangeTimeoutMs);
        return;
      case 'send-cer':
        this.#initiator?.send(this.#messages.cer(this.#initiator));
        return;
      case 'hold-responder':
        this.#responder = this.#newcomer;
        return;
      case 'accept-responder':
        this.#acceptResponder();
        return;
      case 'reject-newcomer':
        this.#newcomer?.connection.end('a second connection of the same peer');
        this.#watchdog?.probe();
        return;
      case 'drop-initiator':
        this.#drop(this.#initiator);
        this.#initiator = undefined;
        return;
      case 'drop-responder':
        this.#drop(this.#responder?.connection);
        this.#responder = undefined;
        return;
      case 'send-dpr':
        active?.send(this.#messages.dpr(active, this.#leavingCause));
        this.#armTimer(disconnectTimeoutMs);
        return;
      case 'send-dpa':
        if (this.#dpr !== undefined) active?.send(this.#messages.dpa(this.#dpr));
        active?.end('closed after DPR');
        this.#armTimer(disconnectTimeoutMs);
        return;
      case 'up':
        this.#goUp();
        return;
      case 'down':
        this.#goDown();
        return;
      case 'retry':
        this.#armRetry();
        return;
    }
  }

  #acceptResponder(): void {
    const held = this.#newcomer ?? this.#responder;
    this.#responder = held;
    if (held === undefined) return;
    this.#capabilities = held.capabilities;
    held.connection.send(this.#messages.cea(held.cer, held.connection));
  }

  #goUp(): void {
    const { local } = this.#settings;
    const connection = this.connection;
    if (connection === undefined || this.#capabilities === undefined) return;
    this.#retry.up();
    this.#connectedSinceMs = Date.now();
    this.#dpr = undefined;
    this.#applications = commonApplications(local, this.#capabilities);
    connection.trust();
    this.#watchdog = this.#watch(connection);
    this.#noteOriginStateId(this.#capabilities.originStateId);
  }

  #watch(connection: Connection): Watchdog {
    const settings = this.#settings;
    const { random } = settings;
    return new Watchdog(
      settings.clock,
      {
        lastReceivedMs: () => connection.lastReceivedMs,
        sendDwr: () => connection.send(this.#messages.dwr(connection)),
        changed: (state) => {
          this.#suspect = state === 'suspect';
          this.#report(this.#suspect ? 'no answer to DWR: other peers are preferred' : 'answers again', this.#suspect);
          this.#port.suspected(this, connection);
        },
        dead: () => {
          connection.destroy('no answer to DWR');
          this.#dispatch('dead', 'no answer to DWR: connection given up');
        },
      },
      {
        get intervalMs() {
          return settings.watchdogMs;
        },
        jitterMs: settings.watchdogJitterMs,
        random,
      },
    );
  }

  #leave(words: string, cause: number): void {
    this.#retry.clear();
    this.#leavingCause = cause;
    if (this.#state === 'closed') this.#port.ended(this);
    else this.#dispatch('stop', words);
  }

  #goDown(): void {
    this.#watchdog?.stop();
    this.#watchdog = undefined;
    this.#suspect = false;
    this.#applications = [];
    if (this.connection !== undefined) this.#port.down(this, this.connection);
  }

  #drop(connection: Connection | undefined): void {
    connection?.end(
      this.#state === 'open-responder' || this.#state === 'open-initiator' ? 'lost the election' : 'dropped',
    );
  }

  #refuse(connection: Connection, octets: Buffer, refusal: Refusal): void {
    connection.send(this.#messages.refusal(octets, refusal));
  }

  #disconnectCause(): number {
    return this.#dpr?.avps.integer32(baseAvps.disconnectCause) ?? REBOOTING;
  }

  #armRetry(): void {
    this.#retry.clear();
    const { address, once } = this.config;
    if (this.#stopping || this.#disabled || address === undefined || once === true) return;
    const unwanted = this.#dpr !== undefined && this.#disconnectCause() !== REBOOTING;
    this.#dpr = undefined;
    this.#retry.arm(unwanted);
  }

  #armTimer(delayMs: number): void {
    this.#clearTimer();
    this.#timer = this.#settings.clock.setTimer(delayMs, () => {
      this.#timer = undefined;
      this.#dispatch('timeout', `no answer within ${Math.round(delayMs / 1000)} s`);
    });
  }

  #clearTimer(): void {
    if (this.#timer !== undefined) this.#settings.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  #report(words: string, isError: boolean): void {
    this.#words = words;
    if (isError) this.#lastError = words;
    this.#port.event({ peer: this.config.host, state: this.#suspect ? 'suspect' : this.#state, words });
  }

  /** Who is turned away does not hide how the peer itself stands. */
  #reportRefused(words: string): void {
    const state = this.#suspect ? 'suspect' : this.#state;
    this.#port.event({ peer: this.config.host, state, words: `refused: ${words}`, refused: true });
  }

  #upWords(): string {
    const capabilities = this.#capabilities;
    const remote = this.connection?.remote ?? '';
    const who = this.#state === 'open-initiator' ? 'connected to' : 'connected from';
    return `${who} ${remote}, ${capabilities?.productName ?? ''}, applications ${this.#applications.join(', ')}`;
  }

  #lostWords(words: string): string {
    if (this.#state !== 'wait-conn-ack') return `connection lost: ${words}`;
    return `cannot connect to ${this.config.address}:${this.config.port ?? DEFAULT_PORT}: ${words}`;
  }
}

function causeWords(cause: number): string {
  if (cause === REBOOTING) return 'it restarts';
  return cause === 1 ? 'it is busy' : 'it does not want to talk to us';
}
