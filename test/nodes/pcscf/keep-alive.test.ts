import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  alice,
  expectQuiet,
  granted,
  type PcscfWorker,
  register,
  registerText,
  request,
  serviceRoute,
  startPcscf,
  ue,
} from './pcscf-harness.ts';

let worker: PcscfWorker;
beforeEach(() => {
  worker = startPcscf();
});
afterEach(() => expectQuiet(worker));

let serial = 0;
const viaOf = (source: string, parameters: string) => {
  const [transport, address] = source.split(' ') as [string, string];
  return `Via: SIP/2.0/${transport.toUpperCase()} ${address};branch=z9hG4bKkeep${++serial}${parameters}`;
};

/** Via of the 200 to a REGISTER with these Via parameters. */
function agreed(source: string, parameters: string): string {
  const from = ue('alice', source);
  worker.receive(registerText(from, [viaOf(source, parameters)]), source);
  worker.answer(worker.takeOne(), 200, granted(from));
  return worker.takeOne().header('Via')!;
}

describe('keep-alives', () => {
  it('P-141 are welcome to who asks: every 30 s in datagrams, 120 s on a connection', () => {
    expect(agreed('udp 127.16.0.1:5070', ';keep')).toMatch(/;branch=z9hG4bKkeep\d+;keep=30(;|$)/);
    expect(agreed('udp 127.16.0.1:5070', ';rport; KEEP ;x=1')).toMatch(/;keep=30 *;x=1/);
    expect(agreed('tcp 127.16.0.1:5070 #3', ';keep')).toContain(';keep=120');
  });

  it('P-141 nobody else is told of them', () => {
    expect(agreed('udp 127.16.0.1:5070', '')).not.toContain('keep=');
    expect(agreed('udp 127.16.0.1:5070', ';keep=5')).toContain(';keep=5');
    expect(agreed('udp 127.16.0.1:5070', ';keeper')).not.toContain('keep=');
  });

  it('P-141 a refused REGISTER agrees to nothing', () => {
    worker.receive(registerText(alice, [viaOf(alice.source, ';keep')]), alice.source);
    worker.answer(worker.takeOne(), 403);
    expect(worker.takeOne().header('Via')).not.toContain('keep=');
  });
});

describe('compression', () => {
  it('P-144 comp=sigcomp of a UE changes nothing: nothing is compressed, nothing refused', () => {
    worker.receive(
      registerText(alice, [viaOf(alice.source, ';comp=sigcomp')], `<sip:alice@${alice.address};comp=sigcomp>`),
      alice.source,
    );
    const forwarded = worker.takeOne();
    expect(forwarded.header('Contact')).toContain('comp=sigcomp');
    const lines = granted(alice).with(0, `Contact: <sip:alice@${alice.address};comp=sigcomp>;expires=3600`);
    worker.answer(forwarded, 200, lines);
    expect(worker.takeOne().text.startsWith('SIP/2.0 200')).toBe(true);
    const asked = request(alice, 'MESSAGE', 'sip:bob@ims.test;comp=sigcomp', [`Route: ${serviceRoute}`]);
    worker.receive(asked, alice.source);
    const sent = worker.takeOne();
    expect([sent.requestUri, sent.text.startsWith('MESSAGE ')]).toEqual(['sip:bob@ims.test;comp=sigcomp', true]);
  });
});

describe('OPTIONS to the node itself', () => {
  it('P-145 gets 200 with Allow, Accept and Supported, registered or not', () => {
    for (const isRegistered of [false, true]) {
      if (isRegistered) register(worker, alice);
      worker.receive(request(alice, 'OPTIONS', 'sip:127.0.8.1:5060'), alice.source);
      const answer = worker.takeOne();
      expect(answer.status).toBe(200);
      expect(['Allow', 'Accept', 'Supported'].map((name) => answer.header(name))).not.toContain(null);
    }
  });
});
