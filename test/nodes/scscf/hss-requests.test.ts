import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodedAvps } from '#diameter/codec/avp-types';
import { encodeAvps } from '#diameter/codec/encode';
import type { DiameterMessage } from '#diameter/codec/message';
import {
  deregistrationReasons,
  type PushProfileContent,
  pushProfileAvps,
  type RegistrationTerminationContent,
  readRegistrationTerminationAnswer,
  registrationTerminationAvps,
} from '#diameter/cx/hss-requests';
import { cxAvps, cxCommands } from '#diameter/dictionary/cx';
import type { DiameterIdentity } from '#diameter/identity';
import { readResult } from '#diameter/result';
import { RegistrationStore, registrationTables } from '#nodes/scscf/registration-store';
import { scscfTables } from '#nodes/scscf/scscf';
import { openMemoryStore } from '#store/memory-store';
import { StoreError } from '#store/store';
import { profileXml } from '../../fixtures/test-hss.ts';
import { HomeNetwork } from './home-network.ts';

let net: HomeNetwork;
beforeEach(() => {
  net = new HomeNetwork();
});
afterEach(() => {
  expect(net.harness.failures).toEqual([]);
  net.stop();
});

const impi = 'alice@ims.test';
const { PERMANENT_TERMINATION } = deregistrationReasons;
const success = { kind: 'base', code: 2001, vendor: 0 };
const refused = (code: number) => ({ kind: 'experimental', code, vendor: 10415 });
const base = (code: number) => ({ kind: 'base', code, vendor: 0 });

async function rtr(content: Partial<RegistrationTerminationContent> = {}, from?: DiameterIdentity) {
  const avps = registrationTerminationAvps({ impi, reasonCode: PERMANENT_TERMINATION, ...content });
  const answer = readRegistrationTerminationAnswer(await net.fromHss(cxCommands.registrationTermination, avps, from));
  if (answer.failure !== undefined) throw new Error(answer.words);
  return answer;
}

const ppr = (content: Partial<PushProfileContent>, from?: DiameterIdentity): Promise<DiameterMessage> =>
  net.fromHss(cxCommands.pushProfile, pushProfileAvps({ impi, ...content }), from);

const callTo = async (uri: string) => (await net.send('INVITE', uri, [])).map(({ startLine }) => startLine);
const types = () => net.hss.sars.map(({ type }) => type);

describe('RTR', () => {
  it('S-70 S-71 ends the registrations of a private identity, without a SAR, and calls are refused', async () => {
    await net.registered();
    await net.registered({ impi: 'bob@ims.test', callId: 'b' });
    expect((await callTo('sip:alice@ims.test'))[0]).toContain('INVITE sip:alice@10.0.0.1:5060');
    net.hss.sars.length = 0;
    expect(await rtr()).toMatchObject({ result: success, associatedIdentities: [], emergencies: [] });
    await net.settle();
    // The call that was on its way ends with the registration.
    expect(net.harness.take().map(({ status }) => status)).toEqual([480]);
    expect(types()).toEqual([]);
    expect(net.harness.logic.registrations()).toBe(1);
    expect(await callTo('sip:alice@ims.test')).toEqual([expect.stringContaining('SIP/2.0 480')]);
    expect(await callTo('tel:+15550001')).toEqual([expect.stringContaining('SIP/2.0 480')]);
    expect(net.harness.refusals.slice(-2)).toEqual(['callee-not-registered', 'callee-not-registered']);
    expect((await callTo('sip:bob@ims.test'))[0]).toContain('INVITE sip:bob@10.0.0.1:5060');
    expect(net.harness.events).toContain('network-deregistration');
  });

  it('S-70 ends the implicit set of a named identity, and of no other', async () => {
    net.hss.subscribers.set('two@ims.test', { profile: profileXml('sip:one@ims.test', 'tel:+15551') });
    await net.registered({ impi: 'two@ims.test', impu: 'sip:one@ims.test', callId: 'x' });
    net.hss.subscribers.set('two@ims.test', { profile: profileXml('sip:other@ims.test') });
    await net.registered({ impi: 'two@ims.test', impu: 'sip:other@ims.test', callId: 'y' });
    expect(net.harness.logic.registrations()).toBe(2);
    expect((await rtr({ impi: 'two@ims.test', impus: ['tel:+1-5551'] })).result).toEqual(success);
    expect(net.harness.logic.registrations()).toBe(1);
    expect(await callTo('sip:one@ims.test')).toEqual([expect.stringContaining('SIP/2.0 480')]);
    expect((await callTo('sip:other@ims.test'))[0]).toContain('INVITE sip:');
    expect((await rtr({ impi: 'two@ims.test' })).result).toEqual(success);
    expect(net.harness.logic.registrations()).toBe(0);
    for (const table of registrationTables) {
      if (table !== 'wildcards') expect(net.store.count(table), table).toBe(0);
    }
  });

  it('S-70 leaves contacts of other private identities alone, and takes the associated ones along', async () => {
    const shared = profileXml('sip:family@ims.test');
    for (const each of ['mum@ims.test', 'dad@ims.test', 'kid@ims.test']) {
      net.hss.subscribers.set(each, { profile: shared });
      await net.registered({ impi: each, impu: 'sip:family@ims.test', callId: each });
    }
    const bindings = () => new RegistrationStore(net.store).find('sip:family@ims.test')?.bindings.map((b) => b.impi);
    expect(bindings()).toEqual(['mum@ims.test', 'dad@ims.test', 'kid@ims.test']);
    const answer = await rtr({ impi: 'mum@ims.test', associatedIdentities: ['dad@ims.test', 'nan@ims.test'] });
    expect(answer).toMatchObject({ result: success, associatedIdentities: ['dad@ims.test'] });
    expect(bindings()).toEqual(['kid@ims.test']);
  });

  it('S-70 contacts of emergency registrations survive and are reported', async () => {
    await net.registered();
    await net.registered({ contact: '<sip:alice@10.0.0.9;sos>;expires=600', callId: 'sos' });
    const answer = await rtr();
    expect(answer).toMatchObject({ result: success, emergencies: [{ impi, impu: 'sip:alice@ims.test' }] });
    const left = new RegistrationStore(net.store).find('sip:alice@ims.test')!;
    expect(left.bindings.map(({ uri }) => uri)).toEqual(['sip:alice@10.0.0.9;sos']);
    expect(await callTo('sip:alice@ims.test')).toEqual([expect.stringContaining('SIP/2.0 480')]);
  });

  it('S-70 makes an outstanding challenge worthless', async () => {
    const challenge = await net.register();
    await rtr();
    expect((await net.register({ cseq: 2, authorization: net.credentials(challenge) })).status).toBe(401);
  });

  it('S-70 D-14 nothing registered is no error, a user of another network is unknown, another user does not match', async () => {
    expect((await rtr({ impi: 'nobody@ims.test' })).result).toEqual(success);
    expect((await rtr({ impi: 'nobody@else.test' })).result).toEqual(refused(5001));
    await net.registered();
    await net.registered({ impi: 'bob@ims.test', callId: 'b' });
    expect((await rtr({ impus: ['sip:alice@ims.test', 'sip:bob@ims.test'] })).result).toEqual(refused(5002));
    expect(net.harness.logic.registrations()).toBe(2);
    expect((await rtr({ impus: ['sip:nobody@ims.test'] })).result).toEqual(success);
    expect(net.harness.logic.registrations()).toBe(2);
  });

  it('S-72 takes User-Name alone, and AVPs that have no place in an RTR', async () => {
    await net.registered();
    const extra = [encodedAvps(encodeAvps([{ definition: cxAvps.serverName, value: 'PyHSS' }]))];
    const avps = registrationTerminationAvps({ impi, reasonCode: PERMANENT_TERMINATION });
    expect(readResult(await net.fromHss(cxCommands.registrationTermination, [...avps, ...extra]))).toEqual(success);
    expect(net.harness.logic.registrations()).toBe(0);
  });

  it('S-70 any worker can serve it: another thread wrote the registration', async () => {
    const store = openMemoryStore(scscfTables);
    const other = new HomeNetwork({}, store);
    await other.registered();
    net.stop();
    net = new HomeNetwork({}, store);
    expect((await rtr()).result).toEqual(success);
    const [refusal] = await other.send('INVITE', 'sip:alice@ims.test', []);
    expect(refusal!.status).toBe(480);
    other.stop();
  });

  it('X-D8 is refused from whoever is no HSS of ours, and nothing changes', async () => {
    await net.registered();
    const strangers = [
      { originHost: 'hss.evil.test', originRealm: 'evil.test' },
      { originHost: 'icscf.ims.test', originRealm: 'ims.test' },
    ];
    for (const from of strangers) {
      expect((await rtr({}, from)).result).toEqual(base(5003));
      expect(readResult(await ppr({ charging: { primaryCcf: 'aaa://evil' } }, from))).toEqual(base(5003));
      expect(net.harness.logged.at(-1)).toMatchObject({ level: 'warn', fields: { reason: 'hss-untrusted' } });
    }
    const left = new RegistrationStore(net.store).find('sip:alice@ims.test')!;
    expect([left.bindings.length, left.charging.ccf]).toEqual([1, 'aaa://cdf.ims.test']);
    expect((await rtr({}, { originHost: 'HSS01', originRealm: 'epc.test' })).result).toEqual(success);
  });

  it('X-D8 trusts an HSS behind a relay by its realm', async () => {
    await net.registered();
    expect((await rtr({}, { originHost: 'hss7.ims.test', originRealm: 'IMS.test' })).result).toEqual(success);
    expect(net.harness.logic.registrations()).toBe(0);
  });

  it('S-70 D-14 a store that takes no writes is answered 5012 and told in the log', async () => {
    await net.registered();
    const full = () => {
      throw new StoreError('ERR_STORE_WRITE', 'disk full');
    };
    Object.defineProperty(net.store, 'update', { value: full, configurable: true });
    expect((await rtr()).result).toEqual(base(5012));
    expect(net.harness.logged.at(-1)).toMatchObject({
      level: 'error',
      fields: { reason: 'store-failed', command: 'Registration-Termination', from: 'hss.ims.test' },
    });
    expect(net.harness.logic.registrations()).toBe(1);
  });
});

describe('PPR', () => {
  it('S-73 replaces the profile, committed before the PPA leaves', async () => {
    await net.registered();
    const userData = profileXml('sip:alice@ims.test', 'tel:+15559999', '!sip:secret@ims.test');
    expect(readResult(await ppr({ userData }))).toEqual(success);
    const stored = new RegistrationStore(net.store);
    expect(stored.profile('sip:alice@ims.test')!.toString()).toBe(userData);
    const { identities, charging } = stored.find('tel:+15559999')!;
    expect(identities.map(({ impu, barred }) => [impu, barred])).toEqual([
      ['sip:alice@ims.test', false],
      ['tel:+15559999', false],
      ['sip:secret@ims.test', true],
    ]);
    expect(charging.ccf).toBe('aaa://cdf.ims.test');
    expect(await callTo('tel:+15550001')).toEqual([expect.stringContaining('SIP/2.0 480')]);
    expect((await callTo('tel:+15559999'))[0]).toContain('INVITE sip:alice@10.0.0.1:5060');
    const again = await net.registered({ callId: 'again' });
    expect(again.header('P-Associated-URI')).toBe('<sip:alice@ims.test>, <tel:+15559999>');
  });

  it('S-73 replaces charging addresses alone', async () => {
    await net.registered();
    expect(readResult(await ppr({ charging: { primaryCcf: 'aaa://new', primaryEcf: 'ecf' } }))).toEqual(success);
    const { charging, identities } = new RegistrationStore(net.store).find('sip:alice@ims.test')!;
    expect(charging).toEqual({ ccf: 'aaa://new', ecf: 'ecf' });
    expect(identities).toHaveLength(3);
  });

  it('S-73 an identity that is newly barred cannot call nor be called', async () => {
    await net.registered();
    await ppr({ userData: profileXml('sip:alice@ims.test', '!tel:+15550001') });
    expect(await callTo('tel:+15550001')).toEqual([expect.stringContaining('SIP/2.0 404')]);
    expect(net.harness.refusals.at(-1)).toBe('callee-barred');
    expect((await callTo('sip:alice@ims.test'))[0]).toContain('INVITE sip:alice@10.0.0.1:5060');
  });

  it('S-73 ends the registration when every identity is barred, and tells the HSS', async () => {
    await net.registered();
    net.hss.sars.length = 0;
    expect(readResult(await ppr({ userData: profileXml('!sip:alice@ims.test', '!tel:+15550001') }))).toEqual(success);
    await net.settle();
    expect(net.harness.logic.registrations()).toBe(0);
    expect(net.hss.sars).toMatchObject([{ type: 8, impi, impus: expect.arrayContaining(['sip:alice@ims.test']) }]);
  });

  it('S-73 follows when the identity goes that the record is named after', async () => {
    await net.registered();
    expect(readResult(await ppr({ userData: profileXml('sip:alicia@ims.test', 'tel:+15550001') }))).toEqual(success);
    expect(await callTo('sip:alice@ims.test')).toEqual([expect.stringContaining('SIP/2.0 480')]);
    expect((await callTo('sip:alicia@ims.test'))[0]).toContain('INVITE sip:alice@10.0.0.1:5060');
    expect((await callTo('tel:+15550001'))[0]).toContain('INVITE sip:alice@10.0.0.1:5060');
    expect(net.harness.logic.registrations()).toBe(1);
    expect((await rtr()).result).toEqual(success);
    for (const table of registrationTables) {
      if (table !== 'wildcards') expect(net.store.count(table), table).toBe(0);
    }
  });

  it('S-73 X-D9 answers an unknown user, unusable XML and a profile of somebody else with their codes', async () => {
    expect(readResult(await ppr({ userData: profileXml('sip:alice@ims.test') }))).toEqual(refused(5001));
    await net.registered();
    expect(readResult(await ppr({ userData: '<IMSSubscription><ServiceProfile>' }))).toEqual(refused(5009));
    expect(readResult(await ppr({ userData: '<!DOCTYPE x><IMSSubscription/>' }))).toEqual(refused(5009));
    const deep = `<IMSSubscription>${'<a>'.repeat(100_000)}`;
    expect(readResult(await ppr({ userData: deep }))).toEqual(refused(5009));
    expect(net.harness.logged.at(-1)).toMatchObject({ fields: { reason: 'profile-unusable' } });
    expect(readResult(await ppr({ userData: profileXml('sip:bob@ims.test') }))).toEqual(refused(5002));
    const left = new RegistrationStore(net.store).find('tel:+15550001')!;
    expect(left.identities.map(({ impu }) => impu)).toEqual([
      'sip:alice@ims.test',
      'tel:+15550001',
      'sip:secret@ims.test',
    ]);
  });

  it('S-73 a private identity with two sets gets the profile of one into that one', async () => {
    net.hss.subscribers.set('two@ims.test', { profile: profileXml('sip:one@ims.test') });
    await net.registered({ impi: 'two@ims.test', impu: 'sip:one@ims.test', callId: 'x' });
    net.hss.subscribers.set('two@ims.test', { profile: profileXml('sip:other@ims.test') });
    await net.registered({ impi: 'two@ims.test', impu: 'sip:other@ims.test', callId: 'y' });
    await ppr({ impi: 'two@ims.test', userData: profileXml('sip:other@ims.test', 'tel:+1777') });
    const stored = new RegistrationStore(net.store);
    expect(stored.find('sip:one@ims.test')!.identities).toHaveLength(1);
    expect(stored.find('tel:+1777')!.key).toBe('sip:other@ims.test');
  });
});
