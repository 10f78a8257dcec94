import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Cgroups } from '../../bench/load/cgroup.ts';

let folder: string;
let place: { mounts: string; own: string };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cscf-cgroup-'));
  place = { mounts: join(folder, 'mounts'), own: join(folder, 'own') };
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A folder with files, as the kernel shows a hierarchy. */
function hierarchy(name: string, files: Readonly<Record<string, string>> = {}): string {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  for (const [file, content] of Object.entries(files)) writeFileSync(join(path, file), content);
  return path;
}

function written(...path: string[]): string {
  return readFileSync(join(folder, ...path), 'utf8');
}

test('version 1: one group for CPU, one for the memory of each member, below the own group', () => {
  hierarchy('cpu');
  hierarchy('memory/own');
  writeFileSync(
    place.mounts,
    `cgroup ${folder}/cpu cgroup rw,cpu,cpuacct 0 0\ncgroup ${folder}/memory cgroup rw,memory 0 0\n`,
  );
  writeFileSync(place.own, '4:memory:/own\n1:cpu,cpuacct:/not/seen/here\n');
  const groups = Cgroups.create('run', { cpuPercent: 50, memoryBytes: 1000 }, place);
  if (typeof groups === 'string') throw new Error(groups);
  expect([written('cpu/run/cpu.cfs_period_us'), written('cpu/run/cpu.cfs_quota_us')]).toEqual(['10000', '5000']);
  const command = groups.wrap('pcscf', ['bin/pcscf', '--x']);
  expect(command.slice(0, 2)).toEqual(['/bin/sh', '-c']);
  expect(command.slice(4)).toEqual([
    join(folder, 'cpu/run/cgroup.procs'),
    join(folder, 'memory/own/run/pcscf/cgroup.procs'),
    'bin/pcscf',
    '--x',
  ]);
  expect(written('memory/own/run/pcscf/memory.limit_in_bytes')).toBe('1000');
  hierarchy('memory/own/run/pcscf', {
    'memory.max_usage_in_bytes': '900\n',
    'memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 2\n',
  });
  expect(groups.memoryOf('pcscf')).toEqual({ peakBytes: 900, oomKills: 2 });
});

test('version 2: CPU for the run, memory for each member below it', () => {
  hierarchy('unified/own', { 'cgroup.controllers': 'cpu io memory\n' });
  writeFileSync(join(folder, 'unified/cgroup.controllers'), 'cpuset cpu io memory pids\n');
  writeFileSync(place.mounts, `cgroup2 ${folder}/unified cgroup2 rw 0 0\n`);
  writeFileSync(place.own, '0::/own\n');
  const groups = Cgroups.create('run', { cpuPercent: 150, memoryBytes: 1000 }, place);
  if (typeof groups === 'string') throw new Error(groups);
  expect(written('unified/own/cgroup.subtree_control')).toBe('+cpu +memory');
  expect(written('unified/own/run/cpu.max')).toBe('15000 10000');
  expect(written('unified/own/run/cgroup.subtree_control')).toBe('+memory');
  expect(groups.wrap('scscf', ['bin/scscf']).slice(4)).toEqual([
    join(folder, 'unified/own/run/scscf/cgroup.procs'),
    'bin/scscf',
  ]);
  expect(written('unified/own/run/scscf/memory.max')).toBe('1000');
  hierarchy('unified/own/run/scscf', { 'memory.peak': '900\n', 'memory.events': 'low 0\noom 1\noom_kill 1\n' });
  expect(groups.memoryOf('scscf')).toEqual({ peakBytes: 900, oomKills: 1 });
});

test('where a controller is missing, or may not be written to, it says so in words', () => {
  writeFileSync(place.mounts, 'proc /proc proc rw 0 0\n');
  writeFileSync(place.own, '0::/\n');
  expect(Cgroups.create('run', { cpuPercent: 50 }, place)).toBe('there is no control group for cpu here');
  writeFileSync(place.mounts, `cgroup ${folder}/gone cgroup rw,cpu 0 0\n`);
  expect(Cgroups.create('run', { cpuPercent: 50 }, place)).toMatch(/^control groups cannot be made here: ENOENT/);
});
