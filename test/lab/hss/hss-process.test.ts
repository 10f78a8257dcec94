import { spawn } from 'node:child_process';
import { afterEach, expect, test } from 'vitest';
import { serverAssignmentTypes } from '#diameter/cx/cx-requests';
import { connectCx, type TestClient } from './hss-client.ts';
import { exitOf, killHssProcesses, lab, startHssProcess, writeHssConfig } from './hss-process.ts';

const clients: TestClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  killHssProcesses();
});

test('bin/lab hss says when it is ready, survives kill -9 with its registrations, and ends with 0 on SIGTERM', async () => {
  const config = await writeHssConfig();
  const first = await startHssProcess(config);
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

  const second = await startHssProcess(config);
  const after = await connectCx(second.port);
  clients.push(after);
  const location = await after.cx.locationInfo({ impu: 'sip:alice@ims.test' });
  expect(location).toMatchObject({ result: { code: 2001 }, serverName: 'sip:127.0.0.1:6060' });
  const ended = exitOf(second.child);
  second.child.kill('SIGTERM');
  expect(await ended).toBe(0);
});

test('--check says ok or what is wrong, a port in use is explained', async () => {
  const config = await writeHssConfig();
  const check = spawn(lab, ['hss', '--config', config, '--check'], { stdio: 'ignore' });
  expect(await exitOf(check)).toBe(0);
  const wrong = spawn(lab, ['hss', '--config', config, '--set', 'nonsense=1'], { stdio: 'ignore' });
  expect(await exitOf(wrong)).toBe(2);

  await startHssProcess(config);
  const second = spawn(lab, ['hss', '--config', config, '--state', `${config}.other`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let words = '';
  second.stderr!.setEncoding('utf8').on('data', (chunk: string) => (words += chunk));
  expect(await exitOf(second)).toBe(1);
  expect(words).toContain('is in use');
});
