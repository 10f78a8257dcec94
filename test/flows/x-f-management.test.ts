import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callManagement } from '#manage/management-client';
import { ChaosLoad } from '../chaos/chaos-load.ts';
import { ChaosNetwork } from '../chaos/chaos-network.ts';
import { sleep } from '../chaos/disturbances.ts';
import { SeededRandom } from '../chaos/seeded-random.ts';
import { freePort } from '../free-port.ts';

let network: ChaosNetwork;
let load: ChaosLoad;
let port: number;
let path: string;
const sockets: Socket[] = [];

beforeAll(async () => {
  port = await freePort();
  network = await ChaosNetwork.start({
    workers: 1,
    t1Ms: 500,
    diameterTimeout: 2,
    change(role, content, folder) {
      if (role !== 'scscf') return;
      path = join(folder, 'scscf.sock');
      content.management = { socket: path, http: { listen: `tcp:127.0.0.1:${port}` } };
    },
  });
  const options = { users: 30, registrations: 10, calls: 5, messages: 10, holdMs: 2_000, t1Ms: 500 };
  load = new ChaosLoad(network, options, new SeededRandom(9));
  await load.prepare();
}, 60_000);
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await load?.close();
  await network?.stop();
});

function dial(where: string | number): Socket {
  const socket = typeof where === 'string' ? connect(where) : connect(where, '127.0.0.1');
  socket.on('error', () => {});
  sockets.push(socket);
  return socket;
}

describe('a flood at the management interface', () => {
  it('X-F4 is answered with exact errors or not at all, within its bounds, and phones do not notice', async () => {
    load.start();
    const body = '{"jsonrpc":"2.0","id":1,"method":"status","params":{}}';
    const slow = dial(port);
    slow.write(
      `POST /rpc HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n{`,
    );
    const slowAnswer = once(slow, 'data').then(([data]) => String(data).split('\r\n', 1)[0]);

    // Many methods that are not there, on one connection and without waiting.
    const flood = dial(path).setEncoding('utf8');
    let answers = '';
    flood.on('data', (chunk: string) => (answers += chunk));
    const count = 5_000;
    const line = '{"jsonrpc":"2.0","id":1,"method":"fly"}\n';
    for (let i = 0; i < count; i++) flood.write(line);
    await expect.poll(() => answers.split('\n').length - 1, { timeout: 20_000 }).toBe(count);
    const codes = new Set(
      answers
        .split('\n')
        .filter(Boolean)
        .map((text) => JSON.parse(text).error.code),
    );
    expect([...codes]).toEqual([-32601]);

    // More connections than there may be: those beyond are ended, and there is room again afterwards.
    const many = Array.from({ length: 60 }, () => dial(path));
    await expect
      .poll(() => many.filter((socket) => socket.destroyed || socket.readyState === 'closed').length)
      .toBeGreaterThan(20);
    for (const socket of [...many, flood]) socket.destroy();
    await expect
      .poll(() =>
        callManagement(path, 'status').then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);

    // All that HTTP has no place for.
    const status = async (target: string, init: RequestInit = {}) =>
      (await fetch(`http://127.0.0.1:${port}${target}`, init)).status;
    const json = { 'content-type': 'application/json' };
    expect(await status('/rpc')).toBe(404);
    expect(await status('/../../etc/passwd')).toBe(404);
    expect(await status('/rpc', { method: 'POST', headers: json, body: 'x'.repeat(1_100_000) })).toBe(413);
    expect(await status('/rpc', { method: 'POST', headers: { ...json, origin: 'http://a.test' }, body })).toBe(403);
    expect(await slowAnswer).toBe('HTTP/1.1 408 Request Timeout');

    await sleep(500);
    load.stop();
    await load.settle();
    expect(load.board.tally.sums().failed).toBe(0);
    expect([load.calls.lost, [...load.calls.refused]]).toEqual([[], []]);
    expect(network.died).toEqual([]);
  }, 90_000);
});
