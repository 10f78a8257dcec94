import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PortFinder } from '#lab/network/free-ports';
import { aliceKey, temporaryFolder } from './hss-client.ts';

export const lab = fileURLToPath(new URL('../../../bin/lab', import.meta.url));

export interface HssProcess {
  readonly child: ChildProcess;
  readonly port: number;
  readonly ready: string;
}

const running = new Set<ChildProcess>();

/** Starts `bin/lab hss` and gives it with its port, once it is ready. */
export async function startHssProcess(config: string, ...more: string[]): Promise<HssProcess> {
  const child = spawn(lab, ['hss', '--config', config, ...more], { stdio: ['ignore', 'pipe', 'inherit'] });
  running.add(child);
  let output = '';
  const ready = await new Promise<string>((resolve, reject) => {
    child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
      const line = output.split('\n').find((each) => each.startsWith('ready '));
      if (line !== undefined) resolve(line);
    });
    child.once('exit', (code) => reject(new Error(`ended with ${code}: ${output}`)));
  });
  return { child, port: Number(/listen=tcp:127\.0\.0\.1:([0-9]+)/.exec(ready)![1]), ready };
}

/** Ends what was started here. */
export function killHssProcesses(): void {
  for (const child of running) child.kill('SIGKILL');
  running.clear();
}

export function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once('exit', resolve));
}

/** Runs `bin/lab` with these words to its end. */
export function runLab(...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(lab, words, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

/** A configuration with alice, at a port that was free a moment ago; `more` keys over it. */
export async function writeHssConfig(more: Record<string, unknown> = {}): Promise<string> {
  const { folder, profile } = temporaryFolder();
  const port = await new PortFinder('127.0.0.1').take(0);
  const file = join(folder, 'hss.yaml');
  const alice = { impi: 'alice@ims.test', impus: ['sip:alice@ims.test', 'tel:+15550001'], ...aliceKey, profile };
  const config = {
    role: 'hss',
    domain: 'ims.test',
    listen: `tcp:127.0.0.1:${port}`,
    subscribers: [alice],
    management: { socket: join(folder, 'hss.sock') },
    ...more,
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}
