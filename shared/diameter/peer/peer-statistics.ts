import type { Outcome } from './routing-avps.ts';

/** How often an answer of a command had an outcome. */
export interface CommandCount {
  /** `sent`: requests of ours that the peer answered; `received`: requests of the peer that we answered. */
  readonly direction: 'sent' | 'received';
  readonly command: number;
  /** `2001`, `experimental 5001` for an Experimental-Result, `lost` for a request without an answer; `other` beyond the bound. */
  readonly result: string;
  readonly count: number;
}

const MAX_COUNTS = 128;
/** Weight of a new sample, as in RFC 6298. */
const SMOOTHING = 1 / 8;
const LOST = Number.NaN;

/** What is counted of one peer since the start. Source: requirement D-20. */
export class PeerStatistics {
  #roundTripMs: number | undefined;
  readonly #sent = new Map<number, Map<Outcome, number>>();
  readonly #received = new Map<number, Map<Outcome, number>>();
  #kinds = 0;
  #others = 0;

  /** Smoothed, milliseconds; undefined before the first answer. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  /** A request of ours was answered after `roundTripMs`. */
  answered(command: number, outcome: Outcome, roundTripMs: number): void {
    const before = this.#roundTripMs;
    this.#roundTripMs = before === undefined ? roundTripMs : before + (roundTripMs - before) * SMOOTHING;
    this.#count(this.#sent, command, outcome);
  }

  /** A request of ours will not be answered by this peer. */
  lost(command: number): void {
    this.#count(this.#sent, command, LOST);
  }

  /** We answered a request of the peer. */
  served(command: number, outcome: Outcome): void {
    this.#count(this.#received, command, outcome);
  }

  get counts(): CommandCount[] {
    const counts = [...listOf('sent', this.#sent), ...listOf('received', this.#received)];
    if (this.#others > 0) counts.push({ direction: 'sent', command: 0, result: 'other', count: this.#others });
    return counts;
  }

  #count(commands: Map<number, Map<Outcome, number>>, command: number, outcome: Outcome): void {
    const outcomes = commands.get(command);
    const count = outcomes?.get(outcome);
    if (count === undefined && ++this.#kinds > MAX_COUNTS) {
      this.#kinds = MAX_COUNTS;
      this.#others++;
      return;
    }
    if (outcomes === undefined) commands.set(command, new Map([[outcome, 1]]));
    else outcomes.set(outcome, (count ?? 0) + 1);
  }
}

function listOf(direction: 'sent' | 'received', commands: Map<number, Map<Outcome, number>>): CommandCount[] {
  return [...commands].flatMap(([command, outcomes]) =>
    [...outcomes].map(([outcome, count]) => ({ direction, command, result: outcomeWords(outcome), count })),
  );
}

function outcomeWords(outcome: Outcome): string {
  if (Number.isNaN(outcome)) return 'lost';
  return outcome < 0 ? `experimental ${-outcome}` : String(outcome);
}
