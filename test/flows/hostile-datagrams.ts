const crlf = '\r\n';

const valid = [
  'INVITE sip:bob@ims.test SIP/2.0',
  'Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKhostile;rport',
  'Max-Forwards: 70',
  'Route: <sip:127.0.0.1;lr>',
  'From: "Mallory" <sip:mallory@ims.test>;tag=m1',
  'To: <sip:bob@ims.test>',
  'Call-ID: hostile@127.0.0.1',
  'CSeq: 1 INVITE',
  'Contact: <sip:mallory@127.0.0.1:9>',
  'Content-Type: application/sdp',
  'Content-Length: 0',
];

const routeLine = 'Route: <sip:127.0.0.1;lr>';
const identityLine = 'P-Asserted-Identity: <sip:alice@ims.test>';
const damagedMethods = [
  'REGISTER',
  'BYE',
  'MESSAGE',
  'MESSAGE',
  'CANCEL',
  'ACK',
  'SUBSCRIBE',
  'NOTIFY',
  'PUBLISH',
  'UPDATE',
];

/** The valid request with one line replaced, by the beginning of that line; `null` leaves it out. */
function withLine(start: string, line: string | null): string {
  const lines = valid.flatMap((each) => (each.startsWith(start) ? (line === null ? [] : [line]) : [each]));
  return `${lines.join(crlf)}${crlf}${crlf}`;
}

function named(method: string): string {
  return withLine('INVITE', `${method} sip:bob@ims.test SIP/2.0`).replace('1 INVITE', `1 ${method}`);
}

/** Shapes that broke parsers before, such as RFC 4475 and security notices tell of. */
const shapes: readonly string[] = [
  '',
  '\0',
  crlf.repeat(500),
  'SIP/2.0',
  'SIP/2.0 200 OK',
  `SIP/2.0 4294967301 better not break the receiver${crlf}Via: SIP/2.0/UDP 127.0.0.1${crlf}${crlf}`,
  `SIP/2.0 200 OK${crlf}Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK0-1-x${crlf}CSeq: 1 INVITE${crlf}Call-ID: x${crlf}To: <sip:a@b>;tag=1${crlf}From: <sip:a@b>;tag=2${crlf}${crlf}`,
  `SIP/2.0 200 OK${crlf}Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK-zzzzz-${crlf}CSeq: 1 INVITE${crlf}Call-ID: x${crlf}To: <sip:a@b>${crlf}From: <sip:a@b>${crlf}${crlf}`,
  'INVITE',
  'INVITE  sip:a@b  SIP/2.0',
  withLine('INVITE', 'INVITE sip:bob@ims.test SIP/7.0'),
  withLine('INVITE', 'INVITE <sip:bob@ims.test> SIP/2.0'),
  withLine('INVITE', 'INVITE sip:%00%ff%zz@[::1 SIP/2.0'),
  withLine('INVITE', 'INVITE sip:bob@ims.test;transport=%;lr;;maddr=[ SIP/2.0'),
  withLine('INVITE', `INVITE sip:${'a'.repeat(30_000)}@ims.test SIP/2.0`),
  withLine('INVITE', 'INVITE tel:+;phone-context= SIP/2.0'),
  withLine('INVITE', 'INVITE urn:service:sos SIP/2.0'),
  withLine('Via', null),
  withLine('Via', 'Via: SIP/2.0/UDP 192.0.2.15;;,;,,'),
  withLine('Via', `Via: ${'SIP/2.0/UDP a;branch=z9hG4bKa,'.repeat(1_500)}`),
  withLine('Via', 'Via: SIP/2.0/UDP 127.0.0.1:99999999999;rport=4294967296;received=[;branch=z9hG4bK'),
  withLine('Max-Forwards', 'Max-Forwards: -1'),
  withLine('Max-Forwards', 'Max-Forwards: 0'),
  withLine('Max-Forwards', 'Max-Forwards: 99999999999999999999'),
  withLine('Route', `Route: ${'<sip:127.0.0.1;lr>,'.repeat(2_500)}`),
  withLine('Route', 'Route: <sip:127.0.0.1'),
  withLine('From', 'From: "\\'),
  withLine('From', `From: ${'"'.repeat(20_001)}<sip:a@b>`),
  withLine('From', null),
  withLine('To', 'To: sip:bob@ims.test?Route=%3Csip:x%3E'),
  withLine('Call-ID', null),
  withLine('Call-ID', 'Call-ID:'),
  withLine('CSeq', 'CSeq: 36893488147419103232 REGISTER'),
  withLine('CSeq', 'CSeq: 1'),
  withLine('Contact', `Contact: ${'<sip:a@b>;expires=1,'.repeat(2_000)}`),
  withLine('Contact', 'Contact: *'),
  withLine('Content-Length', 'Content-Length: -999'),
  withLine('Content-Length', 'Content-Length: 9999'),
  withLine('Content-Length', 'Content-Length: 99999999999999999999999'),
  withLine('Content-Length', `Content-Length: 0${crlf}Content-Length: 5`),
  withLine('Content-Type', `${'X-Header: x\r\n'.repeat(3_000)}Content-Type: a/b`),
  withLine('Content-Type', `Content-Type: a/b${`${crlf} `.repeat(10_000)}`),
  withLine('Content-Type', `__proto__: x${crlf}constructor: y${crlf}toString: z${crlf}Content-Type:`),
  withLine('Content-Type', `Proxy-Authorization: Digest ${'a="b",'.repeat(5_000)}`),
  withLine('Content-Type', 'Authorization: Digest username="\\"\\\\", realm=, nonce, uri="'),
  withLine(
    'Content-Type',
    `P-Asserted-Identity: <sip:@>${crlf}P-Charging-Vector: icid-value=;;;${crlf}Session-Expires: x`,
  ),
  valid.join('\n'),
  valid.join('\r'),
  valid.join('\n\n'),
  ...['REGISTER', 'ACK', 'CANCEL', 'BYE', 'PRACK', 'SUBSCRIBE', 'NOTIFY', '__proto__', 'x'.repeat(5_000)].map(named),
];

/** A generator whose sequence is the same in each run. Source: Marsaglia, xorshift32. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** Each is a transaction of its own, else it would pass for a copy of the one before. */
function numbered(text: string, number: number): string {
  return text.replace('Khostile', `Khostile${number}`).replace('hostile@', `hostile${number}@`);
}

/** `count` datagrams that no decent peer sends: known shapes, then damaged copies of a valid request. */
export function hostileDatagrams(count: number): Buffer[] {
  const below = random(0x5eed);
  const datagrams = shapes.slice(0, count).map((text, i) => Buffer.from(numbered(text, i), 'latin1'));
  while (datagrams.length < count) {
    const method = damagedMethods[below(damagedMethods.length)]!;
    // Without a Route it goes to the callee, through all procedures.
    const text = named(method).replace(routeLine, below(2) === 0 ? routeLine : identityLine);
    const octets = Buffer.from(numbered(text, datagrams.length), 'latin1');
    for (let changes = 1 + below(4); changes > 0; changes--) octets[below(octets.length)] = below(256);
    datagrams.push(below(4) === 0 ? octets.subarray(0, below(octets.length)) : octets);
  }
  return datagrams;
}
