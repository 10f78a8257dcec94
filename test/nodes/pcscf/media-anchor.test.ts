import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { relayAddress, type ScriptedRelay, startScriptedRelay } from '../../rtpengine/scripted-relay.ts';
import {
  anchoring,
  answered,
  audio,
  audioOf,
  callAgain,
  callIn,
  callOut,
  farAnswers,
  fromFar,
  inside,
  next,
  plain,
  sdpType,
  several,
  until,
} from './media-anchor-harness.ts';
import { alice, bob, expectQuiet, type PcscfOptions, type PcscfWorker, request, scscf, ue } from './pcscf-harness.ts';

let relay: ScriptedRelay;
let worker: PcscfWorker;

beforeEach(async () => {
  relay = await startScriptedRelay();
});
afterEach(async () => {
  expectQuiet(worker);
  worker.logic.stop();
  await relay.close();
});

type Media = Parameters<typeof anchoring>[1];
const start = (media?: Media, options?: PcscfOptions) => (worker = anchoring(relay.endpoint, media, options));
const offer = audio('127.16.0.1', 4000);
const answer = audio('127.32.0.9', 5000);

/** Deletes the relay has had, once there is one and a while longer. */
async function deletes(): Promise<number> {
  await until('a delete', () => relay.names().includes('delete'));
  await new Promise((resolve) => setTimeout(resolve, 50));
  return relay.names().filter((name) => name === 'delete').length;
}

describe('a call of which the media is anchored', () => {
  it('P-142 offer and answer go by the relay, BYE ends it there exactly once', async () => {
    start();
    const call = await callOut(worker, offer);
    expect(audioOf(call.invite.body)).toEqual({ address: relayAddress, port: 30_002 });
    const ok = await answered(worker, call.invite, 200, answer);
    expect(audioOf(ok.body)).toEqual({ address: relayAddress, port: 30_004 });
    expect(relay.commands.map(plain)).toMatchObject([
      { command: 'offer', 'from-tag': 'alice', sdp: offer, replace: ['origin', 'session-connection'] },
      { command: 'answer', 'from-tag': 'alice', 'to-tag': 'remote', sdp: answer },
    ]);
    worker.receive(inside(call, 'ACK'), alice.source);
    await next(worker);
    worker.receive(inside(call, 'BYE'), alice.source);
    await answered(worker, await next(worker), 200);
    expect(await deletes()).toBe(1);
    const [first] = relay.commands;
    expect(plain(relay.commands.at(-1)!)).toMatchObject({ 'call-id': first!.get('call-id'), 'from-tag': 'alice' });
    expect(worker.logic.sessions()).toBe(0);
  });

  it('P-142 a call to a UE: the offer towards it has the family of its address', async () => {
    start();
    const call = await callIn(worker, bob, audio('2001:db8::1', 4000));
    expect(audioOf(call.invite.body).address).toBe(relayAddress);
    expect(plain(relay.commands[0]!)).toMatchObject({
      command: 'offer',
      'from-tag': 'caller',
      'address family': 'IP4',
    });
    worker.answer(call.invite, 200, ['Contact: <sip:bob@127.32.0.1:5070>', sdpType], audio('127.32.0.1', 6000), 'bob');
    const ok = await next(worker);
    expect(audioOf(ok.body)).toEqual({ address: relayAddress, port: 30_004 });
    expect(plain(relay.commands[1]!)).toMatchObject({ command: 'answer', 'from-tag': 'caller', 'to-tag': 'bob' });
  });

  it.each([486, 503])('P-142 a call refused with %d leaves nothing at the relay', async (status) => {
    start();
    const call = await callOut(worker, offer);
    await answered(worker, call.invite, 183, answer);
    worker.answer(call.invite, status);
    await several(worker, 2);
    expect(await deletes()).toBe(1);
  });

  it('P-142 a call that is cancelled while the relay is asked is never sent, and leaves nothing there', async () => {
    start();
    relay.script = { delayMs: 60 };
    const { token } = await callOut(worker, offer);
    worker.receive(
      request(
        alice,
        'INVITE',
        'sip:bob@ims.test',
        [
          'Via: SIP/2.0/UDP 127.16.0.1:5070;branch=z9hG4bKcx',
          'Call-ID: cx',
          sdpType,
          `Route: <sip:${token}@127.0.8.1:5060;lr>`,
        ],
        offer,
      ),
      alice.source,
    );
    worker.take();
    worker.receive(
      request(alice, 'CANCEL', 'sip:bob@ims.test', [
        'Via: SIP/2.0/UDP 127.16.0.1:5070;branch=z9hG4bKcx',
        'Call-ID: cx',
        'CSeq: 3 CANCEL',
      ]),
      alice.source,
    );
    const sent = await several(worker, 2);
    expect(sent.map(({ status }) => status).sort()).toEqual([200, 487]);
    expect(await deletes()).toBe(1);
    expect(worker.take()).toEqual([]);
  });

  it('P-142 early dialogs of a fork share the offer; each has its answer, the one that is taken last of all', async () => {
    start();
    const call = await callOut(worker, offer);
    const one = await answered(worker, call.invite, 183, answer, [], 'one');
    const two = await answered(worker, call.invite, 183, audio('127.32.0.10', 5002), [], 'two');
    const ok = await answered(worker, call.invite, 200, answer, [], 'one');
    expect([one, two, ok].map(({ body }) => audioOf(body).port)).toEqual([30_004, 30_006, 30_008]);
    expect(relay.commands.map((command) => command.get('to-tag'))).toEqual([undefined, 'one', 'two', 'one']);
    expect(new Set(relay.commands.map((command) => command.get('call-id'))).size).toBe(1);
    worker.receive(inside(call, 'BYE', [], '', 'one'), alice.source);
    await answered(worker, await next(worker), 200);
    // The other early dialog is over with its INVITE.
    worker.advance(200_000);
    expect(await deletes()).toBe(1);
  });

  it('P-142 P-104 an offer in a reliable response is answered by PRACK, an UPDATE is another exchange', async () => {
    start();
    const call = await callOut(worker, '');
    expect(relay.commands).toEqual([]);
    const reliable = ['Require: 100rel', 'RSeq: 7'];
    const progress = await answered(worker, call.invite, 183, answer, reliable);
    expect(audioOf(progress.body).address).toBe(relayAddress);
    worker.receive(inside(call, 'PRACK', ['RAck: 7 1 INVITE'], offer), alice.source);
    const prack = await next(worker);
    expect(audioOf(prack.body).address).toBe(relayAddress);
    await answered(worker, prack, 200);
    const held = audio('127.16.0.1', 4000, ['a=sendonly']);
    worker.receive(inside(call, 'UPDATE', [], held), alice.source);
    const update = await next(worker);
    expect(update.body).toContain('a=sendonly');
    await answered(worker, update, 200, audio('127.32.0.9', 5000, ['a=recvonly']));
    expect(relay.commands.map(plain)).toMatchObject([
      { command: 'offer', 'from-tag': 'remote', 'to-tag': 'alice', 'address family': 'IP4' },
      { command: 'answer', 'from-tag': 'remote', 'to-tag': 'alice', sdp: offer },
      { command: 'offer', 'from-tag': 'alice', 'to-tag': 'remote', sdp: held },
      { command: 'answer', 'from-tag': 'alice', 'to-tag': 'remote' },
    ]);
    // The 200 to the INVITE says once more what was offered at first.
    const ok = await answered(worker, call.invite, 200);
    expect(ok.body).toBe('');
  });

  it('P-142 an offer in a 200 is answered by ACK, also when that comes again', async () => {
    start();
    const call = await callOut(worker, '');
    const ok = await answered(worker, call.invite, 200, answer);
    expect(audioOf(ok.body).address).toBe(relayAddress);
    const ack = inside(call, 'ACK', [], offer);
    worker.receive(ack, alice.source);
    const first = await next(worker);
    worker.receive(ack, alice.source);
    const second = await next(worker);
    expect([first.method, audioOf(first.body).address, second.body]).toEqual(['ACK', relayAddress, first.body]);
    expect(relay.names()).toEqual(['offer', 'answer']);
  });

  it('P-142 an offer of the core that a called UE answers by ACK goes the other way', async () => {
    start();
    const call = await callIn(worker, bob, '');
    worker.answer(call.invite, 200, ['Contact: <sip:bob@127.32.0.1:5070>', sdpType], audio('127.32.0.1', 6000), 'bob');
    await next(worker);
    const ack = [
      `Call-ID: ${call.callId}`,
      'From: <sip:caller@ims.test>;tag=caller',
      `To: <sip:bob@127.32.0.1:5070>;tag=bob`,
      `Route: <sip:${call.token}@127.0.8.1:5060;lr>`,
      sdpType,
    ];
    worker.receive(request(ue('caller', scscf), 'ACK', 'sip:bob@127.32.0.1:5070', ack, answer), scscf);
    const sent = await next(worker);
    expect([sent.to, audioOf(sent.body).address]).toEqual([bob.source, relayAddress]);
    expect(relay.commands.map(plain)).toMatchObject([
      { command: 'offer', 'from-tag': 'bob' },
      { command: 'answer', 'from-tag': 'bob', 'to-tag': 'caller', sdp: answer },
    ]);
  });

  it('P-142 a re-INVITE that is refused puts back what was agreed before', async () => {
    start();
    const call = await callOut(worker, offer);
    await answered(worker, call.invite, 200, answer);
    worker.receive(fromFar(call, 'INVITE', ['Contact: <sip:far@127.32.0.9:5070>'], audio('127.32.0.77', 7000)), scscf);
    const again = await next(worker);
    expect(audioOf(again.body).address).toBe(relayAddress);
    worker.answer(again, 488);
    await several(worker, 2);
    await until('the state before', () => relay.commands.length === 5);
    expect(relay.commands.slice(2).map(plain)).toMatchObject([
      { command: 'offer', 'from-tag': 'remote', 'to-tag': 'alice' },
      { command: 'offer', 'from-tag': 'remote', 'to-tag': 'alice', sdp: answer },
      { command: 'answer', 'from-tag': 'remote', 'to-tag': 'alice', sdp: offer },
    ]);
  });

  it('P-142 only the SDP of a multipart body changes; what is no SDP, or malformed, is left alone', async () => {
    start();
    const { token } = await callOut(worker, offer);
    const parts = ['--b', 'Content-Type: text/plain', '', 'here', '--b', sdpType, '', offer, '--b--', ''].join('\r\n');
    const send = async (lines: readonly string[], body: string) => {
      worker.receive(
        request(
          alice,
          'INVITE',
          'sip:bob@ims.test',
          [`Route: <sip:${token}@127.0.8.1:5060;lr>, <sip:orig@127.0.8.3:6060;lr>`, ...lines],
          body,
        ),
        alice.source,
      );
      return next(worker);
    };
    const multipart = await send(['Content-Type: multipart/mixed;boundary=b'], parts);
    expect(multipart.body).toContain('\r\nhere\r\n');
    expect(audioOf(multipart.body).address).toBe(relayAddress);
    expect((await send([sdpType], 'v=0\r\nm=broken\r\n')).body).toBe('v=0\r\nm=broken\r\n');
    expect((await send(['Content-Type: text/plain'], offer)).body).toBe(offer);
    expect(relay.names()).toEqual(['offer', 'offer']);
  });
});

describe('which calls are anchored', () => {
  const nat = { anchor: 'nat' } as const;

  it('P-142 nat: not one of a UE that is where it says, its SDP stays byte for byte', async () => {
    start(nat);
    const call = await callOut(worker, offer);
    expect(call.invite.body).toBe(offer);
    expect((await answered(worker, call.invite, 200, answer)).body).toBe(answer);
    expect(relay.commands).toEqual([]);
  });

  it('P-142 nat: a UE that names a private address is sent to where it is seen', async () => {
    start(nat);
    const call = await callOut(worker, audio('10.0.0.5', 4000));
    expect(audioOf(call.invite.body).address).toBe(relayAddress);
    expect(plain(relay.commands[0]!)).toMatchObject({
      flags: ['SIP-source-address'],
      'received-from': ['IP4', '127.16.0.1'],
    });
  });

  it('P-142 nat: a call to a UE with a private contact', async () => {
    start(nat);
    const call = await callIn(worker, bob, answer, 'sip:bob@192.168.1.7:5070');
    expect(audioOf(call.invite.body).address).toBe(relayAddress);
    expect([call.invite.to, call.invite.requestUri]).toEqual([bob.source, 'sip:bob@127.32.0.1:5070']);
  });

  it('P-142 nat: a call between address families, whoever is behind what', async () => {
    start(nat);
    const call = await callIn(worker, bob, audio('2001:db8::1', 4000));
    expect(audioOf(call.invite.body).address).toBe(relayAddress);
    const v6 = { user: 'carol', source: 'udp ::1:5070', address: '[::1]:5070' };
    const other = await callIn(worker, v6, answer);
    expect(audioOf(other.invite.body).address).toBe('2001:db8::7');
  });

  it('P-142 nat: ICE is left untouched; media on hold names no address', async () => {
    start(nat);
    const ice = audio('10.0.0.5', 4000, ['a=ice-ufrag:x', 'a=candidate:1 1 UDP 1 10.0.0.5 4000 typ host']);
    const call = await callOut(worker, ice);
    expect(call.invite.body).toBe(ice);
    const held = audio('0.0.0.0', 4000);
    expect((await callAgain(worker, call.token, held)).invite.body).toBe(held);
    expect(relay.commands).toEqual([]);
  });

  it('P-142 access profiles choose for their networks', async () => {
    start(
      { anchor: 'off' },
      {
        access: [
          { from: '0.0.0.0/0', security: 'none' },
          { from: '127.16.0.0/16', security: 'none', anchor: 'always' },
        ],
      },
    );
    expect(audioOf((await callOut(worker, offer)).invite.body).address).toBe(relayAddress);
    expect((await callIn(worker, bob, answer)).invite.body).toBe(answer);
  });

  it('P-142 the interfaces of the relay are named by who speaks', async () => {
    start({ interfaces: { ue: 'gm', core: 'mw' } });
    await callOut(worker, offer);
    await callIn(worker, bob, answer);
    expect(relay.commands.map((command) => command.get('direction'))).toEqual([
      ['gm', 'mw'],
      ['mw', 'gm'],
    ]);
  });
});

describe('without the relay', () => {
  it('P-142 continue: the call goes on as it is, later too', async () => {
    start({ timeout: 60 });
    relay.script = { silent: true };
    const call = await callOut(worker, offer);
    expect(call.invite.body).toBe(offer);
    expect((await answered(worker, call.invite, 200, answer)).body).toBe(answer);
    expect(worker.events).toContain('media-anchor-failed');
  });

  it('P-142 refuse: the call is refused with 503', async () => {
    start({ onFailure: 'refuse', timeout: 60 });
    relay.script = { fails: ['offer'] };
    await expect(callOut(worker, offer)).resolves.toMatchObject({ invite: { status: 503 } });
    expect(worker.refusals).toEqual(['media-not-anchored']);
    expect(worker.logic.sessions()).toBe(0);
  });

  it('P-142 an answer that the relay does not take ends the call: its offer has named the relay', async () => {
    start({ timeout: 60 });
    const call = await callOut(worker, offer);
    relay.script = { fails: ['answer'] };
    farAnswers(worker, call.invite, 200, ['Contact: <sip:far@127.32.0.9:5070>', sdpType], answer);
    const sent = await several(worker, 3);
    const toUe = sent.find(({ to }) => to === alice.source)!;
    expect(toUe.status).toBe(503);
    expect(sent.filter(({ to }) => to === scscf).map(({ method }) => method)).toEqual(['ACK', 'BYE']);
    expect(await deletes()).toBe(1);
  });

  it('P-142 a re-INVITE that the relay does not take is refused, the call goes on', async () => {
    start({ timeout: 60 });
    const call = await callOut(worker, offer);
    await answered(worker, call.invite, 200, answer);
    relay.script = { fails: ['offer'] };
    worker.receive(
      inside(call, 'INVITE', ['Contact: <sip:alice@127.16.0.1:5070>'], audio('127.16.0.1', 4002)),
      alice.source,
    );
    expect((await next(worker)).status).toBe(503);
    relay.script = {};
    worker.receive(inside(call, 'INFO'), alice.source);
    expect((await next(worker)).method).toBe('INFO');
  });
});
