import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** What a process and its children have used. */
export interface Usage {
  /** User and system time, microseconds. */
  readonly cpuUs: number;
  readonly rssBytes: number;
}

let knownTicks = 0;

/** Reads the use of a process and all below it; zeros once it is gone. */
export function usageOf(pid: number): Usage {
  let ticks = 0;
  let rssBytes = 0;
  for (const each of treeOf(pid)) {
    const stat = read(`/proc/${each}/stat`);
    // Fields after the name, which may hold anything in its brackets: utime, stime, and those of children that ended.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    for (const field of [11, 12, 13, 14]) ticks += Number(fields[field] ?? 0);
    rssBytes += Number(/^VmRSS:\s+(\d+)/m.exec(read(`/proc/${each}/status`))?.[1] ?? 0) * 1024;
  }
  return { cpuUs: microseconds(ticks), rssBytes };
}

/** Time that the CPUs of this machine were not idle, microseconds of all together; also what was taken from it. Source: proc_stat(5). */
export function machineBusyUs(): number {
  const [, user, nice, system, , , irq, softirq, steal] = read('/proc/stat').slice(0, 200).split(/\s+/).map(Number);
  return microseconds(user! + nice! + system! + irq! + softirq! + steal!);
}

function microseconds(ticks: number): number {
  knownTicks ||= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' })) || 100;
  return (ticks * 1e6) / knownTicks;
}

function treeOf(pid: number): number[] {
  const below = read(`/proc/${pid}/task/${pid}/children`)
    .split(' ')
    .filter((child) => child !== '')
    .flatMap((child) => treeOf(Number(child)));
  return [pid, ...below];
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
