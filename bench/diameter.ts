import { createRequire } from 'node:module';
import { applicationAvps } from '#diameter/answer';
import { checkRequest, requestRules } from '#diameter/check-request';
import { type Avp, avp, encodedAvps } from '#diameter/codec/avp-types';
import { decodeMessage } from '#diameter/codec/decode';
import { encodeAvps, encodeMessage } from '#diameter/codec/encode';
import type { DiameterMessage } from '#diameter/codec/message';
import { multimediaAuthAvps, serverAssignmentAvps } from '#diameter/cx/cx-requests';
import { readMultimediaAuthAnswer } from '#diameter/cx/cx-results';
import { multimediaAuthAnswer, readMultimediaAuth, readServerAssignment } from '#diameter/cx/cx-server';
import { baseAvps } from '#diameter/dictionary/base';
import { cxApplication, cxCommands, cxDictionary } from '#diameter/dictionary/cx';
import { rxApplication, rxDictionary } from '#diameter/dictionary/rx';
import { DecodeFailure } from '#diameter/errors';
import { baseResult, resultAvp } from '#diameter/result';
import { readAaRequest } from '#diameter/rx/rx-read';
import { aaRequestAvps } from '#diameter/rx/rx-requests';
import type { Bench } from './bench.ts';

/** The codec of the npm package `diameter`, which has no types. */
interface NpmCodec {
  decodeMessage(octets: Buffer): { body: unknown[] };
  encodeMessage(message: unknown): Buffer;
}

process.noDeprecation = true;
const npmCodec = createRequire(import.meta.url)('diameter/lib/diameter-codec.js') as NpmCodec;

const impi = '001010000000001@ims.mnc001.mcc001.3gppnetwork.org';
const impu = 'sip:001010000000001@ims.mnc001.mcc001.3gppnetwork.org';
const serverName = 'sip:scscf.ims.mnc001.mcc001.3gppnetwork.org:6060';
/** As the client does: what is the same in every message is encoded once. */
const common = encodedAvps(
  encodeAvps([
    ...applicationAvps(cxApplication),
    avp(baseAvps.originHost, 'scscf.ims.mnc001.mcc001.3gppnetwork.org'),
    avp(baseAvps.originRealm, 'ims.mnc001.mcc001.3gppnetwork.org'),
  ]),
);

function header(command: number, flags: number) {
  return { flags, command, application: cxApplication.id, hopByHop: 0x0400_0001, endToEnd: 0x1230_0001 };
}

function requestAvps(avps: readonly Avp[]): Avp[] {
  return [
    avp(baseAvps.sessionId, 'scscf.ims.mnc001.mcc001.3gppnetwork.org;1790000000;123456'),
    common,
    avp(baseAvps.destinationRealm, 'ims.mnc001.mcc001.3gppnetwork.org'),
    ...avps,
  ];
}

const marContent = { impi, impu, serverName, scheme: 'Digest-AKAv1-MD5' };
const sarContent = { impi, impus: [impu], serverName, type: 1, userDataAlreadyAvailable: false };
const maaContent = {
  result: baseResult(2001),
  impi,
  impu,
  items: [
    {
      itemNumber: 1,
      scheme: 'Digest-AKAv1-MD5',
      rand: Buffer.alloc(16, 1),
      autn: Buffer.alloc(16, 2),
      xres: Buffer.alloc(8, 3),
      ck: Buffer.alloc(16, 4),
      ik: Buffer.alloc(16, 5),
    },
  ],
};

const aarContent = {
  sessionId: 'pcscf.ims.mnc001.mcc001.3gppnetwork.org;1790000000;123456',
  applicationIdentifier: 'urn:urn-7:3gpp-service.ims.icsi.mmtel',
  mediaComponents: [
    {
      number: 1,
      subComponents: [1, 2].map((flowNumber) => ({
        flowNumber,
        flowDescriptions: [
          `permit out 17 from 10.46.0.9 5000${flowNumber} to 10.46.0.5 4915${flowNumber}`,
          `permit in 17 from 10.46.0.5 4915${flowNumber} to 10.46.0.9 5000${flowNumber}`,
        ],
        flowUsage: flowNumber - 1,
      })),
      mediaType: 0,
      maxUplink: 38_000,
      maxDownlink: 41_000,
      minUplink: 38_000,
      minDownlink: 41_000,
      flowStatus: 2,
      rsBandwidth: 600,
      rrBandwidth: 2000,
      codecData: [
        'uplink\noffer\nm=audio 49152 RTP/AVP 104 102 105\nb=AS:41\na=rtpmap:104 AMR-WB/16000/1\na=sendrecv\n',
        'downlink\nanswer\nm=audio 50010 RTP/AVP 104 105\nb=AS:38\na=rtpmap:104 AMR-WB/16000/1\na=sendrecv\n',
      ],
    },
  ],
  chargingIdentifier: 'icid-0a1b2c',
  specificActions: [2, 4, 9],
  subscriptionIds: [{ type: 2, data: impu }],
  framedAddress: { address: '10.46.0.5', prefixLength: 32 },
};
const pcscf = {
  originHost: 'pcscf.ims.mnc001.mcc001.3gppnetwork.org',
  originRealm: 'ims.mnc001.mcc001.3gppnetwork.org',
};

const aarHeader = { ...header(265, 0xc0), application: rxApplication.id };
const buildAar = () => [
  avp(baseAvps.sessionId, aarContent.sessionId),
  ...aaRequestAvps(aarContent, pcscf, 'epc.mnc001.mcc001.3gppnetwork.org'),
];
const aarAvps = buildAar();
const encodeAar = () => encodeMessage(aarHeader, buildAar());
const encodeMar = () => encodeMessage(header(303, 0xc0), requestAvps(multimediaAuthAvps(marContent)));
const encodeSar = () => encodeMessage(header(301, 0xc0), requestAvps(serverAssignmentAvps(sarContent)));
const encodeMaa = () =>
  encodeMessage(
    header(303, 0x40),
    requestAvps([resultAvp(maaContent.result), ...multimediaAuthAnswer(maaContent).avps]),
  );

let sink: unknown;

function repeat(work: () => unknown) {
  return (iterations: number) => {
    for (let i = 0; i < iterations; i++) sink = work();
    return sink;
  };
}

function decodeAnd<T>(octets: Buffer, read: (message: DiameterMessage) => T, dictionary = cxDictionary) {
  return () => {
    const message = decodeMessage(octets, dictionary);
    if (message instanceof DecodeFailure) throw new Error(message.reason);
    return read(message);
  };
}

const mar = encodeMar();
const maa = encodeMaa();
const sar = encodeSar();
const aar = encodeAar();
/** What a request of a peer is checked against before a handler sees it. */
const marRules = requestRules(cxCommands.multimediaAuth, cxDictionary, new Set());

/** The npm package knows no Cx: its messages carry as many AVPs of the base protocol, of like lengths. */
function npmSample(avpCount: number) {
  const body: [string, unknown][] = [
    ['Session-Id', 'scscf.ims.mnc001.mcc001.3gppnetwork.org;1790000000;123456'],
    ['Origin-Host', 'scscf.ims.mnc001.mcc001.3gppnetwork.org'],
    ['Origin-Realm', 'ims.mnc001.mcc001.3gppnetwork.org'],
    ['Destination-Realm', 'ims.mnc001.mcc001.3gppnetwork.org'],
    ['Auth-Application-Id', 0],
    ['Vendor-Id', 10415],
  ];
  while (body.length < avpCount) body.push(['User-Name', impi]);
  const flags = { request: true, proxiable: true, error: false, potentiallyRetransmitted: false };
  const message = {
    header: { version: 1, flags, commandCode: 257, applicationId: 0, hopByHopId: 1, endToEndId: 2 },
    body,
  };
  return { message, octets: npmCodec.encodeMessage(message) };
}

function npmEncode(avpCount: number) {
  const { message } = npmSample(avpCount);
  return { name: `npm encodes ${avpCount} base AVPs`, run: repeat(() => npmCodec.encodeMessage(message)) };
}

function npmDecode(avpCount: number) {
  const { octets } = npmSample(avpCount);
  return { name: `npm decodes ${avpCount} base AVPs`, run: repeat(() => npmCodec.decodeMessage(octets)) };
}

export const benches: readonly Bench[] = [
  { name: 'Diameter: encode MAR', run: repeat(encodeMar), baseline: npmEncode(14) },
  { name: 'Diameter: encode SAR', run: repeat(encodeSar), baseline: npmEncode(13) },
  { name: 'Diameter: encode MAA', run: repeat(encodeMaa), baseline: npmEncode(19) },
  {
    name: 'Diameter: decode and read MAR',
    run: repeat(decodeAnd(mar, readMultimediaAuth)),
    baseline: npmDecode(14),
  },
  {
    name: 'Diameter: decode and read SAR',
    run: repeat(decodeAnd(sar, readServerAssignment)),
    baseline: npmDecode(13),
  },
  {
    name: 'Diameter: decode and read MAA',
    run: repeat(decodeAnd(maa, readMultimediaAuthAnswer)),
    baseline: npmDecode(19),
  },
  {
    name: 'Diameter: encode AAR, codec alone',
    run: repeat(() => encodeMessage(aarHeader, aarAvps)),
    baseline: npmEncode(46),
  },
  { name: 'Diameter: build and encode AAR', run: repeat(encodeAar), baseline: npmEncode(46) },
  {
    name: 'Diameter: decode AAR, codec alone',
    run: repeat(decodeAnd(aar, (message) => message, rxDictionary)),
    baseline: npmDecode(46),
  },
  {
    name: 'Diameter: decode and read AAR',
    run: repeat(decodeAnd(aar, readAaRequest, rxDictionary)),
    baseline: npmDecode(46),
  },
  {
    name: 'Diameter: decode and check MAR',
    run: repeat(decodeAnd(mar, (message) => checkRequest(message, marRules))),
    baseline: 'Diameter: decode and read MAR',
  },
];
