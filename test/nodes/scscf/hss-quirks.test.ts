import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeMessage } from '#diameter/codec/decode';
import type { DiameterMessage } from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import { cxAvps, cxDictionary } from '#diameter/dictionary/cx';
import { readResult } from '#diameter/result';
import {
  find,
  open5gsExperimental,
  open5gsSaa,
  pyhssMaa,
  pyhssRefusal,
  pyhssRtr,
  pyhssSaa,
} from '../../diameter/cx/foreign-octets.ts';
import { profileXml } from '../../fixtures/test-hss.ts';
import { config, HomeNetwork } from './home-network.ts';

const MAR = 303;
const impi = 'alice@ims.test';
const profile = profileXml('sip:alice@ims.test', 'tel:+15550001');
const own = { host: 'scscf.ims.test', realm: 'ims.test' };

let net: HomeNetwork;
beforeEach(() => {
  net = new HomeNetwork();
});
afterEach(() => {
  expect(net.harness.failures).toEqual([]);
  net.stop();
});

/** Puts another HSS in the place of the test's, which still makes the vectors; gives what it was asked. */
function behind(saa: (request: Buffer) => Buffer, maa?: (request: Buffer) => Buffer): Buffer[] {
  const asked: Buffer[] = [];
  const usual = net.hss.answer.bind(net.hss);
  net.hss.answer = (request) => {
    asked.push(request);
    if (request.readUIntBE(5, 3) !== MAR) return saa(request);
    usual(request);
    return maa?.(request) ?? pyhssMaa(request, { ...net.hss.vector!, rand: net.hss.rand });
  };
  return asked;
}

const typesOf = (asked: Buffer[]) =>
  asked.filter((request) => request.readUIntBE(5, 3) === 301).map((request) => find(request, 614).charCodeAt(3));

function answerTo(request: Buffer): DiameterMessage {
  return decodeMessage(net.deliver(request), cxDictionary) as DiameterMessage;
}

describe('PyHSS', () => {
  it('E.6 PyHSS (3) D-15 no SAR that would wipe the record of a registered user, and one spelling of Server-Name', async () => {
    const asked = behind((request) => pyhssSaa(request, profile));
    await net.registered();
    await net.registered({ callId: 'again' });
    await net.register({ callId: 'unanswered' });
    let challenge = await net.register({ callId: 'wrong' });
    for (let i = 1; i <= 3; i++) {
      const authorization = net.credentials(challenge, { response: `"${'0'.repeat(32)}"` });
      challenge = await net.register({ callId: 'wrong', cseq: 1 + i, authorization });
    }
    net.harness.advance(250_000);
    await net.settle();
    await net.send('INVITE', 'sip:alice@ims.test', []);
    expect(typesOf(asked)).toEqual([1]);
    expect(new Set(asked.map((request) => find(request, 602)))).toEqual(new Set(['sip:127.0.0.1:6060']));
  });

  it('E.6 PyHSS (4) D-18 hears only identities that begin with sip: or tel:', async () => {
    const asked = behind((request) => pyhssSaa(request, profile));
    await net.registered({ impu: 'sips:alice@ims.test' });
    expect(new Set(asked.map((request) => find(request, 601)))).toEqual(new Set(['sip:alice@ims.test']));
  });

  it('E.6 PyHSS (5) D-15 S-84 refuses the call of a user whom its LIA called registered', async () => {
    const [refusal] = await net.send('INVITE', 'sip:bob@ims.test', []);
    expect([refusal!.status, net.harness.refusals]).toEqual([480, ['callee-not-registered']]);
  });

  it('E.6 PyHSS (6) D-11 refuses a user whom its SAA says under the application of Sh not to know', async () => {
    behind((request) => pyhssRefusal(request, 5005));
    const refusal = await net.registered();
    expect([refusal.status, refusal.header('Warning')]).toEqual([
      403,
      expect.stringContaining('SAA 5001 USER_UNKNOWN from hss01'),
    ]);
    expect(net.harness.logic.registrations()).toBe(0);
  });

  it('E.6 PyHSS (7) D-15 challenges with the AKA that it answers any scheme with, and spells Digest-MD5 as told', async () => {
    net.stop();
    const auth = {
      ...config.auth,
      defaultScheme: 'SIP Digest' as const,
      schemeSpelling: { 'SIP Digest': 'Digest-MD5' },
    };
    net = new HomeNetwork({ auth });
    const asked = behind((request) => pyhssSaa(request, profile));
    const challenge = await net.register();
    expect(find(asked[0]!, 612)).toContain('Digest-MD5');
    expect(challenge.header('WWW-Authenticate')).toContain('algorithm=AKAv1-MD5');
    expect((await net.register({ cseq: 2, authorization: net.credentials(challenge) })).status).toBe(200);
  });

  it('E.6 PyHSS (8) D-16 D-18 S-72 takes its RTR with Server-Name, Proxy-Info and Route-Record', async () => {
    await net.registered();
    const answer = answerTo(pyhssRtr(impi, own));
    expect(readResult(answer)).toEqual({ kind: 'base', code: 2001, vendor: 0 });
    expect(answer.avps.text(baseAvps.sessionId)).toBe('hss01;a1b2c;1;app_cx');
    expect(answer.avps.grouped(baseAvps.proxyInfo)?.text(baseAvps.proxyHost)).toBe('localdomain');
    expect([answer.avps.has(baseAvps.routeRecord), answer.avps.has(cxAvps.serverName)]).toEqual([false, false]);
    expect([answer.hopByHop, answer.endToEnd]).toEqual([0x0badcafe, 0x0badf00d]);
    expect(net.harness.logic.registrations()).toBe(0);
    expect(net.harness.logged.at(-1)).toMatchObject({ fields: { words: 'Test Reason', ended: [impi] } });
  });

  it('E.6 PyHSS (8) serves an RTR that its defaults address to hss.localdomain, once the peer table has let it in', async () => {
    await net.registered();
    const answer = answerTo(pyhssRtr(impi, { host: 'hss.localdomain', realm: 'localdomain' }));
    expect(readResult(answer)).toMatchObject({ kind: 'base', code: 2001 });
    expect(net.harness.logic.registrations()).toBe(0);
  });
});

describe('Open5GS HSS', () => {
  it('E.6 Open5GS D-15 S-27 takes its profile, and its bare word for a charging address', async () => {
    const asked = behind((request) => open5gsSaa(request, profile));
    const ok = await net.registered();
    expect([ok.status, ok.header('P-Charging-Function-Addresses')]).toEqual([200, 'ccf=pcrf']);
    expect(typesOf(asked)).toEqual([1]);
    const again = await net.registered({ callId: 'again' });
    expect([again.status, again.header('P-Associated-URI')]).toEqual([200, '<sip:alice@ims.test>, <tel:+15550001>']);
  });

  it('E.6 Open5GS S-05 asks by a scheme that it takes, whatever its case', async () => {
    net.stop();
    net = new HomeNetwork({ auth: { ...config.auth, defaultScheme: 'Unknown' } });
    const asked = behind((request) => open5gsSaa(request, profile));
    expect((await net.registered()).status).toBe(200);
    expect(find(asked[0]!, 612)).toMatch(/Unknown/);
  });

  it('E.6 Open5GS D-15 S-12 a resynchronisation with a wrong MAC, which it answers 5006, refuses the REGISTER', async () => {
    let resync = false;
    behind(
      (request) => open5gsSaa(request, profile),
      (request) =>
        resync ? open5gsExperimental(request, 5006) : pyhssMaa(request, { ...net.hss.vector!, rand: net.hss.rand }),
    );
    const challenge = await net.register();
    const auts = `"${net.hss.milenage.buildAuts(net.hss.rand, 0x9000).toString('base64')}"`;
    resync = true;
    const refusal = await net.register({ cseq: 2, authorization: net.credentials(challenge, { auts }) });
    expect([refusal.status, refusal.header('Warning')]).toEqual([
      403,
      expect.stringContaining('MAA 5006 AUTH_SCHEME_NOT_SUPPORTED from hss.open5gs.org'),
    ]);
  });
});
