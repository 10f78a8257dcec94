import type { LoadRun } from './load-run.ts';
import { percentile } from './tally.ts';
import type { ProcedureName } from './workload.ts';

export interface CapacityOptions {
  readonly procedure: ProcedureName;
  /** Where to begin, procedures per second. */
  readonly startRate: number;
  /** How long each rate is tried. */
  readonly stepSeconds: number;
  /** How often a rate is tried that fails: something else on the machine may have been in the way. */
  readonly tries: number;
  /** It is near enough when the lowest that failed is by this share above the highest that passed. */
  readonly precision: number;
  readonly progress: (line: string) => void;
}

/** One rate that was tried. */
export interface CapacityStep {
  readonly rate: number;
  readonly passed: boolean;
  /** Why not. */
  readonly words: string;
}

export interface Capacity {
  /** The highest rate that passed; 0 when none did. */
  readonly rate: number;
  readonly steps: readonly CapacityStep[];
}

const growth = 1.5;
const maxSteps = 30;
const successShare = 0.999;
const retransmittedShare = 0.01;
/** A queue that builds up shows as time long before anything fails, milliseconds. */
export const slowMs = 200;

/**
 * Looks for the highest rate at which 99.9 % succeed, almost nothing has to be sent again, and 95 % of what begins in the
 * second half of the step is through within 200 ms: higher by half until one fails, then between. What failed once is
 * tried again at the end: nodes that have run for longer are faster.
 */
export async function findCapacity(run: LoadRun, options: CapacityOptions): Promise<Capacity> {
  const steps: CapacityStep[] = [];
  let good = 0;
  let bad = Number.POSITIVE_INFINITY;
  let rate = options.startRate;
  let confirmed = false;
  while (steps.length < maxSteps && !confirmed && rate >= 1) {
    let words = '';
    for (let tried = 0; tried < options.tries; tried++) {
      words = await tryRate(run, rate, options);
      steps.push({ rate: Math.round(rate), passed: words === '', words });
      options.progress(`capacity   ${Math.round(rate)}/s ${words === '' ? 'passes' : `is too much: ${words}`}`);
      if (words === '') break;
    }
    const passed = words === '';
    confirmed = !passed && rate === bad;
    if (!passed) bad = rate;
    else {
      good = rate;
      if (rate >= bad) bad = Number.POSITIVE_INFINITY;
    }
    rate = nextRate(good, bad, options.precision);
  }
  return { rate: Math.round(good), steps };
}

function nextRate(good: number, bad: number, precision: number): number {
  if (bad === Number.POSITIVE_INFINITY) return good * growth;
  if (good === 0) return bad / 2;
  return bad > good * (1 + precision) ? (good + bad) / 2 : bad;
}

/** Why a rate is too much; empty when it is not. */
async function tryRate(run: LoadRun, rate: number, { procedure, stepSeconds }: CapacityOptions): Promise<string> {
  const { tally } = await run.phase({ name: 'capacity', procedure, rate, seconds: stepSeconds, drain: true });
  const { completed, failed, retransmitted } = tally.sums();
  const all = completed + failed;
  if (completed < all * successShare) return `${failed} of ${all} failed`;
  if (retransmitted > all * retransmittedShare) return `${retransmitted} of ${all} were sent again`;
  const late = tally.seconds.slice(Math.floor(stepSeconds / 2)).flatMap((second) => second.latencies);
  const p95 = percentile(late, 0.95);
  return p95 > slowMs ? `95 % within ${Math.round(p95)} ms only` : '';
}
