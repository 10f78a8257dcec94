import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ScscfConfig } from '#service/config/scscf-config';
import { profileXml } from '../../fixtures/test-hss.ts';
import { type SentMessage, sip } from '../worker-harness.ts';
import { HomeNetwork, pcscf } from './home-network.ts';
import { proxied, servicesXml } from './service-profiles.ts';

const toScscf = 'Route: <sip:127.0.0.1:6060;lr>';
const bobUri = 'sip:bob@ims.test';

let net: HomeNetwork;
beforeEach(() => {
  net = new HomeNetwork();
  net.hss.subscribers.set('desk@ims.test', { profile: profileXml(bobUri, 'tel:+15550002') });
  net.hss.subscribers.set('tab@ims.test', { profile: profileXml(bobUri, 'tel:+15550002') });
});
afterEach(() => {
  expect(net.harness.failures).toEqual([]);
  net.stop();
});

function withSettings(changes: Partial<ScscfConfig>): void {
  net.stop();
  net = new HomeNetwork(changes);
}

let calls = 0;
/** Binds a contact of bob: that of the terminal with this private identity. */
async function bind(
  impi: string,
  contact: string,
  path = `<sip:${impi.split('@')[0]}@127.0.0.1:5070;lr>`,
): Promise<void> {
  const ok = await net.registered({ impi, impu: bobUri, contact, path, callId: `b${++calls}` });
  expect(ok.status).toBe(200);
}

const flow = (n: number, instance = 'phone') =>
  `<sip:bob@10.0.0.2:506${n}>;reg-id=${n};+sip.instance="<urn:uuid:${instance}>"`;
const rung = (messages: readonly SentMessage[]) =>
  messages.filter(({ method }) => method === 'INVITE').map(({ requestUri }) => requestUri);
const invites = (messages: readonly SentMessage[]) => messages.filter(({ method }) => method === 'INVITE');
const finals = (messages: readonly SentMessage[]) => messages.map(({ status }) => status).filter((s) => s >= 200);
const call = (...lines: string[]) => net.send('INVITE', bobUri, [toScscf, ...lines]);

/** Answers a branch; gives what left then, without ACKs. */
async function answer(branch: SentMessage, status: number): Promise<SentMessage[]> {
  net.harness.answer(branch, status);
  await net.settle();
  return net.harness.take().filter(({ method }) => method !== 'ACK');
}

describe('the wishes of a caller', () => {
  beforeEach(async () => {
    await bind('bob@ims.test', '<sip:bob@10.0.0.1>;audio;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel"');
    await bind('desk@ims.test', '<sip:bob@10.0.0.2>;audio;video;automata');
    await bind('tab@ims.test', '<sip:bob@10.0.0.3>;q=0.5');
  });

  it('S-122 are not there: all of one q ring at once', async () => {
    expect(rung(await call()).sort()).toEqual(['sip:bob@10.0.0.1', 'sip:bob@10.0.0.2']);
  });

  it('S-122 Reject-Contact leaves out who says that it is so', async () => {
    expect(rung(await call('Reject-Contact: *;automata'))).toEqual(['sip:bob@10.0.0.1']);
  });

  it('S-122 Accept-Contact with require and explicit leaves out who does not say so, but for one that says nothing', async () => {
    const [first, ...more] = invites(await call('Accept-Contact: *;video;require;explicit'));
    expect([first!.requestUri, more.length]).toEqual(['sip:bob@10.0.0.2', 0]);
    expect(rung(await answer(first!, 486))).toEqual(['sip:bob@10.0.0.3']);
  });

  it('S-122 Accept-Contact puts the one that fits first, after what the called user prefers', async () => {
    const icsi = 'Accept-Contact: *;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel"';
    const first = invites(await call(icsi));
    expect(rung(first)).toEqual(['sip:bob@10.0.0.1']);
    const second = invites(await answer(first[0]!, 480));
    expect(rung(second)).toEqual(['sip:bob@10.0.0.2']);
    expect(rung(await answer(second[0]!, 480))).toEqual(['sip:bob@10.0.0.3']);
  });

  it('S-122 no-fork asks one and no other', async () => {
    const [only, ...more] = invites(await call('Request-Disposition: no-fork'));
    expect(more).toEqual([]);
    expect(finals(await answer(only!, 486))).toEqual([486]);
  });

  it('S-122 sequential asks one after the other, parallel all at once', async () => {
    const [first, ...more] = invites(await call('d: sequential'));
    expect(more).toEqual([]);
    const second = invites(await answer(first!, 486));
    expect(second).toHaveLength(1);
    expect(rung(await answer(second[0]!, 486))).toEqual(['sip:bob@10.0.0.3']);
    expect(rung(await call('Request-Disposition: parallel'))).toHaveLength(3);
  });

  it('S-122 that nobody fulfils end with 480', async () => {
    await net.register({ impi: 'tab@ims.test', impu: bobUri });
    const [refused] = await call('Reject-Contact: *;audio', 'Request-Disposition: no-fork');
    expect(refused!.requestUri).toBe('sip:bob@10.0.0.3');
    const gone = {
      impi: 'solo@ims.test',
      impu: 'sip:solo@ims.test',
      callId: 'solo',
      contact: '<sip:s@10.0.0.9>;audio',
    };
    net.hss.subscribers.set('solo@ims.test', { profile: profileXml('sip:solo@ims.test') });
    await net.registered(gone);
    const [none] = await net.send('INVITE', 'sip:solo@ims.test', [toScscf, 'Reject-Contact: *;audio']);
    expect(none!.status).toBe(480);
    expect(net.harness.refusals).toEqual(['no-contact']);
  });
});

describe('what a contact says of its methods', () => {
  it('S-122 RFC 3841 7.2.2 counts where nothing else is asked, as long as somebody is left', async () => {
    await bind('bob@ims.test', '<sip:bob@10.0.0.1>;methods="INVITE,BYE"');
    const uris = async () => (await net.send('MESSAGE', bobUri, [toScscf])).map(({ requestUri }) => requestUri);
    expect(await uris()).toEqual(['sip:bob@10.0.0.1']);
    await bind('desk@ims.test', '<sip:bob@10.0.0.2>;methods="INVITE,MESSAGE"');
    expect(await uris()).toEqual(['sip:bob@10.0.0.2']);
    expect(rung(await call())).toHaveLength(2);
  });
});

describe('contacts of emergency registrations', () => {
  it('S-122 are called by an emergency centre that calls back, before all others, and by nobody else', async () => {
    await bind('bob@ims.test', '<sip:bob@10.0.0.1>');
    await bind('desk@ims.test', '<sip:bob@10.0.0.2;sos>');
    expect(rung(await call('Priority: emergency'))).toEqual(['sip:bob@10.0.0.1']);
    const [first, ...more] = invites(await call('Priority: psap-callback'));
    expect([first!.requestUri, more.length]).toEqual(['sip:bob@10.0.0.2;sos', 0]);
    expect(rung(await answer(first!, 480))).toEqual(['sip:bob@10.0.0.1']);
  });
});

describe('answers of several contacts', () => {
  beforeEach(async () => {
    await bind('bob@ims.test', '<sip:bob@10.0.0.1>');
    await bind('desk@ims.test', '<sip:bob@10.0.0.2>');
    await bind('tab@ims.test', '<sip:bob@10.0.0.3>;q=0.5');
  });

  it('S-123 a 6xx ends the others and the search', async () => {
    const [one, other] = invites(await call());
    await answer(other!, 180);
    const cancelled = await answer(one!, 603);
    expect(cancelled.map(({ method }) => method)).toEqual(['CANCEL']);
    const after = await answer(other!, 487);
    expect([finals(after), rung(after)]).toEqual([[603], []]);
  });

  it('S-123 the best of the refusals is the answer: the lowest class, never 503 itself', async () => {
    const tried = async (...statuses: number[]) => {
      const branches = invites(await call());
      await answer(branches[0]!, statuses[0]!);
      const last = invites(await answer(branches[1]!, statuses[1]!));
      return finals(await answer(last[0]!, statuses[2]!));
    };
    expect(await tried(500, 486, 404)).toEqual([486]);
    expect(await tried(503, 503, 503)).toEqual([500]);
  });
});

describe('a flow that is dead', () => {
  it('S-124 430 removes the binding and the next flow of the terminal is tried at once, while others ring', async () => {
    await bind('bob@ims.test', flow(1));
    net.harness.advance(2000);
    await bind('bob@ims.test', flow(2), '<sip:second@127.0.0.1:5071;lr>');
    await bind('desk@ims.test', '<sip:bob@10.0.0.3>');
    const first = invites(await call());
    expect(rung(first).sort()).toEqual(['sip:bob@10.0.0.2:5062', 'sip:bob@10.0.0.3']);
    const dead = first.find(({ requestUri }) => requestUri.endsWith(':5062'))!;
    const desk = first.find((branch) => branch !== dead)!;
    await answer(desk, 180);
    const next = invites(await answer(dead, 430));
    expect([rung(next), next[0]!.to]).toEqual([['sip:bob@10.0.0.2:5061'], 'udp 127.0.0.1:5070']);
    expect(finals(await answer(next[0]!, 200))).toEqual([200]);
    expect(net.harness.events.filter((event) => event === 'flow-removal')).toHaveLength(1);
    expect(rung(await call()).sort()).toEqual(['sip:bob@10.0.0.2:5061', 'sip:bob@10.0.0.3']);
  });

  it('S-124 of the last contact ends the registration, and the caller hears 480', async () => {
    await bind('bob@ims.test', flow(1));
    net.hss.sars.length = 0;
    const [only] = invites(await call());
    expect(finals(await answer(only!, 430))).toEqual([480]);
    expect(net.hss.sars).toMatchObject([{ type: 4, impi: 'bob@ims.test', impus: [bobUri, 'tel:+15550002'] }]);
    expect(net.harness.logic.registrations()).toBe(0);
  });

  it('S-124 a contact of lower q is tried after it, and its answer counts', async () => {
    await bind('bob@ims.test', flow(1));
    await bind('desk@ims.test', '<sip:bob@10.0.0.3>;q=0.2');
    const [first] = invites(await call());
    const [next] = invites(await answer(first!, 430));
    expect(next!.requestUri).toBe('sip:bob@10.0.0.3');
    expect(finals(await answer(next!, 486))).toEqual([486]);
  });

  it('S-124 of several terminals the answer of the one that lives counts, whichever comes first', async () => {
    await bind('bob@ims.test', flow(1));
    await bind('desk@ims.test', '<sip:bob@10.0.0.3>');
    for (const order of [0, 1]) {
      const branches = invites(await call()).sort((a, b) => a.requestUri.localeCompare(b.requestUri));
      const statuses = [430, 480];
      expect(finals(await answer(branches[order]!, statuses[order]!))).toEqual([]);
      expect(finals(await answer(branches[1 - order]!, statuses[1 - order]!))).toEqual([480]);
      await bind('bob@ims.test', flow(1));
    }
  });

  it('S-124 a connection of our own that breaks counts as one, that to a P-CSCF does not', async () => {
    await bind('bob@ims.test', flow(1), '');
    const [direct] = invites(await call());
    net.harness.failSend(direct!, 'unreachable');
    await net.settle();
    expect(finals(net.harness.take())).toEqual([480]);
    expect(net.harness.logic.registrations()).toBe(0);
    await bind('bob@ims.test', flow(1));
    const [byPcscf] = invites(await call());
    net.harness.failSend(byPcscf!, 'unreachable');
    await net.settle();
    expect(finals(net.harness.take())).toEqual([504]);
    expect(net.harness.logic.registrations()).toBe(1);
  });

  it.each([408, 480, 500])('S-124 %i removes nothing', async (status) => {
    await bind('bob@ims.test', flow(1));
    const [only] = invites(await call());
    await answer(only!, status);
    expect(rung(await call())).toHaveLength(1);
  });

  it('S-124 430 of a contact without flows removes nothing, and is no answer for the caller', async () => {
    await bind('bob@ims.test', '<sip:bob@10.0.0.2>');
    const [only] = invites(await call());
    expect(finals(await answer(only!, 430))).toEqual([480]);
    expect(net.harness.logic.registrations()).toBe(1);
  });
});

describe('the family of addresses in the offer', () => {
  const offer = (family: 4 | 6, more = '') => {
    const address = family === 4 ? 'IP4 192.0.2.1' : 'IP6 2001:db8::1';
    return `v=0\r\no=- 1 1 IN ${address}\r\ns=-\r\nc=IN ${address}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n${more}`;
  };
  let branch = 0;
  const invite = async (body: string): Promise<SentMessage> => {
    const lines = ['From: <sip:alice@ims.test>;tag=a', `To: <${bobUri}>`, `Call-ID: f${++branch}`, 'CSeq: 1 INVITE'];
    const rest = ['Max-Forwards: 60', 'Contact: <sip:a@10.0.0.1>', toScscf, 'Content-Type: application/sdp'];
    const via = `Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKf${branch}`;
    net.harness.receive(sip([`INVITE ${bobUri} SIP/2.0`, via, ...lines, ...rest], body), pcscf);
    await net.settle();
    return net.harness.takeOne();
  };

  it('S-126 leaves it to the phones unless the operator says so', async () => {
    await bind('bob@ims.test', '<sip:bob@10.0.0.2>');
    expect((await invite(offer(6))).requestUri).toBe('sip:bob@10.0.0.2');
  });

  it('S-126 488 where no contact has it, but not with candidates of both', async () => {
    withSettings({ media: { addressFamily: 'contact', profiles: [] } });
    await bind('bob@ims.test', '<sip:bob@10.0.0.2>');
    const refused = await invite(offer(6));
    expect([refused.status, net.harness.refusals]).toEqual([488, ['address-family-mismatch']]);
    expect((await invite(offer(4))).requestUri).toBe('sip:bob@10.0.0.2');
    const candidate = 'a=candidate:1 1 UDP 1 192.0.2.1 4000 typ host\r\n';
    expect((await invite(offer(6, candidate))).requestUri).toBe('sip:bob@10.0.0.2');
  });
});

describe('a short message', () => {
  it('S-127 goes through a service and to the contact octet for octet, and its answer comes back', async () => {
    const criteria = [{ server: 'sip:ipsmgw@127.0.0.1:5091', method: 'MESSAGE', cases: [1] }];
    net.hss.subscribers.set('bob@ims.test', { profile: servicesXml([bobUri], criteria) });
    await bind('bob@ims.test', '<sip:bob@10.0.0.2>;+g.3gpp.smsip');
    const body = `${String.fromCharCode(...Array(256).keys())}\r\n\r\n\0`;
    const head = [`MESSAGE ${bobUri} SIP/2.0`, 'Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKsms', 'Max-Forwards: 60'];
    const dialog = ['From: <sip:sc@ims.test>;tag=a', `To: <${bobUri}>`, 'Call-ID: sms', 'CSeq: 1 MESSAGE', toScscf];
    const type = ['Accept-Contact: *;+g.3gpp.smsip;require;explicit', 'Content-Type: application/vnd.3gpp.sms'];
    net.harness.receive(sip([...head, ...dialog, ...type], body), pcscf);
    await net.settle();
    const atServer = net.harness.takeOne();
    expect([atServer.to, atServer.body === body]).toEqual(['udp 127.0.0.1:5091', true]);
    net.harness.receive(proxied(atServer), atServer.to);
    await net.settle();
    const atPhone = net.harness.takeOne();
    expect([atPhone.requestUri, atPhone.body === body]).toEqual(['sip:bob@10.0.0.2', true]);
    expect(atPhone.header('Content-Length')).toBe(String(body.length));
    expect(finals(await answer(atPhone, 202))).toEqual([202]);
    expect(finals(await answer(atServer, 200))).toEqual([200]);
  });
});
