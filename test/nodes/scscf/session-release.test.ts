import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  deregistrationReasons,
  type PushProfileContent,
  pushProfileAvps,
  type RegistrationTerminationContent,
  registrationTerminationAvps,
} from '#diameter/cx/hss-requests';
import { cxCommands } from '#diameter/dictionary/cx';
import { readResult } from '#diameter/result';
import type { ScscfConfig } from '#service/config/scscf-config';
import { profileXml } from '../../fixtures/test-hss.ts';
import { type SentMessage, sip } from '../worker-harness.ts';
import { config, HomeNetwork, pcscf } from './home-network.ts';

let net: HomeNetwork;
const start = async (changes: Partial<ScscfConfig> = {}) => {
  net?.stop();
  net = new HomeNetwork(changes);
  await net.registered();
};
beforeEach(() => start());
afterEach(() => {
  expect(net.harness.failures).toEqual([]);
  net.stop();
});

const mo = '<sip:mo@127.0.0.1:6060;lr>';
const mt = '<sip:mt@127.0.0.1:6060;lr>';
const atPcscf = '<sip:tok@127.0.0.1:5070;lr>';
const beyond = ['<sip:far@127.0.0.9:5070;lr>', '<sip:next@127.0.0.8:5060;lr>'];
const icscf = 'udp 127.0.0.1:4060';
const gone = 'SIP;cause=480;text="the registration that this session belongs to has ended"';

interface Call {
  readonly invite: SentMessage;
  readonly callId: string;
}

/** alice calls somebody. */
async function callOut(lines: readonly string[] = []): Promise<Call> {
  const sent = await send('INVITE', 'sip:zoe@ims.test', [
    'Route: <sip:orig@127.0.0.1:6060;lr>',
    'P-Asserted-Identity: <sip:alice@ims.test>',
    `Record-Route: ${atPcscf}`,
    ...lines,
  ]);
  return { invite: sent[0]!, callId: sent[0]!.header('Call-ID')! };
}

/** Somebody calls a user by his contact here. */
async function callIn(uri: string, lines: readonly string[] = []): Promise<Call[]> {
  const sent = await send('INVITE', uri, [`Record-Route: ${beyond[0]}`, ...lines]);
  return sent.map((invite) => ({ invite, callId: invite.header('Call-ID')! }));
}

/** Answers an INVITE from further on, with the Record-Route of who is there. */
async function answer({ invite }: Call, status: number, lines: readonly string[] = [], tag = 'b', routes = beyond) {
  const recorded = [...routes, ...invite.all('Record-Route')].map((route) => `Record-Route: ${route}`);
  const text = sip([
    `SIP/2.0 ${status} Fine`,
    ...invite.all('Via').map((via) => `Via: ${via}`),
    ...recorded,
    ...['From', 'Call-ID', 'CSeq'].map((name) => `${name}: ${invite.header(name)}`),
    `To: ${invite.header('To')};tag=${tag}`,
    'Contact: <sip:zoe@10.9.9.9:5060;x=1>',
    ...lines,
  ]);
  const { transport, address, port } = invite.target;
  net.harness.receive(text, `${transport} ${address}:${port}`);
  await net.settle();
  return net.harness.take();
}

/** alice calls bob, who is registered here, too: the INVITE passes twice, with the I-CSCF between. */
async function callHere(lines: readonly string[] = []): Promise<Call> {
  await net.registered({ impi: 'bob@ims.test', callId: 'b' });
  const out = await callOut(lines);
  const again = [`Call-ID: ${out.callId}`, `CSeq: ${out.invite.header('CSeq')}`, ...lines];
  const [invite] = await send('INVITE', 'sip:bob@ims.test', [...again, `Record-Route: ${mo}, ${atPcscf}`]);
  expect(invite!.all('Record-Route')[0]).toBe(mt);
  const agreed = lines.length === 0 ? [] : ['Session-Expires: 600;refresher=uac'];
  await answer({ invite: invite!, callId: out.callId }, 200, agreed, 'b', [atPcscf]);
  await answer(out, 200, agreed, 'b', [atPcscf, mt]);
  expect(net.harness.logic.sessions()).toBe(1);
  return out;
}

let branch = 0;

/** A request with these header fields, the usual ones for those that are left out. */
async function send(method: string, uri: string, lines: readonly string[]): Promise<SentMessage[]> {
  const usual = [
    `Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKsr${++branch}`,
    'Max-Forwards: 68',
    'From: <sip:alice@ims.test>;tag=a',
    `To: <${uri}>`,
    `Call-ID: sr-${branch}`,
    `CSeq: ${branch} ${method}`,
    'Contact: <sip:alice@10.0.0.1:5060>',
  ];
  const has = (line: string) => lines.some((other) => other.startsWith(line.slice(0, line.indexOf(':') + 1)));
  net.harness.receive(sip([`${method} ${uri} SIP/2.0`, ...usual.filter((line) => !has(line)), ...lines]), pcscf);
  await net.settle();
  return net.harness.take();
}

/** A request inside a call, by the caller or by who answered it. */
function inside(call: Call, method: string, byCaller: boolean, lines: readonly string[] = [], tag = 'b') {
  const [from, to] = byCaller ? ['a', tag] : [tag, 'a'];
  return send(method, 'sip:somebody@127.0.0.5:5060', [
    ...(lines.some((line) => line.startsWith('Route:')) ? [] : [`Route: ${mo}`]),
    `From: <sip:x@ims.test>;tag=${from}`,
    `To: <sip:y@ims.test>;tag=${to}`,
    `Call-ID: ${call.callId}`,
    ...lines,
  ]);
}

const rtr = async (content: Partial<RegistrationTerminationContent> = {}) => {
  const reasonCode = deregistrationReasons.PERMANENT_TERMINATION;
  const avps = registrationTerminationAvps({ impi: 'alice@ims.test', reasonCode, ...content });
  const answered = await net.fromHss(cxCommands.registrationTermination, avps);
  const early = net.harness.take();
  await net.settle();
  return { result: readResult(answered), early, sent: net.harness.take() };
};
const ppr = async (content: Partial<PushProfileContent>) => {
  await net.fromHss(cxCommands.pushProfile, pushProfileAvps({ impi: 'alice@ims.test', ...content }));
  await net.settle();
  return net.harness.take();
};
const endCall = ({ callId }: Call) => net.harness.logic.control({ command: 'release-session', callId });
const head = (bye: SentMessage) => ({
  to: bye.to,
  uri: bye.requestUri,
  route: bye.all('Route').join(', '),
  tags: [bye.header('From')!.split('tag=')[1], bye.header('To')!.split('tag=')[1]],
  cseq: bye.header('CSeq'),
});
const words = (sent: readonly SentMessage[]) => sent.map((each) => each.method || each.status);

describe('a session that the network ends', () => {
  it('S-130 S-85 both sides of an answered call get a BYE with the tags, targets, routes and CSeq of the other', async () => {
    const call = await callOut();
    await answer(call, 200);
    await inside(call, 'INFO', true, ['CSeq: 20 INFO']);
    await inside(call, 'INFO', false, ['CSeq: 77 INFO']);
    expect(net.harness.logic.sessions()).toBe(1);
    net.harness.take();
    expect(endCall(call)).toBe(1);
    const byes = net.harness.take();
    expect(byes.map(head)).toEqual([
      { to: pcscf, uri: 'sip:alice@10.0.0.1:5060', route: atPcscf, tags: ['b', 'a'], cseq: '78 BYE' },
      {
        to: 'udp 127.0.0.8:5060',
        uri: 'sip:zoe@10.9.9.9:5060;x=1',
        route: [...beyond].reverse().join(', '),
        tags: ['a', 'b'],
        cseq: '21 BYE',
      },
    ]);
    const reason = 'SIP;cause=480;text="the operator has ended this session"';
    expect(byes.map((bye) => bye.header('Reason'))).toEqual([reason, reason]);
    for (const bye of byes) net.harness.answer(bye, 200);
    expect(endCall(call)).toBe(0);
    net.harness.advance(64_000);
    expect([net.harness.logic.sessions(), net.harness.held.has(call.callId)]).toEqual([0, false]);
  });

  it('S-130 before the answer the caller gets 480, and what was sent on is cancelled', async () => {
    const call = await callOut();
    await answer(call, 180);
    expect(endCall(call)).toBe(1);
    const sent = net.harness.take();
    expect(sent.map((each) => [each.method || each.status, each.to])).toEqual([
      [480, pcscf],
      ['CANCEL', icscf],
    ]);
    expect(sent[1]!.header('Reason')).toBe('SIP;cause=480;text="the operator has ended this session"');
    expect(net.harness.refusals.at(-1)).toBe('session-ended-by-operator');
  });

  it('S-130 an answer that crosses the CANCEL is acknowledged and hung up', async () => {
    const call = await callOut();
    await answer(call, 180);
    endCall(call);
    net.harness.take();
    const sent = await answer(call, 200);
    expect(sent.map((each) => [each.method, each.to, each.header('CSeq')])).toEqual([
      ['ACK', 'udp 127.0.0.8:5060', `${branch} ACK`],
      ['BYE', 'udp 127.0.0.8:5060', `${branch + 1} BYE`],
    ]);
    expect(words(await answer(call, 200))).toEqual(['ACK']);
    net.harness.advance(64_000);
    expect(net.harness.logic.sessions()).toBe(0);
  });

  it('S-130 what still comes of it: a BYE is answered 200, anything else 481', async () => {
    const call = await callOut();
    await answer(call, 200);
    endCall(call);
    net.harness.take();
    expect(words(await inside(call, 'BYE', true))).toEqual([200]);
    expect(words(await inside(call, 'BYE', false))).toEqual([200]);
    expect(words(await inside(call, 'INFO', true))).toEqual([481]);
  });

  it('S-85 S-130 a call that ends by itself leaves nothing, whoever hangs up', async () => {
    for (const byCaller of [true, false]) {
      const call = await callOut();
      await answer(call, 200);
      expect(words(await inside(call, 'BYE', byCaller))).toEqual(['BYE']);
      expect(net.harness.logic.sessions()).toBe(0);
      expect(endCall(call)).toBe(0);
    }
    const call = await callOut();
    await answer(call, 486);
    expect(net.harness.logic.sessions()).toBe(0);
    // A BYE of somebody else's tags is none of this call.
    const other = await callOut();
    await answer(other, 200);
    await inside(other, 'BYE', false, [], 'stranger');
    expect(net.harness.logic.sessions()).toBe(1);
  });

  it('S-85 a request between two users of this node passes once for both, and so does its answer', async () => {
    const timed = ['Supported: timer'];
    const call = await callHere(timed);
    const route = `Route: ${mo}, ${mt}, ${beyond[1]}`;
    net.harness.advance(590_000);
    const contact = 'Contact: <sip:alice@10.0.0.7:5060>';
    const update = [...timed, route, 'Session-Expires: 600;refresher=uac', contact, 'CSeq: 7000 UPDATE'];
    const [updated, ...more] = await inside(call, 'UPDATE', true, update);
    expect(more).toEqual([]);
    expect([updated!.to, ...updated!.all('Route')]).toEqual(['udp 127.0.0.8:5060', beyond[1]]);
    expect([updated!.all('Via').length, updated!.header('Max-Forwards')]).toEqual([2, '67']);
    net.harness.answer(updated!, 200, ['Session-Expires: 600;refresher=uac', 'Contact: <sip:bob@10.9.9.10:5060>']);
    expect(net.harness.take().map(({ status, to }) => [status, to])).toEqual([[200, pcscf]]);
    // The session of either user was refreshed: the network ends none.
    net.harness.advance(630_000);
    expect(net.harness.take()).toEqual([]);
    const [ack] = await inside(call, 'ACK', true, [route, 'CSeq: 7001 ACK']);
    expect([ack!.to, ...ack!.all('Route')]).toEqual(['udp 127.0.0.8:5060', beyond[1]]);
    const [bye, ...others] = await inside(call, 'BYE', true, [route, 'CSeq: 7002 BYE']);
    expect([others.length, bye!.to, ...bye!.all('Route')]).toEqual([0, 'udp 127.0.0.8:5060', beyond[1]]);
    expect(net.harness.logic.sessions()).toBe(0);
  });

  it('S-130 one that has ended for one of two users here is answered for both', async () => {
    const call = await callHere();
    expect(endCall(call)).toBe(2);
    net.harness.take();
    const [done] = await inside(call, 'BYE', false, [`Route: ${mt}, ${mo}, ${atPcscf}`]);
    expect(done!.status).toBe(200);
  });

  it('S-85 a request inside a dialog without Route is refused with 481', async () => {
    const [refused] = await send('BYE', 'sip:zoe@10.9.9.9', ['To: <sip:zoe@ims.test>;tag=b', 'Call-ID: nobody']);
    expect(refused!.status).toBe(481);
  });

  it('S-130 S-115 one that nobody refreshes is ended, one that is refreshed goes on', async () => {
    const call = await callOut(['Supported: timer']);
    await answer(call, 200, ['Session-Expires: 600;refresher=uac']);
    net.harness.advance(590_000);
    const [update] = await inside(call, 'UPDATE', true, [
      'Supported: timer',
      'Session-Expires: 600;refresher=uac',
      'Contact: <sip:alice@10.0.0.7:5060>',
    ]);
    net.harness.answer(update!, 200, ['Session-Expires: 600;refresher=uac', 'Contact: <sip:zoe@10.9.9.10:5060>']);
    net.harness.take();
    net.harness.advance(630_000);
    expect(net.harness.take()).toEqual([]);
    net.harness.advance(2500);
    const byes = net.harness.take();
    expect(new Set(byes.map((bye) => bye.requestUri))).toEqual(
      new Set(['sip:alice@10.0.0.7:5060', 'sip:zoe@10.9.9.10:5060']),
    );
    expect(byes[0]!.header('Reason')).toBe('SIP;cause=480;text="neither end has refreshed this session in time"');
  });

  it('S-130 each answer of a fork is a dialog of its own: all of them end', async () => {
    const call = await callOut();
    await answer(call, 200, [], 'b');
    await answer(call, 200, [], 'c');
    endCall(call);
    const byes = net.harness.take();
    expect(byes.map((bye) => head(bye).tags.join()).sort()).toEqual(['a,b', 'a,c', 'b,a', 'c,a']);
  });
});

describe('sessions of a registration that the network ends', () => {
  it('S-71 S-130 an RTR ends the calls of the user, in both roles, after the RTA; those of others go on', async () => {
    await net.registered({ impi: 'bob@ims.test', callId: 'b' });
    const out = await callOut();
    await answer(out, 200);
    const [into] = await callIn('tel:+15550001');
    await answer(into!, 200, [], 'b', [atPcscf]);
    const [toBob] = await callIn('sip:bob@ims.test');
    await answer(toBob!, 200, [], 'b', [atPcscf]);
    const { result, early, sent } = await rtr();
    expect(result).toMatchObject({ code: 2001 });
    expect(early).toEqual([]);
    const byes = sent.filter(({ method }) => method === 'BYE');
    expect(byes.map((bye) => bye.header('Call-ID')).sort()).toEqual(
      [into!, into!, out, out].map(({ callId }) => callId).sort(),
    );
    expect(new Set(byes.map((bye) => bye.header('Reason')))).toEqual(new Set([gone]));
    expect(net.harness.events.filter((event) => event === 'session-released').length).toBe(2);
    expect(net.hss.sars.filter(({ type }) => type !== 1 && type !== 2).length).toBe(0);
  });

  it.each([
    ['S-70 S-71 PERMANENT_TERMINATION', deregistrationReasons.PERMANENT_TERMINATION],
    ['S-70 S-71 NEW_SERVER_ASSIGNED', deregistrationReasons.NEW_SERVER_ASSIGNED],
    ['S-70 S-71 SERVER_CHANGE', deregistrationReasons.SERVER_CHANGE],
    ['S-70 S-71 REMOVE_S-CSCF', deregistrationReasons.REMOVE_S_CSCF],
  ])('%s ends calls with and without named identities', async (_name, reasonCode) => {
    for (const impus of [[], ['tel:+15550001']]) {
      await start();
      const call = await callOut();
      await answer(call, 180);
      const { sent } = await rtr({ reasonCode, impus });
      expect(words(sent)).toEqual([480, 'CANCEL']);
    }
  });

  it('S-70 S-130 of a shared identity only the calls of the phone that goes end', async () => {
    const shared = profileXml('sip:family@ims.test');
    for (const [n, each] of ['mum', 'dad'].entries()) {
      net.hss.subscribers.set(`${each}@ims.test`, { profile: shared });
      await net.registered({
        impi: `${each}@ims.test`,
        impu: 'sip:family@ims.test',
        callId: each,
        contact: `<sip:${each}@10.0.1.${n}:5060>;expires=3600`,
      });
    }
    const contact = (at: string) => [`Contact: <sip:${at}:5060;ob>`, 'P-Asserted-Identity: <sip:family@ims.test>'];
    const asFamily = async (lines: readonly string[]) => {
      const [invite] = await send('INVITE', 'sip:zoe@ims.test', ['Route: <sip:orig@127.0.0.1:6060;lr>', ...lines]);
      return { invite: invite!, callId: invite!.header('Call-ID')! };
    };
    const ofMum = await asFamily(contact('mum@10.0.1.0'));
    await answer(ofMum, 200);
    const ofDad = await asFamily(contact('dad@10.0.1.1'));
    await answer(ofDad, 200);
    const { sent } = await rtr({ impi: 'mum@ims.test' });
    expect(new Set(sent.map((bye) => bye.header('Call-ID')))).toEqual(new Set([ofMum.callId]));
    expect(net.harness.logic.sessions()).toBe(2);
  });

  it('S-73 S-130 a pushed profile that takes an identity away ends the calls of that identity', async () => {
    const byName = await callOut();
    await answer(byName, 200);
    const [byNumber] = await callIn('tel:+15550001');
    await answer(byNumber!, 200, [], 'b', [atPcscf]);
    const sent = await ppr({ userData: profileXml('sip:alice@ims.test', '!tel:+15550001') });
    expect(words(sent)).toEqual(['BYE', 'BYE']);
    expect(new Set(sent.map((bye) => bye.header('Call-ID')))).toEqual(new Set([byNumber!.callId]));
    expect(await ppr({ charging: { primaryCcf: 'aaa://new' } })).toEqual([]);
    expect(words(await ppr({ userData: profileXml('!sip:alice@ims.test') }))).toEqual(['BYE', 'BYE']);
  });

  it('S-130 a registration that runs out takes its calls along', async () => {
    const call = await callOut();
    await answer(call, 200);
    net.harness.advance(3_600_000);
    expect(net.harness.take()).toEqual([]);
    net.harness.advance(20_000);
    await net.settle();
    const byes = net.harness.take().filter(({ method }) => method === 'BYE');
    expect(new Set(byes.map((bye) => bye.to))).toEqual(new Set([pcscf, 'udp 127.0.0.8:5060']));
  });

  it('S-130 the policy may keep them', async () => {
    await start({ registrar: { ...config.registrar, sessions: 'keep' } });
    const call = await callOut();
    await answer(call, 200);
    const { result, sent } = await rtr();
    expect(result).toMatchObject({ code: 2001 });
    expect(sent).toEqual([]);
    expect(words(await inside(call, 'BYE', true))).toEqual(['BYE']);
  });

  it('S-71 S-130 a call between two users of this node ends once for each of them', async () => {
    const out = await callHere();
    expect(endCall(out)).toBe(2);
    const byes = net.harness.take();
    // The two that go round are answered here, each end hears one.
    const round = byes.filter((bye) => bye.to === 'udp 127.0.0.1:6060');
    expect(byes.length - round.length).toBe(2);
    expect(round.map((bye) => bye.all('Route')[0])).toEqual([mt, mo]);
  });
});
