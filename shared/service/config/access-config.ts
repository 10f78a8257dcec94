import type { ReportProblem } from './config-problem.ts';
import type { PcscfConfig } from './pcscf-config.ts';

/** Checks of `access` that it has each network once. */
export function checkAccess(access: PcscfConfig['access'], problem: ReportProblem): void {
  access.forEach(({ from }, i) => {
    if (access.findIndex((other) => other.from === from) < i)
      problem([String(i), 'from'], `${from} is listed twice`, 'remove one of the two');
  });
}
