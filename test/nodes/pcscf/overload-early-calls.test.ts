import { afterEach, describe, expect, it } from 'vitest';
import { EarlyCalls } from '#nodes/pcscf/overload-early-calls';
import {
  alice,
  bob,
  expectQuiet,
  type PcscfWorker,
  register,
  request,
  serviceRoute,
  startPcscf,
  type Ue,
} from './pcscf-harness.ts';

describe('calls without an answer', () => {
  it('X-I21 are counted by registration, and any number is allowed where none is said', () => {
    const calls = new EarlyCalls();
    expect([calls.begin('a', 2), calls.begin('a', 2), calls.begin('a', 2), calls.begin('b', 2)]).toEqual([
      true,
      true,
      false,
      true,
    ]);
    calls.end('a');
    expect(calls.begin('a', 2)).toBe(true);
    expect(Array.from({ length: 50 }, () => calls.begin('c', 0)).every((may) => may)).toBe(true);
    calls.end('nobody');
    expect(calls.begin('nobody', 1)).toBe(true);
  });
});

describe('a phone that makes ghost calls', () => {
  let worker: PcscfWorker;
  afterEach(() => expectQuiet(worker));

  const call = (from: Ue) => {
    worker.receive(request(from, 'INVITE', 'sip:carol@ims.test', [`Route: ${serviceRoute}`]), from.source);
    return worker.takeOne();
  };

  it('X-I21 gets 503 with Retry-After for one call too many, another phone does not', () => {
    worker = startPcscf({ callsPerUe: 2 });
    register(worker, alice);
    register(worker, bob);
    expect([call(alice).method, call(alice).method]).toEqual(['INVITE', 'INVITE']);
    const refused = call(alice);
    expect(refused.status).toBe(503);
    expect(refused.header('Retry-After')).toBe('10');
    expect(refused.header('Warning')).toContain('too-many-calls');
    expect(call(bob).method).toBe('INVITE');
  });

  it('X-I21 may call again when one was answered, refused or has run into its time limit', () => {
    worker = startPcscf({ callsPerUe: 1 });
    register(worker, alice);
    worker.answer(call(alice), 200, ['Contact: <sip:carol@127.0.8.3:6060>']);
    worker.take();
    worker.answer(call(alice), 486);
    worker.take();
    const ringing = call(alice);
    worker.answer(ringing, 180, ['Contact: <sip:carol@127.0.8.3:6060>']);
    worker.take();
    expect(call(alice).status).toBe(503);
    // Three minutes later the ringing one is cancelled.
    worker.advance(186_000);
    expect(worker.take().map(({ method }) => method)).toContain('CANCEL');
    worker.advance(64_000);
    worker.take();
    expect(call(alice).method).toBe('INVITE');
  });
});
