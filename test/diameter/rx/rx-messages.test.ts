import { describe, expect, it } from 'vitest';
import { rxCommands } from '#diameter/dictionary/rx';
import { baseResult, experimentalResult } from '#diameter/result';
import type { MediaComponent } from '#diameter/rx/media-component';
import { readAaRequest, readAbortSession, readReAuth, readSessionTermination } from '#diameter/rx/rx-read';
import type { AaRequest, ReAuth } from '#diameter/rx/rx-requests';
import { aaAnswer, reAuthAnswer, rxAnswer, sessionTerminationAnswer } from '#diameter/rx/rx-server';
import { codesOf, rxPair } from './rx-pair.ts';

const component: MediaComponent = {
  number: 1,
  subComponents: [
    {
      flowNumber: 1,
      flowDescriptions: ['permit out 17 from 10.0.0.9 50010 to 10.0.0.5 49152'],
      flowStatus: 2,
      flowUsage: 0,
      maxUplink: 1000,
      maxDownlink: 2000,
      signallingProtocol: 1,
    },
  ],
  applicationIdentifier: 'urn:urn-7:3gpp-service.ims.icsi.mmtel',
  mediaType: 0xffffffff,
  maxUplink: 38_000,
  maxDownlink: 41_000,
  minUplink: 38_000,
  minDownlink: 41_000,
  flowStatus: 2,
  reservationPriority: 3,
  rsBandwidth: 0,
  rrBandwidth: 2000,
  codecData: ['uplink\noffer\nm=audio 1 RTP/AVP 0\n', 'downlink\nanswer\nm=audio 2 RTP/AVP 0\n'],
};

const full: AaRequest = {
  sessionId: 'pcscf.ims.test;1;2',
  destinationHost: 'pcrf.epc.test',
  destinationRealm: 'epc.test',
  ipDomainId: 'domain',
  authSessionState: 0,
  applicationIdentifier: 'IMS Services',
  mediaComponents: [component],
  serviceInfoStatus: 1,
  chargingIdentifier: 'icid-1',
  forkingIndication: 1,
  specificActions: [2, 4, 9, 12],
  subscriptionIds: [{ type: 2, data: 'sip:001010000000001@ims.test' }],
  supportedFeatures: [{ listId: 1, features: 3 }],
  reservationPriority: 15,
  framedAddress: { address: '10.0.0.5', prefixLength: 32 },
  calledStationId: 'ims',
  serviceUrn: 'sos.police',
  mpsIdentifier: 'mps',
  requestType: 1,
  requiredAccessInfo: [0, 1],
};

const where = {
  ipCanType: 5,
  ratType: 1004,
  anGwAddresses: ['10.9.0.1', '2001:db8::1'],
  userLocation: Buffer.from('8200f110', 'hex'),
  userLocationTime: 1_760_000_000,
  timeZone: Buffer.from('0400', 'hex'),
  servingPlmn: '00101',
  twanIdentifier: Buffer.from('01', 'hex'),
  releaseCause: Buffer.from('02', 'hex'),
  ueLocalAddress: '192.0.2.7',
  udpSourcePort: 4500,
  tcpSourcePort: 443,
};

describe('Rx messages', () => {
  it('E.4 AAR carries each AVP of its row in the order of the table, and is read back as it was', async () => {
    const { af, messages, pcrf } = rxPair(77);
    let heard: AaRequest | undefined;
    pcrf.handle(rxCommands.aa, (request) => {
      heard = readAaRequest(request);
      return aaAnswer({ result: baseResult(2001) });
    });
    await af.authorize(full);
    expect(codesOf(messages[0]!)).toEqual([
      263, 258, 264, 296, 283, 293, 537, 277, 504, 517, 527, 505, 523, 513, 513, 513, 513, 443, 628, 458, 8, 30, 525,
      528, 533, 536, 536, 278,
    ]);
    expect(messages[0]!.flags).toBe(0xc0);
    expect(heard).toEqual(full);
  });

  it('E.4 Media-Component-Description and its sub-components have their AVPs in the order of the table', async () => {
    const { af, messages, pcrf } = rxPair();
    pcrf.handle(rxCommands.aa, () => aaAnswer({ result: baseResult(2001) }));
    await af.authorize(full);
    const inner = (octets: Buffer): number[] => {
      const codes: number[] = [];
      for (let at = 12; at < octets.length; at += (octets.readUIntBE(at + 5, 3) + 3) & ~3) {
        codes.push(octets.readUInt32BE(at));
      }
      return codes;
    };
    const { rxAvps } = await import('#diameter/dictionary/rx');
    const [group] = messages[0]!.avps.encoded(rxAvps.mediaComponentDescription);
    expect(inner(group!)).toEqual([518, 519, 504, 520, 516, 515, 535, 534, 511, 458, 522, 521, 524, 524]);
    const [sub] = messages[0]!.avps.grouped(rxAvps.mediaComponentDescription)!.encoded(rxAvps.mediaSubComponent);
    expect(inner(sub!)).toEqual([509, 507, 511, 512, 516, 515, 529]);
  });

  it('E.4 bandwidth above 32 bits is told in kbit/s beside the largest number, and read back', async () => {
    const { af, pcrf } = rxPair();
    let heard: AaRequest | undefined;
    pcrf.handle(rxCommands.aa, (request) => {
      heard = readAaRequest(request);
      return aaAnswer({ result: baseResult(2001) });
    });
    await af.authorize({ ...full, mediaComponents: [{ ...component, maxUplink: 5_000_000_000, maxDownlink: 1 }] });
    expect(heard?.mediaComponents[0]).toMatchObject({ maxUplink: 5_000_000_000, maxDownlink: 1 });
  });

  it('E.4 AAA carries each AVP of its row in the order of the table, and is read as it was meant', async () => {
    const { af, messages, pcrf } = rxPair();
    const content = {
      accessCharging: [{ value: Buffer.from('acr'), flows: [{ componentNumber: 1, flowNumbers: [1, 2] }] }],
      accessChargingAddress: '10.9.0.2',
      acceptable: { mediaComponents: [component], maxUplink: 30_000, maxDownlink: 20_000 },
      accessNetwork: where,
      flows: [{ componentNumber: 1, flowNumbers: [], componentStatus: 1 }],
      supportedFeatures: [{ listId: 1, features: 1 }],
      retryInterval: 7,
      authorizationLifetime: 3600,
      classes: [Buffer.from('one'), Buffer.from('two')],
      errorMessage: 'less, please',
    };
    pcrf.handle(rxCommands.aa, () => aaAnswer({ result: experimentalResult(5063), ...content }));
    const answer = await af.authorize(full);
    expect(answer).toMatchObject({ ...content, result: experimentalResult(5063), originHost: 'pcrf.epc.test' });
    expect(codesOf(messages[1]!)).toEqual([
      263, 258, 264, 296, 297, 502, 501, 526, 1050, 1050, 1027, 1032, 22, 2812, 23, 18, 29, 2819, 2805, 2806, 2843, 510,
      628, 541, 291, 25, 25, 281,
    ]);
  });

  it('E.4 STR and STA', async () => {
    const { af, messages, pcrf } = rxPair(5);
    let heard: unknown;
    pcrf.handle(rxCommands.sessionTermination, (request) => {
      heard = readSessionTermination(request);
      return sessionTerminationAnswer({ result: baseResult(2001), classes: [Buffer.from('x')], accessNetwork: where });
    });
    const request = {
      sessionId: 'pcscf.ims.test;1;2',
      destinationHost: 'pcrf.epc.test',
      destinationRealm: 'epc.test',
      requiredAccessInfo: [0],
      classes: [Buffer.from('one')],
    };
    const answer = await af.terminate(request);
    expect(heard).toEqual({ ...request, cause: 1 });
    expect(answer).toMatchObject({ result: baseResult(2001), accessNetwork: where });
    expect(codesOf(messages[0]!)).toEqual([263, 264, 296, 283, 258, 295, 293, 536, 25, 278]);
    expect(codesOf(messages[1]!).slice(0, 5)).toEqual([263, 264, 296, 268, 25]);
  });

  it('E.4 RAR and RAA', async () => {
    const { messages, pcscf, server } = rxPair();
    let heard: ReAuth | undefined;
    pcscf.handle(rxCommands.reAuth, (request) => {
      heard = readReAuth(request);
      return reAuthAnswer(baseResult(2001), [component]);
    });
    const request: ReAuth = {
      sessionId: 'pcscf.ims.test;1;2',
      destinationHost: 'pcscf.ims.test',
      destinationRealm: 'ims.test',
      specificActions: [1, 4, 12, 17],
      accessCharging: [{ value: Buffer.from('acr'), flows: [] }],
      accessChargingAddress: '10.9.0.2',
      flows: [{ componentNumber: 1, flowNumbers: [1, 2], componentStatus: undefined }],
      subscriptionIds: [{ type: 0, data: '15550001' }],
      abortCause: 0,
      accessNetwork: where,
    };
    expect(await server.reAuth(request)).toMatchObject({ result: baseResult(2001), originHost: 'pcscf.ims.test' });
    expect(heard).toEqual(request);
    expect(codesOf(messages[0]!)).toEqual([
      263, 264, 296, 283, 293, 258, 513, 513, 513, 513, 502, 501, 510, 443, 500, 1050, 1050, 1027, 1032, 22, 2812, 23,
      18, 29, 2819, 2805, 2806, 2843,
    ]);
    expect(codesOf(messages[1]!)).toEqual([263, 264, 296, 268, 517]);
  });

  it('E.4 ASR and ASA', async () => {
    const { messages, pcscf, server } = rxPair();
    let heard: unknown;
    pcscf.handle(rxCommands.abortSession, (request) => {
      heard = readAbortSession(request);
      return rxAnswer(2001);
    });
    const address = { sessionId: 'a;1;2', destinationHost: 'pcscf.ims.test', destinationRealm: 'ims.test' };
    expect(await server.abort({ ...address, cause: 3 })).toMatchObject({ result: baseResult(2001) });
    expect(heard).toEqual({ ...address, cause: 3 });
    expect(codesOf(messages[0]!)).toEqual([263, 264, 296, 283, 293, 258, 500]);
    expect(codesOf(messages[1]!)).toEqual([263, 264, 296, 268]);
  });

  it('D-14 a RAR without Specific-Action and an ASR without Abort-Cause get 5005', async () => {
    const { pcscf, server } = rxPair();
    pcscf.handle(rxCommands.reAuth, () => rxAnswer(2001));
    const address = { sessionId: 'a;1;2', destinationHost: 'pcscf.ims.test' };
    expect(await server.reAuth({ ...address, specificActions: [] })).toMatchObject({ result: baseResult(5005) });
    // Without a handler for ASR the command itself is unknown.
    expect(await server.abort({ ...address, cause: 0 })).toMatchObject({ result: baseResult(3001) });
  });
});
