import { afterEach, describe, expect, it } from 'vitest';
import type { ReAuthOrder } from '#lab/pcrf/bearer-orders';
import { found } from '../../lab/pcrf/pcrf-client.ts';
import { alice, bob, type PcscfWorker } from './pcscf-harness.ts';
import {
  answer,
  answerCall,
  audio,
  contact,
  established,
  far,
  forwarded,
  inside,
  insideFromCore,
  invite,
  inviteTo,
  near,
  offer,
  type RxNetwork,
  type RxNetworkOptions,
  rxNetwork,
  sdp,
  sdpType,
} from './rx-harness.ts';

let network: RxNetwork;
let worker: PcscfWorker;
afterEach(async () => {
  await network.close();
  expect(worker.failures).toEqual([]);
  expect(found(network.pcrf)).toEqual([]);
});

async function start(options: RxNetworkOptions = {}) {
  network = await rxNetwork(options);
  worker = network.worker;
}

const session = () => network.pcrf.sessions.list()[0]!;
const rar = async (order: ReAuthOrder) => (await network.pcrf.orders.reAuth({ session: session().id }, order))[0]!;
/** What left within a moment. */
async function later() {
  await new Promise((resolve) => setTimeout(resolve, 60));
  return worker.take();
}
const summary = (sent: Awaited<ReturnType<typeof later>>) =>
  sent.map(({ method, status, to }) => `${method || status} ${to}`).sort();

const bothSides = ['BYE udp 127.0.8.3:6060', 'BYE udp 127.16.0.1:5070'];
const video = (port: number) => [`m=video ${port} RTP/AVP 98`, 'a=rtpmap:98 H264/90000'];

/** 3GPP-User-Location-Info with TAI and ECGI of 001-01. */
const location = Buffer.from(`82${'00f110'}${'0102'}${'00f110'}${'00304105'}`, 'hex');

describe('a RAR about a call', () => {
  it.each(['loss', 'release'] as const)(
    'P-127 P-110 %s of all media is answered 2001 and ends the call',
    async (action) => {
      await start();
      await established(network);
      expect(await rar({ actions: [action] })).toMatchObject({ done: true, code: 2001 });
      const sent = await later();
      expect(summary(sent)).toEqual(bothSides);
      expect(sent[0]!.header('Reason')).toBe('SIP;cause=503;text="Service Unavailable"');
      expect([network.had('STR'), network.pcrf.sessions.size]).toEqual([1, 0]);
    },
  );

  it('P-127 Flows that cover all media end it, RTCP need not be among them', async () => {
    await start();
    await established(network);
    await rar({ actions: ['loss'], flows: [{ componentNumber: 1, flowNumbers: [1] }] });
    expect(summary(await later())).toEqual(bothSides);
  });

  it('P-127 Flows of a part of the media do not', async () => {
    await start();
    const call = invite(worker, alice, sdp(near, ...audio(49152), ...video(49160)));
    answerCall(worker, call, 200, sdp(far, ...audio(50010), ...video(50020)));
    await network.sent();
    expect(await rar({ actions: ['release'], flows: [{ componentNumber: 2, flowNumbers: [] }] })).toMatchObject({
      code: 2001,
    });
    await rar({ actions: ['loss'], flows: [{ componentNumber: 1, flowNumbers: [2] }] });
    expect(summary(await later())).toEqual([]);
    expect(network.had('STR')).toBe(0);
    await rar({ actions: ['loss'], flows: [1, 2].map((componentNumber) => ({ componentNumber, flowNumbers: [] })) });
    expect(summary(await later())).toEqual(bothSides);
  });

  it('P-127 P-111 failed resources end a call that is not answered, with 503 and CANCEL', async () => {
    await start();
    const call = invite(worker, alice, offer);
    answerCall(worker, call, 183, answer);
    await network.sent();
    expect(await rar({ actions: ['failed'] })).toMatchObject({ code: 2001 });
    expect(summary(await later())).toEqual(['503 udp 127.16.0.1:5070', 'CANCEL udp 127.0.8.3:6060']);
    expect(network.had('STR')).toBe(1);
  });

  it('P-127 they do not end one that is answered; nor does anything else that is only told', async () => {
    await start({ rx: { mode: 'required', report: ['ip-can'] } });
    await established(network);
    for (const order of [
      { actions: ['failed'] },
      { actions: ['ip-can-change'], ipCanType: 5, ratType: 1004 },
    ] as const) {
      expect(await rar(order)).toMatchObject({ done: true, code: 2001 });
    }
    expect(await later()).toEqual([]);
  });

  it('P-127 several Specific-Actions count together', async () => {
    await start({ rx: { mode: 'required', report: ['charging'] } });
    await established(network);
    await rar({ actions: ['charging', 'release'], chargingIdentifier: '\x0a\x1b' });
    const core = (await later()).find(({ to }) => to === 'udp 127.0.8.3:6060')!;
    expect(core.method).toBe('BYE');
  });

  it('P-75 P-127 a charging identifier stands in P-Charging-Vector from then on', async () => {
    await start({ rx: { mode: 'required', report: ['charging'] } });
    const call = await established(network);
    const icid = /icid-value=([^;]*)/.exec(call.header('P-Charging-Vector')!)![1];
    await rar({
      actions: ['charging'],
      chargingIdentifier: '\x0a\x1b\x2c',
      flows: [{ componentNumber: 1, flowNumbers: [1, 2] }],
    });
    await later();
    inside(worker, call, 'UPDATE');
    expect(forwarded(worker, 'UPDATE').header('P-Charging-Vector')).toBe(
      `icid-value=${icid};icid-generated-at=pcscf.ims.test;eps-info="eps-item=1;eps-sig=no;ecid=0a1b2c;flow-id=({1,1},{1,2})"`,
    );
  });

  it('P-77 P-127 where the network has the UE stands beside what the UE says, and never reaches the other UE', async () => {
    await start({ rx: { mode: 'required', report: ['location'] } });
    const call = await established(network);
    await rar({ actions: ['access-info'], userLocation: location });
    await later();
    const own = 'P-Access-Network-Info: 3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=00101';
    inside(worker, call, 'UPDATE', '', [own]);
    const update = forwarded(worker, 'UPDATE');
    expect(update.all('P-Access-Network-Info')).toEqual([
      '3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=00101',
      '3GPP-E-UTRAN;utran-cell-id-3gpp=0010101020304105;network-provided',
    ]);
    worker.answer(update, 200, ['P-Access-Network-Info: 3GPP-E-UTRAN;network-provided']);
    expect(worker.takeOne().all('P-Access-Network-Info')).toEqual([]);
    insideFromCore(worker, call, 'UPDATE');
    worker.answer(forwarded(worker, 'UPDATE'), 200);
    expect(worker.takeOne().header('P-Access-Network-Info')).toContain('network-provided');
  });
});

describe('an ASR about a call', () => {
  it('P-128 P-112 is answered 2001, then both sides get BYE and the PCRF its STR', async () => {
    await start();
    const call = await established(network);
    const [outcome] = await network.pcrf.orders.abort({ session: session().id }, 'bearer-released');
    expect(outcome).toMatchObject({ done: true, code: 2001, terminated: true });
    const sent = await later();
    expect(summary(sent)).toEqual(bothSides);
    for (const bye of sent) worker.answer(bye, 200);
    inside(worker, call, 'BYE');
    expect(summary(await later())).toEqual(['200 udp 127.16.0.1:5070']);
    expect(network.had('STR')).toBe(1);
  });

  it('P-128 P-111 of one that still rings: the called UE gets CANCEL, the caller 503', async () => {
    await start();
    const call = inviteTo(worker, bob, offer);
    worker.answer(call, 183, [contact, sdpType], answer);
    await network.sent();
    await network.pcrf.orders.abort({ session: session().id }, 'bearer-resources');
    expect(summary(await later())).toEqual(['503 udp 127.0.8.3:6060', 'CANCEL udp 127.32.0.1:5070']);
    expect(network.had('STR')).toBe(1);
  });
});

describe('a PCRF that restarts', () => {
  it('P-129 D-09 has lost the session: the call goes on, its next change makes another one', async () => {
    await start();
    const call = await established(network);
    worker.logic.peerRestarted('pcrf.ims.test');
    expect(summary(await later())).toEqual([]);
    inside(worker, call, 'INVITE', sdp(near, ...audio(49200)));
    worker.answer(forwarded(worker, 'INVITE'), 200, [contact, sdpType], answer);
    await network.sent();
    expect(network.had('AAR')).toBe(2);
    expect(network.pcrf.sessions.size).toBe(2);
  });
});
