import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { OverloadReport } from '../../bench/load/overload.ts';
import type { PhaseReport } from '../../bench/load/report.ts';

const main = fileURLToPath(new URL('../../bench/load/main.ts', import.meta.url));

export interface LoadResult<Report> {
  readonly exitCode: number | null;
  /** What it printed, undefined when that is no JSON. */
  readonly report: Report | undefined;
  readonly progress: string;
}

/** Runs the load driver with `--json`. */
export function runLoad<Report = PhaseReport>(...options: string[]): Promise<LoadResult<Report>> {
  const child = spawn(process.execPath, [main, '--json', ...options], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let progress = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (progress += chunk));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode) => {
      const report = stdout.startsWith('{') ? (JSON.parse(stdout) as Report) : undefined;
      resolve({ exitCode, report, progress });
    });
  });
}

/** What the driver prints of floods. */
export interface FloodResult {
  readonly capacity: number;
  readonly floods: readonly (OverloadReport & { readonly missed: readonly string[] })[];
}
