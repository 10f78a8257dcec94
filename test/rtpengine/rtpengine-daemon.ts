import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { NgClient } from '#rtpengine/ng-client';
import { freePort } from '../free-port.ts';

export const hasRtpengine = spawnSync('rtpengine', ['--version']).error === undefined;
if (!hasRtpengine) console.log('rtpengine is not installed (Debian: rtpengine-daemon): its tests are skipped');

/** An rtpengine of a test: forwards in user space, on loopback, ports of its own. */
export interface RtpengineDaemon {
  readonly endpoint: { readonly transport: 'udp'; readonly address: string; readonly port: number };
  /** Names of the calls it has. */
  calls(): Promise<readonly string[]>;
  stop(): Promise<void>;
}

/** UDP ports of a test for RTP, a block that nobody has. */
const portsPerDaemon = 200;

export async function startRtpengine(): Promise<RtpengineDaemon> {
  const port = await freePort();
  const first = 20_000 + ((process.pid * 7 + port) % 60) * portsPerDaemon;
  const child = spawn(
    'rtpengine',
    [
      ...['--config-file=none', '--foreground', '--log-stderr', '--log-level=4', '--table=-1'],
      ...['--interface=127.0.0.1', '--interface=::1', `--listen-ng=127.0.0.1:${port}`, '--num-threads=1'],
      ...[`--port-min=${first}`, `--port-max=${first + portsPerDaemon - 1}`, '--endpoint-learning=immediate'],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let errors = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-2000)));
  const client = new NgClient({ address: '127.0.0.1', port, timeoutMs: 300 });
  for (let i = 0; ; i++) {
    if ((await client.send(new Map([['command', 'ping']]))).ok) break;
    if (i > 30 || child.exitCode !== null) throw new Error(`rtpengine does not start: ${errors}`);
  }
  return {
    endpoint: { transport: 'udp', address: '127.0.0.1', port },
    async calls() {
      const result = await client.send(new Map([['command', 'list']]));
      const calls = result.ok ? result.answer.get('calls') : undefined;
      if (!Array.isArray(calls)) throw new Error('rtpengine gives no list of calls');
      return calls as string[];
    },
    async stop() {
      client.close();
      await ended(child);
    },
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const over = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 3000);
  await over;
  clearTimeout(timer);
}

/** One end of a media stream: sends RTP and says what it hears. */
export interface Talker {
  readonly port: number;
  /** Sends a few packets, and says whether `by` heard them. */
  reaches(by: Talker, to: { readonly address: string; readonly port: number }): Promise<boolean>;
  readonly heard: string[];
  close(): Promise<void>;
}

let stream = 0;

export async function talker(address: string): Promise<Talker> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  await new Promise<void>((resolve) => socket.bind(0, address, resolve));
  const heard: string[] = [];
  // The header of RTP has twelve octets.
  socket.on('message', (octets) => heard.push(octets.subarray(12).toString('latin1')));
  let sequence = 0;
  return {
    port: socket.address().port,
    heard,
    async reaches(by, to) {
      const words = `words ${++stream}`;
      for (let i = 0; i < 20; i++) {
        const packet = Buffer.alloc(12 + words.length);
        packet.writeUInt8(0x80, 0);
        packet.writeUInt8(104, 1);
        packet.writeUInt16BE(++sequence, 2);
        packet.writeUInt32BE(sequence * 320, 4);
        packet.writeUInt32BE(socket.address().port, 8);
        packet.write(words, 12, 'latin1');
        socket.send(packet, to.port, to.address);
        await new Promise((resolve) => setTimeout(resolve, 20));
        if (by.heard.includes(words)) return true;
      }
      return false;
    },
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}
