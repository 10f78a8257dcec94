import { Call } from './call.ts';
import { PagerMessage } from './pager-message.ts';
import type { Phone } from './phone.ts';
import { Registration } from './registration.ts';
import type { Switchboard } from './switchboard.ts';

export const procedures = ['register', 'call', 'message', 'mix'] as const;
export type ProcedureName = (typeof procedures)[number];

/** Of ten procedures of a mix: two registrations, four calls, four messages. */
const mix: readonly Exclude<ProcedureName, 'mix'>[] = [
  'call',
  'message',
  'register',
  'call',
  'message',
  'call',
  'message',
  'register',
  'call',
  'message',
];

/** Gives each phone its turn: the first half calls and writes, the second half is called and written to. */
export class Workload {
  readonly #board: Switchboard;
  readonly #holdMs: number;
  #turn = 0;
  #mixed = 0;
  #registering = 0;

  constructor(board: Switchboard, holdMs: number) {
    this.#board = board;
    this.#holdMs = holdMs;
  }

  /** Begins one procedure. */
  begin(procedure: ProcedureName): void {
    switch (procedure) {
      case 'register':
        this.#register();
        return;
      case 'call': {
        const [from, to] = this.#pair();
        new Call(this.#board, from, to, this.#holdMs);
        return;
      }
      case 'message': {
        const [from, to] = this.#pair();
        new PagerMessage(this.#board, from, to);
        return;
      }
      case 'mix':
        this.begin(mix[this.#mixed++ % mix.length]!);
    }
  }

  /** Registers all phones, some at a time; tries again what fails. Throws Error when one can't be registered. */
  async registerAll(together: number): Promise<void> {
    const waiting = this.#board.users.phones.filter((phone) => !phone.registered);
    const work = async () => {
      for (let phone = waiting.pop(); phone !== undefined; phone = waiting.pop()) await this.#registerOne(phone);
    };
    await Promise.all(Array.from({ length: together }, work));
  }

  async #registerOne(phone: Phone): Promise<void> {
    await this.#board.wire.open(phone.number);
    for (let tried = 1; !(await this.#registration(phone)); tried++) {
      if (tried === registerTries) {
        const causes = [...this.#board.tally.of('register').failures.keys()].join(', ');
        throw new Error(`${phone.user} cannot be registered: ${causes}`);
      }
      await new Promise((resolve) => setTimeout(resolve, registerPauseMs));
    }
  }

  #registration(phone: Phone): Promise<boolean> {
    return new Promise((resolve) => {
      this.#board.wire.batch(() => new Registration(this.#board, phone, resolve));
    });
  }

  #register(): void {
    const { phones } = this.#board.users;
    for (let tried = 0; tried < phones.length; tried++) {
      const phone = phones[this.#registering++ % phones.length]!;
      if (phone.registering) continue;
      this.#board.wire.open(phone.number).then(
        () => this.#board.wire.batch(() => new Registration(this.#board, phone)),
        () => this.#board.tally.odd('no connection'),
      );
      return;
    }
    this.#board.tally.odd('no phone was free to register');
  }

  #pair(): readonly [Phone, Phone] {
    const { phones } = this.#board.users;
    const half = phones.length >> 1;
    const caller = this.#turn++ % half;
    return [phones[caller]!, phones[half + caller]!];
  }
}

const registerTries = 5;
const registerPauseMs = 500;
