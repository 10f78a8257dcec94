import { describe, expect, it } from 'vitest';
import type { MediaLineStates } from '#nodes/pcscf/media-components';
import { componentsOf, from, sdp } from './media-components-harness.ts';

const ueAddress = '10.46.0.5';
const farAddress = '10.46.0.9';

/** The one component of one stream in both descriptions. */
function one(ue: readonly string[], remote: readonly string[], options: Parameters<typeof componentsOf>[2] = {}) {
  const { components } = componentsOf(from(ueAddress, ...ue), from(farAddress, ...remote), options);
  expect(components).toHaveLength(1);
  return components[0]!;
}

function flowsOf(component: ReturnType<typeof one>) {
  return component.subComponents.map(({ flowNumber, flowDescriptions }) => [flowNumber, ...flowDescriptions]);
}

const audio = (port: number) => `m=audio ${port} RTP/AVP 0`;
const video = (port: number) => `m=video ${port} RTP/AVP 96`;

describe('mediaComponents', () => {
  it('Q-01 numbers components by their m-line and leaves out what was never taken', () => {
    const { components, states } = componentsOf(
      from(ueAddress, video(6000), audio(6002), 'm=text 6004 RTP/AVP 98'),
      from(farAddress, video(0), audio(7002), 'm=text 7004 RTP/AVP 98'),
    );
    expect(components.map(({ number, mediaType }) => [number, mediaType])).toEqual([
      [2, 0],
      [3, 5],
    ]);
    expect(states).toEqual(['none', 'active', 'active']);
  });

  it('Q-01 Q-03 tells a removed m-line once, without sub-components, and takes it back when it returns', () => {
    const both = (port: number, far = port) =>
      [from(ueAddress, audio(6000), video(port)), from(farAddress, audio(7000), video(far))] as const;
    let states: MediaLineStates = [];
    const told: (readonly number[])[] = [];
    for (const [ue, remote] of [both(6002), both(6002, 0), both(0), both(6002)]) {
      const result = componentsOf(ue, remote, { states });
      told.push(result.components.map(({ number, flowStatus }) => number * 10 + flowStatus!));
      states = result.states;
      const removed = result.components.find(({ flowStatus }) => flowStatus === 4);
      if (removed !== undefined) {
        expect(removed).toEqual({ number: 2, mediaType: 1, flowStatus: 4, subComponents: [], codecData: [] });
      }
    }
    expect(told).toEqual([[12, 22], [12, 24], [12], [12, 22]]);
  });

  it('Q-01 an m-line that one side forgot counts as removed', () => {
    const before = componentsOf(from(ueAddress, audio(6000), video(6002)), from(farAddress, audio(7000), video(7002)));
    const { components } = componentsOf(from(ueAddress, audio(6000)), from(farAddress, audio(7000)), before);
    expect(components.map(({ number, flowStatus }) => [number, flowStatus])).toEqual([
      [1, 2],
      [2, 4],
    ]);
  });

  it('Q-02 gives each media type its number', () => {
    const types = ['audio', 'VIDEO', 'data', 'application', 'control', 'text', 'message', 'image', 'whatever'];
    const lines = types.map((type, i) => `m=${type} ${6000 + 2 * i} RTP/AVP 96`);
    const { components } = componentsOf(from(ueAddress, ...lines), from(farAddress, ...lines));
    expect(components.map(({ mediaType }) => mediaType)).toEqual([0, 1, 2, 3, 4, 5, 6, 0xffffffff, 0xffffffff]);
  });

  it('Q-03 combines the directions of both sides, as the UE sees them', () => {
    const ways = ['sendrecv', 'sendonly', 'recvonly', 'inactive'];
    const table = ways.map((ue) =>
      ways.map((far) => one([audio(6000), `a=${ue}`], [audio(7000), `a=${far}`]).flowStatus),
    );
    expect(table).toEqual([
      [2, 1, 0, 3],
      [0, 3, 0, 3],
      [1, 1, 3, 3],
      [3, 3, 3, 3],
    ]);
  });

  it('Q-03 the direction of the session counts where the media says none, and sendrecv where nobody does', () => {
    const held = sdp('v=0', 's=-', `c=IN IP4 ${ueAddress}`, 't=0 0', 'a=sendonly', audio(6000));
    const split = sdp('v=0', 's=-', `c=IN IP4 ${ueAddress}`, 't=0 0', 'a=sendonly', audio(6000), 'a=recvonly');
    const far = from(farAddress, audio(7000));
    expect(componentsOf(held, far).components[0]?.flowStatus).toBe(0);
    expect(componentsOf(split, far).components[0]?.flowStatus).toBe(1);
  });

  it('Q-03 keeps gates shut before the 200 where early media is not allowed', () => {
    const early = { earlyMedia: false, isConfirmed: false };
    expect(one([audio(6000)], [audio(7000)], early).flowStatus).toBe(3);
    expect(one([audio(6000)], [audio(7000)], { earlyMedia: false }).flowStatus).toBe(2);
    expect(one([audio(6000)], [audio(7000)], { isConfirmed: false }).flowStatus).toBe(2);
  });

  it('Q-04 takes downlink from the UE and uplink from the far side, b=TIAS with its packets before b=AS', () => {
    const component = one(
      [audio(6000), 'b=AS:41', 'b=TIAS:30000'],
      [audio(7000), 'b=AS:38', 'b=TIAS:24000', 'a=maxprate:33.3'],
    );
    expect([component.maxDownlink, component.maxUplink]).toEqual([
      30_000 + 50 * 8 * 40,
      24_000 + Math.ceil(33.3 * 320),
    ]);
    const sixes = componentsOf(
      from('2001:db8::5', audio(6000), 'b=TIAS:30000'),
      from(farAddress, audio(7000), 'b=TIAS:30000', 'a=maxprate:bogus'),
    ).components[0]!;
    expect([sixes.maxDownlink, sixes.maxUplink]).toEqual([30_000 + 50 * 8 * 60, 30_000 + 50 * 8 * 40]);
  });

  it('Q-04 takes b=AS of the session where it has one stream, else defaults of codec or media type', () => {
    const session = (...media: readonly string[]) =>
      sdp('v=0', 's=-', `c=IN IP4 ${ueAddress}`, 'b=AS:99', 't=0 0', ...media);
    const rates = (ue: ReturnType<typeof session>, options: Parameters<typeof componentsOf>[2] = {}) =>
      componentsOf(ue, ue, options).components.map(({ maxDownlink }) => maxDownlink);
    expect(rates(session(audio(6000)))).toEqual([99_000]);
    expect(rates(session(audio(6000), video(0)))).toEqual([99_000]);
    expect(rates(session(audio(6000), video(6002), 'm=message 6004 TCP/MSRP *'))).toEqual([64_000, 512_000, undefined]);
    const defaultBandwidth = new Map([
      ['audio/amr-wb', 41_000],
      ['message', 9000],
    ]);
    const codecs = session(
      'm=audio 6000 RTP/AVP 104',
      'a=rtpmap:104 AMR-WB/16000',
      'm=message 6004 TCP/MSRP *',
      audio(6),
    );
    expect(rates(codecs, { defaultBandwidth })).toEqual([41_000, 9000, undefined]);
  });

  it('Q-04 a zero is told as zero, and disabled directions keep their value', () => {
    const component = one([audio(6000), 'b=AS:0', 'a=inactive'], [audio(7000), 'b=AS:38', 'a=inactive']);
    expect(component).toMatchObject({ maxDownlink: 0, maxUplink: 38_000, flowStatus: 3 });
  });

  it('Q-05 asks a guarantee for audio, for others when configured', () => {
    const lines = [audio(6000), 'b=AS:41', video(6002), 'b=AS:400'];
    const rates = (guaranteed?: ReadonlySet<string>) =>
      componentsOf(from(ueAddress, ...lines), from(farAddress, ...lines), guaranteed && { guaranteed }).components.map(
        ({ minDownlink, minUplink }) => [minUplink, minDownlink],
      );
    const none = [undefined, undefined];
    expect(rates()).toEqual([[41_000, 41_000], none]);
    expect(rates(new Set(['video']))).toEqual([none, [400_000, 400_000]]);
    expect(rates(new Set())).toEqual([none, none]);
  });

  it('Q-06 takes the larger of what both sides say of RTCP, zero too, and nothing where both are silent', () => {
    const rtcp = (ue: readonly string[], far: readonly string[]) => {
      const { rrBandwidth, rsBandwidth } = one([audio(6000), ...ue], [audio(7000), ...far]);
      return [rsBandwidth, rrBandwidth];
    };
    expect(rtcp(['b=RS:0', 'b=RR:2000'], ['b=RS:600', 'b=RR:1500'])).toEqual([600, 2000]);
    expect(rtcp(['b=RS:0'], [])).toEqual([0, undefined]);
    expect(rtcp(['b=AS:1'], ['b=AS:1'])).toEqual([undefined, undefined]);
    expect(rtcp(['b=RS:0', 'b=RR:0'], ['b=RS:0', 'b=RR:0'])).toEqual([0, 0]);
  });

  it('Q-07 every profile of RTP has a second sub-component for RTCP', () => {
    for (const profile of ['RTP/AVP', 'RTP/SAVP', 'RTP/AVPF', 'RTP/SAVPF', 'UDP/TLS/RTP/SAVPF']) {
      const component = one([`m=audio 6000 ${profile} 0`], [`m=audio 7000 ${profile} 0`]);
      expect(flowsOf(component)).toEqual([
        [
          1,
          'permit out 17 from 10.46.0.9 7000 to 10.46.0.5 6000',
          'permit in 17 from 10.46.0.5 6000 to 10.46.0.9 7000',
        ],
        [
          2,
          'permit out 17 from 10.46.0.9 7001 to 10.46.0.5 6001',
          'permit in 17 from 10.46.0.5 6001 to 10.46.0.9 7001',
        ],
      ]);
      expect(component.subComponents.map(({ flowUsage }) => flowUsage)).toEqual([0, 1]);
    }
  });

  it('Q-07 RTCP goes where a=rtcp says, beside RTP where both say a=rtcp-mux, and nowhere where both turn it off', () => {
    const elsewhere = one([audio(6000), 'a=rtcp:6100'], [audio(7000), 'a=rtcp:7100 IN IP4 10.46.0.77']);
    expect(flowsOf(elsewhere)[1]).toEqual([
      2,
      'permit out 17 from 10.46.0.77 7100 to 10.46.0.5 6100',
      'permit in 17 from 10.46.0.5 6100 to 10.46.0.77 7100',
    ]);
    const numbers = (ue: readonly string[], far: readonly string[]) =>
      one([audio(6000), ...ue], [audio(7000), ...far]).subComponents.map(({ flowNumber }) => flowNumber);
    expect(numbers(['a=rtcp-mux'], ['a=rtcp-mux'])).toEqual([1]);
    expect(numbers(['a=rtcp-mux'], [])).toEqual([1, 2]);
    expect(numbers(['b=RS:0', 'b=RR:0'], ['b=RS:0', 'b=RR:0'])).toEqual([1]);
    expect(numbers(['b=RS:0', 'b=RR:0'], ['b=RS:0'])).toEqual([1, 2]);
  });

  it('Q-07 MSRP is one flow of TCP, any port where an end opens the connection', () => {
    const line = (port: number, tls = '') => `m=message ${port} TCP/${tls}MSRP *`;
    expect(flowsOf(one([line(9), 'a=setup:active'], [line(2855), 'a=setup:passive']))).toEqual([
      [1, 'permit out 6 from 10.46.0.9 2855 to 10.46.0.5', 'permit in 6 from 10.46.0.5 to 10.46.0.9 2855'],
    ]);
    expect(flowsOf(one([line(2855, 'TLS/'), 'a=setup:actpass'], [line(2856, 'TLS/')]))).toEqual([
      [1, 'permit out 6 from 10.46.0.9 2856 to 10.46.0.5', 'permit in 6 from 10.46.0.5 to 10.46.0.9 2856'],
    ]);
  });

  it('Q-07 T.38 is one flow of UDP, other transports have their protocol', () => {
    const protocolOf = (transport: string) => {
      const component = one([`m=image 6000 ${transport} t38`], [`m=image 7000 ${transport} t38`]);
      expect(component.subComponents).toHaveLength(1);
      return component.subComponents[0]!.flowDescriptions[0]!.split(' ')[2];
    };
    const transports = ['udptl', 'UDP', 'DTLS/SCTP', 'UDP/DTLS/SCTP', 'SCTP', 'TCP', 'TCP/RTP/AVP', 'MSRP/TCP', 'odd'];
    expect(transports.map(protocolOf)).toEqual(['17', '17', '17', '17', '132', '6', '6', '6', 'ip']);
  });

  it('Q-08 describes ranges of ports, with one out and one in for each', () => {
    expect(flowsOf(one(['m=video 6000/2 RTP/AVP 96'], ['m=video 7000/2 RTP/AVP 96']))).toEqual([
      [
        1,
        'permit out 17 from 10.46.0.9 7000-7002 to 10.46.0.5 6000-6002',
        'permit in 17 from 10.46.0.5 6000-6002 to 10.46.0.9 7000-7002',
      ],
      [
        2,
        'permit out 17 from 10.46.0.9 7001-7003 to 10.46.0.5 6001-6003',
        'permit in 17 from 10.46.0.5 6001-6003 to 10.46.0.9 7001-7003',
      ],
    ]);
  });

  it('Q-08 leaves the port of the sender out when told to', () => {
    expect(flowsOf(one([audio(6000), 'a=rtcp-mux'], [audio(7000), 'a=rtcp-mux'], { omitSourcePorts: true }))).toEqual([
      [1, 'permit out 17 from 10.46.0.9 to 10.46.0.5 6000', 'permit in 17 from 10.46.0.5 to 10.46.0.9 7000'],
    ]);
  });

  it('Q-08 Q-09 writes IPv6 without brackets, and each side by its own description', () => {
    const { components } = componentsOf(from('2001:db8::5', audio(6000)), from(farAddress, audio(7000)));
    expect(flowsOf(components[0]!)[0]).toEqual([
      1,
      'permit out 17 from 10.46.0.9 7000 to 2001:db8::5 6000',
      'permit in 17 from 2001:db8::5 6000 to 10.46.0.9 7000',
    ]);
  });

  it('Q-09 c= of the media overrides that of the session; 0.0.0.0, :: and names are any', () => {
    const firstOf = (ue: string, far: string, more = {}) =>
      flowsOf(one([audio(6000), ...(ue === '' ? [] : [`c=IN ${ue}`])], [audio(7000), `c=IN ${far}`], more))[0]![1];
    expect(firstOf('IP4 10.46.1.1', 'IP4 10.46.1.2')).toBe('permit out 17 from 10.46.1.2 7000 to 10.46.1.1 6000');
    expect(firstOf('', 'IP4 0.0.0.0')).toBe('permit out 17 from any 7000 to 10.46.0.5 6000');
    expect(firstOf('', 'IP6 ::')).toBe('permit out 17 from any 7000 to 10.46.0.5 6000');
    expect(firstOf('', 'IP4 media.example.com')).toBe('permit out 17 from any 7000 to 10.46.0.5 6000');
    expect(firstOf('IP4 0.0.0.0', 'IP4 10.0.0.1', { ueAddress: '10.46.9.9' })).toBe(
      'permit out 17 from 10.0.0.1 7000 to 10.46.9.9 6000',
    );
  });

  it('Q-09 an address of 0.0.0.0 does not receive, and candidates of ICE change nothing', () => {
    expect(one([audio(6000)], [audio(7000), 'c=IN IP4 0.0.0.0']).flowStatus).toBe(1);
    expect(one([audio(6000), 'c=IN IP4 0.0.0.0'], [audio(7000)]).flowStatus).toBe(0);
    const plain = one([audio(6000)], [audio(7000)]);
    const ice = one([audio(6000), 'a=candidate:1 1 UDP 1 192.0.2.99 9999 typ host'], [audio(7000)]);
    expect(flowsOf(ice)).toEqual(flowsOf(plain));
  });

  it('Q-10 Codec-Data stands in the order offer, answer; without roles both are descriptions', () => {
    const heads = (offerer: 'ue' | 'remote' | null) =>
      one([audio(6000)], [audio(7000)], { offerer }).codecData.map((data) => data.split('\n', 2).join(' '));
    expect(heads('ue')).toEqual(['uplink offer', 'downlink answer']);
    expect(heads('remote')).toEqual(['downlink offer', 'uplink answer']);
    expect(heads(null)).toEqual(['uplink description', 'downlink description']);
  });

  it('Q-10 has b=, a= and i= of the media and what the session says for it, but no keys', () => {
    const ue = sdp(
      'v=0',
      's=-',
      `c=IN IP4 ${ueAddress}`,
      't=0 0',
      'a=sendonly',
      'a=ptime:40',
      'a=maxptime:80',
      'a=tool:x',
      audio(6000),
      'i=talk',
      'c=IN IP4 10.46.0.6',
      'b=AS:41',
      'k=clear:secret',
      'a=ptime:20',
      'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:secret',
      'a=key-mgmt:mikey secret',
      'a=ice-pwd:secret',
      'a=rtpmap:0 PCMU/8000',
    );
    const { components } = componentsOf(ue, from(farAddress, audio(7000)));
    expect(components[0]!.codecData[0]).toBe(
      'uplink\noffer\nm=audio 6000 RTP/AVP 0\ni=talk\nb=AS:41\na=ptime:20\na=rtpmap:0 PCMU/8000\na=maxptime:80\na=sendonly\n',
    );
  });

  it('Q-13 Q-14 an offer alone, with no precondition met, gives preliminary components', () => {
    const offer = from(
      ueAddress,
      audio(6000),
      'b=AS:41',
      'a=curr:qos local none',
      'a=des:qos mandatory local sendrecv',
    );
    const { components, states } = componentsOf(offer, null);
    expect(components[0]).toMatchObject({ number: 1, maxDownlink: 41_000, maxUplink: undefined, flowStatus: 2 });
    expect(flowsOf(components[0]!)).toEqual([
      [1, 'permit out 17 from any to 10.46.0.5 6000', 'permit in 17 from 10.46.0.5 6000 to any'],
      [2, 'permit out 17 from any to 10.46.0.5 6001', 'permit in 17 from 10.46.0.5 6001 to any'],
    ]);
    expect(components[0]!.codecData).toHaveLength(1);
    expect(states).toEqual(['active']);
    const { components: called } = componentsOf(null, from(farAddress, audio(7000)), { offerer: 'remote' });
    expect(flowsOf(called[0]!)[0]![1]).toBe('permit out 17 from 10.46.0.9 7000 to any');
  });

  it('RFC 8843 a stream that is in a bundle only has the port of the first', () => {
    const bundle = (port: number) => [audio(port), 'm=video 0 RTP/SAVPF 96', 'a=bundle-only', 'a=rtcp-mux'];
    const { components } = componentsOf(from(ueAddress, ...bundle(6000)), from(farAddress, ...bundle(7000)));
    expect(flowsOf(components[1]!)).toEqual([
      [1, 'permit out 17 from 10.46.0.9 7000 to 10.46.0.5 6000', 'permit in 17 from 10.46.0.5 6000 to 10.46.0.9 7000'],
    ]);
  });
});

describe('mediaComponents of hostile descriptions', () => {
  it('X-S11 64 m-lines of the worst kind stay within bounds', () => {
    const lines: string[] = [];
    for (let i = 0; i < 64; i++) {
      lines.push(`m=audio ${i === 0 ? 65535 : 60_000 + i}/65535 RTP/AVP ${'0 '.repeat(100)}0`);
      lines.push('b=TIAS:4294967295', 'a=maxprate:99999999999999999999', `a=${'x'.repeat(400)}`);
    }
    const worst = from(ueAddress, ...lines);
    const { components, states } = componentsOf(worst, worst);
    expect([components.length, states.length]).toEqual([64, 64]);
    let octets = 0;
    for (const { codecData, maxDownlink, subComponents } of components) {
      expect(Number.isSafeInteger(maxDownlink)).toBe(true);
      for (const data of codecData) {
        expect(data.length).toBeLessThanOrEqual(4096);
        octets += data.length;
      }
      for (const { flowDescriptions } of subComponents) {
        for (const flow of flowDescriptions) {
          for (const port of flow.match(/\d{4,}/g) ?? []) expect(Number(port)).toBeLessThanOrEqual(65535);
        }
      }
    }
    expect(octets).toBeLessThan(512 * 1024);
    const removed = componentsOf(from(ueAddress), from(farAddress), { states });
    expect(removed.components).toHaveLength(64);
  });

  it('X-S11 an m-line that alone is too long is cut between two formats', () => {
    const long = from(ueAddress, `m=audio 6000 RTP/AVP ${'12345 '.repeat(1500)}0`, 'b=AS:1');
    const [data] = componentsOf(long, from(farAddress, audio(7000))).components[0]!.codecData;
    expect(data!.length).toBeLessThanOrEqual(4096);
    expect(data).toMatch(/^uplink\noffer\nm=audio 6000 RTP\/AVP (12345 )+12345\nb=AS:1\n$|12345\n$/);
  });

  it('X-S11 garbage never throws', () => {
    const media = [
      'm=audio 65535 RTP/AVP 0',
      'm=audio 1 RTP/AVP 0',
      'a=rtcp:99999',
      'm=audio 6000 RTP/AVP x',
      'a=rtcp:0 IN IP4 any',
      'm=video 6000 RTP 1',
      'b=AS:-1',
      'b=AS:1e9',
      'b=TIAS:99999999999',
      'a=maxprate:.',
      'm=image 6000 udptl t38',
      'a=setup:',
      'm=a 1 / *',
      'c=IN IP9 x',
    ];
    const none = sdp('v=0');
    const odd = sdp('v=0', 's=-', ...media);
    for (const [ue, remote] of [
      [odd, odd],
      [odd, none],
      [none, odd],
      [none, none],
      [odd, null],
      [null, odd],
      [null, null],
    ] as const) {
      for (const offerer of ['ue', 'remote', null] as const) {
        const { components } = componentsOf(ue, remote, { offerer, states: ['active', 'removed', 'none'] });
        expect(components.length).toBeLessThanOrEqual(64);
      }
    }
  });
});
