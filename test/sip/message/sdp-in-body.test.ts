import { describe, expect, it } from 'vitest';
import { ParseFailure } from '#sip/errors';
import { contentOf, setBody } from '#sip/message/body';
import { createResponse } from '#sip/message/create';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipMessage } from '#sip/message/response';
import { writeMessage } from '#sip/message/write';
import { parseMessage } from '#sip/parser/parse-message';
import type { SessionDescription } from '#sip/sdp/session-description';
import { flowFrom, message } from '../wire-port.ts';

const sdp = 'v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 49152 RTP/AVP 0\r\na=x\r\n';
const head = [
  'INVITE sip:bob@ims.test SIP/2.0',
  'Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKa',
  'From: <sip:alice@ims.test>;tag=1',
  'To: <sip:bob@ims.test>',
  'Call-ID: call-1',
  'CSeq: 1 INVITE',
];

function invite(body: string, type: string | null = 'application/sdp', traced = false): SipRequest {
  const lines = type === null ? head : [...head, `Content-Type: ${type}`];
  const parsed = parseMessage(
    message([...lines, `Content-Length: ${body.length}`], body),
    flowFrom('1.1.1.1', 5),
    traced,
  );
  if (parsed.kind !== 'request') throw new Error(parsed.kind === 'broken' ? parsed.reason : 'response');
  return parsed;
}

function sdpOf(of: SipMessage): SessionDescription {
  const found = of.sdp;
  if (found === null || found instanceof ParseFailure) throw new Error(found?.reason ?? 'no SDP');
  return found;
}

const mixed = 'multipart/mixed;boundary=b';
const multipart = (part: string, more = '') =>
  `preamble\r\n--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\n${part}\r\n--b${more}--\r\nepilogue`;
const inPart = multipart(`Content-Type: application/sdp\r\nContent-ID: <s@x>\r\n\r\n${sdp}`);

describe('the SDP of a message', () => {
  it('an edit is in the body and on the wire at once, Content-Length follows', () => {
    const request = invite(sdp);
    expect(sdpOf(request)).toBe(sdpOf(request));
    sdpOf(request).media[0]!.setPort(7);
    const edited = sdp.replace('49152', '7');
    expect(request.body).toBe(edited);
    expect(sdpOf(request).media[0]!.port).toBe(7);
    const written = writeMessage(request);
    expect(written.endsWith(`Content-Length: ${edited.length}\r\n\r\n${edited}`)).toBe(true);
    sdpOf(request).media[0]!.setDirection('inactive');
    expect(request.body).toBe(`${edited}a=inactive\r\n`);
  });

  it('a message of which the SDP was only read goes out byte for byte', () => {
    for (const [body, type] of [
      [sdp, 'application/sdp'],
      [inPart, mixed],
    ] as const) {
      const request = invite(body, type);
      const before = writeMessage(request);
      expect(sdpOf(request).media[0]!.port).toBe(49152);
      expect(writeMessage(request)).toBe(before);
    }
  });

  it('C-28 SDP in a multipart body is edited in its part, all else stays', () => {
    const request = invite(inPart, mixed);
    sdpOf(request).media[0]!.setPort(0);
    expect(request.body).toBe(inPart.replace('49152', '0'));
    expect(sdpOf(request).media[0]!.port).toBe(0);
    const again = parseMessage(writeMessage(request), flowFrom('1.1.1.1', 5)) as SipRequest;
    expect(sdpOf(again).media[0]!.port).toBe(0);
  });

  it('C-28 a Content-Length of the part says the new length', () => {
    const part = (length: number, text: string) =>
      multipart(`Content-Type: application/sdp\r\nl:  ${length}\r\nX: y\r\n\r\n${text}`);
    const request = invite(part(sdp.length, sdp), mixed);
    const edited = sdp.replace('49152', '7');
    sdpOf(request).media[0]!.setPort(7);
    expect(request.body).toBe(part(edited.length, edited));
  });

  it('a clone has what was edited before, and its own edits after', () => {
    const request = invite(sdp);
    sdpOf(request).media[0]!.setPort(1);
    const branch = request.clone();
    sdpOf(branch).media[0]!.setPort(2);
    expect([sdpOf(request).media[0]!.port, sdpOf(branch).media[0]!.port]).toEqual([1, 2]);
    sdpOf(request).media[0]!.setPort(3);
    expect(branch.body).toBe(sdp.replace('49152', '2'));
    expect(request.body).toBe(sdp.replace('49152', '3'));
  });

  it('another body is read anew, and what was held of the old one does not come back', () => {
    const request = invite(sdp);
    const old = sdpOf(request);
    request.replaceBody(sdp.replace('49152', '5'));
    old.media[0]!.setPort(9);
    expect([request.body, sdpOf(request).media[0]!.port]).toEqual([sdp.replace('49152', '5'), 5]);
    setBody(request, 'text/plain', 'hello');
    expect([request.sdp, request.body]).toEqual([null, 'hello']);
  });

  it('another Content-Type is seen, edits made before it stay', () => {
    const request = invite(sdp);
    sdpOf(request).media[0]!.setPort(5);
    request.headers.set(Header['Content-Type'], 'text/plain');
    expect([request.sdp, request.body]).toEqual([null, sdp.replace('49152', '5')]);
    request.headers.set(Header['Content-Type'], 'application/sdp');
    expect(sdpOf(request).media[0]!.port).toBe(5);
  });

  it('a response has it too', () => {
    const response = createResponse(invite(sdp), 183, 'tag');
    expect(response.sdp).toBeNull();
    setBody(response, 'application/sdp', sdp);
    sdpOf(response).media[0]!.setPort(7);
    expect(writeMessage(response).endsWith(`\r\n\r\n${sdp.replace('49152', '7')}`)).toBe(true);
    response.replaceBody('');
    expect([response.sdp, response.body]).toEqual([null, '']);
  });

  it('edits are journalled with the procedure while somebody traces', () => {
    const request = invite(sdp, 'application/sdp', true);
    sdpOf(request.by('anchorMedia')).media[0]!.setPort(7);
    expect(request.headers.journal?.entries).toEqual([
      { procedure: 'anchorMedia', before: 'm=audio 49152 RTP/AVP 0', after: 'm=audio 7 RTP/AVP 0' },
    ]);
  });

  it.each([
    ['', 'application/sdp'],
    [sdp, null],
    [sdp, 'application/sdpng'],
    ['hello', 'text/plain'],
    [multipart('Content-Type: text/html\r\n\r\nx'), mixed],
    [sdp, mixed],
  ])('C-28 a body without SDP has none: %j of type %s', (body, type) => {
    expect(invite(body, type).sdp).toBeNull();
  });

  it.each([
    ['v=0\r\nm=', 'application/sdp', 'malformed media type'],
    [sdp, 'application/', 'malformed media subtype'],
    [inPart, 'multipart/mixed', 'no proper boundary'],
    [
      multipart(`Content-Type: application/sdp\r\n\r\n${sdp}\r\n--b\r\nContent-Type: application/sdp\r\n\r\n${sdp}`),
      mixed,
      'more than one session description',
    ],
    [
      multipart('Content-Type: application/sdp\r\nContent-Transfer-Encoding: base64\r\n\r\ndj0w'),
      mixed,
      'SDP in base64',
    ],
  ])('X-S11 SDP that cannot be read is a failure: %j of type %s', (body, type, reason) => {
    const request = invite(body, type);
    expect(request.sdp).toMatchObject({ reason });
    expect(request.body).toBe(body);
  });

  it('RFC 3959 4 of two descriptions that for the session counts', () => {
    const early = `Content-Type: application/sdp\r\nContent-Disposition: early-session\r\n\r\n${sdp}`;
    const session = `Content-Type: application/sdp\r\nContent-Transfer-Encoding: 8BIT\r\n\r\n${sdp.replace('49152', '7')}`;
    expect(sdpOf(invite(multipart(`${early}\r\n--b\r\n${session}`), mixed)).media[0]!.port).toBe(7);
    expect(sdpOf(invite(multipart(early), mixed)).media[0]!.port).toBe(49152);
  });
});

describe('contents by type', () => {
  const xml = '<ims-3gpp version="1"/>';
  const ims = 'application/3gpp-ims+xml';

  it('C-28 finds application/3gpp-ims+xml alone and as a part', () => {
    expect(contentOf(invite(xml, 'Application/3GPP-IMS+XML;charset="utf-8"'), ims)).toBe(xml);
    expect(contentOf(invite(multipart(`Content-Type: ${ims}\r\n\r\n${xml}`), mixed), ims)).toBe(xml);
    expect(contentOf(invite(sdp), ims)).toBeNull();
    expect(contentOf(invite(''), ims)).toBeNull();
  });

  it('X-S11 a body that cannot be taken apart is a failure', () => {
    expect(contentOf(invite(xml, 'multipart/mixed'), ims)).toBeInstanceOf(ParseFailure);
  });
});
