import type { RequestTally } from '#diameter/request-tally';
import { cscfLayout, diameterCommands } from './cscf-metrics.ts';
import type { Counters, HistogramPlace } from './metrics.ts';

/** Where one command is counted. */
interface Places {
  readonly results: number;
  readonly times: HistogramPlace;
}

const places = new Map<string, Places>(
  diameterCommands.map((command) => [
    command,
    {
      results: cscfLayout.id('cscf_diameter_results_total', { command }),
      times: cscfLayout.histogram('cscf_diameter_request_duration_seconds', { command }),
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
      const { sum } = place.times;
      this.#add(sum, latencySumMs / 1000);
      for (const [bucket, count] of latencies.entries()) this.#add(sum + 1 + bucket, count);
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
