import { afterEach, describe, expect, it } from 'vitest';
import { registerAs } from './media-anchor-harness.ts';
import {
  alice,
  coreRequest,
  expectQuiet,
  type PcscfOptions,
  type PcscfWorker,
  registerText,
  request,
  scscf,
  serviceRoute,
  startPcscf,
} from './pcscf-harness.ts';

let worker: PcscfWorker;
const start = (options?: PcscfOptions) => (worker = startPcscf(options));
afterEach(() => expectQuiet(worker));

const privateContact = 'sip:alice@10.0.0.5:5060';
const natVia = (branch: string, more = '') => `Via: SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK${branch}${more}`;

describe('a UE behind NAT without IPsec', () => {
  it('P-142 its Contact is never rewritten: in REGISTER, in requests, in responses', () => {
    start();
    worker.receive(registerText(alice, [natVia('r1')], `<${privateContact}>;expires=600000`), alice.source);
    const forwarded = worker.takeOne();
    expect(forwarded.header('Contact')).toBe(`<${privateContact}>;expires=600000`);
    worker.answer(forwarded, 403);
    worker.take();
    const token = registerAs(worker, alice, privateContact);
    const lines = [natVia('i1'), `Contact: <${privateContact}>`, `Route: <sip:127.0.8.1:5060;lr>, ${serviceRoute}`];
    worker.receive(request(alice, 'INVITE', 'sip:bob@ims.test', lines), alice.source);
    expect(worker.takeOne().header('Contact')).toBe(`<${privateContact}>`);
    worker.receive(coreRequest('INVITE', privateContact, [`Route: <sip:${token}@127.0.8.1:5060;lr>`]), scscf);
    const invite = worker.takeOne();
    worker.answer(invite, 200, [`Contact: <${privateContact}>`]);
    expect(worker.takeOne().header('Contact')).toBe(`<${privateContact}>`);
  });

  it('P-142 received and rport are forced: answers go where requests came from, whatever Via says and asks for', () => {
    start();
    registerAs(worker, alice, privateContact);
    for (const more of ['', ';rport', ';received=203.0.113.9;rport=9', ';maddr=203.0.113.9']) {
      const lines = [natVia(`m${more.length}`, more), `Route: <sip:127.0.8.1:5060;lr>, ${serviceRoute}`];
      worker.receive(request(alice, 'MESSAGE', 'sip:bob@ims.test', lines), alice.source);
      const sent = worker.takeOne();
      expect(sent.all('Via')[1], more).toContain('received=127.16.0.1');
      worker.answer(sent, 200);
      expect(worker.takeOne().to, more).toBe(alice.source);
    }
  });

  it('P-142 requests to it go by its flow, not to its contact; inside dialogs too', () => {
    start();
    const token = registerAs(worker, alice, privateContact);
    const route = `Route: <sip:${token}@127.0.8.1:5060;lr>`;
    worker.receive(coreRequest('INVITE', privateContact, [route, 'Call-ID: nat']), scscf);
    const invite = worker.takeOne();
    expect([invite.to, invite.requestUri]).toEqual([alice.source, privateContact]);
    worker.answer(invite, 200, [`Contact: <${privateContact}>`], '', 'alice');
    worker.take();
    const dialog = ['Call-ID: nat', 'From: <sip:caller@ims.test>;tag=caller', `To: <${privateContact}>;tag=alice`];
    worker.receive(coreRequest('ACK', privateContact, [route, ...dialog]), scscf);
    worker.receive(coreRequest('BYE', privateContact, [route, ...dialog]), scscf);
    expect(worker.take().map(({ method, to }) => [method, to])).toEqual([
      ['ACK', alice.source],
      ['BYE', alice.source],
    ]);
  });
});
