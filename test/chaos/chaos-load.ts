import { Pacer } from '../../bench/load/pacer.ts';
import { PagerMessage } from '../../bench/load/pager-message.ts';
import { type Phone, usersOf } from '../../bench/load/phone.ts';
import { Registration } from '../../bench/load/registration.ts';
import { Switchboard } from '../../bench/load/switchboard.ts';
import { Tally } from '../../bench/load/tally.ts';
import { openUdpWire } from '../../bench/load/udp-wire.ts';
import type { Wire, WireEvents } from '../../bench/load/wire.ts';
import { Workload } from '../../bench/load/workload.ts';
import type { ChaosNetwork } from './chaos-network.ts';
import { sleep } from './disturbances.ts';
import type { SeededRandom } from './seeded-random.ts';
import { type CallEnd, TwoSidedCall } from './two-sided-call.ts';

export interface ChaosLoadOptions {
  readonly users: number;
  /** Per second. */
  readonly registrations: number;
  readonly calls: number;
  readonly messages: number;
  /** Longest hold of a call, milliseconds. */
  readonly holdMs: number;
  readonly t1Ms: number;
  /** Puts something between the phones and their wire; left out: nothing. */
  readonly through?: (open: (events: WireEvents) => Wire, events: WireEvents) => Wire;
}

/** What became of all calls. */
export class CallCounts {
  begun = 0;
  confirmed = 0;
  ended = 0;
  /** INFO requests that the other end answered. */
  probes = 0;
  readonly refused = new Map<string, number>();
  /** Requests inside calls that a node refused and that were sent anew. */
  readonly again = new Map<string, number>();
  readonly lost: string[] = [];
}

/** Second octet of the phones' addresses. */
const phoneGroup = 23;
const ringMs = 50;
const together = 24;
const pollMs = 50;
/** Of so many milliseconds at most a moment is waited for that a MESSAGE may need to arrive twice. */
const sweepTogether = 16;

/** Phones that register anew, call and write, whatever happens to the network. */
export class ChaosLoad {
  readonly board: Switchboard;
  readonly calls = new CallCounts();
  readonly #options: ChaosLoadOptions;
  readonly #random: SeededRandom;
  readonly #live = new Set<TwoSidedCall>();
  readonly #pacers: Pacer[];
  #accepting = false;
  #next = 0;

  constructor(network: ChaosNetwork, options: ChaosLoadOptions, random: SeededRandom) {
    const { address, ports, domain, range } = network.config;
    if (range === undefined) throw new Error('the HSS has no range of users');
    this.#options = options;
    this.#random = random;
    const t1Ms = options.t1Ms;
    const open = (events: WireEvents) => openUdpWire({ address, port: ports.gm, group: phoneGroup }, events);
    this.board = new Switchboard(
      {
        users: usersOf(range, domain, options.users),
        proxy: `${address}:${ports.gm}`,
        patience: { t1Ms, t2Ms: t1Ms * 8, answerMs: t1Ms * 64, retransmits: true },
        ringMs,
        openWire: (events) => (options.through === undefined ? open(events) : options.through(open, events)),
      },
      new Tally(performance.now()),
    );
    const pace = (rate: number, begin: () => void) =>
      new Pacer(
        rate,
        true,
        () => this.#accepting && begin(),
        (work) => this.board.wire.batch(work),
        () => random.next(),
      );
    this.#pacers = [
      pace(options.registrations, () => this.#register()),
      pace(options.calls, () => this.#call()),
      pace(options.messages, () => this.#write()),
    ];
  }

  get phones(): readonly Phone[] {
    return this.board.users.phones;
  }

  /** Calls that stand now. */
  get standing(): number {
    let count = 0;
    for (const call of this.#live) if (call.standing) count++;
    return count;
  }

  /** Registers everybody. Throws Error when one can't be registered. */
  async prepare(): Promise<void> {
    await new Workload(this.board, 0).registerAll(together);
  }

  start(): void {
    this.#accepting = true;
    for (const pacer of this.#pacers) pacer.start();
  }

  /** Begins nothing new. */
  stop(): void {
    this.#accepting = false;
    for (const pacer of this.#pacers) pacer.stop();
  }

  /** Hangs up in every call, and waits until all that began has ended. */
  async settle(): Promise<void> {
    this.board.wire.batch(() => {
      for (const call of this.#live) call.hangUp();
    });
    while (this.#live.size > 0 || this.board.tally.open > 0) await sleep(pollMs);
  }

  /** Sends a MESSAGE to every registered phone; gives those that it did not reach, with the cause. */
  async sweep(): Promise<string[]> {
    const waiting = this.phones.filter(({ registered }) => registered);
    const unreached: string[] = [];
    const count = waiting.length;
    const work = async () => {
      for (let phone = waiting.pop(); phone !== undefined; phone = waiting.pop()) {
        const from = this.phones[(phone.number + 1) % this.phones.length]!;
        const failure = await this.#message(from, phone);
        if (failure !== null) unreached.push(`${phone.user}: ${failure}`);
      }
    };
    await Promise.all(Array.from({ length: Math.min(sweepTogether, count) }, work));
    return unreached;
  }

  async close(): Promise<void> {
    this.stop();
    await this.board.close();
  }

  /** Gives why a MESSAGE did not arrive, or null. */
  async #message(from: Phone, to: Phone): Promise<string | null> {
    const { board } = this;
    const tally = new Tally(performance.now());
    const kept = board.tally;
    board.tally = tally;
    board.wire.batch(() => new PagerMessage(board, from, to));
    board.tally = kept;
    while (tally.open > 0) await sleep(2);
    const [cause] = tally.of('message').failures.keys();
    return cause ?? null;
  }

  #register(): void {
    for (let tried = 0; tried < this.phones.length; tried++) {
      const phone = this.phones[this.#next++ % this.phones.length]!;
      if (phone.registering) continue;
      new Registration(this.board, phone);
      return;
    }
  }

  #call(): void {
    const { calls } = this;
    const [from, to] = this.#pair();
    calls.begun++;
    const call: TwoSidedCall = new TwoSidedCall(
      this.board,
      {
        from,
        to,
        holdMs: this.#random.between(100, this.#options.holdMs),
        probeMs: Math.min(2_000, this.#options.holdMs / 4),
        hangsUp: this.#random.next() < 0.5 ? 'caller' : 'called',
      },
      {
        confirmed: () => calls.confirmed++,
        probed: () => calls.probes++,
        again: (cause) => add(calls.again, cause),
        ended: (ended, end) => this.#ended(ended, end),
      },
    );
    this.#live.add(call);
  }

  #ended(call: TwoSidedCall, end: CallEnd): void {
    this.#live.delete(call);
    switch (end.kind) {
      case 'ended':
        this.calls.ended++;
        return;
      case 'refused':
        add(this.calls.refused, end.cause);
        return;
      case 'lost':
        this.calls.lost.push(end.cause);
    }
  }

  #write(): void {
    const [from, to] = this.#pair();
    new PagerMessage(this.board, from, to);
  }

  #pair(): readonly [Phone, Phone] {
    const from = this.#random.pick(this.phones);
    const to =
      this.phones[(from.number + 1 + Math.floor(this.#random.next() * (this.phones.length - 1))) % this.phones.length]!;
    return [from, to];
  }
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
