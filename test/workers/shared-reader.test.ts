import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ReaderShare } from '#workers/reader-share';
import { eventually, type Rig, startRig, tell } from './rig.ts';

beforeAll(() => {
  process.env.CSCF_TEST_TRIGGER = '1';
});

let rig: Rig;

const calls = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name}-${i}`);

/** Sends one INVITE for each Call-ID and gives which worker took it. */
async function invite(callIds: readonly string[], extra = ''): Promise<Map<string, number>> {
  const before = rig.client.answers.length;
  for (const callId of callIds) rig.client.send('INVITE', callId, extra);
  const answers = await rig.client.until(before + callIds.length);
  return new Map(answers.slice(before).map(({ callId, worker }) => [callId, worker]));
}

/** Calls that each take 2 ms to handle, until some went to another thread; gives their owners. */
async function press(name: string): Promise<Map<string, number>> {
  const owners = new Map<string, number>();
  for (let round = 0; new Set(owners.values()).size < 2; round++) {
    for (const [callId, owner] of await invite(calls(`${name}-${round}`, 10), 'X-Busy: 2\r\n'))
      owners.set(callId, owner);
  }
  return owners;
}

describe('the share of the reading thread', () => {
  it('is everything while it has time, falls while it is busy, and comes back', () => {
    const share = new ReaderShare();
    const taken = () => Array.from({ length: 100 }, () => share.take()).filter(Boolean).length;
    for (let i = 0; i < 20; i++) share.note(0.3);
    expect(taken()).toBe(100);
    for (let i = 0; i < 3; i++) share.note(1);
    expect(taken()).toBeGreaterThan(40);
    expect(taken()).toBeLessThan(70);
    for (let i = 0; i < 20; i++) share.note(1);
    expect(taken()).toBe(0);
    for (let i = 0; i < 20; i++) share.note(0.2);
    expect(taken()).toBe(100);
  });
});

describe('worker pool whose first worker is on the reading thread', () => {
  afterEach(() => rig.stop());

  it('wakes no other thread while the reading one has time', async () => {
    rig = await startRig(3, { reader: 'shared' });
    // What the start of the threads has cost is forgotten first.
    await eventually(
      async () => [...(await invite(calls(`few-${rig.client.answers.length}`, 20))).values()],
      (owners) => owners.every((owner) => owner === 0),
    );
    const before = rig.workers.counts(1).messages + rig.workers.counts(2).messages;
    for (let i = 0; i < 30; i++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      await invite(calls(`one-${i}`, 1));
    }
    // A busy machine may take the thread its time.
    expect(rig.workers.counts(1).messages + rig.workers.counts(2).messages).toBeLessThan(before + 10);
    for (const worker of [0, 1, 2]) expect(await tell(rig, worker)).toMatchObject({ worker, config: { name: 'test' } });
  });

  it('C-35 gives others what it has no time for, and everything of a call to its owner, in order', async () => {
    rig = await startRig(2, { reader: 'shared' });
    const owners = await press('many');
    const before = rig.client.answers.length;
    const few = [...owners].slice(-20);
    for (let seq = 0; seq < 10; seq++) {
      for (const [callId] of few) rig.client.send('INFO', callId, `X-Seq: ${seq}\r\n`);
      await rig.client.until(before + (seq + 1) * few.length);
    }
    const answers = rig.client.answers.slice(before);
    for (const [callId, owner] of few) {
      const own = answers.filter((answer) => answer.callId === callId);
      expect(own.every(({ worker }) => worker === owner)).toBe(true);
      expect(own.map(({ seq }) => Number(seq))).toEqual(Array.from({ length: 10 }, (_, i) => i));
    }
    // Once there is time again, new calls stay here.
    await eventually(
      async () => new Set((await invite(calls(`later-${rig.client.answers.length}`, 5))).values()),
      (workers) => workers.size === 1 && workers.has(0),
    );
  });

  it('X-R14 takes everything itself while the other worker is busy', async () => {
    rig = await startRig(2, { reader: 'shared' });
    rig.workers.trigger(1, 'busy', 1500);
    const answer = rig.workers.ask(1, 'tell');
    await eventually(
      () => rig.workers.counts(1).state,
      (state) => state === 'busy',
    );
    const owners = await invite(calls('busy', 30), 'X-Busy: 2\r\n');
    expect(new Set(owners.values())).toEqual(new Set([0]));
    await answer;
  });

  it('X-R1 replaces a thread that dies; calls of the reading thread do not notice', async () => {
    const crashes: number[] = [];
    rig = await startRig(2, { reader: 'shared', onCrash: (worker) => crashes.push(worker) });
    const owners = await press('dying');
    rig.workers.trigger(1, 'crash');
    await eventually(
      () => rig.workers.counts(1),
      ({ restarts, state }) => restarts === 1 && state === 'serving',
    );
    expect(crashes).toEqual([1]);
    const before = rig.client.answers.length;
    for (const callId of owners.keys()) rig.client.send('INFO', callId);
    const answers = (await rig.client.until(before + owners.size)).slice(before);
    for (const { callId, worker } of answers) if (owners.get(callId) === 0) expect(worker).toBe(0);
  });

  it('carries messages between the worker here and those in threads, in order', async () => {
    rig = await startRig(3, { reader: 'shared' });
    const owners = await press('relay');
    const relays = [...owners.keys()];
    for (const [i, callId] of relays.entries()) {
      rig.client.send('OPTIONS', callId, `X-Relay: ${i % 3}\r\n`);
      await rig.client.until(rig.client.answers.length + 1);
    }
    for (const to of [0, 1, 2]) {
      const expected = (from: number) =>
        relays
          .filter((callId, i) => i % 3 === to && owners.get(callId) === from)
          .flatMap((callId) => [0, 1, 2].map((i) => `${callId} ${i} \u20ac\xff`));
      const { heard } = await eventually(
        () => tell(rig, to),
        (told) => told.heard.length >= [0, 1, 2].flatMap(expected).length,
      );
      for (const from of [0, 1, 2])
        expect(heard.filter(([sender]) => sender === from).map(([, , payload]) => payload)).toEqual(expected(from));
    }
  });

  it('D-09 D-11 brings Diameter to the worker that asked, or whose session a request names, and restarts to all', async () => {
    rig = await startRig(2, { reader: 'shared', ownerOfRequest: (message) => (message.length > 20 ? 1 : -1) });
    const answered: string[] = [];
    rig.side.attachDiameter({ send: () => true, answer: (message) => answered.push(String(message)) });
    for (const worker of [0, 1]) {
      const answer = Buffer.alloc(24);
      answer.writeUInt32BE(worker * 2 ** 26 + 5, 12);
      rig.side.onDiameter(answer);
      const { trail } = await eventually(
        () => tell(rig, worker),
        (told) => told.trail.some((line) => line.startsWith('diameter ')),
      );
      expect(trail).toContain(`diameter ${answer.toString('hex')}`);
    }
    for (const length of [20, 24]) {
      const request = Buffer.alloc(length);
      request[4] = 0x80;
      rig.side.onDiameter(request);
      await eventually(
        () => answered.length,
        (count) => count === (length === 20 ? 1 : 2),
      );
    }
    expect(answered).toEqual(['answer of 0', 'answer of 1']);
    rig.side.onPeerRestarted('pcrf.ims.test');
    for (const worker of [0, 1]) {
      await eventually(
        () => tell(rig, worker),
        ({ trail }) => trail.includes('restarted pcrf.ims.test'),
      );
    }
  });

  it('C-14 tells every worker of the end of a connection, and the one that sent of a failed send', async () => {
    rig = await startRig(2, { reader: 'shared' });
    const socket = connect(rig.tcpPort, '127.0.0.1');
    await once(socket, 'connect');
    socket.write('OPTIONS sip:x SIP/2.0\r\nCall-ID: tcp\r\nContent-Length: 0\r\n\r\n');
    await once(socket, 'data');
    socket.destroy();
    for (const worker of [0, 1]) {
      await eventually(
        () => tell(rig, worker),
        ({ trail }) => trail.includes('closed 1'),
      );
    }
    const owners = await invite(['dead'], 'X-Dead-Port: 0\r\n');
    await eventually(
      () => tell(rig, owners.get('dead')),
      (told) => told.trail.includes('failed 4242 unreachable'),
    );
  });

  it('C-15 finishes what was handed over before it stops', async () => {
    rig = await startRig(2, { reader: 'shared' });
    rig.workers.trigger(1, 'busy', 200);
    const sent = 60;
    for (let i = 0; i < sent; i++) rig.client.send('OPTIONS', `last-${i}`, 'X-Busy: 2\r\n');
    await eventually(
      () => rig.workers.counts(0).messages + rig.workers.counts(1).messages,
      (messages) => messages === sent,
    );
    await rig.workers.stop();
    await rig.client.until(sent);
    expect([0, 1].map((worker) => rig.workers.counts(worker).state)).toEqual(['ended', 'ended']);
  });
});
