import { encodeAnswer, encodeRefusal, type Refusal } from '../answer.ts';
import type { Clock } from '../clock.ts';
import { type Avp, avp } from '../codec/avp-types.ts';
import { decodeMessage } from '../codec/decode.ts';
import { encodeMessage } from '../codec/encode.ts';
import { type DiameterMessage, FLAG_REQUEST, isRequest } from '../codec/message.ts';
import { baseApplication, baseAvps, baseCommands } from '../dictionary/base.ts';
import { type CommandDefinition, createDictionary } from '../dictionary/dictionary.ts';
import { DecodeFailure, resultCodes } from '../errors.ts';
import { sameIdentity } from '../identity.ts';
import { baseResult, readResult } from '../result.ts';
import {
  capabilitiesAvps,
  commonApplications,
  type LocalCapabilities,
  type PeerCapabilities,
  readCapabilities,
} from './capabilities.ts';
import type { Connection } from './connection.ts';
import { nextPeerState, type PeerAction, type PeerEvent, type PeerState } from './peer-state.ts';
import { Watchdog } from './watchdog.ts';

/** A peer of the configuration. */
export interface PeerConfig {
  /** Its Origin-Host. */
  readonly host: string;
  /** Where to connect to; left out: the peer connects to us. */
  readonly address?: string | undefined;
  /** Default 3868. */
  readonly port?: number | undefined;
}

/** Times in milliseconds, and what else all peers of a table share. */
export interface PeerSettings {
  readonly local: LocalCapabilities;
  /** Empty: the address of each connection. */
  readonly hostIpAddresses: readonly string[];
  readonly acceptUnknown: boolean;
  readonly clock: Clock;
  /** 0 up to 1. */
  readonly random: () => number;
  readonly reconnectMs: number;
  readonly reconnectCapMs: number;
  /** From connecting, or from accepting, to the end of the capabilities exchange. */
  readonly exchangeTimeoutMs: number;
  readonly watchdogMs: number;
  readonly watchdogJitterMs: number;
  readonly disconnectTimeoutMs: number;
  /** Until the next try after a DPR with BUSY or DO_NOT_WANT_TO_TALK_TO_YOU. */
  readonly unwantedMs: number;
}

/** What happened to a peer, in plain words. */
export interface PeerEventReport {
  readonly peer: string;
  readonly state: PeerState | 'suspect';
  readonly words: string;
}

export interface PeerPort {
  connect(peer: Peer, address: string, port: number): Connection;
  event(report: PeerEventReport): void;
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
const DEFAULT_PORT = 3868;
const baseDictionary = createDictionary(baseAvps);

/** One peer: its state machine with the connections, timers and base messages that it drives. Source: RFC 6733 5. */
export class Peer {
  readonly config: PeerConfig;
  readonly #settings: PeerSettings;
  readonly #port: PeerPort;
  readonly #localWins: boolean;
  #state: PeerState = 'closed';
  #suspect = false;
  #initiator: Connection | undefined;
  #responder: Newcomer | undefined;
  #newcomer: Newcomer | undefined;
  #capabilities: PeerCapabilities | undefined;
  #applications: readonly number[] = [];
  #dpr: DiameterMessage | undefined;
  #watchdog: Watchdog | undefined;
  #timer: unknown;
  #retryTimer: unknown;
  #failures = 0;
  #nextRetryMs: number | undefined;
  #stopping = false;
  #identifier: number;

  constructor(config: PeerConfig, settings: PeerSettings, port: PeerPort) {
    this.config = config;
    this.#settings = settings;
    this.#port = port;
    this.#identifier = Math.floor(settings.random() * 2 ** 32);
    const ours = settings.local.identity.originHost.toLowerCase();
    this.#localWins = ours > config.host.toLowerCase();
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

  /** The connection that carries requests and answers, also while it closes. */
  get connection(): Connection | undefined {
    return this.#initiator ?? this.#responder?.connection;
  }

  /** Begins to connect, if there is an address to connect to. */
  start(): void {
    if (this.config.address !== undefined) this.#dispatch('start', '');
  }

  /** Leaves with a DPR; `ended` is called when all is closed. */
  stop(): void {
    this.#stopping = true;
    this.#clearRetry();
    if (this.#state === 'closed') this.#port.ended(this);
    else this.#dispatch('stop', 'we are shutting down');
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

  /** Takes a message of application 0. */
  onBaseMessage(connection: Connection, octets: Buffer): void {
    const message = decodeMessage(octets, baseDictionary);
    if (message instanceof DecodeFailure) {
      if (isRequest(octets)) this.#refuse(connection, octets, message);
      else if (connection === this.#initiator) this.#dispatch('not-cea', `a malformed answer: ${message.reason}`);
      return;
    }
    const fromActive = (this.open || this.#state === 'closing') && connection === this.connection;
    switch (message.command) {
      case baseCommands.capabilitiesExchange.code:
        this.#onCapabilities(connection, message);
        return;
      case baseCommands.deviceWatchdog.code:
        if (fromActive && isRequest(octets)) connection.send(this.#answer(message, [this.#originStateId()]));
        return;
      case baseCommands.disconnectPeer.code:
        if (!fromActive) return;
        if (isRequest(octets)) {
          this.#dpr = message;
          this.#dispatch('dpr', `DPR from ${this.config.host}: ${causeWords(this.#disconnectCause())}`);
        } else this.#dispatch('dpa', 'DPA received');
        return;
      default:
        if (!isRequest(octets)) return;
        this.#refuse(connection, octets, {
          resultCode: resultCodes.COMMAND_UNSUPPORTED,
          reason: `command ${message.command} is not served here`,
        });
    }
  }

  #onCapabilities(connection: Connection, message: DiameterMessage): void {
    if (isRequest(message.octets)) {
      this.#refuse(connection, message.octets, {
        resultCode: resultCodes.UNABLE_TO_COMPLY,
        reason: 'capabilities cannot be changed on an open connection',
      });
      return;
    }
    if (connection !== this.#initiator || this.open) return;
    const capabilities = readCapabilities(message);
    const words = this.#whyNotCea(message, capabilities);
    if (words !== undefined) {
      this.#dispatch('not-cea', words);
      return;
    }
    this.#capabilities = capabilities;
    this.#dispatch('cea', '');
  }

  /** Why a CEA is none to work with, in words; undefined when it is good. Source: RFC 6733 5.3. */
  #whyNotCea(message: DiameterMessage, capabilities: PeerCapabilities | undefined): string | undefined {
    const { local, acceptUnknown } = this.#settings;
    const result = readResult(message);
    const host = capabilities?.originHost ?? this.config.host;
    const head = `CEA ${result?.code ?? 'without a result'} from ${host}`;
    const offered = local.applications.map((application) => `${application.name} (${application.id})`).join(', ');
    if (result?.code !== resultCodes.SUCCESS) {
      const text = message.avps.text(baseAvps.errorMessage);
      const reason =
        result?.code === resultCodes.NO_COMMON_APPLICATION ? 'it offers no application of ours' : 'refused';
      return `${head}: ${text ?? reason}; we offered ${offered}`;
    }
    if (capabilities === undefined) return `${head}: without Origin-Host or Origin-Realm`;
    if (!acceptUnknown && !sameIdentity(capabilities.originHost, this.config.host)) {
      return `${head}: the peer at this address should be ${this.config.host}`;
    }
    if (commonApplications(local, capabilities).length > 0) return undefined;
    return `${head}: it offers ${capabilities.applications.join(', ') || 'nothing'}; we offered ${offered}`;
  }

  #dispatch(event: PeerEvent, words: string): void {
    const { state, actions } = nextPeerState(this.#state, event, this.#localWins);
    const before = this.#state;
    this.#state = state;
    for (const action of actions) this.#perform(action);
    if (state === 'closed' || this.open) this.#clearTimer();
    if (actions.includes('up')) this.#report(this.#upWords());
    else if (actions.includes('reject-newcomer')) this.#report(`refused: ${words}`);
    else if (actions.includes('down') || actions.includes('retry')) this.#report(words + this.#retryWords());
    if (state === 'closed' && before !== 'closed' && this.#retryTimer === undefined) this.#port.ended(this);
  }

  #perform(action: PeerAction): void {
    const { settings, active } = { settings: this.#settings, active: this.connection };
    switch (action) {
      case 'connect':
        this.#initiator = this.#port.connect(this, this.config.address ?? '', this.config.port ?? DEFAULT_PORT);
        this.#armTimer(settings.exchangeTimeoutMs);
        return;
      case 'send-cer':
        this.#initiator?.send(this.#request(baseCommands.capabilitiesExchange, this.#ownCapabilities(this.#initiator)));
        return;
      case 'hold-responder':
        this.#responder = this.#newcomer;
        return;
      case 'accept-responder':
        this.#acceptResponder();
        return;
      case 'reject-newcomer':
        this.#newcomer?.connection.end('a second connection of the same peer');
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
        active?.send(this.#request(baseCommands.disconnectPeer, [avp(baseAvps.disconnectCause, REBOOTING)]));
        this.#armTimer(settings.disconnectTimeoutMs);
        return;
      case 'send-dpa':
        if (this.#dpr !== undefined) active?.send(this.#answer(this.#dpr, []));
        active?.end('closed after DPR');
        this.#armTimer(settings.disconnectTimeoutMs);
        return;
      case 'up':
        this.#goUp();
        return;
      case 'down':
        this.#watchdog?.stop();
        this.#watchdog = undefined;
        this.#suspect = false;
        this.#applications = [];
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
    held.connection.send(this.#answer(held.cer, this.#ownCapabilities(held.connection)));
  }

  #goUp(): void {
    const { clock, local, random, watchdogJitterMs: jitterMs, watchdogMs: intervalMs } = this.#settings;
    const connection = this.connection;
    if (connection === undefined || this.#capabilities === undefined) return;
    this.#failures = 0;
    this.#dpr = undefined;
    this.#clearRetry();
    this.#applications = commonApplications(local, this.#capabilities);
    connection.trust();
    this.#watchdog = new Watchdog(
      clock,
      {
        lastReceivedMs: () => connection.lastReceivedMs,
        sendDwr: () => connection.send(this.#request(baseCommands.deviceWatchdog, [this.#originStateId()])),
        changed: (state) => {
          this.#suspect = state === 'suspect';
          this.#report(this.#suspect ? 'no answer to DWR: other peers are preferred' : 'answers again');
        },
        dead: () => {
          connection.destroy('no answer to DWR');
          this.#dispatch('dead', 'no answer to DWR: connection given up');
        },
      },
      { intervalMs, jitterMs, random },
    );
  }

  #drop(connection: Connection | undefined): void {
    connection?.end(
      this.#state === 'open-responder' || this.#state === 'open-initiator' ? 'lost the election' : 'dropped',
    );
  }

  #ownCapabilities(connection: Connection): Avp[] {
    const { hostIpAddresses, local } = this.#settings;
    return capabilitiesAvps(local, hostIpAddresses.length > 0 ? hostIpAddresses : [connection.localAddress]);
  }

  #originStateId(): Avp {
    return avp(baseAvps.originStateId, this.#settings.local.originStateId);
  }

  #request(command: CommandDefinition, avps: readonly Avp[]): Buffer {
    const { originHost, originRealm } = this.#settings.local.identity;
    this.#identifier = (this.#identifier + 1) >>> 0;
    return encodeMessage(
      {
        flags: FLAG_REQUEST,
        command: command.code,
        application: baseApplication.id,
        hopByHop: this.#identifier,
        endToEnd: this.#identifier,
      },
      [avp(baseAvps.originHost, originHost), avp(baseAvps.originRealm, originRealm), ...avps],
    );
  }

  #answer(request: DiameterMessage, avps: readonly Avp[]): Buffer {
    const content = { result: baseResult(resultCodes.SUCCESS), avps };
    return encodeAnswer(request, baseApplication, this.#settings.local.identity, content);
  }

  #refuse(
    connection: Connection,
    octets: Buffer,
    why: { readonly resultCode: number; readonly reason: string; readonly failedAvp?: Buffer | undefined },
  ): void {
    const refusal: Refusal = { resultCode: why.resultCode, words: why.reason, failedAvp: why.failedAvp };
    connection.send(encodeRefusal(octets, this.#settings.local.identity, refusal));
  }

  #disconnectCause(): number {
    return this.#dpr?.avps.integer32(baseAvps.disconnectCause) ?? REBOOTING;
  }

  /** Tc, doubled with each failure in a row up to the cap, give or take a tenth. Source: RFC 6733 12. */
  #armRetry(): void {
    const { clock, random, reconnectCapMs, reconnectMs, unwantedMs } = this.#settings;
    this.#clearRetry();
    if (this.#stopping || this.config.address === undefined) return;
    const unwanted = this.#dpr !== undefined && this.#disconnectCause() !== REBOOTING;
    const backOffMs = Math.min(reconnectMs * 2 ** Math.min(this.#failures, 16), Math.max(reconnectCapMs, reconnectMs));
    this.#failures++;
    this.#dpr = undefined;
    const delayMs = unwanted ? unwantedMs : backOffMs * (0.9 + random() * 0.2);
    this.#nextRetryMs = delayMs;
    this.#retryTimer = clock.setTimer(delayMs, () => {
      this.#retryTimer = undefined;
      this.#nextRetryMs = undefined;
      this.#dispatch('start', '');
    });
  }

  #clearRetry(): void {
    if (this.#retryTimer !== undefined) this.#settings.clock.clearTimer(this.#retryTimer);
    this.#retryTimer = undefined;
    this.#nextRetryMs = undefined;
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

  #report(words: string): void {
    this.#port.event({ peer: this.config.host, state: this.#suspect ? 'suspect' : this.#state, words });
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

  #retryWords(): string {
    return this.#nextRetryMs === undefined ? '' : `; next try in ${(this.#nextRetryMs / 1000).toFixed(1)} s`;
  }
}

function causeWords(cause: number): string {
  if (cause === REBOOTING) return 'it restarts';
  return cause === 1 ? 'it is busy' : 'it does not want to talk to us';
}
