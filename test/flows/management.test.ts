import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { callManagement, followManagement } from '#manage/management-client';
import { freePort } from '../free-port.ts';
import { Child } from '../service/child.ts';
import { TransportLab } from './transport-lab.ts';

const token = 'a-token-of-the-test';
let lab: TransportLab;
let ports: { open: number; closed: number };
beforeAll(async () => {
  ports = { open: await freePort(), closed: await freePort() };
  lab = await TransportLab.start({
    change(contents) {
      const management = (role: 'pcscf' | 'scscf', http: object) => ({
        ...(contents[role].management as object),
        http,
      });
      contents.scscf.management = management('scscf', { listen: `tcp:127.0.0.1:${ports.open}` });
      contents.pcscf.management = management('pcscf', { listen: `tcp:127.0.0.1:${ports.closed}`, token });
    },
  });
}, 30_000);
afterAll(() => lab?.stop());

const socketOf = (role: string) => join(lab.folder, `${role}.sock`);
const ask = (role: string, method: string, params: Record<string, unknown> = {}) =>
  callManagement(socketOf(role), method, params);
const cscfctl = async (...args: string[]) => {
  const program = fileURLToPath(new URL('../../shared/manage/cli/cscfctl.ts', import.meta.url));
  return new Child(process.execPath, [program, ...args]).ended;
};

describe('the management interface', () => {
  it('lists who is registered, shows one, and ends a registration with the HSS told', async () => {
    const phones = [];
    for (let number = 11; number <= 15; number++) phones.push(await lab.phone(number));
    const first = (await ask('scscf', 'registrations.list', { limit: 3, filter: 'USER0000' })) as {
      rows: { id: string; impus: string[] }[];
      next: string;
    };
    expect(first.rows).toHaveLength(3);
    const rest = (await ask('scscf', 'registrations.list', { from: first.next, filter: 'user0000' })) as typeof first;
    const ids = [...first.rows, ...rest.rows].map(({ id }) => id);
    expect(ids).toEqual([11, 12, 13, 14, 15].map((n) => `sip:user0000${n}@ims.test`));
    expect(rest.next).toBeNull();
    expect(await ask('scscf', 'registrations.list', { filter: 'nobody' })).toEqual({ rows: [], next: null });

    for (const id of ['sip:user000011@ims.test', 'user000011@ims.test', 'tel:+1555000011']) {
      expect(await ask('scscf', 'registrations.show', { id }), id).toMatchObject({
        id: 'sip:user000011@ims.test',
        contacts: [{ impi: 'user000011@ims.test', regId: 0, emergency: false }],
      });
    }
    expect(await ask('scscf', 'profile.show', { id: 'user000011@ims.test' })).toContain('<IMSSubscription>');
    expect(await ask('pcscf', 'registrations.show', { id: 'user000012@ims.test' })).toMatchObject([
      { impi: 'user000012@ims.test', flow: { transport: 'udp' } },
    ]);
    await expect(ask('scscf', 'registrations.show', { id: 'sip:nobody@ims.test' })).rejects.toThrow(
      'nobody is registered',
    );

    expect(await ask('scscf', 'registrations.deregister', { id: 'sip:user000011@ims.test' })).toBe(1);
    await expect(ask('scscf', 'registrations.show', { id: 'user000011@ims.test' })).rejects.toThrow('nobody');
    await expect
      .poll(() => callManagement(socketOf('hss'), 'hss.show', { id: 'user000011@ims.test' }).catch(() => null))
      .not.toMatchObject({ state: 'REGISTERED' });
  }, 30_000);

  it('shows sessions and ends them', async () => {
    const [alice, bob] = [await lab.phone(21), await lab.phone(22)];
    const call = alice.ue.call(bob.ue.impu);
    expect(await call.answered).toBe(true);
    const rows = (await ask('pcscf', 'dialogs.list', { filter: call.callId })) as object[];
    expect(rows).toHaveLength(2);
    expect(rows).toMatchObject([{ state: 'confirmed' }, { state: 'confirmed' }]);
    expect(await ask('scscf', 'dialogs.show', { callId: call.callId })).toHaveLength(2);
    expect(await ask('pcscf', 'dialogs.end', { callId: call.callId })).toBe(2);
    expect((await call.ended).by).not.toBe('us');
    await expect(ask('pcscf', 'dialogs.show', { callId: 'none' })).rejects.toThrow('no dialog');
    await expect(ask('pcscf', 'dialogs.end', { callId: 'x\r\nVia: y' })).rejects.toMatchObject({ code: -32602 });
  }, 30_000);

  it('takes keys while running and says what it has not taken', async () => {
    expect(await ask('scscf', 'config.set', { values: { 'registrar.maxContacts': 2 } })).toEqual({
      applied: ['registrar.maxContacts'],
      needsRestart: [],
      rejected: [],
    });
    expect(await ask('scscf', 'config.get', { key: 'registrar.maxContacts' })).toBe(2);
    expect(await ask('scscf', 'config.diff')).toEqual([
      { key: 'registrar.maxContacts', running: 2, file: 10, reload: 'live' },
    ]);
    expect(await ask('scscf', 'config.set', { values: { workers: 2 } })).toMatchObject({
      rejected: [{ path: 'workers', message: 'this key needs a restart' }],
    });
    expect(await ask('pcscf', 'config.get', { key: 'management' })).toMatchObject({ http: { token: '***' } });
  });

  it('tells events on the socket and on a WebSocket, and describes itself', async () => {
    const heard: Record<string, unknown>[] = [];
    void followManagement(socketOf('scscf'), 'events.subscribe', { kind: 'count' }, (event) =>
      heard.push(event as Record<string, unknown>),
    );
    const client = new WebSocket(`ws://127.0.0.1:${ports.open}/rpc`);
    await once(client, 'open');
    const messages: { id?: number; method?: string; params?: object }[] = [];
    client.on('message', (data) => messages.push(JSON.parse(String(data))));
    client.send(JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'events.subscribe' }));
    await expect.poll(() => messages.some(({ id }) => id === 7)).toBe(true);
    await lab.phone(31);
    await expect.poll(() => heard.map(({ event }) => event)).toContain('registration');
    await expect.poll(() => messages.filter(({ method }) => method === 'event').length).toBeGreaterThan(0);
    client.close();

    const document = (await ask('scscf', 'rpc.discover')) as { methods: { name: string; summary: string }[] };
    expect(document.methods.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'status',
        'config.set',
        'registrations.list',
        'dialogs.end',
        'peers.show',
        'events.subscribe',
      ]),
    );
    expect(document.methods.every(({ summary }) => summary.length > 10)).toBe(true);
  }, 30_000);

  it('X-F4 by HTTP answers the exact errors: no token, a web page, no JSON, too large, unknown, nested', async () => {
    const post = async (port: number, body: string, headers: Record<string, string> = {}) => {
      const all = { 'content-type': 'application/json', ...headers };
      const response = await fetch(`http://127.0.0.1:${port}/rpc`, { method: 'POST', body, headers: all });
      const text = await response.text();
      return {
        status: response.status,
        answer: text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : text,
      };
    };
    const status = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'status' });
    expect((await post(ports.closed, status)).status).toBe(401);
    expect((await post(ports.closed, status, { authorization: 'Bearer wrong' })).status).toBe(401);
    expect(await post(ports.closed, status, { authorization: `Bearer ${token}` })).toMatchObject({
      status: 200,
      answer: { result: { role: 'pcscf' } },
    });
    expect((await post(ports.open, status)).status).toBe(200);
    expect((await post(ports.open, status, { origin: 'http://evil.test' })).status).toBe(403);
    expect((await post(ports.open, status, { 'content-type': 'text/plain' })).status).toBe(415);
    expect((await post(ports.open, 'x'.repeat(2_000_000))).status).toBe(413);
    expect((await post(ports.open, '{')).answer).toMatchObject({ error: { code: -32700 } });
    expect((await post(ports.open, '['.repeat(40) + ']'.repeat(40))).answer).toMatchObject({ error: { code: -32600 } });
    const unknown = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'fly' });
    expect((await post(ports.open, unknown)).answer).toMatchObject({ error: { code: -32601 } });
    const events = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'events.subscribe' });
    expect((await post(ports.open, events)).answer).toMatchObject({ error: { code: -32000 } });
    const noted = JSON.stringify({ jsonrpc: '2.0', method: 'status' });
    expect((await post(ports.open, noted)).status).toBe(204);
    const refused = new WebSocket(`ws://127.0.0.1:${ports.closed}/rpc`);
    const [error] = (await once(refused, 'error')) as [Error];
    expect(error.message).toContain('401');
    expect(await ask('scscf', 'status')).toMatchObject({ serving: true });
  });

  it('cscfctl prints tables for people, JSON for programs, and asks all nodes', async () => {
    await lab.phone(41);
    const listed = await cscfctl('--socket', socketOf('scscf'), 'registrations', 'list', '--filter', 'user000041');
    expect(listed.stdout).toMatch(
      /^IMPI +IMPUS +CONTACTS +EXPIRES SECONDS\nuser000041@ims.test +sip:user000041@ims.test/,
    );
    const json = await cscfctl('--json', '--socket', socketOf('icscf'), 'peers', 'list');
    expect(JSON.parse(json.stdout)).toMatchObject([{ host: 'hss.ims.test', state: 'open-initiator' }]);
    const set = await cscfctl('--socket', socketOf('pcscf'), 'config', 'set', 'timers.t9', '1');
    expect(set.stdout).toContain('nothing has changed:\ntimers.t9: there is no such key (did you mean t');
    process.env.CSCF_SOCKETS = ['pcscf', 'icscf', 'scscf'].map(socketOf).join(' ');
    const all = await cscfctl('--all', 'sockets', 'list');
    delete process.env.CSCF_SOCKETS;
    expect(all.stdout.match(/^== \w+$/gm)).toEqual(['== icscf', '== pcscf', '== scscf']);
    expect((await cscfctl('--socket', socketOf('pcscf'), 'log', '--limit', '5')).stdout).toContain('"level":"info"');
  }, 30_000);
});
