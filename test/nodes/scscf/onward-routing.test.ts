import { afterEach, describe, expect, it } from 'vitest';
import type { ScscfConfig } from '#service/config/scscf-config';
import { profileXml } from '../../fixtures/test-hss.ts';
import { enumRecord } from '../../ims/enum-zone.ts';
import { type DnsRecord, type DnsReply, type DnsServer, startDnsServer, zone } from '../../sip/resolver/dns-server.ts';
import type { SentMessage } from '../worker-harness.ts';
import { HomeNetwork } from './home-network.ts';

const icscf = 'udp 127.0.0.1:4060';
const originating = ['Route: <sip:orig@127.0.0.1:6060;lr>', 'P-Asserted-Identity: <sip:alice@ims.test>'];
const bgcf = 'sip:127.0.0.1:7000';

let net: HomeNetwork;
let dns: DnsServer | null = null;
afterEach(async () => {
  expect(net.harness.failures).toEqual([]);
  net.stop();
  await dns?.close();
  dns = null;
});

async function start(changes: Partial<ScscfConfig>): Promise<void> {
  net = new HomeNetwork(changes);
  await net.registered();
}

/** An S-CSCF with ENUM at a name server of the test. */
async function startWithEnum(
  answer: readonly DnsRecord[] | ((name: string, type: string) => DnsReply),
  numbers: Partial<ScscfConfig['numbers']> = {},
  timeout = 2,
): Promise<void> {
  dns = await startDnsServer(typeof answer === 'function' ? answer : zone(answer));
  const settings = { suffix: 'e164.arpa', timeout, servers: [dns.address] };
  await start({ numbers: { enum: settings, dialPlan: [], ...numbers } });
}

/** Sends a request and waits for what comes of it, but for the 100. */
async function send(uri: string, lines: readonly string[] = [], method = 'INVITE'): Promise<SentMessage> {
  const sent = await net.send(method, uri, [...originating, ...lines]);
  const isDone = () => sent.find((message) => message.status !== 100);
  await expect
    .poll(() => {
      sent.push(...net.harness.take());
      return isDone() !== undefined;
    })
    .toBe(true);
  return isDone()!;
}

const bob = enumRecord('+15550002', '!^.*$!sip:bob@ims.test!');

describe('telephone numbers with ENUM', () => {
  it('S-113 a number that ENUM leads home goes to the I-CSCF, with the new Request-URI', async () => {
    await startWithEnum([bob]);
    for (const uri of ['tel:+1-555-0002', 'sip:+15550002@ims.test;user=phone']) {
      const sent = await send(uri);
      expect([sent.requestUri, sent.to, sent.header('Route')], uri).toEqual(['sip:bob@ims.test', icscf, null]);
      expect(sent.header('To')).toBe(`<${uri}>`);
    }
    expect(dns!.asked).toEqual(['NAPTR 2.0.0.0.5.5.5.1.e164.arpa']);
  });

  it('S-113 sends 100 while the DNS is asked, and needs none where it knows', async () => {
    await startWithEnum([bob]);
    const [first] = await net.send('INVITE', 'tel:+15550002', originating);
    expect(first!.status).toBe(100);
    await expect.poll(() => net.harness.sent.length).toBe(1);
    net.harness.take();
    const [second] = await net.send('INVITE', 'tel:+15550002', originating);
    expect(second!.method).toBe('INVITE');
  });

  it('S-113 one that ENUM leads elsewhere goes there', async () => {
    await startWithEnum([enumRecord('+442079460000', '!^\\+44(.*)$!sip:\\1@192.0.2.44:5070!')]);
    const sent = await send('tel:+442079460000');
    expect([sent.requestUri, sent.to]).toEqual(['sip:2079460000@192.0.2.44:5070', 'udp 192.0.2.44:5070']);
  });

  it('S-113 one that ENUM does not know breaks out by the BGCF and stays a tel URI', async () => {
    await startWithEnum([], { bgcf });
    const sent = await send('tel:+1-555-0009');
    expect([sent.requestUri, sent.header('Route'), sent.to]).toEqual([
      'tel:+1-555-0009',
      '<sip:127.0.0.1:7000;lr>',
      'udp 127.0.0.1:7000',
    ]);
    expect((await send('sip:+15550009@ims.test;user=phone')).requestUri).toBe('sip:+15550009@ims.test;user=phone');
  });

  it('S-113 without a BGCF it is answered 404', async () => {
    await startWithEnum([]);
    const sent = await send('tel:+15550009');
    expect([sent.status, sent.header('Warning')]).toEqual([404, expect.stringContaining('number-unknown')]);
    expect(net.harness.refusals).toEqual(['number-unknown']);
  });

  it('S-113 X-F5 a name server that fails or is silent costs no more than its time', async () => {
    await startWithEnum(() => ({ silent: true }), { bgcf }, 0.2);
    expect((await send('tel:+15550002')).to).toBe('udp 127.0.0.1:7000');
    await dns!.close();
    await startWithEnum(() => ({ code: 'SERVFAIL' }), { bgcf });
    expect((await send('tel:+15550002')).to).toBe('udp 127.0.0.1:7000');
  });

  it('S-113 C-06 a caller who gives up meanwhile gets 487, and nothing is sent on', async () => {
    await startWithEnum((name, type) => ({ ...zone([bob])(name, type), delayMs: 150 }));
    const lines = [...originating, 'To: <tel:+15550002>'];
    net.harness.receive(raw('INVITE', lines), 'udp 127.0.0.1:5070');
    net.harness.receive(raw('CANCEL', lines), 'udp 127.0.0.1:5070');
    expect(net.harness.take().map(({ status }) => status)).toEqual([100, 200, 487]);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(net.harness.take()).toEqual([]);
  });

  it('S-113 RFC 4694 a number that was looked up before goes to the BGCF with its routing number, unasked', async () => {
    await startWithEnum([bob], { bgcf });
    for (const uri of [
      'tel:+15550002;npdi;rn=+15551000',
      'tel:+15550002;npdi',
      'sip:+15550002;npdi@ims.test;user=phone',
    ]) {
      const sent = await send(uri);
      expect([sent.requestUri, sent.to]).toEqual([uri, 'udp 127.0.0.1:7000']);
    }
    expect(dns!.asked).toEqual([]);
  });

  it('S-113 a number in another domain is that domain’s', async () => {
    await startWithEnum([bob]);
    expect((await send('sip:+15550002@192.0.2.7;user=phone')).requestUri).toBe('sip:+15550002@192.0.2.7;user=phone');
    expect(dns!.asked).toEqual([]);
  });
});

/** A request as it comes, so that CANCEL fits its INVITE. */
function raw(method: string, lines: readonly string[]): string {
  const head = [
    `${method} tel:+15550002 SIP/2.0`,
    'Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKcancel',
    'Max-Forwards: 68',
    'From: <sip:alice@ims.test>;tag=a',
    'Call-ID: cancelled',
    `CSeq: 1 ${method}`,
    'Contact: <sip:alice@10.0.0.1:5060>',
    ...lines,
  ];
  return `${head.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`;
}

describe('telephone numbers by the dial plan', () => {
  const dialPlan = [
    { prefix: '00', replace: '+', length: 0, context: '' },
    { prefix: '0', replace: '+1', length: 0, context: '' },
    { prefix: '', replace: '+1555', length: 4, context: '+1555' },
  ];

  it.each([
    ['tel:005550002;phone-context=ims.test', 'tel:+5550002'],
    ['tel:0555-0002', 'tel:+15550002'],
    ['tel:0002;phone-context=+1-555', 'tel:+15550002'],
    ['sip:05550002@ims.test;user=phone', 'tel:+15550002'],
    ['sip:0002;phone-context=+1555@ims.test;user=phone', 'tel:+15550002'],
  ])('S-113 makes %s international', async (uri, result) => {
    await start({ numbers: { bgcf, dialPlan } });
    const sent = await send(uri);
    expect([sent.requestUri, sent.to]).toEqual([result, 'udp 127.0.0.1:7000']);
  });

  it('S-113 then asks ENUM', async () => {
    await startWithEnum([bob], { dialPlan });
    expect((await send('tel:05550002;phone-context=ims.test')).requestUri).toBe('sip:bob@ims.test');
  });

  it('S-113 refuses a number without a rule, and one of another context', async () => {
    await start({ numbers: { bgcf, dialPlan } });
    expect((await send('tel:112;phone-context=ims.test')).status).toBe(404);
    expect((await send('tel:0002;phone-context=other.test')).status).toBe(404);
    expect(net.harness.refusals).toEqual(['number-unknown', 'number-unknown']);
  });

  it('S-113 leaves a SIP URI of some digits to the HSS', async () => {
    await start({ numbers: { bgcf, dialPlan } });
    const sent = await send('sip:112@ims.test;user=phone');
    expect([sent.requestUri, sent.to]).toEqual(['sip:112@ims.test;user=phone', icscf]);
  });

  it('S-113 without ENUM and BGCF takes numbers to the home network, with what they say of their routing', async () => {
    await start({});
    const sent = await send('tel:+1-555-0002;npdi;rn=+15551000');
    expect([sent.requestUri, sent.to]).toEqual(['sip:+15550002;npdi;rn=+15551000@ims.test;user=phone', icscf]);
  });
});

describe('leaving the network', () => {
  const charging = [
    'P-Charging-Function-Addresses: ccf=x;ecf=y',
    'P-Charging-Vector: icid-value=c1;ggsn=10.9.9.9;pdp-info="pdp-item=1";related-icid=r1;x-own=1',
  ];
  const privacy = ['Privacy: id'];

  it('S-112 removes charging functions and what the access network says, and names the home network', async () => {
    await start({});
    const sent = await send('sip:carol@192.0.2.7', charging);
    expect(sent.header('P-Charging-Function-Addresses')).toBe(null);
    expect(sent.header('P-Charging-Vector')).toBe('icid-value=c1;orig-ioi=ims.test;related-icid=r1');
  });

  it('S-112 keeps both within the network, under the home domain and at the BGCF', async () => {
    await start({ numbers: { bgcf, dialPlan: [] } });
    for (const uri of ['sip:bob@ims.test', 'tel:+15550009']) {
      const sent = await send(uri, charging);
      expect(sent.header('P-Charging-Function-Addresses'), uri).toBe('ccf=x;ecf=y');
      expect(sent.header('P-Charging-Vector'), uri).toContain('ggsn=10.9.9.9');
    }
  });

  it('S-112 S-121 does the same where ENUM leads out', async () => {
    await startWithEnum([enumRecord('+15550003', '!^.*$!sip:carol@192.0.2.7!')]);
    const sent = await send('tel:+15550003', [...charging, ...privacy]);
    expect(sent.header('P-Charging-Function-Addresses')).toBe(null);
    expect(sent.header('P-Charging-Vector')).not.toContain('ggsn');
    expect(sent.header('P-Asserted-Identity')).toBe(null);
  });

  it('S-113 goes through the IBCF where there is one, which keeps the identity for those it trusts', async () => {
    await start({ routes: { ibcf: 'sip:127.0.0.1:7001;lr', trustedDomains: [] } });
    const sent = await send('sip:carol@192.0.2.7', [...charging, ...privacy]);
    expect([sent.requestUri, sent.header('Route'), sent.to]).toEqual([
      'sip:carol@192.0.2.7',
      '<sip:127.0.0.1:7001;lr>',
      'udp 127.0.0.1:7001',
    ]);
    expect(sent.header('P-Charging-Function-Addresses')).toBe(null);
    expect(sent.all('P-Asserted-Identity')[0]).toBe('<sip:alice@ims.test>');
  });

  it('S-121 takes the identity of a caller who asks for privacy from those who are not trusted, from no others', async () => {
    await start({ routes: { trustedDomains: ['192.0.2.8'] } });
    const identity = async (uri: string, lines: string[]) => (await send(uri, lines)).all('P-Asserted-Identity').length;
    expect(await identity('sip:carol@192.0.2.7', privacy)).toBe(0);
    expect(await identity('sip:carol@192.0.2.7', ['Privacy: header; id'])).toBe(0);
    expect(await identity('sip:carol@192.0.2.8', privacy)).toBe(2);
    expect(await identity('sip:bob@ims.test', privacy)).toBe(2);
    expect(await identity('sip:carol@192.0.2.7', ['Privacy: none'])).toBe(2);
    expect(await identity('sip:carol@192.0.2.7', [])).toBe(2);
  });
});

describe('a called phone', () => {
  it('S-121 that no P-CSCF stands before does not hear who asks for privacy', async () => {
    await start({});
    const toScscf = 'Route: <sip:127.0.0.1:6060;lr>';
    const lines = [toScscf, 'P-Asserted-Identity: <sip:carol@ims.test>', 'Privacy: id'];
    await net.registered({ impi: 'bob@ims.test', callId: 'b', path: '' });
    const [bare] = await net.send('INVITE', 'sip:bob@ims.test', lines);
    expect([bare!.to, bare!.header('P-Asserted-Identity')]).toEqual(['udp 10.0.0.1:5060', null]);
    const [behind] = await net.send('INVITE', 'sip:alice@ims.test', lines);
    expect([behind!.to, behind!.header('P-Asserted-Identity')]).toEqual(['udp 127.0.0.1:5070', '<sip:carol@ims.test>']);
  });
});

describe('a port beside the home domain', () => {
  it('S-113 names nobody: the request goes to the I-CSCF', async () => {
    await start({});
    const sent = await send('sip:bob@ims.test:5099;x=1');
    expect([sent.requestUri, sent.to]).toEqual(['sip:bob@ims.test;x=1', icscf]);
  });
});

describe('emergency calls that come to the S-CSCF', () => {
  it.each(['urn:service:sos', 'URN:service:SOS.police'])('S-114 refuses %s with 403', async (uri) => {
    await start({});
    expect((await send(uri)).status).toBe(403);
    expect(net.harness.refusals).toEqual(['emergency-not-served']);
  });

  it('S-114 or sends them to the E-CSCF of the configuration', async () => {
    await start({ routes: { ecscf: 'sip:127.0.0.1:7002', trustedDomains: [] } });
    const sent = await send('urn:service:sos.fire');
    expect([sent.requestUri, sent.header('Route'), sent.to]).toEqual([
      'urn:service:sos.fire',
      '<sip:127.0.0.1:7002;lr>',
      'udp 127.0.0.1:7002',
    ]);
    expect((await send('urn:service:counseling')).status).toBe(404);
  });
});

describe('services that a UE prefers', () => {
  const mmtel = 'urn:urn-7:3gpp-service.ims.icsi.mmtel';
  const oma = 'urn:urn-7:3gpp-service.ims.icsi.oma.cpm.session';
  const prefers = (...services: string[]) => [`P-Preferred-Service: ${services.join(', ')}`];

  it('S-111 asserts the service, and takes the wish out', async () => {
    await start({});
    const sent = await send('sip:bob@ims.test', prefers(mmtel));
    expect([sent.header('P-Asserted-Service'), sent.header('P-Preferred-Service')]).toEqual([mmtel, null]);
  });

  it('S-111 asserts the first that is allowed', async () => {
    await start({ allowedServices: [oma, mmtel.toUpperCase()] });
    expect((await send('sip:bob@ims.test', prefers('urn:urn-7:x', mmtel, oma))).header('P-Asserted-Service')).toBe(
      mmtel,
    );
  });

  it('S-111 refuses a service that is not allowed with 403, and names it', async () => {
    await start({ allowedServices: [mmtel] });
    const sent = await send('sip:bob@ims.test', prefers(oma));
    expect([sent.status, sent.header('Warning')]).toEqual([403, expect.stringContaining('service-not-allowed')]);
    expect(sent.header('Warning')).toContain(oma);
  });

  it('S-29 S-111 goes by what the profile of the user allows before what the configuration does', async () => {
    net = new HomeNetwork({ allowedServices: [oma] });
    const allowed = `<CoreNetworkServicesAuthorization><Extension><ListOfServiceIds><ServiceId>${mmtel}</ServiceId></ListOfServiceIds></Extension></CoreNetworkServicesAuthorization>`;
    const profile = profileXml('sip:alice@ims.test').replace('</ServiceProfile>', `${allowed}</ServiceProfile>`);
    net.hss.subscribers.set('alice@ims.test', { profile });
    await net.registered();
    expect((await send('sip:bob@ims.test', prefers(mmtel))).header('P-Asserted-Service')).toBe(mmtel);
    expect((await send('sip:bob@ims.test', prefers(oma))).status).toBe(403);
  });

  it('S-111 takes out what names no service, and asserts nothing', async () => {
    await start({ allowedServices: [mmtel] });
    const sent = await send('sip:bob@ims.test', prefers('telephony'));
    expect([sent.header('P-Asserted-Service'), sent.header('P-Preferred-Service')]).toEqual([null, null]);
  });

  it('S-111 a request without a wish is served as ever', async () => {
    await start({ allowedServices: [] });
    expect((await send('sip:bob@ims.test')).header('P-Asserted-Service')).toBe(null);
  });
});

describe('what an S-CSCF has no business with', () => {
  it('S-116 passes caller preferences, privacy, place and priority on, octet for octet', async () => {
    await start({});
    const lines = [
      'Accept-Contact: *;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel";explicit;require',
      'Reject-Contact: *;automata;  class="x"',
      'Request-Disposition: no-fork',
      'Privacy: header;  session',
      'Geolocation: <cid:a@b>;x=1',
      'Geolocation-Routing: yes',
      'Resource-Priority: ets.0,  wps.1',
    ];
    for (const uri of ['sip:bob@ims.test', 'sip:carol@192.0.2.7', 'tel:+15550002']) {
      const sent = await send(uri, lines);
      for (const line of lines) expect(sent.text, uri).toContain(`\r\n${line}\r\n`);
    }
  });
});
