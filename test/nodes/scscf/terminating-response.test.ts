import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SentMessage } from '../worker-harness.ts';
import { HomeNetwork } from './home-network.ts';
import { proxied, servicesXml } from './service-profiles.ts';

const toScscf = 'Route: <sip:127.0.0.1:6060;lr>';
const answering = 'P-Asserted-Identity: <sip:alice@ims.test>';
const addresses = 'P-Charging-Function-Addresses';

let net: HomeNetwork;
beforeEach(async () => {
  net = new HomeNetwork();
  await net.registered();
});
afterEach(() => {
  expect(net.harness.failures).toEqual([]);
  net.stop();
});

async function call(...lines: string[]): Promise<SentMessage> {
  const sent = await net.send('INVITE', 'sip:alice@ims.test', [toScscf, ...lines]);
  return sent.find(({ method }) => method === 'INVITE')!;
}

function answer(branch: SentMessage, status: number, ...lines: string[]): SentMessage {
  net.harness.answer(branch, status, lines);
  return net.harness.take().find((message) => message.status === status)!;
}

describe('answers of a called user', () => {
  it.each([180, 183, 200])('S-125 a %i names his second identity and this network', async (status) => {
    const invite = await call('P-Charging-Vector: icid-value=c1;icid-generated-at=p;orig-ioi=other.test');
    const response = answer(invite, status, answering, 'P-Charging-Vector: icid-value=c1;orig-ioi=other.test');
    expect(response.all('P-Asserted-Identity')).toEqual(['<sip:alice@ims.test>', '<tel:+15550001>']);
    const vector = 'icid-value=c1;icid-generated-at=p;orig-ioi=other.test;term-ioi=ims.test';
    expect(response.all('P-Charging-Vector')).toEqual([vector]);
  });

  it('S-125 no identity is added to two, to one of somebody else, or to a refusal', async () => {
    const two = 'P-Asserted-Identity: <sip:alice@ims.test>, <tel:+1999>';
    expect(answer(await call(), 180, two).all('P-Asserted-Identity')).toHaveLength(1);
    const other = 'P-Asserted-Identity: <sip:carol@ims.test>';
    expect(answer(await call(), 180, other).all('P-Asserted-Identity')).toEqual(['<sip:carol@ims.test>']);
    const refused = answer(await call('P-Charging-Vector: icid-value=c'), 486, answering);
    expect(refused.all('P-Asserted-Identity')).toEqual(['<sip:alice@ims.test>']);
    expect(refused.header('P-Charging-Vector')).toBeNull();
  });

  it('S-125 a tel identity gets its sip alias', async () => {
    const response = answer(await call(), 200, 'P-Asserted-Identity: <tel:+15550001>');
    expect(response.all('P-Asserted-Identity')).toEqual(['<tel:+15550001>', '<sip:alice@ims.test>']);
  });

  it('S-125 charging addresses, and what the access network says, stay within the network', async () => {
    const said = 'P-Charging-Vector: icid-value=c1;orig-ioi=x;access-network-charging-info="x"';
    const inside = answer(await call('P-Charging-Vector: icid-value=c1;orig-ioi=ims.test'), 200, answering, said);
    expect(inside.header(addresses)).toBe('ccf="aaa://cdf.ims.test"');
    expect(inside.header('P-Charging-Vector')).toContain('access-network-charging-info');
    for (const vector of ['icid-value=c1;orig-ioi=other.test', 'icid-value=c1']) {
      const outside = await call(`P-Charging-Vector: ${vector}`);
      const response = answer(outside, 200, answering, said, `${addresses}: ccf=secret`);
      expect(response.header(addresses)).toBeNull();
      expect(response.header('P-Charging-Vector')).toBe(`${vector};term-ioi=ims.test`);
    }
    const none = answer(await call(), 200, said, `${addresses}: ccf=secret`);
    expect([none.header(addresses), none.header('P-Charging-Vector')]).toEqual([null, null]);
  });

  it('S-125 on the way back through a service: both inside, and clean towards the caller', async () => {
    const criteria = [{ server: 'sip:as1@127.0.0.1:5091', cases: [1] }];
    const profile = servicesXml(['sip:bob@ims.test', 'tel:+15550002'], criteria);
    net.hss.subscribers.set('bob@ims.test', { profile, ccf: 'aaa://cdf.ims.test' });
    await net.registered({ impi: 'bob@ims.test', callId: 'b' });
    const lines = [toScscf, 'P-Charging-Vector: icid-value=c1;orig-ioi=other.test'];
    const atServer = (await net.send('INVITE', 'sip:bob@ims.test', lines)).find(({ method }) => method === 'INVITE')!;
    net.harness.receive(proxied(atServer), atServer.to);
    await net.settle();
    const atPhone = net.harness.take().find(({ method }) => method === 'INVITE')!;
    const toServer = answer(atPhone, 200, 'P-Asserted-Identity: <sip:bob@ims.test>');
    expect(toServer.header(addresses)).toBe('ccf="aaa://cdf.ims.test"');
    expect(toServer.all('P-Asserted-Identity')).toEqual(['<sip:bob@ims.test>', '<tel:+15550002>']);
    const copied = ['P-Asserted-Identity', addresses].flatMap((name) =>
      toServer.all(name).map((value) => `${name}: ${value}`),
    );
    const toCaller = answer(atServer, 200, ...copied);
    expect(toCaller.all('P-Asserted-Identity')).toHaveLength(2);
    expect(toCaller.header(addresses)).toBeNull();
    expect(toCaller.header('P-Charging-Vector')).toBe('icid-value=c1;orig-ioi=other.test;term-ioi=ims.test');
  });
});
