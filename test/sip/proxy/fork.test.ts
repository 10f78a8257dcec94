import { describe, expect, it } from 'vitest';
import { Header } from '#sip/message/header-names';
import type { NodeLogic } from '#sip/proxy/node-logic';
import {
  answerTo,
  branchOf,
  forkTo,
  type ProxyRig,
  parsed,
  requestText,
  startProxy,
  statusOf,
  ua,
  viaOf,
} from '../proxy-rig.ts';
import { flowFrom } from '../wire-port.ts';

/** A proxy that forks every initial request to these groups of Request-URIs, and forwards the rest. */
function fork(groups: readonly (readonly string[])[], more: NodeLogic = {}): ProxyRig {
  return startProxy({
    handleRequest(transaction) {
      if (transaction.inDialog) transaction.forward();
      else forkTo(transaction, groups);
    },
    ...more,
  });
}

const two = [['sip:10.0.0.2', 'sip:10.0.0.3']];
const breadths = (rig: ProxyRig) => rig.sent.map(({ text }) => parsed(text).headers.get(Header['Max-Breadth']));

describe('loops', () => {
  /** The request as it comes back to the node that sent it. */
  const comesBack = (sentText: string, uri: string, callId = 'call-1') =>
    sentText
      .replace(/^(\w+) \S+/, `$1 ${uri}`)
      .replace('Call-ID: call-1', `Call-ID: ${callId}`)
      .replace('Via:', 'Via: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKaway\r\nVia:');

  it('C-36 X-I19 a request that was forked here is refused with 482 when it comes back as it was', () => {
    const rig = fork(two);
    rig.receive(requestText('INVITE'));
    const [first] = rig.sent.map(({ text }) => text);
    rig.take();
    rig.receive(comesBack(first!, 'sip:bob@10.0.0.2'), flowFrom('10.0.0.2', 5060));
    expect(rig.sent.map(({ text }) => statusOf(text))).toEqual([482]);
    expect(rig.sent[0]!.text).toContain('loop: the request passed this node too often (it was forked here before)');
  });

  it('C-36 a loop of MESSAGEs between two users stops at the second round', () => {
    const rig = startProxy({
      handleRequest(transaction) {
        const others = transaction.request.requestUri === 'sip:a@127.0.0.1' ? ['b', 'c'] : ['a', 'd'];
        forkTo(transaction, [others.map((user) => `sip:${user}@127.0.0.1`)]);
      },
    });
    rig.receive(requestText('MESSAGE', {}, 'sip:a@127.0.0.1'));
    let requests = 0;
    for (let round = 0; round < 20 && rig.sent.length > 0; round++) {
      for (const { text } of rig.sent.splice(0)) {
        if (text.startsWith('MESSAGE')) requests++;
        rig.receive(text, flowFrom('127.0.0.1', 5060));
      }
    }
    // a forks to b and c, each of these to a and d, each d to a and d: a and the second d are loops by then.
    expect(requests).toBe(2 + 4 + 4);
    expect(rig.errors).toEqual([]);
  });

  it.each([
    ['another Request-URI', 'sip:carol@10.0.0.2', 'call-1', {}],
    ['another Call-ID', 'sip:bob@10.0.0.2', 'call-2', {}],
    ['another CSeq number', 'sip:bob@10.0.0.2', 'call-1', { 'CSeq: 1': 'CSeq: 2' }],
    ['another From tag', 'sip:bob@10.0.0.2', 'call-1', { 'tag=a': 'tag=x' }],
    ['Proxy-Authorization', 'sip:bob@10.0.0.2', 'call-1', { 'To:': 'Proxy-Authorization: Digest a="b"\r\nTo:' }],
    ['another Route entry of ours', 'sip:bob@10.0.0.2', 'call-1', { 'To:': 'Route: <sip:o@127.0.0.1;lr>\r\nTo:' }],
  ])('C-36 a spiral with %s passes', (_name, uri, callId, changes) => {
    const rig = fork(two);
    rig.receive(requestText('INVITE'));
    let back = comesBack(rig.sent[0]!.text, uri, callId);
    for (const [from, to] of Object.entries(changes)) back = back.replace(from, to);
    rig.take();
    rig.receive(back, flowFrom('10.0.0.2', 5060));
    expect(rig.take()).toEqual([
      'INVITE sip:10.0.0.2 SIP/2.0 > 10.0.0.2:5060',
      'INVITE sip:10.0.0.3 SIP/2.0 > 10.0.0.3:5060',
    ]);
  });

  it('C-36 only branches of a fork bear a mark, all the same one, and responses and CANCEL still match', () => {
    const single = fork([['sip:10.0.0.2']]);
    single.receive(requestText('INVITE'));
    expect(branchOf(single.sent[0]!.text)).toMatch(/^z9hG4bK0-1-[0-9a-z]+$/);
    const rig = fork(two);
    rig.receive(requestText('INVITE'));
    const branches = rig.sent.map(({ text }) => branchOf(text));
    const marks = branches.map((branch) => branch.split('-')[3]);
    expect(marks[0]).toMatch(/^[0-9a-f]{16}$/);
    expect(marks).toEqual([marks[0], marks[0]]);
    expect(new Set(branches).size).toBe(2);
    const invite = rig.sent[0]!.text;
    rig.receive(answerTo(invite, 180));
    rig.take();
    rig.receive(requestText('CANCEL', { CSeq: '1 CANCEL' }));
    expect(branchOf(rig.sent.find(({ text }) => text.startsWith('CANCEL'))!.text)).toBe(branches[0]);
  });

  it('C-36 a mark in the Via of another node is no loop', () => {
    const rig = fork(two);
    rig.receive(requestText('INVITE'));
    const mark = branchOf(rig.sent[0]!.text).split('-')[3];
    rig.take();
    const via = `SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK0-1-x-${mark}`;
    rig.receive(requestText('INVITE', { Via: via }), flowFrom('10.0.0.9', 5060));
    expect(rig.take()).toHaveLength(2);
  });

  it('C-20 nine of our Vias in one line are seen as well', () => {
    const rig = startProxy();
    const vias = Array.from({ length: 9 }, (_, i) => `SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK0-1-0123abcd${i}`);
    rig.receive(requestText('MESSAGE').replace('Max-Forwards', `Via: ${vias.join(', ')}\r\nMax-Forwards`));
    expect(statusOf(rig.sent[0]!.text)).toBe(482);
    const spiral = startProxy();
    spiral.receive(requestText('MESSAGE').replace('Max-Forwards', `Via: ${vias.slice(1).join(',')}\r\nMax-Forwards`));
    expect(spiral.sent[0]!.text.startsWith('MESSAGE')).toBe(true);
  });
});

describe('Max-Breadth', () => {
  it.each([
    ['60 without one', '', 2, ['30', '30']],
    ['as it says', '7', 3, ['3', '2', '2']],
    ['60 where it says more', '99999999999', 2, ['30', '30']],
    ['the last bit', '2', 2, ['1', '1']],
  ])('C-36 X-I19 is split among the branches: %s', (_name, value, count, shares) => {
    const rig = fork([Array.from({ length: count }, (_, i) => `sip:10.0.0.${2 + i}`)]);
    rig.receive(requestText('INVITE', { 'Max-Breadth': value }));
    expect(breadths(rig)).toEqual(shares);
  });

  it('C-36 is given whole to each branch of a search one after the other', () => {
    const rig = fork([['sip:10.0.0.2'], ['sip:10.0.0.3']]);
    rig.receive(requestText('INVITE', { 'Max-Breadth': '5' }));
    rig.receive(answerTo(rig.sent[0]!.text, 480));
    const invites = rig.sent.filter(({ text }) => text.startsWith('INVITE'));
    expect(invites.map(({ text }) => parsed(text).headers.get(Header['Max-Breadth']))).toEqual(['5', '5']);
  });

  it('C-36 passes a request that is not forked as it came', () => {
    const rig = startProxy();
    rig.receive(requestText('MESSAGE', { 'Max-Breadth': '3' }));
    rig.receive(requestText('MESSAGE', viaOf(2)));
    expect(breadths(rig)).toEqual(['3', null]);
  });

  it.each([
    ['440', '2', 440, /^399 .* "max-breadth: .*\(3 branches, 2 allowed\)"$/],
    ['400 for zero', '0', 400, /Max-Breadth is zero/],
    ['400 for what is no number', 'many', 400, /Max-Breadth/],
  ])('C-36 X-I19 refuses a fork that is too wide: %s', (_name, value, status, warning) => {
    const rig = fork([['sip:10.0.0.2', 'sip:10.0.0.3', 'sip:10.0.0.4']]);
    rig.receive(requestText('INVITE', { 'Max-Breadth': value }));
    expect(rig.sent.map(({ text }) => statusOf(text))).toEqual([status]);
    expect(parsed(rig.sent[0]!.text).headers.get(Header.Warning)).toMatch(warning);
  });
});

describe('the search', () => {
  it('C-08 a branch that fails at once does not end the search of its group', () => {
    const rig = fork([['sip:10.0.0.2', 'nobody:knows'], ['sip:10.0.0.4']]);
    rig.receive(requestText('INVITE'));
    expect(rig.take()).toEqual(['INVITE sip:10.0.0.2 SIP/2.0 > 10.0.0.2:5060']);
    const other = fork([['nobody:knows', 'sip:10.0.0.2']]);
    other.receive(requestText('INVITE'));
    const invite = other.sent[0]!.text;
    expect(other.take()).toEqual(['INVITE sip:10.0.0.2 SIP/2.0 > 10.0.0.2:5060']);
    other.receive(answerTo(invite, 486));
    expect(other.take().at(-1)).toBe(`SIP/2.0 486 Answer > ${ua}`);
  });

  it('C-08 an empty group is passed over, and a fork to nobody is answered', () => {
    const rig = fork([[], ['sip:10.0.0.2'], []]);
    rig.receive(requestText('INVITE'));
    const invite = rig.sent[0]!.text;
    rig.take();
    rig.receive(answerTo(invite, 486));
    expect(rig.take().at(-1)).toBe(`SIP/2.0 486 Answer > ${ua}`);
    const nobody = fork([]);
    nobody.receive(requestText('INVITE'));
    expect(statusOf(nobody.sent[0]!.text)).toBe(500);
  });

  it('C-08 a 2xx that comes after a 6xx of another branch still goes through', () => {
    const rig = fork(two);
    rig.receive(requestText('INVITE'));
    const [a, b] = rig.sent.map(({ text }) => text);
    rig.receive(answerTo(b!, 180));
    rig.receive(answerTo(a!, 603));
    rig.take();
    rig.receive(answerTo(b!, 200));
    expect(rig.take()).toEqual([`SIP/2.0 200 Answer > ${ua}`]);
  });

  it('C-08 every 2xx of a fork goes upstream, with its own To tag', () => {
    const rig = fork(two);
    rig.receive(requestText('INVITE'));
    const [a, b] = rig.sent.map(({ text }) => text);
    rig.take();
    rig.receive(answerTo(a!, 200));
    rig.receive(answerTo(b!, 200).replace('tag=b', 'tag=c'));
    const tags = rig.sent.filter(({ text }) => text.startsWith('SIP')).map(({ text }) => /tag=([bc])/.exec(text)![1]);
    expect(tags).toEqual(['b', 'c']);
  });

  it('C-08 after a 6xx the node is not asked for another branch', () => {
    const asked: number[] = [];
    const rig = fork(two, {
      handleFailure(_transaction, branch) {
        asked.push(branch.final!.status);
        return false;
      },
    });
    rig.receive(requestText('MESSAGE'));
    const [a, b] = rig.sent.map(({ text }) => text);
    rig.take();
    rig.receive(answerTo(a!, 480));
    rig.receive(answerTo(b!, 604));
    expect(asked).toEqual([480]);
    expect(rig.take()).toEqual([`SIP/2.0 604 Answer > ${ua}`]);
  });

  it.each([
    ['503 beside 486', [503, 486], 486],
    ['503 beside 500', [503, 500], 500],
    ['503 alone', [503, 503], 500],
    ['401 before 404', [404, 401], 401],
    ['420 before 486', [486, 420], 420],
    ['302 before 404', [404, 302], 302],
    ['480 before 487', [487, 480], 480],
    ['404 before 408', [408, 404], 404],
    ['606 before 401', [401, 606], 606],
    ['408 before 500', [500, 408], 408],
  ])('C-08 of all finals the best goes upstream: %s', (_name, finals, best) => {
    const rig = fork(two);
    rig.receive(requestText('INVITE'));
    const texts = rig.sent.map(({ text }) => text);
    rig.take();
    for (const [i, status] of finals.entries()) rig.receive(answerTo(texts[i]!, status));
    const answer = rig.take().find((line) => line.endsWith(ua))!;
    expect(Number(answer.slice(8, 11))).toBe(best);
  });

  it('C-08 C-30 of several 503 the chosen one says how long to wait, beside another answer none does', () => {
    for (const [other, status, seconds] of [
      [503, 500, '20'],
      [404, 404, null],
    ] as const) {
      const rig = fork(two);
      rig.receive(requestText('MESSAGE'));
      const [a, b] = rig.sent.map(({ text }) => text);
      rig.take();
      rig.receive(answerTo(a!, 503, 'Busy', ['Retry-After: 20']));
      rig.receive(answerTo(b!, other, 'Other', other === 503 ? ['Retry-After: 30'] : []));
      const { text } = rig.sent[0]!;
      expect([statusOf(text), parsed(text).headers.get(Header['Retry-After'])]).toEqual([status, seconds]);
    }
  });

  it('C-04 a 408 of the next hop to a non-INVITE goes upstream as 504', () => {
    const rig = startProxy();
    rig.receive(requestText('MESSAGE'));
    const forwarded = rig.sent[0]!.text;
    rig.take();
    rig.receive(answerTo(forwarded, 408));
    expect(rig.take()).toEqual([`SIP/2.0 504 Server Time-out > ${ua}`]);
  });

  it('an answer goes out when the branch that a node started instead fails before the node has answered', async () => {
    const rig = startProxy({
      async handleFailure(transaction, branch) {
        await Promise.resolve();
        if (branch.final!.status !== 480) return false;
        transaction.forward({ targets: [] });
        await new Promise(setImmediate);
        return true;
      },
    });
    rig.receive(requestText('MESSAGE'));
    const forwarded = rig.sent[0]!.text;
    rig.take();
    rig.receive(answerTo(forwarded, 480));
    await expect.poll(() => rig.take(), { timeout: 15_000 }).toEqual([`SIP/2.0 504 Server Time-out > ${ua}`]);
  });
});

describe('early dialogs of a fork', () => {
  it('C-37 provisional responses of all branches pass with their own To tags, bodies and headers', () => {
    const rig = fork(two);
    rig.receive(requestText('INVITE'));
    const [a, b] = rig.sent.map(({ text }) => text);
    rig.take();
    const withSdp = (text: string, tag: string, status: number) =>
      answerTo(text, status, 'Early', ['P-Early-Media: sendrecv', 'Content-Type: application/sdp'])
        .replace('tag=b', `tag=${tag}`)
        .replace('Content-Length: 0\r\n\r\n', `Content-Length: 6\r\n\r\nv=0 ${tag}`);
    rig.receive(withSdp(a!, 'd1', 183));
    rig.receive(withSdp(b!, 'd2', 183));
    rig.receive(withSdp(b!, 'd3', 180));
    const passed = rig.sent.map(({ text }) => parsed(text));
    expect(passed.map((message) => /tag=(\w+)/.exec(message.headers.get(Header.To)!)![1])).toEqual(['d1', 'd2', 'd3']);
    expect(passed.map(({ body }) => body)).toEqual(['v=0 d1', 'v=0 d2', 'v=0 d3']);
    expect(passed.map(({ headers }) => headers.get(Header['P-Early-Media']))).toEqual(Array(3).fill('sendrecv'));
  });

  it('C-37 a 199 passes and does not end the other early dialogs', () => {
    const rig = fork(two);
    rig.receive(requestText('INVITE'));
    const [a, b] = rig.sent.map(({ text }) => text);
    rig.receive(answerTo(a!, 180));
    rig.receive(answerTo(b!, 180).replace('tag=b', 'tag=c'));
    rig.take();
    rig.receive(answerTo(a!, 199, 'Early Dialog Terminated', ['Reason: SIP;cause=486']));
    expect(parsed(rig.sent[0]!.text).headers.get(Header.Reason)).toBe('SIP;cause=486');
    expect(rig.take()).toEqual([`SIP/2.0 199 Early Dialog Terminated > ${ua}`]);
    rig.receive(answerTo(b!, 200).replace('tag=b', 'tag=c'));
    expect(rig.take()).toContain(`SIP/2.0 200 Answer > ${ua}`);
  });

  it('C-37 C-09 PRACK and UPDATE of each early dialog go to its own contact', () => {
    const rig = fork(two);
    rig.receive(requestText('INVITE'));
    rig.take();
    for (const [i, method] of ['PRACK', 'UPDATE'].entries()) {
      for (const host of ['10.0.0.2', '10.0.0.3']) {
        const to = `<sip:bob@ims.test>;tag=${host}`;
        rig.receive(
          requestText(method, { ...viaOf(method + host), To: to, CSeq: `${2 + i} ${method}` }, `sip:bob@${host}`),
        );
        expect(rig.take()).toEqual([`${method} sip:bob@${host} SIP/2.0 > ${host}:5060`]);
      }
    }
  });
});
