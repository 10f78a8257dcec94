import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What a group of processes may use. */
export interface Limits {
  /** Of one CPU, for all members together; 50 is half a CPU. */
  readonly cpuPercent?: number | undefined;
  /** For each member by itself. */
  readonly memoryBytes?: number | undefined;
}

/** What the kernel tells of a member's memory. */
export interface MemoryReport {
  readonly peakBytes: number;
  readonly oomKills: number;
}

/** Short, so that a throttled process stands still for milliseconds, not for a tenth of a second. */
const periodUs = 10_000;

/** Where control groups are: the files that name mounts and own groups. */
export interface CgroupPlace {
  readonly mounts: string;
  readonly own: string;
}

const here: CgroupPlace = { mounts: '/proc/self/mounts', own: '/proc/self/cgroup' };

/** Control groups of version 1 or 2 for the members of a run, under the group of this process. */
export class Cgroups {
  readonly #limits: Limits;
  readonly #cpu: string | null;
  /** Folder above the members' own groups for memory. */
  readonly #memory: string | null;
  readonly #version: 1 | 2;
  readonly #made: string[] = [];

  private constructor(version: 1 | 2, limits: Limits, cpu: string | null, memory: string | null) {
    this.#version = version;
    this.#limits = limits;
    this.#cpu = cpu;
    this.#memory = memory;
  }

  /** Makes the groups. A string says in words why that is not possible here. */
  static create(name: string, limits: Limits, place: CgroupPlace = here): Cgroups | string {
    const wanted = [
      ...(limits.cpuPercent === undefined ? [] : ['cpu']),
      ...(limits.memoryBytes === undefined ? [] : ['memory']),
    ];
    const found = new Map(wanted.map((controller) => [controller, findController(controller, place)]));
    for (const [controller, at] of found) {
      if (at === null) return `there is no control group for ${controller} here`;
    }
    const version = [...found.values()].some((at) => at!.version === 2) ? 2 : 1;
    const folder = (controller: string) => {
      const at = found.get(controller);
      return at === undefined ? null : join(at!.folder, name);
    };
    const groups = new Cgroups(version, limits, folder('cpu'), folder('memory'));
    try {
      groups.#make(wanted);
      return groups;
    } catch (error) {
      groups.remove();
      return `control groups cannot be made here: ${(error as Error).message}`;
    }
  }

  /** The command, so that it starts inside the groups. */
  wrap(member: string, command: readonly string[]): string[] {
    const files = this.#join(member).map((folder) => join(folder, 'cgroup.procs'));
    const script = `${files.map((_, i) => `echo $$ > "$${i + 1}" || exit 1`).join('; ')}; shift ${files.length}; exec "$@"`;
    return ['/bin/sh', '-c', script, 'sh', ...files, ...command];
  }

  /** Puts a process that runs, with all its threads, into the groups. */
  adopt(member: string, pid: number): void {
    for (const folder of this.#join(member)) writeFileSync(join(folder, 'cgroup.procs'), String(pid));
  }

  /** Takes the limit of the CPU away. */
  lift(): void {
    if (this.#cpu === null) return;
    if (this.#version === 2) writeFileSync(join(this.#cpu, 'cpu.max'), 'max');
    else writeFileSync(join(this.#cpu, 'cpu.cfs_quota_us'), '-1');
  }

  /** Null where no limit of memory was asked for. */
  memoryOf(member: string): MemoryReport | null {
    if (this.#memory === null) return null;
    const folder = join(this.#memory, member);
    const v1 = this.#version === 1;
    const events = read(join(folder, v1 ? 'memory.oom_control' : 'memory.events'));
    return {
      peakBytes: Number(read(join(folder, v1 ? 'memory.max_usage_in_bytes' : 'memory.peak'))) || 0,
      oomKills: Number(/^oom_kill (\d+)/m.exec(events)?.[1] ?? 0),
    };
  }

  /** Removes the groups, once their processes have ended. */
  remove(): void {
    for (const folder of this.#made.reverse()) {
      try {
        rmdirSync(folder);
      } catch {
        // Somebody is still in it: it stays, empty later.
      }
    }
  }

  #make(wanted: readonly string[]): void {
    const { cpuPercent } = this.#limits;
    if (this.#version === 2) {
      const top = (this.#cpu ?? this.#memory)!;
      const enable = wanted.map((controller) => `+${controller}`).join(' ');
      writeFileSync(join(dirname(top), 'cgroup.subtree_control'), enable);
      this.#mkdir(top);
      if (this.#memory !== null) writeFileSync(join(top, 'cgroup.subtree_control'), '+memory');
    } else for (const folder of [this.#cpu, this.#memory]) if (folder !== null) this.#mkdir(folder);
    if (cpuPercent === undefined) return;
    const quotaUs = Math.round((cpuPercent * periodUs) / 100);
    if (this.#version === 2) writeFileSync(join(this.#cpu!, 'cpu.max'), `${quotaUs} ${periodUs}`);
    else {
      writeFileSync(join(this.#cpu!, 'cpu.cfs_period_us'), String(periodUs));
      writeFileSync(join(this.#cpu!, 'cpu.cfs_quota_us'), String(quotaUs));
    }
  }

  /** Folders a member has to be in; its own is made with its limit. */
  #join(member: string): string[] {
    const { memoryBytes } = this.#limits;
    const folders = this.#cpu === null ? [] : [this.#cpu];
    if (this.#memory === null && this.#version === 1) return folders;
    const own = join((this.#memory ?? this.#cpu)!, member);
    if (!existsSync(own)) this.#mkdir(own);
    if (memoryBytes !== undefined) {
      writeFileSync(join(own, this.#version === 1 ? 'memory.limit_in_bytes' : 'memory.max'), String(memoryBytes));
    }
    return this.#version === 1 ? [...folders, own] : [own];
  }

  #mkdir(folder: string): void {
    mkdirSync(folder);
    this.#made.push(folder);
  }
}

interface Controller {
  readonly version: 1 | 2;
  /** The group this process is in. */
  readonly folder: string;
}

/** Finds the hierarchy that has a controller. Source: cgroups(7). */
function findController(controller: string, place: CgroupPlace): Controller | null {
  const own = read(place.own).split('\n');
  for (const line of read(place.mounts).split('\n')) {
    const [, mount = '', type, options = ''] = line.split(' ');
    if (type === 'cgroup' && options.split(',').includes(controller)) {
      const group = own.find((entry) => entry.split(':')[1]?.split(',').includes(controller));
      return { version: 1, folder: ownFolder(mount, group) };
    }
    if (type === 'cgroup2' && read(join(mount, 'cgroup.controllers')).trim().split(' ').includes(controller)) {
      return {
        version: 2,
        folder: ownFolder(
          mount,
          own.find((entry) => entry.startsWith('0::')),
        ),
      };
    }
  }
  return null;
}

/** In a container the path may be one of the host: then the mount itself is ours. */
function ownFolder(mount: string, entry: string | undefined): string {
  const folder = join(mount, entry?.split(':')[2] ?? '');
  return existsSync(folder) ? folder : mount;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
