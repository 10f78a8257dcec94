import { describe, expect, it } from 'vitest';
import { DiameterClient } from '#diameter/client';
import { rxDictionary } from '#diameter/dictionary/rx';
import { RxClient } from '#diameter/rx/rx-client';
import type { AaService } from '#diameter/rx/rx-requests';
import { defaultRxServiceOptions, mediaService, signallingService } from '#nodes/pcscf/rx-services';
import type { SessionDescription } from '#sip/sdp/session-description';
import { raw } from '../../diameter/rx/raw-avp.ts';
import { componentsOf, sdp } from './media-components-harness.ts';

const HOME = 'ims.mnc001.mcc001.3gppnetwork.org';
const mmtel = 'urn:urn-7:3gpp-service.ims.icsi.mmtel';

const offerMedia = [
  'm=audio 49152 RTP/AVP 104 102 105',
  'b=AS:41',
  'b=RS:0',
  'b=RR:2000',
  'a=rtpmap:104 AMR-WB/16000/1',
  'a=fmtp:104 mode-change-capability=2;max-red=0',
  'a=rtpmap:102 AMR/8000/1',
  'a=rtpmap:105 telephone-event/16000',
  'a=ptime:20',
  'a=maxptime:240',
  'a=curr:qos local none',
  'a=curr:qos remote none',
  'a=des:qos mandatory local sendrecv',
  'a=des:qos optional remote sendrecv',
  'a=sendrecv',
];
const answerMedia = [
  'm=audio 50010 RTP/AVP 104 105',
  'b=AS:38',
  'b=RS:600',
  'b=RR:2000',
  'a=rtpmap:104 AMR-WB/16000/1',
  'a=rtpmap:105 telephone-event/16000',
  'a=conf:qos remote sendrecv',
  'a=sendrecv',
];
const offer = sdp('v=0', 'o=- 1001 1 IN IP4 10.46.0.5', 's=-', 'c=IN IP4 10.46.0.5', 'b=AS:41', 't=0 0', ...offerMedia);
const answer = sdp('v=0', 'o=- 2 1 IN IP4 10.46.0.9', 's=-', 'c=IN IP4 10.46.0.9', 't=0 0', ...answerMedia);
const offerText = `offer\n${offerMedia.join('\n')}\n`;
const answerText = `answer\n${answerMedia.join('\n')}\n`;

/** The octets of the AAR that a P-CSCF sends for a service, without the header. */
function aarOf(service: AaService): Buffer {
  let sent = Buffer.alloc(0);
  const client = new DiameterClient(
    { send: (message) => (sent = Buffer.from(message)), answer: () => undefined },
    {
      worker: 0,
      identity: { originHost: `pcscf.${HOME}`, originRealm: HOME },
      dictionary: rxDictionary,
      bootSeconds: 3911223344,
    },
  );
  const rx = new RxClient(client, { realm: 'epc.mnc001.mcc001.3gppnetwork.org' });
  void rx.authorize({ ...service, sessionId: `pcscf.${HOME};3911223344;17` });
  client.stop();
  return sent.subarray(20);
}

const head = [
  raw(263, 'M', `pcscf.${HOME};3911223344;17`),
  raw(258, 'M', 16777236),
  raw(264, 'M', `pcscf.${HOME}`),
  raw(296, 'M', HOME),
  raw(283, 'M', 'epc.mnc001.mcc001.3gppnetwork.org'),
];

function subscription(uri: string): Buffer {
  return raw(443, 'M', [raw(450, 'M', 2), raw(444, 'M', uri)]);
}

interface Expected {
  readonly ue: string;
  readonly remote: string;
  readonly ports: readonly [ue: number, remote: number];
  readonly rates: readonly [uplink: number, downlink: number];
  readonly codecData: readonly [string, string];
  readonly flowStatus?: number;
}

function component({ ue, remote, ports, rates, codecData, flowStatus = 2 }: Expected): Buffer {
  const flow = (number: number, usage: number) => {
    const [near, far] = ports.map((port) => port + number - 1);
    return raw(519, 'MV', [
      raw(509, 'MV', number),
      raw(507, 'MV', `permit out 17 from ${remote} ${far} to ${ue} ${near}`),
      raw(507, 'MV', `permit in 17 from ${ue} ${near} to ${remote} ${far}`),
      raw(512, 'MV', usage),
    ]);
  };
  return raw(517, 'MV', [
    raw(518, 'MV', 1),
    flow(1, 0),
    flow(2, 1),
    raw(520, 'MV', 0),
    raw(516, 'MV', rates[0]),
    raw(515, 'MV', rates[1]),
    raw(535, 'V', rates[0]),
    raw(534, 'V', rates[1]),
    raw(511, 'MV', flowStatus),
    raw(522, 'MV', 600),
    raw(521, 'MV', 2000),
    raw(524, 'MV', codecData[0]),
    raw(524, 'MV', codecData[1]),
  ]);
}

function serviceOf(
  address: string,
  imsi: string,
  ue: SessionDescription,
  remote: SessionDescription,
  offerer: 'ue' | 'remote',
) {
  const { components } = componentsOf(ue, remote, { offerer });
  const user = { address, impus: ['tel:+15550001', `sip:${imsi}@HOME`] };
  const facts = { user, components, service: mmtel, icid: 'icid-0a1b2c', isPreliminary: false };
  return mediaService(facts, { ...defaultRxServiceOptions, mediaActions: [2, 4, 9, 12] });
}

describe('The worked example', () => {
  it('Q-01 Q-02 Q-03 Q-04 Q-05 Q-06 Q-07 Q-08 Q-10 Q-12 Q-14 D-70: AAR of the originating side, octet for octet', () => {
    const expected = Buffer.concat([
      ...head,
      raw(504, 'MV', mmtel),
      component({
        ue: '10.46.0.5',
        remote: '10.46.0.9',
        ports: [49152, 50010],
        rates: [38_000, 41_000],
        codecData: [`uplink\n${offerText}`, `downlink\n${answerText}`],
      }),
      raw(505, 'MV', 'icid-0a1b2c'),
      ...[2, 4, 9, 12].map((action) => raw(513, 'MV', action)),
      subscription('sip:001010000000001@HOME'),
      raw(8, 'M', Buffer.from('0a2e0005', 'hex')),
    ]);
    const sent = aarOf(serviceOf('10.46.0.5', '001010000000001', offer, answer, 'ue'));
    expect(sent.toString('hex')).toBe(expected.toString('hex'));
  });

  it('Q-08 Q-10 Q-11: AAR of the terminating side has the roles swapped, octet for octet', () => {
    const expected = Buffer.concat([
      ...head,
      raw(504, 'MV', mmtel),
      component({
        ue: '10.46.0.9',
        remote: '10.46.0.5',
        ports: [50010, 49152],
        rates: [41_000, 38_000],
        codecData: [`downlink\n${offerText}`, `uplink\n${answerText}`],
      }),
      raw(505, 'MV', 'icid-0a1b2c'),
      ...[2, 4, 9, 12].map((action) => raw(513, 'MV', action)),
      subscription('sip:001010000000002@HOME'),
      raw(8, 'M', Buffer.from('0a2e0009', 'hex')),
    ]);
    const sent = aarOf(serviceOf('10.46.0.9', '001010000000002', answer, offer, 'remote'));
    expect(sent.toString('hex')).toBe(expected.toString('hex'));
  });

  it('Q-03 Q-11: a hold by UE B is ENABLED-DOWNLINK at A and ENABLED-UPLINK at B', () => {
    const held = answer.clone();
    held.media[0]!.setDirection('sendonly');
    const obeying = offer.clone();
    obeying.media[0]!.setDirection('recvonly');
    const sendonly = answerText.replace('answer', 'offer').replace('a=sendrecv', 'a=sendonly');
    const recvonly = offerText.replace('offer', 'answer').replace('a=sendrecv', 'a=recvonly');
    const at = (ue: SessionDescription, remote: SessionDescription, offerer: 'ue' | 'remote') =>
      aarOf({ ...serviceOf('10.46.0.5', '1', ue, remote, offerer), specificActions: [] }).toString('hex');
    const atA = component({
      ue: '10.46.0.5',
      remote: '10.46.0.9',
      ports: [49152, 50010],
      rates: [38_000, 41_000],
      codecData: [`downlink\n${sendonly}`, `uplink\n${recvonly}`],
      flowStatus: 1,
    });
    const atB = component({
      ue: '10.46.0.9',
      remote: '10.46.0.5',
      ports: [50010, 49152],
      rates: [41_000, 38_000],
      codecData: [`uplink\n${sendonly}`, `downlink\n${recvonly}`],
      flowStatus: 0,
    });
    expect(at(obeying, held, 'remote')).toContain(atA.toString('hex'));
    expect(at(held, obeying, 'ue')).toContain(atB.toString('hex'));
  });

  const user = { address: '10.46.0.5', impus: ['sip:001010000000001@HOME'] };
  const path = { ueAddress: '10.46.0.5', uePort: 50600, ownAddress: '172.22.0.21', ownPort: 6100 };
  const sub = (number: number, flows: readonly string[]) =>
    raw(519, 'MV', [
      raw(509, 'MV', number),
      ...flows.map((flow) => raw(507, 'MV', flow)),
      raw(512, 'MV', 2),
      raw(529, 'V', 1),
    ]);
  const control = [raw(520, 'MV', 4), raw(511, 'MV', 2)];
  const mark = raw(517, 'MV', [raw(518, 'MV', 0), sub(0, []), ...control]);
  const rest = [
    ...[2, 3, 4].map((action) => raw(513, 'MV', action)),
    subscription('sip:001010000000001@HOME'),
    raw(8, 'M', Buffer.from('0a2e0005', 'hex')),
  ];

  it('P-121 D-70 E.6 Open5GS: AAR of a registration is a CONTROL component of number 0, octet for octet', () => {
    const expected = Buffer.concat([...head, raw(504, 'MV', 'IMS Services'), mark, ...rest]);
    expect(aarOf(signallingService(user, path)).toString('hex')).toBe(expected.toString('hex'));
  });

  it('P-121 provision-flows adds a component of number 1 with the flows of signalling', () => {
    const flows = [
      'permit out ip from 172.22.0.21 6100 to 10.46.0.5 50600',
      'permit in ip from 10.46.0.5 50600 to 172.22.0.21 6100',
    ];
    const described = raw(517, 'MV', [raw(518, 'MV', 1), sub(1, flows), ...control]);
    const expected = Buffer.concat([...head, raw(504, 'MV', 'IMS Services'), mark, described, ...rest]);
    const options = { ...defaultRxServiceOptions, provisionsFlows: true };
    expect(aarOf(signallingService(user, path, options)).toString('hex')).toBe(expected.toString('hex'));
  });

  it('P-121 E.6 Open5GS: an IPv6 UE is told by a prefix of 18 octets', () => {
    const sent = aarOf(signallingService({ ...user, address: '2001:db8::5' }, path));
    const prefix = raw(97, 'M', Buffer.from(`0080${'20010db8'.padEnd(31, '0')}5`, 'hex'));
    expect(prefix).toHaveLength(28);
    expect(sent.subarray(-28).toString('hex')).toBe(prefix.toString('hex'));
  });
});
