import { afterEach, describe, expect, it } from 'vitest';
import { type DiameterMessage, FLAG_ERROR } from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import { rxAvps } from '#diameter/dictionary/rx';
import { readResult } from '#diameter/result';
import { raw, rawMessage } from '../../diameter/rx/raw-avp.ts';
import { found, rule, running } from './pcrf-client.ts';

const lab = running();
afterEach(() => lab.close());

const AAR = 265;
const STR = 275;
let identifiers = 1000;
let sessions = 0;

const host = raw(264, 'M', 'pcscf.ims.test');
const realm = raw(296, 'M', 'ims.test');
const toRealm = raw(283, 'M', 'epc.test');
const toHost = raw(293, 'M', 'pcrf.epc.test');
const application = raw(258, 'M', 16777236);
const framed = raw(8, 'M', Buffer.from([10, 46, 0, 5]));
const subscriber = raw(443, 'M', [raw(450, 'M', 2), raw(444, 'M', 'sip:alice@ims.test')]);
const loss = raw(513, 'MV', 2);

const out = 'permit out 17 from 10.46.0.9 50010 to 10.46.0.5 49152';
const into = 'permit in 17 from 10.46.0.5 49152 to 10.46.0.9 50010';
const codecs = ['uplink\noffer\nm=audio 49152 RTP/AVP 8\n', 'downlink\nanswer\nm=audio 50010 RTP/AVP 8\n'];

const number = (value: number) => raw(518, 'MV', value);
const flowNumber = (value: number) => raw(509, 'MV', value);
const filter = (text: string) => raw(507, 'MV', text);
const subComponent = (...avps: Buffer[]) => raw(519, 'MV', avps);
const flow = subComponent(flowNumber(1), filter(out), filter(into));
const audioType = raw(520, 'MV', 0);
const codecData = codecs.map((text) => raw(524, 'MV', text));
const media = (...avps: Buffer[]) => raw(517, 'MV', avps);
const audio = media(number(1), flow, audioType, ...codecData);
const removed = (value: number) => media(number(value), raw(511, 'MV', 4));

function session(): Buffer {
  return raw(263, 'M', `pcscf.ims.test;1790000000;${++sessions}`);
}

interface Header {
  readonly command?: number;
  readonly flags?: number;
  readonly application?: number;
  readonly endToEnd?: number;
}

function request(avps: readonly Buffer[], header: Header = {}): Buffer {
  const identifier = ++identifiers;
  const { application: id, command = AAR, endToEnd = identifier, flags = 0xc0 } = header;
  return rawMessage({ command, flags, hopByHop: identifier, endToEnd }, avps, id);
}

/** An AAR of a new session with what follows the common AVPs. */
function aar(...more: readonly Buffer[]): Buffer {
  return request([session(), application, host, realm, toRealm, ...more]);
}

/** One of a call, with its media component. */
function call(component: Buffer): Buffer {
  return aar(component, loss, subscriber, framed);
}

function str(...more: readonly Buffer[]): Buffer {
  return request([session(), host, realm, toRealm, application, ...more], { command: STR });
}

const plain = () => call(audio);
const filters = (...texts: string[]) =>
  call(media(number(1), subComponent(flowNumber(1), ...texts.map(filter)), audioType));
const codec = (text: string) => call(media(number(1), flow, audioType, raw(524, 'MV', text)));
const prefix = (...octets: number[]) => aar(audio, subscriber, raw(97, 'M', Buffer.from(octets)));
const wholePrefix = (bits: number) => [0, bits, ...new Array<number>(16).fill(0x20)];

const FILTERS = 'x5062';
const SERVICE = 'x5061';

/** What is wrong, the octets, the finding, the result that enforcement answers; x: Experimental-Result. */
const breaches: readonly (readonly [string, () => Buffer, string, string])[] = [
  [
    'D-14 X-D5 an unknown command',
    () => request([session(), host, realm], { command: 272 }),
    'unknown-command',
    '3001',
  ],
  [
    'D-14 X-D5 another application',
    () => request([session(), application, host, realm, toRealm, audio], { application: 16777238 }),
    'wrong-application',
    '3007',
  ],
  [
    'D-14 the E bit',
    () => request([session(), application, host, realm, toRealm, audio, framed], { flags: 0xe0 }),
    'error-flag',
    '3008',
  ],
  [
    'D-14 reserved flags',
    () => request([session(), application, host, realm], { flags: 0xc1 }),
    'reserved-flags',
    '3008',
  ],
  ['D-14 no P bit', () => request([session(), application, host, realm], { flags: 0x80 }), 'not-proxiable', '3008'],
  [
    'D-02 Session-Id behind another AVP',
    () => request([application, session(), host, realm, toRealm, audio, framed]),
    'session-id-not-first',
    '5005',
  ],
  [
    'D-02 Session-Id of somebody else',
    () => request([raw(263, 'M', 'other.ims.test;1;1'), application, host, realm, toRealm, audio, framed]),
    'session-id-form',
    '5004',
  ],
  [
    'X-D3 NUL in Session-Id',
    () => request([raw(263, 'M', 'pcscf.ims.test;1;1;\0'), application, host, realm, toRealm, audio, framed]),
    'control-octets',
    '5004',
  ],
  ['D-14 no Session-Id', () => request([application, host, realm, toRealm, audio, framed]), 'missing-avp', '5005'],
  [
    'D-14 no Auth-Application-Id',
    () => request([session(), host, realm, toRealm, audio, framed]),
    'missing-avp',
    '5005',
  ],
  [
    'D-14 no Destination-Realm',
    () => request([session(), application, host, realm, audio, framed]),
    'missing-avp',
    '5005',
  ],
  ['D-14 no Media-Component-Number', () => call(media(flow, audioType)), 'missing-avp', '5005'],
  ['D-14 no Flow-Number', () => call(media(number(1), subComponent(filter(out)), audioType)), 'missing-avp', '5005'],
  ['D-14 no Subscription-Id-Data', () => aar(audio, raw(443, 'M', [raw(450, 'M', 2)]), framed), 'missing-avp', '5005'],
  ['D-14 no Termination-Cause', () => str(), 'missing-avp', '5005'],
  ['D-14 Framed-IP-Address twice', () => aar(audio, subscriber, framed, framed), 'repeated-avp', '5009'],
  ['D-14 Media-Type twice', () => call(media(number(1), flow, audioType, audioType)), 'repeated-avp', '5009'],
  ['D-17 no M bit', () => aar(audio, raw(513, 'V', 2), subscriber, framed), 'avp-flags', '3009'],
  ['D-17 no M bit inside a group', () => call(media(number(1), flow, raw(520, 'V', 0))), 'avp-flags', '3009'],
  ['D-17 an M bit too many', () => aar(audio, subscriber, framed, raw(533, 'MV', 0)), 'avp-flags', '3009'],
  ['D-17 a vendor AVP without its vendor', () => aar(audio, raw(513, 'M', 2), framed), 'avp-vendor', '3009'],
  [
    'D-14 X-D5 an unknown AVP with M',
    () => aar(audio, subscriber, framed, raw(3999, 'MV', 1)),
    'unknown-mandatory-avp',
    '5001',
  ],
  [
    'D-14 the application of Cx',
    () => request([session(), raw(258, 'M', 16777216), host, realm, toRealm, audio, framed]),
    'application-id',
    '5004',
  ],
  [
    'D-60 a session without state',
    () => aar(raw(277, 'M', 1), audio, subscriber, framed),
    'auth-session-state',
    '5004',
  ],
  [
    'D-14 another realm',
    () => request([session(), application, host, realm, raw(283, 'M', 'other.test'), audio, framed]),
    'destination-realm',
    '3003',
  ],
  [
    'an Origin-Host that is no peer',
    () =>
      request([
        raw(263, 'M', 'x.test;1;1'),
        application,
        raw(264, 'M', 'x.test'),
        realm,
        toRealm,
        audio,
        subscriber,
        framed,
      ]),
    'origin-not-peer',
    '5004',
  ],
  ['D-70 no Framed address', () => aar(audio, subscriber), 'no-framed-address', '5005'],
  [
    'D-70 two Framed addresses',
    () => aar(audio, subscriber, framed, raw(97, 'M', Buffer.from(wholePrefix(128)))),
    'two-framed-addresses',
    '5007',
  ],
  ['D-70 X-D2 a Framed-IP-Address of 5 octets', () => aar(audio, raw(8, 'M', Buffer.alloc(5))), 'damaged', '5014'],
  ['D-70 X-D2 a Framed-IPv6-Prefix of 19 octets', () => prefix(...wholePrefix(128), 0), 'damaged', '5014'],
  [
    'D-70 a prefix without its zero',
    () => prefix(1, 128, ...new Array<number>(16).fill(1)),
    'framed-ipv6-prefix',
    '5004',
  ],
  ['D-70 a prefix of 129 bits', () => prefix(...wholePrefix(129)), 'framed-ipv6-prefix', '5004'],
  ['D-70 a prefix with fewer octets than bits', () => prefix(0, 64, 0x20, 1), 'framed-ipv6-prefix', '5004'],
  ['D-70 a prefix with host bits', () => prefix(...wholePrefix(64)), 'framed-ipv6-prefix', '5004'],
  [
    'D-70 a SIP URI that is none',
    () => aar(audio, raw(443, 'M', [raw(450, 'M', 2), raw(444, 'M', 'alice')]), framed),
    'subscription-id',
    '5004',
  ],
  [
    'D-70 an IMSI with a letter',
    () => aar(audio, raw(443, 'M', [raw(450, 'M', 1), raw(444, 'M', '00101000000000a')]), framed),
    'subscription-id',
    '5004',
  ],
  ['P-121 Specific-Action 5', () => aar(audio, loss, raw(513, 'MV', 5), subscriber, framed), 'specific-action', '5004'],
  ['Specific-Action 99', () => aar(audio, raw(513, 'MV', 99), subscriber, framed), 'specific-action', '5004'],
  [
    'a report without what to report',
    () => aar(audio, raw(513, 'MV', 12), subscriber, framed),
    'no-required-access-info',
    '5005',
  ],
  [
    'P-132 a Service-URN with its scheme',
    () => aar(audio, subscriber, framed, raw(525, 'MV', 'urn:service:sos')),
    'service-urn',
    '5004',
  ],
  ['P-126 Termination-Cause 0', () => str(raw(295, 'M', 0)), 'value-out-of-range', '5004'],
  ['P-126 Termination-Cause 77', () => str(raw(295, 'M', 77)), 'value-out-of-range', '5004'],
  ['D-60 a STR of no session', () => str(raw(295, 'M', 1)), 'unknown-session', '5002'],
  ['P-124 an update of no session', () => aar(audio, subscriber, framed, raw(533, 'V', 1)), 'unknown-session', '5002'],
  ['Q-02 Media-Type 9', () => call(media(number(1), flow, raw(520, 'MV', 9))), 'value-out-of-range', '5004'],
  [
    'Q-03 Flow-Status 5',
    () => call(media(number(1), flow, audioType, raw(511, 'MV', 5))),
    'value-out-of-range',
    '5004',
  ],
  ['Q-01 a component twice', () => aar(audio, audio, subscriber, framed), 'component-twice', SERVICE],
  ['Q-01 removed before it was there', () => call(removed(3)), 'removed-never-there', SERVICE],
  ['Q-01 component 0 with media', () => call(media(number(0), flow, audioType)), 'component-zero', SERVICE],
  ['Q-07 a flow twice', () => call(media(number(1), flow, flow, audioType)), 'flow-twice', SERVICE],
  [
    'Q-07 flow 0 with media',
    () => call(media(number(1), subComponent(flowNumber(0), filter(out)), audioType)),
    'flow-zero',
    SERVICE,
  ],
  ['Q-08 deny', () => filters(out.replace('permit', 'deny')), 'flow-description', FILTERS],
  ['Q-08 no direction', () => filters(out.replace('out ', '')), 'flow-description', FILTERS],
  ['Q-08 a protocol by name', () => filters(out.replace('17', 'udp')), 'flow-description', FILTERS],
  ['Q-08 protocol 256', () => filters(out.replace('17', '256')), 'flow-description', FILTERS],
  ['Q-08 a modifier', () => filters(out.replace('from ', 'from !')), 'flow-description', FILTERS],
  ['Q-08 the word assigned', () => filters('permit out 17 from any to assigned'), 'flow-description', FILTERS],
  ['Q-08 an option', () => filters(`${out} established`), 'flow-description', FILTERS],
  ['Q-08 no to', () => filters('permit out 17 from any'), 'flow-description', FILTERS],
  ['Q-08 a host name', () => filters(out.replace('10.46.0.9', 'ue.ims.test')), 'flow-description', FILTERS],
  ['Q-08 brackets', () => filters('permit out 17 from [::1] 5000 to any'), 'flow-description', FILTERS],
  ['Q-08 a port too large', () => filters(out.replace('50010', '65536')), 'flow-description', FILTERS],
  ['Q-08 a range backwards', () => filters(out.replace('50010', '50011-50010')), 'flow-description', FILTERS],
  ['Q-08 a prefix too long', () => filters(out.replace('10.46.0.9', '10.46.0.9/33')), 'flow-description', FILTERS],
  ['Q-08 two blanks', () => filters(out.replace('from ', 'from  ')), 'flow-description', FILTERS],
  ['Q-08 64 KB of ports', () => filters(`${out}${',1'.repeat(30_000)}`), 'flow-description', FILTERS],
  ['Q-08 three filters', () => filters(out, into, out), 'too-many-filters', FILTERS],
  ['Q-08 both filters one way', () => filters(out, out), 'filters-one-way', FILTERS],
  ['Q-10 Codec-Data without its way', () => codec('offer\nm=audio 1 RTP/AVP 0\n'), 'codec-data', SERVICE],
  ['Q-10 Codec-Data without its role', () => codec('uplink\nm=audio 1 RTP/AVP 0\n'), 'codec-data', SERVICE],
  ['Q-10 Codec-Data without m-line', () => codec('uplink\noffer\na=sendrecv\n'), 'codec-data', SERVICE],
  ['Q-10 Codec-Data with a NUL', () => codec('uplink\noffer\nm=audio 1 RTP/AVP 0\n\0'), 'codec-data', SERVICE],
  [
    'Q-10 Codec-Data with another m-line',
    () => codec('uplink\noffer\nm=audio 1 RTP/AVP 0\nm=video 2 RTP/AVP 9'),
    'codec-data',
    SERVICE,
  ],
  [
    'Q-02 Q-10 Codec-Data of another media type',
    () => codec('uplink\noffer\nm=video 1 RTP/AVP 34\n'),
    'codec-data-media',
    SERVICE,
  ],
];

function resultOf(answer: DiameterMessage): string {
  const result = readResult(answer);
  return result === undefined ? 'none' : `${result.kind === 'base' ? '' : 'x'}${result.code}`;
}

describe('breaches of TS 29.214', () => {
  it.each(breaches)('%s is found, and answered with its error when enforced', async (_what, octets, id, result) => {
    const pcrf = await lab.pcrf();
    const pcscf = await lab.pcscf(pcrf.port);
    await pcscf.raw(octets());
    expect(found(pcrf)).toContain(id);

    const strict = await lab.pcrf({ enforce: true });
    const client = await lab.pcscf(strict.port);
    const answer = await client.raw(octets());
    expect(found(strict)).toContain(id);
    expect(resultOf(answer)).toBe(result);
    expect((answer.flags & FLAG_ERROR) !== 0).toBe(result.startsWith('3'));
    const showsAvp = !['3001', '3003', '3007', '3008'].includes(result) && id !== 'no-required-access-info';
    expect(answer.avps.has(baseAvps.failedAvp)).toBe(showsAvp);
    expect(strict.sessions.size).toBe(0);
    // It goes on serving.
    expect(resultOf(await client.raw(plain()))).toBe('2001');
  });

  it('Q-08 Q-10 what is allowed is not found', async () => {
    const pcrf = await lab.pcrf({ enforce: true });
    const client = await lab.pcscf(pcrf.port);
    const fine = [
      plain(),
      filters('permit out ip from any to 10.46.0.5', 'permit in ip from 10.46.0.5 to any'),
      filters('permit out 6 from 10.0.0.0/8 1024-2000,4000 to 10.46.0.5 9'),
      aar(media(number(2), raw(520, 'MV', 0xffffffff)), subscriber, framed),
      aar(audio, subscriber, framed, raw(525, 'MV', 'sos.police')),
      aar(audio, raw(513, 'MV', 12), subscriber, framed, raw(536, 'V', 0)),
      aar(
        audio,
        subscriber,
        raw(97, 'M', Buffer.from([0, 64, ...new Array<number>(8).fill(0x20), ...Buffer.alloc(8)])),
      ),
    ];
    for (const octets of fine) expect(resultOf(await client.raw(octets))).toBe('2001');
    expect(found(pcrf)).toEqual([]);
  });

  it('D-64 Supported-Features may have M or not', async () => {
    const pcrf = await lab.pcrf({ enforce: true });
    const client = await lab.pcscf(pcrf.port);
    for (const flags of ['V', 'MV']) {
      const features = raw(628, flags, [raw(266, 'M', 10415), raw(629, flags, 1), raw(630, flags, 3)]);
      expect(resultOf(await client.raw(aar(audio, subscriber, features, framed)))).toBe('2001');
    }
    expect(found(pcrf)).toEqual([]);
  });

  it('Q-01 a session has 64 media components at most', async () => {
    const pcrf = await lab.pcrf();
    const client = await lab.pcscf(pcrf.port);
    const components = (count: number) =>
      Array.from({ length: count }, (_, i) => media(number(i + 1), flow, audioType));
    expect(resultOf(await client.raw(aar(...components(64), subscriber, framed)))).toBe('2001');
    expect(resultOf(await client.raw(aar(...components(65), subscriber, framed)))).toBe('x5061');
    expect(pcrf.sessions.size).toBe(1);
  });

  it('what is odd, but no breach, is noted and never refused', async () => {
    const pcrf = await lab.pcrf({ enforce: true });
    const client = await lab.pcscf(pcrf.port);
    const odd: (readonly [Buffer, string])[] = [
      [request([session(), host, realm, toRealm, application, audio, subscriber, framed]), 'avp-order'],
      [aar(audio, framed), 'no-subscription-id'],
      [aar(subscriber, framed), 'no-media-component'],
      [aar(audio, loss, loss, subscriber, framed), 'specific-action-twice'],
      [prefix(0, 64, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0), 'short-framed-prefix'],
      [call(media(number(1), flow)), 'no-media-type'],
      [codec(codecs[0]!), 'codec-data-one-side'],
      [call(media(number(1), flow, audioType, codecData[0]!, codecData[0]!)), 'codec-data-twice'],
      [filters(out.replaceAll('10.46.0.5', '10.46.0.6')), 'flow-of-another'],
      [aar(audio, subscriber, framed, raw(295, 'M', 1)), 'unexpected-avp'],
      [aar(audio, subscriber, framed, raw(3999, 'V', 1)), 'unknown-avp'],
    ];
    for (const [octets, id] of odd) {
      expect(resultOf(await client.raw(octets))).toBe('2001');
      expect(found(pcrf)).toContain(`(${id})`);
    }
    expect(pcrf.findings.breaches).toBe(0);
  });

  it('P-126 a Termination-Cause other than LOGOUT is odd', async () => {
    const pcrf = await lab.pcrf({ enforce: true });
    const client = await lab.pcscf(pcrf.port);
    const id = session();
    await client.raw(request([id, application, host, realm, toRealm, audio, subscriber, framed]));
    const end = request([id, host, realm, toRealm, application, raw(295, 'M', 4)], { command: STR });
    expect(resultOf(await client.raw(end))).toBe('2001');
    expect(found(pcrf)).toEqual(['(termination-cause)']);
  });

  it('D-12 a first AAR that a failover brings again, with the T flag, is no breach', async () => {
    const pcrf = await lab.pcrf({ enforce: true, rules: [rule({ delay: 50 })] });
    const client = await lab.pcscf(pcrf.port);
    const avps = [session(), application, host, realm, toRealm, audio, subscriber, framed, raw(533, 'V', 0)];
    const first = client.raw(request(avps, { endToEnd: 8 }));
    const again = client.raw(request(avps, { endToEnd: 8, flags: 0xd0 }));
    expect([resultOf(await first), resultOf(await again)]).toEqual(['2001', '2001']);
    expect(found(pcrf)).toEqual([]);
    expect(pcrf.sessions.size).toBe(1);
  });

  it('D-12 the same End-to-End Identifier without the T flag is noted', async () => {
    const pcrf = await lab.pcrf();
    const client = await lab.pcscf(pcrf.port);
    const id = session();
    const avps = [id, application, host, realm, toRealm, audio, subscriber, framed];
    await client.raw(request(avps, { endToEnd: 7 }));
    await client.raw(request([...avps, toHost], { endToEnd: 7, flags: 0xd0 }));
    expect(found(pcrf)).toEqual([]);
    expect(pcrf.counters()).toMatchObject({ requests: { AAR: 2 }, retransmitted: { AAR: 1 } });
    await client.raw(request([...avps, toHost], { endToEnd: 7 }));
    expect(found(pcrf)).toEqual(['(end-to-end-reused)']);
  });
});

describe('breaches that only the session shows', () => {
  const videoType = raw(520, 'MV', 1);

  /** What an update has to say that finds `id`, and the result of it when enforced. */
  const updates: readonly (readonly [string, readonly Buffer[], string, string])[] = [
    ['Q-01 a number for other media', [media(number(1), flow, videoType), toHost], 'component-number-reused', SERVICE],
    ['Q-01 what never was there is removed', [audio, removed(7), toHost], 'removed-never-there', SERVICE],
    ['P-124 an initial request again', [audio, toHost, raw(533, 'V', 0)], 'initial-again', '5004'],
    ['D-61 no Destination-Host', [audio], '(no-destination-host)', '2001'],
    [
      'P-122 another address',
      [audio, toHost, raw(8, 'M', Buffer.from([10, 46, 0, 6]))],
      '(framed-address-changed)',
      '2001',
    ],
    ['P-124 a component left out', [media(number(2), videoType), toHost], '(component-left-out)', '2001'],
  ];

  it.each(updates)('%s', async (_what, more, id, result) => {
    for (const enforce of [false, true]) {
      const pcrf = await lab.pcrf({ enforce });
      const client = await lab.pcscf(pcrf.port);
      const first = session();
      const start = [first, application, host, realm, toRealm];
      await client.raw(request([...start, audio, subscriber, framed]));
      const answer = await client.raw(request([...start, ...more]));
      expect(found(pcrf)).toEqual(id === '(framed-address-changed)' ? expect.arrayContaining([id]) : [id]);
      expect(resultOf(answer)).toBe(enforce ? result : '2001');
      expect(pcrf.sessions.size).toBe(1);
    }
  });

  it('Q-01 what was removed is not removed again', async () => {
    const pcrf = await lab.pcrf({ enforce: true });
    const client = await lab.pcscf(pcrf.port);
    const start = [session(), application, host, realm, toRealm];
    const two = media(number(2), videoType);
    await client.raw(request([...start, audio, two, subscriber, framed]));
    await client.raw(request([...start, audio, removed(2), toHost]));
    expect(found(pcrf)).toEqual([]);
    await client.raw(request([...start, audio, removed(2), toHost]));
    expect(found(pcrf)).toEqual(['(removed-again)']);
  });
});

describe('what the answers tell', () => {
  it('X-D3 a refusal repeats no more than a little of what was wrong', async () => {
    const pcrf = await lab.pcrf({ enforce: true });
    const client = await lab.pcscf(pcrf.port);
    const long = 'x'.repeat(100_000);
    const octets = [
      filters(`deny ${long}`),
      request([session(), application, host, realm, raw(283, 'M', long), audio, framed]),
    ];
    for (const each of octets) expect((await client.raw(each)).octets.length).toBeLessThan(1000);
  });

  it('D-16 a refusal of Rx has Experimental-Result, words, the AVP to blame, and Proxy-Info as it came', async () => {
    const pcrf = await lab.pcrf({ enforce: true });
    const client = await lab.pcscf(pcrf.port);
    const proxy = raw(284, 'M', [raw(280, 'M', 'relay.test'), raw(33, 'M', 'state')]);
    const bad = media(number(1), subComponent(flowNumber(1), filter('deny')), audioType);
    const { avps } = await client.raw(aar(bad, subscriber, framed, proxy));
    expect(avps.grouped(baseAvps.experimentalResult)?.unsigned32(baseAvps.vendorId)).toBe(10415);
    expect(avps.text(baseAvps.errorMessage)).toContain('Flow-Description "deny" begins with deny, not with permit');
    expect(
      avps.grouped(baseAvps.failedAvp)?.grouped(rxAvps.mediaComponentDescription)?.octets(rxAvps.mediaType),
    ).toEqual(Buffer.alloc(4));
    expect(avps.encoded(baseAvps.proxyInfo)).toEqual([proxy]);
  });
});
