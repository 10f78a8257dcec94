import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const lab = fileURLToPath(new URL('../../bin/lab', import.meta.url));
let network: ChildProcess;
let proxy = '';

beforeAll(async () => {
  network = spawn(lab, ['up', '--free-ports', '--json'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  await new Promise<void>((resolve, reject) => {
    network.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
      if (output.includes('"done":true')) resolve();
    });
    network.once('exit', (code) => reject(new Error(`lab up ended with ${code}`)));
  });
  proxy = `127.0.0.1:${/"gm":([0-9]+)/.exec(output)![1]}`;
});

afterAll(async () => {
  if (network.exitCode !== null || network.signalCode !== null) return;
  const ended = new Promise((resolve) => network.once('exit', resolve));
  network.kill('SIGTERM');
  await ended;
});

interface Phone {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  output: string;
}

function phone(...words: string[]): Phone {
  const child = spawn(lab, ['ue', ...words, '--proxy', proxy], { stdio: ['ignore', 'pipe', 'pipe'] });
  const made: Phone = { child, output: '', ended: new Promise((resolve) => child.once('close', resolve)) };
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => (made.output += chunk));
  }
  return made;
}

test('lab ue register: with SIP Digest, over UDP and TCP', async () => {
  for (const transport of ['udp', 'tcp']) {
    const made = phone('register', '--user', 'user000001', '--transport', transport);
    expect(await made.ended, made.output).toBe(0);
    expect(made.output).toContain('as sip:user000001@ims.test, tel:+1555000001');
  }
}, 30_000);

test('a wrong password is refused in the end', async () => {
  const made = phone('register', '--user', 'user000001', '--password', 'wrong');
  expect(await made.ended).toBe(1);
  expect(made.output).toMatch(/not registered: 4/);
}, 30_000);

test('two phones call and write each other, and the phones of the lab answer', async () => {
  const bob = phone('call', 'sip:bob@ims.test', '--user', 'user000002', '--seconds', '0.2');
  expect(await bob.ended, bob.output).toBe(0);

  const seven = phone('answer', '--user', 'user000007', '--after', '0');
  await expect.poll(() => seven.output, { timeout: 10_000 }).toContain('waiting for calls');
  const call = phone('call', 'sip:user000007@ims.test', '--user', 'user000008', '--seconds', '0.2');
  expect(await call.ended, call.output).toBe(0);
  const message = phone('message', 'sip:user000007@ims.test', 'hello seven', '--user', 'user000008');
  expect(await message.ended, message.output).toBe(0);
  seven.child.kill('SIGINT');
  expect(await seven.ended).toBe(0);
  expect(seven.output).toContain('call from sip:user000008@ims.test');
  expect(seven.output).toContain('message from sip:user000008@ims.test: hello seven');
}, 60_000);

test('whoever does not exist cannot be called', async () => {
  const made = phone('call', 'sip:nobody@ims.test', '--user', 'user000002');
  expect(await made.ended).toBe(1);
  expect(made.output).toMatch(/not answered: (?:604|404)/);
}, 30_000);

test('Ctrl-C ends everything with 0', async () => {
  const ended = new Promise((resolve) => network.once('exit', resolve));
  network.kill('SIGINT');
  expect(await ended).toBe(0);
}, 30_000);
