import { describe, expect, it } from 'vitest';
import { avp } from '#diameter/codec/avp-types';
import { type DiameterMessage, FLAG_RETRANSMITTED } from '#diameter/codec/message';
import { baseAvps, RELAY_APPLICATION } from '#diameter/dictionary/base';
import { cxApplication } from '#diameter/dictionary/cx';
import { answer, cea, cxServer, dpr, scripted, toServers, until, withResult } from './peer-rig.ts';

const silent = () => undefined;
const hasT = ({ flags }: DiameterMessage) => (flags & FLAG_RETRANSMITTED) !== 0;

describe('D-12 a request whose peer fails', () => {
  it('goes to the next peer with T, the same End-to-End and another Hop-by-Hop when the connection breaks', async () => {
    const first = await cxServer('h1.test', silent);
    const second = await cxServer('h2.test', (message) => withResult(message, 'h2.test'));
    const { cx, allUp, lost, table } = toServers([first, second]);
    await allUp();
    const outcomes = [1, 2, 3].map((n) => cx.locationInfo({ impu: `sip:${n}@b` }));
    await until(() => first.seen.length === 3, 'three requests');
    first.sockets[0]?.destroy();
    expect(await Promise.all(outcomes)).toMatchObject([1, 2, 3].map(() => ({ originHost: 'h2.test' })));
    expect(first.seen.map(hasT)).toEqual([false, false, false]);
    expect(second.seen.map(hasT)).toEqual([true, true, true]);
    expect(second.seen.map(({ endToEnd }) => endToEnd)).toEqual(first.seen.map(({ endToEnd }) => endToEnd));
    const identifiers = [...first.seen, ...second.seen].map(({ hopByHop }) => hopByHop);
    expect(new Set(identifiers).size).toBe(6);
    for (const [n, { octets }] of second.seen.entries()) {
      expect(octets.subarray(20)).toEqual(first.seen[n]?.octets.subarray(20));
    }
    expect(lost).toEqual([]);
    expect(table.counters).toMatchObject({ requestsSent: 3, failovers: 3, answersReceived: 3, requestsLost: 0 });
  });

  it('goes elsewhere when the peer is suspect; X-D6 its late answer is dropped and counted', async () => {
    let alive = true;
    const late: Buffer[] = [];
    const first = await cxServer(
      'h1.test',
      (message) => {
        late.push(withResult(message, 'h1.test'));
        return undefined;
      },
      () => alive,
    );
    const second = await cxServer('h2.test', (message) => withResult(message, 'h2.test'));
    const { cx, allUp, events, table } = toServers([first, second], { watchdogMs: 150, watchdogJitterMs: 10 });
    await allUp();
    alive = false;
    const outcome = cx.locationInfo({ impu: 'sip:a@b' });
    expect(await outcome).toMatchObject({ originHost: 'h2.test' });
    expect(second.seen.map(hasT)).toEqual([true]);
    expect(events.some(({ peer, state }) => peer === 'h1.test' && state === 'suspect')).toBe(true);
    alive = true;
    first.sockets[0]?.write(late[0]!);
    await until(() => table.counters.unmatchedAnswers === 1, 'the late answer');
    expect(table.counters).toMatchObject({ answersReceived: 1, failovers: 1 });
    await until(() => events.some(({ peer, words }) => peer === 'h1.test' && words === 'answers again'), 'recovered');
    expect(await cx.locationInfo({ impu: 'sip:a@b', destinationHost: 'h2.test' })).toMatchObject({
      originHost: 'h2.test',
    });
  });

  it('waits on at a suspect peer while there is no other, and takes its answer', async () => {
    let alive = true;
    const held: DiameterMessage[] = [];
    const only = await cxServer(
      'h1.test',
      (message) => {
        held.push(message);
        return undefined;
      },
      () => alive,
    );
    const { cx, allUp, events, lost } = toServers([only], { watchdogMs: 150, watchdogJitterMs: 10 });
    await allUp();
    alive = false;
    const outcome = cx.locationInfo({ impu: 'sip:a@b' });
    await until(() => events.some(({ state }) => state === 'suspect'), 'suspect');
    alive = true;
    only.sockets[0]?.write(withResult(held[0]!, 'h1.test'));
    expect(await outcome).toMatchObject({ originHost: 'h1.test' });
    expect(lost).toEqual([]);
    expect(only.seen).toHaveLength(1);
  });

  it('leaves a suspect peer as soon as another one comes up', async () => {
    let alive = true;
    const first = await cxServer('h1.test', silent, () => alive);
    let isWelcome = false;
    const gate = await scripted((message, socket) => {
      if (!isWelcome) socket.destroy();
      else if (message.command === 302) return withResult(message, 'h2.test');
      return cea(message, 2001, cxApplication.id, 'h2.test');
    });
    const late = { peer: { host: 'h2.test', address: '127.0.0.1', port: gate.port } };
    const { cx, isUp, events } = toServers([first, late], { watchdogMs: 200, watchdogJitterMs: 10 });
    await until(() => isUp('h1.test'), 'open');
    alive = false;
    const outcome = cx.locationInfo({ impu: 'sip:a@b' });
    await until(() => events.some(({ state }) => state === 'suspect'), 'suspect');
    isWelcome = true;
    expect(await outcome).toMatchObject({ originHost: 'h2.test' });
  });

  it.each([3002, 3003, 3004])(
    'goes to another peer after an answer %i, whose own answer counts',
    async (resultCode) => {
      const first = await cxServer('h1.test', (message) => withResult(message, 'h1.test', resultCode));
      const second = await cxServer('h2.test', (message) => withResult(message, 'h2.test'));
      const { cx, allUp, table } = toServers([first, second]);
      await allUp();
      expect(await cx.locationInfo({ impu: 'sip:a@b' })).toMatchObject({ originHost: 'h2.test' });
      expect(second.seen.map(hasT)).toEqual([true]);
      expect(table.status().map(({ counts }) => counts)).toMatchObject([
        [{ direction: 'sent', command: 302, result: String(resultCode), count: 1 }],
        [{ direction: 'sent', command: 302, result: '2001', count: 1 }],
      ]);
    },
  );

  it('stays with the answer when the codes are switched off, and when no peer is left', async () => {
    const busy = await cxServer('h1.test', (message) => withResult(message, 'h1.test', 3004));
    const second = await cxServer('h2.test', (message) => withResult(message, 'h2.test', 3004));
    const off = toServers([busy, second], { failoverResults: [] });
    await off.allUp();
    expect(await off.cx.locationInfo({ impu: 'sip:a@b' })).toMatchObject({
      result: { code: 3004 },
      originHost: 'h1.test',
    });
    expect(second.seen).toEqual([]);
    const on = toServers([busy, second]);
    await on.allUp();
    expect(await on.cx.locationInfo({ impu: 'sip:a@b' })).toMatchObject({
      result: { code: 3004 },
      originHost: 'h2.test',
    });
    expect([busy.seen.length, second.seen.length]).toEqual([2, 1]);
  });

  it('goes to each peer once and to three at most, then D-13 is lost to the client', async () => {
    const servers = await Promise.all(
      ['h1.test', 'h2.test', 'h3.test', 'h4.test'].map((host) =>
        cxServer(host, (_message, socket) => {
          socket.destroy();
          return undefined;
        }),
      ),
    );
    const { cx, allUp, lost, table } = toServers(servers, { reconnectMs: 1, reconnectCapMs: 1 });
    await allUp();
    expect(await cx.locationInfo({ impu: 'sip:a@b' })).toMatchObject({ failure: 'peer-lost' });
    expect(servers.map(({ seen }) => seen.length)).toEqual([1, 1, 1, 0]);
    expect(servers.map(({ seen }) => seen.map(hasT))).toEqual([[false], [true], [true], []]);
    expect(lost).toHaveLength(1);
    expect(table.counters).toMatchObject({ failovers: 2, requestsLost: 1 });
  });

  it('goes nowhere once D-13 the time of its client is over', async () => {
    const first = await cxServer('h1.test', silent);
    const second = await cxServer('h2.test', silent);
    const { cx, allUp, lost } = toServers([first, second], { requestTimeoutMs: 20 });
    await allUp();
    void cx.locationInfo({ impu: 'sip:a@b' });
    await until(() => first.seen.length === 1, 'the request');
    await new Promise((resolve) => setTimeout(resolve, 40));
    first.sockets[0]?.destroy();
    await until(() => lost.length === 1, 'lost');
    expect(second.seen).toEqual([]);
  });

  it('goes elsewhere at once when the peer says farewell (DPR)', async () => {
    const first = await cxServer('h1.test', silent);
    const second = await cxServer('h2.test', (message) => withResult(message, 'h2.test'));
    const { cx, allUp } = toServers([first, second]);
    await allUp();
    const outcome = cx.locationInfo({ impu: 'sip:a@b' });
    await until(() => first.seen.length === 1, 'the request');
    first.sockets[0]?.write(dpr('h1.test', 0));
    expect(await outcome).toMatchObject({ originHost: 'h2.test' });
  });

  it('D-10 loses its Destination-Host on the way to another peer that is itself the server, not on that to a relay', async () => {
    const pinned = await cxServer('h1.test', silent);
    const second = await cxServer('h2.test', (message) => withResult(message, 'h2.test'));
    const { cx, allUp } = toServers([pinned, second]);
    await allUp();
    const outcome = cx.locationInfo({ impu: 'sip:a@b', destinationHost: 'H1.test' });
    await until(() => pinned.seen.length === 1, 'the request');
    expect(pinned.seen[0]?.avps.text(baseAvps.destinationHost)).toBe('H1.test');
    pinned.sockets[0]?.destroy();
    expect(await outcome).toMatchObject({ originHost: 'h2.test' });
    expect(second.seen[0]?.avps.has(baseAvps.destinationHost)).toBe(false);
    expect(second.seen[0]?.avps.text(baseAvps.destinationRealm)).toBe('ims.test');

    const seen: DiameterMessage[] = [];
    const relay = await scripted((message) => {
      if (message.command === 302) seen.push(message);
      if (message.command === 302) return withResult(message, 'h1.test');
      const origin = [avp(baseAvps.originHost, 'relay.test'), avp(baseAvps.originRealm, 'ims.test')];
      return answer(
        message,
        avp(baseAvps.resultCode, 2001),
        ...origin,
        avp(baseAvps.authApplicationId, RELAY_APPLICATION),
      );
    });
    const down = { peer: { host: 'h1.test', address: '127.0.0.1', port: 1 } };
    const viaRelay = toServers([{ peer: { host: 'relay.test', address: '127.0.0.1', port: relay.port } }, down]);
    await until(() => viaRelay.isUp('relay.test'), 'open');
    await viaRelay.cx.locationInfo({ impu: 'sip:a@b', destinationHost: 'h1.test' });
    expect(seen[0]?.avps.text(baseAvps.destinationHost)).toBe('h1.test');
  });
});

describe('X-D6 answers that nobody waits for', () => {
  it('of another connection, of another command and twice are dropped and counted', async () => {
    const held: DiameterMessage[] = [];
    const first = await cxServer('h1.test', (message) => {
      held.push(message);
      return undefined;
    });
    const second = await cxServer('h2.test', silent);
    const { cx, allUp, table } = toServers([first, second]);
    await allUp();
    const outcome = cx.locationInfo({ impu: 'sip:a@b' });
    await until(() => held.length === 1, 'the request');
    const good = withResult(held[0]!, 'h1.test');
    const otherCommand = Buffer.from(good);
    otherCommand.writeUIntBE(300, 5, 3);
    second.sockets[0]?.write(good);
    await until(() => table.counters.unmatchedAnswers === 1, 'the answer of another peer');
    first.sockets[0]?.write(otherCommand);
    await until(() => table.counters.unmatchedAnswers === 2, 'the answer of another command');
    first.sockets[0]?.write(Buffer.concat([good, good]));
    expect(await outcome).toMatchObject({ originHost: 'h1.test' });
    await until(() => table.counters.unmatchedAnswers === 3, 'the second answer');
    expect(table.counters.answersReceived).toBe(1);
  });

  it('D-11 an answer under another application, also none, finds its request', async () => {
    const server = await cxServer('h1.test', (message) => {
      const octets = withResult(message, 'h1.test', 5012);
      octets.writeUInt32BE(message.endToEnd & 1 ? 0 : 16777217, 8);
      return octets;
    });
    const { cx, allUp } = toServers([server]);
    await allUp();
    for (let n = 0; n < 2; n++) {
      expect(await cx.locationInfo({ impu: 'sip:a@b' })).toMatchObject({ result: { code: 5012 } });
    }
  });
});
