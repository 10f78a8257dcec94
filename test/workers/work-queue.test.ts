import { describe, expect, it } from 'vitest';
import type { Flow } from '#sip/transport/flow';
import { shedOrder } from '#workers/overload';
import { hashOf, WaitingMessage, WorkQueue } from '#workers/work-queue';

const flow: Flow = { listener: 0, transport: 'udp', address: '192.0.2.1', port: 6000, connection: 0 };
const options = { delayMs: 100, patienceMs: 0, messages: 10, octets: 10_000 };
const { initial, register, never, stranger } = shedOrder;

function message(text: string, order: number, atMs = 0, call = -1): WaitingMessage {
  return new WaitingMessage(text, flow, -1, call, order, atMs);
}

function takeAll(queue: WorkQueue): string[] {
  const texts: string[] = [];
  for (let next = queue.take(); next !== null; next = queue.take()) texts.push(next.text);
  return texts;
}

describe('the queue of work', () => {
  it('C-35 serves what is under way first, then by order, the oldest first', () => {
    const queue = new WorkQueue(options);
    for (const [text, order] of [
      ['stranger 1', stranger],
      ['invite 1', initial],
      ['bye', never],
      ['invite 2', initial],
      ['register', register],
      ['ack', never],
    ] as const)
      queue.push(message(text, order));
    expect(queue.size).toBe(6);
    expect(takeAll(queue)).toEqual(['bye', 'ack', 'register', 'invite 1', 'invite 2', 'stranger 1']);
    expect([queue.size, queue.octets]).toEqual([0, 0]);
  });

  it('C-35 knows the last of a Call-ID that waits, and whether one of them is the same', () => {
    const queue = new WorkQueue(options);
    queue.push(message('INVITE', initial, 0, 7));
    queue.push(message('CANCEL', initial, 0, 7));
    queue.push(message('INVITE other', initial, 0, 8));
    const last = queue.waitingOf(7)!;
    expect(last.text).toBe('CANCEL');
    expect(queue.hasCopy(last, 'INVITE')).toBe(true);
    expect(queue.hasCopy(last, 'INVITE other')).toBe(false);
    expect(queue.waitingOf(9)).toBeNull();
    expect(queue.waitingOf(-1)).toBeNull();
    queue.take();
    expect(queue.hasCopy(queue.waitingOf(7)!, 'INVITE')).toBe(false);
    queue.take();
    expect(queue.waitingOf(7)).toBeNull();
    expect(queue.waitingOf(8)!.text).toBe('INVITE other');
  });

  it('C-30 expects the wait from how many are ahead and what one takes, or from how long the oldest waits', () => {
    const queue = new WorkQueue({ ...options, messages: 1000 });
    for (let i = 0; i < 200; i++) queue.learn(200, 100);
    for (let i = 0; i < 20; i++) queue.push(message('invite', initial));
    for (let i = 0; i < 10; i++) queue.push(message('bye', never));
    expect(queue.delayMs(never, 0)).toBeCloseTo(20, 0);
    expect(queue.delayMs(initial, 0)).toBeCloseTo(60, 0);
    expect(queue.delayMs(stranger, 0)).toBeCloseTo(60, 0);
    expect(queue.delayMs(initial, 90)).toBe(90);
  });

  it('C-30 is not misled by one pause of the process', () => {
    const queue = new WorkQueue(options);
    for (let i = 0; i < 100; i++) queue.learn(10, 100);
    queue.learn(2_000, 20);
    for (let i = 0; i < 10; i++) queue.push(message('invite', initial));
    expect(queue.delayMs(initial, 0)).toBeLessThan(2);
  });

  it('C-30 P-143 sheds from the limit of an order on until half of it is reached', () => {
    const queue = new WorkQueue({ ...options, messages: 1000 });
    for (let i = 0; i < 200; i++) queue.learn(100, 100);
    const shed: [number, boolean][] = [];
    for (let count = 0; count < 120; count += 30) {
      for (let i = 0; i < 30; i++) queue.push(message('invite', initial));
      shed.push([queue.size, queue.isShed(initial, 0)]);
    }
    while (queue.size > 15) {
      for (let i = 0; i < 15; i++) queue.take();
      shed.push([queue.size, queue.isShed(initial, 0)]);
    }
    expect(shed).toEqual([
      [30, false],
      [60, false],
      [90, false],
      [120, true],
      [105, true],
      [90, true],
      [75, true],
      [60, true],
      [45, false],
      [30, false],
      [15, false],
    ]);
    expect(queue.isShed(never, 1_000_000)).toBe(false);
  });

  it('C-30 takes a burst for no overload, unless it is large', () => {
    const queue = new WorkQueue({ ...options, patienceMs: 50, messages: 10_000 });
    for (let i = 0; i < 200; i++) queue.learn(100, 100);
    const push = (count: number, atMs: number) => {
      for (let i = 0; i < count; i++) queue.push(message('invite', initial, atMs));
    };
    push(150, 0);
    expect(queue.isShed(initial, 0)).toBe(false);
    expect(queue.isShed(initial, 49)).toBe(false);
    for (let i = 0; i < 100; i++) queue.take();
    expect(queue.isShed(initial, 60)).toBe(false);
    push(100, 60);
    expect(queue.isShed(initial, 70)).toBe(false);
    expect(queue.isShed(initial, 119)).toBe(false);
    expect(queue.isShed(initial, 120)).toBe(true);
    takeAll(queue);
    push(150, 130);
    expect(queue.isShed(initial, 130)).toBe(false);
    push(200, 130);
    expect(queue.isShed(initial, 130)).toBe(true);
  });

  it('C-30 gives up what has waited twice its limit, never what is under way', () => {
    const queue = new WorkQueue(options);
    queue.push(message('invite', initial, 0));
    queue.push(message('bye', never, 0));
    queue.push(message('invite later', initial, 150));
    expect(queue.takeStale(200)).toBeNull();
    expect(queue.takeStale(201)?.text).toBe('invite');
    expect(queue.takeStale(201)).toBeNull();
    expect(takeAll(queue)).toEqual(['bye', 'invite later']);
  });

  it('C-35 X-F2 is bounded in messages and octets: the oldest of the lowest order leaves', () => {
    const queue = new WorkQueue({ ...options, messages: 3, octets: 100 });
    for (const text of ['invite 1', 'invite 2']) expect(queue.push(message(text, initial))).toBeNull();
    expect(queue.push(message('bye', never))).toBeNull();
    expect(queue.push(message('bye 2', never))?.text).toBe('invite 1');
    expect(queue.push(message('x'.repeat(90), never))?.text).toBe('invite 2');
    expect(queue.size).toBe(3);
    expect(queue.octets).toBe(98);
  });

  it('C-35 drops no emergency while there is anything else', () => {
    const queue = new WorkQueue({ ...options, messages: 3 });
    const sos = 'INVITE urn:service:sos SIP/2.0\r\n\r\n';
    queue.push(message(sos, never));
    queue.push(message('bye', never));
    queue.push(message(`${sos} `, never));
    expect(queue.push(message(`${sos}  `, never))?.text).toBe('bye');
    expect(queue.push(message('ack', never))?.text).toBe('ack');
    expect(takeAll(queue)).toEqual([sos, `${sos} `, `${sos}  `]);
  });

  it('P-143 C-35 drops no call to an emergency number either', () => {
    const queue = new WorkQueue({ ...options, messages: 2 });
    const { flow } = message('', never);
    queue.push(new WaitingMessage('INVITE sip:112@x SIP/2.0', flow, -1, -1, never, 0, true));
    queue.push(message('bye', never));
    expect(queue.push(message('ack', never))?.text).toBe('bye');
  });

  it('C-35 tells Call-IDs apart by a hash that nobody can foresee', () => {
    const hashes = new Set(Array.from({ length: 10_000 }, (_, i) => hashOf(`call-${i}@h`, 0, `call-${i}@h`.length, 5)));
    expect(hashes.size).toBe(10_000);
    expect(hashOf('a call b', 2, 6, 5)).toBe(hashOf('call', 0, 4, 5));
    expect(hashOf('call', 0, 4, 5)).not.toBe(hashOf('call', 0, 4, 6));
    expect(hashOf('call', 0, 4, 5)).toBeGreaterThanOrEqual(0);
  });
});
