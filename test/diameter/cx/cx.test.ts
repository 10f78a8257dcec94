import { describe, expect, it } from 'vitest';
import { DiameterClient, type RequestHandler } from '#diameter/client';
import type { Avp } from '#diameter/codec/avp-types';
import { decodeMessage } from '#diameter/codec/decode';
import { encodeMessage } from '#diameter/codec/encode';
import { type DiameterMessage, readHeader } from '#diameter/codec/message';
import { CxClient } from '#diameter/cx/cx-client';
import {
  cxFeatures,
  type MultimediaAuth,
  type ServerAssignment,
  sarFlags,
  serverAssignmentTypes,
} from '#diameter/cx/cx-requests';
import {
  locationInfoAnswer,
  multimediaAuthAnswer,
  readLocationInfo,
  readMultimediaAuth,
  readServerAssignment,
  readUserAuthorization,
  serverAssignmentAnswer,
  userAuthorizationAnswer,
} from '#diameter/cx/cx-server';
import {
  deregistrationReasons,
  pushProfileAnswer,
  pushProfileAvps,
  readPushProfile,
  readRegistrationTermination,
  readRegistrationTerminationAnswer,
  registrationTerminationAnswer,
  registrationTerminationAvps,
} from '#diameter/cx/hss-requests';
import { baseAvps } from '#diameter/dictionary/base';
import { cxAvps, cxCommands, cxDictionary } from '#diameter/dictionary/cx';
import type { CommandDefinition } from '#diameter/dictionary/dictionary';
import { DecodeFailure } from '#diameter/errors';
import { baseResult, experimentalResult } from '#diameter/result';
import { ManualClock } from '../manual-clock.ts';

/** A CSCF and an HSS joined by function calls; `requests` is what the HSS heard. */
function pair(features?: number) {
  const requests: DiameterMessage[] = [];
  const clock = new ManualClock();
  const cscf: DiameterClient = new DiameterClient(
    {
      send: (message) => {
        const decoded = decodeMessage(message, cxDictionary);
        if (decoded instanceof DecodeFailure) throw new Error(decoded.reason);
        requests.push(decoded);
        hss.onMessage(message);
      },
      answer: () => undefined,
    },
    { worker: 3, identity: { originHost: 'scscf.ims.test', originRealm: 'ims.test' }, dictionary: cxDictionary, clock },
  );
  const hss: DiameterClient = new DiameterClient(
    { send: () => undefined, answer: (message) => cscf.onMessage(message) },
    { worker: 0, identity: { originHost: 'hss.ims.test', originRealm: 'ims.test' }, dictionary: cxDictionary, clock },
  );
  return { cx: new CxClient(cscf, { homeRealm: 'ims.test', features }), hss, requests };
}

/** An HSS that asks an S-CSCF; `request` is what it sent last. */
function hssPair() {
  let sent: Buffer | undefined;
  const clock = new ManualClock();
  const options = { worker: 0, dictionary: cxDictionary, clock };
  const hss: DiameterClient = new DiameterClient(
    {
      send: (message) => {
        sent = message;
        scscf.onMessage(message);
      },
      answer: () => undefined,
    },
    { ...options, identity: { originHost: 'hss.ims.test', originRealm: 'ims.test' } },
  );
  const scscf: DiameterClient = new DiameterClient(
    { send: () => undefined, answer: (message) => hss.onMessage(message) },
    { ...options, identity: { originHost: 'scscf.ims.test', originRealm: 'ims.test' } },
  );
  return {
    request: () => decodeMessage(sent!, cxDictionary) as DiameterMessage,
    async ask(command: CommandDefinition, avps: readonly Avp[], handler: RequestHandler): Promise<DiameterMessage> {
      scscf.handle(command, handler);
      const destination = { destinationHost: 'scscf.ims.test', destinationRealm: 'ims.test' };
      const answer = await hss.request({ command, ...destination, avps }, (message) => message);
      if ('failure' in answer) throw new Error(answer.words);
      return answer;
    },
  };
}

function codesOf(message: DiameterMessage | undefined): number[] {
  const codes: number[] = [];
  message?.avps.forEach((_offset, code) => {
    codes.push(code);
  });
  return codes;
}

const impi = 'user@ims.test';
const impu = 'sip:user@ims.test';
const serverName = 'sip:scscf.ims.test:6060';
const head = [263, 260, 277, 264, 296];

describe('CxClient', () => {
  it('E.3 UAR/UAA carry each AVP of their rows', async () => {
    const { cx, hss, requests } = pair();
    let heard: unknown;
    hss.handle(cxCommands.userAuthorization, (request) => {
      heard = readUserAuthorization(request);
      return userAuthorizationAnswer({
        result: experimentalResult(2001),
        capabilities: { mandatory: [1, 2], optional: [7], serverNames: [serverName] },
      });
    });
    const asked = { impi, impu, visitedNetwork: 'visited.test', type: 2, emergency: true } as const;
    const answer = await cx.userAuthorization(asked);
    expect(heard).toMatchObject({ ...asked, destinationRealm: 'ims.test', destinationHost: undefined });
    expect(answer).toMatchObject({
      result: { kind: 'experimental', code: 2001, vendor: 10415 },
      serverName: undefined,
      capabilities: { mandatory: [1, 2], optional: [7], serverNames: [serverName] },
      originHost: 'hss.ims.test',
      originRealm: 'ims.test',
    });
    expect(codesOf(requests[0])).toEqual([...head, 283, 1, 601, 600, 623, 637]);
    await cx.userAuthorization({ impi, impu, visitedNetwork: 'v' });
    expect(codesOf(requests[1])).toEqual([...head, 283, 1, 601, 600]);
  });

  it('E.3 MAR/MAA carry vectors in the order of their item numbers, and the resynchronisation', async () => {
    const { cx, hss, requests } = pair();
    const heard: MultimediaAuth[] = [];
    const vector = (itemNumber: number) => ({
      itemNumber,
      scheme: 'Digest-AKAv1-MD5',
      rand: Buffer.alloc(16, itemNumber),
      autn: Buffer.alloc(16, 0xa0 + itemNumber),
      xres: Buffer.alloc(8, 0xb0),
      ck: Buffer.alloc(16, 0xc0),
      ik: Buffer.alloc(16, 0xd0),
    });
    hss.handle(cxCommands.multimediaAuth, (request) => {
      heard.push(readMultimediaAuth(request));
      return multimediaAuthAnswer({ result: baseResult(2001), impi, impu, items: [vector(2), vector(1)] });
    });
    const resync = Buffer.alloc(30, 9);
    const answer = await cx.multimediaAuth({ impi, impu, serverName, scheme: 'Digest-AKAv1-MD5', items: 2, resync });
    if (answer.failure !== undefined) throw new Error(answer.words);
    expect(answer.items).toEqual([1, 2].map((n) => ({ ...vector(n), digest: undefined, lineIdentifiers: [] })));
    expect(heard[0]).toMatchObject({ impi, impu, serverName, scheme: 'Digest-AKAv1-MD5', items: 2 });
    expect(heard[0]?.resync?.equals(resync)).toBe(true);
    expect(codesOf(requests[0])).toEqual([...head, 283, 1, 601, 612, 607, 602]);
    await cx.multimediaAuth({ impi, impu, serverName, scheme: 'Unknown' });
    expect(heard[1]).toMatchObject({ scheme: 'Unknown', items: 1, resync: undefined });
  });

  it('E.3 MAA gives SIP Digest, and nothing for keys that are not there', async () => {
    const { cx, hss } = pair();
    const digest = { realm: 'ims.test', algorithm: 'MD5', qop: 'auth', ha1: '0123456789abcdef0123456789abcdef' };
    hss.handle(cxCommands.multimediaAuth, () =>
      multimediaAuthAnswer({ result: baseResult(2001), items: [{ itemNumber: 1, scheme: 'SIP Digest', digest }] }),
    );
    const answer = await cx.multimediaAuth({ impi, impu, serverName, scheme: 'SIP Digest' });
    if (answer.failure !== undefined) throw new Error(answer.words);
    const none = { rand: undefined, autn: undefined, xres: undefined, ck: undefined, ik: undefined };
    expect(answer.items[0]).toMatchObject({ scheme: 'SIP Digest', digest, ...none });
  });

  it.each([
    ['RAND and AUTN', { rand: Buffer.alloc(15) }, 'SIP-Authenticate has 31 octets instead of 32'],
    ['XRES', { xres: Buffer.alloc(3) }, 'SIP-Authorization has 3 octets instead of 4 to 16'],
    ['XRES', { xres: Buffer.alloc(17) }, 'SIP-Authorization has 17 octets instead of 4 to 16'],
    ['CK', { ck: Buffer.alloc(17) }, 'Confidentiality-Key has 17 octets instead of 16'],
    ['IK', { ik: Buffer.alloc(0) }, 'Integrity-Key has 0 octets instead of 16'],
  ])('E.3 X-D2 MAA with %s of another length is malformed, whatever else it has', async (_part, wrong, words) => {
    const { cx, hss } = pair();
    const digest = { realm: 'ims.test', algorithm: 'MD5', qop: 'auth', ha1: '0123456789abcdef0123456789abcdef' };
    const good = {
      itemNumber: 1,
      scheme: 'Digest-AKAv1-MD5',
      rand: Buffer.alloc(16, 1),
      autn: Buffer.alloc(16, 2),
      xres: Buffer.alloc(8, 3),
      ck: Buffer.alloc(16, 4),
      ik: Buffer.alloc(16, 5),
    };
    const items = [good, { ...good, ...wrong, itemNumber: 2, digest }];
    hss.handle(cxCommands.multimediaAuth, () => multimediaAuthAnswer({ result: baseResult(2001), items }));
    const answer = await cx.multimediaAuth({ impi, impu, serverName, scheme: 'Digest-AKAv1-MD5', items: 2 });
    expect(answer).toEqual({ failure: 'malformed', words });
  });

  it('E.3 SAR/SAA carry identities, profile and charging addresses', async () => {
    const { cx, hss, requests } = pair();
    let heard: ServerAssignment | undefined;
    const charging = {
      primaryCcf: 'aaa://ccf1',
      secondaryCcf: undefined,
      primaryEcf: 'aaa://ecf1',
      secondaryEcf: undefined,
    };
    hss.handle(cxCommands.serverAssignment, (request) => {
      heard = readServerAssignment(request);
      return serverAssignmentAnswer({
        result: baseResult(2001),
        impi,
        userData: '<IMSSubscription>\u00c3\u00a9</IMSSubscription>',
        charging,
        associatedIdentities: ['a@b', 'c@d'],
        wildcardedPublicIdentity: 'sip:!.*!@ims.test',
      });
    });
    const asked = {
      impi,
      impus: [impu, 'tel:+1555'],
      serverName,
      type: 1,
      userDataAlreadyAvailable: false,
      wildcardedImpu: 'sip:!x!@y',
      destinationHost: 'hss.ims.test',
    };
    const answer = await cx.serverAssignment(asked);
    if (answer.failure !== undefined) throw new Error(answer.words);
    expect(heard).toMatchObject(asked);
    expect(answer.userData?.toString('utf8')).toBe('<IMSSubscription>\u00e9</IMSSubscription>');
    expect(answer).toMatchObject({
      charging,
      associatedIdentities: ['a@b', 'c@d'],
      wildcardedPublicIdentity: 'sip:!.*!@ims.test',
    });
    expect(codesOf(requests[0])).toEqual([...head, 293, 283, 1, 601, 601, 634, 602, 614, 624]);
    await cx.serverAssignment({ impus: [], serverName, type: 5, userDataAlreadyAvailable: true });
    expect(codesOf(requests[1])).toEqual([...head, 283, 602, 614, 624]);
  });

  it('E.3 LIR/LIA carry the identity alone, and what leads to the server', async () => {
    const { cx, hss, requests } = pair();
    hss.handle(cxCommands.locationInfo, (request) => {
      const { originating } = readLocationInfo(request);
      if (originating === true) return locationInfoAnswer({ result: experimentalResult(5003) });
      return locationInfoAnswer({
        result: baseResult(2001),
        serverName,
        liaFlags: 1,
        wildcardedPublicIdentity: 'sip:!.*!@ims.test',
      });
    });
    expect(await cx.locationInfo({ impu })).toMatchObject({
      serverName,
      liaFlags: 1,
      wildcardedPublicIdentity: 'sip:!.*!@ims.test',
      capabilities: undefined,
    });
    expect(await cx.locationInfo({ impu, originating: true, type: 2 })).toMatchObject({
      result: { kind: 'experimental', code: 5003 },
      serverName: undefined,
    });
    expect(codesOf(requests[0])).toEqual([...head, 283, 601]);
    expect(codesOf(requests[1])).toEqual([...head, 283, 601, 633, 623]);
  });

  it('E.3 SAR carries what is to be kept for a restoration, priority and flags; SAA gives all of it back', async () => {
    const { cx, hss, requests } = pair();
    const subscription = {
      callId: 'c',
      from: '<sip:a>;tag=1',
      to: '<sip:a>;tag=2',
      recordRoute: '<sip:p;lr>',
      contact: '<sip:s>',
    };
    const restorationInfos = [
      {
        impi,
        scheme: 'Digest-AKAv1-MD5',
        contacts: [
          { path: '<sip:p;lr>', contact: '<sip:a@10.0.0.1>', initialCseq: 7, callId: 'reg-1', subscription },
          { path: '', contact: '<sip:a@10.0.0.2>', initialCseq: undefined, callId: undefined, subscription: undefined },
        ],
      },
    ];
    const allowedIdentities = {
      authenticationFunctions: ['waf.ims.test'],
      webServerFunctions: ['wwsf.ims.test', 'w2'],
    };
    let heard: ServerAssignment | undefined;
    hss.handle(cxCommands.serverAssignment, (request) => {
      heard = readServerAssignment(request);
      return serverAssignmentAnswer({
        result: baseResult(2002),
        impi,
        associatedIdentities: ['a@b'],
        looseRoute: true,
        restorationInfos,
        associatedRegisteredIdentities: ['c@d'],
        serverName,
        priviledgedSender: true,
        allowedIdentities,
      });
    });
    const asked = {
      impi,
      impus: [impu],
      serverName,
      type: serverAssignmentTypes.RESTORATION,
      userDataAlreadyAvailable: false,
      restorationInfos,
      multipleRegistration: true,
      sessionPriority: 2,
      sarFlags: sarFlags.P_CSCF_RESTORATION,
    };
    const answer = await cx.serverAssignment(asked);
    expect(heard).toMatchObject(asked);
    expect(answer).toMatchObject({
      result: { kind: 'base', code: 2002 },
      restorationInfos,
      looseRoute: true,
      associatedIdentities: ['a@b'],
      associatedRegisteredIdentities: ['c@d'],
      serverName,
      priviledgedSender: true,
      allowedIdentities,
    });
    expect(codesOf(requests[0])).toEqual([...head, 283, 1, 601, 602, 614, 624, 639, 648, 650, 655]);
    const group = requests[0]!.avps.grouped(cxAvps.scscfRestorationInfo)!;
    expect(group.text(baseAvps.userName)).toBe(impi);
    expect(group.groups(cxAvps.restorationInfo)).toHaveLength(2);
  });

  it('E.3 names every kind of assignment, 0 to 14', () => {
    expect(Object.values(serverAssignmentTypes)).toEqual(Array.from({ length: 15 }, (_, i) => i));
  });

  it('E.3 LIR carries the priority of the session', async () => {
    const { cx, requests } = pair();
    void cx.locationInfo({ impu, sessionPriority: 1 });
    expect(codesOf(requests[0])).toEqual([...head, 283, 601, 650]);
  });

  it('E.3 RTR/RTA and PPR/PPA carry each AVP of their rows', async () => {
    const termination = {
      impi,
      impus: [impu, 'tel:+1555'],
      associatedIdentities: ['other@ims.test'],
      reasonCode: deregistrationReasons.SERVER_CHANGE,
      reasonInfo: 'moved',
      rtrFlags: 1,
    };
    const { request, ask } = hssPair();
    const rta = await ask(cxCommands.registrationTermination, registrationTerminationAvps(termination), (message) => {
      expect(readRegistrationTermination(message)).toEqual({
        ...termination,
        originHost: 'hss.ims.test',
        originRealm: 'ims.test',
      });
      return registrationTerminationAnswer({
        result: baseResult(2001),
        associatedIdentities: ['other@ims.test'],
        emergencies: [{ impi, impu }],
      });
    });
    expect(codesOf(request())).toEqual([...head, 293, 283, 1, 601, 601, 632, 615, 659]);
    expect(codesOf(rta)).toEqual([263, 260, 268, 277, 264, 296, 632, 651]);
    expect(readRegistrationTerminationAnswer(rta)).toMatchObject({
      result: { kind: 'base', code: 2001 },
      associatedIdentities: ['other@ims.test'],
      emergencies: [{ impi, impu }],
    });

    const userData = '<IMSSubscription/>';
    const allowedIdentities = { authenticationFunctions: ['waf'], webServerFunctions: [] };
    const pushed = pushProfileAvps({ impi, userData, charging: { primaryEcf: 'aaa://ecf' }, allowedIdentities });
    const ppa = await ask(cxCommands.pushProfile, pushed, (message) => {
      const read = readPushProfile(message);
      expect(read).toMatchObject({
        impi,
        allowedIdentities,
        authDataItem: undefined,
        charging: { primaryEcf: 'aaa://ecf' },
      });
      expect(read.userData?.toString()).toBe(userData);
      return pushProfileAnswer(experimentalResult(5009));
    });
    expect(codesOf(request())).toEqual([...head, 293, 283, 1, 606, 618, 656]);
    expect(codesOf(ppa)).toEqual([263, 260, 297, 277, 264, 296]);
  });

  it('S-72 an RTR with User-Name and reason alone reads as one of all identities', async () => {
    const { ask } = hssPair();
    let read: unknown;
    await ask(cxCommands.registrationTermination, registrationTerminationAvps({ impi, reasonCode: 0 }), (message) => {
      read = readRegistrationTermination(message);
      return registrationTerminationAnswer({ result: baseResult(2001) });
    });
    expect(read).toMatchObject({
      impus: [],
      associatedIdentities: [],
      reasonCode: 0,
      reasonInfo: undefined,
      rtrFlags: 0,
    });
  });

  it('D-45 sends Supported-Features only when it is told to', async () => {
    const { cx, requests } = pair(3);
    void cx.locationInfo({ impu });
    expect(codesOf(requests[0])).toEqual([...head, 283, 628, 601]);
    expect(requests[0]?.avps.grouped(cxAvps.supportedFeatures)?.unsigned32(cxAvps.featureList)).toBe(3);
    expect(cxFeatures.sifc | cxFeatures.aliasind).toBe(3);
    for (const none of [undefined, 0]) {
      const other = pair(none);
      void other.cx.locationInfo({ impu });
      expect(codesOf(other.requests[0])).toEqual([...head, 283, 601]);
    }
  });

  it('D-14 an HSS without a handler refuses, and that is an answer', async () => {
    const { cx, hss } = pair();
    hss.handle(cxCommands.locationInfo, () => locationInfoAnswer({ result: baseResult(2001) }));
    expect(await cx.userAuthorization({ impi, impu, visitedNetwork: 'v' })).toMatchObject({
      result: { kind: 'base', code: 3001 },
      errorMessage: 'command 300 is not served here',
    });
  });

  it('X-D2 an answer without a result has failed', async () => {
    const sent: Buffer[] = [];
    const client = new DiameterClient(
      { send: (message) => sent.push(message), answer: () => undefined },
      { worker: 0, identity: { originHost: 'scscf.ims.test', originRealm: 'ims.test' }, dictionary: cxDictionary },
    );
    const outcome = new CxClient(client, { homeRealm: 'ims.test' }).locationInfo({ impu });
    client.onMessage(encodeMessage({ ...readHeader(sent[0] ?? Buffer.alloc(20)), flags: 0 }, []));
    expect(await outcome).toMatchObject({ failure: 'malformed', words: 'the answer tells no result' });
  });
});
