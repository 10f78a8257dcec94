import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ParseFailure } from '#sip/errors';
import { connectionTo } from '#sip/sdp/connection';
import { parseSessionDescription, type SessionDescription } from '#sip/sdp/session-description';

function read(text: string): SessionDescription {
  const parsed = parseSessionDescription(text);
  if (parsed instanceof ParseFailure) throw new Error(`${parsed.reason} at ${parsed.offset}`);
  return parsed;
}

const sdp = (...lines: string[]) => `${lines.join('\r\n')}\r\n`;

/** What a VoLTE phone offers, with a few lines that nobody here knows. */
const offer = sdp(
  'v=0',
  'o=- 1001 1002 IN IP6 2001:db8::5',
  's=-',
  'i=a=b',
  'c=IN IP6 2001:db8::5',
  'b=AS:500',
  't=0 0',
  'a=group:BUNDLE 1',
  'm=audio 49152 RTP/AVP 104 102 8 105',
  'b=AS:41',
  'b=RS:0',
  'b=RR:2000',
  'a=rtpmap:104 AMR-WB/16000/1',
  'a=fmtp:104 mode-change-capability=2;max-red=0',
  'a=rtpmap:102 AMR/8000/1',
  'a=rtpmap:105 telephone-event/16000',
  'a=curr:qos local none',
  'a=des:qos mandatory local sendrecv',
  'x=unknown',
  'a=',
  'a=sendrecv',
  'm=video 49160/2 RTP/AVPF 99',
  'i=camera',
  'c=IN IP4 10.0.0.9',
  'b=TIAS:384000',
  'a=rtpmap:99 H264/90000',
);

describe('reading SDP', () => {
  it('X-S11 reads sessions and media, and keeps what it does not know byte for byte', () => {
    const description = read(offer);
    expect(description.text).toBe(offer);
    expect(description.lines.map(({ type, value }) => `${type}=${value}`)).toEqual(offer.trimEnd().split('\r\n'));
    expect(description.origin).toEqual({
      username: '-',
      sessionId: '1001',
      sessionVersion: '1002',
      networkType: 'IN',
      addressType: 'IP6',
      address: '2001:db8::5',
    });
    expect(description.connection).toEqual(connectionTo('2001:db8::5'));
    expect(description.bandwidth('as')).toBe(500);
    expect(description.session.attribute('group')).toBe('BUNDLE 1');
    expect(description.media.map(({ type, port, portCount, protocol }) => [type, port, portCount, protocol])).toEqual([
      ['audio', 49152, 1, 'RTP/AVP'],
      ['video', 49160, 2, 'RTP/AVPF'],
    ]);
    expect(description.media[0]!.formats).toEqual(['104', '102', '8', '105']);
    expect(description.media[0]!.lines.all).toHaveLength(12);
  });

  it.each([
    ['LF alone', offer.replaceAll('\r\n', '\n')],
    ['mixed line ends', offer.replace('\r\n', '\n')],
    ['no end of the last line', offer.slice(0, -2)],
    ['half an end of the last line', offer.slice(0, -1)],
    ['empty lines at the end', `${offer}\r\n\r\n`],
    ['an empty attribute at the end', `${offer}a=`],
    ['no media', sdp('v=0')],
    ['octets above 127', sdp('v=0', 's=\xff\xfe\x85')],
  ])('X-S11 takes %s, and gives it back', (_, text) => {
    expect(read(text).text).toBe(text);
  });

  it.each([
    ['', 'does not begin with v=0'],
    ['\r\n', 'does not begin with v=0'],
    ['s=-\r\nv=0\r\n', 'does not begin with v=0'],
    ['v=1\r\n', 'does not begin with v=0'],
    ['v=01\r\n', 'does not begin with v=0'],
    [sdp('v=0', 'rubbish'), 'no type=value line'],
    [sdp('v=0', 'M=audio 1 RTP/AVP 0'), 'no type=value line'],
    [sdp('v=0', ' a=x'), 'no type=value line'],
    [sdp('v=0', 'a'), 'no type=value line'],
    [sdp('v=0', '', 'a=x'), 'empty line'],
    [sdp('v=0', 'a=x\rb=y'), 'control character'],
    [sdp('v=0', 'a=\0'), 'control character'],
    [sdp('v=0', 'm='), 'malformed media type'],
    [sdp('v=0', `m=${'a'.repeat(33)} 1 RTP/AVP 0`), 'malformed media type'],
    [sdp('v=0', 'm=audio'), 'malformed port'],
    [sdp('v=0', 'm=audio x RTP/AVP 0'), 'malformed port'],
    [sdp('v=0', 'm=audio -1 RTP/AVP 0'), 'malformed port'],
    [sdp('v=0', 'm=audio 65536 RTP/AVP 0'), 'malformed port'],
    [sdp('v=0', 'm=audio 4294967297 RTP/AVP 0'), 'malformed port'],
    [sdp('v=0', 'm=audio 1/ RTP/AVP 0'), 'malformed port count'],
    [sdp('v=0', 'm=audio 1/0 RTP/AVP 0'), 'malformed port count'],
    [sdp('v=0', 'm=audio 1/x RTP/AVP 0'), 'malformed port count'],
    [sdp('v=0', 'm=audio 1'), 'm-line without format'],
    [sdp('v=0', 'm=audio 1 RTP/AVP '), 'm-line without format'],
    [sdp('v=0', 'c='), 'malformed connection data'],
    [sdp('v=0', 'c=IN IP4'), 'malformed connection data'],
    [sdp('v=0', 'c=IN IP4 1.1.1.1 x'), 'malformed connection data'],
    [sdp('v=0', 'c=IN IP4 /1'), 'connection data without an address'],
    [sdp('v=0', 'c=IN IP4 224.0.0.1/x'), 'malformed multicast suffix'],
    [sdp('v=0', 'c=IN IP4 224.0.0.1/1/x'), 'malformed multicast suffix'],
    ['\x1f\x8b\x08\x00', 'control character'],
  ])('X-S11 refuses %j', (text, reason) => {
    expect(parseSessionDescription(text)).toMatchObject({ reason });
    expect(parseSessionDescription(text)).toBeInstanceOf(ParseFailure);
  });

  it('X-S11 says where the fault is', () => {
    const text = sdp('v=0', 's=-', 'm=audio 65536 RTP/AVP 0');
    const failure = parseSessionDescription(text) as ParseFailure;
    expect(failure.offset).toBe(text.indexOf('65536'));
  });

  it('X-S16 takes 64 m-lines and 64 KiB, not more', () => {
    const media = (count: number) => sdp('v=0', ...Array<string>(count).fill('m=audio 1 RTP/AVP 0'));
    expect(read(media(64)).media).toHaveLength(64);
    expect(parseSessionDescription(media(65))).toMatchObject({ reason: 'too many m-lines' });
    const long = (size: number) => `v=0\r\ns=${'x'.repeat(size - 7)}`;
    expect(read(long(65_536)).text).toHaveLength(65_536);
    expect(parseSessionDescription(long(65_537))).toMatchObject({ reason: 'session description too large' });
  });

  it('X-S14 an attribute called __proto__ is one like any other', () => {
    const { session } = read(sdp('v=0', 'a=__proto__:x'));
    expect([session.attribute('__proto__'), session.attribute('constructor')]).toEqual(['x', null]);
  });
});

describe('editing SDP', () => {
  it('an edit is there for the next reader and in the text, all else stays byte for byte', () => {
    const description = read(offer);
    const [audio, video] = description.media;
    audio!.setDirection('recvonly');
    audio!.setBandwidth('AS', 38);
    audio!.setConnection(connectionTo('10.0.0.1'));
    video!.setPort(0);
    video!.setBandwidth('TIAS', null);
    description.session.setAttribute('ice-lite', null);
    expect([audio!.direction, audio!.bandwidth('AS'), audio!.connection?.address]).toEqual([
      'recvonly',
      38,
      '10.0.0.1',
    ]);
    expect([video!.port, video!.portCount, video!.offered, video!.bandwidth('TIAS')]).toEqual([0, 1, false, null]);
    const expected = offer
      .replace('a=sendrecv\r\n', 'a=recvonly\r\n')
      .replace('b=AS:41\r\n', 'c=IN IP4 10.0.0.1\r\nb=AS:38\r\n')
      .replace('m=video 49160/2 RTP', 'm=video 0 RTP')
      .replace('b=TIAS:384000\r\n', '')
      .replace('a=group:BUNDLE 1\r\n', 'a=group:BUNDLE 1\r\na=ice-lite\r\n');
    expect(description.text).toBe(expected);
    expect(read(expected).media[0]!.connection?.address).toBe('10.0.0.1');
  });

  it.each([
    ['c', 'IN IP4 1.1.1.1', 'v=0 o=- s=- i=x c=IN IP4 1.1.1.1 b=AS:1 t=0 0 a=x m=audio 1 RTP/AVP 0 i=y b=AS:2 k=z a=y'],
    ['a', 'new', 'v=0 o=- s=- i=x b=AS:1 t=0 0 a=x a=new m=audio 1 RTP/AVP 0 i=y b=AS:2 k=z a=y'],
    ['b', 'TIAS:5', 'v=0 o=- s=- i=x b=AS:1 b=TIAS:5 t=0 0 a=x m=audio 1 RTP/AVP 0 i=y b=AS:2 k=z a=y'],
    ['r', '1', 'v=0 o=- s=- i=x b=AS:1 t=0 0 r=1 a=x m=audio 1 RTP/AVP 0 i=y b=AS:2 k=z a=y'],
  ])('RFC 8866 5 a new %s= line goes to its place', (type, value, expected) => {
    const lines = [
      'v=0',
      'o=-',
      's=-',
      'i=x',
      'b=AS:1',
      't=0 0',
      'a=x',
      'm=audio 1 RTP/AVP 0',
      'i=y',
      'b=AS:2',
      'k=z',
      'a=y',
    ];
    const description = read(sdp(...lines));
    description.session.add(type, value);
    expect(description.text.trimEnd().replaceAll('\r\n', ' ')).toBe(expected);
  });

  it('a line behind one that had no end gives it one, of the kind the others have', () => {
    const crlf = read(offer.slice(0, -2));
    crlf.media[1]!.setDirection('inactive');
    expect(crlf.text).toBe(`${offer}a=inactive\r\n`);
    const lf = read('v=0\nm=audio 1 RTP/AVP 0');
    lf.media[0]!.setDirection('inactive');
    expect(lf.text).toBe('v=0\nm=audio 1 RTP/AVP 0\na=inactive\n');
    lf.media[0]!.lines.removeAttribute('inactive');
    expect(lf.text).toBe('v=0\nm=audio 1 RTP/AVP 0');
  });

  it('an attribute is put in the place of the first of its name, further ones go', () => {
    const description = read(sdp('v=0', 'a=x:1', 'a=y', 'a=X:2', 'a=xy:3'));
    description.session.setAttribute('x', '9');
    expect(description.text).toBe(sdp('v=0', 'a=x:9', 'a=y', 'a=xy:3'));
    expect(description.session.attributes('X')).toEqual(['9']);
  });

  it('X-S7 refuses to write CR, LF or NUL', () => {
    const { session } = read(offer);
    for (const bad of ['a\r\nb', 'a\nb', 'a\0b', '\u20ac'])
      expect(() => session.setAttribute('x', bad)).toThrow(/control character/);
  });

  it('a clone is edited on its own', () => {
    const description = read(offer);
    description.media[0]!.setPort(5000);
    const copy = description.clone();
    copy.media[0]!.setPort(6000);
    expect([description.media[0]!.port, copy.media[0]!.port]).toEqual([5000, 6000]);
    expect(description.text).toBe(offer.replace('49152', '5000'));
  });

  it('another text takes the place of the whole, a malformed one changes nothing', () => {
    const description = read(offer);
    const other = sdp('v=0', 'm=audio 7 RTP/AVP 0');
    expect(description.replaceText('v=0\r\nm=')).toBeInstanceOf(ParseFailure);
    expect(description.text).toBe(offer);
    expect(description.replaceText(other)).toBeNull();
    expect([description.text, description.media.length, description.media[0]!.port]).toEqual([other, 1, 7]);
  });

  it('every edit is noted while somebody traces', () => {
    const description = read(sdp('v=0', 'm=audio 1 RTP/AVP 0', 'a=sendrecv'));
    const notes: (string | null)[][] = [];
    description.journal = { note: (before, after) => void notes.push([before, after]) };
    description.media[0]!.setPort(0);
    description.media[0]!.setDirection('inactive');
    description.media[0]!.setBandwidth('AS', 5);
    description.media[0]!.lines.remove(({ type }) => type === 'a');
    expect(notes).toEqual([
      ['m=audio 1 RTP/AVP 0', 'm=audio 0 RTP/AVP 0'],
      ['a=sendrecv', 'a=inactive'],
      [null, 'b=AS:5'],
      ['a=inactive', null],
    ]);
  });
});

describe('SDP of any kind', () => {
  const word = fc.constantFrom('a', '0', '/', ':', '=', ' ', '\t', '\xff', 'audio', 'RTP/AVP', 'IN IP4', '65535', '');
  const line = fc
    .tuple(fc.constantFrom('v=0', 'a=', 'c=', 'm=', 'b=', 'm=audio 1 RTP/AVP', 'c=IN IP4 ', 'x', '='), fc.array(word))
    .map(([head, words]) => head + words.join(''));
  const text = fc
    .array(fc.tuple(line, fc.constantFrom('\r\n', '\n', '\r', '', '\0')), { maxLength: 12 })
    .map((lines) => `v=0\r\n${lines.map((parts) => parts.join('')).join('')}`);

  it('X-S11 is read or refused without throwing, given back byte for byte, and stays readable whatever is edited', () => {
    let readable = 0;
    fc.assert(
      fc.property(text, fc.nat(65_535), (any, port) => {
        const parsed = parseSessionDescription(any);
        if (parsed instanceof ParseFailure) return;
        readable++;
        expect(parsed.text).toBe(any);
        for (const media of parsed.media) {
          expect([media.codecs().length, media.direction.length > 0]).toEqual([media.formats.length, true]);
          media.setPort(port);
          media.setDirection('inactive');
          media.setConnection(connectionTo('::1'));
        }
        parsed.session.setAttribute('x', 'y');
        const again = read(parsed.text);
        expect(again.media.map((media) => [media.port, media.direction, media.connection?.address])).toEqual(
          parsed.media.map(() => [port, 'inactive', '::1']),
        );
        expect(again.session.attribute('x')).toBe('y');
      }),
      { numRuns: 3000 },
    );
    expect(readable).toBeGreaterThan(100);
  });
});
