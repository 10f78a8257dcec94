import { execFile } from 'node:child_process';
import { IpsecError } from '../ipsec-backend.ts';

/** -4 or -6, as the `ip` command has it. */
export type IpVersion = 4 | 6;

/** Runs commands of `ip` in one process, each a line without the word ip. Rejects with IpsecError at the first that fails. */
export async function runIp(version: IpVersion, commands: readonly string[]): Promise<void> {
  if (commands.length > 0) await execute([`-${version}`, '-batch', '-'], `${commands.join('\n')}\n`);
}

/** What `ip` prints. */
export function askIp(version: IpVersion, ...args: readonly string[]): Promise<string> {
  return execute([`-${version}`, ...args], '');
}

function execute(args: readonly string[], input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile('ip', args, { maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      if (error) reject(refusal(error, stderr));
      else resolve(stdout);
    });
    // It may end before it has read all: what it says counts, not that the pipe is broken.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

function refusal(error: Error & { code?: unknown }, stderr: string): IpsecError {
  if (error.code === 'ENOENT') return new IpsecError('ERR_IPSEC_UNSUPPORTED', 'the command ip (iproute2) is missing');
  const words = stderr.trim().split('\n').join(', ');
  const denied = words.includes('not permitted');
  return new IpsecError(denied ? 'ERR_IPSEC_DENIED' : 'ERR_IPSEC_FAILED', `ip: ${words || error.message}`);
}
