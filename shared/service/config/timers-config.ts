import type { ReportProblem } from './config-problem.ts';
import type { SessionTimerConfig, TimersConfig } from './config-shape.ts';

type Intervals = Pick<TimersConfig, 't1' | 't2'>;

/** Checks of `timers` that the first interval between retransmissions is not above the longest. Source: RFC 3261 17. */
export function checkTimers(timers: Intervals & { readonly gm?: Intervals }, problem: ReportProblem): void {
  checkIntervals(timers, [], problem);
  if (timers.gm !== undefined) checkIntervals(timers.gm, ['gm'], problem);
}

function checkIntervals({ t1, t2 }: Intervals, path: readonly string[], problem: ReportProblem): void {
  if (t1 > t2)
    problem([...path, 't1'], `t1 (${t1}) is larger than t2 (${t2})`, 't2 is the longest interval, t1 the first');
}

/** Checks of `sessionTimer` that the default is between the bounds. */
export function checkSessionTimer(timer: SessionTimerConfig, problem: ReportProblem): void {
  const { minSeconds, defaultSeconds, maxSeconds } = timer;
  checkOrder([minSeconds, defaultSeconds, maxSeconds], 'minSeconds <= defaultSeconds <= maxSeconds', problem);
}

/** How long a registration or subscription lasts, seconds. */
export interface Expiry {
  readonly minExpires: number;
  readonly defaultExpires: number;
  readonly maxExpires: number;
}

/** Checks of `registrar` and `regEvent` of the S-CSCF that the default is between the bounds. */
export function checkExpiry({ minExpires, defaultExpires, maxExpires }: Expiry, problem: ReportProblem): void {
  checkOrder([minExpires, defaultExpires, maxExpires], 'minExpires <= defaultExpires <= maxExpires', problem);
}

function checkOrder(values: readonly [number, number, number], rule: string, problem: ReportProblem): void {
  const [least, middle, most] = values;
  if (least <= middle && middle <= most) return;
  problem([], `${values.join(', ')} are not in order`, rule);
}
