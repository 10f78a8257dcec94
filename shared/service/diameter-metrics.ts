import { latencyBoundsMs, type RequestTally } from '#diameter/request-tally';
import { cscfLayout, diameterCommands, diameterLatencies } from './cscf-metrics.ts';
import type { Counters } from './metrics.ts';

/** Where one command is counted. */
interface Places {
  readonly results: number;
  readonly buckets: readonly number[];
  readonly sum: number;
  readonly count: number;
}

const places = new Map<string, Places>(
  diameterCommands.map((command) => [
    command,
    {
      results: cscfLayout.id('cscf_diameter_results_total', { command }),
      buckets: diameterLatencies.map((le) => cscfLayout.id('cscf_diameter_seconds_bucket', { command, le })),
      sum: cscfLayout.id('cscf_diameter_seconds_sum', { command }),
      count: cscfLayout.id('cscf_diameter_seconds_count', { command }),
    },
  ]),
);

/** Brings results and latencies of a Diameter client's requests over into the metrics. Source: requirement D-20. */
export class DiameterResults {
  readonly #counters: Counters;
  readonly #tally: RequestTally;
  /** What was brought over, by series or by command and result. */
  readonly #taken = new Map<number | string, number>();

  constructor(counters: Counters, tally: RequestTally) {
    this.#counters = counters;
    this.#tally = tally;
  }

  /** Adds what happened since the last time. */
  take(): void {
    for (const { command, failures, latencies, latencySumMs, results } of this.#tally.commands) {
      const place = places.get(command.name);
      if (place === undefined) continue;
      for (const [result, count] of [...results, ...failures]) {
        const more = this.#more(`${command.name} ${result}`, count);
        if (more > 0) this.#counters.addDynamic(place.results, result, more);
      }
      let below = 0;
      for (let i = 0; i <= latencyBoundsMs.length; i++) {
        below += latencies[i]!;
        this.#add(place.buckets[i]!, below);
      }
      this.#add(place.count, below);
      this.#add(place.sum, latencySumMs / 1000);
    }
  }

  #add(id: number, now: number): void {
    this.#counters.add(id, this.#more(id, now));
  }

  #more(key: number | string, now: number): number {
    const more = now - (this.#taken.get(key) ?? 0);
    this.#taken.set(key, now);
    return more;
  }
}
