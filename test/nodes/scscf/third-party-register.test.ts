import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pushProfileAvps, registrationTerminationAvps } from '#diameter/cx/hss-requests';
import { cxCommands } from '#diameter/dictionary/cx';
import { baseResult, readResult } from '#diameter/result';
import { ParseFailure } from '#sip/errors';
import { parseContentType } from '#sip/header/content-type';
import { parseMultipart } from '#sip/message/multipart';
import { profileXml } from '../../fixtures/test-hss.ts';
import type { SentMessage } from '../worker-harness.ts';
import { HomeNetwork, type RegisterOptions } from './home-network.ts';
import { distinct } from './watching.ts';

let net: HomeNetwork;
beforeEach(() => {
  net = new HomeNetwork();
});
afterEach(() => {
  expect(net.harness.failures).toEqual([]);
  expect(net.harness.logged.filter(({ level }) => level === 'error')).toEqual([]);
  net.stop();
});

const empty = 'Digest username="alice@ims.test", realm="ims.test", uri="sip:ims.test", nonce="", response=""';
const as1 = 'sip:127.0.0.1:7001';
const as2 = 'sip:127.0.0.1:7002';
const as3 = 'sip:127.0.0.1:7003';

interface CriterionOptions {
  readonly priority?: number;
  /** RegistrationType; left out: without TriggerPoint. */
  readonly types?: readonly number[];
  readonly method?: string;
  readonly handling?: 0 | 1;
  readonly info?: string;
  readonly extension?: string;
}

function criterion(server: string, options: CriterionOptions = {}): string {
  const { priority = 0, types, method = 'REGISTER', handling = 0, info = '', extension = '' } = options;
  const registration = (types ?? []).map((type) => `<RegistrationType>${type}</RegistrationType>`).join('');
  const inner = registration === '' ? '' : `<Extension>${registration}</Extension>`;
  const trigger =
    types === undefined && options.method === undefined
      ? ''
      : `<TriggerPoint><ConditionTypeCNF>0</ConditionTypeCNF><SPT><Group>0</Group><Method>${method}</Method>${inner}</SPT></TriggerPoint>`;
  const serviceInfo = info === '' ? '' : `<ServiceInfo>${info}</ServiceInfo>`;
  const more = extension === '' ? '' : `<Extension>${extension}</Extension>`;
  return `<InitialFilterCriteria><Priority>${priority}</Priority>${trigger}<ApplicationServer><ServerName>${server}</ServerName><DefaultHandling>${handling}</DefaultHandling>${serviceInfo}${more}</ApplicationServer></InitialFilterCriteria>`;
}

const profileOf = (criteria: string, ...identities: string[]) =>
  profileXml(...(identities.length > 0 ? identities : ['sip:alice@ims.test', 'tel:+15550001'])).replace(
    '</ServiceProfile>',
    `${criteria}</ServiceProfile>`,
  );
const serve = (criteria: string, ...identities: string[]) =>
  net.hss.subscribers.set('alice@ims.test', { profile: profileOf(criteria, ...identities), ccf: 'aaa://cdf.ims.test' });

/** The REGISTERs that left since; each is answered with this status, 0 for none. */
async function toldServers(status = 200): Promise<SentMessage[]> {
  const told = distinct([...net.toServers.splice(0), ...net.harness.take()]).filter(
    ({ method }) => method === 'REGISTER',
  );
  for (const register of told) if (status > 0) net.harness.answer(register, status);
  await net.settle();
  return told;
}
const brief = (told: readonly SentMessage[]) =>
  told.map((register) => `${register.requestUri} ${register.header('To')} ${register.header('Expires')}`);
const refresh = (cseq: number, options: RegisterOptions = {}) =>
  net.register({ cseq, authorization: empty, protection: 'yes', ...options });
const leave = (cseq: number) => refresh(cseq, { contact: '*', lines: ['Expires: 0'] });
const types = () => net.hss.sars.map(({ type }) => type);

describe('who is told', () => {
  it('S-50 S-54 each server that matches, by priority, after the 200, and without waiting for another', async () => {
    serve(
      criterion(as3, { priority: 3 }) +
        criterion(as1, { priority: 1, types: [0] }) +
        criterion(as2, { priority: 2, types: [1, 2] }) +
        criterion('sip:127.0.0.1:7004', { priority: 4, method: 'INVITE' }),
    );
    const challenge = await net.register();
    net.harness.receive(net.registerText({ cseq: 2, authorization: net.credentials(challenge) }), 'udp 127.0.0.1:5070');
    await net.settle();
    const sent = net.harness.take();
    expect(sent.map(({ startLine }) => startLine)).toEqual([
      'SIP/2.0 200 OK',
      `REGISTER ${as1} SIP/2.0`,
      `REGISTER ${as3} SIP/2.0`,
    ]);
    for (const register of sent.slice(1)) net.harness.answer(register, 200);
    await refresh(3);
    expect(brief(await toldServers())).toEqual([
      `${as2} <sip:alice@ims.test> 3600`,
      `${as3} <sip:alice@ims.test> 3600`,
    ]);
    await leave(4);
    expect(brief(await toldServers())).toEqual([`${as2} <sip:alice@ims.test> 0`, `${as3} <sip:alice@ims.test> 0`]);
    // Of the transactions only that of the UE is left.
    expect([...net.harness.held.keys()]).toEqual(['reg-1']);
  });

  it('S-50 nobody of a query, and nobody where the profile has nothing for a REGISTER', async () => {
    serve(criterion(as1));
    await net.registered();
    await toldServers();
    await refresh(3, { contact: '' });
    expect(await toldServers()).toEqual([]);
    await net.registered({ impi: 'bob@ims.test', callId: 'b' });
    expect(await toldServers()).toEqual([]);
  });

  it('S-51 each service profile speaks of an identity of its own, a barred one of the default identity', async () => {
    const second = profileOf(criterion(as2), 'tel:+15550001').replace(/^.*<ServiceProfile>/, '<ServiceProfile>');
    const first = profileOf(criterion(as1), '!sip:alice@ims.test', 'sip:public@ims.test');
    net.hss.subscribers.set('alice@ims.test', { profile: first.replace('</IMSSubscription>', second) });
    await net.registered();
    expect(brief(await toldServers())).toEqual([`${as1} <sip:public@ims.test> 3600`, `${as2} <tel:+15550001> 3600`]);
  });
});

describe('what they are told', () => {
  const lines = ['P-Access-Network-Info: 3GPP-E-UTRAN-FDD', 'P-Visited-Network-ID: visited.test'];

  it('S-51 from whom, of whom, for how long, and what charging needs', async () => {
    serve(criterion(as1));
    await net.registered({ lines });
    const [register] = await toldServers();
    expect(register!.header('From')).toMatch(/^<sip:127\.0\.0\.1:6060>;tag=.+/);
    expect(register!.header('Contact')).toBe('<sip:127.0.0.1:6060>');
    expect(register!.header('P-Charging-Vector')).toBe('icid-value=reg0a1b;orig-ioi=ims.test');
    expect(register!.header('P-Charging-Function-Addresses')).toBe('ccf="aaa://cdf.ims.test"');
    expect(register!.header('P-Access-Network-Info')).toBe('3GPP-E-UTRAN-FDD');
    expect(register!.header('P-Visited-Network-ID')).toBe('visited.test');
    expect([register!.header('CSeq'), register!.body]).toEqual(['1 REGISTER', '']);
    await refresh(3);
    const [again] = await toldServers();
    expect([again!.header('Call-ID'), again!.header('CSeq')]).toEqual([register!.header('Call-ID'), '2 REGISTER']);
    await leave(4);
    await toldServers();
    await net.registered({ cseq: 5 });
    const [later] = await toldServers();
    expect(later!.header('Call-ID')).not.toBe(register!.header('Call-ID'));
  });

  it('S-51 a server of another network hears nothing of the access network', async () => {
    serve(criterion('sip:192.0.2.7:7001'));
    await net.registered({ lines });
    const [register] = await toldServers();
    expect(register!.requestUri).toBe('sip:192.0.2.7:7001');
    expect(register!.text).not.toMatch(/E-UTRAN|visited\.test|cdf\.ims/);
  });

  it('S-52 what the criterion asks for: ServiceInfo, the REGISTER, the 200', async () => {
    serve(
      criterion(as1, { info: 'a &amp; b' }) +
        criterion(as2, { priority: 1, extension: '<IncludeRegisterRequest/>' }) +
        criterion(as3, { priority: 2, info: 'x', extension: '<IncludeRegisterRequest/><IncludeRegisterResponse/>' }),
    );
    await net.registered();
    const [one, two, three] = await toldServers();
    expect(one!.header('Content-Type')).toBe('application/3gpp-ims+xml');
    expect(one!.body).toContain('<ims-3gpp version="1"><service-info>a &amp; b</service-info></ims-3gpp>');
    expect(two!.header('Content-Type')).toBe('message/sip');
    expect(two!.body).toMatch(/^REGISTER sip:127\.0\.0\.1:6060 SIP\/2\.0\r\n/);
    const type = parseContentType(three!.header('Content-Type')!);
    if (type instanceof ParseFailure) throw new Error(type.reason);
    const parts = parseMultipart(three!.body, type);
    if (parts instanceof ParseFailure) throw new Error(parts.reason);
    const contents = parts.map(({ start, end }) => three!.body.slice(start, end).split('\r\n')[0]!);
    expect(parts.map(({ contentType }) => contentType.mediaType)).toEqual([
      'application/3gpp-ims+xml',
      'message/sip',
      'message/sip',
    ]);
    expect(contents.slice(1)).toEqual(['REGISTER sip:127.0.0.1:6060 SIP/2.0', 'SIP/2.0 200 OK']);
  });
});

describe('a server that fails', () => {
  it('S-53 SESSION_CONTINUED and refusals change nothing', async () => {
    serve(criterion(as1) + criterion(as2, { priority: 1, handling: 1 }));
    await net.registered();
    const told = distinct(net.toServers.splice(0));
    net.harness.answer(told[0]!, 500);
    net.harness.answer(told[1]!, 403);
    await net.settle();
    expect(net.harness.logic.registrations()).toBe(1);
    expect(net.harness.events).toEqual(expect.arrayContaining(['third-party-failure', 'third-party-refusal']));
    expect(types()).toEqual([1]);
  });

  it('S-53 SESSION_TERMINATED at the first registration ends it: 408, 5xx, silence, no such name', async () => {
    for (const status of [408, 500, 503, 0, -1]) {
      net.stop();
      net = new HomeNetwork();
      const server = status < 0 ? 'sip:nowhere.invalid' : as1;
      serve(criterion(server, { handling: 1 }) + criterion(as2, { priority: 1 }));
      await net.registered();
      const told = distinct(net.toServers).find(({ requestUri }) => requestUri === server);
      if (status > 0) net.harness.answer(told!, status);
      else if (status === 0) net.harness.advance(32_000);
      await net.settle();
      expect([status, net.harness.logic.registrations()]).toEqual([status, 0]);
      expect(types()).toEqual([1, 8]);
      expect(
        brief(distinct([...net.toServers, ...net.harness.take()]).filter(({ method }) => method === 'REGISTER')),
      ).toContain(`${as2} <sip:alice@ims.test> 0`);
    }
  });

  it('S-53 SESSION_TERMINATED at a refresh changes nothing, nor when the registration is another by then', async () => {
    serve(criterion(as1, { handling: 1 }));
    await net.registered();
    await toldServers();
    await refresh(3);
    await toldServers(500);
    expect(net.harness.logic.registrations()).toBe(1);
    await leave(4);
    await toldServers();
    await net.registered({ cseq: 5 });
    const [late] = await toldServers(0);
    await leave(7);
    await toldServers();
    net.harness.advance(1000);
    await net.registered({ cseq: 8 });
    await toldServers();
    net.harness.answer(late!, 500);
    await net.settle();
    expect(net.harness.logic.registrations()).toBe(1);
  });

  it('S-50 S-53 a silent server keeps neither the user nor other servers waiting, and only so much waits for it', async () => {
    serve(criterion(as1) + criterion(as2, { priority: 1 }));
    await net.registered();
    const challenges = distinct(net.toServers.splice(0));
    net.harness.answer(challenges[1]!, 200);
    let fine = 0;
    for (let cseq = 3; cseq < 1200; cseq++) {
      expect((await refresh(cseq)).status).toBe(200);
      for (const register of net.toServers.splice(0)) {
        if (register.requestUri !== as2) continue;
        net.harness.answer(register, 200);
        fine++;
      }
      net.harness.take();
    }
    expect(fine).toBe(1197);
    // 64 are under way and 1024 wait: the rest has failed at once.
    expect(net.harness.events.filter((event) => event === 'third-party-failure')).toHaveLength(1198 - 64 - 1024);
    expect(net.harness.logged.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });
});

describe('what the network does', () => {
  it('S-50 S-39 the end of a registration that runs out is told', async () => {
    serve(criterion(as1, { types: [0] }) + criterion(as2, { types: [2] }));
    await net.registered();
    await toldServers();
    net.harness.advance(3_615_000);
    await net.settle();
    expect(brief(await toldServers())).toEqual([`${as2} <sip:alice@ims.test> 0`]);
    expect(types()).toEqual([1, 4]);
    expect(net.harness.held.size).toBe(0);
  });

  it('S-50 S-71 RTR: the RTA goes first', async () => {
    serve(criterion(as1));
    await net.registered();
    await toldServers();
    const avps = registrationTerminationAvps({ impi: 'alice@ims.test', reasonCode: 0 });
    const answered = net.fromHss(cxCommands.registrationTermination, avps);
    expect(net.harness.take()).toEqual([]);
    expect(readResult(await answered)).toEqual(baseResult(2001));
    await net.settle();
    expect(brief(await toldServers())).toEqual([`${as1} <sip:alice@ims.test> 0`]);
    expect(net.store.count('third-parties')).toBe(0);
  });

  it('S-50 S-73 PPR: servers that are new or hear something else are told, and those that are named no more', async () => {
    serve(criterion(as1) + criterion(as2, { priority: 1, info: 'old' }));
    await net.registered();
    await toldServers();
    const push = async (criteria: string, ...identities: string[]) => {
      const userData = profileOf(criteria, ...identities);
      await net.fromHss(cxCommands.pushProfile, pushProfileAvps({ impi: 'alice@ims.test', userData }));
      await net.settle();
      return brief(await toldServers());
    };
    net.harness.advance(600_000);
    expect(await push(criterion(as2, { info: 'new' }) + criterion(as3, { priority: 1 }))).toEqual([
      `${as1} <sip:alice@ims.test> 0`,
      `${as2} <sip:alice@ims.test> 3000`,
      `${as3} <sip:alice@ims.test> 3000`,
    ]);
    expect(await push(criterion(as2, { info: 'new' }) + criterion(as3, { priority: 1 }))).toEqual([]);
    // The identity that the record is named after goes.
    expect(await push(criterion(as3), 'tel:+15550001')).toEqual([
      `${as2} <sip:alice@ims.test> 0`,
      `${as3} <tel:+15550001> 3000`,
    ]);
    expect(await push('', '!tel:+15550001')).toEqual([`${as3} <tel:+15550001> 0`]);
    expect(net.store.count('third-parties')).toBe(0);
  });

  it('S-50 another worker tells the end with a Call-ID of its own while something of the first is under way', async () => {
    serve(criterion(as1));
    await net.registered();
    const [register] = await toldServers();
    net.harness.owners.set(register!.header('Call-ID')!, 3);
    await leave(3);
    const [ended] = await toldServers();
    expect([ended!.header('Expires'), ended!.header('CSeq')]).toEqual(['0', '1 REGISTER']);
    expect(ended!.header('Call-ID')).not.toBe(register!.header('Call-ID'));
  });
});
