import { describe, expect, it } from 'vitest';
import { DiameterClient } from '#diameter/client';
import { decodeMessage } from '#diameter/codec/decode';
import { encodeMessage } from '#diameter/codec/encode';
import { type DiameterMessage, readHeader } from '#diameter/codec/message';
import { CxClient } from '#diameter/cx/cx-client';
import type { MultimediaAuth, ServerAssignment } from '#diameter/cx/cx-requests';
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
import { cxAvps, cxCommands, cxDictionary } from '#diameter/dictionary/cx';
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

  it('E.3 MAA gives SIP Digest, and nothing for keys of impossible length', async () => {
    const { cx, hss } = pair();
    const digest = { realm: 'ims.test', algorithm: 'MD5', qop: 'auth', ha1: '0123456789abcdef0123456789abcdef' };
    hss.handle(cxCommands.multimediaAuth, () =>
      multimediaAuthAnswer({
        result: baseResult(2001),
        items: [
          {
            itemNumber: 1,
            scheme: 'SIP Digest',
            digest,
            rand: Buffer.alloc(15),
            autn: Buffer.alloc(16),
            xres: Buffer.alloc(3),
            ck: Buffer.alloc(17),
            ik: Buffer.alloc(0),
          },
        ],
      }),
    );
    const answer = await cx.multimediaAuth({ impi, impu, serverName, scheme: 'SIP Digest' });
    if (answer.failure !== undefined) throw new Error(answer.words);
    const none = { rand: undefined, autn: undefined, xres: undefined, ck: undefined, ik: undefined };
    expect(answer.items[0]).toMatchObject({ scheme: 'SIP Digest', digest, ...none });
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

  it('D-45 sends Supported-Features only when it is told to', async () => {
    const { cx, requests } = pair(3);
    void cx.locationInfo({ impu });
    expect(codesOf(requests[0])).toEqual([...head, 283, 628, 601]);
    expect(requests[0]?.avps.grouped(cxAvps.supportedFeatures)?.unsigned32(cxAvps.featureList)).toBe(3);
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
