import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { promisify } from 'node:util';
import { IpsecError } from '../ipsec-backend.ts';
import { changeCommand, commandFailed, isFault, readAssociations, readFault, readGuards } from './ip-text.ts';
import { ipsecErrorOf } from './kernel-fault.ts';
import type { AssociationName, GuardPolicy, KernelAssociation, XfrmChange, XfrmFault, XfrmLink } from './xfrm-link.ts';

type Child = ChildProcessByStdio<Writable, null, Readable>;

/** Listing ends the program, so it is one of its own. */
const listBytes = 1 << 28;

interface Waiting {
  readonly line: string;
  readonly mark: string;
  readonly resolve: (lines: readonly string[]) => void;
  readonly reject: (error: IpsecError) => void;
}

/**
 * The kernel's tables by one long-lived `ip -batch`, for where there is no koffi. Keys go through its standard input, so
 * that no list of processes shows them. It ends when this process does.
 *
 * The selector's user field can't be set this way: the tag alone tells what is ours.
 * Source: ip-xfrm(8); requirement P-39.
 */
export class IpBatch implements XfrmLink {
  readonly name = 'ip -batch';
  #child: Child | null = null;
  #closed = false;
  #marks = 0;
  #rest = '';
  #lines: string[] = [];
  readonly #waiting: Waiting[] = [];

  async apply(changes: readonly XfrmChange[]): Promise<readonly (XfrmFault | null)[]> {
    const answers = await Promise.all(changes.map(changeCommand).map((line) => this.#ask(line)));
    return answers.map(readFault);
  }

  async associations(): Promise<readonly KernelAssociation[]> {
    return readAssociations(await listed('state', 'nokeys'));
  }

  async count(): Promise<number> {
    return Number(/SAD count (\d+)/.exec((await said('xfrm', 'state', 'count')).join('\n'))?.[1] ?? 0);
  }

  async find(names: readonly AssociationName[]): Promise<readonly (KernelAssociation | null)[]> {
    const keyOf = (destination: string, spi: number) => `${destination} ${spi}`;
    const all = await this.associations();
    const known = new Map(all.map((each) => [keyOf(each.destination.address, each.spi), each]));
    return names.map(({ destination, spi }) => known.get(keyOf(destination, spi)) ?? null);
  }

  async guards(): Promise<readonly GuardPolicy[]> {
    return readGuards(await listed('policy'));
  }

  close(): void {
    this.#closed = true;
    this.#child?.stdin.end();
  }

  /** Runs one command and gives what it said of faults. */
  #ask(line: string): Promise<readonly string[]> {
    if (this.#closed) return Promise.reject(new IpsecError('ERR_IPSEC_FAILED', 'ip -batch is closed'));
    return new Promise((resolve, reject) => this.#write({ line, mark: `end-${++this.#marks}`, resolve, reject }));
  }

  #write(waiting: Waiting): void {
    this.#child ??= this.#start();
    this.#waiting.push(waiting);
    // A success says nothing: asking for a device that nobody has ends the lines of the command before.
    this.#child.stdin.write(`${waiting.line}\nlink show dev ${waiting.mark}\n`);
  }

  #start(): Child {
    const child = spawn('ip', ['-force', '-batch', '-'], { env: environment(), stdio: ['pipe', 'ignore', 'pipe'] });
    child.stderr.setEncoding('latin1').on('data', (text: string) => this.#read(text));
    child.stdin.on('error', () => undefined);
    child.once('error', (error) => this.#lost(child, error.message));
    child.once('close', () => this.#ended(child));
    return child;
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#readLine(line);
  }

  #readLine(line: string): void {
    const first = this.#waiting[0];
    if (first === undefined || !line.includes(`"${first.mark}"`)) {
      // The mark itself is a command that failed; its own line of that comes before those of the next command.
      if (this.#lines.length > 0 || line !== this.#markFailed(line)) this.#lines.push(line);
      return;
    }
    this.#waiting.shift();
    first.resolve(this.#lines);
    this.#lines = [];
  }

  /** A mark stands on every second line of the batch. */
  #markFailed(line: string): string | null {
    const number = /^Command failed -:(\d+)$/.exec(line)?.[1];
    return number !== undefined && Number(number) % 2 === 0 ? line : null;
  }

  /** A fault of `xfrm` ends the program in spite of -force: the commands behind it go to the next one. */
  #ended(child: Child): void {
    if (this.#child !== child) return;
    const said = [...this.#lines, this.#rest];
    const [refused, ...others] = this.#waiting;
    if (refused === undefined || !said.some(isFault)) {
      this.#lost(child, said.join(' ').trim() || 'it ended');
      return;
    }
    this.#forget();
    refused.resolve([...said, commandFailed]);
    for (const waiting of others) this.#write(waiting);
  }

  #lost(child: Child, words: string): void {
    if (this.#child !== child) return;
    const waiting = this.#forget();
    const text = words.replace(/0x[0-9a-f]{8,}/gi, '...');
    for (const { reject } of waiting) {
      reject(new IpsecError('ERR_IPSEC_FAILED', `ip -batch does not run: ${text}`));
    }
  }

  #forget(): Waiting[] {
    this.#child = null;
    this.#rest = '';
    this.#lines = [];
    return this.#waiting.splice(0);
  }
}

function environment(): Record<string, string> {
  return { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', TZ: 'UTC' };
}

/** The lines of `ip -s xfrm TABLE list`. Rejects with IpsecError. */
async function listed(...table: readonly string[]): Promise<readonly string[]> {
  const [name = '', ...more] = table;
  return said('-s', 'xfrm', name, 'list', ...more);
}

/** The lines that a command of `ip` prints. Rejects with IpsecError. */
async function said(...command: readonly string[]): Promise<readonly string[]> {
  try {
    const options = { env: environment(), maxBuffer: listBytes, encoding: 'latin1' } as const;
    const { stdout } = await promisify(execFile)('ip', command, options);
    return stdout.split('\n');
  } catch (error) {
    const words = String((error as { stderr?: string }).stderr ?? '').split('\n');
    const fault = words.some(isFault) ? readFault([...words, commandFailed]) : null;
    if (fault) throw ipsecErrorOf(fault, 'ip does not list');
    throw new IpsecError('ERR_IPSEC_FAILED', `ip does not run: ${(error as Error).message.split('\n')[0]}`);
  }
}
