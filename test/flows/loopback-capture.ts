import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

/** Until what was sent is in the file. */
const settleMs = 500;

/** Why tshark cannot capture the loopback here, null when it can. */
export function noCapture(): string | null {
  if (spawnSync('tshark', ['--version']).error !== undefined) return 'there is no tshark here';
  const probe = spawnSync('tshark', ['-i', 'lo', '-a', 'duration:1', '-w', '/dev/null']);
  return probe.status === 0 ? null : 'tshark may not capture on the loopback interface';
}

/** Captures what goes over these TCP ports of the loopback while `work` runs, and gives what it gives. */
export async function capture<T>(file: string, ports: readonly number[], work: () => Promise<T>): Promise<T> {
  const filter = ports.map((port) => `tcp port ${port}`).join(' or ');
  const tshark = spawn('tshark', ['-q', '-i', 'lo', '-B', '64', '-f', filter, '-w', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await new Promise<void>((resolve, reject) => {
    tshark.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      if (chunk.includes('Capturing on')) setTimeout(resolve, settleMs);
    });
    tshark.once('error', reject);
    tshark.once('exit', (code) => reject(new Error(`tshark ended with ${code}`)));
  });
  try {
    return await work();
  } finally {
    await sleep(settleMs);
    const closed = once(tshark, 'close');
    tshark.kill('SIGINT');
    await closed;
  }
}

/** One Diameter message of a capture. */
export interface CapturedMessage {
  /** Seconds since 1970. */
  readonly at: number;
  readonly from: number;
  readonly to: number;
  readonly flags: number;
  readonly hopByHop: string;
  readonly endToEnd: string;
}

const fields = [
  'frame.time_epoch',
  'tcp.srcport',
  'tcp.dstport',
  'diameter.flags',
  'diameter.hopbyhopid',
  'diameter.endtoendid',
] as const;

/** The Diameter messages in the frames that fit a display filter, in order; a frame may have several. */
export function diameterMessages(file: string, ports: readonly number[], filter: string): CapturedMessage[] {
  const run = spawnSync(
    'tshark',
    [
      ...['-r', file, '-Y', filter, '-T', 'fields', '-E', 'occurrence=a'],
      ...ports.flatMap((port) => ['-d', `tcp.port==${port},diameter`]),
      ...fields.flatMap((field) => ['-e', field]),
    ],
    { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, env: { ...process.env, TZ: 'UTC' } },
  );
  if (run.status !== 0) throw new Error(run.stderr);
  return run.stdout
    .split('\n')
    .filter((line) => line.trim() !== '')
    .flatMap((line) => {
      const [time = '', from = '', to = '', flags = '', hopByHops = '', endToEnds = ''] = line.split('\t');
      // Releases of tshark differ: seconds, or a date in ISO 8601.
      const at = Number.isNaN(Number(time)) ? Date.parse(time) / 1000 : Number(time);
      const hops = hopByHops.split(',');
      const ends = endToEnds.split(',');
      return flags.split(',').map((each, i) => ({
        at,
        from: Number(from),
        to: Number(to),
        flags: Number(each),
        hopByHop: hops[i] ?? '',
        endToEnd: ends[i] ?? '',
      }));
    });
}
