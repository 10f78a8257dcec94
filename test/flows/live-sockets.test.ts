import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callManagement } from '#manage/management-client';
import type { ExplainedValue } from '#service/config/config-explain';
import type { ReloadReport } from '#service/config/live-config';
import { freePort } from '../free-port.ts';
import { callAndRelease, TransportLab, until, write } from './transport-lab.ts';

type Content = Record<string, unknown> & { listeners: Record<string, unknown[]>; diameter: Record<string, unknown> };
type Role = 'pcscf' | 'icscf' | 'scscf';

let lab: TransportLab;
beforeAll(async () => {
  // Two workers: one beside the sockets, one in a thread.
  lab = await TransportLab.start({
    change(contents) {
      for (const role of ['pcscf', 'icscf', 'scscf'] as const) contents[role].workers = 2;
      contents.pcscf.drain = 0.3;
    },
  });
}, 30_000);
afterAll(() => lab?.stop());

function ask<T>(role: Role, method: string, params: Record<string, unknown> = {}): Promise<T> {
  return callManagement(join(lab.folder, `${role}.sock`), method, params) as Promise<T>;
}

/** Changes a configuration file and has the node read it. */
function rewrite(role: Role, change: (content: Content) => void): Promise<ReloadReport> {
  const file = lab.config.files[role];
  const content = JSON.parse(readFileSync(file, 'utf8')) as Content;
  change(content);
  writeFileSync(file, JSON.stringify(content, null, 1));
  return ask(role, 'config.reload');
}

async function isFreeForUdp(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  try {
    socket.bind(port, '127.0.0.1');
    await once(socket, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    socket.close();
  }
}

async function isRefused(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return false;
  } catch {
    return true;
  } finally {
    socket.destroy();
  }
}

describe('listeners of a P-CSCF that runs', () => {
  it('are opened, serve phones at once, and are closed again without a restart or a lost call', async () => {
    const [alice, bob] = [await lab.phone(1), await lab.phone(2)];
    const port = await freePort();
    const address = lab.config.address;
    const added = await rewrite('pcscf', ({ listeners }) =>
      listeners.gm!.push(`udp:${address}:${port}`, `tcp:${address}:${port}`),
    );
    expect(added).toEqual({ applied: ['listeners.gm'], needsRestart: [], rejected: [] });
    const here = { address, port };
    const carol = await lab.phone(3, { proxy: here });
    const dave = await lab.phone(4, { proxy: here, transport: 'tcp' });
    // More calls than one: both workers know the new listeners.
    for (let i = 0; i < 6; i++) {
      await callAndRelease(carol, alice);
      await callAndRelease(bob, carol);
      await callAndRelease(dave, bob);
    }
    const talk = carol.ue.call(bob.ue.impu);
    expect(await talk.answered).toBe(true);

    const removed = await rewrite('pcscf', ({ listeners }) => listeners.gm!.splice(-2));
    expect(removed.applied).toEqual(['listeners.gm']);
    expect(await isRefused(port)).toBe(true);
    talk.hangUp();
    expect(await talk.ended).toMatchObject({ status: 200 });
    await until('the UDP port is free', () => isFreeForUdp(port), 4_000);
    expect((await lab.status('pcscf')).listeners.map((each) => each.address)).not.toContain(`udp:${address}:${port}`);
    // Whose listener is gone is reached by another one of the same side.
    await write(alice, bob, 'still there');
    await write(bob, carol, 'by another port');

    await rewrite('pcscf', ({ listeners }) => listeners.gm!.push(`udp:${address}:${port}`));
    const again = await lab.phone(3, { proxy: here });
    await callAndRelease(again, alice);
  }, 40_000);

  it('stay as they are when one cannot be opened, with all else of the change, and it is told where that stands', async () => {
    const taken = createSocket('udp4');
    taken.bind(0, '127.0.0.1');
    await once(taken, 'listening');
    const [busy, free] = [taken.address().port, await freePort()];
    const before = (await lab.status('pcscf')).listeners;
    const report = await rewrite('pcscf', (content) => {
      content.listeners.gm!.push(`udp:127.0.0.1:${free}`, `udp:127.0.0.1:${busy}`);
      content.policy = { callsPerUe: 3 };
    });
    expect(report.applied).toEqual([]);
    const [problem] = report.rejected;
    const line = readFileSync(lab.config.files.pcscf, 'utf8').split('\n');
    expect(problem).toMatchObject({ message: expect.stringContaining(`127.0.0.1:${busy}`) });
    expect(problem!.path).toMatch(/^listeners\.gm\.\d$/);
    expect(line[problem!.line - 1]).toContain(`udp:127.0.0.1:${busy}`);
    expect(await ask('pcscf', 'config.get', { key: 'policy.callsPerUe' })).toBe(64);
    expect((await lab.status('pcscf')).listeners).toEqual(before);
    expect(await isFreeForUdp(free)).toBe(true);
    taken.close();
    await once(taken, 'close');
    expect((await ask<ReloadReport>('pcscf', 'config.reload')).rejected).toEqual([]);
    expect(await ask('pcscf', 'config.get', { key: 'policy.callsPerUe' })).toBe(3);
    await rewrite('pcscf', (content) => {
      content.listeners.gm!.splice(-2);
      delete content.policy;
    });
  }, 20_000);

  it('can be set by a command, and the answer says where they come from', async () => {
    const port = await freePort();
    const gm = await ask<string[]>('pcscf', 'config.get', { key: 'listeners.gm' });
    const report = await ask<ReloadReport>('pcscf', 'config.set', {
      values: { 'listeners.gm': [...gm, `udp:127.0.0.1:${port}`] },
    });
    expect(report.applied).toEqual(['listeners.gm']);
    await lab.phone(5, { proxy: { address: '127.0.0.1', port } });
    const rows = await ask<ExplainedValue[]>('pcscf', 'config.explain', { key: 'listeners' });
    const fromOf = (value: string) => rows.find((row) => row.value === value)?.from;
    expect(fromOf(`udp:127.0.0.1:${port}`)).toBe('set while running');
    expect(fromOf(`udp:127.0.0.1:${lab.config.ports.mw}`)).toMatch(/pcscf\.\w+:\d+:\d+$/);
  }, 20_000);
});

describe('Diameter peers of nodes that run', () => {
  it('D-10 come and go without touching the connection of those that stay', async () => {
    const before = (await lab.status('icscf')).peers[0]!;
    const added = await rewrite('icscf', ({ diameter }) => {
      (diameter.peers as unknown[]).push({ host: 'hss2.ims.test', address: '127.0.0.1', port: 9 });
      diameter.reconnect = 1;
    });
    expect([...added.applied].sort()).toEqual(['diameter.peers', 'diameter.reconnect']);
    await until('the second one is tried in vain', async () =>
      (await lab.status('icscf')).peers.some(({ host, words }) => host === 'hss2.ims.test' && words.includes('9')),
    );
    expect((await lab.status('icscf')).peers[0]!.connectedSince).toBe(before.connectedSince);
    const removed = await rewrite('icscf', ({ diameter }) => {
      (diameter.peers as unknown[]).pop();
    });
    expect(removed.applied).toEqual(['diameter.peers']);
    expect((await lab.status('icscf')).peers.map(({ host }) => host)).toEqual([before.host]);
    await (await lab.open(6)).ue.register();
    expect((await lab.status('icscf')).peers[0]!.connectedSince).toBe(before.connectedSince);
  }, 20_000);

  it('D-07 are left alone while they are disabled, and called again when they are enabled', async () => {
    const host = lab.config.names.hss;
    const phone = await lab.open(7);
    expect(await ask('icscf', 'peers.disable', { host })).toMatchObject({ host });
    await until('it is closed', async () => (await lab.status('icscf')).peers[0]!.state === 'closed');
    expect((await lab.status('icscf')).peers[0]!.words).toContain('disabled by the administrator');
    expect(await phone.ue.register()).toMatchObject({ status: 504 });
    // What concerns other keys does not let it in again.
    await ask('icscf', 'config.set', { values: { 'diameter.timeout': 4 } });
    expect((await lab.status('icscf')).peers[0]!.state).toBe('closed');
    await ask('icscf', 'peers.enable', { host });
    await until('it is open', async () => (await lab.status('icscf')).peers[0]!.state.startsWith('open'));
    expect((await phone.ue.register()).registered).toBe(true);
    await expect(ask('icscf', 'peers.disable', { host: 'nobody' })).rejects.toThrow(`there are: ${host}`);
  }, 20_000);
});
