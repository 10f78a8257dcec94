import { Pacer } from '../../bench/load/pacer.ts';
import { type Phone, usersOf } from '../../bench/load/phone.ts';
import { Registration } from '../../bench/load/registration.ts';
import { Switchboard } from '../../bench/load/switchboard.ts';
import { Tally } from '../../bench/load/tally.ts';
import { openUdpWire } from '../../bench/load/udp-wire.ts';
import type { ChaosNetwork } from '../chaos/chaos-network.ts';
import { sleep } from '../chaos/disturbances.ts';

/** Second octet of the phones' addresses. */
const phoneGroup = 24;
const pollMs = 50;

export interface CycleOptions {
  /** Users of the HSS' range that others have. */
  readonly taken: number;
  readonly phones: number;
  /** Per second. */
  readonly rate: number;
  /** After so many it is enough. */
  readonly most: number;
  readonly t1Ms: number;
}

/** Phones that register and at once end their registration, again and again. */
export class RegistrationCycles {
  readonly #options: CycleOptions;
  readonly #board: Switchboard;
  readonly #pacer: Pacer;
  #begun = 0;
  #open = 0;
  /** How often a phone has registered and ended it. */
  done = 0;

  constructor(network: ChaosNetwork, options: CycleOptions) {
    const { address, ports, domain, range } = network.config;
    const users = range!.range!;
    const others = {
      ...range!,
      range: { ...users, first: users.first + options.taken, count: users.count - options.taken },
    };
    this.#options = options;
    const { t1Ms } = options;
    this.#board = new Switchboard(
      {
        users: usersOf(others, domain, options.phones),
        proxy: `${address}:${ports.gm}`,
        patience: { t1Ms, t2Ms: t1Ms * 8, answerMs: t1Ms * 64, retransmits: true },
        ringMs: 0,
        openWire: (events) => openUdpWire({ address, port: ports.gm, group: phoneGroup }, events),
      },
      new Tally(performance.now()),
    );
    this.#pacer = new Pacer(
      options.rate,
      true,
      () => this.#begin(),
      (work) => this.#board.wire.batch(work),
    );
  }

  /** Registrations and their ends that failed, by cause. */
  get failures(): Readonly<Record<string, number>> {
    const { tally } = this.#board;
    const kinds = ['register', 'renewal', 'deregister'] as const;
    return Object.fromEntries(kinds.flatMap((kind) => [...tally.of(kind).failures]));
  }

  start(): void {
    this.#pacer.start();
  }

  /** Begins nothing new, and waits until all that began has ended and nobody is registered. */
  async settle(): Promise<void> {
    this.#pacer.stop();
    while (this.#open > 0) await sleep(pollMs);
    for (const phone of this.#board.users.phones) if (phone.registered) this.#end(phone);
    while (this.#open > 0) await sleep(pollMs);
  }

  async close(): Promise<void> {
    this.#pacer.stop();
    await this.#board.close();
  }

  #begin(): void {
    const { phones } = this.#board.users;
    if (this.#begun >= this.#options.most) return;
    const phone = phones[this.#begun % phones.length]!;
    if (phone.registering) return;
    this.#begun++;
    this.#open++;
    new Registration(this.#board, phone, (ok) => {
      this.#open--;
      // Not from inside the answer: the phone is not done with it yet.
      if (ok) setImmediate(() => this.#end(phone));
    });
  }

  #end(phone: Phone): void {
    this.#open++;
    const ended = (ok: boolean) => {
      this.#open--;
      if (ok) this.done++;
    };
    this.#board.wire.batch(() => new Registration(this.#board, phone, ended, 0));
  }
}
