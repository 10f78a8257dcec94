import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually, type Rig, startRig, tell } from './rig.ts';

const hasV6 = Object.values(networkInterfaces()).some((list) => list?.some((entry) => entry.address === '::1'));
const addresses = hasV6 ? ['127.0.0.1', '::1'] : ['127.0.0.1'];
const cases = addresses.flatMap((address) => (['auto', 'dgram'] as const).map((udp) => ({ address, udp })));

let rig: Rig;
afterEach(() => rig.stop());

/** A port on which nobody listens. */
async function deadPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

describe.each(cases)('transport side with an inline worker, UDP $udp on $address', ({ udp, address }) => {
  it('hands a datagram to the worker in a batch and sends its answer', async () => {
    rig = await startRig(1, { udp, address });
    rig.client.send('OPTIONS', 'one');
    const [answer] = await rig.client.until(1);
    expect(answer).toMatchObject({ callId: 'one', worker: 0 });
    expect((await tell(rig)).trail).toEqual(['begin', 'sip one', 'end']);
  });

  it('sends what a continuation sends after the batch', async () => {
    rig = await startRig(1, { udp, address });
    rig.client.send('OPTIONS', 'late', 'X-Late: 1\r\n');
    expect((await rig.client.until(1))[0]?.callId).toBe('late');
  });
});

describe('transport side with an inline worker', () => {
  it('serves TCP, and tells of the end of a connection', async () => {
    rig = await startRig(1);
    const socket = connect(rig.tcpPort, '127.0.0.1');
    socket.write('OPTIONS sip:x SIP/2.0\r\nCall-ID: tcp1\r\nContent-Length: 0\r\n\r\n');
    const [chunk] = await once(socket, 'data');
    expect(String(chunk)).toMatch(/^SIP\/2.0 200 OK\r\nX-Worker: 0\r\nCall-ID: tcp1\r\n/);
    socket.destroy();
    const { trail } = await eventually(
      () => tell(rig),
      (told) => told.trail.length >= 6,
    );
    expect(trail).toEqual(['begin', 'sip tcp1', 'end', 'begin', 'closed 1', 'end']);
  });

  it('C-14 tells of a failed send in a batch of its own', async () => {
    rig = await startRig(1);
    rig.client.send('OPTIONS', 'dead', `X-Dead-Port: ${await deadPort()}\r\n`);
    const { trail } = await eventually(
      () => tell(rig),
      (told) => told.trail.length >= 6,
    );
    expect(trail).toEqual(['begin', 'sip dead', 'end', 'begin', 'failed 4242 refused', 'end']);
    rig.client.send('OPTIONS', 'none', 'X-Dead-Port: 0\r\n');
    const later = await eventually(
      () => tell(rig),
      (told) => told.trail.length >= 12,
    );
    expect(later.trail.slice(6)).toEqual(['begin', 'sip none', 'end', 'begin', 'failed 4242 unreachable', 'end']);
  });

  it('delivers a message of the worker to itself in the next batch', async () => {
    rig = await startRig(1);
    rig.client.send('OPTIONS', 'self', 'X-Relay: 0\r\n');
    const { heard } = await eventually(
      () => tell(rig),
      (told) => told.heard.length >= 3,
    );
    expect(heard).toEqual([0, 1, 2].map((i) => [0, 7, `self ${i} \u20ac\xff`]));
  });

  it('gives Diameter requests to the peers, and their answers and failures to the worker', async () => {
    rig = await startRig(1);
    rig.client.send('OPTIONS', 'd1', 'X-Diameter: nowhere\r\n');
    await eventually(
      () => tell(rig),
      (told) => told.trail.includes('diameter failed 77 no-peer'),
    );
    const sent: unknown[] = [];
    const answered: Buffer[] = [];
    rig.side.attachDiameter({
      send: (message, route) => sent.push([message.readUInt32BE(12), route]) > 0,
      answer: (message) => answered.push(message),
    });
    rig.client.send('OPTIONS', 'd2', 'X-Diameter: home\r\n');
    await rig.client.until(2);
    expect(sent).toEqual([[77, { application: 16_777_216, realm: 'home', host: 'hss' }]]);
    const request = Buffer.alloc(20);
    request[4] = 0x80;
    rig.side.onDiameter(request);
    expect(answered.map(String)).toEqual(['answer of 0']);
    rig.side.onDiameterFailed(77, 'peer-lost');
    expect((await tell(rig)).trail.slice(-3)).toEqual(['begin', 'diameter failed 77 peer-lost', 'end']);
  });

  it('opens all listeners or none', async () => {
    rig = await startRig(1);
    const { TransportSide } = await import('#workers/transport-side');
    const free = { index: 0, sides: ['mw'], transport: 'tcp', address: '127.0.0.1', port: 0, sentBy: 'x' } as const;
    const taken = { ...free, index: 1, port: rig.tcpPort };
    const side = new TransportSide({ listeners: [free, taken], udp: 'auto', nowMs: () => 0 });
    await expect(side.open()).rejects.toMatchObject({ code: 'ERR_SIP_LISTEN' });
    const socket = connect(side.portOf(0), '127.0.0.1');
    const [error] = await once(socket, 'error');
    expect((error as NodeJS.ErrnoException).code).toBe('ECONNREFUSED');
  });
});
