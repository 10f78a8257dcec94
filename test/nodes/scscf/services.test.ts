import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { serverAssignmentAnswer } from '#diameter/cx/cx-server';
import { deregistrationReasons, pushProfileAvps, registrationTerminationAvps } from '#diameter/cx/hss-requests';
import { cxCommands } from '#diameter/dictionary/cx';
import { baseResult, experimentalResult, readResult } from '#diameter/result';
import type { ScscfConfig } from '#service/config/scscf-config';
import type { SentMessage } from '../worker-harness.ts';
import { HomeNetwork } from './home-network.ts';
import { type Criterion, proxied, servicesXml } from './service-profiles.ts';

const icscf = 'udp 127.0.0.1:4060';
const serviceRoute = 'Route: <sip:orig@127.0.0.1:6060;lr>';
const alice = 'P-Asserted-Identity: <sip:alice@ims.test>';
const originating = [serviceRoute, alice];
const toScscf = 'Route: <sip:127.0.0.1:6060;lr>';
const bobContact = '<sip:bob@10.0.0.2:5060>;expires=3600';

const as1 = 'sip:as1@127.0.0.1:5091';
const as2 = 'sip:as2@127.0.0.1:5092;x=y';
const at1 = 'udp 127.0.0.1:5091';
const at2 = 'udp 127.0.0.1:5092';

let net: HomeNetwork;
beforeEach(() => {
  net = new HomeNetwork();
});
afterEach(() => {
  expect(net.harness.failures).toEqual([]);
  net.stop();
});

async function aliceWith(...criteria: Criterion[]): Promise<void> {
  const profile = servicesXml(['sip:alice@ims.test', 'tel:+15550001', '!sip:secret@ims.test'], criteria);
  net.hss.subscribers.set('alice@ims.test', { profile, ccf: 'aaa://cdf.ims.test' });
  await net.registered();
}

async function bobWith(...criteria: Criterion[]): Promise<void> {
  const profile = servicesXml(['sip:bob@ims.test', 'tel:+15550002'], criteria);
  net.hss.subscribers.set('bob@ims.test', { profile });
  await net.registered({ impi: 'bob@ims.test', contact: bobContact, path: '<sip:tok@127.0.0.1:5070;lr>' });
}

/** Puts a network with other settings in the place of the usual one. */
function withSettings(changes: Partial<ScscfConfig>): void {
  net.stop();
  net = new HomeNetwork(changes);
}

/** The application server that got `message` sends it on; gives the requests that left then. */
async function returned(message: SentMessage, changes: Parameters<typeof proxied>[1] = {}): Promise<SentMessage[]> {
  net.harness.receive(proxied(message, changes), message.to);
  await net.settle();
  return net.harness.take();
}

const requests = (messages: readonly SentMessage[]) =>
  messages.filter(({ method }) => method !== '' && method !== 'ACK');
const oneRequest = (messages: readonly SentMessage[]): SentMessage => {
  const found = requests(messages);
  if (found.length !== 1) throw new Error(`${found.length} requests: ${messages.map((m) => m.startLine).join(' | ')}`);
  return found[0]!;
};
const answers = (messages: readonly SentMessage[]) => messages.map(({ status }) => status).filter((s) => s > 100);
const call = async (uri: string, lines: readonly string[]) => oneRequest(await net.send('INVITE', uri, lines));
const events = (name: string) => net.harness.events.filter((event) => event === name).length;

describe('the services of a caller', () => {
  it('S-94 sends a matching request to the application server and says how it comes back', async () => {
    await aliceWith({ server: as2, cases: [0] });
    const lines = [...originating, 'P-Charging-Vector: icid-value=c1;orig-ioi=visited.test;term-ioi=x'];
    const invite = await call('sip:bob@ims.test', lines);
    expect([invite.to, invite.requestUri]).toEqual([at2, 'sip:bob@ims.test']);
    const [server, wayBack] = invite.all('Route');
    expect(server).toBe(`<${as2};lr>`);
    expect(wayBack).toMatch(/^<sip:odi\.[\w-]{80,}@127\.0\.0\.1:6060;lr;orig>$/);
    expect(invite.all('P-Served-User')).toEqual(['<sip:alice@ims.test>;sescase=orig;regstate=reg']);
    expect(invite.header('P-Charging-Vector')).toBe('icid-value=c1;orig-ioi=ims.test');
    expect(invite.header('P-Charging-Function-Addresses')).toBe('ccf="aaa://cdf.ims.test"');
    expect(invite.header('Record-Route')).toBe('<sip:mo@127.0.0.1:6060;lr>');
  });

  it('S-94 S-93 S-86 goes on behind the criterion when the request comes back, each fires once, and leaves clean', async () => {
    await aliceWith({ server: as1, cases: [0] }, { server: as2, cases: [0] });
    const first = await call('sip:bob@ims.test', originating);
    expect(first.to).toBe(at1);
    const second = oneRequest(await returned(first));
    expect(second.to).toBe(at2);
    expect(second.all('Record-Route')).toEqual(['<sip:mo@127.0.0.1:6060;lr>']);
    expect(second.all('P-Served-User')).toHaveLength(1);
    const last = oneRequest(await returned(second));
    expect([last.to, last.requestUri]).toEqual([icscf, 'sip:bob@ims.test']);
    expect(last.header('P-Served-User')).toBeNull();
    expect(last.header('Route')).toBeNull();
    expect(last.all('Record-Route')).toEqual(['<sip:mo@127.0.0.1:6060;lr>', '<sip:mo@127.0.0.1:6060;lr>']);
    expect(events('service')).toBe(2);
  });

  it('S-86 records its route between application servers too when it is told so', async () => {
    const services = { continuedTimeout: 2, terminatedTimeout: 4, maxServers: 20, unregisteredProfile: 3600 };
    withSettings({ services: { ...services, recordRoute: 'always' } });
    await aliceWith({ server: as1 }, { server: as2 });
    const second = oneRequest(await returned(await call('sip:bob@ims.test', originating)));
    expect(second.all('Record-Route')).toHaveLength(2);
    const last = oneRequest(await returned(second));
    expect(last.all('Record-Route')).toHaveLength(3);
  });

  it('S-93 asks the criteria about the request as the application server sends it back', async () => {
    await aliceWith({ server: as1 }, { server: as2, header: 'X-Screened' });
    const first = await call('sip:bob@ims.test', originating);
    expect(oneRequest(await returned(first)).to).toBe(icscf);
    const again = await call('sip:bob@ims.test', originating);
    const screened = await returned(again, { requestUri: 'sip:carol@ims.test', lines: ['X-Screened: yes'] });
    expect([oneRequest(screened).to, oneRequest(screened).requestUri]).toEqual([at2, 'sip:carol@ims.test']);
  });

  it('S-110 asserts the second identity once, not again when the request comes back', async () => {
    await aliceWith({ server: as1 });
    const first = await call('sip:bob@ims.test', originating);
    const both = ['<sip:alice@ims.test>', '<tel:+15550001>'];
    expect(first.all('P-Asserted-Identity')).toEqual(both);
    const text = proxied(first).replace('P-Asserted-Identity: <tel:+15550001>\r\n', '');
    net.harness.receive(text, at1);
    await net.settle();
    expect(oneRequest(net.harness.take()).all('P-Asserted-Identity')).toEqual([both[0]]);
  });

  it('S-94 sends a request that no criterion matches straight on', async () => {
    await aliceWith({ server: as1, cases: [1] }, { server: as2, method: 'MESSAGE' });
    expect((await call('sip:bob@ims.test', originating)).to).toBe(icscf);
    expect(net.harness.events).not.toContain('service');
  });

  it('S-131 ends a chain of too many application servers with 482', async () => {
    const services = {
      continuedTimeout: 2,
      terminatedTimeout: 4,
      recordRoute: 'ends',
      unregisteredProfile: 3600,
    } as const;
    withSettings({ services: { ...services, maxServers: 2 } });
    await aliceWith({ server: as1 }, { server: as1 }, { server: as1 });
    const first = await call('sip:bob@ims.test', originating);
    const second = oneRequest(await returned(first));
    const refused = await returned(second);
    expect(answers(refused)).toContain(482);
    expect(net.harness.refusals).toEqual(['too-many-servers']);
  });

  it('S-131 takes a chain of more proxies than a request may else pass this node', async () => {
    await aliceWith(...Array.from({ length: 12 }, () => ({ server: as1 })));
    let message = await call('sip:bob@ims.test', originating);
    for (let i = 0; i < 12; i++) message = oneRequest(await returned(message));
    expect(message.to).toBe(icscf);
  });
});

describe('original dialog identifiers', () => {
  it('S-95 work when the application server changes Call-ID and caller, and when it forks', async () => {
    await aliceWith({ server: as1 });
    const first = await call('sip:bob@ims.test', originating);
    const changes = { callId: 'other', requestUri: 'sip:carol@ims.test' };
    expect(oneRequest(await returned(first, changes)).requestUri).toBe('sip:carol@ims.test');
    expect(oneRequest(await returned(first, { callId: 'third' })).to).toBe(icscf);
  });

  it('S-95 work in a worker that has never seen the call', async () => {
    await aliceWith({ server: as1 }, { server: as2 });
    const first = await call('sip:bob@ims.test', originating);
    const other = new HomeNetwork({}, net.store);
    other.harness.receive(proxied(first, { callId: 'b2b' }), at1);
    await other.settle();
    expect(oneRequest(other.harness.take()).to).toBe(at2);
    expect(other.harness.failures).toEqual([]);
    other.stop();
  });

  it('S-80 S-95 too old or not ours: the request is a new one of the same case', async () => {
    await aliceWith({ server: as1 });
    const first = await call('sip:bob@ims.test', originating);
    net.harness.advance(400_000);
    net.harness.take();
    const again = oneRequest(await returned(first, { callId: 'late' }));
    expect([again.to, again.header('P-Served-User')]).toEqual([at1, '<sip:alice@ims.test>;sescase=orig;regstate=reg']);
    const forged = proxied(again, { callId: 'forged' }).replace(/odi\.[\w-]+/, 'odi.AAAA');
    net.harness.receive(forged, at1);
    await net.settle();
    expect(oneRequest(net.harness.take()).to).toBe(at1);
    expect(events('unknown-original-dialog')).toBe(2);
  });

  it('S-80 S-95 from a stranger open nothing', async () => {
    await aliceWith({ server: as1 });
    const first = await call('sip:bob@ims.test', originating);
    net.harness.receive(proxied(first, { callId: 'stolen' }), 'udp 192.0.2.1:5060');
    await net.settle();
    expect(requests(net.harness.take())).toEqual([]);
    expect(net.harness.refusals).toEqual(['untrusted-peer']);
  });

  it('S-73 S-95 a call goes on with the profile it began with', async () => {
    await aliceWith({ server: as1 }, { server: as2 });
    const first = await call('sip:bob@ims.test', originating);
    net.hss.subscribers.set('alice@ims.test', { profile: servicesXml(['sip:alice@ims.test'], []) });
    await net.registered({ callId: 'again', contact: '<sip:alice@10.0.0.9:5060>' });
    expect(oneRequest(await returned(first)).to).toBe(at2);
  });
});

describe('the services of a called user', () => {
  it('S-94 S-86 run before the contacts are called', async () => {
    await bobWith({ server: as1, cases: [1] });
    const invite = await call('tel:+15550002', [toScscf]);
    expect(invite.to).toBe(at1);
    expect(invite.header('P-Served-User')).toBe('<tel:+15550002>;sescase=term;regstate=reg');
    expect(invite.all('Route')[1]).toMatch(/^<sip:odi\.[\w-]+@127\.0\.0\.1:6060;lr>$/);
    const last = oneRequest(await returned(invite));
    expect([last.requestUri, last.to]).toEqual(['sip:bob@10.0.0.2:5060', 'udp 127.0.0.1:5070']);
    expect(last.header('P-Served-User')).toBeNull();
    expect(last.header('P-Called-Party-ID')).toBe('<tel:+15550002>');
    expect(last.all('Record-Route')).toEqual(['<sip:mt@127.0.0.1:6060;lr>', '<sip:mt@127.0.0.1:6060;lr>']);
  });

  it('S-96 an alias or a contact in the Request-URI is still the called user', async () => {
    await bobWith({ server: as1, cases: [1] });
    const invite = await call('sip:bob@ims.test', [toScscf]);
    for (const [i, requestUri] of ['tel:+15550002', 'sip:bob@10.0.0.2:5060'].entries()) {
      const last = oneRequest(await returned(invite, { requestUri, callId: `r${i}` }));
      expect([last.requestUri, last.to], requestUri).toEqual(['sip:bob@10.0.0.2:5060', 'udp 127.0.0.1:5070']);
    }
    expect(events('diversion')).toBe(0);
  });

  it('S-96 a diverted request meets no more services of the called user and is routed as one of his', async () => {
    await bobWith({ server: as1, cases: [1] }, { server: as2, cases: [1] });
    const invite = await call('sip:bob@ims.test', [toScscf]);
    const last = oneRequest(await returned(invite, { requestUri: 'sip:carol@ims.test' }));
    expect([last.to, last.requestUri]).toEqual([icscf, 'sip:carol@ims.test']);
    expect([last.header('P-Served-User'), last.header('P-Called-Party-ID')]).toEqual([null, null]);
    expect(events('diversion')).toBe(1);
  });

  it('S-96 a diverted request passes the services for that case first', async () => {
    const any = { server: as1, cases: [1] };
    await bobWith(any, { server: 'sip:generic@127.0.0.1:5093' }, { server: as2, cases: [4] });
    const invite = await call('sip:bob@ims.test', [toScscf]);
    const diverted = oneRequest(await returned(invite, { requestUri: 'sip:carol@ims.test' }));
    expect([diverted.to, diverted.header('P-Served-User')]).toEqual([at2, '<sip:bob@ims.test>;orig-cdiv']);
    expect(diverted.all('Route')[1]).toMatch(/;lr;orig>$/);
    const last = oneRequest(await returned(diverted, { requestUri: 'sip:dave@ims.test' }));
    expect([last.to, last.requestUri, last.header('P-Served-User')]).toEqual([icscf, 'sip:dave@ims.test', null]);
  });
});

describe('an application server that fails', () => {
  it('S-97 silent: the session goes on after two seconds with the next one, from the original message', async () => {
    await aliceWith({ server: as1 }, { server: as2 });
    const first = await call('sip:bob@ims.test', originating);
    net.harness.advance(1900);
    expect(requests(net.harness.take()).every(({ to }) => to === at1)).toBe(true);
    net.harness.advance(200);
    const next = oneRequest(net.harness.take().filter(({ to }) => to !== at1));
    expect(next.to).toBe(at2);
    expect(next.all('Route')).toHaveLength(2);
    expect(next.all('P-Served-User')).toHaveLength(1);
    expect(next.all('Record-Route')).toHaveLength(1);
    expect(events('service-bypassed')).toBe(1);
    // What the slow one sends now would be a second call.
    const late = await returned(first, { callId: 'late' });
    expect(answers(late)).toEqual([481]);
    expect(net.harness.refusals).toEqual(['service-overtaken']);
  });

  it('S-97 silent: the session ends with 408 after four seconds where the profile says so', async () => {
    await aliceWith({ server: as1, terminated: true }, { server: as2 });
    await call('sip:bob@ims.test', originating);
    net.harness.advance(3900);
    expect(answers(net.harness.take())).toEqual([]);
    net.harness.advance(200);
    const [refused] = net.harness.take().filter(({ status }) => status > 100);
    expect(refused!.status).toBe(408);
    expect(refused!.header('Warning')).toContain('application-server-silent');
    expect(net.harness.refusals).toEqual(['application-server-silent']);
    expect(events('service-terminated')).toBe(1);
  });

  it('S-97 unreachable, or with no address: the session goes on at once, or ends', async () => {
    await aliceWith({ server: 'sip:nowhere.test' }, { server: as1 }, { server: as2, terminated: true });
    const first = await call('sip:bob@ims.test', originating);
    expect(first.to).toBe(at1);
    net.harness.failSend(first);
    await net.settle();
    const second = oneRequest(net.harness.take());
    expect(second.to).toBe(at2);
    net.harness.failSend(second);
    await net.settle();
    expect(answers(net.harness.take())).toEqual([504]);
    expect(net.harness.refusals).toEqual(['application-server-unreachable']);
  });

  it('S-97 408 and 5xx are failures: the last one leaves the call to itself', async () => {
    await aliceWith({ server: as1 }, { server: as2 });
    const first = await call('sip:bob@ims.test', originating);
    net.harness.answer(first, 503);
    const second = oneRequest(net.harness.take());
    expect(second.to).toBe(at2);
    net.harness.answer(second, 408);
    expect(oneRequest(net.harness.take()).to).toBe(icscf);
    expect(events('service-bypassed')).toBe(2);
  });

  it('S-97 its error is the answer where the profile ends the session', async () => {
    await aliceWith({ server: as1, terminated: true }, { server: as2 });
    net.harness.answer(await call('sip:bob@ims.test', originating), 580);
    const after = net.harness.take();
    expect([requests(after), answers(after)]).toEqual([[], [580]]);
  });

  it('S-97 after a provisional response, or once it has sent the request back, its failure is the answer', async () => {
    await aliceWith({ server: as1 }, { server: as2 });
    const first = await call('sip:bob@ims.test', originating);
    net.harness.answer(first, 183);
    net.harness.take();
    net.harness.answer(first, 500);
    const relayed = net.harness.take();
    expect([requests(relayed), answers(relayed)]).toEqual([[], [500]]);
    const proxying = await call('sip:bob@ims.test', originating);
    await returned(proxying);
    net.harness.answer(proxying, 500);
    const ended = net.harness.take();
    expect([requests(ended), answers(ended)]).toEqual([[], [500]]);
  });

  it('S-95 S-97 hears from another worker that the request came back there', async () => {
    await aliceWith({ server: as1 }, { server: as2 });
    const first = await call('sip:bob@ims.test', originating);
    net.harness.logic.workerMessage(' returned 1');
    net.harness.advance(5000);
    net.harness.answer(first, 500);
    const after = net.harness.take().filter(({ to }) => to !== at1);
    expect([requests(after), answers(after)]).toEqual([[], [500]]);
  });

  it('S-97 100 alone holds the time, and a proxy of a MESSAGE has as long as the phone behind it', async () => {
    await aliceWith({ server: as1 }, { server: as1, method: 'MESSAGE' }, { server: as2 });
    const invite = await call('sip:bob@ims.test', originating);
    net.harness.answer(invite, 100);
    net.harness.advance(10_000);
    expect(requests(net.harness.take())).toEqual([]);
    const message = oneRequest(await net.send('MESSAGE', 'sip:bob@ims.test', originating));
    const onward = oneRequest(await returned(message));
    expect(onward.to).toBe(icscf);
    net.harness.advance(5000);
    expect(requests(net.harness.take()).filter(({ to }) => to === at2)).toEqual([]);
    net.harness.answer(message, 200);
    expect(answers(net.harness.take())).toEqual([200]);
  });

  it('S-97 of a called user fails: the contacts are called', async () => {
    await bobWith({ server: as1 });
    net.harness.answer(await call('sip:bob@ims.test', [toScscf]), 500);
    const last = oneRequest(net.harness.take());
    expect([last.requestUri, last.all('Record-Route').length]).toEqual(['sip:bob@10.0.0.2:5060', 1]);
  });

  it('S-97 nothing goes on for a caller who has given up', async () => {
    await aliceWith({ server: as1 }, { server: as2 });
    const first = await call('sip:bob@ims.test', originating);
    net.harness.answer(first, 100);
    net.harness.take();
    const cancel = net.harness;
    cancel.receive(
      first.text
        .replace(/^INVITE .*/, 'CANCEL sip:bob@ims.test SIP/2.0')
        .replace(/Via: SIP\/2\.0\/UDP 127\.0\.0\.1:6060.*\r\n/, '')
        .replace(/CSeq: 1 INVITE/, 'CSeq: 1 CANCEL'),
      'udp 127.0.0.1:5070',
    );
    const canceled = net.harness.take().find(({ method }) => method === 'CANCEL');
    expect(canceled!.to).toBe(at1);
    net.harness.answer(first, 500);
    const after = net.harness.take();
    expect([requests(after), answers(after)]).toEqual([[], [500]]);
  });

  it('S-98 an address that is no SIP URI is left out, or ends the session with 502', async () => {
    await aliceWith({ server: 'http://as.ims.test' }, { server: as1 }, { server: 'tel:+1', terminated: true });
    const first = await call('sip:bob@ims.test', originating);
    expect(first.to).toBe(at1);
    expect(answers(await returned(first))).toContain(502);
    expect(net.harness.refusals).toEqual(['application-server-malformed']);
    expect(net.harness.logged.filter(({ level }) => level === 'warn')).toHaveLength(2);
  });

  it('S-99 3xx, 4xx and 6xx are answers', async () => {
    await aliceWith({ server: as1 }, { server: as2 });
    for (const status of [302, 403, 486, 603]) {
      net.harness.answer(await call('sip:bob@ims.test', originating), status);
      const after = net.harness.take();
      expect([requests(after), answers(after)], String(status)).toEqual([[], [status]]);
    }
  });
});

describe('users who are not registered', () => {
  const carol = 'sip:carol@ims.test';
  const answerSar = (profile: string | undefined) =>
    net.hss.script.push(
      serverAssignmentAnswer({
        result: baseResult(2001),
        impi: 'carol@ims.test',
        userData: profile,
        charging: undefined,
      }),
    );

  it('S-84 S-21 have services of their own: asked for once, then remembered, and the HSS hears when they are dropped', async () => {
    answerSar(servicesXml([carol], [{ server: as1, cases: [2], part: 1 }]));
    const invite = await call(carol, [toScscf]);
    expect(invite.to).toBe(at1);
    expect(invite.header('P-Served-User')).toBe(`<${carol}>;sescase=term;regstate=unreg`);
    expect(net.hss.sars).toMatchObject([{ type: 3, impus: [carol], userDataAlreadyAvailable: false }]);
    const back = await returned(invite);
    expect(answers(back)).toContain(480);
    expect((await call(carol, [toScscf])).to).toBe(at1);
    expect(net.hss.sars).toHaveLength(1);
    net.harness.advance(3_700_000);
    await net.settle();
    expect(net.hss.sars.at(-1)).toMatchObject({ type: 4, impi: 'carol@ims.test', impus: [carol] });
  });

  it('S-70 S-73 S-84 are asked for anew once the HSS has pushed or withdrawn something', async () => {
    answerSar(servicesXml([carol], [{ server: as1 }]));
    expect((await call(carol, [toScscf])).to).toBe(at1);
    const userData = Buffer.from(servicesXml([carol], [{ server: as2 }]));
    const stranger = { originHost: 'pcrf.ims.test', originRealm: 'else.test' };
    const push = (from?: typeof stranger) =>
      net.fromHss(cxCommands.pushProfile, pushProfileAvps({ impi: 'carol@ims.test', userData }), from);
    expect(readResult(await push(stranger))).toMatchObject({ code: 5003 });
    expect((await call(carol, [toScscf])).to).toBe(at1);
    expect(readResult(await push())).toMatchObject({ kind: 'base', code: 2001 });
    answerSar(userData.toString());
    expect((await call(carol, [toScscf])).to).toBe(at2);
    const termination = { impi: 'carol@ims.test', reasonCode: deregistrationReasons.PERMANENT_TERMINATION };
    await net.fromHss(cxCommands.registrationTermination, registrationTerminationAvps(termination));
    answerSar(servicesXml([carol], []));
    expect(answers(await net.send('INVITE', carol, [toScscf]))).toEqual([480]);
    expect(net.hss.sars.map(({ type }) => type)).toEqual([3, 3, 3]);
  });

  it('S-84 are diverted by their services', async () => {
    answerSar(servicesXml([carol], [{ server: as1, cases: [2] }]));
    const invite = await call(carol, [toScscf]);
    const last = oneRequest(await returned(invite, { requestUri: 'sip:mailbox@ims.test' }));
    expect([last.to, last.requestUri]).toEqual([icscf, 'sip:mailbox@ims.test']);
  });

  it('S-84 without services, unknown, barred, or with an HSS that says no: each has its answer', async () => {
    const outcome = async () => answers(await net.send('INVITE', carol, [toScscf]));
    const fails = (result: ReturnType<typeof baseResult>) => net.hss.script.push(serverAssignmentAnswer({ result }));
    answerSar(undefined);
    expect(await outcome()).toEqual([480]);
    fails(experimentalResult(5001));
    expect(await outcome()).toEqual([404]);
    fails(experimentalResult(5003));
    expect(await outcome()).toEqual([480]);
    fails(baseResult(5012));
    expect(await outcome()).toEqual([480]);
    net.hss.script.push('no-peer');
    expect(await outcome()).toEqual([504]);
    answerSar(servicesXml([`!${carol}`], []));
    expect(await outcome()).toEqual([404]);
    answerSar('<IMSSubscription>');
    expect(await outcome()).toEqual([500]);
    net.hss.script.push('silence');
    const waiting = outcome();
    await waiting;
    await net.loseAnswers();
    const late = net.harness.take().filter((m) => m.header('Warning')?.includes('hss-timeout') === true);
    expect(answers(late)).toEqual([504]);
    expect(net.harness.refusals).toEqual([
      'callee-not-registered',
      'unknown-user',
      'callee-not-registered',
      'callee-not-registered',
      'hss-unreachable',
      'callee-barred',
      'profile-unusable',
      'hss-timeout',
    ]);
    answerSar(servicesXml([carol], []));
    expect(await outcome()).toEqual([480]);
  });

  it('S-24 S-84 a public service identity, distinct or one of a wildcard, runs services though nobody registers', async () => {
    const extension =
      '<Extension><IdentityType>2</IdentityType><Extension><WildcardedPSI>sip:chat-!.*!@ims.test</WildcardedPSI></Extension></Extension>';
    const psi = `<PublicIdentity><Identity>sip:chat-!.*!@ims.test</Identity>${extension}</PublicIdentity>`;
    answerSar(servicesXml(['sip:other@ims.test'], [{ server: as1, method: '' }], psi));
    const message = oneRequest(
      await net.send('MESSAGE', 'sip:chat-7@ims.test', [toScscf, 'P-Profile-Key: <sip:chat-!.*!@ims.test>']),
    );
    expect([message.to, message.header('P-Served-User')]).toEqual([
      at1,
      '<sip:chat-7@ims.test>;sescase=term;regstate=unreg',
    ]);
    expect(net.hss.sars).toMatchObject([
      { type: 3, impus: ['sip:chat-7@ims.test'], wildcardedImpu: 'sip:chat-!.*!@ims.test' },
    ]);
    expect(
      oneRequest(await net.send('MESSAGE', 'sip:chat-8@ims.test', [toScscf, 'P-Profile-Key: <sip:chat-!.*!@ims.test>']))
        .to,
    ).toBe(at1);
    expect(net.hss.sars).toHaveLength(1);
  });

  it('S-82 may be called for by an application server, with services of that case', async () => {
    answerSar(servicesXml([carol], [{ server: as2, cases: [3] }]));
    const lines = ['Route: <sip:127.0.0.1:6060;lr;orig>', `P-Served-User: <${carol}>;sescase=orig;regstate=unreg`];
    const invite = await call('sip:bob@ims.test', lines);
    expect([invite.to, invite.header('P-Served-User')]).toEqual([at2, `<${carol}>;sescase=orig;regstate=unreg`]);
    expect(invite.header('P-Asserted-Identity')).toBe(`<${carol}>`);
    expect(oneRequest(await returned(invite)).to).toBe(icscf);
    net.hss.script.push(serverAssignmentAnswer({ result: experimentalResult(5003) }));
    const other = ['Route: <sip:127.0.0.1:6060;lr;orig>', 'P-Served-User: <sip:dave@ims.test>'];
    expect(answers(await net.send('INVITE', 'sip:bob@ims.test', other))).toEqual([403]);
    expect(net.harness.refusals).toEqual(['caller-not-registered']);
  });
});
