import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { serverAssignmentAnswer } from '#diameter/cx/cx-server';
import type { ScscfRestorationInfo } from '#diameter/cx/restoration-info';
import { baseResult, experimentalResult } from '#diameter/result';
import { imsXmlType } from '#ims/alternative-service';
import type { ScscfConfig } from '#service/config/scscf-config';
import { profileXml } from '../../fixtures/test-hss.ts';
import { config, HomeNetwork } from './home-network.ts';
import { servicesXml } from './service-profiles.ts';

const serviceRoute = '<sip:orig@127.0.0.1:6060;lr>';
const originating = [`Route: ${serviceRoute}`, 'P-Asserted-Identity: <sip:alice@ims.test>'];
const toScscf = 'Route: <sip:127.0.0.1:6060;lr>';
const path = '<sip:tok@127.0.0.1:5070;lr>';
const stored: ScscfRestorationInfo = {
  impi: 'alice@ims.test',
  contacts: [{ path, contact: '<sip:alice@10.0.0.1:5060>;q=0.5;expires=1800', initialCseq: 7, callId: 'reg-9' }],
};
const withRestoration = {
  diameter: { ...config.diameter, cx: { ...config.diameter.cx, announce: ['ims-restoration'] } },
} as Partial<ScscfConfig>;

let net: HomeNetwork;
beforeEach(() => {
  net = new HomeNetwork(withRestoration);
});
afterEach(() => {
  expect(net.harness.failures).toEqual([]);
  net.stop();
});

function hssKnows(infos: readonly ScscfRestorationInfo[], profile = profileXml('sip:alice@ims.test', 'tel:+15550001')) {
  const result = baseResult(2001);
  net.hss.script.push(serverAssignmentAnswer({ result, userData: profile, restorationInfos: [...infos] }));
}
const call = async () => (await net.send('INVITE', 'sip:bob@ims.test', originating))[0]!;

describe('a UE whose registration is lost', () => {
  it('S-83 is told to register anew, by the S-CSCF of its Service-Route', async () => {
    net.stop();
    net = new HomeNetwork();
    const refused = await call();
    expect(refused.status).toBe(504);
    expect(refused.header('P-Asserted-Identity')).toBe(serviceRoute);
    expect(refused.header('Content-Type')).toBe(imsXmlType);
    expect(refused.body).toContain('<type>restoration</type>');
    expect(refused.body).toContain('<action>initial-registration</action>');
    expect([net.harness.refusals, net.hss.sars]).toEqual([['registration-lost'], []]);
  });

  it('S-83 S-21 gets its registration back from the HSS, and its call goes on', async () => {
    hssKnows([stored]);
    const invite = await call();
    expect([invite.method, invite.to]).toEqual(['INVITE', 'udp 127.0.0.1:4060']);
    expect(invite.all('P-Asserted-Identity')).toEqual(['<sip:alice@ims.test>', '<tel:+15550001>']);
    expect(net.hss.sars).toMatchObject([{ type: 0, impus: ['sip:alice@ims.test'], userDataAlreadyAvailable: false }]);
    expect(net.harness.events).toContain('restoration');
    const [called] = await net.send('INVITE', 'tel:+15550001', [toScscf]);
    expect([called!.requestUri, called!.header('Route')]).toEqual(['sip:alice@10.0.0.1:5060', path]);
    expect(net.hss.sars).toHaveLength(1);
    net.harness.advance(1_805_000);
    net.harness.take();
    expect((await net.send('INVITE', 'tel:+15550001', [toScscf]))[0]!.status).toBe(480);
  });

  it('S-83 S-33 then goes on registering with its Call-ID', async () => {
    hssKnows([stored]);
    await call();
    const contact = '<sip:alice@10.0.0.1:5060>;expires=600';
    expect((await net.registered({ callId: 'reg-9', cseq: 7, contact })).status).toBe(200);
    expect(net.harness.logic.registrations()).toBe(1);
  });

  it('S-83 S-21 asks as one that takes the place of the S-CSCF that is assigned', async () => {
    net.hss.script.push(serverAssignmentAnswer({ result: baseResult(5012) }));
    hssKnows([stored]);
    expect((await call()).method).toBe('INVITE');
    expect(net.hss.sars.map(({ type }) => type)).toEqual([0, 14]);
  });

  it.each([
    ['knows no contact', () => hssKnows([])],
    ['sends contacts that nobody can have', () => hssKnows([{ impi: 'a', contacts: [{ path, contact: '<<' }] }])],
    ['sends a line end', () => hssKnows([{ impi: 'a', contacts: [{ path: 'x\r\nVia: y', contact: '<sip:a@b>' }] }])],
    ['sends a broken profile', () => hssKnows([stored], '<IMSSubscription>')],
    ['bars the user', () => hssKnows([stored], profileXml('!sip:alice@ims.test'))],
    ['does not know the user', () => net.hss.script.push(serverAssignmentAnswer({ result: experimentalResult(5001) }))],
  ])('S-83 registers anew when the HSS %s', async (_what, prepare) => {
    prepare();
    const refused = await call();
    expect([refused.status, refused.header('Content-Type')]).toEqual([504, imsXmlType]);
    expect(net.harness.logic.registrations()).toBe(0);
  });

  it('S-83 need not register anew when the HSS does not answer: that would not succeed', async () => {
    net.hss.script.push('no-peer');
    const refused = await call();
    expect([refused.status, refused.header('Content-Type')]).toEqual([504, null]);
    expect(net.harness.refusals).toEqual(['hss-unreachable']);
  });

  it('S-83 is restored when it is called, by an HSS that has it as registered', async () => {
    net.hss.script.push(serverAssignmentAnswer({ result: experimentalResult(5007) }));
    hssKnows([stored]);
    const [invite] = await net.send('INVITE', 'sip:alice@ims.test', [toScscf]);
    expect([invite!.requestUri, invite!.header('P-Called-Party-ID')]).toEqual([
      'sip:alice@10.0.0.1:5060',
      '<sip:alice@ims.test>',
    ]);
    expect(net.hss.sars.map(({ type }) => type)).toEqual([3, 0]);
  });

  it('S-83 S-84 an unregistered user is refused as ever', async () => {
    net.hss.script.push(serverAssignmentAnswer({ result: experimentalResult(5003) }));
    net.hss.script.push(serverAssignmentAnswer({ result: baseResult(5012) }));
    net.hss.script.push(serverAssignmentAnswer({ result: baseResult(5012) }));
    expect((await net.send('INVITE', 'sip:alice@ims.test', [toScscf]))[0]!.status).toBe(480);
    expect(net.harness.refusals).toEqual(['callee-not-registered']);
  });
});

describe('what the HSS keeps for a restoration', () => {
  it('S-83 S-21 is left there when contacts change, and only then', async () => {
    net.hss.subscribers.set('alice@ims.test', { profile: servicesXml(['sip:alice@ims.test'], []) });
    const contact = '<sip:alice@10.0.0.1:5060>;expires=3600';
    await net.registered({ contact, path });
    expect(net.hss.sars).toMatchObject([
      { type: 1 },
      {
        type: 2,
        impi: 'alice@ims.test',
        impus: ['sip:alice@ims.test'],
        userDataAlreadyAvailable: true,
        restorationInfos: [{ impi: 'alice@ims.test', contacts: [{ path, contact, callId: 'reg-1', initialCseq: 2 }] }],
      },
    ]);
    await net.registered({ contact, path, cseq: 3 });
    expect(net.hss.sars).toHaveLength(2);
    await net.registered({ contact, path: '<sip:other@127.0.0.1:5071;lr>', cseq: 5 });
    expect(net.hss.sars[2]).toMatchObject({ type: 2, restorationInfos: [{ contacts: [{ callId: 'reg-1' }] }] });
    await net.registered({ contact: '<sip:alice@10.0.0.1:5060;sos>', callId: 'help', path });
    expect(net.hss.sars).toHaveLength(3);
    await net.registered({ contact: '*', callId: 'reg-1', cseq: 7, lines: ['Expires: 0'] });
    expect(
      net.hss.sars.filter(
        ({ restorationInfos }) => restorationInfos?.length !== undefined && restorationInfos.length > 0,
      ),
    ).toHaveLength(2);
  });

  it('S-83 is nothing where restoration is not announced', async () => {
    net.stop();
    net = new HomeNetwork();
    await net.registered();
    expect(net.hss.sars.map(({ type }) => type)).toEqual([1]);
  });

  it('S-83 is enough for another S-CSCF of the same name that has lost all', async () => {
    await net.registered({ path, contact: '<sip:alice@10.0.0.1:5060>;expires=1800' });
    const [, { restorationInfos = [] }] = net.hss.sars as [unknown, (typeof net.hss.sars)[number]];
    net.stop();
    net = new HomeNetwork(withRestoration);
    hssKnows(restorationInfos);
    expect((await call()).method).toBe('INVITE');
    const [called] = await net.send('INVITE', 'sip:alice@ims.test', [toScscf]);
    expect([called!.requestUri, called!.to]).toEqual(['sip:alice@10.0.0.1:5060', 'udp 127.0.0.1:5070']);
  });
});
