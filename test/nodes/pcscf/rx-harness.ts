import { expect } from 'vitest';
import { DiameterClient } from '#diameter/client';
import { readHopByHop } from '#diameter/codec/message';
import { rxApplication, rxDictionary } from '#diameter/dictionary/rx';
import { PeerTable } from '#diameter/peer/peer-table';
import { type Pcrf, type PcrfOptions, startPcrf } from '#lab/pcrf/pcrf';
import type { PcrfConfig } from '#service/config/pcrf-config';
import { pcrfConfig } from '../../lab/pcrf/pcrf-client.ts';
import { responseTo, type SentMessage } from '../worker-harness.ts';
import {
  alice,
  coreRequest,
  type PcscfOptions,
  type PcscfWorker,
  register,
  request,
  scscf,
  serviceRoute,
  startPcscf,
  type Ue,
} from './pcscf-harness.ts';

/** A P-CSCF of a test and the lab's PCRF, connected by TCP. */
export interface RxNetwork {
  readonly worker: PcscfWorker;
  readonly pcrf: Pcrf;
  /** What left, once there is `count` of it (100s do not count) or the time is over. */
  sent(count?: number): Promise<SentMessage[]>;
  /** Waits until something is so. */
  until(what: string, isSo: () => boolean): Promise<void>;
  /** How many of these requests the PCRF has had: `AAR`, `STR`. */
  had(name: string): number;
  close(): Promise<void>;
}

export interface RxNetworkOptions extends Omit<PcscfOptions, 'diameter'> {
  readonly pcrf?: Partial<PcrfConfig>;
  readonly pcrfOptions?: PcrfOptions;
  /** A PCRF that runs already, and goes on after `close`. */
  readonly running?: Pcrf;
  /** Start of the P-CSCF, seconds since 1970. */
  readonly bootSeconds?: number;
  /** Port of a PCRF that is not there, instead of a PCRF. */
  readonly nobodyAt?: number;
}

/** Starts both; the PCRF enforces TS 29.214. */
export async function rxNetwork(options: RxNetworkOptions = {}): Promise<RxNetwork> {
  const { pcrf: config, pcrfOptions, nobodyAt, running, bootSeconds = 1_800_000_000, ...more } = options;
  const pcrf =
    running ??
    (await startPcrf(pcrfConfig({ name: 'pcrf.ims.test', realm: 'ims.test', enforce: true, ...config }), {
      trace: null,
      ...pcrfOptions,
    }));
  const identity = { originHost: 'pcscf.ims.test', originRealm: 'ims.test' };
  let isUp = false;
  let client: DiameterClient | undefined;
  const table = new PeerTable(
    {
      onAnswer: (message) => client!.onMessage(message),
      onRequest: (message) => client!.onMessage(message),
      onLost: (hopByHop) => client!.onFailed(hopByHop, 'peer-lost'),
      onEvent: ({ state }) => (isUp ||= state === 'open-initiator'),
    },
    {
      identity,
      applications: [rxApplication],
      originStateId: bootSeconds,
      peers: [{ host: 'pcrf.ims.test', address: '127.0.0.1', port: nobodyAt ?? pcrf.port }],
    },
  );
  const worker = startPcscf({
    rx: { mode: 'required', signalling: false },
    ...more,
    diameter: () => {
      client = new DiameterClient(
        {
          send: (message, route) => {
            if (!table.send(message, route)) client!.onFailed(readHopByHop(message), 'no-peer');
          },
          answer: (message) => table.answer(message),
        },
        { worker: 0, identity, dictionary: rxDictionary, bootSeconds },
      );
      return client;
    },
  });
  table.start();
  const until = async (what: string, isSo: () => boolean) => {
    for (let i = 0; i < 600; i++) {
      if (isSo()) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
      worker.advance(0);
    }
    throw new Error(`not within six seconds: ${what}`);
  };
  if (nobodyAt === undefined) await until('the PCRF is connected', () => isUp);
  return {
    worker,
    pcrf,
    until,
    async sent(count = 1) {
      const kept: SentMessage[] = [];
      await until(`${count} messages`, () => {
        kept.push(...worker.take().filter(({ status }) => status !== 100));
        return kept.length >= count;
      });
      return kept;
    },
    had: (name) => pcrf.counters().requests[name] ?? 0,
    async close() {
      worker.stop();
      await table.stop();
      if (running === undefined) await pcrf.close();
    },
  };
}

/** Lines of a description by one address. */
export function sdp(address: string, ...media: readonly string[]): string {
  const lines = ['v=0', `o=- 1 1 IN IP4 ${address}`, 's=-', `c=IN IP4 ${address}`, 't=0 0', ...media];
  return lines.map((line) => `${line}\r\n`).join('');
}

export function audio(port: number, ...lines: readonly string[]): string[] {
  return [`m=audio ${port} RTP/AVP 104`, 'b=AS:41', 'a=rtpmap:104 AMR-WB/16000/1', ...lines];
}

export const sdpType = 'Content-Type: application/sdp';

/** Registers a UE and has it call; gives the INVITE that left for the S-CSCF. */
export function invite(
  worker: PcscfWorker,
  from: Ue,
  body: string,
  lines: readonly string[] = [],
  uri = 'sip:bob@ims.test',
): SentMessage {
  register(worker, from);
  worker.receive(
    request(from, 'INVITE', uri, [`Route: ${serviceRoute}`, ...(body === '' ? [] : [sdpType]), ...lines], body),
    from.source,
  );
  return forwarded(worker, 'INVITE');
}

/** Registers a UE and calls it; gives the INVITE that left for the UE. */
export function inviteTo(worker: PcscfWorker, to: Ue, body: string, lines: readonly string[] = []): SentMessage {
  const token = register(worker, to);
  worker.receive(
    coreRequest(
      'INVITE',
      `sip:${to.user}@${to.address}`,
      [
        `Route: <sip:${token}@127.0.8.1:5060;lr>`,
        'Record-Route: <sip:mt@127.0.8.3:6060;lr>',
        'P-Charging-Vector: icid-value=term1;orig-ioi=home',
        ...(body === '' ? [] : [sdpType]),
        ...lines,
      ],
      body,
    ),
    scscf,
  );
  return forwarded(worker, 'INVITE');
}

/** The request with this method among what left; the rest is dropped. */
export function forwarded(worker: PcscfWorker, method: string): SentMessage {
  const found = worker.take().find((message) => message.method === method);
  if (found === undefined) throw new Error(`no ${method} left`);
  return found;
}

export const near = '127.16.0.1';
export const far = '127.32.0.1';
export const offer = sdp(near, ...audio(49152));
export const answer = sdp(far, ...audio(50010));
export const contact = 'Contact: <sip:bob@127.32.0.1:5070>';

/** Lines of a request inside the dialog of an INVITE of alice. */
function dialogLines(call: SentMessage): string[] {
  return [`From: ${call.header('From')}`, 'To: <sip:bob@ims.test>;tag=remote', `Call-ID: ${call.header('Call-ID')}`];
}

/** A request of alice inside the dialog of an INVITE that left; answers what left. */
export function inside(
  worker: PcscfWorker,
  call: SentMessage,
  method: string,
  body = '',
  lines: readonly string[] = [],
): void {
  const route = `Route: ${call.header('Record-Route')}, <sip:orig@127.0.8.3:6060;lr>`;
  const typed = body === '' ? [] : [sdpType];
  const all = [...dialogLines(call), route, ...typed, ...lines];
  worker.receive(request(alice, method, 'sip:bob@127.32.0.1:5070', all, body), alice.source);
}

/** A request of the core inside that dialog. */
export function insideFromCore(worker: PcscfWorker, call: SentMessage, method: string, body = ''): void {
  const token = /sip:([^@]*)@/.exec(call.header('Record-Route')!)![1];
  const lines = [
    'From: <sip:bob@ims.test>;tag=remote',
    `To: ${call.header('From')}`,
    `Call-ID: ${call.header('Call-ID')}`,
    `Route: <sip:${token}@127.0.8.1:5060;lr>`,
    ...(body === '' ? [] : [sdpType]),
  ];
  worker.receive(coreRequest(method, `sip:alice@${alice.address}`, lines, body), scscf);
}

/** An originating call that is answered and acknowledged. */
export async function established(network: RxNetwork): Promise<SentMessage> {
  const { worker } = network;
  const call = invite(worker, alice, offer);
  answerCall(worker, call, 200, answer);
  const [ok] = await network.sent();
  expect(ok!.status).toBe(200);
  inside(worker, call, 'ACK', '', ['CSeq: 1 ACK']);
  worker.take();
  return call;
}

/** Answers an INVITE of alice as the core does: the S-CSCF has recorded itself. */
export function answerCall(
  worker: PcscfWorker,
  call: SentMessage,
  status: number,
  body: string,
  lines: readonly string[] = [],
  toTag = 'remote',
): void {
  const own = `Record-Route: ${call.header('Record-Route')}`;
  const text = responseTo(call, status, [contact, ...(body === '' ? [] : [sdpType]), ...lines], body, toTag);
  worker.receive(text.replace(own, `Record-Route: <sip:orig@127.0.8.3:6060;lr>\r\n${own}`), scscf);
}
