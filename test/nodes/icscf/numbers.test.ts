import { afterEach, describe, expect, it } from 'vitest';
import { readLocationInfo } from '#diameter/cx/cx-server';
import { baseResult, experimentalResult } from '#diameter/result';
import type { IcscfConfig } from '#service/config/icscf-config';
import { enumRecord } from '../../ims/enum-zone.ts';
import { type DnsRecord, type DnsServer, startDnsServer, zone } from '../../sip/resolver/dns-server.ts';
import type { SentMessage } from '../worker-harness.ts';
import { invite, Network, pcscf, scscf } from './icscf-network.ts';

const exp = experimentalResult;
const bgcf = 'sip:127.0.0.1:7000';
const number = 'tel:+1-555-0002';

let network: Network;
let dns: DnsServer | null = null;
afterEach(async () => {
  expect(network.harness.failures).toEqual([]);
  network.harness.stop();
  await dns?.close();
  dns = null;
});

/** An I-CSCF with ENUM at a name server of the test. */
async function startWithEnum(
  records: readonly DnsRecord[],
  numbers: Partial<IcscfConfig['numbers']> = {},
  changes: Partial<IcscfConfig> = {},
): Promise<void> {
  dns = await startDnsServer(zone(records));
  const settings = { suffix: 'e164.arpa', timeout: 2, servers: [dns.address] };
  network = new Network({ ...changes, numbers: { enum: settings, dialPlan: [], ...numbers } });
}

/** Asks for a called user, whom the HSS does not know, and gives the identity that it was asked for. */
async function sendUnknown(uri: string, more: string[] = [], method = 'MESSAGE'): Promise<string> {
  network.harness.receive(invite(uri, more, method), pcscf);
  return readLocationInfo(await network.uaa(exp(5001))).impu;
}

/** The one message that leaves next. */
async function next(): Promise<SentMessage> {
  await expect.poll(() => network.harness.sent.length).toBeGreaterThan(0);
  return network.harness.takeOne();
}

/** The next question to the HSS. */
async function asked(): Promise<void> {
  await expect.poll(() => network.harness.diameterSent.length).toBe(1);
}

describe('a number that the HSS does not know', () => {
  it('I-22 is looked up in ENUM; a user of the home network is asked for, once more', async () => {
    await startWithEnum([enumRecord('+15550002', '!^.*$!sip:bob@ims.test!')]);
    expect(await sendUnknown(number)).toBe('tel:+15550002');
    await asked();
    const question = await network.uaa(baseResult(2001), { serverName: scscf });
    expect(readLocationInfo(question)).toMatchObject({ impu: 'sip:bob@ims.test', originating: false });
    const sent = await next();
    expect([sent.requestUri, sent.header('Route'), sent.to]).toEqual([
      'sip:bob@ims.test',
      `<${scscf};lr>`,
      'udp 127.0.0.1:6060',
    ]);
    expect(dns!.asked).toEqual(['NAPTR 2.0.0.0.5.5.5.1.e164.arpa']);
  });

  it('I-22 is not asked for a third time: then the user does not exist', async () => {
    await startWithEnum([enumRecord('+15550002', '!^.*$!sip:bob@ims.test!')], { bgcf });
    await sendUnknown('sip:+15550002@ims.test;user=phone');
    await asked();
    await network.uaa(exp(5001));
    expect((await next()).status).toBe(604);
    expect(network.harness.diameterSent).toEqual([]);
  });

  it('I-22 ENUM that only repeats the number is no answer', async () => {
    await startWithEnum([enumRecord('+15550002', '!^(.*)$!sip:\\1@ims.test;user=phone!')], { bgcf });
    await sendUnknown(number);
    expect((await next()).to).toBe('udp 127.0.0.1:7000');
    expect(network.harness.diameterSent).toEqual([]);
  });

  it('I-22 S-112 S-121 goes to the other domain that ENUM names, without what is ours', async () => {
    await startWithEnum([enumRecord('+15550002', '!^.*$!sip:carol@192.0.2.7:5080!')]);
    await sendUnknown(number, [
      'P-Charging-Function-Addresses: ccf=x',
      'P-Charging-Vector: icid-value=c1;orig-ioi=ims.test;pdngw=10.9.9.9',
      'Privacy: id',
    ]);
    const sent = await next();
    expect([sent.requestUri, sent.to, sent.header('Route')]).toEqual([
      'sip:carol@192.0.2.7:5080',
      'udp 192.0.2.7:5080',
      null,
    ]);
    expect(sent.header('P-Charging-Function-Addresses')).toBe(null);
    expect(sent.header('P-Charging-Vector')).toBe('icid-value=c1;orig-ioi=ims.test');
    expect(sent.header('P-Asserted-Identity')).toBe(null);
  });

  it('I-22 or through the IBCF', async () => {
    const routes = { ibcf: 'sip:127.0.0.1:7001', trustedDomains: [] };
    await startWithEnum([enumRecord('+15550002', '!^.*$!sip:carol@192.0.2.7!')], {}, { routes });
    await sendUnknown(number);
    expect((await next()).to).toBe('udp 127.0.0.1:7001');
  });

  it('I-22 that ENUM does not know either breaks out by the BGCF and stays a tel URI', async () => {
    await startWithEnum([], { bgcf });
    await sendUnknown(number);
    const sent = await next();
    expect([sent.requestUri, sent.header('Route'), sent.to]).toEqual([
      number,
      '<sip:127.0.0.1:7000;lr>',
      'udp 127.0.0.1:7000',
    ]);
  });

  it('I-22 or is answered 404 where there is no BGCF', async () => {
    await startWithEnum([]);
    await sendUnknown(number);
    expect((await next()).status).toBe(404);
    expect(network.harness.refusals).toEqual(['unknown-user']);
  });

  it('I-22 goes to the BGCF unasked where there is no ENUM, or it was looked up before', async () => {
    network = new Network({ numbers: { bgcf, dialPlan: [] } });
    await sendUnknown(number);
    expect((await next()).to).toBe('udp 127.0.0.1:7000');
    network.harness.stop();
    await startWithEnum([enumRecord('+15550002', '!^.*$!sip:bob@ims.test!')], { bgcf });
    await sendUnknown('tel:+15550002;npdi;rn=+15551000');
    expect((await next()).requestUri).toBe('tel:+15550002;npdi;rn=+15551000');
    expect(dns!.asked).toEqual([]);
  });

  it('I-22 ENUM and BGCF are for called numbers: no name, no caller and no other result leads there', async () => {
    await startWithEnum([enumRecord('+15550002', '!^.*$!sip:bob@ims.test!')], { bgcf });
    await sendUnknown('sip:bob@ims.test');
    expect((await next()).status).toBe(604);
    await sendUnknown(number, ['Route: <sip:127.0.0.1:4060;lr;orig>'], 'OPTIONS');
    expect((await next()).status).toBe(404);
    network.harness.receive(invite(number, [], 'INFO'), pcscf);
    await network.uaa(exp(5003));
    expect((await next()).status).toBe(480);
    expect(dns!.asked).toEqual([]);
  });

  it('I-22 I-26 a CANCEL while the DNS is asked ends the INVITE with 487', async () => {
    dns = await startDnsServer(() => ({ delayMs: 200, records: [enumRecord('+15550002', '!^.*$!sip:bob@ims.test!')] }));
    const settings = { suffix: 'e164.arpa', timeout: 2, servers: [dns.address] };
    network = new Network({ numbers: { enum: settings, bgcf, dialPlan: [] } });
    await sendUnknown(number, [], 'INVITE');
    network.harness.receive(invite(number, [], 'CANCEL'), pcscf);
    expect(network.harness.take().map(({ status }) => status)).toEqual([100, 200, 487]);
    await new Promise((resolve) => setTimeout(resolve, 400));
    if (network.harness.diameterSent.length > 0) await network.uaa(baseResult(2001), { serverName: scscf });
    expect(network.harness.take()).toEqual([]);
  });
});

describe('local numbers', () => {
  const dialPlan = [{ prefix: '0', replace: '+1', length: 0, context: '' }];

  it.each(['tel:0555-0002;phone-context=ims.test', 'sip:05550002@ims.test;user=phone'])(
    'I-21 asks for the international number of %s, and sends it on',
    async (uri) => {
      network = new Network({ numbers: { dialPlan } });
      network.harness.receive(invite(uri, [], 'MESSAGE'), pcscf);
      const question = await network.uaa(baseResult(2001), { serverName: scscf });
      expect(readLocationInfo(question).impu).toBe('tel:+15550002');
      expect((await next()).requestUri).toBe('tel:+15550002');
    },
  );

  it.each(['tel:112;phone-context=ims.test', 'tel:0002;phone-context=other.test', 'tel:112'])(
    'I-21 refuses %s, for which there is no rule, and asks nobody',
    async (uri) => {
      network = new Network({ numbers: { dialPlan } });
      network.harness.receive(invite(uri, [], 'MESSAGE'), pcscf);
      expect((await next()).status).toBe(404);
      expect(network.harness.refusals).toEqual(['number-unknown']);
      expect(network.harness.diameterSent).toEqual([]);
    },
  );

  it('I-21 a SIP URI of some digits may be a name', async () => {
    network = new Network({ numbers: { dialPlan } });
    network.harness.receive(invite('sip:112@ims.test;user=phone', [], 'MESSAGE'), pcscf);
    expect(readLocationInfo(network.question()).impu).toBe('sip:112@ims.test');
  });
});

describe('URNs', () => {
  it('I-21 are answered 404, emergency calls too where there is no E-CSCF', async () => {
    network = new Network();
    for (const uri of ['urn:service:sos', 'urn:uuid:1-2']) {
      network.harness.receive(
        invite(uri, [], 'MESSAGE').replaceAll('call-1', uri).replace('z9hG4bKi1', `z9hG4bK${uri.length}`),
        pcscf,
      );
      expect((await next()).status, uri).toBe(404);
    }
    expect(network.harness.refusals).toEqual(['not-routable', 'not-routable']);
  });

  it('I-21 emergency calls go to the E-CSCF', async () => {
    network = new Network({ routes: { ecscf: 'sip:127.0.0.1:7002', trustedDomains: [] } });
    network.harness.receive(invite('urn:service:sos.fire', [], 'MESSAGE'), pcscf);
    const sent = await next();
    expect([sent.requestUri, sent.to]).toEqual(['urn:service:sos.fire', 'udp 127.0.0.1:7002']);
    expect(network.harness.diameterSent).toEqual([]);
  });
});
