import { describe, expect, it } from 'vitest';
import { reasons } from '#ims/reasons';
import { Header } from '#sip/message/header-names';
import {
  answerTo,
  firstWaits,
  forkTo,
  parsed,
  peer,
  requestText,
  startProxy,
  statusOf,
  ua,
  viaOf,
} from '../proxy-rig.ts';

describe('forwarding', () => {
  it('C-20 decrements Max-Forwards, adds 70 when absent, answers 483 at 0', () => {
    const rig = startProxy();
    rig.receive(requestText('MESSAGE', { 'Max-Forwards': '10' }));
    rig.receive(requestText('MESSAGE', { 'Max-Forwards': '', ...viaOf(2) }));
    rig.receive(requestText('MESSAGE', { 'Max-Forwards': '0', ...viaOf(3) }));
    expect(rig.sent.map(({ text }) => parsed(text).headers.get(Header['Max-Forwards']))).toEqual(['9', '70', null]);
    expect(statusOf(rig.sent[2]!.text)).toBe(483);
  });

  it('C-20 OPTIONS to ourselves is answered 200 even with Max-Forwards 0', () => {
    const rig = startProxy();
    rig.receive(requestText('OPTIONS', { 'Max-Forwards': '0' }, 'sip:proxy.test'));
    expect(statusOf(rig.sent[0]!.text)).toBe(200);
    expect(parsed(rig.sent[0]!.text).headers.get(Header.Allow)).toBe('INVITE, ACK, OPTIONS');
  });

  it('C-09 refuses an unknown Proxy-Require with 420 and Unsupported, lets Require pass', () => {
    const rig = startProxy();
    rig.receive(requestText('MESSAGE', { 'Proxy-Require': 'privacy, teleport', Require: 'teleport' }));
    expect(statusOf(rig.sent[0]!.text)).toBe(420);
    expect(parsed(rig.sent[0]!.text).headers.get(Header.Unsupported)).toBe('teleport');
    rig.receive(requestText('MESSAGE', { Require: 'teleport', ...viaOf(2) }));
    expect(rig.sent[1]!.text.startsWith('MESSAGE')).toBe(true);
  });

  it('C-21 pops its own Route, follows the next one, keeps the rest in order', () => {
    const rig = startProxy();
    rig.receive(requestText('MESSAGE', { Route: '<sip:127.0.0.1:5060;lr>, <sip:10.0.0.7;lr>,<sip:10.0.0.8:5080;lr>' }));
    expect(rig.sent[0]!.target.address).toBe('10.0.0.7');
    expect(parsed(rig.sent[0]!.text).headers.values(Header.Route)).toEqual([
      '<sip:10.0.0.7;lr>',
      '<sip:10.0.0.8:5080;lr>',
    ]);
  });

  it('C-21 pops both of an RFC 5658 pair, but not two traversals with other tokens', () => {
    const rig = startProxy();
    rig.receive(requestText('MESSAGE', { Route: '<sip:tok@proxy.test;lr>, <sip:tok@127.0.0.1:5060;lr>' }));
    expect(rig.sent[0]!.target.address).toBe('10.0.0.2');
    const transports = startProxy();
    const tcpFirst = '<sip:tok@127.0.0.1:5060;transport=tcp;lr>, <sip:tok@127.0.0.1:5060;lr>';
    transports.receive(requestText('MESSAGE', { Route: tcpFirst }));
    expect(transports.sent[0]!.target.address).toBe('10.0.0.2');
    const same = startProxy();
    const twoVisits = '<sip:tok@127.0.0.1:5060;lr>, <sip:tok@127.0.0.1:5060;transport=UDP;lr>';
    same.receive(requestText('MESSAGE', { Route: twoVisits }));
    expect(parsed(same.sent[0]!.text).headers.values(Header.Route)).toHaveLength(1);
    const twice = startProxy();
    twice.receive(requestText('MESSAGE', { Route: '<sip:mo@127.0.0.1:5060;lr>, <sip:mt@127.0.0.1:5060;lr>' }));
    expect(parsed(twice.sent[0]!.text).headers.values(Header.Route)).toEqual(['<sip:mt@127.0.0.1:5060;lr>']);
  });

  it('C-21 undoes the exchange of a strict router and serves a strict next hop', () => {
    const rig = startProxy();
    rig.receive(requestText('BYE', { Route: '<sip:bob@10.0.0.5>' }, 'sip:tok@127.0.0.1:5060;lr'));
    expect(rig.take()).toEqual(['BYE sip:bob@10.0.0.5 SIP/2.0 > 10.0.0.5:5060']);
    rig.receive(requestText('BYE', { Route: '<sip:10.0.0.6>', ...viaOf(2) }));
    expect(parsed(rig.sent[0]!.text).headers.values(Header.Route)).toEqual(['<sip:bob@10.0.0.2>']);
    expect(rig.take()).toEqual(['BYE sip:10.0.0.6 SIP/2.0 > 10.0.0.6:5060']);
  });

  it('C-21 a maddr of ours is taken away', () => {
    const rig = startProxy();
    rig.receive(requestText('MESSAGE', {}, 'sip:bob@10.0.0.2:5060;maddr=127.0.0.1;transport=udp'));
    expect(rig.sent).toHaveLength(1);
    expect(rig.sent[0]!.text.startsWith('MESSAGE sip:bob@10.0.0.2 SIP/2.0')).toBe(true);
  });

  it('C-16 tries the next address after 503, silence and a transport error, and 504 when a name has none', async () => {
    const rig = startProxy();
    rig.receive(requestText('MESSAGE', {}, 'sip:pool.test'));
    const first = rig.sent[0]!;
    expect(first.target.address).toBe('10.0.0.10');
    rig.take();
    rig.receive(answerTo(first.text, 503));
    expect(rig.sent[0]!.target.address).toBe('10.0.0.11');
    expect(parsed(rig.sent[0]!.text).headers.values(Header.Via)).toHaveLength(2);
    rig.layer.sendFailed(rig.sent[0]!.token);
    expect(statusOf(rig.sent[1]!.text)).toBe(504);

    const none = startProxy();
    none.receive(requestText('MESSAGE', {}, 'sip:nowhere.test'));
    await new Promise(setImmediate);
    expect(none.take()).toEqual([`SIP/2.0 504 Server Time-out > ${ua}`]);
  });

  it('C-08 a 503 of the only next hop becomes 500', () => {
    const rig = startProxy();
    rig.receive(requestText('MESSAGE'));
    const forwarded = rig.sent[0]!.text;
    rig.take();
    rig.receive(answerTo(forwarded, 503));
    expect(rig.take()).toEqual([`SIP/2.0 500 Server Internal Error > ${ua}`]);
  });

  it('C-07 an ACK to a 2xx follows its Route without any state', () => {
    const rig = startProxy();
    rig.receive(requestText('ACK', { Route: '<sip:127.0.0.1:5060;lr>', To: '<sip:bob@ims.test>;tag=b' }));
    expect(rig.take()).toEqual([`ACK sip:bob@10.0.0.2 SIP/2.0 > ${peer}`]);
    expect(rig.layer.counts).toEqual({ servers: 0, clients: 0 });
  });

  it('C-20 more than eight passes through this node are a loop', () => {
    const rig = startProxy();
    const vias = Array.from({ length: 9 }, (_, i) => `SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKl${i}`);
    const text = requestText('MESSAGE').replace(
      'Max-Forwards',
      `${vias.map((via) => `Via: ${via}\r\n`).join('')}Max-Forwards`,
    );
    rig.receive(text);
    expect(statusOf(rig.sent[0]!.text)).toBe(482);
  });
});

describe('CANCEL', () => {
  const cancel = requestText('CANCEL', { CSeq: '1 CANCEL', Reason: 'SIP;cause=487' });

  it('C-06 is answered 200, forwarded only after a provisional, and the 487 comes from the branch', () => {
    const rig = startProxy();
    rig.receive(requestText('INVITE'));
    const invite = rig.sent[0]!.text;
    rig.take();
    rig.receive(cancel);
    expect(rig.take()).toEqual([`SIP/2.0 200 OK > ${ua}`]);
    rig.receive(answerTo(invite, 100));
    expect(parsed(rig.sent[0]!.text).headers.get(Header.Reason)).toBe('SIP;cause=487');
    expect(parsed(rig.sent[0]!.text).headers.first(Header.Via)).toBe(parsed(invite).headers.first(Header.Via));
    expect(rig.take()).toEqual([`CANCEL sip:bob@10.0.0.2 SIP/2.0 > ${peer}`]);
    rig.receive(answerTo(invite, 487));
    expect(rig.take()).toEqual([`ACK sip:bob@10.0.0.2 SIP/2.0 > ${peer}`, `SIP/2.0 487 Answer > ${ua}`]);
  });

  it('C-06 a 2xx that crosses the CANCEL goes through', () => {
    const rig = startProxy();
    rig.receive(requestText('INVITE'));
    const invite = rig.sent[0]!.text;
    rig.receive(answerTo(invite, 180));
    rig.receive(cancel);
    rig.take();
    rig.receive(answerTo(invite, 200));
    expect(rig.take()).toEqual([`SIP/2.0 200 Answer > ${ua}`]);
  });

  it('C-06 own 487 while no branch exists yet, and what the procedure does later has no effect', async () => {
    const { go, handleRequest } = firstWaits((transaction) => transaction.forward());
    const rig = startProxy({ handleRequest });
    rig.receive(requestText('INVITE'));
    rig.receive(cancel);
    expect(rig.take()).toEqual([`SIP/2.0 200 OK > ${ua}`, `SIP/2.0 487 Request Terminated > ${ua}`]);
    go();
    await new Promise(setImmediate);
    expect(rig.take()).toEqual([]);
  });

  it('C-06 a branch without a final 64*T1 after the CANCEL counts as 487', () => {
    const rig = startProxy();
    rig.receive(requestText('INVITE'));
    rig.receive(answerTo(rig.sent[0]!.text, 180));
    rig.receive(cancel);
    rig.take();
    rig.time.advance(33_500);
    expect(rig.take().filter((line) => line.startsWith('SIP'))[0]).toBe(`SIP/2.0 487 Request Terminated > ${ua}`);
  });

  it('C-06 one that matches nothing gets 481', () => {
    const rig = startProxy();
    rig.receive(cancel);
    expect(rig.take()).toEqual([`SIP/2.0 481 Call/Transaction Does Not Exist > ${ua}`]);
  });

  it('C-01 Timer C cancels a call that only rings', () => {
    const rig = startProxy();
    rig.receive(requestText('INVITE'));
    rig.receive(answerTo(rig.sent[0]!.text, 180));
    rig.take();
    rig.time.advance(192_000);
    expect(rig.take()[0]).toBe(`CANCEL sip:bob@10.0.0.2 SIP/2.0 > ${peer}`);
  });
});

describe('forking', () => {
  const fork = (...groups: string[][]) => startProxy({ handleRequest: (transaction) => forkTo(transaction, groups) });

  it('S-123 the first 2xx cancels the other branches with its Reason', () => {
    const rig = fork(['sip:10.0.0.2', 'sip:10.0.0.3']);
    rig.receive(requestText('INVITE'));
    const [a, b] = rig.sent.map(({ text }) => text);
    rig.receive(answerTo(a!, 180));
    rig.receive(answerTo(b!, 180));
    rig.take();
    rig.receive(answerTo(a!, 200));
    const out = rig.sent.map(({ text }) => text);
    expect(parsed(out[0]!).headers.get(Header.Reason)).toBe('SIP;cause=200;text="Call completed elsewhere"');
    expect(rig.take()).toEqual([`CANCEL sip:10.0.0.3 SIP/2.0 > 10.0.0.3:5060`, `SIP/2.0 200 Answer > ${ua}`]);
    rig.receive(answerTo(b!, 487));
    expect(rig.take()).toEqual(['ACK sip:10.0.0.3 SIP/2.0 > 10.0.0.3:5060']);
  });

  it('C-08 the best final goes upstream when all branches have one', () => {
    const rig = fork(['sip:10.0.0.2', 'sip:10.0.0.3', 'sip:10.0.0.4']);
    rig.receive(requestText('INVITE'));
    const texts = rig.sent.map(({ text }) => text);
    rig.take();
    rig.receive(answerTo(texts[0]!, 503));
    rig.receive(answerTo(texts[1]!, 486));
    expect(rig.take().filter((line) => line.includes(ua))).toEqual([]);
    rig.receive(answerTo(texts[2]!, 408));
    expect(rig.take().at(-1)).toBe(`SIP/2.0 486 Answer > ${ua}`);
  });

  it('C-08 a 6xx stops the search and wins', () => {
    const rig = fork(['sip:10.0.0.2', 'sip:10.0.0.3'], ['sip:10.0.0.4']);
    rig.receive(requestText('INVITE'));
    const [a, b] = rig.sent.map(({ text }) => text);
    rig.receive(answerTo(b!, 180));
    rig.take();
    rig.receive(answerTo(a!, 603));
    expect(rig.take()).toEqual([
      'ACK sip:10.0.0.2 SIP/2.0 > 10.0.0.2:5060',
      'CANCEL sip:10.0.0.3 SIP/2.0 > 10.0.0.3:5060',
    ]);
    rig.receive(answerTo(b!, 487));
    expect(rig.take().at(-1)).toBe(`SIP/2.0 603 Answer > ${ua}`);
  });

  it('S-122 the next group is tried when the one before ended without success', () => {
    const rig = fork(['sip:10.0.0.2'], ['sip:10.0.0.3']);
    rig.receive(requestText('INVITE'));
    const first = rig.sent[0]!.text;
    rig.take();
    rig.receive(answerTo(first, 480));
    expect(rig.take().at(-1)).toBe('INVITE sip:10.0.0.3 SIP/2.0 > 10.0.0.3:5060');
  });

  it('C-08 challenges of several branches are merged', () => {
    const rig = fork(['sip:10.0.0.2', 'sip:10.0.0.3']);
    rig.receive(requestText('MESSAGE'));
    const [a, b] = rig.sent.map(({ text }) => text);
    rig.take();
    rig.receive(answerTo(a!, 407, 'x', ['Proxy-Authenticate: Digest realm="a"']));
    rig.receive(answerTo(b!, 401, 'x', ['WWW-Authenticate: Digest realm="b"']));
    const { headers } = parsed(rig.sent[0]!.text);
    expect([headers.has(Header['WWW-Authenticate']), headers.has(Header['Proxy-Authenticate'])]).toEqual([true, true]);
  });
});

describe('procedures', () => {
  it('an exception in a procedure gives 500 and the process goes on', () => {
    const rig = startProxy({
      handleRequest(transaction) {
        if (transaction.request.method === 'MESSAGE') throw new Error('defect');
        transaction.forward();
      },
    });
    rig.receive(requestText('MESSAGE'));
    expect(rig.take()).toEqual([`SIP/2.0 500 Server Internal Error > ${ua}`]);
    expect(String(rig.errors[0])).toContain('defect');
    rig.receive(requestText('OPTIONS', viaOf('o')));
    expect(rig.take()).toHaveLength(1);
  });

  it('C-35 requests of one Call-ID keep their order across a procedure that waits', async () => {
    const { handled, go, handleRequest } = firstWaits((transaction) => transaction.forward());
    const rig = startProxy({ handleRequest });
    rig.receive(requestText('MESSAGE'));
    rig.receive(requestText('MESSAGE', { CSeq: '2 MESSAGE', ...viaOf('q') }));
    await new Promise(setImmediate);
    expect([handled, rig.take()]).toEqual([['1 MESSAGE'], []]);
    go();
    await new Promise(setImmediate);
    expect(handled).toEqual(['1 MESSAGE', '2 MESSAGE']);
    expect(rig.sent.map(({ text }) => parsed(text).headers.get(Header.CSeq))).toEqual(['1 MESSAGE', '2 MESSAGE']);
  });

  it('a held response holds those after it back, in order', async () => {
    const { promise, resolve: go } = Promise.withResolvers<void>();
    const rig = startProxy({
      handleResponse: (_transaction, _branch, response) => (response.status === 183 ? promise : undefined),
    });
    rig.receive(requestText('INVITE'));
    const invite = rig.sent[0]!.text;
    rig.take();
    rig.receive(answerTo(invite, 183));
    rig.receive(answerTo(invite, 200));
    await new Promise(setImmediate);
    expect(rig.take()).toEqual([]);
    go();
    await new Promise(setImmediate);
    expect(rig.take()).toEqual([`SIP/2.0 183 Answer > ${ua}`, `SIP/2.0 200 Answer > ${ua}`]);
  });

  it('a failed branch may be taken over by a new one', () => {
    const rig = startProxy({
      handleFailure(transaction, branch) {
        if (transaction.branches.length > 1 || branch.final?.status !== 480) return false;
        transaction.request.setRequestUri('sip:10.0.0.9');
        transaction.forward();
        return true;
      },
    });
    rig.receive(requestText('MESSAGE'));
    const first = rig.sent[0]!.text;
    rig.take();
    rig.receive(answerTo(first, 480));
    expect(rig.take()).toEqual(['MESSAGE sip:10.0.0.9 SIP/2.0 > 10.0.0.9:5060']);
  });

  it('a refusal carries status, reason id and words', () => {
    const rig = startProxy({
      handleRequest: (transaction) => transaction.refuse(reasons.notRegistered, 'from 10.0.0.1'),
    });
    rig.receive(requestText('MESSAGE'));
    expect(statusOf(rig.sent[0]!.text)).toBe(403);
    expect(parsed(rig.sent[0]!.text).headers.get(Header.Warning)).toBe(
      '399 proxy.test "not-registered: no registration came from this address and port (from 10.0.0.1)"',
    );
  });

  it('C-15 a draining node refuses new INVITE and REGISTER with 503 and lets dialogs go on', () => {
    const rig = startProxy();
    rig.core.drain();
    rig.receive(requestText('INVITE'));
    expect(statusOf(rig.sent[0]!.text)).toBe(503);
    rig.receive(requestText('INVITE', { To: '<sip:bob@ims.test>;tag=b', ...viaOf('r') }));
    expect(rig.sent[1]!.text.startsWith('INVITE')).toBe(true);
  });

  it('P-143 C-15 a draining node takes calls for help, where its procedures know them', () => {
    const rig = startProxy({ isEmergency: ({ headers }) => headers.get(Header.Subject) === 'help' });
    rig.core.drain();
    rig.receive(requestText('INVITE'));
    rig.receive(requestText('INVITE', { Subject: 'help', ...viaOf('help') }));
    expect(rig.sent.map(({ text }) => text.slice(0, 11))).toEqual(['SIP/2.0 503', 'INVITE sip:']);
  });
});
