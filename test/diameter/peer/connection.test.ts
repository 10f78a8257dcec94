import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { encodeMessage } from '#diameter/codec/encode';
import { FLAG_REQUEST } from '#diameter/codec/message';
import { Connection } from '#diameter/peer/connection';
import { ManualClock } from '../manual-clock.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

const rx = 16_777_236;
const [aar, str] = [265, 275];

/** A connection to somebody who notes the commands of what comes, by the read they came with. */
async function connected() {
  const reads: number[][] = [];
  const server = createServer((socket: Socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      const commands: number[] = [];
      for (let at = 0; at < chunk.length; at += chunk.readUIntBE(at + 1, 3)) commands.push(chunk.readUIntBE(at + 5, 3));
      reads.push(commands);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => void server.close());
  const clock = new ManualClock();
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  cleanups.push(() => void socket.destroy());
  const nothing = () => undefined;
  const listener = { connected: nothing, message: nothing, fault: nothing, closed: nothing };
  const options = { clock, random: () => 0.5, secure: false, words: String, maxSent: 100, keepSentMs: 1000 };
  const connection = new Connection(1, socket, listener, options);
  const ask = (command: number) => {
    const octets = encodeMessage({ flags: FLAG_REQUEST, command, application: rx, hopByHop: 1, endToEnd: 1 }, []);
    const route = { application: rx, realm: 'ims.test', host: '' };
    const base = { route, hopByHop: 1, firstSentMs: 0, sentMs: 0, tried: [], redirected: false };
    connection.ask({ octets, command, ...base });
  };
  const came = (...expected: number[][]) => expect.poll(() => reads, { timeout: 5_000 }).toEqual(expected);
  return { clock, connection, reads, ask, came };
}

it('P-126 the end of a session leaves with the next message, or soon alone', async () => {
  const { clock, reads, ask, came } = await connected();
  ask(str);
  ask(str);
  // Time enough to come, did they leave at once.
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(reads).toEqual([]);
  ask(aar);
  await came([str, str, aar]);
  ask(str);
  clock.advance(20);
  await came([str, str, aar], [str]);
  ask(aar);
  ask(str);
  await came([str, str, aar], [str], [aar, str]);
  expect(clock.timers).toBe(0);
});

it('P-126 the end of a session is not lost when the connection is ended', async () => {
  const { connection, ask, came } = await connected();
  ask(str);
  connection.end('over');
  await came([str]);
});
