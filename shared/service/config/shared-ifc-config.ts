import type { ReportProblem } from './config-problem.ts';
import type { SharedFilterSetConfig, SharedTriggerConfig } from './scscf-config.ts';

const conditions = ['method', 'requestUri', 'sessionCase', 'header', 'line'] as const;

/**
 * Checks of `sharedIfcSets` what no schema can say: each number once, each SPT with exactly one condition.
 * Source: TS 29.228 B.2.3; requirement S-28.
 */
export function checkSharedSets(sets: readonly SharedFilterSetConfig[], problem: ReportProblem): void {
  sets.forEach(({ id, criteria }, i) => {
    if (sets.findIndex((other) => other.id === id) < i) {
      problem([String(i), 'id'], `${id} is listed twice`, 'put the criteria of both into one set');
    }
    criteria.forEach(({ spts }, j) => {
      spts.forEach((spt, k) => {
        checkTrigger(spt, (message, suggestion) =>
          problem([String(i), 'criteria', String(j), 'spts', String(k)], message, suggestion),
        );
      });
    });
  });
}

function checkTrigger(spt: SharedTriggerConfig, problem: (message: string, suggestion: string) => void): void {
  const there = conditions.filter((name) => spt[name] !== undefined);
  if (there.length !== 1) {
    const what = there.length === 0 ? 'none' : there.join(' and ');
    problem(`has ${what}, needed is exactly one condition`, `write one of ${conditions.join(', ')}`);
  }
  if (spt.content !== undefined && spt.header === undefined && spt.line === undefined) {
    problem('content is of a header or a line', 'add header: NAME, or leave content out');
  }
  if (spt.registrationTypes.length > 0 && spt.method !== 'REGISTER') {
    problem('registrationTypes are for REGISTER', 'add method: REGISTER, or leave them out');
  }
}
