import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  alice,
  expectQuiet,
  granted,
  type PcscfWorker,
  register,
  request,
  serviceRoute,
  startPcscf,
} from './pcscf-harness.ts';

let worker: PcscfWorker;
beforeEach(() => {
  worker = startPcscf();
});
afterEach(() => expectQuiet(worker));

const ask = (method: string) => {
  worker.receive(request(alice, method, 'sip:bob@ims.test', [`Route: ${serviceRoute}`]), alice.source);
  return worker.takeOne();
};

describe('an S-CSCF that cannot be reached', () => {
  it.each(['INVITE', 'MESSAGE', 'SUBSCRIBE'])(
    'P-84 %s: the UE is told to register anew, by the URI of its Path',
    (method) => {
      const token = register(worker, alice);
      worker.failSend(ask(method), 'unreachable');
      const answer = worker.takeOne();
      expect(answer.status).toBe(504);
      expect(answer.header('Warning')).toContain('home-unreachable');
      expect(answer.header('P-Asserted-Identity')).toBe(`<sip:${token}@127.0.8.1:5060;lr>`);
      expect(answer.header('Content-Type')).toBe('application/3gpp-ims+xml');
      expect(answer.body).toContain(
        '<ims-3gpp version="1"><alternative-service><type>restoration</type><reason></reason>' +
          '<action>initial-registration</action></alternative-service></ims-3gpp>',
      );
    },
  );

  it('P-84 X-I21 silence says the same, and the call is over', () => {
    register(worker, alice);
    ask('INVITE');
    worker.advance(33_000);
    const answer = worker.take().at(-1)!;
    expect([answer.status, answer.body.includes('initial-registration')]).toEqual([504, true]);
    expect(worker.logic.sessions()).toBe(0);
  });

  it('P-84 its word passes as it is: a 504 or 408 of a node behind it asks for nothing', () => {
    register(worker, alice);
    for (const status of [504, 408, 480]) {
      worker.answer(ask('INVITE'), status);
      const answer = worker.take().find((message) => message.method === '')!;
      expect([answer.status, answer.body]).toEqual([status, '']);
    }
  });

  it('P-84 a call that rang and was never answered is no reason', () => {
    register(worker, alice);
    worker.answer(ask('INVITE'), 180, ['Contact: <sip:bob@127.0.8.3:6060>']);
    worker.take();
    worker.advance(300_000);
    const finals = worker.take().filter(({ status }) => status >= 300);
    expect(finals.length).toBeGreaterThan(0);
    expect(finals.every(({ body }) => body === '')).toBe(true);
  });

  it('P-84 without a Service-Route it was the I-CSCF: nothing is wrong with the registration', () => {
    register(
      worker,
      alice,
      granted(alice).filter((line) => !line.startsWith('Service-Route')),
    );
    worker.receive(request(alice, 'MESSAGE', 'sip:bob@ims.test'), alice.source);
    worker.failSend(worker.takeOne(), 'unreachable');
    const answer = worker.takeOne();
    expect([answer.status, answer.body]).toEqual([504, '']);
  });
});
