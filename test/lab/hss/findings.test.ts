import { afterEach, describe, expect, it } from 'vitest';
import { type Avp, avp, encodedAvps } from '#diameter/codec/avp-types';
import { encodeAvps, encodeMessage } from '#diameter/codec/encode';
import type { DiameterMessage } from '#diameter/codec/message';
import { serverAssignmentTypes as types } from '#diameter/cx/cx-requests';
import { baseAvps } from '#diameter/dictionary/base';
import { cxApplication, cxAvps, cxCommands } from '#diameter/dictionary/cx';
import { resultCodes } from '#diameter/errors';
import { readResult } from '#diameter/result';
import { type Hss, startHss } from '#lab/hss/hss';
import type { HssConfig } from '#service/config/hss-config';
import { aliceKey, answered, connectCx, hssConfig, type TestClient, temporaryFolder } from './hss-client.ts';

const scscf = 'sip:scscf.ims.test:6060';
const impi = 'alice@ims.test';
const impu = 'sip:alice@ims.test';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

async function start(config: Partial<HssConfig> = {}): Promise<{ hss: Hss; client: TestClient }> {
  const { profile } = temporaryFolder();
  const hss = await startHss(hssConfig([{ impi, impus: [impu], ...aliceKey, profile }], 0, config), {
    state: null,
    trace: null,
  });
  open.push(hss);
  const client = await connectCx(hss.port);
  open.push(client);
  return { hss, client };
}

let identifiers = 100;
const session = avp(baseAvps.sessionId, 'scscf.ims.test;1;1');
const application = avp(baseAvps.vendorSpecificApplicationId, [
  avp(baseAvps.vendorId, 10415),
  avp(baseAvps.authApplicationId, cxApplication.id),
]);
const stateless = avp(baseAvps.authSessionState, 1);
const origin = [avp(baseAvps.originHost, 'scscf.ims.test'), avp(baseAvps.originRealm, 'ims.test')];
const realm = avp(baseAvps.destinationRealm, 'ims.test');
const common = [session, application, stateless, ...origin, realm];
const user = avp(baseAvps.userName, impi);
const identity = avp(cxAvps.publicIdentity, impu);
const uar = [...common, user, identity, avp(cxAvps.visitedNetworkIdentifier, 'ims.test')];
const lir = [...common, identity];
const mar = [
  ...common,
  user,
  identity,
  avp(cxAvps.sipAuthDataItem, [avp(cxAvps.sipAuthenticationScheme, 'Digest-AKAv1-MD5')]),
  avp(cxAvps.sipNumberAuthItems, 1),
  avp(cxAvps.serverName, scscf),
];

function sar(type: number, ...more: Avp[]): Avp[] {
  const server = avp(cxAvps.serverName, scscf);
  return [...common, ...more, server, avp(cxAvps.serverAssignmentType, type), avp(cxAvps.userDataAlreadyAvailable, 0)];
}

interface Header {
  readonly command?: number;
  readonly flags?: number;
  readonly application?: number;
  readonly endToEnd?: number;
}

function request(avps: readonly Avp[], header: Header = {}): Buffer {
  const number = ++identifiers;
  const { command = cxCommands.userAuthorization.code } = header;
  return encodeMessage(
    { flags: 0xc0, application: cxApplication.id, hopByHop: number, endToEnd: number, ...header, command },
    avps,
  );
}

/** One AVP with other flags than the tables give it. */
function flagged(of: Avp, flags: number): Avp {
  const octets = encodeAvps([of]);
  octets[4] = flags;
  return encodedAvps(octets);
}

function without(avps: readonly Avp[], ...left: Avp[]): Avp[] {
  return avps.filter((each) => !left.includes(each));
}

function replace(avps: readonly Avp[], old: Avp, ...by: Avp[]): Avp[] {
  return avps.flatMap((each) => (each === old ? by : [each]));
}

/** Ids that were found, oddities in brackets. */
function found(hss: Hss): string[] {
  return hss.findings.counts().map(({ breach, id }) => (breach ? id : `(${id})`));
}

const { LIR, MAR, SAR } = {
  LIR: cxCommands.locationInfo.code,
  MAR: cxCommands.multimediaAuth.code,
  SAR: cxCommands.serverAssignment.code,
};
const path = avp(cxAvps.path, 'p');
const unknown = encodedAvps(Buffer.from([0, 0, 0x17, 0x70, 0x40, 0, 0, 8]));

/** What is wrong, the octets, the finding, the code that enforcement answers. */
const breaches: readonly (readonly [string, () => Buffer, string, number])[] = [
  ['an unknown command', () => request(uar, { command: 399 }), 'unknown-command', resultCodes.COMMAND_UNSUPPORTED],
  [
    'another application',
    () => request(uar, { application: 16777217 }),
    'wrong-application',
    resultCodes.APPLICATION_UNSUPPORTED,
  ],
  ['the E bit', () => request(uar, { flags: 0xe0 }), 'error-flag', resultCodes.INVALID_HDR_BITS],
  ['reserved flags', () => request(uar, { flags: 0xc1 }), 'reserved-flags', resultCodes.INVALID_HDR_BITS],
  ['no P bit', () => request(uar, { flags: 0x80 }), 'not-proxiable', resultCodes.INVALID_HDR_BITS],
  [
    'Session-Id behind another AVP',
    () => request([application, session, ...uar.slice(2)]),
    'session-id-not-first',
    resultCodes.MISSING_AVP,
  ],
  [
    'Session-Id of somebody else',
    () => request(replace(uar, session, avp(baseAvps.sessionId, 'other.ims.test;1;1'))),
    'session-id-form',
    resultCodes.INVALID_AVP_VALUE,
  ],
  [
    'Session-Id without numbers',
    () => request(replace(uar, session, avp(baseAvps.sessionId, 'scscf.ims.test'))),
    'session-id-form',
    resultCodes.INVALID_AVP_VALUE,
  ],
  [
    'NUL in Session-Id',
    () => request(replace(uar, session, avp(baseAvps.sessionId, 'scscf.ims.test;1;1;\0'))),
    'control-octets',
    resultCodes.INVALID_AVP_VALUE,
  ],
  ['no Session-Id', () => request(without(uar, session)), 'missing-avp', resultCodes.MISSING_AVP],
  [
    'no Vendor-Specific-Application-Id',
    () => request(without(uar, application)),
    'missing-avp',
    resultCodes.MISSING_AVP,
  ],
  ['no Auth-Session-State', () => request(without(uar, stateless)), 'missing-avp', resultCodes.MISSING_AVP],
  ['no Visited-Network-Identifier', () => request(uar.slice(0, -1)), 'missing-avp', resultCodes.MISSING_AVP],
  ['no Public-Identity in a LIR', () => request(common, { command: LIR }), 'missing-avp', resultCodes.MISSING_AVP],
  ['Origin-Host twice', () => request([...uar, origin[0]!]), 'repeated-avp', resultCodes.AVP_OCCURS_TOO_MANY_TIMES],
  [
    'two Public-Identity in a UAR',
    () => request([...uar, identity]),
    'repeated-avp',
    resultCodes.AVP_OCCURS_TOO_MANY_TIMES,
  ],
  [
    'no M bit',
    () => request(replace(uar, identity, flagged(identity, 0x80))),
    'avp-flags',
    resultCodes.INVALID_AVP_BITS,
  ],
  [
    'an M bit too many',
    () => request([...uar, flagged(avp(cxAvps.uarFlags, 0), 0xc0)]),
    'avp-flags',
    resultCodes.INVALID_AVP_BITS,
  ],
  [
    'reserved AVP flags',
    () => request(replace(uar, user, flagged(user, 0x41))),
    'avp-flags',
    resultCodes.INVALID_AVP_BITS,
  ],
  ['an unknown AVP with M', () => request([...uar, unknown]), 'unknown-mandatory-avp', resultCodes.AVP_UNSUPPORTED],
  [
    'stateful',
    () => request(replace(uar, stateless, avp(baseAvps.authSessionState, 0))),
    'auth-session-state',
    resultCodes.INVALID_AVP_VALUE,
  ],
  [
    'the application of Rx',
    () =>
      request(
        replace(
          uar,
          application,
          avp(baseAvps.vendorSpecificApplicationId, [
            avp(baseAvps.vendorId, 10415),
            avp(baseAvps.authApplicationId, 16777236),
          ]),
        ),
      ),
    'application-id',
    resultCodes.INVALID_AVP_VALUE,
  ],
  [
    'another realm',
    () => request(replace(uar, realm, avp(baseAvps.destinationRealm, 'other.test'))),
    'destination-realm',
    resultCodes.REALM_NOT_SERVED,
  ],
  [
    'an Origin-Host that is no peer',
    () =>
      request([
        avp(baseAvps.sessionId, 'x.test;1;1'),
        application,
        stateless,
        avp(baseAvps.originHost, 'x.test'),
        ...uar.slice(4),
      ]),
    'origin-not-peer',
    resultCodes.INVALID_AVP_VALUE,
  ],
  [
    'a Public-Identity that is no URI',
    () => request(replace(lir, identity, avp(cxAvps.publicIdentity, 'alice')), { command: LIR }),
    'public-identity',
    resultCodes.INVALID_AVP_VALUE,
  ],
  [
    'a Public-Identity with a port',
    () => request(replace(lir, identity, avp(cxAvps.publicIdentity, `${impu}:5060`)), { command: LIR }),
    'public-identity-form',
    resultCodes.INVALID_AVP_VALUE,
  ],
  [
    'a User-Name that is a URI',
    () => request(replace(uar, user, avp(baseAvps.userName, impu))),
    'user-name',
    resultCodes.INVALID_AVP_VALUE,
  ],
  [
    'no visited network',
    () => request([...uar.slice(0, -1), avp(cxAvps.visitedNetworkIdentifier, '')]),
    'visited-network',
    resultCodes.INVALID_AVP_VALUE,
  ],
  [
    'User-Authorization-Type 3',
    () => request([...uar, avp(cxAvps.userAuthorizationType, 3)]),
    'value-out-of-range',
    resultCodes.INVALID_AVP_VALUE,
  ],
  [
    'Server-Assignment-Type 15',
    () => request(sar(15, user, identity), { command: SAR }),
    'value-out-of-range',
    resultCodes.INVALID_AVP_VALUE,
  ],
  [
    'no scheme',
    () => request(replace(mar, mar[8]!, avp(cxAvps.sipAuthDataItem, [])), { command: MAR }),
    'missing-avp',
    resultCodes.MISSING_AVP,
  ],
  [
    'no vector wanted',
    () => request(replace(mar, mar[9]!, avp(cxAvps.sipNumberAuthItems, 0)), { command: MAR }),
    'no-items-wanted',
    resultCodes.INVALID_AVP_VALUE,
  ],
  [
    'AUTS without RAND',
    () =>
      request(
        replace(
          mar,
          mar[8]!,
          avp(cxAvps.sipAuthDataItem, [
            avp(cxAvps.sipAuthenticationScheme, 'Digest-AKAv1-MD5'),
            avp(cxAvps.sipAuthorization, Buffer.alloc(14)),
          ]),
        ),
        { command: MAR },
      ),
    'auts-length',
    resultCodes.INVALID_AVP_VALUE,
  ],
  [
    'a Server-Name that is no SIP URI',
    () => request(replace(mar, mar[10]!, avp(cxAvps.serverName, 'scscf.ims.test')), { command: MAR }),
    'server-name',
    resultCodes.INVALID_AVP_VALUE,
  ],
  [
    'a SAR about nobody',
    () => request(sar(types.REGISTRATION), { command: SAR }),
    'missing-identity',
    resultCodes.MISSING_AVP,
  ],
  [
    'a registration without User-Name',
    () => request(sar(types.REGISTRATION, identity), { command: SAR }),
    'missing-identity',
    resultCodes.MISSING_AVP,
  ],
  [
    'a registration of two',
    () => request(sar(types.REGISTRATION, user, identity, identity), { command: SAR }),
    'too-many-identities',
    resultCodes.AVP_OCCURS_TOO_MANY_TIMES,
  ],
  [
    'restoration information without Contact',
    () =>
      request(
        sar(
          types.REGISTRATION,
          user,
          identity,
          avp(cxAvps.scscfRestorationInfo, [user, avp(cxAvps.restorationInfo, [path])]),
        ),
        { command: SAR },
      ),
    'missing-avp',
    resultCodes.MISSING_AVP,
  ],
  [
    'X-D2 a short Unsigned32',
    () => request([...uar, encodedAvps(Buffer.from('0000026f80000010000028af00000000', 'hex').fill(0x0f, 7, 8))]),
    'damaged',
    resultCodes.INVALID_AVP_LENGTH,
  ],
];

function codeOf(answer: DiameterMessage): number | undefined {
  return readResult(answer)?.code;
}

describe('breaches of TS 29.229', () => {
  it.each(breaches)('%s is found, and answered with its error when enforced', async (_what, octets, id, code) => {
    const { hss, client } = await start();
    await client.raw(octets());
    expect(found(hss)).toContain(id);

    const strict = await start({ enforce: true });
    const answer = await strict.client.raw(octets());
    expect(found(strict.hss)).toContain(id);
    expect(codeOf(answer)).toBe(code);
    expect(answer.flags & 0x20).toBe(code < 4000 ? 0x20 : 0);
    if (id === 'missing-avp' || id === 'repeated-avp') expect(answer.avps.has(baseAvps.failedAvp)).toBe(true);
    // It goes on serving.
    expect(codeOf(await strict.client.raw(request(uar)))).toBe(2001);
  });

  it('X-D3 what a peer made long is not given back whole', async () => {
    const { hss, client } = await start({ enforce: true });
    const huge = 'r'.repeat(50_000);
    const realmAnswer = await client.raw(request(replace(uar, realm, avp(baseAvps.destinationRealm, huge))));
    expect(codeOf(realmAnswer)).toBe(resultCodes.REALM_NOT_SERVED);
    expect(realmAnswer.octets.length).toBeLessThan(1000);
    const impuAnswer = await client.raw(
      request(replace(lir, identity, avp(cxAvps.publicIdentity, huge)), { command: LIR }),
    );
    expect(codeOf(impuAnswer)).toBe(resultCodes.INVALID_AVP_VALUE);
    expect(impuAnswer.octets.length).toBeLessThan(1000);
    expect(impuAnswer.avps.grouped(baseAvps.failedAvp)?.text(cxAvps.publicIdentity)).toBe('');
    expect(found(hss)).toEqual(expect.arrayContaining(['destination-realm', 'public-identity']));
  });

  it('D-14 each answer is of Cx where the request was', async () => {
    const { client } = await start({ enforce: true });
    const named = async (octets: Buffer) => (await client.raw(octets)).avps.has(baseAvps.vendorSpecificApplicationId);
    expect(await named(request([...uar, identity]))).toBe(true);
    expect(await named(request(uar, { command: 399 }))).toBe(false);
  });

  it('D-02 D-17 our own requests have none, and none is refused', async () => {
    const { hss, client } = await start({ enforce: true, servers: [scscf] });
    const user = { impi, impu };
    const assignment = { impi, impus: [impu], serverName: scscf };
    expect(answered(await client.cx.userAuthorization({ ...user, visitedNetwork: 'ims.test' })).result.code).toBe(2001);
    const scheme = 'Digest-AKAv1-MD5';
    expect(answered(await client.cx.multimediaAuth({ ...user, serverName: scscf, scheme })).result.code).toBe(2001);
    const registration = { ...assignment, type: types.REGISTRATION, userDataAlreadyAvailable: false };
    expect(answered(await client.cx.serverAssignment(registration)).result.code).toBe(2001);
    const again = { ...assignment, type: types.RE_REGISTRATION, userDataAlreadyAvailable: true };
    expect(answered(await client.cx.serverAssignment(again)).result.code).toBe(2001);
    expect(answered(await client.cx.locationInfo({ impu, originating: true })).result.code).toBe(2001);
    const end = { ...assignment, type: types.USER_DEREGISTRATION, userDataAlreadyAvailable: true };
    expect(answered(await client.cx.serverAssignment(end)).result.code).toBe(2001);
    expect(found(hss)).toEqual([]);
    expect(hss.findings.breaches).toBe(0);
  });

  it.each([
    ['D-14 another host', avp(baseAvps.destinationHost, 'other.test'), resultCodes.UNABLE_TO_DELIVER],
    ['D-16 our own name in Route-Record', avp(baseAvps.routeRecord, 'HSS.ims.test'), resultCodes.LOOP_DETECTED],
  ])('%s is answered with its error, enforced or not, and counted', async (_what, more, code) => {
    for (const enforce of [false, true]) {
      const { hss, client } = await start({ enforce });
      expect(codeOf(await client.raw(request([...uar, more])))).toBe(code);
      expect(hss.counters().turnedDown).toBe(1);
    }
  });

  it('where the damage is small the request is served all the same', async () => {
    const { hss, client } = await start();
    const small = [
      without(uar, application),
      without(uar, stateless),
      uar.slice(0, -1),
      replace(uar, identity, flagged(identity, 0x80)),
      [application, session, ...uar.slice(2)],
      [...uar, identity],
    ];
    for (const avps of small) expect(codeOf(await client.raw(request(avps)))).toBe(2001);
    expect(hss.findings.breaches).toBe(small.length);
  });
});

describe('breaches that only the state shows', () => {
  it('User-Data-Already-Available is misused by an S-CSCF that was sent no profile', async () => {
    const assignment = {
      impi,
      impus: [impu],
      serverName: scscf,
      type: types.REGISTRATION,
      userDataAlreadyAvailable: true,
    };
    const { hss, client } = await start();
    expect(answered(await client.cx.serverAssignment(assignment)).result.code).toBe(2001);
    expect(found(hss)).toEqual(['profile-not-there']);
    const strict = await start({ enforce: true });
    const refused = answered(await strict.client.cx.serverAssignment(assignment));
    expect(refused.result).toMatchObject({ kind: 'base', code: resultCodes.INVALID_AVP_VALUE });
    expect(answered(await strict.client.cx.locationInfo({ impu })).result.code).toBe(5003);
  });

  it('another S-CSCF than the one assigned is noted, one that is not known is refused when enforced', async () => {
    const { hss, client } = await start({ enforce: true, servers: [scscf, 'sip:two.ims.test'] });
    const assignment = { impi, impus: [impu], type: types.REGISTRATION, userDataAlreadyAvailable: false };
    expect(answered(await client.cx.serverAssignment({ ...assignment, serverName: scscf })).result.code).toBe(2001);
    const other = answered(await client.cx.serverAssignment({ ...assignment, serverName: 'sip:two.ims.test' }));
    expect(other).toMatchObject({ result: { kind: 'experimental', code: 5005 }, serverName: scscf });
    const strange = answered(await client.cx.serverAssignment({ ...assignment, serverName: 'sip:three.ims.test' }));
    expect(strange.result).toMatchObject({ kind: 'base', code: resultCodes.INVALID_AVP_VALUE });
    expect(found(hss).sort()).toEqual(['(other-server)', '(registered-already)', 'unknown-server']);
  });

  it('what is odd, but no breach, is noted and never refused', async () => {
    const { hss, client } = await start({ enforce: true });
    const assignment = { impi, impus: [impu], serverName: scscf, userDataAlreadyAvailable: false };
    for (const type of [types.USER_DEREGISTRATION, types.RE_REGISTRATION, types.REGISTRATION]) {
      expect(answered(await client.cx.serverAssignment({ ...assignment, type })).result.code).toBe(2001);
    }
    expect(codeOf(await client.raw(request([...lir, path], { command: LIR })))).toBe(2001);
    expect(found(hss).sort()).toEqual([
      '(not-registered-any-more)',
      '(not-registered-yet)',
      '(registered-already)',
      '(unexpected-avp)',
    ]);
  });

  it('the T flag is counted; the same End-to-End Identifier without it is noted', async () => {
    const { hss, client } = await start();
    await client.raw(request(uar, { endToEnd: 7 }));
    await client.raw(request(uar, { endToEnd: 7, flags: 0xd0 }));
    expect(found(hss)).toEqual([]);
    expect(hss.counters()).toMatchObject({
      requests: { UAR: 2 },
      retransmitted: { UAR: 1 },
      results: { 'UAR x2001': 2 },
    });
    await client.raw(request(uar, { endToEnd: 7 }));
    expect(found(hss)).toEqual(['(end-to-end-reused)']);
  });

  it('TS 33.102 6.3.5: a wrong MAC-S is noted, and changes nothing', async () => {
    const { hss, client } = await start({ enforce: true });
    const wrong = { impi, impu, serverName: scscf, scheme: 'Digest-AKAv1-MD5', resync: Buffer.alloc(30, 1) };
    const answer = answered(await client.cx.multimediaAuth(wrong));
    expect(answer.result).toMatchObject({ kind: 'base', code: resultCodes.UNABLE_TO_COMPLY });
    expect(found(hss)).toEqual(['(wrong-auts)']);
    expect(hss.states.read(hss.table.byImpi(impi)!.subscription)).toMatchObject({ server: null, sequences: {} });
  });
});
