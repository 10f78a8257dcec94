import { once } from 'node:events';
import { mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { duration, statusView } from '#manage/cli/status-view';
import { MethodRegistry, RpcError, rpcLimits } from '#manage/json-rpc';
import { callManagement, ManagementError } from '#manage/management-client';
import { ManagementServer, startManagement } from '#manage/management-server';
import { createWatchers, EventHub } from '#service/event-feed';
import type { ManagedNode, NodeStatus } from '#service/node-status';
import { Child } from '../service/child.ts';

const status: NodeStatus = {
  role: 'pcscf',
  name: 'p.ims.test',
  version: '1.2.3',
  pid: 42,
  uptimeSeconds: 93_784,
  serving: true,
  workers: [
    { worker: 0, messages: 300, busy: 0.5, state: 'serving', restarts: 0, shed: 0 },
    { worker: 1, messages: 100, busy: 0.25, state: 'busy', restarts: 2, shed: 7 },
  ],
  listeners: [{ address: 'udp:127.0.0.1:5060', sides: ['gm', 'mw'] }],
  peers: [{ host: 'hss.ims.test', address: '127.0.0.1:3868', state: 'I-Open', words: 'connected' }],
  registrations: 5,
  reasons: { 'no-dialog': 1, 'bad-cseq': 9 },
};
/** A node that only has a status. */
function nodeAt(socket: string, more: Partial<ManagedNode> = {}): ManagedNode {
  return {
    status: () => status,
    live: { current: { management: { socket } } } as unknown as ManagedNode['live'],
    events: new EventHub(createWatchers()),
    recentLog: () => Promise.resolve([]),
    stats: () => [],
    drain: () => {},
    reload: () => Promise.resolve({ applied: [], needsRestart: [], rejected: [] }),
    ...more,
  };
}
const noLog = { error: () => undefined } as never;
const newPath = () => join(mkdtempSync(join(tmpdir(), 'cscf-manage-')), 'm.sock');
const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

async function serve(path = newPath(), errors: unknown[] = []): Promise<string> {
  const registry = new MethodRegistry()
    .add({
      name: 'add',
      summary: 'adds',
      result: 'number',
      params: [
        { name: 'a', description: 'one', required: true, schema: { type: 'number' } },
        { name: 'b', description: 'other', required: false, schema: { type: 'number' } },
      ],
      call: (params) => Number(params.get('a')) + Number(params.get('b') ?? 0),
    })
    .add({
      name: 'fail',
      summary: 'throws',
      result: 'never',
      params: [],
      call: () => Promise.reject(new Error('with ck="secret"')),
    })
    .add({
      name: 'refuse',
      summary: 'refuses',
      result: 'never',
      params: [],
      call: () => {
        throw new RpcError(7, 'not now', { seconds: 3 });
      },
    })
    .add({ name: 'large', summary: 'a large answer', result: 'text', params: [], call: () => 'x'.repeat(4_000_000) });
  const log = { error: (fields: { err: unknown }) => void errors.push(fields.err) } as never;
  open.push(await ManagementServer.listen(path, registry, log));
  return path;
}

/** Sends bytes, ends, and gives the lines that came back. */
async function talk(path: string, ...pieces: (string | Buffer)[]): Promise<unknown[]> {
  const socket = connect(path);
  socket.on('error', () => undefined);
  let text = '';
  socket.on('data', (chunk) => {
    text += String(chunk);
  });
  for (const piece of pieces) socket.write(piece);
  socket.end();
  await once(socket, 'close');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

const request = (method: string, params?: unknown, id: unknown = 1) =>
  JSON.stringify({ jsonrpc: '2.0', id, method, params });
const codeOf = (answers: unknown[]) => answers.map((answer) => (answer as { error?: { code: number } }).error?.code);

describe('JSON-RPC on the management socket', () => {
  it('answers by name and by position, in the order of the requests', async () => {
    const path = await serve();
    const answers = await talk(
      path,
      `${request('add', { a: 1, b: 2 }, 'x')}\n${request('add', [3, 4], 2)}\r\n\n${request('add', [5], null)}`,
    );
    expect(answers).toEqual([
      { jsonrpc: '2.0', id: 'x', result: 3 },
      { jsonrpc: '2.0', id: 2, result: 7 },
      { jsonrpc: '2.0', id: null, result: 5 },
    ]);
  });

  it.each([
    ['{"jsonrpc":"2.0","id":1', -32700],
    ['nonsense', -32700],
    ['[]', -32600],
    ['1', -32600],
    ['null', -32600],
    ['{"id":1,"method":"add"}', -32600],
    ['{"jsonrpc":"1.0","id":1,"method":"add"}', -32600],
    ['{"jsonrpc":"2.0","id":{},"method":"add"}', -32600],
    ['{"jsonrpc":"2.0","id":1,"method":7}', -32600],
    ['{"jsonrpc":"2.0","id":1,"method":"add","params":"a"}', -32600],
    [request('nothing'), -32601],
    [request('constructor'), -32601],
    [request('__proto__'), -32601],
    [request('add', {}), -32602],
    [request('add', { a: '1' }), -32602],
    [request('add', { a: 1, c: 2 }), -32602],
    ['{"jsonrpc":"2.0","id":1,"method":"add","params":{"__proto__":1,"a":1}}', -32602],
    [request('add', [1, 2, 3]), -32602],
    [request('fail'), -32603],
    [request('refuse'), 7],
  ])('refuses %s with %i', async (line, code) => {
    expect(codeOf(await talk(await serve(), `${line}\n`))).toEqual([code]);
  });

  it('tells the log, not the client, what a method threw', async () => {
    const errors: unknown[] = [];
    const answers = await talk(await serve(newPath(), errors), `${request('fail')}\n`);
    expect(JSON.stringify(answers)).not.toContain('secret');
    expect(errors).toEqual([new Error('with ck="secret"')]);
  });

  it('answers batches in one line, leaves out notifications, and says nothing when there are only those', async () => {
    const path = await serve();
    const notification = '{"jsonrpc":"2.0","method":"add","params":[1]}';
    const answers = await talk(
      path,
      `[${request('add', [1], 1)},1,${notification},${request('nothing', undefined, 2)}]\n[${notification}]\n${notification}\n`,
    );
    expect(answers).toHaveLength(1);
    expect(answers[0]).toMatchObject([
      { id: 1, result: 1 },
      { id: null, error: { code: -32600 } },
      { id: 2, error: { code: -32601 } },
    ]);
    expect(codeOf(await talk(path, `[${Array(101).fill(1).join(',')}]\n`))).toEqual([-32600]);
  });

  it('takes requests in pieces, also cut inside a character', async () => {
    const path = await serve();
    const bytes = Buffer.from(`${request('add', { a: 1, 'ä€': 2 })}\n`);
    const socket = connect(path);
    const answer = once(socket, 'data');
    for (const byte of bytes) {
      socket.write(Buffer.of(byte));
      await new Promise((done) => setImmediate(done));
    }
    expect(String(await answer)).toContain('has no parameter \\"ä€\\"');
    socket.destroy();
  });

  it('X-F4 refuses deep nesting and requests over 1 MiB, and goes on serving', async () => {
    const path = await serve();
    expect(codeOf(await talk(path, `${'['.repeat(100_000)}\n`))).toEqual([-32600]);
    expect(codeOf(await talk(path, `"${'['.repeat(100)}"\n`))).toEqual([-32600]);
    const answers = await talk(path, Buffer.alloc(rpcLimits.requestBytes + 10, 0x20));
    expect(codeOf(answers)).toEqual([-32600]);
    expect(await callManagement(path, 'add', { a: 1 })).toBe(1);
  });

  it('waits for a client that reads slowly', async () => {
    const socket = connect(await serve());
    socket.write(`${request('large')}\n`.repeat(5));
    socket.end();
    let bytes = 0;
    for await (const chunk of socket) {
      bytes += (chunk as Buffer).length;
      await new Promise((done) => setImmediate(done));
    }
    expect(bytes).toBeGreaterThan(20_000_000);
  });
});

describe('the management socket', () => {
  it('serves status to its own user only', async () => {
    const path = join(newPath(), '..', 'new folder', 'm.sock');
    open.push(await startManagement(nodeAt(path), noLog));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await callManagement(path, 'status')).toEqual(status);
    await expect(callManagement(path, 'status', { x: 1 })).rejects.toMatchObject({ code: -32602 });
  });

  it('has a trigger for tests of resilience only where the node gives one', async () => {
    const done: unknown[] = [];
    const trigger = (...values: unknown[]) => {
      if (values[0] === 9) throw new RangeError('there is no worker 9');
      return done.push(values) > 0;
    };
    const [without, path] = [newPath(), newPath()];
    open.push(await startManagement(nodeAt(without), noLog));
    open.push(await startManagement(nodeAt(path, { trigger }), noLog));
    const busy = { worker: 1, what: 'busy', ms: 30 };
    await expect(callManagement(without, 'test.trigger', busy)).rejects.toMatchObject({ code: -32601 });
    expect(await callManagement(path, 'test.trigger', busy)).toBe(true);
    expect(await callManagement(path, 'test.trigger', { worker: 0, what: 'crash' })).toBe(true);
    expect(done).toEqual([
      [1, 'busy', 30],
      [0, 'crash', 0],
    ]);
    for (const wrong of [{ worker: 0, what: 'melt' }, { ...busy, ms: 1e9 }, { ...busy, worker: 9 }, {}]) {
      await expect(callManagement(path, 'test.trigger', wrong)).rejects.toMatchObject({ code: -32602 });
    }
  });

  it('takes over a socket nobody answers on', async () => {
    const path = newPath();
    const left = new Child(process.execPath, [
      '-e',
      `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`,
    ]);
    await left.printed('up');
    left.process.kill('SIGKILL');
    await left.ended;
    expect(statSync(path).isSocket()).toBe(true);
    await serve(path);
    expect(await callManagement(path, 'add', { a: 4 })).toBe(4);
  });

  it('leaves a socket alone on which a node answers, and a file that is none', async () => {
    const path = await serve();
    await expect(serve(path)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect(await callManagement(path, 'add', { a: 4 })).toBe(4);
    const file = newPath();
    writeFileSync(file, 'precious');
    await expect(serve(file)).rejects.toMatchObject({ code: 'EEXIST' });
    expect(statSync(file).size).toBe(8);
  });

  it('ends open connections when it closes', async () => {
    const server = await startManagement(nodeAt(newPath()), noLog);
    const path = newPath();
    const other = await startManagement(nodeAt(path), noLog);
    const socket = connect(path);
    await once(socket, 'connect');
    const closed = once(socket, 'close');
    await Promise.all([server.close(), other.close(), closed]);
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
  });
});

describe('the client', () => {
  it('says in words why it cannot ask', async () => {
    await expect(callManagement('/nowhere/m.sock', 'status')).rejects.toThrow('does the node run?');
    const silent = createServer((socket) => void socket.resume());
    const path = newPath();
    await new Promise<void>((done) => silent.listen(path, done));
    await expect(callManagement(path, 'status', {}, 50)).rejects.toMatchObject({ code: 'ERR_MANAGEMENT_TIMEOUT' });
    silent.close();
    const babbling = createServer((socket) => void socket.end('hello\n'));
    const other = newPath();
    await new Promise<void>((done) => babbling.listen(other, done));
    await expect(callManagement(other, 'status')).rejects.toBeInstanceOf(ManagementError);
    babbling.close();
  });

  it('cscfctl exits 2 for a wrong command line and 1 when the node is not there', async () => {
    const cscfctl = new URL('../../shared/manage/cli/cscfctl.ts', import.meta.url).pathname;
    const run = (...args: string[]) => new Child(process.execPath, [cscfctl, ...args]).ended;
    expect(await run('status')).toMatchObject({ code: 2, stderr: expect.stringContaining('which node?') });
    expect(await run('--socket', '/x')).toMatchObject({ code: 2, stderr: expect.stringContaining('which command?') });
    expect(await run('--socket', '/x', 'flies')).toMatchObject({ code: 2 });
    expect(await run('--socket', '/nowhere/x', 'status')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('there is no socket /nowhere/x'),
    });
  });
});

describe('status for people', () => {
  it('is a table per subject', () => {
    expect(statusView({ ...status, name: 'evil\x1b[31m' })).toBe(`pcscf evil?[31m, version 1.2.3, pid 42, up 1 d 2 h
registrations 5

WORKER  STATE    MESSAGES  SHARE  BUSY  SHED  RESTARTS
0       serving  300       75 %   50 %  0     0
1       busy     100       25 %   25 %  7     2

LISTENER            SERVES
udp:127.0.0.1:5060  gm, mw

PEER          ADDRESS         STATE
hss.ims.test  127.0.0.1:3868  I-Open  connected

REASON     COUNT
bad-cseq   9
no-dialog  1`);
    expect(statusView({ ...status, peers: [], serving: false })).toContain('peer: none');
    const dropped = { plain: 4, integrity: 0, replay: 2, mismatch: 0, unknown: 0 };
    const ipsec = { backend: 'kernel', associations: 12, sets: 3, dropped } as const;
    expect(statusView({ ...status, ipsec })).toContain(
      '\n\nIPsec by the kernel: 3 sets, 12 associations; dropped: plain 4, replay 2\n',
    );
  });

  it('shows durations in two units', () => {
    expect([0, 59, 61, 3600, 90_061].map(duration)).toEqual(['0 s', '59 s', '1 min 1 s', '1 h', '1 d 1 h']);
  });
});
