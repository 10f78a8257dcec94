import { writeMessage } from '#sip/message/write';
import { parseMessage } from '#sip/parser/parse-message';
import { ProxyCore } from '#sip/proxy/proxy-core';
import { OwnNames } from '#sip/proxy/route-processing';
import { resolveTarget } from '#sip/resolver/resolve-target';
import { TimerWheel } from '#sip/transaction/timer-wheel';
import { coreTimers } from '#sip/transaction/timers';
import { TransactionLayer } from '#sip/transaction/transaction-layer';
import type { Flow, Listener } from '#sip/transport/flow';
import { ListenerTable } from '#sip/transport/listener-table';
import type { Bench } from './bench.ts';

const listener: Listener = {
  index: 0,
  sides: ['mw'],
  transport: 'udp',
  address: '127.0.0.1',
  port: 5060,
  sentBy: '127.0.0.1:5060',
};
const flow: Flow = { listener: 0, transport: 'udp', address: '10.0.0.1', port: 5060, connection: 0 };

/** A stateful proxy without sockets; its clock moves a millisecond a request, so that transactions end. */
function proxy() {
  let nowMs = 0;
  let sent = '';
  const wheel = new TimerWheel(
    () => nowMs,
    () => {},
  );
  const listeners = new ListenerTable([listener]);
  const resolver = { listeners, hosts: new Map(), dns: null };
  const core = new ProxyCore(
    {
      name: 'bench',
      own: new OwnNames(['127.0.0.1:5060']),
      wheel,
      timerCMs: 185_000,
      proxyRequire: [],
      allow: [],
      resolve: (uri, side) => resolveTarget(uri, side, resolver),
      failed: (error) => {
        throw error;
      },
    },
    {},
  );
  const layer = new TransactionLayer(
    {
      worker: 0,
      wheel,
      listeners: listeners.all,
      profileOf: () => coreTimers,
      send: (text) => {
        sent = text;
      },
      traced: false,
      retain: () => 0,
      release() {},
      rejected(_reason, detail) {
        throw new Error(detail);
      },
    },
    core,
  );
  core.attach(layer);
  return {
    tick() {
      nowMs += 1;
      if ((nowMs & 15) === 0) wheel.advance();
    },
    receive(text: string): string {
      layer.receive(text, flow);
      return sent;
    },
  };
}

function messageText(i: number): string {
  return [
    'MESSAGE sip:bob@10.0.0.2 SIP/2.0',
    `Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKb${i}`,
    'Max-Forwards: 70',
    'From: <sip:alice@ims.test>;tag=a',
    'To: <sip:bob@ims.test>',
    `Call-ID: call-${i}`,
    'CSeq: 1 MESSAGE',
    'Content-Type: text/plain',
    'Content-Length: 5',
    '',
    'hello',
  ].join('\r\n');
}

/** The 200 of the next hop, made from what the proxy sent. */
function okFor(forwarded: string): string {
  const lines = forwarded.slice(0, forwarded.indexOf('\r\n\r\n')).split('\r\n');
  const kept = lines.filter((line) => /^(Via|From|To|Call-ID|CSeq):/.test(line));
  return ['SIP/2.0 200 OK', ...kept, 'Content-Length: 0', '', ''].join('\r\n');
}

export const benches: readonly Bench[] = [
  {
    name: 'a MESSAGE and its 200 through a stateful proxy',
    baseline: {
      name: 'parse and write of the same two messages',
      run(iterations) {
        let sum = 0;
        for (let i = 0; i < iterations; i++) {
          const request = parseMessage(messageText(i), flow);
          if (request.kind === 'broken') throw new Error(request.reason);
          const response = parseMessage(okFor(writeMessage(request)), flow);
          if (response.kind === 'broken') throw new Error(response.reason);
          sum += writeMessage(response).length;
        }
        return sum;
      },
    },
    run(iterations) {
      const rig = proxy();
      let sum = 0;
      for (let i = 0; i < iterations; i++) {
        rig.tick();
        sum += rig.receive(okFor(rig.receive(messageText(i)))).length;
      }
      return sum;
    },
  },
];
