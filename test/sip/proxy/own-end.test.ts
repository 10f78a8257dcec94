import { describe, expect, it } from 'vitest';
import { createRequest } from '#sip/message/create';
import { Header } from '#sip/message/header-names';
import type { SipResponse } from '#sip/message/response';
import { coreReasons, type Reason } from '#sip/reasons';
import { answerTo, firstWaits, parsed, requestText, startProxy, statusOf, ua, viaOf } from '../proxy-rig.ts';
import { flowFrom } from '../wire-port.ts';

const otherWay = viaOf('other', '10.0.0.9:5060');

describe('merged requests', () => {
  const options = (fields = {}) => requestText('OPTIONS', fields, 'sip:proxy.test');

  it('C-05 X-I19 a copy of a request that is answered here gets 482, a retransmission the same answer', () => {
    const rig = startProxy();
    rig.receive(options());
    rig.receive(options(otherWay));
    rig.receive(options());
    expect(rig.sent.map(({ text }) => statusOf(text))).toEqual([200, 482, 200]);
    expect(parsed(rig.sent[1]!.text).headers.get(Header.Warning)).toContain('merged-request');
  });

  describe('from a sender behind a proxy', () => {
    const by = (branch: string, sender = 'SIP/2.0/UDP 10.0.0.8:5060;branch=z9hG4bKsender;received=10.0.0.8') => ({
      Via: `${viaOf(branch).Via}, ${sender}`,
    });

    it('X-R2 C-05 what it sends again through a proxy that has restarted is answered as before', () => {
      const rig = startProxy();
      rig.receive(options(by('before')));
      rig.receive(options(by('after')));
      const [first, again] = rig.sent.map(({ text }) => text);
      expect(again).toBe(first!.replace('z9hG4bKbefore', 'z9hG4bKafter'));
      expect(rig.rejected).toEqual([]);
      rig.take();
      rig.receive(options(by('after')));
      expect(rig.sent[0]!.text).toBe(again);
      rig.time.advance(70_000);
      expect(rig.layer.counts).toEqual({ servers: 0, clients: 0 });
    });

    it.each([
      ['another branch', by('after', 'SIP/2.0/UDP 10.0.0.8:5060;branch=z9hG4bKother;received=10.0.0.8')],
      ['another source', by('after', 'SIP/2.0/UDP 10.0.0.8:5060;branch=z9hG4bKsender;received=10.9.9.9')],
      ['another Contact', { ...by('after'), Contact: '<sip:mallory@10.0.0.1>' }],
      ['another lifetime', { ...by('after'), Expires: '1' }],
    ])('X-I19 C-05 with %s it is somebody else who sends', (_name, fields) => {
      const rig = startProxy();
      rig.receive(options(by('before')));
      rig.receive(options(fields));
      expect(rig.sent.map(({ text }) => statusOf(text))).toEqual([200, 482]);
    });
  });

  it.each([
    ['another CSeq', { CSeq: '2 OPTIONS' }],
    ['another From tag', { From: '<sip:alice@ims.test>;tag=b' }],
    ['another Call-ID', { 'Call-ID': 'call-2' }],
    ['a To tag', { To: '<sip:bob@ims.test>;tag=t' }],
  ])('C-05 %s makes it another request', (_name, fields) => {
    const rig = startProxy();
    rig.receive(options());
    rig.receive(options({ ...otherWay, ...fields }));
    expect(rig.sent.map(({ text }) => statusOf(text))).toEqual([200, 200]);
  });

  it('C-05 the first one is forgotten with its transaction', () => {
    const rig = startProxy();
    rig.receive(options());
    rig.time.advance(33_500);
    rig.receive(options(otherWay));
    expect(rig.sent.map(({ text }) => statusOf(text))).toEqual([200, 200]);
  });

  it('C-05 what is proxied is never taken for merged', () => {
    const rig = startProxy();
    rig.receive(requestText('MESSAGE'));
    rig.receive(requestText('MESSAGE', otherWay));
    expect(rig.sent.map(({ text }) => text.slice(0, 7))).toEqual(['MESSAGE', 'MESSAGE']);
  });

  it('C-05 a recipient may refuse what Require asks beyond its means', () => {
    const rig = startProxy({
      handleRequest(transaction) {
        if (transaction.serveAsUas(['path'])) transaction.reply(200);
      },
    });
    rig.receive(requestText('REGISTER', { Require: 'path' }));
    rig.receive(requestText('REGISTER', { ...otherWay, CSeq: '2 REGISTER', Require: 'path, teleport' }));
    expect(rig.sent.map(({ text }) => statusOf(text))).toEqual([200, 420]);
    expect(parsed(rig.sent[1]!.text).headers.get(Header.Unsupported)).toBe('teleport');
  });
});

describe('responses of our own', () => {
  it('C-27 all carry a To tag, one for a request, and none stands in a 100', () => {
    const rig = startProxy({
      handleRequest(transaction) {
        transaction.trying();
        transaction.reply(183);
        transaction.refuse(coreReasons.overload);
      },
    });
    rig.receive(requestText('INVITE'));
    const tags = rig.sent.map(({ text }) => /^To:.*tag=(\w+)/m.exec(text)?.[1]);
    expect(rig.sent.map(({ text }) => statusOf(text))).toEqual([100, 183, 503]);
    expect(tags[0]).toBeUndefined();
    expect(tags[1]).toMatch(/\w+/);
    expect(tags[2]).toBe(tags[1]);
  });

  it('C-27 carry the Server header of the configuration, whoever makes them; forwarded ones do not', () => {
    const rig = startProxy({}, 'cscf/1.0 (lab)');
    rig.receive(requestText('OPTIONS', {}, 'sip:proxy.test'));
    rig.receive(requestText('MESSAGE', { 'Max-Forwards': '0', ...viaOf(2) }));
    rig.receive(requestText('MESSAGE', { From: '', ...viaOf(3) }));
    rig.receive(requestText('CANCEL', viaOf(4)));
    const own = rig.sent.splice(0).map(({ text }) => [statusOf(text), parsed(text).headers.get(Header.Server)]);
    expect(own).toEqual([200, 483, 400, 481].map((status) => [status, 'cscf/1.0 (lab)']));
    rig.receive(requestText('MESSAGE', viaOf(5)));
    const forwarded = rig.sent.splice(0)[0]!.text;
    rig.receive(answerTo(forwarded, 200));
    expect(parsed(forwarded).headers.has(Header.Server)).toBe(false);
    expect(parsed(rig.sent[0]!.text).headers.has(Header.Server)).toBe(false);
  });

  it('C-27 carry none when none is configured', () => {
    const rig = startProxy();
    rig.receive(requestText('OPTIONS', {}, 'sip:proxy.test'));
    expect(parsed(rig.sent[0]!.text).headers.has(Header.Server)).toBe(false);
  });

  it('a request that is dropped leaves nothing behind, not even a 100', () => {
    const rig = startProxy({ admit: () => 'drop' });
    rig.receive(requestText('INVITE'));
    rig.receive(requestText('MESSAGE', otherWay));
    rig.time.advance(10_000);
    expect(rig.take()).toEqual([]);
    expect(rig.layer.counts).toEqual({ servers: 0, clients: 0 });
    expect(rig.retained.get('call-1')).toBe(0);
  });

  it.each([
    ['admit', { admit: () => fail() }],
    ['handleRequest', { handleRequest: () => fail() }],
    ['handleRequest, later', { handleRequest: () => Promise.resolve().then(fail) }],
    ['a procedure that leaves without a word', { handleRequest: async () => {} }],
  ])('a defect in %s gives 500 and is told', async (_name, logic) => {
    const rig = startProxy(logic);
    rig.receive(requestText('INVITE'));
    await new Promise(setImmediate);
    expect(rig.take()).toEqual([`SIP/2.0 500 Server Internal Error > ${ua}`]);
    expect(rig.errors).toHaveLength(1);
  });

  it.each([
    ['handleResponse', { handleResponse: () => fail() }, 486, 500],
    ['handleResponse, later', { handleResponse: () => Promise.resolve().then(fail) }, 486, 486],
    ['handleFailure', { handleFailure: () => fail() }, 486, 486],
  ])('a defect in %s does not leave the caller without an answer', async (_name, logic, status, answer) => {
    const rig = startProxy(logic);
    rig.receive(requestText('INVITE'));
    const invite = rig.sent[0]!.text;
    rig.take();
    rig.receive(answerTo(invite, status));
    await new Promise(setImmediate);
    expect(Number(rig.take().at(-1)!.slice(8, 11))).toBe(answer);
    expect(rig.errors).toHaveLength(1);
  });
});

function fail(): never {
  throw new Error('defect');
}

describe('requests that end here', () => {
  it('C-31 a request inside a dialog with our URI and no Route is handed to the node', () => {
    const seen: string[] = [];
    const rig = startProxy({
      handleLocal(transaction) {
        seen.push(transaction.request.method);
        transaction.reply(200);
      },
    });
    const inDialog = { To: '<sip:proxy.test>;tag=t' };
    rig.receive(requestText('NOTIFY', { ...inDialog, Route: '<sip:127.0.0.1:5060;lr>' }, 'sip:reg@proxy.test'));
    rig.receive(requestText('NOTIFY', { ...otherWay, 'Max-Forwards': '0', ...inDialog }, 'sip:reg@127.0.0.1:5060'));
    expect(rig.take().map((line) => line.slice(8, 11))).toEqual(['200', '200']);
    rig.receive(requestText('NOTIFY', { ...inDialog, ...viaOf(1) }));
    rig.receive(requestText('NOTIFY', { ...inDialog, ...viaOf(2), Route: '<sip:10.0.0.7;lr>' }, 'sip:reg@proxy.test'));
    expect(rig.take().map((line) => line.split(' > ')[1])).toEqual(['10.0.0.2:5060', '10.0.0.7:5060']);
    expect(seen).toEqual(['NOTIFY', 'NOTIFY']);
  });
});

describe('requests of our own', () => {
  const subscribe = (uri: string) =>
    createRequest('SUBSCRIBE', uri, [
      [Header['Max-Forwards'], '70'],
      [Header.From, '<sip:proxy.test>;tag=own'],
      [Header.To, '<sip:alice@ims.test>'],
      [Header['Call-ID'], 'own-1'],
      [Header.CSeq, '1 SUBSCRIBE'],
      [Header.Contact, '<sip:127.0.0.1:5060>'],
    ]);

  function listen() {
    const heard: (SipResponse | Reason)[] = [];
    return {
      heard,
      user: {
        branchResponse: (_branch: unknown, response: SipResponse) => void heard.push(response),
        branchFailed: (_branch: unknown, reason: Reason) => void heard.push(reason),
      },
    };
  }

  it('C-31 goes where its URI leads, to the next address after a 503, and its response comes without our Via', () => {
    const rig = startProxy();
    const { heard, user } = listen();
    rig.core.originate(subscribe('sip:pool.test'), user);
    rig.receive(answerTo(rig.sent[0]!.text, 503), flowFrom('10.0.0.10', 5060));
    const second = rig.sent[1]!;
    expect(rig.take().map((line) => line.split(' > ')[1])).toEqual(['10.0.0.10:5060', '10.0.0.11:5060']);
    rig.receive(answerTo(second.text, 200), flowFrom('10.0.0.11', 5060));
    expect(heard).toHaveLength(1);
    const [response] = heard as SipResponse[];
    expect(response!.status).toBe(200);
    expect(response!.headers.has(Header.Via)).toBe(false);
  });

  it('C-31 a silent peer, a dead one and one without address are told as failures', async () => {
    const rig = startProxy();
    const silent = listen();
    rig.core.originate(subscribe('sip:10.0.0.2'), silent.user);
    rig.time.advance(34_000);
    const dead = listen();
    rig.take();
    rig.core.originate(subscribe('sip:10.0.0.3'), dead.user);
    rig.layer.sendFailed(rig.sent[0]!.token);
    const nowhere = listen();
    rig.core.originate(subscribe('sip:nowhere.test'), nowhere.user);
    await new Promise(setImmediate);
    const told = [silent, dead, nowhere].map(({ heard }) => heard.map((reason) => 'id' in reason && reason.id));
    expect(told).toEqual([['next-hop-silent'], ['next-hop-unreachable'], ['unresolvable']]);
  });
});

describe('order and its bounds', () => {
  it('C-35 of one Call-ID so many requests wait, the rest get 503', async () => {
    const { handled, go, handleRequest } = firstWaits((transaction) => transaction.reply(200));
    const rig = startProxy({ handleRequest });
    for (let i = 0; i < 70; i++) rig.receive(requestText('MESSAGE', viaOf(i)));
    expect(rig.sent.map(({ text }) => statusOf(text))).toEqual(Array(5).fill(503));
    go();
    await new Promise(setImmediate);
    expect(handled).toHaveLength(65);
  });

  it('C-35 a request that waited longer than its sender waits is not handled any more', async () => {
    const { handled, go, handleRequest } = firstWaits((transaction) => transaction.reply(200));
    const rig = startProxy({ handleRequest });
    rig.receive(requestText('INVITE'));
    rig.receive(requestText('MESSAGE', { ...otherWay, CSeq: '2 MESSAGE' }));
    rig.time.advance(66_000);
    go();
    await new Promise(setImmediate);
    expect(handled).toHaveLength(1);
  });

  it('C-35 P-120 while one response is held so many provisional ones wait, and the final one always does', async () => {
    const { promise, resolve: go } = Promise.withResolvers<void>();
    let responses = 0;
    const rig = startProxy({ handleResponse: () => (responses++ === 0 ? promise : undefined) });
    rig.receive(requestText('INVITE'));
    const invite = rig.sent[0]!.text;
    rig.take();
    for (let i = 1; i <= 200; i++) {
      // One that comes again is absorbed.
      for (let times = 0; times < 2; times++) rig.receive(answerTo(invite, 183, 'Answer', [`RSeq: ${i}`]));
    }
    rig.receive(answerTo(invite, 200));
    rig.receive(answerTo(invite, 200));
    go();
    await new Promise(setImmediate);
    const out = rig.take();
    expect(out).toHaveLength(1 + 64 + 1);
    expect(out.at(-1)).toBe(`SIP/2.0 200 Answer > ${ua}`);
  });
});

describe('methods', () => {
  it.each(['INFO', 'REFER', 'NOTIFY', 'PUBLISH', 'UPDATE', 'PRACK', 'invite', 'FROBNICATE', "X!%*_+`'~-"])(
    'C-09 %s is forwarded with state, and its answer comes back',
    (method) => {
      const rig = startProxy();
      rig.receive(requestText(method, { Require: 'teleport' }));
      const forwarded = rig.sent[0]!.text;
      expect(rig.take()).toEqual([`${method} sip:bob@10.0.0.2 SIP/2.0 > 10.0.0.2:5060`]);
      rig.receive(requestText(method, { Require: 'teleport' }));
      expect(rig.take()).toEqual([]);
      rig.receive(answerTo(forwarded, 501));
      expect(rig.take()).toEqual([`SIP/2.0 501 Answer > ${ua}`]);
    },
  );
});
