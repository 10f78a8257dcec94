import { describe, expect, it } from 'vitest';
import { createResponse } from '#sip/message/create';
import { Header } from '#sip/message/header-names';
import { parseMessage } from '#sip/parser/parse-message';
import { TimerWheel } from '#sip/transaction/timer-wheel';
import { gmTimers } from '#sip/transaction/timers';
import { TransactionLayer } from '#sip/transaction/transaction-layer';
import { ignoreOutcome, type ServerTransaction } from '#sip/transaction/transaction-port';
import type { Flow, Listener, TransportName } from '#sip/transport/flow';
import { message, type Sent, TestTime } from '../wire-port.ts';

const own = '10.0.0.1';
const ue = '10.0.0.2';
const ports = { s: 5063, c: 5062, uc: 7001, us: 7002 };

const listeners: readonly Listener[] = [
  { index: 0, sides: ['gm'], transport: 'udp', address: own, port: 5060, sentBy: `${own}:5060` },
  protectedListener(1, 'udp', ports.s),
  protectedListener(2, 'udp', ports.c),
  protectedListener(3, 'tcp', ports.s),
  protectedListener(4, 'tcp', ports.c),
];
const [plain, udpS, udpC, tcpS, tcpC] = [0, 1, 2, 3, 4];

function protectedListener(index: number, transport: TransportName, port: number): Listener {
  const sentBy = `${own}:${ports.s}`;
  const protection = port === ports.s ? 'server' : 'client';
  return { index, sides: ['gm'], transport, address: own, port, sentBy, protection, sentByPort: ports.s };
}

const flow = (listener: number, port: number, connection = 0): Flow => ({
  listener,
  transport: listeners[listener]!.transport,
  address: ue,
  port,
  connection,
});

/** The UE's own ends: answers leave from port-c to port-us, by TCP on the connection they came by while it is there. */
const answerFlow = (from: Flow): Flow => ({
  ...from,
  listener: from.transport === 'udp' ? udpC : tcpC,
  port: ports.us,
});

/** A layer whose user answers 200 to everything. */
function start(hook: ((from: Flow) => Flow) | null = answerFlow) {
  const time = new TestTime();
  const sent: Sent[] = [];
  const layer = new TransactionLayer(
    {
      worker: 0,
      wheel: new TimerWheel(time.now, time.alarm),
      listeners,
      profileOf: () => ({ ...gmTimers, answersToSource: true }),
      send: (text, target, token) => void sent.push({ text, target, token }),
      traced: false,
      retain: () => 0,
      release: () => {},
      rejected: () => {},
      switchToTcpAbove: 1300,
      ...(hook === null ? {} : { answerFlow: hook }),
    },
    {
      onRequest(transaction: ServerTransaction, request) {
        transaction.respond(createResponse(request, 200, 'b'));
      },
      onAck() {},
      onCancel() {},
      onServerEnded() {},
    },
  );
  return { layer, sent };
}

function request(via: string, method = 'MESSAGE', more: readonly string[] = []): string {
  return message([
    `${method} sip:bob@ims.test SIP/2.0`,
    `Via: SIP/2.0/${via};branch=z9hG4bK1`,
    'From: <sip:a@x>;tag=1',
    'To: <sip:b@x>',
    'Call-ID: 1',
    `CSeq: 1 ${method}`,
    'Max-Forwards: 70',
    ...more,
    'Content-Length: 0',
  ]);
}

describe('answers to what came to a protected port', () => {
  it.each([
    ['port-uc in sent-by', `UDP ${ue}:${ports.uc}`],
    ['port-us in sent-by', `UDP ${ue}:${ports.us}`],
    ['rport', `UDP ${ue}:${ports.us};rport`],
    ['another address', 'UDP 192.168.1.7:5060;rport'],
    ['maddr', `UDP ${ue}:${ports.us};maddr=203.0.113.9`],
  ])('P-81 leave from port-c to port-us over UDP, with %s', (_case, via) => {
    const { layer, sent } = start();
    layer.receive(request(via), flow(udpS, ports.uc));
    expect(sent[0]!.text).toMatch(/^SIP\/2\.0 200 /);
    expect(sent[0]!.target).toEqual({ listener: udpC, transport: 'udp', address: ue, port: ports.us, connection: 0 });
  });

  it('P-81 repeats them to a retransmission by the same way', () => {
    const { layer, sent } = start();
    for (let i = 0; i < 2; i++) layer.receive(request(`UDP ${ue}:${ports.uc};rport`), flow(udpS, ports.uc));
    expect(sent.map(({ target }) => [target.listener, target.port])).toEqual([
      [udpC, ports.us],
      [udpC, ports.us],
    ]);
  });

  it('P-81 stay on the connection over TCP, and name the way without it', () => {
    const { layer, sent } = start();
    layer.receive(request(`TCP ${ue}:${ports.us}`), flow(tcpS, ports.uc, 17));
    expect(sent[0]!.target).toEqual({ listener: tcpC, transport: 'tcp', address: ue, port: ports.us, connection: 17 });
  });

  it('P-81 refuses what is broken by the same way', () => {
    const { layer, sent } = start();
    layer.receive(request(`UDP ${ue}:${ports.us};rport`, 'MESSAGE', ['CSeq: 1 INVITE']), flow(udpS, ports.uc));
    expect(sent[0]!.text).toMatch(/^SIP\/2\.0 400 /);
    expect(sent[0]!.target).toMatchObject({ listener: udpC, port: ports.us });
  });

  it('P-81 go back by their flow where nobody knows the ports of the UE', () => {
    const { layer, sent } = start(null);
    layer.receive(request(`UDP ${ue}:${ports.us}`), flow(udpS, ports.uc));
    expect(sent[0]!.target).toEqual(flow(udpS, ports.uc));
  });

  it('P-81 C-12 asks nobody about a plain listener', () => {
    const { layer, sent } = start(() => {
      throw new Error('was asked');
    });
    layer.receive(request(`UDP ${ue}:5066;rport`), flow(plain, 40_000));
    expect(sent[0]!.target).toEqual(flow(plain, 40_000));
  });
});

describe('requests to a UE', () => {
  const toUe = (listener: number, connection = 0) => ({ ...flow(listener, ports.us, connection) });

  function send(target: ReturnType<typeof toUe> & { streamListener?: number; streamConnection?: number }, body = '') {
    const { layer, sent } = start();
    const made = parseMessage(request('UDP core.test:5070', 'MESSAGE', [`Subject: ${body}`]), flow(plain, 1), false);
    if (made.kind !== 'request') throw new Error('the request is broken');
    layer.startClient(made, target, ignoreOutcome);
    const out = parseMessage(sent[0]!.text, flow(plain, 1), false);
    return { target: sent[0]!.target, via: out.kind === 'request' ? out.headers.first(Header.Via)! : '' };
  }

  it('P-93 name port-s in Via whatever socket sends them', () => {
    expect(send(toUe(udpC)).via).toMatch(`SIP/2.0/UDP ${own}:${ports.s};branch=`);
    expect(send(toUe(tcpC)).via).toMatch(`SIP/2.0/TCP ${own}:${ports.s};branch=`);
    expect(send(toUe(tcpC, 17)).via).toMatch(`SIP/2.0/TCP ${own}:${ports.s};branch=`);
  });

  it('P-82 P-96 of more than 1300 octets take the connection of the UE, or one from port-c to port-us', () => {
    const large = 'x'.repeat(1300);
    const open = { ...toUe(udpC), streamListener: tcpC, streamConnection: 17 };
    expect(send(open, large)).toMatchObject({ target: { listener: tcpC, transport: 'tcp', connection: 17 } });
    expect(send(open).target).toMatchObject({ listener: udpC, transport: 'udp' });
    expect(send({ ...toUe(udpC), streamListener: tcpC }, large)).toMatchObject({
      target: { listener: tcpC, transport: 'tcp', port: ports.us, connection: 0 },
    });
  });

  it('P-93 knows the answers to them as its own: by branch, whatever transport and port they come from', () => {
    const { layer, sent } = start();
    const made = parseMessage(request('UDP core.test:5070'), flow(plain, 1), false);
    if (made.kind !== 'request') throw new Error('the request is broken');
    const statuses: number[] = [];
    layer.startClient(made, toUe(udpC), { ...ignoreOutcome, onResponse: ({ status }) => void statuses.push(status) });
    const answer = sent[0]!.text.replace(/^MESSAGE .*\r\n/, 'SIP/2.0 200 OK\r\n');
    layer.receive(answer, flow(tcpS, ports.uc, 23));
    expect(statuses).toEqual([200]);
  });
});
