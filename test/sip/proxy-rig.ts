import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import { parseMessage } from '#sip/parser/parse-message';
import type { NodeLogic } from '#sip/proxy/node-logic';
import { ProxyCore } from '#sip/proxy/proxy-core';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import { OwnNames } from '#sip/proxy/route-processing';
import type { Reason } from '#sip/reasons';
import type { Destination } from '#sip/resolver/locate';
import { resolveTarget } from '#sip/resolver/resolve-target';
import { TimerWheel } from '#sip/transaction/timer-wheel';
import { coreTimers } from '#sip/transaction/timers';
import { TransactionLayer } from '#sip/transaction/transaction-layer';
import type { Flow } from '#sip/transport/flow';
import { ListenerTable } from '#sip/transport/listener-table';
import { flowFrom, type Sent, TestTime, tcpListener, udpListener } from './wire-port.ts';

/** Where the requests of `requestText` come from, and where they go. */
export const ua = '10.0.0.1:5060';
export const peer = '10.0.0.2:5060';

/** A whole plain proxy at 127.0.0.1:5060 without sockets: texts in, texts out, the clock in the test's hand. */
export function startProxy(
  logic: NodeLogic = {},
  server = '',
  finished: (request: SipRequest, status: number) => void = () => {},
  isStranger: (flow: Flow) => boolean = () => false,
) {
  const time = new TestTime();
  const sent: Sent[] = [];
  const rejected: { reason: Reason; detail: string; answered: boolean }[] = [];
  const errors: unknown[] = [];
  const retained = new Map<string, number>();
  const holds: string[] = [];
  const wheel = new TimerWheel(time.now, time.alarm);
  time.onAlarm(() => wheel.ring());
  const listeners = new ListenerTable([udpListener, tcpListener]);
  const resolver = {
    listeners,
    hosts: new Map([
      ['pool.test', [10, 11].map((n) => ({ transport: 'udp' as const, address: `10.0.0.${n}`, port: 5060 }))],
      ['trio.test', [31, 32, 33].map((n) => ({ transport: 'udp' as const, address: `10.0.0.${n}`, port: 5060 }))],
    ]),
    dns: {
      find: async ({ host, side }: Destination) =>
        host === 'slow.test' ? [listeners.target(side, 'udp', '10.0.0.20', 5060)!] : [],
    },
  };
  const core = new ProxyCore(
    {
      name: 'proxy.test',
      own: new OwnNames(['127.0.0.1:5060', 'proxy.test:0']),
      wheel,
      timerCMs: 185_000,
      proxyRequire: ['privacy'],
      allow: ['INVITE', 'ACK', 'OPTIONS'],
      server,
      resolve: (uri, side) => resolveTarget(uri, side, resolver),
      finished,
      isStranger,
      failed: (error) => void errors.push(error),
    },
    logic,
  );
  const layer = new TransactionLayer(
    {
      worker: 0,
      wheel,
      listeners: listeners.all,
      profileOf: () => coreTimers,
      switchToTcpAbove: 1300,
      send: (text, target, token) => void sent.push({ text, target, token }),
      traced: false,
      server,
      retain(callId) {
        retained.set(callId, (retained.get(callId) ?? 0) + 1);
        return holds.push(callId) - 1;
      },
      release: (hold) => void retained.set(holds[hold]!, retained.get(holds[hold]!)! - 1),
      rejected: (reason, detail, answered) => void rejected.push({ reason, detail, answered }),
    },
    core,
  );
  core.attach(layer);
  return {
    time,
    sent,
    rejected,
    errors,
    retained,
    layer,
    core,
    receive: (text: string, flow: Flow = flowFrom('10.0.0.1', 5060)) => layer.receive(text, flow),
    /** What left since the last call: start line and destination. */
    take(): string[] {
      return sent
        .splice(0)
        .map(({ text, target }) => `${text.slice(0, text.indexOf('\r\n'))} > ${target.address}:${target.port}`);
    },
  };
}

export type ProxyRig = ReturnType<typeof startProxy>;

/** Forks a request to these groups of Request-URIs. */
export function forkTo(transaction: ProxyTransaction, groups: readonly (readonly string[])[]): void {
  const plan = (uri: string) => {
    const request = transaction.request.clone();
    request.setRequestUri(uri);
    return { request };
  };
  transaction.fork(groups.map((group) => group.map(plan)));
}

/** A procedure that does `act` to each request: to the first when `go` is called, to the others at once. */
export function firstWaits(act: (transaction: ProxyTransaction) => void) {
  const { promise, resolve: go } = Promise.withResolvers<void>();
  /** CSeq of each request in the order they were handled. */
  const handled: string[] = [];
  return {
    handled,
    go,
    handleRequest(transaction: ProxyTransaction): void | Promise<void> {
      handled.push(transaction.request.headers.get(Header.CSeq)!);
      return handled.length > 1 ? act(transaction) : promise.then(() => act(transaction));
    },
  };
}

/** The field that makes a request one of another transaction. */
export function viaOf(branch: string | number, host = ua): { Via: string } {
  return { Via: `SIP/2.0/UDP ${host};branch=z9hG4bK${branch}` };
}

export function requestText(
  method: string,
  fields: Record<string, string> = {},
  uri = 'sip:bob@10.0.0.2',
  body = '',
): string {
  const headers: Record<string, string> = {
    ...viaOf('ua1'),
    'Max-Forwards': '70',
    From: '<sip:alice@ims.test>;tag=a',
    To: '<sip:bob@ims.test>',
    'Call-ID': 'call-1',
    CSeq: `1 ${method}`,
    Contact: '<sip:alice@10.0.0.1>',
    ...fields,
    'Content-Length': String(body.length),
  };
  const lines = Object.entries(headers).filter(([, value]) => value !== '');
  return `${method} ${uri} SIP/2.0\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`;
}

/** The answer of the next hop to a request that the proxy sent. */
export function answerTo(sentText: string, status: number, phrase = 'Answer', extra: string[] = []): string {
  const parsed = parseMessage(sentText, flowFrom('127.0.0.1', 5060)) as SipRequest;
  const copy = (id: number) =>
    parsed.headers.lines.filter((line) => line.id === id).map((line) => line.text.slice(line.start, line.end));
  const to = parsed.headers.get(Header.To)!;
  return [
    `SIP/2.0 ${status} ${phrase}\r\n`,
    ...copy(Header.Via),
    ...copy(Header.From),
    `To: ${to}${status > 100 && !to.includes('tag=') ? ';tag=b' : ''}\r\n`,
    ...copy(Header['Call-ID']),
    ...copy(Header.CSeq),
    ...extra.map((line) => `${line}\r\n`),
    'Content-Length: 0\r\n\r\n',
  ].join('');
}

/** Status of a response. */
export function statusOf(text: string): number {
  return Number(text.slice(8, 11));
}

/** Branch parameter of the topmost Via. */
export function branchOf(text: string): string {
  return /;branch=(z9hG4bK[^;\r]+)/.exec(text)![1]!;
}

export function parsed(text: string): SipRequest | SipResponse {
  const message = parseMessage(text, flowFrom('127.0.0.1', 5060));
  if (message.kind === 'broken') throw new Error(message.reason);
  return message;
}
