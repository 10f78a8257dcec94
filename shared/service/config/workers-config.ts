import type { ScalingRules } from '#workers/scaling';
import type { ReportProblem } from './config-problem.ts';
import type { CommonConfig } from './config-shape.ts';

/** A number of workers, or between which bounds it changes: then the fewest are there at first. */
export function resolveWorkers(
  workers: number | ScalingRules,
  problem: ReportProblem,
): Pick<CommonConfig, 'workers' | 'scaling'> {
  if (typeof workers === 'number') return { workers };
  const { min, max, scaleUp } = workers;
  if (min > max) problem(['min'], `min is ${min}, which is more than max, ${max}`, `write 1 to ${max}`);
  const { cycles = 1, window = cycles } = scaleUp ?? {};
  if (window < cycles) {
    const words = `there are no ${cycles} cycles in a window of ${window}`;
    problem(['scaleUp', 'window'], words, `write ${cycles} or more`);
  }
  return { workers: min, scaling: workers };
}
