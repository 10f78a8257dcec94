import { describe, expect, it } from 'vitest';
import { ParseFailure } from '#sip/errors';
import { formatRtpmap, parseRtpmap, type Rtpmap } from '#sip/sdp/codec';
import { type Connection, formatConnection, parseConnection } from '#sip/sdp/connection';
import type { MediaDescription } from '#sip/sdp/media-description';
import { formatOrigin, type Origin, parseOrigin } from '#sip/sdp/origin';
import { parseSessionDescription } from '#sip/sdp/session-description';

/** Media description of a text of lines: session level lines first, `m=` and so on after them. */
function media(...lines: string[]): MediaDescription {
  const parsed = parseSessionDescription(`v=0\r\n${lines.join('\r\n')}\r\n`);
  if (parsed instanceof ParseFailure) throw new Error(parsed.reason);
  return parsed.media[0]!;
}

const audio = 'm=audio 49152 RTP/AVP 0';

describe('directions', () => {
  it.each([
    [[audio], 'sendrecv'],
    [['a=inactive', audio], 'inactive'],
    [['a=inactive', audio, 'a=sendonly'], 'sendonly'],
    [[audio, 'a=recvonly', 'a=sendonly'], 'recvonly'],
    [[audio, 'a= SendOnly '], 'sendonly'],
    [[audio, 'a=sendonlyx', 'a=x:sendonly'], 'sendrecv'],
  ] as const)('Q-03 the media level overrides the session level: %j is %s', (lines, direction) => {
    expect(media(...lines).direction).toBe(direction);
  });

  it.each([
    [[audio], true, true],
    [[audio, 'a=sendonly'], true, false],
    [[audio, 'a=recvonly'], false, true],
    [[audio, 'a=inactive'], false, false],
    [['c=IN IP4 0.0.0.0', audio], true, false],
    [['c=IN IP6 ::', audio], true, false],
    [['c=IN IP6 0:0:0:0:0:0:0:0', audio], true, false],
    [['c=IN IP4 0.0.0.0', audio, 'c=IN IP4 10.0.0.1'], true, true],
    [['c=IN IP4 host.test', audio], true, true],
    [['m=audio 0 RTP/AVP 0'], false, false],
    [['m=audio 0 RTP/AVP 0', 'a=bundle-only'], true, true],
  ] as const)('Q-03 Q-09 %j sends: %s, receives: %s', (lines, sends, receives) => {
    expect([media(...lines).sends, media(...lines).receives]).toEqual([sends, receives]);
  });
});

describe('connection data', () => {
  const plain = { networkType: 'IN', addressType: 'IP4', ttl: -1, count: 1 };

  it.each([
    ['IN IP4 10.0.0.1', { ...plain, address: '10.0.0.1' }],
    ['IN IP4 host.test', { ...plain, address: 'host.test' }],
    ['IN IP4 224.2.1.1/127', { ...plain, address: '224.2.1.1', ttl: 127 }],
    ['IN IP4 224.2.1.1/127/3', { ...plain, address: '224.2.1.1', ttl: 127, count: 3 }],
    ['IN IP6 2001:DB8::1', { ...plain, addressType: 'IP6', address: '2001:DB8::1' }],
    ['IN IP6 FF15::101/3', { ...plain, addressType: 'IP6', address: 'FF15::101', count: 3 }],
  ] as [string, Connection][])('Q-09 reads and writes %s', (text, connection) => {
    expect(parseConnection(text)).toEqual(connection);
    expect(formatConnection(connection)).toBe(text);
  });

  it('Q-09 several c= lines of a media description override those of the session', () => {
    const both = media('c=IN IP4 1.1.1.1', audio, 'c=IN IP4 224.2.1.1/127', 'c=IN IP4 224.2.1.2/127');
    expect(both.connections.map(({ address }) => address)).toEqual(['224.2.1.1', '224.2.1.2']);
    expect(both.connection?.address).toBe('224.2.1.1');
    expect(media('c=IN IP4 1.1.1.1', audio).connection?.address).toBe('1.1.1.1');
    expect(media(audio).connection).toBeNull();
  });

  it('RFC 8866 5.2 reads and writes the origin', () => {
    const text = 'alice 2890844526 18446744073709551616 IN IP6 2001:db8::1';
    const origin = parseOrigin(text) as Origin;
    expect([origin.username, origin.sessionVersion, origin.address]).toEqual([
      'alice',
      '18446744073709551616',
      '2001:db8::1',
    ]);
    expect(formatOrigin(origin)).toBe(text);
    for (const bad of ['', '-', '- 1 1 IN IP4', `${text} more`]) expect(parseOrigin(bad)).toBeInstanceOf(ParseFailure);
  });
});

describe('bandwidth', () => {
  it('Q-04 Q-06 reads the types of the media level, 0 is a value', () => {
    const both = media('b=AS:99', audio, 'b=AS:41', 'b=RS:0', 'b=RR:2000', 'b=TIAS:38000', 'b=X-YZ:7');
    const types = ['AS', 'RS', 'RR', 'TIAS', 'x-yz', 'CT'];
    expect(types.map((type) => both.bandwidth(type))).toEqual([41, 0, 2000, 38000, 7, null]);
    expect(media('b=AS:99', audio).bandwidth('AS')).toBeNull();
  });

  it.each(['AS', 'AS:', 'AS:x', 'AS:-1', 'AS:1.5', 'AS:4294967296', 'ASX:5', ':5'])(
    'X-S11 a b= line that cannot be read counts as not there: %j',
    (value) => {
      expect(media(audio, `b=${value}`).bandwidth('AS')).toBeNull();
    },
  );
});

describe('formats', () => {
  it('Q-10 knows codecs by a=rtpmap, static payload types without it, and their parameters', () => {
    const codecs = media(
      'm=audio 1 RTP/AVP 104 018 8 105 77',
      'a=rtpmap:104 AMR-WB/16000/1',
      'a=fmtp:104 mode-set=0,1; max-red=0',
      'a=rtpmap:105 telephone-event/16000',
      'a=fmtp:105 0-15',
      'a=rtpmap:8 L16/44100/2',
      'a=rtpmap:106 GSM/8000',
      'a=fmtp:18 annexb=no',
      'a=rtpmap:77',
    ).codecs();
    const flat = codecs.map(({ format, payloadType, name, clockRate, parameters, fmtp }) => [
      format,
      payloadType,
      `${name}/${clockRate}/${parameters}`,
      fmtp,
    ]);
    expect(flat).toEqual([
      ['104', 104, 'AMR-WB/16000/1', 'mode-set=0,1; max-red=0'],
      ['018', 18, 'g729/8000/', 'annexb=no'],
      ['8', 8, 'L16/44100/2', ''],
      ['105', 105, 'telephone-event/16000/', '0-15'],
      ['77', 77, '/0/', ''],
    ]);
  });

  it('Q-02 Q-07 reads media that is no RTP', () => {
    const t38 = media('m=image 4000 udptl t38');
    expect([t38.type, t38.protocol, t38.isRtp, t38.codecs()[0]!.payloadType]).toEqual(['image', 'udptl', false, -1]);
    const msrp = media('m=message 7654 TCP/TLS/MSRP *', 'a=accept-types:message/cpim', 'a=setup:actpass');
    expect([msrp.isRtp, msrp.formats, msrp.rtcp, msrp.lines.attribute('setup')]).toEqual([
      false,
      ['*'],
      null,
      'actpass',
    ]);
    expect(media('m=audio 9 UDP/TLS/RTP/SAVPF 0').isRtp).toBe(true);
  });

  it.each([
    ['104 AMR-WB/16000/1', { payloadType: 104, name: 'AMR-WB', clockRate: 16000, parameters: '1' }],
    ['0 PCMU/8000', { payloadType: 0, name: 'PCMU', clockRate: 8000, parameters: '' }],
    ['31 LPC', { payloadType: 31, name: 'LPC', clockRate: 0, parameters: '' }],
  ] as [string, Rtpmap][])('RFC 8866 6.6 reads and writes rtpmap %s', (text, map) => {
    expect(parseRtpmap(text)).toEqual(map);
    expect(formatRtpmap(map)).toBe(text);
  });

  it.each(['', '97', '97 ', 'AMR/8000', '128 x/1', '97AMR/8000', '97 /8000'])('X-S11 refuses rtpmap %j', (text) => {
    expect(parseRtpmap(text)).toBeInstanceOf(ParseFailure);
  });

  it('P-79 takes formats out with their attributes', () => {
    const lines = ['m=audio  1/2 RTP/AVP 104  18 8', 'a=rtpmap:104 AMR-WB/16000', 'a=fmtp:104 x', 'a=rtcp-fb:104 nack'];
    const stream = media(...lines, 'a=rtcp-fb:* nack', 'a=ptime:20', 'a=rtpmap:8 PCMA/8000');
    stream.removeFormats((key) => key === '104' || key === '18');
    expect([stream.line, ...stream.lines.all].map(({ type, value }) => `${type}=${value}`)).toEqual([
      'm=audio  1/2 RTP/AVP 8',
      'a=rtcp-fb:* nack',
      'a=ptime:20',
      'a=rtpmap:8 PCMA/8000',
    ]);
    stream.removeFormats(() => true);
    expect([stream.line.value, stream.port, stream.offered]).toEqual(['audio  0 RTP/AVP 8', 0, false]);
  });
});

describe('RTCP', () => {
  it.each([
    [[audio], 49153, null],
    [[audio, 'a=rtcp:53020'], 53020, null],
    [[audio, 'a=rtcp:53020 IN IP6 2001:db8::9'], 53020, '2001:db8::9'],
    [[audio, 'a=rtcp:0'], 49153, null],
    [[audio, 'a=rtcp:53020 IN IP4'], 49153, null],
    [[audio, 'a=rtcp:'], 49153, null],
    [[audio, 'a=rtcp-mux', 'a=rtcp-fb:* nack'], 49153, null],
  ] as const)('Q-07 %j: port %i at %s', (lines, port, address) => {
    const { rtcp } = media(...lines);
    expect([rtcp?.port, rtcp?.connection?.address ?? null]).toEqual([port, address]);
  });

  it('Q-07 there is none for a stream that is refused, is no RTP or has the last port', () => {
    for (const line of ['m=audio 0 RTP/AVP 0', 'm=audio 9 TCP/BFCP *', 'm=audio 65535 RTP/AVP 0'])
      expect(media(line).rtcp).toBeNull();
  });
});
