import { createRequire } from 'node:module';
import type { AddressInfo, Server, Socket } from 'node:net';
import { expect, it } from 'vitest';
import type { ApplicationDefinition } from '#diameter/dictionary/dictionary';
import { PeerTable } from '#diameter/peer/peer-table';
import { describeStrictHss } from './strict-hss.ts';

type Body = [string | number, unknown][];

/** As much of the npm package as is used; it has no types. */
interface NpmDiameter {
  createServer(options: object, listener: (socket: Socket) => void): Server;
  createConnection(options: object, listener: () => void): Socket & { diameterConnection: NpmConnection };
}

interface NpmConnection {
  createRequest(application: string, command: string): { body: Body };
  sendRequest(request: { body: Body }): Promise<{ command: string; body: Body }>;
}

interface NpmEvent {
  message: { command: string; body: Body };
  response: { body: Body };
  callback(response: { body: Body }): void;
}

process.noDeprecation = true;
const npmDiameter = createRequire(import.meta.url)('diameter') as NpmDiameter;
/** The package refuses to read the id of Cx. */
const creditControl: ApplicationDefinition = { name: 'Credit Control', id: 4, vendor: 0, stateless: false };

function tableFor(peers: { host: string; address?: string; port?: number }[]) {
  const words: string[] = [];
  const table = new PeerTable(
    {
      onAnswer: () => undefined,
      onRequest: () => undefined,
      onLost: () => undefined,
      onEvent: (event) => words.push(event.words),
    },
    {
      identity: { originHost: 'scscf.ims.test', originRealm: 'ims.test' },
      applications: [creditControl],
      peers,
      watchdogMs: 40,
      watchdogJitterMs: 2,
      disconnectTimeoutMs: 200,
    },
  );
  return { table, words };
}

async function until(condition: () => boolean): Promise<void> {
  for (const endMs = Date.now() + 5000; Date.now() < endMs && !condition(); ) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(condition()).toBe(true);
}

it('D-03 D-06 D-08 an independent server reads our CER, DWR and DPR, and we read its answers', async () => {
  const heard: string[] = [];
  const cer: Body[] = [];
  const server = npmDiameter.createServer({}, (socket) => {
    socket.on('error', () => undefined);
    socket.on('diameterMessage' as 'data', (chunk: unknown) => {
      const event = chunk as NpmEvent;
      heard.push(event.message.command);
      if (event.message.command === 'Capabilities-Exchange') cer.push(event.message.body);
      event.response.body.push(
        ['Result-Code', 'DIAMETER_SUCCESS'],
        ['Origin-Host', 'npm.test'],
        ['Origin-Realm', 'test'],
      );
      if (event.message.command === 'Capabilities-Exchange') {
        event.response.body.push(['Vendor-Id', 0], ['Product-Name', 'npm'], ['Auth-Application-Id', 4]);
      }
      event.callback(event.response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const { table, words } = tableFor([{ host: 'npm.test', address: '127.0.0.1', port }]);
  table.start();
  await until(() => heard.filter((command) => command === 'Device-Watchdog').length >= 3);
  expect(table.status()[0]).toMatchObject({ state: 'open-initiator', productName: 'npm', applications: [4] });
  await table.stop();
  expect(heard.at(-1)).toBe('Disconnect-Peer');
  expect(words).toHaveLength(3);
  const names = new Map(cer[0] as [string, unknown][]);
  expect(names.get('Origin-Host')).toBe('scscf.ims.test');
  expect(names.get('Host-IP-Address')).toBe('127.0.0.1');
  server.close();
});

it('D-03 D-06 an independent client is accepted and gets its DWA', async () => {
  const { table } = tableFor([{ host: 'npm.test' }]);
  const { port } = await table.listen(0, '127.0.0.1');
  const socket = await new Promise<ReturnType<NpmDiameter['createConnection']>>((resolve) => {
    const made = npmDiameter.createConnection({ host: '127.0.0.1', port }, () => resolve(made));
  });
  const connection = socket.diameterConnection;
  const names: Body = [
    ['Origin-Host', 'npm.test'],
    ['Origin-Realm', 'test'],
  ];
  const cer = connection.createRequest('Diameter Common Messages', 'Capabilities-Exchange');
  cer.body = [
    ...names,
    ['Host-IP-Address', '127.0.0.1'],
    ['Vendor-Id', 0],
    ['Product-Name', 'npm'],
    ['Auth-Application-Id', 4],
  ];
  const cea = await connection.sendRequest(cer);
  expect(cea.command).toBe('Capabilities-Exchange');
  expect(cea.body).toContainEqual(['Result-Code', 'DIAMETER_SUCCESS']);
  expect(cea.body).toContainEqual(['Origin-Host', 'scscf.ims.test']);
  const dwr = connection.createRequest('Diameter Common Messages', 'Device-Watchdog');
  dwr.body = names;
  expect((await connection.sendRequest(dwr)).body).toContainEqual(['Result-Code', 'DIAMETER_SUCCESS']);
  expect(table.status()[0]?.state).toBe('open-responder');
  socket.destroy();
  await table.stop();
});

describeStrictHss();
