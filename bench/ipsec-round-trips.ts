import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/*
 * node bench/ipsec-round-trips.ts [all]: datagrams there and back through ESP of ours at both ends, between two network
 * namespaces of this machine; each has a process with an ordinary socket and the thread of the data path. Needs root.
 */
const host = fileURLToPath(new URL('./ipsec-host.ts', import.meta.url));
const usual = [
  ['plain', 'plain'],
  ['hmac-md5-96', 'null'],
  ['hmac-sha-1-96', 'aes-cbc'],
] as const;
const others = [
  ['hmac-sha-1-96', 'null'],
  ['hmac-md5-96', 'aes-cbc'],
  ['hmac-sha-1-96', 'des-ede3-cbc'],
  ['null', 'aes-gcm'],
  ['aes-gmac', 'null'],
] as const;

for (const [integrity, encryption] of process.argv[2] === 'all' ? [...usual, ...others] : usual) {
  const [a, b] = [await namespace(), await namespace()];
  join(a.pid!, b.pid!);
  const echo = start(a.pid!, 'echo', integrity, encryption);
  await said(echo);
  const ask = start(b.pid!, 'ask', integrity, encryption);
  console.log(`${`${integrity} ${encryption}`.padEnd(30)}${await said(ask)}`);
  for (const child of [echo, ask, a, b]) child.kill('SIGKILL');
}

/** A process that holds a new namespace, and ends with this one: its input ends then. */
async function namespace(): Promise<ChildProcess> {
  const holder = spawn('unshare', ['--net', 'sh', '-c', 'echo; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  await said(holder);
  return holder;
}

function join(a: number, b: number): void {
  run(a, 'link', 'add', 'name', 'peer', 'type', 'veth', 'peer', 'name', 'peer', 'netns', String(b));
  for (const [pid, address] of [
    [a, '10.78.0.1/24'],
    [b, '10.78.0.2/24'],
  ] as const) {
    run(pid, 'link', 'set', 'lo', 'up');
    run(pid, 'address', 'add', address, 'dev', 'peer');
    run(pid, 'link', 'set', 'peer', 'up');
  }
}

function run(pid: number, ...words: readonly string[]): void {
  execFileSync('nsenter', ['--target', String(pid), '--net', 'ip', ...words], { stdio: 'inherit' });
}

function start(pid: number, role: string, integrity: string, encryption: string): ChildProcess {
  const program = [process.execPath, '--disable-warning=ExperimentalWarning', host, role, integrity, encryption];
  return spawn('nsenter', ['--target', String(pid), '--net', ...program], { stdio: ['pipe', 'pipe', 'inherit'] });
}

/** The first line that a process prints. */
function said(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.stdout!.setEncoding('utf8').once('data', (text: string) => resolve(text.trim()));
    child.once('exit', (code) => reject(new Error(`it ended with ${code}`)));
    child.once('error', reject);
  });
}
