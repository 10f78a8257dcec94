import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { StepReport } from '#lab/network/demonstration';

const lab = fileURLToPath(new URL('../../bin/lab', import.meta.url));

export interface LabRun {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `bin/lab up --once` on free ports. */
export function runLab(...options: string[]): Promise<LabRun> {
  const child = spawn(lab, ['up', '--once', '--free-ports', ...options], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode) => resolve({ exitCode, stdout, stderr }));
  });
}

/** What `--json` prints, one object per line. */
export interface LabReport {
  readonly ports: { gm: number; mw: number; icscf: number; scscf: number; hss: number };
  readonly steps: readonly StepReport[];
  readonly ok: boolean;
  readonly seconds: number;
}

export function readReport(stdout: string): LabReport {
  const objects = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const end = objects.at(-1) as { ok: boolean; seconds: number };
  return {
    ports: objects.find((each) => each.serving === true) as unknown as LabReport['ports'],
    steps: objects.filter((each) => 'step' in each) as unknown as StepReport[],
    ok: end.ok,
    seconds: end.seconds,
  };
}
