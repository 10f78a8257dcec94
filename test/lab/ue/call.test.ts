import { afterEach, describe, expect, test } from 'vitest';
import type { Call } from '#lab/ue/call';
import { Endpoint } from '#lab/ue/endpoint';
import { audioAnswer, audioOffer } from '#lab/ue/session-description';
import { Ue, type UeEvents, type UeOptions } from '#lab/ue/ue';
import { usimOf } from '#lab/ue/usim';
import { keys } from './registrar.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

/** A port that is free for UDP and TCP. */
async function freePort(): Promise<number> {
  const none = { onRequest() {}, onAck() {}, onCancel() {}, onServerEnded() {} };
  const endpoint = await Endpoint.open({ transport: 'udp', address: '127.0.0.1' }, none);
  await endpoint.close();
  return endpoint.port;
}

/** Two phones that are each other's proxy. */
async function pair(events: UeEvents, options: Partial<UeOptions> = {}): Promise<{ alice: Ue; bob: Ue }> {
  const [a, b] = [await freePort(), await freePort()];
  const phone = (name: string, port: number, other: number, own: UeEvents) =>
    Ue.open({
      domain: 'ims.test',
      impu: `sip:${name}@ims.test`,
      credentials: { impi: `${name}@ims.test`, usim: usimOf(keys) },
      proxy: { address: '127.0.0.1', port: other },
      port,
      events: own,
      ...options,
    });
  const alice = await phone('alice', a, b, {});
  const bob = await phone('bob', b, a, events);
  open.push(alice, bob);
  return { alice, bob };
}

describe.each(['udp', 'tcp'] as const)('calls over %s', (transport) => {
  test('a call rings, is answered and released by the caller', async () => {
    let incoming: Call | undefined;
    const { alice } = await pair(
      {
        incomingCall(call) {
          incoming = call;
          call.ring();
          call.answer();
        },
      },
      { transport },
    );
    const ringing: number[] = [];
    const call = alice.call('sip:bob@ims.test', { ringing: (_call, status) => ringing.push(status) });
    expect(await call.answered).toBe(true);
    expect(await incoming!.answered).toBe(true);
    expect(ringing).toEqual([180]);
    expect(incoming!.peer).toBe('sip:alice@ims.test');
    call.hangUp();
    expect(await call.ended).toMatchObject({ by: 'us', status: 200 });
    expect(await incoming!.ended).toMatchObject({ by: 'them', status: 200 });
    expect([...alice.calls]).toEqual([]);
  });

  test('the called party may hang up', async () => {
    let incoming: Call | undefined;
    const { alice } = await pair(
      {
        incomingCall(call) {
          incoming = call;
          call.answer();
        },
      },
      { transport },
    );
    const call = alice.call('sip:bob@ims.test');
    await call.answered;
    await incoming!.answered;
    incoming!.hangUp();
    expect(await call.ended).toMatchObject({ by: 'them' });
    expect(await incoming!.ended).toMatchObject({ by: 'us' });
  });

  test('a call is refused', async () => {
    const { alice } = await pair({ incomingCall: (call) => call.reject(486) }, { transport });
    expect(await alice.call('sip:bob@ims.test').answered).toMatchObject({ by: 'refused', status: 486 });
  });

  test('a call is cancelled while it rings', async () => {
    let incoming: Call | undefined;
    const { alice } = await pair(
      {
        incomingCall(call) {
          incoming = call;
          call.ring();
        },
      },
      { transport },
    );
    const call = alice.call('sip:bob@ims.test', { ringing: (ringing) => ringing.hangUp() });
    expect(await call.ended).toMatchObject({ by: 'us', status: 487 });
    expect(await incoming!.ended).toMatchObject({ by: 'them', status: 487 });
  });

  test('RFC 3262: a reliable 180 is acknowledged by PRACK before the answer', async () => {
    const { alice } = await pair(
      {
        incomingCall(call) {
          call.ring();
          setTimeout(() => call.answer(), 50);
        },
      },
      { transport, reliableProvisional: true },
    );
    const call = alice.call('sip:bob@ims.test');
    expect(await call.answered).toBe(true);
    call.hangUp();
    expect(await call.ended).toMatchObject({ by: 'us' });
  });

  test('a MESSAGE arrives', async () => {
    let body = '';
    const { alice } = await pair({ message: (message) => (body = `${message.from} ${message.body}`) }, { transport });
    expect(await alice.message('sip:bob@ims.test', 'hello bob')).toEqual({ status: 200, words: 'OK' });
    expect(body).toBe('sip:alice@ims.test hello bob');
  });
});

test('nobody answers: the call ends with 408', async () => {
  const { alice, bob } = await pair({}, { timers: { t1Ms: 20, t2Ms: 40, t4Ms: 40 } });
  await bob.close();
  const end = await alice.call('sip:bob@ims.test').answered;
  expect(end).toMatchObject({ by: 'refused' });
});

test('RFC 3261 13.3.1.4: a 200 that nobody acknowledges comes again and ends in BYE', async () => {
  const seen: string[] = [];
  const timers = { t1Ms: 20, t2Ms: 40, t4Ms: 40 };
  const caller = await Endpoint.open(
    { transport: 'udp', address: '127.0.0.1', timers },
    { onRequest: (_transaction, request) => seen.push(request.method), onAck() {}, onCancel() {}, onServerEnded() {} },
  );
  const bob = await Ue.open({
    domain: 'ims.test',
    impu: 'sip:bob@ims.test',
    credentials: { impi: 'bob@ims.test' },
    proxy: { address: '127.0.0.1', port: caller.port },
    timers,
    events: { incomingCall: (call) => call.answer() },
  });
  open.push(caller, bob);
  const alice = await Ue.open({
    domain: 'ims.test',
    impu: 'sip:alice@ims.test',
    credentials: { impi: 'alice@ims.test' },
    proxy: { address: '127.0.0.1', port: bob.port },
    timers,
  });
  open.push(alice);
  let finals = 0;
  const invite = await import('#sip/message/create').then(({ createRequest }) =>
    createRequest('INVITE', 'sip:bob@ims.test', [
      ['Max-Forwards', '70'],
      ['From', '<sip:alice@ims.test>;tag=1'],
      ['To', '<sip:bob@ims.test>'],
      ['Call-ID', 'never-acknowledged'],
      ['CSeq', '1 INVITE'],
      ['Contact', `<sip:alice@127.0.0.1:${caller.port}>`],
    ]),
  );
  caller.layer.startClient(invite, caller.target('127.0.0.1', bob.port), {
    onResponse: (response) => (finals += response.status === 200 ? 1 : 0),
    onTimeout() {},
    onTransportError() {},
  });
  await expect.poll(() => seen, { timeout: 5000 }).toContain('BYE');
  expect(finals).toBeGreaterThan(3);
});

describe('RFC 3264: session descriptions', () => {
  const offer = audioOffer('192.0.2.1', 4000, 1);

  test('the answer keeps what both know', () => {
    const answer = audioAnswer(offer, '192.0.2.2', 5000, 2)!;
    expect(answer).toContain('m=audio 5000 RTP/AVP 104 101\r\n');
    expect(answer).toContain('c=IN IP4 192.0.2.2\r\n');
  });

  test('other media are refused, nothing in common is null', () => {
    const video = `${offer}m=video 6000 RTP/AVP 96\r\n`;
    expect(audioAnswer(video, '::1', 5000, 2)).toContain('m=video 0 RTP/AVP 96\r\n');
    expect(audioAnswer('v=0\r\nm=audio 4000 RTP/AVP 3\r\n', '::1', 5000, 2)).toBeNull();
  });
});
