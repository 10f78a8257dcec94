import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type LabReport, readReport, runLab } from './lab-run.ts';

/** Why no capture can be made here, null when one can. */
function noCapture(): string | null {
  const found = spawnSync('tshark', ['--version'], { encoding: 'utf8' });
  if (found.error !== undefined) return 'there is no tshark here';
  const probe = spawnSync('tshark', ['-i', 'lo', '-a', 'duration:1', '-w', '/dev/null'], { encoding: 'utf8' });
  return probe.status === 0 ? null : 'tshark may not capture on the loopback interface';
}

const reason = noCapture();
const title = `the wire of a first call${reason === null ? '' : ` (skipped: ${reason})`}`;

/** Captures the loopback while `work` runs. */
async function capture<T>(file: string, work: () => Promise<T>): Promise<T> {
  const tshark = spawn('tshark', ['-q', '-i', 'lo', '-B', '64', '-w', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await new Promise<void>((resolve, reject) => {
    tshark.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      if (chunk.includes('Capturing on')) setTimeout(resolve, 500);
    });
    tshark.once('error', reject);
    tshark.once('exit', (code) => reject(new Error(`tshark ended with ${code}`)));
  });
  try {
    return await work();
  } finally {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const ended = new Promise((resolve) => tshark.once('close', resolve));
    tshark.kill('SIGINT');
    await ended;
  }
}

/**
 * Rows of fields of the messages that fit a display filter. `all`: several messages in one frame are several rows; else
 * each field's first value counts.
 */
function dissect(
  file: string,
  ports: LabReport['ports'],
  filter: string,
  fields: readonly string[],
  all = false,
): string[][] {
  const sip = [ports.gm, ports.mw, ports.icscf, ports.scscf].flatMap((port) => [
    ...['-d', `udp.port==${port},sip`],
    ...['-d', `tcp.port==${port},sip`],
  ]);
  const options = [
    ...sip,
    '-d',
    `tcp.port==${ports.hss},diameter`,
    '-Y',
    filter,
    '-T',
    'fields',
    '-E',
    `occurrence=${all ? 'a' : 'f'}`,
  ];
  const run = spawnSync('tshark', ['-r', file, ...options, ...fields.flatMap((field) => ['-e', field])], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (run.status !== 0) throw new Error(run.stderr);
  return run.stdout
    .split('\n')
    .filter((line) => line.trim() !== '')
    .flatMap((line) => {
      const columns = line.split('\t').map((column) => (all ? column.split(',') : [column]));
      const count = Math.max(...columns.map((column) => column.length));
      return Array.from({ length: count }, (_, i) => columns.map((column) => column[i] ?? column[0] ?? ''));
    });
}

test.skipIf(reason !== null)(
  title,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'wire-'));
    try {
      const file = join(folder, 'lo.pcapng');
      const run = await capture(file, () => runLab('--json'));
      expect(run.exitCode, run.stderr + run.stdout).toBe(0);
      const { ports } = readReport(run.stdout);
      const sipPorts = `{${ports.gm},${ports.mw},${ports.icscf},${ports.scscf}}`;
      const own = `(udp.port in ${sipPorts} || tcp.port in ${sipPorts} || tcp.port == ${ports.hss})`;

      const malformed = dissect(file, ports, `${own} && (_ws.malformed || _ws.expert.severity == "Error")`, [
        'frame.number',
        '_ws.expert.message',
      ]);
      expect(malformed).toEqual([]);

      const sip = new Map<string, number>();
      const seen = new Set<string>();
      for (const [method, status, answered, ...message] of dissect(file, ports, `${own} && sip`, [
        'sip.Method',
        'sip.Status-Code',
        'sip.CSeq.method',
        'sip.Call-ID',
        'sip.CSeq.seq',
        'sip.Via.branch',
        'udp.srcport',
        'udp.dstport',
        'tcp.srcport',
        'tcp.dstport',
      ])) {
        const name = status === '' ? method! : `${status} ${answered}`;
        // What was sent again on a busy machine counts once.
        const key = `${name} ${message.join(' ')}`;
        if (!seen.has(key)) sip.set(name, (sip.get(name) ?? 0) + 1);
        seen.add(key);
      }
      // Two phones, twice, over three hops.
      expect(sip.get('REGISTER')).toBe(12);
      expect(sip.get('401 REGISTER')).toBe(6);
      expect(sip.get('200 REGISTER')).toBe(6);
      expect(sip.get('INVITE')).toBe(6);
      expect(sip.get('180 INVITE')).toBe(6);
      expect(sip.get('200 INVITE')).toBe(6);
      expect(sip.get('MESSAGE')).toBe(6);
      expect(sip.get('200 MESSAGE')).toBe(6);
      expect(sip.get('ACK')).toBeGreaterThanOrEqual(4);
      expect(sip.get('BYE')).toBe(sip.get('ACK'));
      expect(sip.get('200 BYE')).toBe(sip.get('BYE'));

      const diameter = new Map<string, number>();
      const commands = ['diameter.cmd.code', 'diameter.flags.request'];
      for (const [command, request] of dissect(file, ports, `${own} && diameter`, commands, true)) {
        const name = `${command} ${request === '1' || request === 'True' ? 'request' : 'answer'}`;
        diameter.set(name, (diameter.get(name) ?? 0) + 1);
      }
      for (const kind of ['request', 'answer']) {
        expect(diameter.get(`257 ${kind}`), `CE ${kind}`).toBe(2);
        expect(diameter.get(`300 ${kind}`), `UA ${kind}`).toBe(4);
        expect(diameter.get(`303 ${kind}`), `MA ${kind}`).toBe(2);
        expect(diameter.get(`301 ${kind}`), `SA ${kind}`).toBe(2);
        expect(diameter.get(`302 ${kind}`), `LI ${kind}`).toBeGreaterThanOrEqual(2);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  90_000,
);
