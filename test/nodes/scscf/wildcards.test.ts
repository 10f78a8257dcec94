import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RegisteredIdentity, Registration } from '#nodes/scscf/registration';
import { makeBinding } from '#nodes/scscf/registration';
import { RegistrationStore, registrationTables } from '#nodes/scscf/registration-store';
import { WildcardIndex } from '#nodes/scscf/wildcard-index';
import { openMemoryStore } from '#store/memory-store';
import { quickest } from '../../torture/quickest.ts';
import { HomeNetwork } from './home-network.ts';

const identity = (impu: string): RegisteredIdentity => ({
  impu,
  uri: impu,
  barred: false,
  wildcard: impu.includes('!'),
  alias: 1,
  displayName: '',
});

const registration = (key: string, ...wildcards: string[]): Registration => ({
  key,
  identities: [key, ...wildcards].map(identity),
  charging: { ccf: '', ecf: '' },
  bindings: [
    makeBinding({ impi: 'a@x', contact: '<sip:a@10.0.0.1>', path: '', callId: 'c', cseq: 1, expiresAtMs: 1000 })!,
  ],
});

describe('WildcardIndex', () => {
  const open = () => {
    const store = openMemoryStore(registrationTables);
    const reports: string[] = [];
    const index = new WildcardIndex(store, (wildcard, reason) => reports.push(`${wildcard}: ${reason}`));
    const registrations = new RegistrationStore(store);
    const put = (made: Registration) => registrations.change(made.key, () => made);
    return { store, reports, index, registrations, put };
  };

  it('S-26 follows wildcards that come and go, whoever wrote them', () => {
    const { index, registrations, put } = open();
    expect(index.find('sip:bob-1@x')).toBeNull();
    put(registration('sip:a@x', 'sip:bob-!.*!@x'));
    expect(index.find('sip:bob-1@x')).toMatchObject({ wildcard: 'sip:bob-!.*!@x', key: 'sip:a@x' });
    put(registration('sip:a@x', 'sip:joe-!.*!@x'));
    expect(index.find('sip:bob-1@x')).toBeNull();
    expect(index.find('sip:joe-1@x')).not.toBeNull();
    registrations.change('sip:a@x', () => null);
    expect(index.find('sip:joe-1@x')).toBeNull();
  });

  it('S-26 lets the longest literal part win', () => {
    const { index, put } = open();
    put(registration('sip:a@x', 'sip:!.*!@x', 'sip:bob-!.*!@x', 'sip:!.*!-77@x', 'sip:bob-![a-z]*!1@x'));
    expect(index.find('sip:bob-2@x')!.wildcard).toBe('sip:bob-!.*!@x');
    expect(index.find('sip:joe-77@x')!.wildcard).toBe('sip:!.*!-77@x');
    expect(index.find('sip:bob-77@x')!.wildcard).toBe('sip:bob-!.*!@x');
    expect(index.find('sip:bob-x1@x')!.wildcard).toBe('sip:bob-![a-z]*!1@x');
    expect(index.find('sip:bob-91@x')!.wildcard).toBe('sip:bob-!.*!@x');
    expect(index.find('sip:z@x')!.wildcard).toBe('sip:!.*!@x');
    expect(index.find('sip:z@y')).toBeNull();
  });

  it('S-26 reports a bad expression once and lets it match nobody', () => {
    const { index, put, reports } = open();
    put(registration('sip:a@x', 'sip:bob-!(!@x', 'sip:!.*!@x', 'urn:!.*!'));
    for (let i = 0; i < 3; i++) expect(index.find('sip:bob-(@x')!.wildcard).toBe('sip:!.*!@x');
    put(registration('sip:b@x', 'sip:more-!.*!@x'));
    index.find('sip:bob-(@x');
    expect(reports.map((line) => line.split(': ')[0])).toEqual(['urn:!.*!', 'sip:bob-!(!@x']);
  });

  it('S-26 looks at a bounded number of wildcards and says so', () => {
    const { index, put, reports } = open();
    const many = Array.from({ length: 4097 }, (_, i) => `sip:![0-9]*!@pbx${10_000 + i}.test`);
    put(registration('sip:a@x', ...many));
    expect(index.find('sip:1@pbx14095.test')).not.toBeNull();
    expect(index.find('sip:1@pbx14096.test')).toBeNull();
    expect(reports).toEqual([`${many[4096]}: more than 4096 wildcards`]);
  });

  it('S-26 finds one among thousands, and ends when all of them are costly', () => {
    const { index, put } = open();
    const many = Array.from({ length: 2000 }, (_, i) => `sip:![0-9]*!@pbx${i}.test`);
    put(registration('sip:a@x', ...many));
    expect(index.find('sip:12@pbx1999.test')!.wildcard).toBe(many[1999]);
    const costly = Array.from({ length: 300 }, (_, i) => `sip:!(a?){0,120}b{${i % 250}}${i}!@y`);
    const tookMs = quickest(1000, () => {
      const fresh = open();
      fresh.put(registration('sip:b@x', ...costly));
      expect(fresh.index.find(`sip:${'a'.repeat(500)}@y`)).toBeNull();
    });
    expect(tookMs).toBeLessThan(1000);
  });
});

describe('wildcarded identities', () => {
  let net: HomeNetwork;
  beforeEach(() => {
    net = new HomeNetwork();
  });
  afterEach(() => {
    expect(net.harness.failures).toEqual([]);
    net.stop();
  });

  const toScscf = 'Route: <sip:127.0.0.1:6060;lr>';
  const element = (text: string, type: number, name: string, barred = 0) =>
    `<PublicIdentity><BarringIndication>${barred}</BarringIndication><Identity>${text}</Identity><Extension><IdentityType>${type}</IdentityType><Extension><Extension><${name}>${text}</${name}></Extension></Extension></Extension></PublicIdentity>`;
  const register = (...elements: string[]) => {
    const own = '<PublicIdentity><Identity>sip:wild@ims.test</Identity></PublicIdentity>';
    net.hss.subscribers.set('wild@ims.test', {
      profile: `<IMSSubscription><PrivateID>x</PrivateID><ServiceProfile>${own}${elements.join('')}</ServiceProfile></IMSSubscription>`,
    });
    return net.registered({ impi: 'wild@ims.test', callId: 'w' });
  };
  const call = async (uri: string) => (await net.send('INVITE', uri, [toScscf]))[0]!;
  const originate = async (impu: string) => {
    const lines = ['Route: <sip:orig@127.0.0.1:6060;lr>', `P-Asserted-Identity: <${impu}>`];
    return (await net.send('INVITE', 'sip:carol@ims.test', lines))[0]!;
  };

  it('S-26 S-84 finds the called user by a wildcard, behind identities with a name', async () => {
    await net.registered({ impi: 'bob@ims.test', callId: 'b' });
    await register(
      element('sip:bo!.*!@ims.test', 4, 'WildcardedIMPU'),
      element('tel:+1777![0-9]+!', 4, 'WildcardedIMPU'),
    );
    expect((await call('sip:boris@IMS.test;x=y')).requestUri).toBe('sip:wild@10.0.0.1:5060');
    expect((await call('sip:bob@ims.test')).requestUri).toBe('sip:bob@10.0.0.1:5060');
    expect((await call('tel:+1-777-12')).requestUri).toBe('sip:wild@10.0.0.1:5060');
    expect((await call('sip:+177712@ims.test;user=phone')).requestUri).toBe('sip:wild@10.0.0.1:5060');
    expect((await call('sip:carol@ims.test')).status).toBe(480);
  });

  it('S-26 matches a number as it is written when its tel identity is nobody', async () => {
    await register(element('sip:+1777!.*!@ims.test', 4, 'WildcardedIMPU'));
    expect((await call('sip:+177712@ims.test;user=phone')).requestUri).toBe('sip:wild@10.0.0.1:5060');
  });

  it('S-26 S-81 serves a caller who matches a wildcard of a registered set', async () => {
    await register(element('sip:pbx-![0-9]*!@ims.test', 4, 'WildcardedIMPU'));
    const invite = await originate('sip:pbx-12@ims.test');
    expect(invite.requestUri).toBe('sip:carol@ims.test');
    expect(invite.all('P-Asserted-Identity')).toEqual(['<sip:pbx-12@ims.test>']);
    expect((await originate('sip:pbx-x@ims.test')).status).toBe(504);
    expect(net.harness.refusals).toEqual(['registration-lost']);
  });

  it('S-26 S-25 refuses who matches a barred wildcard', async () => {
    await register(element('sip:pbx-!.*!@ims.test', 4, 'WildcardedIMPU', 1));
    expect((await originate('sip:pbx-12@ims.test')).status).toBe(403);
    expect((await call('sip:pbx-12@ims.test')).status).toBe(404);
    expect(net.harness.refusals).toEqual(['caller-barred', 'callee-barred']);
  });

  it('S-26 does not register a wildcarded service identity with its subscription', async () => {
    await register(element('sip:list-!.*!@ims.test', 2, 'WildcardedPSI'));
    expect((await call('sip:list-1@ims.test')).status).toBe(480);
  });

  it('S-26 ends with the registration', async () => {
    await register(element('sip:bo!.*!@ims.test', 4, 'WildcardedIMPU'));
    const gone = { impi: 'wild@ims.test', callId: 'w', cseq: 10, contact: '*', lines: ['Expires: 0'] };
    await net.registered(gone);
    expect((await call('sip:boris@ims.test')).status).toBe(480);
  });
});
