import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { growthPerHour, parseSamples, type Sample } from './growth.ts';
import { growth, type MemoryTrend, type SoakReport } from './soak-run.ts';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));
const megabyte = 2 ** 20;

it('X-R13 phones come and go, call and write: nobody holds on to files, timers, transactions or registrations', async () => {
  const words =
    '--json --minutes 0.15 --users 40 --registrations 10 --calls 5 --messages 10 --hold 2 --cyclers 30 --cycles 20 --t1 100 --every 0.5 --quiet 40';
  const child = spawn(process.execPath, [main, ...words.split(' ')], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, progress, [exitCode]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit') as Promise<[number | null]>,
  ]);
  const report = JSON.parse(stdout || '{"problems":["no report"]}') as SoakReport;
  expect(report.problems, progress).toEqual([]);
  expect(exitCode).toBe(0);
  expect(report.cycles.done).toBeGreaterThan(50);
  expect(report.calls.ended).toBeGreaterThan(5);
  expect(report.samples).toBeGreaterThan(5);
  for (const { heapBytes, rssBytes } of Object.values(report.memory)) {
    expect(heapBytes).toBeGreaterThan(megabyte);
    expect(rssBytes).toBeGreaterThan(heapBytes);
  }
}, 120_000);

describe('growth', () => {
  /** Two hours, a sample every ten seconds. */
  const series = (value: (hours: number, i: number) => number): Sample[] =>
    Array.from({ length: 720 }, (_, i) => ({ atMs: i * 10_000, value: value(i / 360, i) }));
  const noise = (i: number) => ((i * 7_919) % 101) * 10_000;

  it('X-R13 is seen through noise, and is none where there is none', () => {
    const leaking = series((hours, i) => 40 * megabyte + hours * 2 * megabyte + noise(i));
    expect(growthPerHour(leaking) / megabyte).toBeCloseTo(2, 1);
    expect(Math.abs(growthPerHour(series((_, i) => 40 * megabyte + noise(i)))) / megabyte).toBeLessThan(0.1);
  });

  it('is not what a step or an outlier makes of it', () => {
    const once = series((_, i) => (i === 700 ? 90 : 40) * megabyte);
    const step = series((_, i) => (i < 100 ? 38 : 40) * megabyte);
    expect([growthPerHour(once), growthPerHour(step), growthPerHour([])]).toEqual([0, 0, 0]);
  });

  it('is judged by thread and by daemon', () => {
    const still: MemoryTrend = {
      heapGrowthPerHour: -megabyte,
      heapBytes: 40 * megabyte,
      rssGrowthPerHour: 0,
      rssBytes: 200 * megabyte,
      cpuPercent: 30,
    };
    const limits = { heapGrowth: megabyte, rssGrowth: 16 * megabyte };
    expect(growth({ pcscf: still, icscf: still, scscf: still }, limits)).toEqual([]);
    const grows = { ...still, heapGrowthPerHour: 1.5 * megabyte, rssGrowthPerHour: 20 * megabyte };
    expect(growth({ pcscf: still, icscf: grows, scscf: still }, limits)).toEqual([
      'icscf: what a thread holds grows by 1.50 MB an hour',
      'icscf: the resident memory grows by 20.00 MB an hour',
    ]);
  });

  it('is read from the lines that threads have written', () => {
    expect(parseSamples('1000 5\n2000 6\n3000 7\n', 2_000)).toEqual([
      { atMs: 2_000, value: 6 },
      { atMs: 3_000, value: 7 },
    ]);
  });
});
