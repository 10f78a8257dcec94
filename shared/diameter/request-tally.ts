import type { RequestFailure } from './client.ts';
import type { CommandDefinition } from './dictionary/dictionary.ts';
import type { DiameterResult } from './result.ts';

/** Upper bounds of the latencies that are told apart, milliseconds; there is one more place for what took longer. */
export const latencyBoundsMs = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000] as const;

/** What became of the requests of one command. */
export interface CommandTally {
  readonly command: CommandDefinition;
  /** Answers by their result: `2001`, `3GPP-5001` for an Experimental-Result, `none`, `other` beyond the bound. */
  readonly results: ReadonlyMap<string, number>;
  /** Requests without an answer to read, by their failure. */
  readonly failures: ReadonlyMap<RequestFailure['failure'], number>;
  /** Answers by how long they took: in the place of the least bound of `latencyBoundsMs` that is not below. */
  readonly latencies: readonly number[];
  /** Time that all answers together took. */
  readonly latencySumMs: number;
}

/** Results of one command that are counted by themselves. */
const MAX_RESULTS = 64;
/** An Experimental-Result-Code as a number beside the Result-Codes. */
const EXPERIMENTAL = 2 ** 32;
const NO_RESULT = -1;
const OTHER = -2;

interface Row {
  readonly command: CommandDefinition;
  readonly results: Map<number, number>;
  readonly failures: Map<RequestFailure['failure'], number>;
  readonly latencies: number[];
  latencySumMs: number;
}

/** Counts requests of ours by command and result, and how long they took; bounded. Source: requirement D-20. */
export class RequestTally {
  readonly #rows = new Map<CommandDefinition, Row>();

  answered(command: CommandDefinition, result: DiameterResult | undefined, latencyMs: number): void {
    const row = this.#row(command);
    const key = keyOf(result);
    const known = row.results.get(key);
    if (known === undefined && row.results.size >= MAX_RESULTS) {
      row.results.set(OTHER, (row.results.get(OTHER) ?? 0) + 1);
    } else row.results.set(key, (known ?? 0) + 1);
    let place = 0;
    while (place < latencyBoundsMs.length && latencyMs > latencyBoundsMs[place]!) place++;
    row.latencies[place]!++;
    row.latencySumMs += latencyMs;
  }

  failed(command: CommandDefinition, failure: RequestFailure['failure']): void {
    const { failures } = this.#row(command);
    failures.set(failure, (failures.get(failure) ?? 0) + 1);
  }

  /** By command, in the order of their first request. */
  get commands(): CommandTally[] {
    return [...this.#rows.values()].map((row) => ({
      ...row,
      results: new Map([...row.results].map(([key, count]) => [nameOf(key), count])),
    }));
  }

  #row(command: CommandDefinition): Row {
    let row = this.#rows.get(command);
    if (row === undefined) {
      const latencies = new Array<number>(latencyBoundsMs.length + 1).fill(0);
      row = { command, results: new Map(), failures: new Map(), latencies, latencySumMs: 0 };
      this.#rows.set(command, row);
    }
    return row;
  }
}

function keyOf(result: DiameterResult | undefined): number {
  if (result === undefined) return NO_RESULT;
  return result.kind === 'base' ? result.code : EXPERIMENTAL + result.code;
}

function nameOf(key: number): string {
  if (key === NO_RESULT) return 'none';
  if (key === OTHER) return 'other';
  return key >= EXPERIMENTAL ? `3GPP-${key - EXPERIMENTAL}` : String(key);
}
