import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { serverAssignmentTypes as types, userAuthorizationTypes } from '#diameter/cx/cx-requests';
import { cxResultCodes } from '#diameter/cx/cx-results';
import { resultCodes } from '#diameter/errors';
import { type Hss, type HssOptions, startHss } from '#lab/hss/hss';
import { digestHa1 } from '#sip/auth/digest';
import { Milenage, opcFromOp } from '#sip/auth/milenage';
import { aliceKey, answered, connectCx, hssConfig, type TestClient, template, temporaryFolder } from './hss-client.ts';

const scscf = 'sip:127.0.0.1:6060';
const alice = { impi: 'alice@ims.test', impu: 'sip:alice@ims.test' };
const key = Buffer.from(aliceKey.k, 'hex');
const usim = new Milenage(key, opcFromOp(key, Buffer.from(aliceKey.op, 'hex')));

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

async function start(
  options: Partial<HssOptions> & { profile?: string; sqn?: string } = {},
): Promise<{ hss: Hss; client: TestClient }> {
  const { profile } = temporaryFolder(options.profile ?? template);
  const sqn = options.sqn === undefined ? {} : { sqn: options.sqn };
  const hss = await startHss(
    hssConfig([
      {
        impi: alice.impi,
        impus: [alice.impu, 'tel:+15550001'],
        ...aliceKey,
        ...sqn,
        password: 'alice-secret',
        profile,
      },
      { impi: 'bob@ims.test', impus: ['sip:bob@ims.test'], ...aliceKey, profile },
      {
        range: { prefix: 'user%06d', first: 0, count: 1000, tel: 'tel:+1555%06d' },
        ...aliceKey,
        password: 'pw%06d',
        profile,
      },
    ]),
    { state: options.state ?? null, trace: null, ...(options.wallMs ? { wallMs: options.wallMs } : {}) },
  );
  open.push(hss);
  const client = await connectCx(hss.port);
  open.push(client);
  return { hss, client };
}

async function uar(client: TestClient, type?: 0 | 1 | 2, who = alice) {
  return answered(await client.cx.userAuthorization({ ...who, visitedNetwork: 'ims.test', type }));
}

async function mar(
  client: TestClient,
  extra: { scheme?: string; resync?: Buffer; items?: number; serverName?: string } = {},
) {
  return answered(
    await client.cx.multimediaAuth({ ...alice, serverName: scscf, scheme: 'Digest-AKAv1-MD5', ...extra }),
  );
}

async function sar(client: TestClient, type: number, serverName = scscf, userDataAlreadyAvailable = false) {
  return answered(
    await client.cx.serverAssignment({
      impi: alice.impi,
      impus: [alice.impu],
      serverName,
      type,
      userDataAlreadyAvailable,
    }),
  );
}

async function lir(client: TestClient, impu = alice.impu, originating = false) {
  return answered(await client.cx.locationInfo({ impu, originating }));
}

describe('TS 29.228 6.1.1: User-Authorization', () => {
  test('a first registration gets FIRST_REGISTRATION, without name and without Server-Capabilities', async () => {
    const { client } = await start();
    const answer = await uar(client);
    expect(answer.result).toEqual({ kind: 'experimental', code: cxResultCodes.FIRST_REGISTRATION, vendor: 10415 });
    expect(answer.serverName).toBeUndefined();
    expect(answer.capabilities).toBeUndefined();
  });

  test('after MAR and after SAR the S-CSCF is named with SUBSEQUENT_REGISTRATION', async () => {
    const { client } = await start();
    await mar(client);
    expect((await uar(client)).serverName).toBe(scscf);
    await sar(client, types.REGISTRATION);
    const answer = await uar(client, userAuthorizationTypes.REGISTRATION);
    expect(answer.result.code).toBe(cxResultCodes.SUBSEQUENT_REGISTRATION);
    expect(answer.serverName).toBe(scscf);
  });

  test('unknown users and identities of two users are refused', async () => {
    const { client } = await start();
    const unknown = await uar(client, 0, { impi: 'eve@ims.test', impu: 'sip:eve@ims.test' });
    expect(unknown.result.code).toBe(cxResultCodes.ERROR_USER_UNKNOWN);
    const mixed = await uar(client, 0, { impi: 'bob@ims.test', impu: alice.impu });
    expect(mixed.result.code).toBe(cxResultCodes.ERROR_IDENTITIES_DONT_MATCH);
  });

  test('a de-registration finds the S-CSCF, or IDENTITY_NOT_REGISTERED', async () => {
    const { client } = await start();
    const before = await uar(client, userAuthorizationTypes.DE_REGISTRATION);
    expect(before.result).toMatchObject({ kind: 'experimental', code: cxResultCodes.ERROR_IDENTITY_NOT_REGISTERED });
    await sar(client, types.REGISTRATION);
    const after = await uar(client, userAuthorizationTypes.DE_REGISTRATION);
    expect(after.result).toMatchObject({ kind: 'base', code: resultCodes.SUCCESS });
    expect(after.serverName).toBe(scscf);
  });

  test('REGISTRATION_AND_CAPABILITIES leaves the S-CSCF name out', async () => {
    const { client } = await start();
    await sar(client, types.REGISTRATION);
    const answer = await uar(client, userAuthorizationTypes.REGISTRATION_AND_CAPABILITIES);
    expect(answer.result).toMatchObject({ kind: 'base', code: resultCodes.SUCCESS });
    expect(answer.serverName).toBeUndefined();
  });

  test('a barred identity is refused', async () => {
    const barred = template.replace('<Identity>', '<BarringIndication>1</BarringIndication><Identity>');
    const { client } = await start({ profile: barred });
    expect((await uar(client)).result).toMatchObject({ kind: 'base', code: resultCodes.AUTHORIZATION_REJECTED });
  });
});

describe('TS 29.228 6.3: Multimedia-Auth', () => {
  test('an AKA vector passes the USIM, SQN rises', async () => {
    const { client } = await start();
    const seen: number[] = [];
    for (let i = 0; i < 3; i++) {
      const { items, impi } = await mar(client);
      const { rand, autn, xres, ck, ik } = items[0]!;
      const check = usim.verifyAutn(rand!, autn!);
      expect(check.macOk).toBe(true);
      expect(check.amf).toBe(0x8000);
      expect(xres).toEqual(check.xres);
      expect(ck).toEqual(check.ck);
      expect(ik).toEqual(check.ik);
      expect(impi).toBe(alice.impi);
      seen.push(check.sqn);
    }
    expect(seen[1]).toBeGreaterThan(seen[0]!);
    expect(seen[2]).toBeGreaterThan(seen[1]!);
  });

  test('several vectors are numbered and rise', async () => {
    const { client } = await start();
    const { items } = await mar(client, { items: 3 });
    expect(items.map((item) => item.itemNumber)).toEqual([1, 2, 3]);
    const sqns = items.map((item) => usim.verifyAutn(item.rand!, item.autn!).sqn);
    expect(sqns).toEqual([...sqns].sort((a, b) => a - b));
    expect(new Set(sqns).size).toBe(3);
  });

  test('TS 33.102 C.3: sequence numbers follow the clock', async () => {
    const { client } = await start({ wallMs: () => 1_800_000_000_000 });
    const { items } = await mar(client);
    const { sqn } = usim.verifyAutn(items[0]!.rand!, items[0]!.autn!);
    expect(Math.floor(sqn / 32)).toBe(18_000_000_000);
  });

  test('a configured SQN is the first', async () => {
    const { client } = await start({ sqn: '000000000020' });
    const first = (await mar(client)).items[0]!;
    expect(usim.verifyAutn(first.rand!, first.autn!).sqn).toBe(0x20);
    const second = (await mar(client)).items[0]!;
    expect(usim.verifyAutn(second.rand!, second.autn!).sqn).toBeGreaterThan(0x20);
  });

  test('TS 33.102 6.3.5: AUTS moves SQN behind that of the USIM, also one far from the clock', async () => {
    const { client } = await start();
    for (const sqnMs of [0xff9bb4d00000, 0x1000]) {
      const { rand } = (await mar(client)).items[0]!;
      const auts = usim.buildAuts(rand!, sqnMs);
      const fresh = (await mar(client, { resync: Buffer.concat([rand!, auts]) })).items[0]!;
      const check = usim.verifyAutn(fresh.rand!, fresh.autn!);
      expect(check.macOk).toBe(true);
      expect(check.sqn).toBeGreaterThan(sqnMs);
      expect(check.sqn - sqnMs).toBeLessThan(32 * 100);
    }
  });

  test('TS 33.102 6.3.5 step 3: AUTS of a USIM that takes the next number anyway does not turn it back', async () => {
    const { client } = await start();
    const numbers = [];
    const first = (await mar(client, { items: 5 })).items;
    const behind = usim.verifyAutn(first[1]!.rand!, first[1]!.autn!).sqn;
    const resync = Buffer.concat([first[0]!.rand!, usim.buildAuts(first[0]!.rand!, behind)]);
    const again = (await mar(client, { items: 5, resync })).items;
    for (const { rand, autn } of [...first, ...again]) numbers.push(usim.verifyAutn(rand!, autn!).sqn);
    expect(new Set(numbers).size).toBe(10);
    expect(Math.min(...numbers.slice(5))).toBeGreaterThan(Math.max(...numbers.slice(0, 5)));
  });

  test('no more than five vectors are given, whatever is asked', async () => {
    const { client } = await start();
    expect((await mar(client, { items: 9 })).items.map((item) => item.itemNumber)).toEqual([1, 2, 3, 4, 5]);
  });

  test('AUTS with a wrong MAC-S changes nothing', async () => {
    const { client } = await start();
    const { rand } = (await mar(client)).items[0]!;
    const answer = await mar(client, { resync: Buffer.concat([rand!, Buffer.alloc(14, 1)]) });
    expect(answer.result).toMatchObject({ kind: 'base', code: resultCodes.UNABLE_TO_COMPLY });
    expect(answer.items).toEqual([]);
  });

  test('SIP Digest gives H(A1), Unknown means SIP Digest for whoever has a password', async () => {
    const { client } = await start();
    for (const scheme of ['SIP Digest', 'Unknown']) {
      const { items } = await mar(client, { scheme });
      expect(items[0]!.scheme).toBe('SIP Digest');
      expect(items[0]!.digest).toEqual({
        realm: 'ims.test',
        algorithm: 'MD5',
        qop: 'auth',
        ha1: digestHa1(alice.impi, 'ims.test', 'alice-secret'),
      });
    }
  });

  test('a scheme that cannot be served is refused', async () => {
    const { client } = await start();
    const strange = await mar(client, { scheme: 'NASS-Bundled' });
    expect(strange.result.code).toBe(cxResultCodes.ERROR_AUTH_SCHEME_NOT_SUPPORTED);
    const bob = { impi: 'bob@ims.test', impu: 'sip:bob@ims.test', serverName: scscf, scheme: 'SIP Digest' };
    const answer = answered(await client.cx.multimediaAuth(bob));
    expect(answer.result.code).toBe(cxResultCodes.ERROR_AUTH_SCHEME_NOT_SUPPORTED);
  });
});

describe('TS 29.228 6.1.2: Server-Assignment', () => {
  test('REGISTRATION hands out the profile with every identity, unless it is there already', async () => {
    const { client } = await start();
    const answer = await sar(client, types.REGISTRATION);
    expect(answer.result).toMatchObject({ kind: 'base', code: resultCodes.SUCCESS });
    const xml = answer.userData!.toString();
    expect(xml).toContain('<PrivateID>alice@ims.test</PrivateID>');
    expect(xml.match(/<Identity>[^<]*/g)).toEqual(['<Identity>sip:alice@ims.test', '<Identity>tel:+15550001']);
    expect((await sar(client, types.RE_REGISTRATION, scscf, true)).userData).toBeUndefined();
  });

  test('another S-CSCF gets IDENTITY_ALREADY_REGISTERED and the name of the one that has it', async () => {
    const { client } = await start();
    await sar(client, types.REGISTRATION);
    const answer = await sar(client, types.REGISTRATION, 'sip:other:6060');
    expect(answer.result.code).toBe(cxResultCodes.ERROR_IDENTITY_ALREADY_REGISTERED);
    expect(answer.serverName).toBe(scscf);
    expect((await sar(client, types.USER_DEREGISTRATION, 'sip:other:6060')).result.code).toBe(
      resultCodes.UNABLE_TO_COMPLY,
    );
    expect((await sar(client, types.NO_ASSIGNMENT, 'sip:other:6060')).result.code).toBe(resultCodes.UNABLE_TO_COMPLY);
  });

  test.each([
    ['TIMEOUT_DEREGISTRATION', types.TIMEOUT_DEREGISTRATION],
    ['USER_DEREGISTRATION', types.USER_DEREGISTRATION],
    ['ADMINISTRATIVE_DEREGISTRATION', types.ADMINISTRATIVE_DEREGISTRATION],
    ['DEREGISTRATION_TOO_MUCH_DATA', types.DEREGISTRATION_TOO_MUCH_DATA],
  ])('%s forgets registration and S-CSCF', async (_name, type) => {
    const { client } = await start();
    await sar(client, types.REGISTRATION);
    expect((await sar(client, type)).result.code).toBe(resultCodes.SUCCESS);
    expect((await lir(client)).result.code).toBe(cxResultCodes.ERROR_IDENTITY_NOT_REGISTERED);
    expect((await uar(client)).result.code).toBe(cxResultCodes.FIRST_REGISTRATION);
  });

  test.each([
    ['TIMEOUT_DEREGISTRATION_STORE_SERVER_NAME', types.TIMEOUT_DEREGISTRATION_STORE_SERVER_NAME],
    ['USER_DEREGISTRATION_STORE_SERVER_NAME', types.USER_DEREGISTRATION_STORE_SERVER_NAME],
  ])('%s keeps the S-CSCF for the unregistered user', async (_name, type) => {
    const { client } = await start();
    await sar(client, types.REGISTRATION);
    await sar(client, type);
    expect((await lir(client)).serverName).toBe(scscf);
    expect((await uar(client)).result.code).toBe(cxResultCodes.SUBSEQUENT_REGISTRATION);
  });

  test('UNREGISTERED_USER assigns an S-CSCF, but not to a registered user', async () => {
    const { client } = await start();
    expect((await sar(client, types.UNREGISTERED_USER)).userData).toBeDefined();
    expect((await lir(client)).serverName).toBe(scscf);
    await sar(client, types.REGISTRATION);
    const answer = await sar(client, types.UNREGISTERED_USER);
    expect(answer.result.code).toBe(cxResultCodes.ERROR_IN_ASSIGNMENT_TYPE);
  });

  test.each([
    ['AUTHENTICATION_FAILURE', types.AUTHENTICATION_FAILURE],
    ['AUTHENTICATION_TIMEOUT', types.AUTHENTICATION_TIMEOUT],
  ])(
    '%s forgets the S-CSCF of a user who is not registered, and leaves a registered one alone',
    async (_name, type) => {
      const { client } = await start();
      await mar(client);
      expect((await sar(client, type)).result.code).toBe(resultCodes.SUCCESS);
      expect((await uar(client)).result.code).toBe(cxResultCodes.FIRST_REGISTRATION);
      await sar(client, types.REGISTRATION);
      await mar(client);
      await sar(client, type);
      expect((await lir(client)).serverName).toBe(scscf);
    },
  );

  test('NO_ASSIGNMENT reads the profile, other types are refused', async () => {
    const { client } = await start();
    await sar(client, types.REGISTRATION);
    expect((await sar(client, types.NO_ASSIGNMENT)).userData).toBeDefined();
    expect((await sar(client, types.RESTORATION)).userData).toBeDefined();
    expect((await sar(client, types.PGW_UPDATE)).result.code).toBe(cxResultCodes.ERROR_IN_ASSIGNMENT_TYPE);
    expect((await sar(client, 99)).result.code).toBe(resultCodes.INVALID_AVP_VALUE);
    const two = { impi: alice.impi, impus: [alice.impu, 'tel:+15550001'], serverName: scscf };
    const answer = answered(
      await client.cx.serverAssignment({ ...two, type: types.REGISTRATION, userDataAlreadyAvailable: false }),
    );
    expect(answer.result.code).toBe(resultCodes.AVP_OCCURS_TOO_MANY_TIMES);
  });

  test('a de-registration by User-Name alone is for all identities', async () => {
    const { client } = await start();
    await sar(client, types.REGISTRATION);
    const all = { impi: alice.impi, impus: [], serverName: scscf, userDataAlreadyAvailable: true };
    await client.cx.serverAssignment({ ...all, type: types.USER_DEREGISTRATION });
    expect((await lir(client, 'tel:+15550001')).result.code).toBe(cxResultCodes.ERROR_IDENTITY_NOT_REGISTERED);
  });
});

describe('TS 29.228 6.1.4: Location-Info', () => {
  test('a registered identity has an S-CSCF, in any form of the identity', async () => {
    const { client } = await start();
    await sar(client, types.REGISTRATION);
    for (const impu of [alice.impu, 'tel:+15550001', 'sip:alice@IMS.test', 'sip:alice@ims.test:5060;user=phone']) {
      expect((await lir(client, impu)).serverName).toBe(scscf);
    }
  });

  test('who is not registered, and who does not exist', async () => {
    const { client } = await start();
    expect((await lir(client)).result.code).toBe(cxResultCodes.ERROR_IDENTITY_NOT_REGISTERED);
    expect((await lir(client, alice.impu, true)).result.code).toBe(cxResultCodes.UNREGISTERED_SERVICE);
    expect((await lir(client, 'sip:eve@ims.test')).result.code).toBe(cxResultCodes.ERROR_USER_UNKNOWN);
  });

  test('services for unregistered users show as UNREGISTERED_SERVICE', async () => {
    const filter =
      '<InitialFilterCriteria><ProfilePartIndicator>1</ProfilePartIndicator><TriggerPoint/></InitialFilterCriteria>';
    const { client } = await start({ profile: template.replace('</ServiceProfile>', `${filter}</ServiceProfile>`) });
    expect((await lir(client)).result.code).toBe(cxResultCodes.UNREGISTERED_SERVICE);
  });
});

describe('subscribers', () => {
  test('those of a range exist by rule', async () => {
    const { hss, client } = await start();
    expect(hss.subscribers).toBe(1002);
    const user = { impi: 'user000999@ims.test', impu: 'tel:+1555000999' };
    expect((await uar(client, 0, user)).result.code).toBe(cxResultCodes.FIRST_REGISTRATION);
    const digest = answered(await client.cx.multimediaAuth({ ...user, serverName: scscf, scheme: 'SIP Digest' }));
    expect(digest.items[0]!.digest!.ha1).toBe(digestHa1(user.impi, 'ims.test', 'pw000999'));
    for (const name of ['user001000', 'user999', 'user0000999', 'user00000x']) {
      const answer = await uar(client, 0, { impi: `${name}@ims.test`, impu: `sip:${name}@ims.test` });
      expect(answer.result.code).toBe(cxResultCodes.ERROR_USER_UNKNOWN);
    }
  });
});

describe('restart', () => {
  test('registration, S-CSCF name and sequence number survive the death of the HSS', async () => {
    const state = join(mkdtempSync(join(tmpdir(), 'hss-state-')), 'state');
    const first = await start({ state });
    const before = (await mar(first.client)).items[0]!;
    await sar(first.client, types.REGISTRATION);
    const port = first.hss.port;
    for (const each of open.splice(0).reverse()) await each.close();

    // A clock that went back must not take the sequence number with it.
    const second = await start({ state, wallMs: () => 1_000_000 });
    expect(second.hss.port).not.toBe(0);
    expect(port).not.toBe(0);
    expect((await lir(second.client)).serverName).toBe(scscf);
    expect((await uar(second.client)).result.code).toBe(cxResultCodes.SUBSEQUENT_REGISTRATION);
    const after = (await mar(second.client)).items[0]!;
    expect(usim.verifyAutn(after.rand!, after.autn!).sqn).toBeGreaterThan(
      usim.verifyAutn(before.rand!, before.autn!).sqn,
    );
  });

  test('without its state the sequence number still rises', async () => {
    const first = await start();
    const before = (await mar(first.client)).items[0]!;
    for (const each of open.splice(0).reverse()) await each.close();
    const second = await start({ wallMs: () => Date.now() + 1000 });
    const after = (await mar(second.client)).items[0]!;
    expect(usim.verifyAutn(after.rand!, after.autn!).sqn).toBeGreaterThan(
      usim.verifyAutn(before.rand!, before.autn!).sqn,
    );
  });
});
