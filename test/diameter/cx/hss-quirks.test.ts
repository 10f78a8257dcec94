import { describe, expect, it } from 'vitest';
import { DiameterClient } from '#diameter/client';
import { CxClient, type CxClientOptions } from '#diameter/cx/cx-client';
import { cxDictionary } from '#diameter/dictionary/cx';
import { outcomeDetail, sarRefusal, uarRefusal } from '#ims/result-reasons';
import { ManualClock } from '../manual-clock.ts';
import {
  find,
  open5gsExperimental,
  open5gsSaa,
  pyhssLia,
  pyhssMaa,
  pyhssRefusal,
  pyhssSaa,
  pyhssUaa,
  tgpp,
} from './foreign-octets.ts';

const impi = '001010000000001@ims.mnc001.mcc001.3gppnetwork.org';
const impu = `sip:${impi}`;
const serverName = 'sip:scscf.ims.test:6060';

/** A CSCF whose HSS answers with these octets. */
function against(answer: (request: Buffer) => Buffer, options: Partial<CxClientOptions> = {}) {
  const requests: Buffer[] = [];
  const client: DiameterClient = new DiameterClient(
    {
      send: (request) => {
        requests.push(request);
        client.onMessage(answer(request));
      },
      answer: () => undefined,
    },
    {
      worker: 5,
      identity: { originHost: 'scscf.ims.test', originRealm: 'ims.test' },
      dictionary: cxDictionary,
      clock: new ManualClock(),
    },
  );
  return { cx: new CxClient(client, { homeRealm: 'ims.test', ...options }), requests, client };
}

const uar = { impi, impu, visitedNetwork: 'ims.test' };
const sar = { impi, impus: [impu], serverName, type: 1, userDataAlreadyAvailable: false };

describe('PyHSS', () => {
  it('E.6 PyHSS (1) gives a Server-Name of its pool, without scheme, beside FIRST_REGISTRATION', async () => {
    const { cx } = against((request) => pyhssUaa(request, 'scscf7.ims.test:6060', 2001));
    expect(await cx.userAuthorization(uar)).toMatchObject({
      result: { kind: 'experimental', code: 2001, vendor: 10415 },
      serverName: 'scscf7.ims.test:6060',
      capabilities: undefined,
      originHost: 'hss01',
    });
  });

  it('E.6 PyHSS (5) says 2001 with a name whoever is asked for', async () => {
    const { cx } = against((request) => pyhssLia(request, serverName));
    expect(await cx.locationInfo({ impu })).toMatchObject({ result: { kind: 'base', code: 2001 }, serverName });
  });

  it('E.6 PyHSS (6) D-11 D-15 says under the application of Sh that it does not know a user', async () => {
    for (const code of [5001, 5005]) {
      const { cx, client } = against((request) => pyhssRefusal(request, code));
      const saa = await cx.serverAssignment(sar);
      expect(saa).toMatchObject({ result: { kind: 'experimental', code: 5001 } });
      expect(sarRefusal(saa)).toMatchObject({ id: 'user-unknown', status: 403 });
      expect(outcomeDetail('SAR', saa as never)).toBe('SAA 5001 USER_UNKNOWN from hss01');
      expect(client.counters).toMatchObject({ answers: 1, unmatchedAnswers: 0, malformedAnswers: 0 });
    }
    const { cx } = against((request) => pyhssRefusal(request, 5001));
    expect(uarRefusal(await cx.userAuthorization(uar))).toMatchObject({ id: 'user-unknown' });
    expect(await cx.locationInfo({ impu })).toMatchObject({ result: { kind: 'experimental', code: 5001 } });
  });

  it('E.6 PyHSS (7) D-15 D-18 gets a scheme in the MAR and answers with item 0 and two results', async () => {
    const rand = Buffer.alloc(16, 1);
    const autn = Buffer.alloc(16, 2);
    const vector = { rand, autn, xres: Buffer.alloc(8, 3), ck: Buffer.alloc(16, 4), ik: Buffer.alloc(16, 5) };
    const { cx, requests } = against((request) => pyhssMaa(request, vector));
    const maa = await cx.multimediaAuth({ impi, impu, serverName, scheme: 'Digest-MD5' });
    expect(maa).toMatchObject({ result: { kind: 'base', code: 2001 }, items: [{ itemNumber: 0, ...vector }] });
    expect(find(requests[0]!, 612)).toContain('Digest-MD5');
  });

  it('E.6 PyHSS takes any charging address, and the result behind everything else', async () => {
    const { cx } = against((request) => pyhssSaa(request, '<IMSSubscription/>'));
    expect(await cx.serverAssignment(sar)).toMatchObject({
      result: { kind: 'base', code: 2001 },
      impi,
      charging: { primaryCcf: 'pri_ccf_address' },
    });
  });
});

describe('Open5GS HSS', () => {
  it('E.6 Open5GS D-15 its codes for missing and invalid AVPs are those of the base protocol, once it is told so', async () => {
    const missing = against((request) => open5gsExperimental(request, 5004), { dialect: 'open5gs' });
    const uaa = await missing.cx.userAuthorization(uar);
    expect(uaa).toMatchObject({ result: { kind: 'base', code: 5005 } });
    expect(uarRefusal(uaa)).toMatchObject({ id: 'hss-error', status: 500 });
    expect(outcomeDetail('UAR', uaa as never)).toBe('UAA 5005 MISSING_AVP from hss.open5gs.org');
    const invalid = against((request) => open5gsExperimental(request, 5005), { dialect: 'open5gs' });
    const saa = await invalid.cx.serverAssignment(sar);
    expect(saa).toMatchObject({ result: { kind: 'base', code: 5004 } });
    expect(outcomeDetail('SAR', saa as never)).toBe('SAA 5004 INVALID_AVP_VALUE from hss.open5gs.org');
    const other = against((request) => open5gsExperimental(request, 5002), { dialect: 'open5gs' });
    expect(await other.cx.userAuthorization(uar)).toMatchObject({ result: { kind: 'experimental', code: 5002 } });
  });

  it('E.6 Open5GS without that option a 5004 is what 3GPP means by it', async () => {
    const { cx } = against((request) => open5gsExperimental(request, 5004));
    expect(uarRefusal(await cx.userAuthorization(uar))).toMatchObject({ id: 'roaming-not-allowed' });
  });

  it('E.6 Open5GS gets all three AVPs of a UAR that it refuses to miss', async () => {
    const { cx, requests } = against((request) => open5gsExperimental(request, 2002, [tgpp(602, serverName)]));
    expect(await cx.userAuthorization(uar)).toMatchObject({ result: { code: 2002 }, serverName });
    expect([1, 601, 600].map((code) => find(requests[0]!, code))).toEqual([impi, impu, 'ims.test']);
  });

  it('E.6 Open5GS gives the profile for REGISTRATION without data available, and the word pcrf as charging address', async () => {
    const { cx } = against((request) => open5gsSaa(request, '<IMSSubscription/>'));
    const first = await cx.serverAssignment(sar);
    expect(first).toMatchObject({ result: { code: 2001 }, charging: { primaryCcf: 'pcrf' } });
    const left = await cx.serverAssignment({ ...sar, type: 5, userDataAlreadyAvailable: true });
    expect(left).toMatchObject({ result: { code: 2001 }, userData: undefined, charging: undefined });
  });
});
