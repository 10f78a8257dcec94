import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import type { Footprints } from './chaos-network.ts';
import type { ChaosReport } from './chaos-run.ts';
import { leaks } from './chaos-run.ts';
import { SeededRandom } from './seeded-random.ts';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));

it('X-R1 X-R2 X-R12 X-R13 nothing is lost or left behind while nodes are killed, stopped, reloaded and scaled under load', async () => {
  const words =
    '--json --minutes 0.2 --users 60 --registrations 12 --calls 3 --messages 5 --hold 5 --t1 200 --pause 1 --quiet 40';
  const child = spawn(process.execPath, [main, ...words.split(' ')], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, progress, [exitCode]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit') as Promise<[number | null]>,
  ]);
  const report = JSON.parse(stdout || '{"problems":["no report"]}') as ChaosReport;
  expect(report.problems, progress).toEqual([]);
  expect(exitCode).toBe(0);
  expect(progress).toContain(`seed ${report.seed}`);
  expect(Object.keys(report.disturbances).length).toBeGreaterThan(3);
  expect(report.registrations).toMatchObject({ users: 60, lost: [] });
  expect(report.calls.confirmed).toBeGreaterThan(5);
  expect(report.calls.ended).toBe(report.calls.confirmed);
  expect(report.calls.probes).toBeGreaterThan(5);
}, 150_000);

it('says what a daemon holds on to', () => {
  const empty = { files: 30, rssBytes: 1e8, transactions: 0, sessions: 0, timers: 2, diameterPending: 0 };
  const all = (footprint: typeof empty): Footprints =>
    new Map((['pcscf', 'icscf', 'scscf'] as const).map((role) => [role, role === 'icscf' ? footprint : empty]));
  const allowance = { growthBytes: 1e8, abandonedCalls: 0 };
  expect(leaks(all(empty), all(empty), allowance)).toEqual([]);
  const worse = { files: 60, rssBytes: 3e8, transactions: 4, sessions: 1, timers: 200, diameterPending: 1 };
  expect(leaks(all(empty), all(worse), allowance)).toEqual([
    'icscf has 4 transactions left',
    'icscf has 1 sessions left',
    'icscf has 1 Diameter requests left',
    'icscf has 200 timers left',
    'icscf has 60 open files, 30 before',
    'icscf has grown by 191 MB',
  ]);
  expect(
    leaks(all(empty), all({ ...empty, transactions: 4, sessions: 1 }), { ...allowance, abandonedCalls: 1 }),
  ).toEqual([]);
});

it('the same seed gives the same numbers, another one others', () => {
  const numbers = (seed: number) => {
    const random = new SeededRandom(seed);
    return Array.from({ length: 5 }, () => random.next());
  };
  expect(numbers(7)).toEqual(numbers(7));
  expect(numbers(7)).not.toEqual(numbers(8));
  expect(numbers(7).every((value) => value >= 0 && value < 1)).toBe(true);
});
