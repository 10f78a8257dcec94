import { type ChildProcess, execFileSync, spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RigHost } from './namespaces.ts';

/** Whether captures can be made here (Debian: tshark, which brings dumpcap). */
export const hasCapture = !spawnSync('dumpcap', ['-v']).error && !spawnSync('tshark', ['-v']).error;

/** What a host of the rig sees on one link, from `start` to `stop`; tshark reads it. */
export class Capture {
  readonly file: string;
  readonly #dumpcap: ChildProcess;
  #stopped: Promise<void> | undefined;

  private constructor(file: string, dumpcap: ChildProcess) {
    this.file = file;
    this.#dumpcap = dumpcap;
  }

  static async start(host: RigHost, link: string, file: string): Promise<Capture> {
    const dumpcap = host.spawn('dumpcap', ['-i', link, '-w', file, '-P'], { stdio: ['ignore', 'ignore', 'pipe'] });
    await new Promise<void>((resolve, reject) => {
      let said = '';
      dumpcap.stderr!.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        // It says where it writes once the socket is open.
        if (said.includes('File:')) resolve();
      });
      dumpcap.once('error', reject);
      dumpcap.once('exit', () => reject(new Error(`dumpcap: ${said}`)));
    });
    return new Capture(file, dumpcap);
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    // The kernel hands packets to a capture in blocks: the last ones need a moment.
    await sleep(250);
    if (this.#dumpcap.exitCode !== null || this.#dumpcap.signalCode !== null) return;
    const exited = new Promise((resolve) => this.#dumpcap.once('exit', resolve));
    this.#dumpcap.kill('SIGINT');
    await exited;
  }

  /** The fields of each packet that a display filter takes ('' all); `options` are more arguments for tshark. */
  read(filter: string, fields: readonly string[], options: readonly string[] = []): string[][] {
    const args = ['-r', this.file, '-n', ...options, ...(filter === '' ? [] : ['-Y', filter]), '-T', 'fields'];
    const text = execFileSync('tshark', [...args, ...fields.flatMap((field) => ['-e', field])], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 1 << 28,
    });
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split('\t'));
  }
}
