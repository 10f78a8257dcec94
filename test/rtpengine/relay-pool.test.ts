import { createSocket } from 'node:dgram';
import { afterEach, describe, expect, it } from 'vitest';
import { NgClient } from '#rtpengine/ng-client';
import { RelayPool } from '#rtpengine/relay-pool';
import { freePort } from '../free-port.ts';
import { type ScriptedRelay, startScriptedRelay } from './scripted-relay.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

async function relay(): Promise<ScriptedRelay> {
  const started = await startScriptedRelay();
  open.push(started);
  return started;
}

function client(port: number, timeoutMs = 150): NgClient {
  const made = new NgClient({ address: '127.0.0.1', port, timeoutMs });
  open.push(made);
  return made;
}

const ping = new Map([['command', 'ping']]);

describe('commands to an rtpengine', () => {
  it('P-142 a lost datagram is sent again, and its copies are one command', async () => {
    const peer = await relay();
    peer.script = { loses: 1, delayMs: 80 };
    expect(await client(peer.endpoint.port, 300).send(ping)).toMatchObject({ ok: true });
    expect(peer.names()).toEqual(['ping']);
  });

  it('P-142 silence, a port where nobody listens and an error come back as words', async () => {
    const peer = await relay();
    peer.script = { silent: true };
    expect(await client(peer.endpoint.port).send(ping)).toMatchObject({ ok: false, silent: true });
    expect(await client(await freePort()).send(ping)).toMatchObject({ ok: false, silent: true });
    peer.script = { fails: ['ping'] };
    const refused = await client(peer.endpoint.port).send(ping);
    expect(refused).toEqual({ ok: false, silent: false, words: 'it is scripted so' });
  });

  it('P-142 answers that are no answers: without or with another cookie, malformed, of no result', async () => {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    open.push(socket);
    socket.on('message', (octets, { port }) => {
      const cookie = octets.toString('latin1').split(' ', 1)[0];
      for (const text of ['', 'd', 'other d6:result2:oke', `${cookie} 3:abc`]) socket.send(text, port, '127.0.0.1');
    });
    const result = await client(socket.address().port).send(ping);
    expect(result).toMatchObject({ ok: false, silent: false });
  });

  it('P-142 what is under way when the node stops ends at once', async () => {
    const peer = await relay();
    peer.script = { silent: true };
    const asking = client(peer.endpoint.port, 60_000);
    const result = asking.send(ping);
    await new Promise((resolve) => setTimeout(resolve, 20));
    asking.close();
    expect(await result).toMatchObject({ ok: false });
    expect(await asking.send(ping)).toMatchObject({ ok: false });
  });

  it('P-142 calls take turns; a silent relay is passed over until its time is up', async () => {
    const [one, two] = [await relay(), await relay()];
    let nowMs = 0;
    const pool = new RelayPool({ relays: [one.endpoint, two.endpoint], timeoutMs: 60, nowMs: () => nowMs });
    open.push(pool);
    for (let i = 0; i < 4; i++) expect((await pool.begin(ping)).result.ok).toBe(true);
    expect([one.commands.length, two.commands.length]).toEqual([2, 2]);
    one.script = { silent: true };
    for (let i = 0; i < 4; i++) expect((await pool.begin(ping)).result.ok).toBe(true);
    expect([one.commands.length, two.commands.length]).toEqual([2, 6]);
    one.script = {};
    nowMs = 31_000;
    for (let i = 0; i < 4; i++) await pool.begin(ping);
    expect(one.commands.length).toBe(4);
  });
});
