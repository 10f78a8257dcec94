import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { found } from '../../lab/pcrf/pcrf-client.ts';
import { relayAddress, type ScriptedRelay, startScriptedRelay } from '../../rtpengine/scripted-relay.ts';
import { alice, bob, coreRequest, register, request, scscf, serviceRoute } from './pcscf-harness.ts';
import {
  answerCall,
  audio,
  contact,
  inside,
  insideFromCore,
  type RxNetwork,
  rxNetwork,
  sdp,
  sdpType,
} from './rx-harness.ts';

let relay: ScriptedRelay;
let network: RxNetwork;

beforeEach(async () => {
  relay = await startScriptedRelay();
  network = await rxNetwork({
    config: { media: { anchor: 'always', rtpengine: [relay.endpoint], timeout: 3000, onFailure: 'refuse' } },
  });
});
afterEach(async () => {
  await network.close();
  expect(network.worker.failures).toEqual([]);
  expect(found(network.pcrf)).toEqual([]);
  await relay.close();
});

const near = '127.16.0.1';
const far = '127.32.0.9';
/** What the PCRF knows of the media: flow descriptions of its one session. */
const flows = () =>
  [...network.pcrf.sessions.list()[0]!.components.values()].flatMap((c) => c.subComponents[0]!.flowDescriptions);

const between = (relayPort: number, uePort: number, ue: string) => [
  `permit out 17 from ${relayAddress} ${relayPort} to ${ue} ${uePort}`,
  `permit in 17 from ${ue} ${uePort} to ${relayAddress} ${relayPort}`,
];

/** Port of the relay in what a message says. */
const portOf = (body: string) => Number(/m=audio (\d+)/.exec(body)![1]);

describe('what the PCRF hears of a call that is anchored', () => {
  it('P-142 P-123 the leg of the UE: what it says, and what it gets; also after a change by either side', async () => {
    const { worker } = network;
    register(worker, alice);
    const route = `Route: ${serviceRoute}`;
    worker.receive(
      request(alice, 'INVITE', 'sip:bob@ims.test', [route, sdpType], sdp(near, ...audio(49152))),
      alice.source,
    );
    const [call] = await network.sent();
    expect(call!.body).toContain(relayAddress);
    answerCall(worker, call!, 200, sdp(far, ...audio(50010)));
    const [ok] = await network.sent();
    expect(ok!.status).toBe(200);
    expect(flows()).toEqual(between(portOf(ok!.body), 49152, near));

    inside(worker, call!, 'UPDATE', sdp(near, ...audio(49160)));
    const [update] = await network.sent();
    expect([update!.method, update!.body.includes(relayAddress)]).toEqual(['UPDATE', true]);
    worker.answer(update!, 200, [contact, sdpType], sdp(far, ...audio(50020)));
    const [updated] = await network.sent();
    expect(flows()).toEqual(between(portOf(updated!.body), 49160, near));

    insideFromCore(worker, call!, 'UPDATE', sdp(far, ...audio(50030)));
    const [theirs] = await network.sent();
    worker.answer(theirs!, 200, ['Contact: <sip:alice@127.16.0.1:5070>', sdpType], sdp(near, ...audio(49170)));
    await network.sent();
    expect(flows()).toEqual(between(portOf(theirs!.body), 49170, near));
  });

  it('P-142 P-123 of a called UE: the offer as it got it, the answer as it gave it', async () => {
    const { worker } = network;
    const token = register(worker, bob);
    const lines = [`Route: <sip:${token}@127.0.8.1:5060;lr>`, 'Record-Route: <sip:mt@127.0.8.3:6060;lr>', sdpType];
    worker.receive(coreRequest('INVITE', `sip:bob@${bob.address}`, lines, sdp(far, ...audio(50010))), scscf);
    const [call] = await network.sent();
    worker.answer(call!, 200, [contact, sdpType], sdp('127.32.0.1', ...audio(49152)));
    const [ok] = await network.sent();
    expect([ok!.status, ok!.body.includes(relayAddress)]).toEqual([200, true]);
    expect(flows()).toEqual(between(portOf(call!.body), 49152, '127.32.0.1'));
  });
});
