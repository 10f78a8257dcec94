import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually, type Rig, startRig, tell } from './rig.ts';

beforeAll(() => {
  process.env.CSCF_TEST_TRIGGER = '1';
});

let rig: Rig;
afterEach(() => rig.stop());

const calls = (from: number, count: number) => Array.from({ length: count }, (_, i) => `call-${from + i}`);
const states = (count: number) => Array.from({ length: count }, (_, i) => rig.workers.counts(i).state);

/** Sends one INVITE for each Call-ID and gives which worker took it. */
async function invite(callIds: readonly string[], extra = ''): Promise<Map<string, number>> {
  const before = rig.client.answers.length;
  for (const callId of callIds) rig.client.send('INVITE', callId, extra);
  const answers = await rig.client.until(before + callIds.length);
  return new Map(answers.slice(before).map(({ callId, worker }) => [callId, worker]));
}

describe('worker pool behind a dedicated reader', () => {
  it('gives every worker its share of the calls and its configuration', async () => {
    rig = await startRig(3);
    const owners = [...(await invite(calls(0, 150))).values()];
    for (const worker of [0, 1, 2]) {
      expect(owners.filter((owner) => owner === worker).length).toBeGreaterThan(30);
      expect(await tell(rig, worker)).toMatchObject({ worker, config: { name: 'test' } });
    }
    expect([0, 1, 2].reduce((sum, worker) => sum + rig.workers.counts(worker).messages, 0)).toBe(150);
  });

  it('C-35 brings everything of a call to its owner, in order', async () => {
    rig = await startRig(2);
    const owners = await invite(calls(0, 40));
    const before = rig.client.answers.length;
    for (let seq = 0; seq < 20; seq += 2) {
      // Two at a time for each call: more than that would overrun the test's own socket.
      for (const n of [seq, seq + 1])
        for (const callId of owners.keys()) rig.client.send('INFO', callId, `X-Seq: ${n}\r\n`);
      await rig.client.until(before + (seq + 2) * 40);
    }
    const answers = rig.client.answers.slice(before);
    for (const [callId, owner] of owners) {
      const own = answers.filter((answer) => answer.callId === callId);
      expect(own.every(({ worker }) => worker === owner)).toBe(true);
      expect(own.map(({ seq }) => Number(seq))).toEqual(Array.from({ length: 20 }, (_, i) => i));
    }
  });

  it('frees a call that has ended', async () => {
    rig = await startRig(2);
    const seen = new Set<number>();
    for (let i = 0; i < 40 && seen.size < 2; i++) {
      for (const method of ['INVITE', 'BYE']) {
        rig.client.send(method, 'the-same');
        const answers = await rig.client.until(rig.client.answers.length + 1);
        seen.add(answers.at(-1)!.worker);
      }
    }
    expect(seen.size).toBe(2);
  });

  it('X-R14 gives a busy worker no new calls, and what belongs to its calls when it is back', async () => {
    rig = await startRig(2);
    const owners = await invite(calls(0, 30));
    const busy = owners.get('call-0')!;
    const before = rig.client.answers.length;
    expect(rig.workers.trigger(busy, 'busy', 3000)).toBe(true);
    let sent = 0;
    await eventually(
      () => {
        rig.client.send('INFO', 'call-0', `X-Seq: ${++sent}\r\n`);
        return rig.workers.counts(busy).state;
      },
      (state) => state === 'busy',
    );
    const fresh = await invite(calls(100, 50));
    expect([...fresh.values()].every((worker) => worker === 1 - busy)).toBe(true);
    rig.client.send('INFO', 'call-0', `X-Seq: ${++sent}\r\n`);
    const answers = (await rig.client.until(before + 50 + sent))
      .slice(before)
      .filter(({ callId }) => callId === 'call-0');
    expect(answers.map(({ worker, seq }) => [worker, Number(seq)])).toEqual(
      Array.from({ length: sent }, (_, i) => [busy, i + 1]),
    );
    await eventually(
      () => states(2),
      (all) => all.every((state) => state === 'serving'),
    );
    const again = [...(await invite(calls(200, 50))).values()];
    expect(again).toContain(busy);
  });

  it('X-R14 sees by an unanswered question that a worker without work in its queue is busy', async () => {
    rig = await startRig(2);
    rig.workers.trigger(1, 'busy', 1000);
    const answer = rig.workers.ask(1, 'tell');
    await eventually(
      () => rig.workers.counts(1).state,
      (state) => state === 'busy',
    );
    const fresh = await invite(calls(0, 20));
    expect(new Set(fresh.values())).toEqual(new Set([0]));
    await answer;
    await eventually(
      () => rig.workers.counts(1).state,
      (state) => state === 'serving',
    );
  });

  it('X-R1 replaces a worker that dies, and its calls go to whoever is there', async () => {
    const crashes: [number, string][] = [];
    rig = await startRig(2, { onCrash: (worker, error) => crashes.push([worker, error.message]) });
    const owners = await invite(calls(0, 40));
    const question = rig.workers.ask(0, 'tell').catch(() => 'gone');
    await question;
    const started = performance.now();
    rig.workers.trigger(0, 'crash');
    await eventually(
      () => rig.workers.counts(0),
      ({ restarts, state }) => restarts === 1 && state === 'serving',
    );
    expect(performance.now() - started).toBeLessThan(1000);
    expect(crashes).toEqual([[0, 'worker ended by the test trigger']]);
    const before = rig.client.answers.length;
    for (const callId of owners.keys()) rig.client.send('INFO', callId);
    const answers = (await rig.client.until(before + 40)).slice(before);
    for (const { callId, worker } of answers) if (owners.get(callId) === 1) expect(worker).toBe(1);
    expect(answers.some(({ worker }) => worker === 0)).toBe(true);
    expect((await tell(rig, 0)).trail.length).toBeGreaterThan(0);
  });

  it.each([1, 2])('X-R1 loses nothing of what waits for %i of two workers that die', async (dying) => {
    rig = await startRig(2);
    for (let worker = 0; worker < dying; worker++) {
      rig.workers.trigger(worker, 'busy', 300);
      rig.workers.trigger(worker, 'crash');
    }
    // By TCP nobody would send it again.
    const socket = connect(rig.tcpPort, '127.0.0.1');
    await once(socket, 'connect');
    let heard = '';
    socket.setEncoding('latin1').on('data', (text: string) => {
      heard += text;
    });
    const count = 60;
    for (let i = 0; i < count; i++) {
      socket.write(
        `INVITE sip:b@x SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK${i}\r\nCall-ID: ${i}\r\nContent-Length: 0\r\n\r\n`,
      );
    }
    const answered = () =>
      [...heard.matchAll(/Call-ID: (\d+)\r/g)].map(([, callId]) => Number(callId)).sort((a, b) => a - b);
    await eventually(answered, (all) => all.length >= count);
    expect(answered()).toEqual(Array.from({ length: count }, (_, i) => i));
    // Its last answers may be there before its end is.
    const restarts = () => [0, 1].map((worker) => rig.workers.counts(worker).restarts);
    await eventually(restarts, ([first, second]) => first === 1 && second === (dying === 1 ? 0 : 1));
    socket.destroy();
  });

  it('X-R1 serves on while a worker dies again and again', async () => {
    rig = await startRig(2);
    for (let round = 1; round <= 2; round++) {
      rig.workers.trigger(1, 'crash');
      await eventually(
        () => rig.workers.counts(1).state,
        (state) => state !== 'serving',
      );
      expect((await invite(calls(round * 100, 20))).size).toBe(20);
      await eventually(
        () => rig.workers.counts(1).state,
        (state) => state === 'serving',
      );
    }
    expect(rig.workers.counts(1).restarts).toBe(2);
  });

  it('keeps connections while a worker is replaced, and tells all workers of their end', async () => {
    rig = await startRig(2);
    const socket = connect(rig.tcpPort, '127.0.0.1');
    const ask = async (callId: string) => {
      socket.write(`OPTIONS sip:x SIP/2.0\r\nCall-ID: ${callId}\r\nContent-Length: 0\r\n\r\n`);
      const [chunk] = await once(socket, 'data');
      return String(chunk);
    };
    expect(await ask('first')).toContain('200 OK');
    rig.workers.trigger(0, 'crash');
    await eventually(
      () => rig.workers.counts(0),
      ({ restarts, state }) => restarts === 1 && state === 'serving',
    );
    expect(await ask('second')).toContain('200 OK');
    socket.destroy();
    for (const worker of [0, 1]) {
      await eventually(
        () => tell(rig, worker),
        ({ trail }) => trail.includes('closed 1'),
      );
    }
  });

  it('carries messages between workers, and of a worker to itself, in order', async () => {
    rig = await startRig(3);
    const callIds = calls(0, 60);
    const owners = new Map<string, number>();
    for (const [i, callId] of callIds.entries()) {
      rig.client.send('OPTIONS', callId, `X-Relay: ${i % 3}\r\n`);
      owners.set(callId, (await rig.client.until(i + 1)).at(-1)!.worker);
    }
    for (const to of [0, 1, 2]) {
      const { heard } = await eventually(
        () => tell(rig, to),
        (told) => told.heard.length >= 60,
      );
      for (const from of [0, 1, 2]) {
        const expected = callIds
          .filter((callId, i) => i % 3 === to && owners.get(callId) === from)
          .flatMap((callId) => [0, 1, 2].map((i) => `${callId} ${i} \u20ac\xff`));
        const got = heard.filter(([sender]) => sender === from).map(([, kind, payload]) => (kind === 7 ? payload : ''));
        expect(got).toEqual(expected);
      }
    }
  });

  it('lets workers make Call-IDs whose answers come back to them', async () => {
    rig = await startRig(2);
    for (const worker of [0, 1]) {
      for (const callId of (await rig.workers.ask(worker, 'claim')) as string[]) {
        rig.client.send('OPTIONS', callId);
        const answers = await rig.client.until(rig.client.answers.length + 1);
        expect(answers.at(-1)!.worker).toBe(worker);
      }
    }
  });

  it('takes a message without a Call-ID to some worker', async () => {
    rig = await startRig(2);
    rig.client.sendText('OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n\r\n');
    expect((await rig.client.until(1))[0]!.text).toContain('200 OK');
  });

  it('D-11 brings Diameter answers and failures to the worker whose number they carry', async () => {
    rig = await startRig(2);
    const sent: number[] = [];
    const answered: string[] = [];
    rig.side.attachDiameter({
      send: (message, route) =>
        sent.push(message.readUInt32BE(12)) > 0 && route.realm === 'home' && route.host === 'hss',
      answer: (message) => answered.push(String(message)),
    });
    const owners = await invite(calls(0, 20), 'X-Diameter: home\r\n');
    await eventually(
      () => sent.length,
      (count) => count === 20,
    );
    expect(sent.sort()).toEqual([...owners.values()].map((worker) => worker * 2 ** 26 + 77).sort());
    const answer = Buffer.alloc(24);
    answer.writeUInt32BE(2 ** 26 + 5, 12);
    rig.side.onDiameter(answer);
    rig.side.onDiameterFailed(2 ** 26 + 6, 'peer-lost');
    const { trail } = await eventually(
      () => tell(rig, 1),
      (told) => told.trail.includes(`diameter failed ${2 ** 26 + 6} peer-lost`),
    );
    expect(trail).toContain(`diameter ${answer.toString('hex')}`);
    const request = Buffer.alloc(20);
    request[4] = 0x80;
    for (let i = 0; i < 4; i++) rig.side.onDiameter(request);
    await eventually(
      () => answered.length,
      (count) => count === 4,
    );
    expect(new Set(answered)).toEqual(new Set(['answer of 0', 'answer of 1']));
  });

  it('C-14 tells the worker that sent of a failed send', async () => {
    rig = await startRig(2);
    const owners = await invite(['dead'], 'X-Dead-Port: 0\r\n');
    const { trail } = await eventually(
      () => tell(rig, owners.get('dead')),
      (told) => told.trail.includes('failed 4242 unreachable'),
    );
    expect(trail.filter((line) => line.startsWith('failed'))).toEqual(['failed 4242 unreachable']);
  });

  it('X-F1 X-R14 P-143 sheds by rule when a queue is full, and loses nothing of what must pass', async () => {
    const isUrgent = (text: string) => text.includes('Call-ID: help-');
    rig = await startRig(2, { ringBytes: 16_384, coalesce: false, isUrgent });
    const owners = await invite(calls(0, 30));
    const before = rig.client.answers.length;
    for (const worker of [0, 1]) rig.workers.trigger(worker, 'busy', 800);
    let sent = 0;
    while (rig.workers.counts(0).shed + rig.workers.counts(1).shed < 100) {
      for (let i = 0; i < 10; i++) rig.client.send('INVITE', `new-${sent++}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    for (const callId of owners.keys()) rig.client.send('BYE', callId);
    for (let i = 0; i < 5; i++) rig.client.send('INVITE', `help-${i}`);
    const byes = () => rig.client.answers.slice(before).filter(({ callId }) => owners.has(callId));
    await rig.client.when(() => byes().length === owners.size);
    const answers = rig.client.answers.slice(before);
    const refused = answers.filter(({ text }) => text.startsWith('SIP/2.0 503'));
    expect(refused.some(({ callId }) => callId.startsWith('help-'))).toBe(false);
    // A Call-ID that shares its bucket with a live one is dropped instead: it might be a retransmission.
    expect(refused.length).toBeGreaterThanOrEqual(90);
    expect(refused.every(({ text }) => text.includes('\r\nWarning: 399 cscf "overload: '))).toBe(true);
    expect(refused.every(({ text }) => /\r\nRetry-After: \d+\r\n/.test(text) && text.includes('INVITE'))).toBe(true);
    for (const [callId, worker] of owners) {
      const bye = answers.filter((answer) => answer.callId === callId && answer.worker === worker);
      expect(bye.length).toBe(1);
    }
    expect(rig.workers.counts(0).shed + rig.workers.counts(1).shed).toBeGreaterThanOrEqual(refused.length);

    // X-R14: what a full ring has refused stays refused when there is room again, whatever worker the copy comes to.
    const copied = new Set(refused.slice(0, 30).map(({ callId }) => callId));
    const heard = rig.client.answers.length;
    for (const callId of copied) rig.client.send('INVITE', callId);
    const second = () => rig.client.answers.slice(heard).filter(({ callId }) => copied.has(callId));
    await rig.client.when(() => second().length === copied.size);
    expect(second().every(({ text }) => text.startsWith('SIP/2.0 503'))).toBe(true);
  });

  it('answers questions, and tells of their errors', async () => {
    rig = await startRig(2);
    await expect(rig.workers.ask(0, 'fail')).rejects.toThrow('asked to fail');
    rig.workers.trigger(0, 'busy', 300);
    await expect(rig.workers.ask(0, 'tell', 50)).rejects.toThrow('did not answer in 50 ms');
    await expect(async () => rig.workers.ask(2, 'tell')).rejects.toThrow('there is no worker 2');
  });

  it('C-15 finishes what was handed over before it stops', async () => {
    rig = await startRig(2);
    const count = 200;
    for (const worker of [0, 1]) rig.workers.trigger(worker, 'busy', 200);
    for (let i = 0; i < count; i++) rig.client.send('OPTIONS', `last-${i}`);
    await eventually(
      () => rig.workers.counts(0).messages + rig.workers.counts(1).messages,
      (messages) => messages === count,
    );
    await rig.workers.stop();
    await rig.client.until(count);
    expect(states(2)).toEqual(['ended', 'ended']);
  });

  it('does not start when a worker can not', async () => {
    rig = await startRig(1);
    await expect(startRig(2, { module: 'file:///nowhere/worker.ts' })).rejects.toThrow(/nowhere/);
  });

  it('takes triggers only where they are enabled', async () => {
    rig = await startRig(2);
    process.env.CSCF_TEST_TRIGGER = '0';
    expect(rig.workers.trigger(0, 'crash')).toBe(false);
    process.env.CSCF_TEST_TRIGGER = '1';
    expect(states(2)).toEqual(['serving', 'serving']);
  });
});
