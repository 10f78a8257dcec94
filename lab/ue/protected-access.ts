import { randomInt } from 'node:crypto';
import type { IpsecBackend } from '#ipsec/ipsec-backend';
import type { SecurityAssociation } from '#ipsec/security-association';
import type { IpsecMechanism } from '#sip/header/security-mechanism';
import type { HeaderKey } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import type { SipResponse } from '#sip/message/response';
import { Timer } from '#sip/transaction/timer-wheel';
import type { Flow, Target } from '#sip/transport/flow';
import { type Access, type ProxyAddress, routeTo } from './access.ts';
import { agreedMechanism, associationsOf } from './association-plan.ts';
import type { ChallengeAnswer } from './credentials.ts';
import type { Endpoint } from './endpoint.ts';
import type { ProtectedSockets } from './phone-sockets.ts';
import { type PhoneKind, phoneKinds, type SecurityEnd } from './security-offer.ts';

export interface IpsecOptions {
  /** Carries ESP for this phone; whoever opened it closes it. */
  readonly backend: IpsecBackend;
  /** Default: samsung. */
  readonly kind?: PhoneKind;
  /** What protected requests go by; default udp. */
  readonly requestsBy?: 'udp' | 'tcp';
  /** What the answer to the challenge goes by; default: as its kind does. */
  readonly registerBy?: 'udp' | 'tcp';
  /** The port that answers by UDP leave from: `client` is the rule, some phones use their server port. */
  readonly answerFrom?: 'client' | 'server';
}

/** What is agreed: one set of four associations. */
interface AgreedSet {
  readonly client: number;
  readonly fields: readonly string[];
  readonly server: readonly string[];
  readonly peer: IpsecMechanism;
  readonly associations: readonly SecurityAssociation[];
}

/** How long associations of a challenge live that is not answered. Source: TS 24.229 table 7.8.1 (reg-await-auth). */
const temporarySeconds = 240;
/** How much longer than the registration. Source: TS 33.203 7.4. */
const graceSeconds = 30;
const spis = { min: 256, max: 2 ** 32 } as const;

/**
 * The access of a phone with IPsec: the first REGISTER goes in the clear and offers, its challenge is answered inside the
 * associations that it agreed on, and everything from then on. Each renewal offers new SPIs and another client port; a
 * set that was replaced lives on for a while.
 *
 * Source: TS 24.229 5.1.1.2.2, 5.1.1.5.1; TS 33.203 7; RFC 3329.
 */
export class ProtectedAccess implements Access {
  readonly #endpoint: Endpoint;
  readonly #sockets: ProtectedSockets;
  readonly #proxy: ProxyAddress;
  readonly #options: IpsecOptions;
  readonly #kind: PhoneKind;
  /** What the REGISTERs that are under way offer. */
  #offered: { readonly client: number; readonly end: SecurityEnd; readonly fields: readonly string[] } | null = null;
  /** Agreed on by a challenge that is being answered. */
  #temporary: AgreedSet | null = null;
  #current: AgreedSet | null = null;
  #old: AgreedSet[] = [];
  readonly #oldTimer = new Timer(this, 'old');
  #nextClient = 0;

  private constructor(endpoint: Endpoint, sockets: ProtectedSockets, proxy: ProxyAddress, options: IpsecOptions) {
    this.#endpoint = endpoint;
    this.#sockets = sockets;
    this.#proxy = proxy;
    this.#options = options;
    this.#kind = options.kind ?? phoneKinds.samsung;
    endpoint.answerFlow = (flow) => this.#answerFlow(flow);
  }

  /** Closes the protected ports of the endpoint to plain traffic. Rejects with IpsecError. */
  static async open(endpoint: Endpoint, proxy: ProxyAddress, options: IpsecOptions): Promise<ProtectedAccess> {
    const sockets = endpoint.protectedSockets;
    if (sockets === null) throw new Error('the endpoint has no protected ports');
    const { address } = endpoint;
    await options.backend.guard([sockets.server, ...sockets.clients].map(({ port }) => ({ address, port })));
    return new ProtectedAccess(endpoint, sockets, proxy, options);
  }

  get contactSentBy(): string {
    return this.#sockets.sentBy;
  }

  /** Whether what is sent now goes inside associations. */
  get isProtected(): boolean {
    return this.#current !== null;
  }

  /** The agreed mechanism of the P-CSCF, null before there is one. */
  get agreed(): IpsecMechanism | null {
    return this.#current?.peer ?? null;
  }

  /** The associations that are in use. */
  get associations(): readonly SecurityAssociation[] {
    return this.#current?.associations ?? [];
  }

  get registerTarget(): Target {
    const set = this.#temporary ?? this.#current;
    const { registerBy, requestsBy = 'udp' } = this.#options;
    if (set === null) return this.#endpoint.target(this.#proxy.address, this.#proxy.port);
    return this.#targetBy(set, registerBy ?? this.#kind.registerBy ?? requestsBy);
  }

  get target(): Target {
    const { requestsBy = 'udp' } = this.#options;
    if (this.#current === null) return this.#endpoint.target(this.#proxy.address, this.#proxy.port);
    return this.#targetBy(this.#current, requestsBy);
  }

  get route(): string {
    if (this.#current === null) return routeTo(this.#proxy, this.#endpoint.transport);
    const { address } = this.#proxy;
    return routeTo({ address, port: this.#current.peer.portS }, this.#options.requestsBy ?? 'udp');
  }

  begin(): void {
    this.#drop(this.#temporary);
    this.#temporary = null;
    this.#offer();
  }

  registerHeaders(): [HeaderKey, string][] {
    const offered = this.#temporary?.fields ?? this.#offered?.fields ?? [];
    const fields = offered.map((field): [HeaderKey, string] => [Header['Security-Client'], field]);
    return [...agreementTags, ...fields, ...verifying(this.#temporary ?? this.#current)];
  }

  requestHeaders(): [HeaderKey, string][] {
    return this.#current === null ? [] : [...agreementTags, ...verifying(this.#current)];
  }

  async challenged(challenge: SipResponse, { ck, ik }: ChallengeAnswer): Promise<string | null> {
    const offered = this.#offered;
    // Without keys the answer says that the network's part is wrong, or asks for another vector.
    if (ck === undefined || ik === undefined || offered === null) return null;
    const server = challenge.headers.values(Header['Security-Server']);
    const peer = agreedMechanism(server);
    if (typeof peer === 'string') return peer;
    const { address } = this.#endpoint;
    const own = { ...offered.end, address };
    const associations = associationsOf(own, { ...peer, address: this.#proxy.address }, ck, ik, temporarySeconds);
    try {
      await this.#options.backend.add(associations);
    } catch (error) {
      return `the associations cannot be set up: ${(error as Error).message}`;
    }
    this.#drop(this.#temporary);
    this.#temporary = { client: offered.client, fields: offered.fields, server, peer, associations };
    return null;
  }

  registered(seconds: number): void {
    if (this.#temporary !== null) {
      if (this.#current !== null) this.#retire(this.#current);
      this.#current = this.#temporary;
      this.#temporary = null;
    }
    this.#offered = null;
    if (this.#current === null) return;
    if (seconds === 0) {
      this.#retire(this.#current);
      this.#current = null;
      return;
    }
    const { backend } = this.#options;
    void backend.extend(this.#current.associations, seconds + graceSeconds).catch(() => {});
  }

  /** Begins anew in the clear: what the P-CSCF knows of the associations is not known. Source: TS 24.229 5.1.1.4. */
  refused(): void {
    for (const set of [this.#temporary, this.#current]) this.#drop(set);
    this.#temporary = null;
    this.#current = null;
    this.#offered = null;
  }

  onTimer(): void {
    this.#drop(this.#old.shift() ?? null);
    if (this.#old.length > 0) this.#endpoint.wheel.start(this.#oldTimer, this.#lingerMs);
  }

  async close(): Promise<void> {
    this.#endpoint.wheel.stop(this.#oldTimer);
    const sets = [this.#temporary, this.#current, ...this.#old].filter((set) => set !== null);
    await this.#options.backend.remove(sets.flatMap(({ associations }) => associations)).catch(() => {});
  }

  #targetBy(set: AgreedSet, transport: 'udp' | 'tcp'): Target {
    const { udp, tcp } = this.#sockets.clients[set.client]!;
    const { address } = this.#proxy;
    const port = set.peer.portS;
    if (transport === 'tcp') return { listener: tcp, transport, address, port, connection: 0 };
    return { listener: udp, transport, address, port, connection: 0, streamListener: tcp };
  }

  /** New SPIs and the next client port, with the server port that the phone keeps. Source: TS 33.203 7.4. */
  #offer(): void {
    const client = this.#nextClient;
    this.#nextClient = (client + 1) % this.#sockets.clients.length;
    const spiC = randomInt(spis.min, spis.max - 1);
    const end = {
      spiC,
      spiS: spiC + 1,
      portC: this.#sockets.clients[client]!.port,
      portS: this.#sockets.server.port,
    };
    this.#offered = { client, end, fields: this.#kind.fields(end) };
  }

  /** Answers by UDP leave from the client port to port-s; by TCP they stay on their connection. Source: TS 33.203 7.1. */
  #answerFlow(flow: Flow): Flow {
    if (flow.transport !== 'udp' || this.#options.answerFrom === 'server') return flow;
    const sets = [this.#current, this.#temporary, ...this.#old];
    const set = sets.find((each) => each?.peer.portC === flow.port) ?? this.#current;
    return set == null ? flow : { ...flow, listener: this.#sockets.clients[set.client]!.udp, port: set.peer.portS };
  }

  get #lingerMs(): number {
    return 64 * this.#endpoint.timers.t1Ms;
  }

  #retire(set: AgreedSet): void {
    this.#old.push(set);
    if (this.#old.length === 1) this.#endpoint.wheel.start(this.#oldTimer, this.#lingerMs);
  }

  #drop(set: AgreedSet | null): void {
    if (set !== null) void this.#options.backend.remove(set.associations).catch(() => {});
  }
}

/** Source: RFC 3329 2.3.1. */
const agreementTags: readonly [HeaderKey, string][] = [
  [Header.Require, 'sec-agree'],
  [Header['Proxy-Require'], 'sec-agree'],
];

function verifying(set: AgreedSet | null): [HeaderKey, string][] {
  return (set?.server ?? []).map((value) => [Header['Security-Verify'], value]);
}
