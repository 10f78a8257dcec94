import { describe, expect, it } from 'vitest';
import { Header } from '#sip/message/header-names';
import { coreTimers, giveUpMs, gmTimers, lateTryingMs, timerDMs } from '#sip/transaction/timers';
import { answerTo, parsed, peer, requestText, startProxy, ua } from '../proxy-rig.ts';
import { flowFrom } from '../wire-port.ts';

describe('timer profiles', () => {
  it('C-01 core and Gm give B, F, H, J of 32 s and 128 s, D of at least 32 s', () => {
    expect([giveUpMs(coreTimers), giveUpMs(gmTimers)]).toEqual([32_000, 128_000]);
    expect([timerDMs(coreTimers), timerDMs(gmTimers)]).toEqual([32_000, 128_000]);
  });

  it('C-04 the late 100 of a non-INVITE comes after 3.5 s core, 14 s Gm', () => {
    expect([lateTryingMs(coreTimers), lateTryingMs(gmTimers)]).toEqual([3_500, 14_000]);
  });
});

describe('INVITE transactions', () => {
  it('C-01 retransmits the request at T1, 2*T1, 4*T1 over UDP and gives up after 64*T1', () => {
    const rig = startProxy();
    rig.receive(requestText('INVITE'));
    expect(rig.take()).toEqual([`INVITE sip:bob@10.0.0.2 SIP/2.0 > ${peer}`]);
    rig.time.advance(499);
    expect(rig.take()).toEqual([`SIP/2.0 100 Trying > ${ua}`]);
    rig.time.advance(20);
    expect(rig.take()).toHaveLength(1);
    rig.time.advance(1_000);
    expect(rig.take()).toHaveLength(1);
    rig.time.advance(31_000);
    expect(rig.take().at(-1)).toBe(`SIP/2.0 408 Request Timeout > ${ua}`);
  });

  it('C-04 answers 100 after 200 ms only when nothing else went out, and repeats it to a retransmission', () => {
    const rig = startProxy();
    rig.receive(requestText('INVITE'));
    rig.receive(requestText('INVITE'));
    expect(rig.take()).toHaveLength(1);
    rig.time.advance(210);
    expect(rig.take()).toEqual([`SIP/2.0 100 Trying > ${ua}`]);
    rig.receive(requestText('INVITE'));
    expect(rig.take()).toEqual([`SIP/2.0 100 Trying > ${ua}`]);

    const quick = startProxy();
    quick.receive(requestText('INVITE'));
    quick.receive(answerTo(quick.sent[0]!.text, 180));
    quick.take();
    quick.time.advance(300);
    expect(quick.take()).toEqual([]);
  });

  it('C-07 acknowledges a non-2xx final itself, again for each copy, and retransmits its own until the ACK', () => {
    const rig = startProxy();
    rig.receive(requestText('INVITE'));
    const invite = rig.sent[0]!.text;
    rig.take();
    rig.receive(answerTo(invite, 486));
    expect(rig.take()).toEqual([`ACK sip:bob@10.0.0.2 SIP/2.0 > ${peer}`, `SIP/2.0 486 Answer > ${ua}`]);
    rig.receive(answerTo(invite, 486));
    expect(rig.take()).toEqual([`ACK sip:bob@10.0.0.2 SIP/2.0 > ${peer}`]);
    rig.time.advance(520);
    expect(rig.take()).toEqual([`SIP/2.0 486 Answer > ${ua}`]);
    rig.receive(requestText('ACK', { To: '<sip:bob@ims.test>;tag=b', CSeq: '1 ACK' }));
    rig.time.advance(4_000);
    expect(rig.take()).toEqual([]);
    rig.time.advance(40_000);
    expect(rig.layer.counts).toEqual({ servers: 0, clients: 0 });
  });

  it('C-02 forwards further 2xx in Accepted, absorbs a retransmitted INVITE, ends after 64*T1', () => {
    const rig = startProxy();
    rig.receive(requestText('INVITE'));
    const invite = rig.sent[0]!.text;
    rig.take();
    rig.receive(answerTo(invite, 200));
    rig.receive(answerTo(invite, 200));
    expect(rig.take()).toEqual([`SIP/2.0 200 Answer > ${ua}`, `SIP/2.0 200 Answer > ${ua}`]);
    rig.receive(requestText('INVITE'));
    expect(rig.take()).toEqual([]);
    rig.time.advance(33_500);
    expect(rig.layer.counts).toEqual({ servers: 0, clients: 0 });
    expect(rig.retained.get('call-1')).toBe(0);
  });

  it('C-14 a failed send ends the branch at once', () => {
    const rig = startProxy();
    rig.receive(requestText('INVITE'));
    const { token } = rig.sent[0]!;
    rig.take();
    rig.layer.sendFailed(token);
    expect(rig.take()).toEqual([`SIP/2.0 504 Server Time-out > ${ua}`]);
    rig.layer.sendFailed(token);
    expect(rig.take()).toEqual([]);
  });
});

describe('non-INVITE transactions', () => {
  it('C-01 Timer E doubles up to T2 and Timer F ends it; C-04 the caller never sees 408', () => {
    const rig = startProxy();
    rig.receive(requestText('MESSAGE'));
    rig.take();
    rig.time.advance(3_400);
    expect(rig.take()).toHaveLength(2);
    rig.time.advance(200);
    expect(rig.take()).toEqual([`SIP/2.0 100 Trying > ${ua}`, `MESSAGE sip:bob@10.0.0.2 SIP/2.0 > ${peer}`]);
    rig.time.advance(30_000);
    expect(rig.take().at(-1)).toBe(`SIP/2.0 504 Server Time-out > ${ua}`);
  });

  it('C-01 Timer J repeats the final response to retransmissions for 64*T1', () => {
    const rig = startProxy();
    rig.receive(requestText('MESSAGE'));
    rig.receive(answerTo(rig.sent[0]!.text, 200));
    rig.take();
    rig.receive(requestText('MESSAGE'));
    expect(rig.take()).toEqual([`SIP/2.0 200 Answer > ${ua}`]);
    rig.time.advance(33_500);
    expect(rig.layer.counts).toEqual({ servers: 0, clients: 0 });
  });

  it('C-04 the late 100 comes over TCP as well, and its transaction ends with the final response', () => {
    const rig = startProxy();
    rig.receive(requestText('MESSAGE'), flowFrom('10.0.0.1', 5060, 'tcp'));
    const forwarded = rig.sent[0]!.text;
    rig.time.advance(3_400);
    rig.take();
    rig.time.advance(200);
    expect(rig.take()).toContain(`SIP/2.0 100 Trying > ${ua}`);
    rig.receive(answerTo(forwarded, 200));
    expect(rig.take()).toEqual([`SIP/2.0 200 Answer > ${ua}`]);
    expect(rig.layer.counts.servers).toBe(0);
  });

  it('C-04 C-02 a final response that comes when the server transaction is over is dropped', () => {
    const rig = startProxy();
    rig.receive(requestText('MESSAGE'));
    const forwarded = rig.sent[0]!.text;
    rig.time.advance(66_000);
    rig.take();
    rig.receive(answerTo(forwarded, 200));
    expect(rig.take()).toEqual([]);
    expect(rig.rejected.at(-1)?.detail).toMatch(/matches no transaction/);
  });

  it('C-04 passes no provisional on', () => {
    const rig = startProxy();
    rig.receive(requestText('MESSAGE'));
    const forwarded = rig.sent[0]!.text;
    rig.take();
    rig.receive(answerTo(forwarded, 183));
    expect(rig.take()).toEqual([]);
  });
});

describe('matching', () => {
  it('C-13 drops a response whose branch is not one of ours', () => {
    const rig = startProxy();
    rig.receive(requestText('MESSAGE'));
    const response = answerTo(rig.sent[0]!.text, 200);
    rig.take();
    rig.receive(response.replace(/branch=z9hG4bK0-1-/, 'branch=z9hG4bK0-1-x'));
    expect(rig.take()).toEqual([]);
    expect(rig.rejected.at(-1)?.detail).toMatch(/matches no transaction/);
  });

  it('C-03 matches a request without magic cookie by the older rule', () => {
    const rig = startProxy();
    const old = requestText('MESSAGE', { Via: 'SIP/2.0/UDP 10.0.0.1:5060;branch=1' });
    rig.receive(old);
    rig.receive(old);
    expect(rig.take()).toHaveLength(1);
    rig.receive(old.replace('CSeq: 1', 'CSeq: 2'));
    expect(rig.take()).toHaveLength(1);
  });

  it('C-12 fills received and rport, and answers to the source', () => {
    const rig = startProxy();
    rig.receive(
      requestText('MESSAGE', { Via: 'SIP/2.0/UDP 192.168.1.1:5060;branch=z9hG4bKn;rport' }),
      flowFrom('10.0.0.1', 40_000),
    );
    const via = parsed(rig.sent[0]!.text).headers.values(Header.Via)[1]!;
    expect(via).toContain('received=10.0.0.1');
    expect(via).toContain('rport=40000');
    const forwarded = rig.sent[0]!.text;
    rig.take();
    rig.receive(answerTo(forwarded, 200));
    expect(rig.take()).toEqual(['SIP/2.0 200 Answer > 10.0.0.1:40000']);
  });

  it('C-12 without rport answers to the sent-by port at the received address', () => {
    const rig = startProxy();
    rig.receive(
      requestText('MESSAGE', { Via: 'SIP/2.0/UDP host.test:5070;branch=z9hG4bKn' }),
      flowFrom('10.0.0.1', 40_000),
    );
    const forwarded = rig.sent[0]!.text;
    rig.take();
    rig.receive(answerTo(forwarded, 200));
    expect(rig.take()).toEqual(['SIP/2.0 200 Answer > 10.0.0.1:5070']);
  });

  it('X-I17 a CANCEL from another address than its INVITE is answered 481 and changes nothing', () => {
    for (const transport of ['udp', 'tcp'] as const) {
      const rig = startProxy();
      rig.receive(requestText('INVITE'), flowFrom('10.0.0.1', 5060, transport));
      const invite = rig.sent[0]!.text;
      rig.receive(answerTo(invite, 180), flowFrom('10.0.0.2', 5060));
      rig.take();
      const cancel = requestText('CANCEL', { CSeq: '1 CANCEL' });
      rig.receive(cancel, flowFrom('10.0.0.66', 5060, transport));
      expect(rig.take().map((line) => line.split(' > ')[0])).toEqual(['SIP/2.0 481 Call/Transaction Does Not Exist']);
      expect(rig.rejected.at(-1)).toMatchObject({ answered: true, detail: expect.stringContaining('another address') });
      rig.receive(answerTo(invite, 200), flowFrom('10.0.0.2', 5060));
      expect(rig.take().map((line) => line.split(' > ')[0])).toEqual(['SIP/2.0 200 Answer']);
    }
  });

  it('X-I17 a CANCEL may come from another port of the same address', () => {
    const rig = startProxy();
    rig.receive(requestText('INVITE'), flowFrom('10.0.0.1', 5060));
    rig.receive(answerTo(rig.sent[0]!.text, 180), flowFrom('10.0.0.2', 5060));
    rig.take();
    rig.receive(requestText('CANCEL', { CSeq: '1 CANCEL' }), flowFrom('10.0.0.1', 40_000));
    expect(rig.take()).toContain(`CANCEL sip:bob@10.0.0.2 SIP/2.0 > ${peer}`);
  });
});

describe('sanity', () => {
  const cases: [name: string, text: string, status: number | null][] = [
    ['another version', requestText('MESSAGE').replace('SIP/2.0\r\n', 'SIP/7.0\r\n'), 505],
    ['CSeq of another method', requestText('MESSAGE', { CSeq: '1 INVITE' }), 400],
    ['CSeq of 2^31', requestText('MESSAGE', { CSeq: '2147483648 MESSAGE' }), 400],
    ['no From', requestText('MESSAGE', { From: '' }), 400],
    ['two To', requestText('MESSAGE', { T: '<sip:x@y>' }), 400],
    ['unknown scheme', requestText('MESSAGE', {}, 'nobody:knows'), 416],
    ['INVITE without Contact', requestText('INVITE', { Contact: '' }), 400],
    [
      'Content-Length beyond the datagram',
      requestText('MESSAGE').replace('Content-Length: 0', 'Content-Length: 9'),
      400,
    ],
    ['negative Content-Length', requestText('MESSAGE').replace('Content-Length: 0', 'Content-Length: -9'), 400],
    ['Content-Length 1e3', requestText('MESSAGE').replace('Content-Length: 0', 'Content-Length: 1e3'), 400],
    ['ACK with errors', requestText('ACK', { CSeq: '1 INVITE' }), null],
    ['bare CR in a header', requestText('MESSAGE', { Subject: 'a\rb' }), 400],
    ['blank in the Request-URI', requestText('MESSAGE', {}, 'sip:bob@10.0.0.2; lr'), 400],
    ['Max-Forwards of 300', requestText('MESSAGE', { 'Max-Forwards': '300' }), 400],
  ];
  it.each(cases)('C-23 %s', (_name, text, status) => {
    const rig = startProxy();
    rig.receive(text);
    const out = rig.take();
    expect(out.map((line) => Number(line.slice(8, 11)))).toEqual(status === null ? [] : [status]);
    expect(rig.rejected).toHaveLength(1);
  });

  it.each([
    'From',
    'To',
    'Call-ID',
    'CSeq',
    'Max-Forwards',
    'Content-Type',
    'Expires',
    'Event',
    'Session-Expires',
    'Min-SE',
    'Refer-To',
  ])('C-25 two %s lines get 400, whatever they say', (name) => {
    const values: Record<string, string> = {
      From: '<sip:alice@ims.test>;tag=a',
      To: '<sip:bob@ims.test>',
      'Call-ID': 'call-1',
      CSeq: '1 MESSAGE',
      'Content-Type': 'text/plain',
      Event: 'reg',
      'Refer-To': '<sip:carol@ims.test>',
    };
    const value = values[name] ?? '70';
    const rig = startProxy();
    rig.receive(requestText('MESSAGE', { [name]: `${value}\r\n${name}: ${value}` }));
    expect(rig.take()).toEqual([`SIP/2.0 400 Bad Request > ${ua}`]);
  });

  it.each([
    ['two tags', { From: '<sip:alice@ims.test>;tag=a;tag=b' }],
    ['a list where one value may stand', { 'Max-Forwards': '70, 70' }],
    ['two branches', { Via: 'SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKa;branch=z9hG4bKb' }],
  ])('C-25 %s get 400', (_name, fields) => {
    const rig = startProxy();
    rig.receive(requestText('MESSAGE', fields));
    expect(rig.take().map((line) => line.slice(8, 11))).toEqual(['400']);
  });

  it('C-23 a refusal names its reason in a Warning', () => {
    const rig = startProxy();
    rig.receive(requestText('MESSAGE', { CSeq: '1 INVITE' }));
    expect(parsed(rig.sent[0]!.text).headers.get(Header.Warning)).toMatch(
      /^399 127\.0\.0\.1:5060 "malformed: .*CSeq names another method/,
    );
  });

  it('C-23 a body longer than Content-Length is cut', () => {
    const rig = startProxy();
    rig.receive(`${requestText('MESSAGE', { 'Content-Type': 'text/plain' }, undefined, 'hello')}tail`);
    expect(rig.sent[0]!.text.endsWith('\r\n\r\nhello')).toBe(true);
  });

  it('X-S7 a NUL in a field that an answer repeats is a blank in the answer', () => {
    const rig = startProxy();
    for (const field of ['To', 'From', 'Call-ID', 'Via', 'Contact'] as const) {
      rig.receive(requestText('MESSAGE').replace(`${field}: `, `${field}: \0`));
    }
    expect(rig.sent.map(({ text }) => text.slice(0, text.indexOf('\r\n')))).toEqual(
      Array(5).fill('SIP/2.0 400 Bad Request'),
    );
    expect(rig.rejected.map(({ answered }) => answered)).toEqual(Array(5).fill(true));
    for (const { text } of rig.sent) {
      expect(text).not.toContain('\0');
      expect(text).toContain('\r\nCall-ID: call-1\r\n');
    }
  });
});
