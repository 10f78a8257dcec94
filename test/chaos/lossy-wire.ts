import type { Wire, WireEvents } from '../../bench/load/wire.ts';
import type { SeededRandom } from './seeded-random.ts';

/** What a network does to datagrams, shares of all of them. */
export interface Weather {
  readonly loss: number;
  readonly duplicates: number;
  /** So many come a little later than those behind them. */
  readonly reordered: number;
  readonly delayMs?: number;
  /** Random part of the delay. */
  readonly jitterMs?: number;
}

const reorderMs = 30;

/** What becomes of each datagram in some weather. */
export class Storm {
  lost = 0;
  passed = 0;
  readonly #weather: Weather;
  readonly #random: SeededRandom;

  constructor(weather: Weather, random: SeededRandom) {
    this.#weather = weather;
    this.#random = random;
  }

  /** Delivers a datagram once, twice or not at all, at once or `later`. */
  pass(deliver: () => void, later: (work: () => void) => void = (work) => work()): void {
    const { loss, duplicates } = this.#weather;
    if (this.#random.next() < loss) {
      this.lost++;
      return;
    }
    this.passed++;
    this.#deliver(deliver, later);
    if (this.#random.next() < duplicates) this.#deliver(deliver, later);
  }

  #deliver(deliver: () => void, later: (work: () => void) => void): void {
    const { reordered, delayMs = 0, jitterMs = 0 } = this.#weather;
    const late = this.#random.next() < reordered ? reorderMs : 0;
    const ms = delayMs + jitterMs * this.#random.next() + late;
    if (ms === 0) deliver();
    else setTimeout(() => later(deliver), ms);
  }
}

/** A wire of phones behind a bad network: datagrams are lost, doubled, delayed and overtaken, both ways. */
export class LossyWire implements Wire {
  readonly #wire: Wire;
  readonly #storm: Storm;

  /** `open` gets the events of the wire below. */
  constructor(open: (events: WireEvents) => Wire, events: WireEvents, weather: Weather, random: SeededRandom) {
    this.#storm = new Storm(weather, random);
    this.#wire = open({
      message: (text) => this.#pass(() => events.message(text)),
      lost: (phone) => events.lost(phone),
    });
  }

  get lost(): number {
    return this.#storm.lost;
  }

  get transport(): Wire['transport'] {
    return this.#wire.transport;
  }

  sentBy(phone: number): string {
    return this.#wire.sentBy(phone);
  }

  open(phone: number): Promise<void> {
    return this.#wire.open(phone);
  }

  send(text: string, phone: number): void {
    this.#pass(() => this.#wire.send(text, phone));
  }

  batch(work: () => void): void {
    this.#wire.batch(work);
  }

  close(): Promise<void> {
    return this.#wire.close();
  }

  #pass(deliver: () => void): void {
    this.#storm.pass(deliver, (work) => this.#wire.batch(work));
  }
}
