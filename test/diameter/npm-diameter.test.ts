import { createRequire } from 'node:module';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { DiameterClient } from '#diameter/client';
import { type DiameterMessage, readHopByHop } from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import { type ApplicationDefinition, type CommandDefinition, createDictionary } from '#diameter/dictionary/dictionary';
import { PeerTable } from '#diameter/peer/peer-table';
import { describeStrictHss } from './strict-hss.ts';

type Body = [string | number, unknown][];

/** As much of the npm package as is used; it has no types. */
interface NpmDiameter {
  createServer(options: object, listener: (socket: NpmSocket) => void): Server;
  createConnection(options: object, listener: () => void): NpmSocket;
}

type NpmSocket = Socket & { diameterConnection: NpmConnection };

interface NpmConnection {
  createRequest(application: string, command: string): { body: Body };
  sendRequest(request: { body: Body }): Promise<{ command: string; body: Body }>;
}

interface NpmEvent {
  message: { command: string; body: Body; header: { flags: Record<string, boolean> } };
  response: { body: Body };
  callback(response: { body: Body }): void;
}

process.noDeprecation = true;
const npmDiameter = createRequire(import.meta.url)('diameter') as NpmDiameter;
/** The package refuses to read the id of Cx. */
const creditControl: ApplicationDefinition = { name: 'Credit Control', id: 4, vendor: 0, stateless: false };
const creditControlCommand: CommandDefinition = {
  name: 'Credit-Control',
  code: 272,
  application: creditControl,
  required: [],
};
const base = 'Diameter Common Messages';
const names: Body = [
  ['Origin-Host', 'npm.test'],
  ['Origin-Realm', 'test'],
];

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function tableFor(peers: { host: string; address?: string; port?: number }[], watchdogMs = 40) {
  const words: string[] = [];
  const identity = { originHost: 'scscf.ims.test', originRealm: 'ims.test' };
  const table: PeerTable = new PeerTable(
    {
      onAnswer: (message) => client.onMessage(message),
      onRequest: (message) => client.onMessage(message),
      onLost: (hopByHop) => client.onFailed(hopByHop, 'peer-lost'),
      onEvent: (event) => words.push(event.words),
    },
    {
      identity,
      applications: [creditControl],
      peers,
      defaultPeers: peers.map(({ host }, priority) => ({ host, priority })),
      watchdogMs,
      watchdogJitterMs: 2,
      disconnectTimeoutMs: 200,
      reconnectMs: 50,
      reconnectCapMs: 50,
    },
  );
  const client: DiameterClient = new DiameterClient(
    {
      send: (message, route) => {
        if (!table.send(message, route)) client.onFailed(readHopByHop(message), 'no-peer');
      },
      answer: (message) => table.answer(message),
    },
    { worker: 3, identity, dictionary: createDictionary(baseAvps) },
  );
  cleanups.push(() => table.stop());
  return { table, client, words };
}

async function until(condition: () => boolean): Promise<void> {
  for (const endMs = Date.now() + 5000; Date.now() < endMs && !condition(); ) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(condition()).toBe(true);
}

/** A server of the package: `silent` commands get no answer, `result` is said to CERs. */
async function npmServer(host = 'npm.test', options: { silent?: string; result?: string } = {}) {
  const heard: NpmEvent['message'][] = [];
  const sockets: NpmSocket[] = [];
  const server = npmDiameter.createServer({}, (socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('diameterMessage' as 'data', (chunk: unknown) => {
      const event = chunk as NpmEvent;
      const { command } = event.message;
      heard.push(event.message);
      if (command === options.silent) return;
      const isCer = command === 'Capabilities-Exchange';
      const result = isCer ? (options.result ?? 'DIAMETER_SUCCESS') : 'DIAMETER_SUCCESS';
      event.response.body.push(['Result-Code', result], ['Origin-Host', host], ['Origin-Realm', 'test']);
      if (isCer) event.response.body.push(['Vendor-Id', 0], ['Product-Name', 'npm'], ['Auth-Application-Id', 4]);
      event.callback(event.response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { heard, sockets, peer: { host, address: '127.0.0.1', port } };
}

async function npmClient(port: number) {
  const socket = await new Promise<NpmSocket>((resolve) => {
    const made = npmDiameter.createConnection({ host: '127.0.0.1', port }, () => resolve(made));
  });
  socket.on('error', () => undefined);
  cleanups.push(() => socket.destroy());
  const ask = (command: string, body: Body) => {
    const request = socket.diameterConnection.createRequest(base, command);
    request.body = body;
    return socket.diameterConnection.sendRequest(request);
  };
  const cer: Body = [
    ...names,
    ['Host-IP-Address', '127.0.0.1'],
    ['Vendor-Id', 0],
    ['Product-Name', 'npm'],
    ['Auth-Application-Id', 4],
  ];
  return { socket, ask, cer };
}

const readOrigin = (answer: DiameterMessage) => answer.avps.text(baseAvps.originHost);

describe('the npm package as a server', () => {
  it('D-03 D-06 D-08 an independent server reads our CER, DWR and DPR, and we read its answers', async () => {
    const { heard, peer } = await npmServer();
    const { table, words } = tableFor([peer]);
    table.start();
    await until(() => heard.filter(({ command }) => command === 'Device-Watchdog').length >= 3);
    expect(table.status()[0]).toMatchObject({ state: 'open-initiator', productName: 'npm', applications: [4] });
    await table.stop();
    expect(heard.at(-1)?.command).toBe('Disconnect-Peer');
    expect(words).toHaveLength(3);
    const cer = new Map(heard[0]?.body as [string, unknown][]);
    expect(cer.get('Origin-Host')).toBe('scscf.ims.test');
    expect(cer.get('Host-IP-Address')).toBe('127.0.0.1');
    expect(cer.get('Vendor-Id')).toBe(0);
    expect(new Map(heard.at(-1)?.body as [string, unknown][]).get('Disconnect-Cause')).toBe('REBOOTING');
    for (const { header } of heard)
      expect(header.flags).toMatchObject({ request: true, proxiable: false, error: false });
  });

  it('D-06 D-07 gets our DWA and DPA when it asks, and our next try later', async () => {
    const { sockets, peer } = await npmServer();
    const { table, words } = tableFor([peer], 60_000);
    table.start();
    await until(() => table.status()[0]?.state === 'open-initiator');
    const connection = sockets[0]!.diameterConnection;
    const ask = (command: string, more: Body = []) => {
      const request = connection.createRequest(base, command);
      request.body = [...names, ...more];
      return connection.sendRequest(request);
    };
    expect((await ask('Device-Watchdog')).body).toContainEqual(['Result-Code', 'DIAMETER_SUCCESS']);
    const dpa = await ask('Disconnect-Peer', [['Disconnect-Cause', 'REBOOTING']]);
    expect(dpa.body).toContainEqual(['Origin-Host', 'scscf.ims.test']);
    await until(() => sockets.length === 2 && table.status()[0]?.state === 'open-initiator');
    expect(words.some((line) => line.startsWith('DPR from npm.test: it restarts'))).toBe(true);
  });

  it('D-04 is told apart in words when it wants no application of ours', async () => {
    const { peer } = await npmServer('npm.test', { result: 'DIAMETER_NO_COMMON_APPLICATION' });
    const { table } = tableFor([peer]);
    table.start();
    await until(() => table.status()[0]?.lastError !== undefined);
    expect(table.status()[0]?.lastError).toContain('CEA 5010 from npm.test: it offers no application of ours');
  });

  it('D-12 the second of two reads the T flag on what the first did not answer', async () => {
    const first = await npmServer('npm1.test', { silent: 'Credit-Control' });
    const second = await npmServer('npm2.test');
    const { table, client } = tableFor([first.peer, second.peer], 60_000);
    table.start();
    await until(() => table.status().every(({ state }) => state === 'open-initiator'));
    const outcome = client.request({ command: creditControlCommand, destinationRealm: 'test', avps: [] }, readOrigin);
    await until(() => first.heard.some(({ command }) => command === 'Credit-Control'));
    first.sockets[0]?.destroy();
    expect(await outcome).toBe('npm2.test');
    const flagsOf = ({ heard }: typeof first) =>
      heard.find(({ command }) => command === 'Credit-Control')?.header.flags;
    expect(flagsOf(first)).toMatchObject({ request: true, proxiable: true, potentiallyRetransmitted: false });
    expect(flagsOf(second)).toMatchObject({ request: true, proxiable: true, potentiallyRetransmitted: true });
  });
});

describe('the npm package as a client', () => {
  it('D-03 D-06 D-07 is accepted, gets its DWA, and its DPA with the end of the connection', async () => {
    const { table } = tableFor([{ host: 'npm.test' }], 60_000);
    const { port } = await table.listen(0, '127.0.0.1');
    const { socket, ask, cer } = await npmClient(port);
    const cea = await ask('Capabilities-Exchange', cer);
    expect(cea.command).toBe('Capabilities-Exchange');
    expect(cea.body).toContainEqual(['Result-Code', 'DIAMETER_SUCCESS']);
    expect(cea.body).toContainEqual(['Origin-Host', 'scscf.ims.test']);
    expect(cea.body).toContainEqual(['Auth-Application-Id', expect.anything()]);
    expect((await ask('Device-Watchdog', names)).body).toContainEqual(['Result-Code', 'DIAMETER_SUCCESS']);
    expect(table.status()[0]?.state).toBe('open-responder');
    const closed = new Promise((resolve) => socket.once('close', resolve));
    const dpa = await ask('Disconnect-Peer', [...names, ['Disconnect-Cause', 'DO_NOT_WANT_TO_TALK_TO_YOU']]);
    expect(dpa.body).toContainEqual(['Result-Code', 'DIAMETER_SUCCESS']);
    await closed;
    expect(table.status()[0]?.lastError).toBe('DPR from npm.test: it does not want to talk to us');
  });

  it('D-06 answers our DWRs, and D-08 our DPR', async () => {
    const { table } = tableFor([{ host: 'npm.test' }]);
    const { port } = await table.listen(0, '127.0.0.1');
    const { socket, ask, cer } = await npmClient(port);
    const heard: string[] = [];
    socket.on('diameterMessage' as 'data', (chunk: unknown) => {
      const event = chunk as NpmEvent;
      heard.push(event.message.command);
      event.response.body = [...names, ['Result-Code', 'DIAMETER_SUCCESS']];
      event.callback(event.response);
    });
    await ask('Capabilities-Exchange', cer);
    await until(() => heard.filter((command) => command === 'Device-Watchdog').length >= 3);
    expect(table.status()[0]?.state).toBe('open-responder');
    const startMs = Date.now();
    await table.stop();
    expect(heard.at(-1)).toBe('Disconnect-Peer');
    expect(Date.now() - startMs).toBeLessThan(2_000);
  });

  it('D-04 reads 3010 when it is no peer of ours, D-14 3001 for a command between neighbours that is not served', async () => {
    const stranger = tableFor([{ host: 'other.test' }]);
    const refused = await npmClient((await stranger.table.listen(0, '127.0.0.1')).port);
    const cea = await refused.ask('Capabilities-Exchange', refused.cer);
    expect(cea.body).toContainEqual(['Result-Code', 'DIAMETER_UNKNOWN_PEER']);
    expect(cea.body).toContainEqual(['Error-Message', 'npm.test is not a peer of ours']);
    const known = tableFor([{ host: 'npm.test' }], 60_000);
    const { ask, cer } = await npmClient((await known.table.listen(0, '127.0.0.1')).port);
    await ask('Capabilities-Exchange', cer);
    const answer = await ask('Re-Auth', [['Session-Id', 's'], ...names]);
    expect(answer.body).toContainEqual(['Result-Code', 'DIAMETER_COMMAND_UNSUPPORTED']);
  });
});

describeStrictHss();
