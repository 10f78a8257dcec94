import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { DiameterClient } from '#diameter/client';
import { readHopByHop } from '#diameter/codec/message';
import { CxClient } from '#diameter/cx/cx-client';
import { multimediaAuthAnswer, readMultimediaAuth } from '#diameter/cx/cx-server';
import { cxApplication, cxCommands, cxDictionary } from '#diameter/dictionary/cx';
import { PeerTable } from '#diameter/peer/peer-table';
import { baseResult } from '#diameter/result';

/**
 * node bench/diameter-round-trips.ts [RATE [SECONDS]]: MAR and MAA over one connection on loopback, the HSS in a thread
 * of its own. First at a steady rate (5,000/s for 5 s), each latency counted from when the request was due; then as many
 * as go with 64 under way. Exit status 1 when the p99 of the steady part is 10 ms or more, or a request fails.
 */
const goalMs = 10;
const underWay = 64;
const identities = { hss: 'hss.ims.test', scscf: 'scscf.ims.test' };
const realm = 'ims.test';

const item = {
  itemNumber: 1,
  scheme: 'Digest-AKAv1-MD5',
  rand: Buffer.alloc(16, 1),
  autn: Buffer.alloc(16, 2),
  xres: Buffer.alloc(8, 3),
  ck: Buffer.alloc(16, 4),
  ik: Buffer.alloc(16, 5),
};

if (isMainThread) process.exitCode = await main(Number(process.argv[2] ?? 5000), Number(process.argv[3] ?? 5));
else await serve();

/** A table with a client behind it, joined as the lab's HSS joins them. */
function open(originHost: string, hssPort?: number): { table: PeerTable; client: DiameterClient } {
  const identity = { originHost, originRealm: realm };
  const table: PeerTable = new PeerTable(
    {
      onAnswer: (message) => client.onMessage(message),
      onRequest: (message) => client.onMessage(message),
      onLost: (hopByHop) => client.onFailed(hopByHop, 'peer-lost'),
      onEvent: () => undefined,
    },
    {
      identity,
      applications: [cxApplication],
      peers: hssPort === undefined ? [] : [{ host: identities.hss, address: '127.0.0.1', port: hssPort }],
      acceptUnknown: hssPort === undefined,
    },
  );
  const client: DiameterClient = new DiameterClient(
    {
      send: (message, route) => {
        if (!table.send(message, route)) client.onFailed(readHopByHop(message), 'no-peer');
      },
      answer: (message) => table.answer(message),
    },
    { worker: 0, identity, dictionary: cxDictionary },
  );
  return { table, client };
}

async function serve(): Promise<void> {
  const { client, table } = open(identities.hss);
  client.handle(cxCommands.multimediaAuth, (request) => {
    const { impi, impu } = readMultimediaAuth(request);
    return multimediaAuthAnswer({ result: baseResult(2001), impi, impu, items: [item] });
  });
  const { port } = await table.listen(0, '127.0.0.1');
  parentPort!.on('message', () => void table.stop().then(() => parentPort!.close()));
  parentPort!.postMessage(port);
}

async function main(rate: number, seconds: number): Promise<number> {
  const hss = new Worker(fileURLToPath(import.meta.url));
  const port = await new Promise<number>((resolve) => hss.once('message', resolve));
  const { client, table } = open(identities.scscf, port);
  table.start();
  while (table.status()[0]?.state !== 'open-initiator') await new Promise((resolve) => setTimeout(resolve, 5));
  const cx = new CxClient(client, { homeRealm: realm });
  let failed = 0;
  let number = 0;
  const ask = async (): Promise<void> => {
    const user = `00101${String(number++ % 1_000_000).padStart(10, '0')}@${realm}`;
    const answer = await cx.multimediaAuth({
      impi: user,
      impu: `sip:${user}`,
      serverName: 'sip:scscf.ims.test:6060',
      scheme: 'Digest-AKAv1-MD5',
    });
    if (answer.failure !== undefined || answer.items[0]?.xres === undefined) failed++;
  };

  await flatOut(ask, 1);
  const latencies = await steady(ask, rate, seconds);
  const { user, system } = process.cpuUsage();
  const most = await flatOut(ask, 2);
  const used = process.cpuUsage({ user, system });
  const at = (share: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  const words = [0.5, 0.9, 0.99, 0.999, 1].map((share) => `p${share * 100} ${at(share).toFixed(2)} ms`);
  console.log(`${(latencies.length / seconds).toFixed(0)} round trips/s of ${rate}/s asked for: ${words.join(', ')}`);
  const cpuUs = (used.user + used.system) / (most * 2);
  console.log(
    `${most.toFixed(0)} round trips/s with ${underWay} under way, ${cpuUs.toFixed(1)} us of both sides' time each`,
  );
  console.log(`${failed} failed`);
  client.stop();
  await table.stop();
  hss.postMessage('stop');
  return failed > 0 || at(0.99) >= goalMs || latencies.length < rate * seconds ? 1 : 0;
}

/** Sends at a rate whatever comes back; gives the latencies in milliseconds, sorted, from when each request was due. */
async function steady(ask: () => Promise<void>, rate: number, seconds: number): Promise<number[]> {
  const latencies: number[] = [];
  const pending: Promise<void>[] = [];
  const startMs = performance.now();
  for (let sent = 0; sent < rate * seconds; ) {
    const due = Math.min(rate * seconds, Math.floor(((performance.now() - startMs) / 1000) * rate));
    for (; sent < due; sent++) {
      const dueMs = startMs + (sent * 1000) / rate;
      pending.push(ask().then(() => void latencies.push(performance.now() - dueMs)));
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(pending);
  return latencies.sort((a, b) => a - b);
}

/** Keeps so many under way for a time; gives round trips per second. */
async function flatOut(ask: () => Promise<void>, seconds: number): Promise<number> {
  const endMs = performance.now() + seconds * 1000;
  let done = 0;
  const one = async () => {
    for (; performance.now() < endMs; done++) await ask();
  };
  await Promise.all(Array.from({ length: underWay }, one));
  return done / seconds;
}
