import { describe, expect, test } from 'vitest';
import { avp } from '#diameter/codec/avp-types';
import { encodeMessage } from '#diameter/codec/encode';
import { baseAvps } from '#diameter/dictionary/base';
import { rxApplication, rxAvps } from '#diameter/dictionary/rx';
import { LadderBook, type LadderParty, renderLadder } from '#manage/ladder';
import { type TraceEvent, traceTo } from '#manage/trace-recorder';
import type { Flow } from '#sip/transport/flow';

const parties: LadderParty[] = [
  { name: 'alice', node: 'alice', addresses: ['127.0.0.1:5061'] },
  { name: 'P-CSCF', node: 'pcscf', addresses: ['127.0.0.1:5060', '127.0.0.1:5070'] },
  { name: 'I-CSCF', node: 'icscf', addresses: ['127.0.0.1:4060', 'icscf.ims.test'] },
  { name: 'HSS', node: 'hss', addresses: ['hss.ims.test', 'ims.test'] },
];

const register = 'REGISTER sip:ims.test SIP/2.0\r\nVia: x\r\nCSeq: 1 REGISTER\r\n\r\n';

function sip(t: number, node: string, dir: 'in' | 'out', peer: string, text = register, key = text): TraceEvent {
  const head = text.slice(0, text.indexOf('\r\n'));
  return { t, node, kind: 'sip', dir, peer, origin: '', head, text, journal: [], key };
}

function diameter(t: number, node: string, dir: 'in' | 'out', head: string, origin: string): TraceEvent {
  const text = head.includes(' ') ? '' : 'Session-Id: a\nDestination-Realm: ims.test';
  return { t, node, kind: 'diameter', dir, peer: '', origin, head, text, journal: [], key: head };
}

describe('each message is shown once', () => {
  test('whichever end reports first, and when only one does', () => {
    const book = new LadderBook(parties);
    book.add(sip(100.5, 'pcscf', 'in', '127.0.0.1:5061'));
    book.add(sip(100, 'alice', 'out', '127.0.0.1:5060'));
    book.add(sip(101, 'pcscf', 'out', '127.0.0.1:4060', register, 'b'));
    book.add(diameter(102, 'icscf', 'out', 'UAR', 'icscf.ims.test'));
    book.add(diameter(103, 'icscf', 'in', 'UAA FIRST_REGISTRATION', 'hss.ims.test'));
    expect(book.messages().map(({ t, from, to, label }) => `${t} ${from} > ${to}: ${label}`)).toEqual([
      '100 alice > P-CSCF: REGISTER',
      '101 P-CSCF > I-CSCF: REGISTER',
      '102 I-CSCF > HSS: UAR',
      '103 HSS > I-CSCF: UAA FIRST_REGISTRATION',
    ]);
  });

  test('a retransmission is a message of its own', () => {
    const book = new LadderBook(parties);
    for (const t of [1, 2]) {
      book.add(sip(t, 'alice', 'out', '127.0.0.1:5060'));
      book.add(sip(t + 0.1, 'pcscf', 'in', '127.0.0.1:5061'));
    }
    expect(book.messages().length).toBe(2);
    expect(book.take().length).toBe(2);
    expect(book.take()).toEqual([]);
  });

  test('a message of a node to itself is one', () => {
    const book = new LadderBook(parties);
    book.add(sip(1, 'pcscf', 'out', '127.0.0.1:5070'));
    book.add(sip(1.1, 'pcscf', 'in', '127.0.0.1:5060'));
    expect(book.messages()).toMatchObject([{ from: 'P-CSCF', to: 'P-CSCF' }]);
    expect(renderLadder(book.messages(), parties)).toContain('|: REGISTER');
  });

  test('strangers are named by their address', () => {
    const book = new LadderBook(parties);
    book.add(sip(1, 'pcscf', 'in', '192.0.2.7:40000'));
    expect(book.messages()[0]).toMatchObject({ from: '192.0.2.7:40000', to: 'P-CSCF' });
    expect(renderLadder(book.messages(), parties)).toContain('REGISTER [192.0.2.7:40000]');
  });
});

test('the ladder is drawn with a column per party', () => {
  const book = new LadderBook(parties);
  const ok = 'SIP/2.0 401 Unauthorized\r\nCSeq: 1 REGISTER\r\n\r\n';
  book.add(sip(1000, 'alice', 'out', '127.0.0.1:5060'));
  book.add(diameter(1001.25, 'icscf', 'out', 'UAR', 'icscf.ims.test'));
  book.add(diameter(1002.5, 'icscf', 'in', 'UAA FIRST_REGISTRATION', 'hss.ims.test'));
  book.add(sip(1003, 'pcscf', 'out', '127.0.0.1:5061', ok));
  expect(renderLadder(book.messages(), parties, { width: 80 }).split('\n')).toEqual([
    '      ms  alice               P-CSCF               I-CSCF                 HSS',
    '     0.0    |---- REGISTER ----->|                    |                    |',
    '     1.3    |                    |                    |------- UAR ------->|',
    '            |                    |                   UAA FIRST_REGISTRATION|',
    '     2.5    |                    |                    |<-------------------|',
    '     3.0    |<-- 401 (REGISTER) -|                    |                    |',
    '',
  ]);
});

test('colour only where it is asked for, edits under the procedure that made them', () => {
  const book = new LadderBook(parties);
  const journal = [
    { procedure: 'forwardRegister (TS 24.229 5.2.2)', before: null, after: 'Path: <sip:t@p;lr>' },
    { procedure: 'forwardRegister (TS 24.229 5.2.2)', before: 'Max-Forwards: 70', after: 'Max-Forwards: 69' },
    { procedure: 'core', before: 'Security-Client: x', after: null },
  ];
  book.add({ ...sip(1, 'pcscf', 'out', '127.0.0.1:4060'), journal });
  const plain = renderLadder(book.messages(), parties, { headers: true });
  expect(plain).not.toContain('\x1b');
  expect(plain.split('\n').slice(2, 8)).toEqual([
    '          P-CSCF: forwardRegister (TS 24.229 5.2.2)',
    '            + Path: <sip:t@p;lr>',
    '            ~ Max-Forwards: 70',
    '            > Max-Forwards: 69',
    '          P-CSCF: core',
    '            - Security-Client: x',
  ]);
  expect(renderLadder(book.messages(), parties, { headers: true, colour: true })).toContain('\x1b[32m+ Path');
  expect(renderLadder(book.messages(), parties)).not.toContain('Path');
});

test('C-34: secrets do not enter a trace', () => {
  const events: TraceEvent[] = [];
  const sink = traceTo('pcscf', (event) => events.push(event));
  const flow: Flow = { listener: 0, transport: 'udp', address: '::1', port: 5060, connection: 0 };
  const text = 'SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest ck="aabb", ik="ccdd", realm="x"\r\n\r\n';
  sink.sip('in', text, flow, [{ procedure: 'takeChallenge', before: 'x: Digest ck="aabb"', after: null }]);
  sink.sip('in', 'REGISTER sip:x SIP/2.0\r\nAuthorization: Digest response="beef"\r\n\r\n', flow);
  const all = JSON.stringify(events);
  for (const secret of ['aabb', 'ccdd', 'beef']) expect(all).not.toContain(secret);
  expect(events[0]).toMatchObject({ peer: '[::1]:5060', head: 'SIP/2.0 401 Unauthorized' });
});

test('D-20 AVPs of Rx are shown by their names, addresses and numbers as they are read', () => {
  const events: TraceEvent[] = [];
  const sink = traceTo('pcscf', (event) => events.push(event));
  const component = avp(rxAvps.mediaComponentDescription, [
    avp(rxAvps.mediaComponentNumber, 1),
    avp(rxAvps.maxRequestedBandwidthUl, 3_000_000_000),
  ]);
  const body = [avp(baseAvps.sessionId, 'pcscf;1;2'), avp(baseAvps.hostIpAddress, '192.0.2.1'), component];
  const header = { flags: 0xc0, command: 265, application: rxApplication.id, hopByHop: 1, endToEnd: 1 };
  sink.diameter('out', encodeMessage(header, body));
  expect(events[0]).toMatchObject({ head: 'AAR' });
  expect(events[0]?.text.split('\n')).toEqual([
    'Session-Id: pcscf;1;2',
    'Host-IP-Address: 192.0.2.1',
    'Media-Component-Description:',
    '  Media-Component-Number: 1',
    '  Max-Requested-Bandwidth-UL: 3000000000',
  ]);
});
