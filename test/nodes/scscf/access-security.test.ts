import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { multimediaAuthAnswer } from '#diameter/cx/cx-server';
import { baseResult } from '#diameter/result';
import type { ScscfConfig } from '#service/config/scscf-config';
import { digestHa1, digestResponse } from '#sip/auth/digest';
import { profileXml } from '../../fixtures/test-hss.ts';
import type { SentMessage } from '../worker-harness.ts';
import { config, HomeNetwork } from './home-network.ts';

let net: HomeNetwork;
const start = (changes: Partial<ScscfConfig> = {}) => {
  net?.stop();
  net = new HomeNetwork(changes);
};
beforeEach(() => start());
afterEach(() => {
  expect(net.harness.failures).toEqual([]);
  net.stop();
});

const empty = 'Digest username="alice@ims.test", realm="ims.test", uri="sip:ims.test", nonce="", response=""';
const over = (association: string) => `${empty}, integrity-protected="${association}"`;
const reauthentication = (policy: ScscfConfig['auth']['reauthentication']) => ({
  auth: { ...config.auth, reauthentication: policy },
});
const types = () => net.hss.sars.map(({ type }) => type);

function digestCredentials(challenge: SentMessage, ha1: string, association: string): string {
  const nonce = challenge.header('WWW-Authenticate')!.split('nonce="')[1]!.split('"')[0]!;
  const input = {
    method: 'REGISTER',
    uri: 'sip:ims.test',
    nonce,
    qop: 'auth',
    nc: '00000001',
    cnonce: 'c',
    ha1,
  } as const;
  return `Digest username="alice@ims.test", realm="ims.test", nonce="${nonce}", uri="sip:ims.test", qop=auth, nc=00000001, cnonce="c", response="${digestResponse(input)}", integrity-protected="${association}"`;
}

describe('integrity-protected', () => {
  it('S-02 asks for SIP Digest on TLS and by address, for AKA on IPsec, for what the HSS likes where it may choose', async () => {
    const asked = async (value: string) => {
      expect((await net.register({ authorization: over(value), callId: value })).status).toBe(401);
      return net.hss.mars.at(-1)!.scheme;
    };
    for (const value of ['tls-pending', 'tls-yes', 'TLS-connected', 'ip-assoc-pending', 'ip-assoc-yes']) {
      expect(await asked(value)).toBe('SIP Digest');
    }
    expect(await asked('no')).toBe('Digest-AKAv1-MD5');
    expect(await asked('auth-done')).toBe('Digest-AKAv1-MD5');
    start({ auth: { ...config.auth, defaultScheme: 'Unknown' } });
    expect(await asked('tls-pending')).toBe('Unknown');
  });

  it('S-02 S-08 no keys go to a P-CSCF that asked for none, though the HSS sent some', async () => {
    const challenge = await net.register({ authorization: over('tls-pending') });
    expect(challenge.header('WWW-Authenticate')).not.toContain('ck=');
    const protectedOne = await net.register({ authorization: over('no'), callId: 'n' });
    expect(protectedOne.header('WWW-Authenticate')).toMatch(/ck="[0-9a-f]{32}", ik="[0-9a-f]{32}"/);
  });

  it('S-02 S-04 a refresh over the TLS of a registered user needs no challenge, one from his address does', async () => {
    const ha1 = digestHa1('alice@ims.test', 'ims.test', 'secret');
    net.hss.subscribers.set('alice@ims.test', { profile: profileXml('sip:alice@ims.test'), ha1 });
    const challenge = await net.register({ authorization: over('tls-pending') });
    const first = { cseq: 2, authorization: digestCredentials(challenge, ha1, 'tls-pending') };
    expect((await net.register(first)).status).toBe(200);
    expect((await net.register({ cseq: 3, authorization: over('tls-yes') })).status).toBe(200);
    expect((await net.register({ cseq: 4, authorization: over('ip-assoc-yes') })).status).toBe(401);
    const elsewhere = { contact: '<sip:alice@10.0.0.9>', callId: 'x', authorization: over('tls-yes') };
    expect((await net.register(elsewhere)).status).toBe(401);
    const gone = { cseq: 5, contact: '*', lines: ['Expires: 0'], authorization: over('tls-yes') };
    expect((await net.register(gone)).status).toBe(200);
    expect(types()).toEqual([1, 5]);
  });
});

describe('re-authentication', () => {
  const refresh = async (cseq: number) =>
    (await net.register({ cseq, authorization: empty, protection: 'yes' })).status;

  it('S-04 is asked for at every n-th REGISTER, counted anew from each that was answered', async () => {
    start(reauthentication({ refreshes: 3 }));
    await net.registered();
    expect([await refresh(3), await refresh(4), await refresh(5)]).toEqual([200, 200, 401]);
    await net.registered({ cseq: 6 });
    expect([await refresh(8), await refresh(9), await refresh(10)]).toEqual([200, 200, 401]);
    const gone = { cseq: 11, authorization: empty, protection: 'yes' as const, contact: '*', lines: ['Expires: 0'] };
    expect((await net.register(gone)).status).toBe(200);
  });

  it('S-04 is asked for when so much time has gone by, and never where nothing is configured', async () => {
    start(reauthentication({ seconds: 1000 }));
    await net.registered();
    net.harness.advance(999_000);
    expect(await refresh(3)).toBe(200);
    net.harness.advance(1000);
    expect(await refresh(4)).toBe(401);
    start();
    await net.registered();
    for (let cseq = 3; cseq < 30; cseq++) expect(await refresh(cseq)).toBe(200);
  });
});

describe('Path', () => {
  it('S-31 is asked for in strict mode, but not of a REGISTER that only removes', async () => {
    start({ registrar: { ...config.registrar, requirePath: true } });
    const refused = await net.register({ path: '' });
    expect(refused.status).toBe(400);
    expect(net.harness.refusals).toEqual(['missing-path']);
    expect(net.hss.mars).toEqual([]);
    await net.registered({ callId: 'b' });
    const gone = { cseq: 5, callId: 'b', authorization: empty, protection: 'yes' as const, contact: '*', path: '' };
    expect((await net.register({ ...gone, lines: ['Expires: 0'] })).status).toBe(200);
  });
});

describe('the end of a registration', () => {
  const criterion = (part: string) =>
    `<InitialFilterCriteria><Priority>0</Priority>${part}<ApplicationServer><ServerName>sip:127.0.0.1:7001</ServerName></ApplicationServer><TriggerPoint><ConditionTypeCNF>0</ConditionTypeCNF><SPT><Group>0</Group><Method>INVITE</Method></SPT></TriggerPoint></InitialFilterCriteria>`;
  const registeredWith = async (storeServerName: boolean, part: string | null) => {
    start({ registrar: { ...config.registrar, storeServerName } });
    const plain = profileXml('sip:alice@ims.test');
    const criteria = part === null ? '' : criterion(part);
    const profile = plain.replace('</ServiceProfile>', `${criteria}</ServiceProfile>`);
    net.hss.subscribers.set('alice@ims.test', { profile });
    await net.registered();
  };
  const endOf = async (storeServerName: boolean, part: string | null) => {
    await registeredWith(storeServerName, part);
    const gone = { cseq: 3, authorization: empty, protection: 'yes' as const, contact: '*', lines: ['Expires: 0'] };
    expect((await net.register(gone)).status).toBe(200);
    return types().at(-1);
  };

  it('S-21 lets the HSS keep our name where that is configured and the user has services when unregistered', async () => {
    expect(await endOf(true, '<ProfilePartIndicator>1</ProfilePartIndicator>')).toBe(7);
    expect(await endOf(true, '')).toBe(7);
    expect(await endOf(true, '<ProfilePartIndicator>0</ProfilePartIndicator>')).toBe(5);
    expect(await endOf(true, null)).toBe(5);
    expect(await endOf(false, '<ProfilePartIndicator>1</ProfilePartIndicator>')).toBe(5);
  });

  it.each([
    ['<ProfilePartIndicator>1</ProfilePartIndicator>', 6],
    [null, 4],
  ])('S-21 S-39 so is the end of its time, with criteria %s', async (part, type) => {
    await registeredWith(true, part);
    net.harness.advance(3_700_000);
    await net.settle();
    net.harness.advance(60_000);
    await net.settle();
    expect(types().at(-1)).toBe(type);
  });
});

describe('a vector of the HSS', () => {
  const vector = {
    rand: Buffer.alloc(16),
    autn: Buffer.alloc(16),
    xres: Buffer.alloc(8),
    ck: Buffer.alloc(16),
    ik: Buffer.alloc(16),
  };
  const answered = async (item: object, authorization: string) => {
    net.hss.script.push(
      multimediaAuthAnswer({
        result: baseResult(2001),
        items: [{ itemNumber: 1, scheme: 'Digest-AKAv1-MD5', ...item }],
      }),
    );
    return net.register({ authorization, callId: `v${net.hss.mars.length}` });
  };

  it('S-06 X-D2 is refused as a whole when a part of it has a wrong length or is missing', async () => {
    const wrong = [
      { ...vector, autn: Buffer.alloc(15) },
      { ...vector, xres: Buffer.alloc(3) },
      { ...vector, xres: Buffer.alloc(17) },
      { ...vector, ck: Buffer.alloc(15) },
      { ...vector, ik: Buffer.alloc(32) },
      { ...vector, ik: undefined },
      { ...vector, xres: undefined },
      { ...vector, ck: undefined, ik: undefined },
      { digest: { realm: 'ims.test', algorithm: 'MD5', qop: 'auth', ha1: 'abc' } },
    ];
    for (const item of wrong) {
      const refused = await answered(item, over('no'));
      expect([refused.status, refused.header('Warning')]).toEqual([500, expect.stringContaining('hss-malformed')]);
    }
    expect(new Set(net.harness.refusals)).toEqual(new Set(['hss-malformed']));
    // Nobody waits for keys where nobody asked for them.
    expect((await answered({ ...vector, ck: undefined, ik: undefined }, empty)).status).toBe(401);
  });
});
