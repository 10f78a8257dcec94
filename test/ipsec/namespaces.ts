import {
  type ChildProcess,
  execFileSync,
  type SpawnOptions,
  type StdioOptions,
  spawn,
  spawnSync,
} from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { Capture } from './capture.ts';

/*
 * Network namespaces joined by veth, for tests that need hosts of their own.
 *
 *   const skip = skipWithoutNamespaces('the IPsec tests');             // in CI it throws instead
 *   describe.skipIf(skip)('...', () => {
 *     rig = await NamespaceRig.open(['pcscf', 'ue']);                  // 10.77.0.1 fd77::1, 10.77.0.2 fd77::2
 *     rig.host('pcscf').run('ip', 'rule');                             // what it printed; throws when it fails
 *     rig.host('pcscf').fork('nodes/pcscf/main.ts', ['--config', f]);  // node with an IPC channel
 *     rig.host('ue').spawn('sipp', [...]);                             // any program
 *     const capture = await rig.capture('ue', 'pcscf');                // what host `ue` sees on its link to `pcscf`
 *     ...
 *     await capture.stop();
 *     capture.read('udp', ['ip.src', 'udp.dstport']);                  // rows of fields, by tshark
 *     await rig.close();                                               // ends what was started, removes all
 *
 * On each host the link to another one has the name of that host. Nothing of it outlives the test process: the
 * namespaces are held by processes that end with it.
 */

/** One line why there can be no namespaces here, or null. */
export function namespacesMissing(): string | null {
  if (process.platform !== 'linux') return `no network namespaces on ${process.platform}`;
  for (const tool of ['ip', 'unshare', 'nsenter']) {
    if (spawnSync(tool, ['--version']).error) return `${tool} is not installed (Debian: iproute2, util-linux)`;
  }
  if (!existsSync('/dev/net/tun')) return 'no /dev/net/tun';
  const tried = spawnSync(
    'unshare',
    [...unshareOptions(), 'ip', 'link', 'add', 'probe0', 'type', 'veth', 'peer', 'name', 'probe1'],
    { encoding: 'utf8' },
  );
  if (tried.status !== 0) return `no CAP_NET_ADMIN and no user namespaces (${tried.stderr.trim()})`;
  return null;
}

/** Whether tests have to be skipped; says so in one line. Throws where CI is set: there nothing is skipped. */
export function skipWithoutNamespaces(what: string): boolean {
  const missing = namespacesMissing();
  if (missing === null) return false;
  if (process.env.CI) throw new Error(`${what} cannot run: ${missing}`);
  console.log(`${missing}: ${what} are skipped`);
  return true;
}

export class NamespaceRig {
  readonly hosts: ReadonlyMap<string, RigHost>;
  readonly #folder: string;
  readonly #captures: Capture[] = [];

  private constructor(hosts: ReadonlyMap<string, RigHost>, folder: string) {
    this.hosts = hosts;
    this.#folder = folder;
  }

  /** Hosts by name (at most 12 letters), each joined with each other one. */
  static async open(names: readonly string[]): Promise<NamespaceRig> {
    const hosts = new Map<string, RigHost>();
    try {
      for (const [index, name] of names.entries()) {
        const first = hosts.values().next().value;
        hosts.set(name, await RigHost.open(name, index + 1, first?.pid));
      }
      joinAll([...hosts.values()]);
    } catch (error) {
      for (const host of hosts.values()) await host.close();
      throw error;
    }
    return new NamespaceRig(hosts, mkdtempSync(path.join(tmpdir(), 'cscf-rig-')));
  }

  host(name: string): RigHost {
    const host = this.hosts.get(name);
    if (!host) throw new Error(`no host ${name} in this rig`);
    return host;
  }

  /** Captures what `host` sees on its link to `peer` from now on. */
  async capture(host: string, peer: string): Promise<Capture> {
    const file = path.join(this.#folder, `${host}-${peer}-${this.#captures.length}.pcap`);
    const capture = await Capture.start(this.host(host), peer, file);
    this.#captures.push(capture);
    return capture;
  }

  async close(): Promise<void> {
    for (const capture of this.#captures) await capture.stop();
    for (const host of this.hosts.values()) await host.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** One namespace, its addresses and what runs in it. */
export class RigHost {
  readonly name: string;
  readonly address: string;
  readonly address6: string;
  /** Of the process that holds the namespace. */
  readonly pid: number;
  readonly #holder: ChildProcess;
  readonly #children = new Set<ChildProcess>();

  private constructor(name: string, number: number, holder: ChildProcess) {
    this.name = name;
    this.address = `10.77.0.${number}`;
    this.address6 = `fd77::${number}`;
    this.pid = holder.pid!;
    this.#holder = holder;
  }

  /** `first`: the process that holds the first namespace; all belong to its user namespace. */
  static async open(name: string, number: number, first: number | undefined): Promise<RigHost> {
    const hold = ['sh', '-c', 'echo ready; exec cat'];
    const command =
      first === undefined || isRoot()
        ? ['unshare', ...unshareOptions(), ...hold]
        : ['nsenter', ...enterUser(first), 'unshare', '--net', ...hold];
    // When the test process dies, its end of the pipe closes, `cat` ends, and the namespace is gone.
    const holder = spawn(command[0]!, command.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
    await new Promise<void>((resolve, reject) => {
      holder.stdout!.once('data', () => resolve());
      holder.once('exit', () => reject(new Error(`no namespace for ${name}`)));
    });
    const host = new RigHost(name, number, holder);
    host.run('ip', 'link', 'set', 'lo', 'up');
    return host;
  }

  /** Runs a command to its end and gives what it printed. */
  run(command: string, ...args: readonly string[]): string {
    return execFileSync('nsenter', [...this.#enter(), command, ...args], { encoding: 'utf8', stdio: 'pipe' });
  }

  /** Starts a program; it is killed with the rig. */
  spawn(command: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const child = spawn('nsenter', [...this.#enter(), command, ...args], options);
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  /**
   * Starts a module in a node of its own, with an IPC channel (`send`, `message`) and its output on ours. `wrapper` is a
   * command that starts another one, like setpriv or prlimit.
   */
  fork(
    file: string,
    args: readonly string[] = [],
    options: SpawnOptions = {},
    wrapper: readonly string[] = [],
  ): ChildProcess {
    const stdio: StdioOptions = ['ignore', 'inherit', 'inherit', 'ipc'];
    const command = [...wrapper, process.execPath, '--disable-warning=ExperimentalWarning', file, ...args];
    return this.spawn(command[0]!, command.slice(1), { stdio, ...options });
  }

  async close(): Promise<void> {
    for (const child of [...this.#children]) await ended(child);
    await ended(this.#holder);
  }

  #enter(): readonly string[] {
    const network = ['--target', String(this.pid), '--net'];
    return isRoot() ? network : [...network, '--user', '--preserve-credentials'];
  }
}

function joinAll(hosts: readonly RigHost[]): void {
  for (const [index, host] of hosts.entries()) {
    for (const peer of hosts.slice(index + 1)) join(host, peer);
  }
}

function join(a: RigHost, b: RigHost): void {
  a.run('ip', 'link', 'add', 'name', b.name, 'type', 'veth', 'peer', 'name', a.name, 'netns', String(b.pid));
  const ends = [[a, b] as const, [b, a] as const];
  for (const [host, peer] of ends) {
    host.run('ip', 'address', 'add', `${host.address}/32`, 'dev', peer.name);
    host.run('ip', 'address', 'add', `${host.address6}/128`, 'dev', peer.name, 'nodad');
    host.run('ip', 'link', 'set', 'dev', peer.name, 'up');
  }
  // A route needs the carrier, which is there when both ends are up.
  for (const [host, peer] of ends) {
    host.run('ip', 'route', 'add', peer.address, 'dev', peer.name, 'src', host.address);
    host.run('ip', 'route', 'add', peer.address6, 'dev', peer.name, 'src', host.address6);
  }
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function unshareOptions(): readonly string[] {
  return isRoot() ? ['--net'] : ['--user', '--map-root-user', '--net'];
}

function enterUser(pid: number): readonly string[] {
  return ['--target', String(pid), '--user', '--preserve-credentials'];
}
