import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { DiameterClient } from '#diameter/client';
import { readHopByHop } from '#diameter/codec/message';
import { rxApplication, rxDictionary } from '#diameter/dictionary/rx';
import { PeerTable } from '#diameter/peer/peer-table';
import { baseResult } from '#diameter/result';
import { RxClient } from '#diameter/rx/rx-client';
import { freePort } from '../../free-port.ts';
import { Child } from '../../service/child.ts';
import { cleanups, until } from '../peer/peer-rig.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** A PCRF that listens on loopback and knows how to ask. */
async function pcrf() {
  const identity = { originHost: 'pcrf.ims.test', originRealm: 'ims.test' };
  const table: PeerTable = new PeerTable(
    {
      onAnswer: (message) => client.onMessage(message),
      onRequest: (message) => client.onMessage(message),
      onLost: (hopByHop) => client.onFailed(hopByHop, 'peer-lost'),
      onEvent: () => undefined,
    },
    { identity, applications: [rxApplication], peers: [], acceptUnknown: true },
  );
  const client: DiameterClient = new DiameterClient(
    {
      send(message, route) {
        if (!table.send(message, route)) client.onFailed(readHopByHop(message), 'no-peer');
      },
      answer: (message) => table.answer(message),
    },
    { worker: 0, identity, dictionary: rxDictionary },
  );
  cleanups.push(() => table.stop());
  const { port } = await table.listen(0, '127.0.0.1');
  return { table, port, rx: new RxClient(client, { realm: 'ims.test' }) };
}

it('D-03 P-127 P-128 a P-CSCF with Diameter peers offers Rx, and every worker answers 5002 for sessions it does not hold', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pcscf-rx-'));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  const { port, rx, table } = await pcrf();
  const [gm, mw] = [await freePort(), await freePort()];
  const pcscf = new Child(join(root, 'bin/pcscf'), [
    '--config',
    join(root, 'config/pcscf.yaml'),
    ...['--set', `listeners={gm: [udp:127.0.0.1:${gm}], mw: [udp:127.0.0.1:${mw}]}`],
    ...['--set', `diameter={peers: [{host: pcrf.ims.test, address: 127.0.0.1, port: ${port}}]}`],
    ...['--set', 'workers=2'],
    ...['--set', `store={path: ${join(folder, 'store')}}`],
    ...['--set', `management={socket: ${join(folder, 'pcscf.sock')}}`],
  ]);
  cleanups.push(async () => {
    pcscf.process.kill('SIGTERM');
    await pcscf.ended;
  });
  await pcscf.printed('ready');
  const peer = () => table.status().find(({ host }) => host === 'pcscf.ims.test');
  await until(() => peer()?.state.startsWith('open') === true, 'the P-CSCF has connected');
  expect(peer()?.applications).toContain(rxApplication.id);
  const destinationHost = 'pcscf.ims.test';
  for (const sessionId of ['pcscf.ims.test;1;1', 'pcscf.ims.test;1;1;1', 'somebody.else;1;1', 'no such thing']) {
    const rar = await rx.reAuth({ sessionId, destinationHost, specificActions: [2] });
    const asr = await rx.abort({ sessionId, destinationHost, cause: 0 });
    const unknown = { result: baseResult(5002), originHost: 'pcscf.ims.test' };
    expect([rar, asr], sessionId).toMatchObject([unknown, unknown]);
  }
}, 60_000);
