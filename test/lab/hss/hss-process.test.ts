import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { serverAssignmentTypes } from '#diameter/cx/cx-requests';
import { aliceKey, connectCx, type TestClient, temporaryFolder } from './hss-client.ts';

const lab = fileURLToPath(new URL('../../../bin/lab', import.meta.url));
const running: ChildProcess[] = [];
const clients: TestClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  for (const child of running.splice(0)) child.kill('SIGKILL');
});

/** Starts `bin/lab hss` and gives it with its port, once it is ready. */
async function start(config: string, ...more: string[]): Promise<{ child: ChildProcess; port: number; ready: string }> {
  const child = spawn(lab, ['hss', '--config', config, ...more], { stdio: ['ignore', 'pipe', 'inherit'] });
  running.push(child);
  let output = '';
  const ready = await new Promise<string>((resolve, reject) => {
    child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
      const line = output.split('\n').find((each) => each.startsWith('ready '));
      if (line !== undefined) resolve(line);
    });
    child.once('exit', (code) => reject(new Error(`ended with ${code}: ${output}`)));
  });
  return { child, port: Number(/listen=tcp:127\.0\.0\.1:([0-9]+)/.exec(ready)![1]), ready };
}

function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once('exit', resolve));
}

/** A configuration at a port that was free a moment ago. */
async function configuration(): Promise<string> {
  const { folder, profile } = temporaryFolder();
  const { createServer } = await import('node:net');
  const port = await new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = server.address() as { port: number };
      server.close(() => resolve(free));
    });
  });
  const file = join(folder, 'hss.yaml');
  const alice = { impi: 'alice@ims.test', impus: ['sip:alice@ims.test'], ...aliceKey, profile };
  const config = {
    role: 'hss',
    domain: 'ims.test',
    listen: `tcp:127.0.0.1:${port}`,
    subscribers: [alice],
    management: { socket: join(folder, 'hss.sock') },
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

test('bin/lab hss says when it is ready, survives kill -9 with its registrations, and ends with 0 on SIGTERM', async () => {
  const config = await configuration();
  const first = await start(config);
  expect(first.ready).toMatch(/^ready hss listen=tcp:127\.0\.0\.1:[0-9]+ subscribers=1$/);
  const before = await connectCx(first.port);
  clients.push(before);
  const answer = await before.cx.serverAssignment({
    impi: 'alice@ims.test',
    impus: ['sip:alice@ims.test'],
    serverName: 'sip:127.0.0.1:6060',
    type: serverAssignmentTypes.REGISTRATION,
    userDataAlreadyAvailable: false,
  });
  expect(answer.failure).toBeUndefined();
  const killed = exitOf(first.child);
  first.child.kill('SIGKILL');
  await killed;
  for (const client of clients.splice(0)) await client.close();

  const second = await start(config);
  const after = await connectCx(second.port);
  clients.push(after);
  const location = await after.cx.locationInfo({ impu: 'sip:alice@ims.test' });
  expect(location).toMatchObject({ result: { code: 2001 }, serverName: 'sip:127.0.0.1:6060' });
  const ended = exitOf(second.child);
  second.child.kill('SIGTERM');
  expect(await ended).toBe(0);
});

test('--check says ok or what is wrong, a port in use is explained', async () => {
  const config = await configuration();
  const check = spawn(lab, ['hss', '--config', config, '--check'], { stdio: 'ignore' });
  expect(await exitOf(check)).toBe(0);
  const wrong = spawn(lab, ['hss', '--config', config, '--set', 'nonsense=1'], { stdio: 'ignore' });
  expect(await exitOf(wrong)).toBe(2);

  await start(config);
  const second = spawn(lab, ['hss', '--config', config, '--state', `${config}.other`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let words = '';
  second.stderr!.setEncoding('utf8').on('data', (chunk: string) => (words += chunk));
  expect(await exitOf(second)).toBe(1);
  expect(words).toContain('is in use');
});
