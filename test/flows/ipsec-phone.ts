import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { IpsecCounters } from '#ipsec/ipsec-backend';
import type { RegisterOutcome } from '#lab/ue/registration';
import type { PhoneKindName } from '#lab/ue/security-offer';
import type { RigHost } from '../ipsec/namespaces.ts';

export interface PhoneSetup {
  readonly domain: string;
  readonly impi: string;
  readonly impu: string;
  readonly keys: { readonly k: string; readonly op?: string; readonly opc?: string };
  readonly proxy: { readonly address: string; readonly port: number };
  readonly address: string;
  readonly backend: 'auto' | 'kernel' | 'userspace';
  readonly kind?: PhoneKindName;
  readonly requestsBy?: 'udp' | 'tcp';
  readonly registerBy?: 'udp' | 'tcp';
  readonly answerFrom?: 'client' | 'server';
  readonly expires?: number;
}

/** What a phone has seen. */
export interface Seen {
  /** `in udp 5062 SIP/2.0 200 OK`: direction, transport, port of the P-CSCF, start line. */
  readonly messages: string[];
  /** `reg active`: event and first state in the body. */
  readonly notifies: string[];
  readonly texts: string[];
  /** What became of calls that came. */
  readonly calls: string[];
  readonly refreshed: string[];
}

/** What the process of a phone does. */
export interface PhoneMethods {
  open(setup: PhoneSetup): Promise<{ port: number; words: string }>;
  register(expires?: number): Promise<RegisterOutcome>;
  subscribe(): Promise<number>;
  message(to: string, body: string): Promise<{ status: number; words: string }>;
  call(to: string): Promise<{ answered: boolean; ringing: number[]; words: string }>;
  /** Ends the newest call; gives who ended it and with what status. */
  hangUp(): Promise<string>;
  agreed(): Promise<{ portC: number; portS: number; alg: string; ealg: string } | null>;
  /** Direction, port of the source, port of the destination. */
  associations(): Promise<(string | number)[][]>;
  seen(): Promise<Seen>;
  /** All that was heard, octet by octet as latin1, and the keys of all challenges, hexadecimal. */
  heard(): Promise<{ messages: string[]; keys: string[] }>;
  counters(): Promise<IpsecCounters>;
  /** Sends from a port without IPsec; gives how many datagrams came back. */
  plainDatagram(address: string, port: number, text: string): Promise<number>;
  /** Connects from a port without IPsec; gives what became of it. */
  plainConnection(address: string, port: number): Promise<string>;
  close(): Promise<void>;
}

export interface Ask {
  readonly id: number;
  readonly method: keyof PhoneMethods;
  readonly args: readonly unknown[];
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

const file = fileURLToPath(new URL('./ipsec-phone-process.ts', import.meta.url));

/** The phone that runs on a host of the rig. */
export class IpsecPhone {
  readonly setup: PhoneSetup;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #last = 0;

  private constructor(child: ChildProcess, setup: PhoneSetup) {
    this.#child = child;
    this.setup = setup;
    child.on('message', (answer: Answer) => {
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
  }

  static async open(host: RigHost, setup: PhoneSetup): Promise<IpsecPhone> {
    const phone = new IpsecPhone(host.fork(file), setup);
    await phone.ask('open', setup);
    return phone;
  }

  /** Does one thing; rejects with what the process threw. */
  ask<M extends keyof PhoneMethods>(
    method: M,
    ...args: Parameters<PhoneMethods[M]>
  ): Promise<Awaited<ReturnType<PhoneMethods[M]>>> {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ result, error }) => {
        if (error === undefined) resolve(result as Awaited<ReturnType<PhoneMethods[M]>>);
        else reject(new Error(error));
      });
      this.#child.send({ id, method, args } satisfies Ask);
    });
  }

  /** Registers, and throws with the refusal. */
  async register(expires?: number): Promise<void> {
    const outcome = await this.ask('register', expires);
    if (!outcome.registered) throw new Error(`REGISTER was answered ${outcome.status} ${outcome.words}`);
  }

  /** Start lines of what was sent and heard since the last look, see Seen. */
  async messages(): Promise<readonly string[]> {
    return (await this.ask('seen')).messages;
  }

  get isOpen(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null && this.#child.connected;
  }

  async close(): Promise<void> {
    if (!this.isOpen) return;
    await this.ask('close');
    this.#child.disconnect();
  }
}
