import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { serverAssignmentTypes as types, userAuthorizationTypes } from '#diameter/cx/cx-requests';
import { cxResultCodes } from '#diameter/cx/cx-results';
import { resultCodes } from '#diameter/errors';
import { readUserProfile } from '#ims/user-profile';
import { startHss } from '#lab/hss/hss';
import type { HssConfig, SubscriberConfig } from '#service/config/hss-config';
import { aliceKey, answered, connectCx, hssConfig, type TestClient } from './hss-client.ts';

const scscf = 'sip:scscf.ims.test:6060';
const impi = 'alice@ims.test';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

function profile(name: string, server: string, more = ''): string {
  const file = join(mkdtempSync(join(tmpdir(), 'hss-profile-')), `${name}.xml`);
  const filter = `<InitialFilterCriteria><Priority>0</Priority><TriggerPoint><ConditionTypeCNF>0</ConditionTypeCNF><SPT><ConditionNegated>0</ConditionNegated><Group>0</Group><Method>INVITE</Method></SPT></TriggerPoint><ApplicationServer><ServerName>${server}</ServerName></ApplicationServer>${more}</InitialFilterCriteria>`;
  const identity = `<PublicIdentity><BarringIndication>0</BarringIndication><Identity>\${IMPU}</Identity></PublicIdentity>`;
  writeFileSync(
    file,
    `<?xml version="1.0"?><IMSSubscription><PrivateID>\${IMPI}</PrivateID><ServiceProfile>${identity}${filter}</ServiceProfile></IMSSubscription>`,
  );
  return file;
}

const home = profile('home', 'sip:as-home.ims.test');
const work = profile('work', 'sip:as-work.ims.test');

async function start(
  more: Partial<SubscriberConfig>,
  config: Partial<HssConfig> = {},
  others: SubscriberConfig[] = [],
): Promise<TestClient> {
  const alice = { impi, ...aliceKey, profile: home, ...more };
  const hss = await startHss(hssConfig([alice, ...others], 0, config), { state: null, trace: null });
  open.push(hss);
  const client = await connectCx(hss.port);
  open.push(client);
  return client;
}

async function uar(
  client: TestClient,
  impu: string,
  more: { type?: 0 | 1 | 2; emergency?: boolean; from?: string } = {},
) {
  const { emergency, from = 'ims.test', type } = more;
  return answered(await client.cx.userAuthorization({ impi, impu, visitedNetwork: from, type, emergency }));
}

async function lir(client: TestClient, impu: string, type?: number) {
  return answered(await client.cx.locationInfo({ impu, type }));
}

async function sar(
  client: TestClient,
  impu: string,
  type: number = types.REGISTRATION,
  who: string | undefined = impi,
) {
  const request = { impi: who, impus: [impu], serverName: scscf, type, userDataAlreadyAvailable: false };
  return answered(await client.cx.serverAssignment(request));
}

const two = [
  [
    { identity: 'sip:alice@ims.test', service: false, displayName: 'Alice <home>', aliasGroup: '1' },
    { identity: 'tel:+15550001', service: false, aliasGroup: '1' },
    { identity: 'sip:a.smith@ims.test', service: false, profile: work },
  ],
  [{ identity: 'sip:secret@ims.test', service: false, barred: true }],
] as const;

describe('implicit registration sets', () => {
  it('TS 29.228 B.2: a set with two service profiles comes as one document, the default identity first', async () => {
    const client = await start({ sets: two });
    const answer = await sar(client, 'sip:a.smith@ims.test');
    const read = readUserProfile(answer.userData!);
    if (!('serviceProfiles' in read)) throw new Error(JSON.stringify(read));
    const shown = read.serviceProfiles.map((each) => each.publicIdentities.map(({ identity }) => identity));
    expect(shown).toEqual([['sip:alice@ims.test', 'tel:+15550001'], ['sip:a.smith@ims.test']]);
    const xml = answer.userData!.toString();
    expect(xml.match(/<ServerName>[^<]*/g)).toEqual([
      '<ServerName>sip:as-home.ims.test',
      '<ServerName>sip:as-work.ims.test',
    ]);
    expect(xml).toContain('<DisplayName>Alice &lt;home&gt;</DisplayName><AliasIdentityGroupID>1');
    expect(xml.match(/<PrivateID>/g)).toHaveLength(1);
  });

  it('registering one identity registers its set and no other set', async () => {
    const client = await start({ sets: two });
    await sar(client, 'tel:+15550001');
    expect((await lir(client, 'sip:alice@ims.test')).serverName).toBe(scscf);
    expect((await lir(client, 'sip:secret@ims.test')).result.code).toBe(cxResultCodes.ERROR_IDENTITY_NOT_REGISTERED);
    // One S-CSCF for the whole subscription: it is named for the set that is not registered too.
    const other = await uar(client, 'sip:secret@ims.test', { emergency: true });
    expect(other).toMatchObject({ result: { code: cxResultCodes.SUBSEQUENT_REGISTRATION }, serverName: scscf });
    const gone = await uar(client, 'sip:secret@ims.test', {
      type: userAuthorizationTypes.DE_REGISTRATION,
      emergency: true,
    });
    expect(gone.result.code).toBe(cxResultCodes.ERROR_IDENTITY_NOT_REGISTERED);
  });

  it('the S-CSCF stays until the last set is de-registered', async () => {
    const client = await start({ sets: [two[0], [{ identity: 'sip:second@ims.test', service: false }]] });
    await sar(client, 'tel:+15550001');
    await sar(client, 'sip:second@ims.test');
    await sar(client, 'sip:alice@ims.test', types.USER_DEREGISTRATION);
    expect((await lir(client, 'sip:second@ims.test')).serverName).toBe(scscf);
    expect((await lir(client, 'sip:alice@ims.test')).result.code).toBe(cxResultCodes.ERROR_IDENTITY_NOT_REGISTERED);
    await sar(client, 'sip:second@ims.test', types.TIMEOUT_DEREGISTRATION);
    expect((await uar(client, 'sip:second@ims.test')).result.code).toBe(cxResultCodes.FIRST_REGISTRATION);
  });

  it('TS 29.228 6.1.1.1: a barred identity may register others with it, but not itself alone, unless for an emergency', async () => {
    const barred = { identity: 'sip:secret@ims.test', service: false, barred: true };
    const client = await start({
      sets: [[barred, { identity: 'sip:alice@ims.test', service: false }], [{ ...barred, identity: 'sip:b@ims.test' }]],
    });
    expect((await uar(client, 'sip:secret@ims.test')).result.code).toBe(cxResultCodes.FIRST_REGISTRATION);
    const alone = await uar(client, 'sip:b@ims.test');
    expect(alone.result).toMatchObject({ kind: 'base', code: resultCodes.AUTHORIZATION_REJECTED });
    expect((await uar(client, 'sip:b@ims.test', { emergency: true })).result.code).toBe(
      cxResultCodes.FIRST_REGISTRATION,
    );
    const read = readUserProfile((await sar(client, 'sip:secret@ims.test')).userData!);
    if (!('serviceProfiles' in read)) throw new Error(JSON.stringify(read));
    const shown = read.serviceProfiles.flatMap((each) =>
      each.publicIdentities.map((own) => [own.identity, own.barred]),
    );
    expect(shown).toEqual([
      ['sip:secret@ims.test', true],
      ['sip:alice@ims.test', false],
    ]);
  });
});

describe('where and with which S-CSCF', () => {
  it('TS 29.228 6.1.1.1: roaming is allowed in the networks of the subscriber; not asked for emergencies and de-registrations', async () => {
    const client = await start({ impus: ['sip:alice@ims.test'], visitedNetworks: ['Visited.Test'] });
    const impu = 'sip:alice@ims.test';
    expect((await uar(client, impu, { from: 'visited.test' })).result.code).toBe(cxResultCodes.FIRST_REGISTRATION);
    const refused = await uar(client, impu, { from: 'elsewhere.test' });
    expect(refused.result).toMatchObject({ kind: 'experimental', code: cxResultCodes.ERROR_ROAMING_NOT_ALLOWED });
    const reselect = await uar(client, impu, { from: 'elsewhere.test', type: 2 });
    expect(reselect.result.code).toBe(cxResultCodes.ERROR_ROAMING_NOT_ALLOWED);
    expect((await uar(client, impu, { from: 'elsewhere.test', emergency: true })).result.code).toBe(
      cxResultCodes.FIRST_REGISTRATION,
    );
    await sar(client, impu);
    const leaving = await uar(client, impu, { from: 'elsewhere.test', type: userAuthorizationTypes.DE_REGISTRATION });
    expect(leaving).toMatchObject({ result: { kind: 'base', code: resultCodes.SUCCESS }, serverName: scscf });
  });

  it('TS 29.228 6.7: capabilities come where there is no S-CSCF, the subscriber own ones before those of all', async () => {
    const all = { mandatory: [1], optional: [7], servers: [] };
    const own = { mandatory: [2, 3], optional: [], servers: ['sip:special.ims.test'] };
    const bob = { impi: 'bob@ims.test', impus: ['sip:bob@ims.test'], ...aliceKey, profile: home };
    const client = await start(
      { impus: ['sip:alice@ims.test'], capabilities: own, unregisteredServices: true },
      { capabilities: all },
      [bob],
    );
    const expected = { mandatory: [2, 3], optional: [], serverNames: ['sip:special.ims.test'] };
    expect((await uar(client, 'sip:alice@ims.test')).capabilities).toEqual(expected);
    const unregistered = await lir(client, 'sip:alice@ims.test');
    expect(unregistered.result.code).toBe(cxResultCodes.UNREGISTERED_SERVICE);
    expect(unregistered.capabilities).toEqual(expected);
    const asBob = await client.cx.userAuthorization({
      impi: 'bob@ims.test',
      impu: 'sip:bob@ims.test',
      visitedNetwork: 'x',
    });
    expect(answered(asBob).capabilities).toEqual({ mandatory: [1], optional: [7], serverNames: [] });
    await sar(client, 'sip:alice@ims.test');
    expect((await uar(client, 'sip:alice@ims.test')).capabilities).toBeUndefined();
    const reselect = await uar(client, 'sip:alice@ims.test', { type: 2 });
    expect(reselect).toMatchObject({
      result: { kind: 'base', code: 2001 },
      serverName: undefined,
      capabilities: expected,
    });
    expect(await lir(client, 'sip:alice@ims.test', 2)).toMatchObject({
      result: { code: 2001 },
      capabilities: expected,
    });
  });

  it('TS 29.228 7.12: charging addresses go with the profile, the subscriber own ones before those of all', async () => {
    const charging = { primaryCcf: 'aaa://ccf.ims.test', secondaryEcf: 'aaa://ecf2.ims.test' };
    const client = await start(
      { impus: ['sip:alice@ims.test'], charging },
      { charging: { primaryCcf: 'aaa://other' } },
    );
    const answer = await sar(client, 'sip:alice@ims.test');
    expect(answer.charging).toMatchObject(charging);
    expect(answer.charging!.primaryEcf).toBeUndefined();
  });
});

describe('authentication', () => {
  it('TS 29.228 6.3.1: Unknown gives what the subscriber has: AKA also for one with a password, if so configured', async () => {
    const request = { impi, impu: 'sip:alice@ims.test', serverName: scscf, scheme: 'Unknown' };
    const schemeOf = async (more: Partial<SubscriberConfig>) =>
      answered(await (await start(more)).cx.multimediaAuth(request)).items[0]!.scheme;
    expect(await schemeOf({ impus: [request.impu] })).toBe('Digest-AKAv1-MD5');
    expect(await schemeOf({ impus: [request.impu], password: 'secret' })).toBe('SIP Digest');
    expect(await schemeOf({ impus: [request.impu], password: 'secret', scheme: 'Digest-AKAv1-MD5' })).toBe(
      'Digest-AKAv1-MD5',
    );
  });
});

describe('identities of other kinds', () => {
  it('TS 23.003 13.4: a wildcarded identity stands for those that match, and is named in the answers', async () => {
    const wildcard = 'sip:pbx!.*!@ims.test';
    const client = await start({
      sets: [
        [
          { identity: 'sip:alice@ims.test', service: false },
          { identity: wildcard, service: false },
        ],
      ],
    });
    const first = await sar(client, 'sip:pbx17@ims.test');
    expect(first.wildcardedPublicIdentity).toBe(wildcard);
    expect(first.userData!.toString()).toContain('<IdentityType>4</IdentityType>');
    const found = await lir(client, 'sip:pbx42@ims.test');
    expect(found).toMatchObject({ result: { code: 2001 }, serverName: scscf, wildcardedPublicIdentity: wildcard });
    expect((await lir(client, 'sip:px42@ims.test')).result.code).toBe(cxResultCodes.ERROR_USER_UNKNOWN);
  });

  it('TS 29.228 6.1.4.1: a service identity leads to its application server directly, or to an S-CSCF without registration', async () => {
    const client = await start({
      sets: [
        [{ identity: 'sip:echo@ims.test', service: true, applicationServer: 'sip:as.ims.test:5090' }],
        [{ identity: 'sip:conference@ims.test', service: true }],
      ],
    });
    const direct = await lir(client, 'sip:echo@ims.test');
    expect(direct).toMatchObject({ result: { code: 2001 }, serverName: 'sip:as.ims.test:5090', liaFlags: 1 });
    const served = await lir(client, 'sip:conference@ims.test');
    expect(served).toMatchObject({
      result: { kind: 'experimental', code: cxResultCodes.UNREGISTERED_SERVICE },
      liaFlags: 0,
    });
    await sar(client, 'sip:conference@ims.test', types.UNREGISTERED_USER);
    expect((await lir(client, 'sip:conference@ims.test')).serverName).toBe(scscf);
  });

  it('two private identities of one subscription share an identity and its S-CSCF', async () => {
    const shared = ['sip:family@ims.test'];
    const bob = { impi: 'bob@ims.test', impus: shared, subscription: 'family', ...aliceKey, profile: home };
    const client = await start({ impus: shared, subscription: 'family' }, {}, [bob]);
    const answer = await sar(client, shared[0]!);
    expect(answer.associatedIdentities).toEqual([impi, 'bob@ims.test']);
    await sar(client, shared[0]!, types.REGISTRATION, 'bob@ims.test');
    await sar(client, shared[0]!, types.USER_DEREGISTRATION);
    expect((await lir(client, shared[0]!)).serverName).toBe(scscf);
    await sar(client, shared[0]!, types.USER_DEREGISTRATION, 'bob@ims.test');
    expect((await lir(client, shared[0]!)).result.code).toBe(cxResultCodes.ERROR_IDENTITY_NOT_REGISTERED);
  });

  it('identities of two subscriptions do not match, and an unknown one is unknown', async () => {
    const bob = { impi: 'bob@ims.test', impus: ['sip:bob@ims.test'], ...aliceKey, profile: home };
    const client = await start({ impus: ['sip:alice@ims.test'] }, {}, [bob]);
    expect((await sar(client, 'sip:bob@ims.test')).result.code).toBe(cxResultCodes.ERROR_IDENTITIES_DONT_MATCH);
    expect((await sar(client, 'sip:eve@ims.test')).result.code).toBe(cxResultCodes.ERROR_USER_UNKNOWN);
  });
});

describe('the S-CSCF of a subscription', () => {
  const stored = types.USER_DEREGISTRATION_STORE_SERVER_NAME;

  it('TS 29.228 6.1.2.1: is not kept when the HSS is told not to: SUCCESS_SERVER_NAME_NOT_STORED', async () => {
    const client = await start({ impus: ['sip:alice@ims.test'] }, { keepServerName: false });
    await sar(client, 'sip:alice@ims.test');
    const answer = await sar(client, 'sip:alice@ims.test', stored);
    expect(answer.result).toMatchObject({ kind: 'experimental', code: cxResultCodes.SUCCESS_SERVER_NAME_NOT_STORED });
    expect((await uar(client, 'sip:alice@ims.test')).result.code).toBe(cxResultCodes.FIRST_REGISTRATION);
  });

  it('TS 29.228 6.1.4.1: kept or assigned for services of the unregistered, it is named by LIR and UAR', async () => {
    const client = await start({ impus: ['sip:alice@ims.test'] });
    expect((await sar(client, 'sip:alice@ims.test', types.UNREGISTERED_USER, undefined)).userData).toBeDefined();
    expect(await lir(client, 'sip:alice@ims.test')).toMatchObject({ result: { code: 2001 }, serverName: scscf });
    const subsequent = await uar(client, 'sip:alice@ims.test');
    expect(subsequent).toMatchObject({ result: { code: cxResultCodes.SUBSEQUENT_REGISTRATION }, serverName: scscf });
  });
});

describe('restoration information', () => {
  const info = {
    impi,
    contacts: [
      {
        path: '<sip:pcscf.ims.test;lr>',
        contact: '<sip:alice@192.0.2.7:5060>',
        callId: 'a84b4c76e66710',
        initialCseq: 3,
        subscription: { callId: 'c', from: 'f', to: 't', recordRoute: 'r', contact: '<sip:alice@192.0.2.7>' },
      },
    ],
    scheme: 'Digest-AKAv1-MD5',
  };
  const request = { impi, impus: ['sip:alice@ims.test'], serverName: scscf, userDataAlreadyAvailable: false };

  it('TS 23.380 4.3: what a SAR left is given back with NO_ASSIGNMENT, RESTORATION and for an unregistered user', async () => {
    const client = await start({ impus: ['sip:alice@ims.test'] });
    await client.cx.serverAssignment({ ...request, type: types.REGISTRATION, restorationInfos: [info] });
    for (const type of [types.NO_ASSIGNMENT, types.RESTORATION]) {
      const answer = answered(await client.cx.serverAssignment({ ...request, type }));
      expect(answer.result.code).toBe(2001);
      expect(answer.restorationInfos).toEqual([info]);
    }
    const called = answered(
      await client.cx.serverAssignment({ ...request, impi: undefined, type: types.UNREGISTERED_USER }),
    );
    expect(called.result.code).toBe(cxResultCodes.ERROR_IN_ASSIGNMENT_TYPE);
    expect(called.restorationInfos).toEqual([info]);
    expect(called.userData).toBeDefined();
  });

  it('TS 29.228 6.1.2.1: a first registration among several does not replace it, but gets it, and a re-registration renews it', async () => {
    const client = await start({ impus: ['sip:alice@ims.test'] });
    await client.cx.serverAssignment({ ...request, type: types.REGISTRATION, restorationInfos: [info] });
    const other = { ...info, contacts: [{ path: '', contact: '<sip:alice@192.0.2.8>' }], scheme: undefined };
    const again = { ...request, type: types.REGISTRATION, multipleRegistration: true, restorationInfos: [other] };
    const answer = answered(await client.cx.serverAssignment(again));
    expect(answer.result.code).toBe(cxResultCodes.ERROR_IN_ASSIGNMENT_TYPE);
    expect(answer.restorationInfos).toEqual([info]);
    await client.cx.serverAssignment({ ...request, type: types.RE_REGISTRATION, restorationInfos: [other] });
    const now = answered(await client.cx.serverAssignment({ ...request, type: types.NO_ASSIGNMENT }));
    expect(now.restorationInfos[0]!.contacts).toMatchObject(other.contacts);
    await client.cx.serverAssignment({ ...request, type: types.USER_DEREGISTRATION });
    await client.cx.serverAssignment({ ...request, type: types.REGISTRATION });
    const fresh = answered(await client.cx.serverAssignment({ ...request, type: types.NO_ASSIGNMENT }));
    expect(fresh.restorationInfos).toEqual([]);
  });
});
