import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { Child } from './child.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'drain-'));
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets) socket.close();
  rmSync(folder, { recursive: true, force: true });
});

async function udp(): Promise<Socket> {
  const socket = createSocket('udp4');
  sockets.push(socket);
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

async function heard(socket: Socket): Promise<string[]> {
  const [datagram] = (await once(socket, 'message')) as [Buffer];
  return datagram.toString('latin1').split('\r\n');
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((done) => socket.close(done));
  return port;
}

function register(callId: string, port: number): string {
  return [
    'REGISTER sip:ims.test SIP/2.0',
    `Via: SIP/2.0/UDP 127.0.0.1:${port};branch=z9hG4bK${callId}`,
    'Max-Forwards: 70',
    'From: <sip:alice@ims.test>;tag=a',
    'To: <sip:alice@ims.test>',
    `Call-ID: ${callId}`,
    'CSeq: 1 REGISTER',
    `Contact: <sip:alice@127.0.0.1:${port}>`,
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n');
}

it('C-15 after SIGTERM refuses what is new, waits for what is under way, and ends as soon as that is answered', async () => {
  const [home, phone, gm, mw] = [await udp(), await udp(), await freeUdpPort(), await freeUdpPort()];
  const pcscf = new Child(join(root, 'bin/pcscf'), [
    '--config',
    join(root, 'config/pcscf.yaml'),
    ...['--set', `listeners={gm: [udp:127.0.0.1:${gm}], mw: [udp:127.0.0.1:${mw}]}`],
    ...['--set', `hosts={ims.test: [udp:127.0.0.1:${home.address().port}]}`],
    ...['--set', 'store={type: memory}', '--set', `management={socket: ${join(folder, 'pcscf.sock')}}`],
    ...['--set', 'drain=30'],
  ]);
  await pcscf.printed('ready');
  const { port } = phone.address();
  phone.send(register('first', port), gm, '127.0.0.1');
  const forwarded = await heard(home);
  const startMs = performance.now();
  pcscf.process.kill('SIGTERM');
  await pcscf.printed('draining');
  await new Promise((resolve) => setTimeout(resolve, 200));
  phone.send(register('second', port), gm, '127.0.0.1');
  expect((await heard(phone))[0]).toBe('SIP/2.0 503 Service Unavailable');
  const copied = forwarded.filter((line) => /^(Via|From|To|Call-ID|CSeq):/.test(line));
  const refused = ['SIP/2.0 403 Forbidden', ...copied, 'Content-Length: 0', '', ''].join('\r\n');
  home.send(refused, mw, '127.0.0.1');
  expect((await heard(phone))[0]).toBe('SIP/2.0 403 Forbidden');
  expect((await pcscf.ended).code).toBe(0);
  expect(performance.now() - startMs).toBeLessThan(20_000);
}, 40_000);
