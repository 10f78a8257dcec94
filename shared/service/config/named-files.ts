import { existsSync } from 'node:fs';
import type { ReportProblem } from './config-problem.ts';

/** Whether the files that a configuration names, each by its key below `path`, are all there; tells which are not. */
export function checkFilesExist(
  files: Readonly<Record<string, string>>,
  path: readonly string[],
  problem: ReportProblem,
): boolean {
  const missing = Object.entries(files).filter(([, file]) => !existsSync(file));
  for (const [key, file] of missing) {
    problem([...path, key], `there is no file ${file}`, 'the path is relative to the configuration file');
  }
  return missing.length === 0;
}
