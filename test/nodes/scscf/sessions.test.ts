import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { profileXml } from '../../fixtures/test-hss.ts';
import { HomeNetwork } from './home-network.ts';

const icscf = 'udp 127.0.0.1:4060';

let net: HomeNetwork;
beforeEach(() => {
  net = new HomeNetwork();
});
afterEach(() => {
  expect(net.harness.failures).toEqual([]);
  net.stop();
});

const serviceRoute = 'Route: <sip:orig@127.0.0.1:6060;lr>';
const alice = 'P-Asserted-Identity: <sip:alice@ims.test>';
const originating = [serviceRoute, alice];
const toScscf = 'Route: <sip:127.0.0.1:6060;lr>';

describe('originating', () => {
  beforeEach(async () => {
    await net.registered();
  });

  it('S-80 S-86 S-110 S-112 S-113 sends a call for the home domain to the I-CSCF, with what it has to add', async () => {
    const lines = [...originating, 'P-Charging-Vector: icid-value=c1', 'P-Charging-Function-Addresses: ccf=x'];
    const [invite] = await net.send('INVITE', 'sip:bob@ims.test', lines);
    expect(invite!.to).toBe(icscf);
    expect(invite!.requestUri).toBe('sip:bob@ims.test');
    expect(invite!.header('Route')).toBeNull();
    expect(invite!.header('Record-Route')).toBe('<sip:mo@127.0.0.1:6060;lr>');
    expect(invite!.all('P-Asserted-Identity')).toEqual(['<sip:alice@ims.test>', '<tel:+15550001>']);
    expect(invite!.header('P-Charging-Vector')).toBe('icid-value=c1;orig-ioi=ims.test');
    expect(invite!.header('P-Charging-Function-Addresses')).toBe('ccf=x');
    expect(invite!.header('Max-Forwards')).toBe('67');
  });

  it('S-80 takes the orig parameter for an originating request, of the user in P-Served-User', async () => {
    const route = 'Route: <sip:127.0.0.1:6060;lr;orig>';
    const served = 'P-Served-User: <sip:alice@ims.test>;sescase=orig;regstate=reg';
    const [invite] = await net.send('INVITE', 'sip:bob@ims.test', [route, served]);
    expect(invite!.to).toBe(icscf);
    expect(invite!.header('P-Served-User')).toBeNull();
  });

  it('S-81 does not believe a P-Served-User that came by the Service-Route', async () => {
    const served = 'P-Served-User: <sip:alice@ims.test>;sescase=orig;regstate=reg';
    const [refused] = await net.send('INVITE', 'sip:bob@ims.test', [serviceRoute, served]);
    expect(refused!.status).toBe(403);
  });

  it('S-81 S-83 refuses who is not named, not registered here or barred', async () => {
    const status = async (lines: string[]) => (await net.send('INVITE', 'sip:bob@ims.test', lines))[0]!.status;
    expect(await status([serviceRoute])).toBe(403);
    expect(await status([serviceRoute, 'P-Asserted-Identity: <sip:bob@ims.test>'])).toBe(504);
    expect(await status([serviceRoute, 'P-Asserted-Identity: <sip:secret@ims.test>'])).toBe(403);
    expect(net.harness.refusals).toEqual(['no-asserted-identity', 'registration-lost', 'caller-barred']);
  });

  it('S-110 adds the sip alias to a single tel identity, and nothing to two', async () => {
    const pai = async (...values: string[]) => {
      const lines = [serviceRoute, ...values.map((value) => `P-Asserted-Identity: ${value}`)];
      return (await net.send('MESSAGE', 'sip:bob@ims.test', lines))[0]!.all('P-Asserted-Identity');
    };
    expect(await pai('<tel:+15550001>')).toEqual(['<tel:+15550001>', '<sip:alice@ims.test>']);
    expect(await pai('<sip:alice@ims.test>, <tel:+15550001>')).toEqual(['<sip:alice@ims.test>, <tel:+15550001>']);
    net.hss.subscribers.set('tel@ims.test', { profile: profileXml('tel:+15559999') });
    await net.registered({ impi: 'tel@ims.test', impu: 'tel:+15559999', callId: 't' });
    expect(await pai('<tel:+15559999>')).toEqual(['<tel:+15559999>', '<sip:+15559999@ims.test;user=phone>']);
  });

  it('S-86 records its route only where a dialog begins', async () => {
    const [message] = await net.send('MESSAGE', 'sip:bob@ims.test', originating);
    expect(message!.header('Record-Route')).toBeNull();
    const [subscribe] = await net.send('SUBSCRIBE', 'sip:bob@ims.test', originating);
    expect(subscribe!.header('Record-Route')).toBe('<sip:mo@127.0.0.1:6060;lr>');
  });

  it('S-113 takes global numbers and numbers of the home domain to the home network, no others', async () => {
    const [home] = await net.send('INVITE', 'tel:+1-555-0002;phone-context=ims.test', originating);
    expect([home!.requestUri, home!.to]).toEqual(['sip:+15550002@ims.test;user=phone', icscf]);
    const [phone] = await net.send('INVITE', 'sip:+15550002@ims.test;user=phone', originating);
    expect(phone!.requestUri).toBe('sip:+15550002@ims.test;user=phone');
    const [global] = await net.send('INVITE', 'tel:+1-555-0002', originating);
    expect([global!.requestUri, global!.to]).toEqual(['sip:+15550002@ims.test;user=phone', icscf]);
    expect((await net.send('INVITE', 'tel:0002;phone-context=other.test', originating))[0]!.status).toBe(404);
    expect((await net.send('INVITE', 'urn:service:x', originating))[0]!.status).toBe(404);
    expect(net.harness.refusals).toEqual(['number-unknown', 'not-routable']);
  });

  it('S-112 S-113 sends a foreign domain where DNS says, without our charging functions', async () => {
    const lines = [...originating, 'P-Charging-Function-Addresses: ccf=x'];
    const [invite] = await net.send('INVITE', 'sip:carol@192.0.2.7:5080', lines);
    expect(invite!.to).toBe('udp 192.0.2.7:5080');
    expect(invite!.header('P-Charging-Function-Addresses')).toBeNull();
    const [unknown] = await net.send('INVITE', 'sip:carol@nowhere.test', originating);
    expect(unknown!.status).toBe(504);
  });
});

describe('terminating', () => {
  const contact = '<sip:bob@10.0.0.2:5060>;expires=3600';
  const bob = { impi: 'bob@ims.test', contact, path: '<sip:tok@127.0.0.1:5070;lr>, <sip:second@127.0.0.1:5071;lr>' };
  beforeEach(async () => {
    await net.registered(bob);
    net.hss.sars.length = 0;
  });

  it('S-120 sends a call to the contact by its Path, and says who was called', async () => {
    const lines = [toScscf, 'P-Served-User: <sip:x@y>', 'P-Called-Party-ID: <sip:old@x>', 'P-Profile-Key: <sip:x>'];
    const [invite] = await net.send('INVITE', 'sip:Bob@ims.test', lines);
    expect(invite!.status).toBe(480);
    const [found] = await net.send('INVITE', 'sip:bob@ims.test;x=y', lines);
    expect(found!.requestUri).toBe('sip:bob@10.0.0.2:5060');
    expect(found!.to).toBe('udp 127.0.0.1:5070');
    expect(found!.all('Route')).toEqual(['<sip:tok@127.0.0.1:5070;lr>, <sip:second@127.0.0.1:5071;lr>']);
    expect(found!.all('P-Called-Party-ID')).toEqual(['<sip:bob@ims.test;x=y>']);
    expect(found!.header('P-Served-User')).toBeNull();
    expect(found!.header('P-Profile-Key')).toBeNull();
    expect(found!.header('Record-Route')).toBe('<sip:mt@127.0.0.1:6060;lr>');
  });

  it('S-121 leaves the asserted identity of a caller who asks for privacy to the P-CSCF', async () => {
    const [invite] = await net.send('INVITE', 'sip:bob@ims.test', [toScscf, 'Privacy: id', alice]);
    expect([invite!.header('P-Asserted-Identity'), invite!.header('Privacy')]).toEqual(['<sip:alice@ims.test>', 'id']);
  });

  it('S-84 finds the user by any identity, also by a number in a sip URI', async () => {
    for (const uri of ['tel:+15550002', 'sip:+15550002@ims.test;user=phone', 'sips:bob@ims.test']) {
      const [invite] = await net.send('INVITE', uri, [toScscf]);
      expect(invite!.requestUri, uri).toBe('sip:bob@10.0.0.2:5060');
    }
  });

  it('S-84 refuses who is not registered, barred or not ours, and asks the HSS only of who is not registered', async () => {
    await net.registered({ callId: 'a' });
    net.hss.sars.length = 0;
    const status = async (uri: string) => (await net.send('INVITE', uri, [toScscf]))[0]!.status;
    expect(await status('sip:carol@ims.test')).toBe(480);
    expect(await status('sip:secret@ims.test')).toBe(404);
    expect(await status('sip:carol@else.test')).toBe(404);
    expect(net.harness.refusals).toEqual(['callee-not-registered', 'callee-barred', 'foreign-domain']);
    expect(net.hss.sars).toMatchObject([{ type: 3, impus: ['sip:carol@ims.test'] }]);
  });

  it('S-26 finds the user of a wildcard by P-Profile-Key', async () => {
    const wildcard = 'sip:bob-!.*!@ims.test';
    net.hss.subscribers.set('wild@ims.test', {
      profile: `<IMSSubscription><PrivateID>x</PrivateID><ServiceProfile><PublicIdentity><Identity>sip:wild@ims.test</Identity></PublicIdentity><PublicIdentity><Identity>sip:bob-x@ims.test</Identity><Extension><IdentityType>4</IdentityType><Extension><Extension><WildcardedIMPU>${wildcard}</WildcardedIMPU></Extension></Extension></Extension></PublicIdentity></ServiceProfile></IMSSubscription>`,
    });
    const ok = await net.registered({ impi: 'wild@ims.test', callId: 'w' });
    expect(ok.header('P-Associated-URI')).toBe(`<sip:wild@ims.test>, <${wildcard}>`);
    const [invite] = await net.send('INVITE', 'sip:bob-7@ims.test', [toScscf, `P-Profile-Key: <${wildcard}>`]);
    expect(invite!.requestUri).toBe('sip:wild@10.0.0.1:5060');
  });

  it('S-122 does not call a contact in its grace', async () => {
    net.harness.advance(3_605_000);
    const [refused] = await net.send('INVITE', 'sip:bob@ims.test', [toScscf]);
    expect(refused!.status).toBe(480);
    expect(net.harness.refusals).toEqual(['no-contact']);
  });

  it('S-122 S-123 rings contacts of one q at once, cancels the others when one answers', async () => {
    net.hss.subscribers.set('desk@ims.test', { profile: profileXml('sip:bob@ims.test', 'tel:+15550002') });
    const desk = '<sip:bob@10.0.0.3:5060>;q=1';
    await net.registered({ impi: 'desk@ims.test', impu: 'sip:bob@ims.test', callId: 'd', contact: desk });
    const branches = (await net.send('INVITE', 'sip:bob@ims.test', [toScscf])).filter((m) => m.method === 'INVITE');
    expect(branches.map((branch) => branch.requestUri).sort()).toEqual([
      'sip:bob@10.0.0.2:5060',
      'sip:bob@10.0.0.3:5060',
    ]);
    net.harness.answer(branches[0]!, 180);
    net.harness.answer(branches[1]!, 180);
    net.harness.take();
    net.harness.answer(branches[0]!, 200);
    const after = net.harness.take();
    expect(after.map((m) => m.method || m.status).sort()).toEqual([200, 'CANCEL']);
    expect(after.find((m) => m.method === 'CANCEL')!.header('Reason')).toContain('Call completed elsewhere');
  });

  it('S-122 tries the lower q after the higher failed', async () => {
    net.hss.subscribers.set('desk@ims.test', { profile: profileXml('sip:bob@ims.test', 'tel:+15550002') });
    const desk = '<sip:bob@10.0.0.3:5060>;q=0.5';
    await net.registered({ impi: 'desk@ims.test', impu: 'sip:bob@ims.test', callId: 'd', contact: desk });
    const [first] = await net.send('INVITE', 'sip:bob@ims.test', [toScscf]);
    expect(first!.requestUri).toBe('sip:bob@10.0.0.2:5060');
    net.harness.answer(first!, 486);
    const next = net.harness.take().find((m) => m.method === 'INVITE');
    expect(next!.requestUri).toBe('sip:bob@10.0.0.3:5060');
  });

  it('S-128 relays a redirection and follows none', async () => {
    const [invite] = await net.send('INVITE', 'sip:bob@ims.test', [toScscf]);
    net.harness.answer(invite!, 302, ['Contact: <sip:evil@192.0.2.9>']);
    const relayed = net.harness.take().filter((m) => m.method !== 'ACK');
    expect(relayed.map((m) => m.status)).toEqual([302]);
  });
});

describe('within dialogs', () => {
  it('S-85 follows the Route and does nothing else, and refuses what has none', async () => {
    const to = 'To: <sip:bob@ims.test>;tag=b';
    const lines = [to, 'Route: <sip:mt@127.0.0.1:6060;lr>, <sip:tok@127.0.0.1:5071;lr>'];
    const [bye] = await net.send('BYE', 'sip:bob@10.0.0.2:5060', lines);
    expect([bye!.to, bye!.requestUri]).toEqual(['udp 127.0.0.1:5071', 'sip:bob@10.0.0.2:5060']);
    expect(bye!.header('P-Called-Party-ID')).toBeNull();
    expect(bye!.header('Record-Route')).toBeNull();
    const [refused] = await net.send('BYE', 'sip:bob@10.0.0.2:5060', [to]);
    expect(refused!.status).toBe(481);
  });

  it('S-85 passes an ACK along its Route and drops one without', async () => {
    const to = 'To: <sip:bob@ims.test>;tag=b';
    const route = 'Route: <sip:mt@127.0.0.1:6060;lr>, <sip:tok@127.0.0.1:5071;lr>';
    const [ack] = await net.send('ACK', 'sip:bob@10.0.0.2:5060', [to, route]);
    expect(ack!.to).toBe('udp 127.0.0.1:5071');
    expect(await net.send('ACK', 'sip:bob@10.0.0.2:5060', [to])).toEqual([]);
  });

  it('S-01 drops nothing silently: a stranger gets 403 for any request', async () => {
    const [refused] = await net.send('INVITE', 'sip:bob@ims.test', [toScscf], 'udp 192.0.2.1:5060');
    expect(refused!.status).toBe(403);
  });
});
