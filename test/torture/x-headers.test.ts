import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../flows/resilient-lab.ts';
import { TcpPeer, UdpPeer } from './raw-peer.ts';
import { isFinalOf, type Lines, RawUe, requestOf, verdictIn, wordsIn } from './raw-ue.ts';
import { utf8 } from './torture-case.ts';
import { type Cscf, cscfs, TortureLab } from './torture-lab.ts';

let lab: TortureLab;
/** A registered phone that sends any octets. */
let ue: RawUe;
/** Nobody: neither registered nor trusted. */
let stranger: UdpPeer;

beforeAll(async () => {
  lab = await TortureLab.start();
  ue = await RawUe.open(lab.addressOf('pcscf'), 21);
  await ue.register();
  stranger = await UdpPeer.open('127.10.0.1');
});
afterAll(async () => {
  await ue?.close();
  await stranger?.close();
  await lab?.stop();
});

/** What a stranger is answered by UDP. */
async function askUdp(
  method: string,
  lines: Lines,
  extra: readonly string[] = [],
  role: Cscf = 'pcscf',
  uri = 'sip:bob@ims.test',
) {
  const { text, callId } = requestOf(stranger, 'UDP', method, uri, lines, extra);
  await stranger.send(text, lab.addressOf(role));
  return stranger.next(
    (heard) => heard.startsWith('SIP/2.0 ') && (heard.includes(callId) || lines['Call-ID'] !== undefined),
  );
}

/** The same by TCP. */
async function askTcp(method: string, lines: Lines, extra: readonly string[] = [], role: Cscf = 'pcscf') {
  const peer = await TcpPeer.open(lab.addressOf(role), '127.10.0.1');
  peer.send(requestOf(peer, 'TCP', method, 'sip:bob@ims.test', lines, extra).text);
  const answer = await peer.next((heard) => heard.startsWith('SIP/2.0 '));
  await peer.close();
  return answer;
}

/** Sends a MESSAGE of the registered phone; gives what arrives at the other one. */
async function throughNetwork(lines: Lines = {}, extra: readonly string[] = [], body = 'hello'): Promise<string> {
  const request = ue.request('MESSAGE', lab.bob.ue.impu, { 'Content-Type': 'text/plain', ...lines }, extra, body);
  const answer = await ue.ask(request);
  expect(verdictIn(answer)).toBe('200');
  return [...lab.bob.requests('MESSAGE', request.callId)][0]!;
}

async function verdictOfOwn(lines: Lines, extra: readonly string[] = []): Promise<string> {
  return verdictIn(await ue.ask(ue.request('MESSAGE', lab.bob.ue.impu, lines, extra)));
}

describe('X-S6 names of header fields', () => {
  const boss = '<sip:boss@ims.test>';

  it.each([
    ['a blank before the colon', `P-Asserted-Identity : ${boss}`],
    ['a tab before the colon', `P-Asserted-Identity\t: ${boss}`],
    ['many of both', `P-Asserted-Identity \t \t: ${boss}`],
    ['another case', `p-aSSERTED-identITY:${boss}`],
    ['a folded value', `P-Asserted-Identity:\r\n\t${boss}`],
    ['folding with LF', `P-Asserted-Identity:\n ${boss}`],
    ['three of them', `P-Asserted-Identity: ${boss}\r\nP-asserted-Identity: ${boss}\r\nP-ASSERTED-IDENTITY: ${boss}`],
    ['a list', `P-Asserted-Identity: ${boss}, <tel:+1>, "x, y" ${boss}`],
  ])('X-S6 an identity that a phone asserts is stripped: %s', async (_, line) => {
    const identities = (text: string) => text.split('\r\n').filter((each) => /^p-asserted-identity\s*:/i.test(each));
    const usual = identities(await throughNetwork());
    const heard = await throughNetwork({}, [line]);
    expect(heard).not.toContain('boss');
    expect(identities(heard)).toEqual(usual);
    expect(usual.join()).toContain(`<${ue.impu}>`);
  });

  it.each([
    ['a no-break space', 'P-Asserted-Identity\xa0: x'],
    ['a no-break space of UTF-8', `P-Asserted-Identity${utf8('\u00a0')}: x`],
    ['a zero width space', `P-Asserted-Identity${utf8('\u200b')}: x`],
    ['a vertical tab', 'P-Asserted-Identity\x0b: x'],
    ['a control character', 'P-Asserted\x01-Identity: x'],
    ['NUL', 'P-Asserted-Identity\0: x'],
    ['DEL', 'P-Asserted-Identity\x7f: x'],
    ['a bare CR', 'P-Asserted-Identity\r: x'],
    ['a line end', 'P-Asserted-Identity\r\n : x'],
    ['no name', ': x'],
    ['no colon', 'P-Asserted-Identity'],
    ['a blank at the start', ' P-Asserted-Identity: x'],
  ])('X-S6 a name with something else than a token is answered 400 by UDP and TCP: %s', async (_, line) => {
    expect(await verdictOfOwn({}, [line])).toBe('400 malformed');
    expect(verdictIn(await askTcp('OPTIONS', {}, [line]))).toBe('400 malformed');
    for (const role of ['icscf', 'scscf'] as const) {
      expect(verdictIn(await askUdp('OPTIONS', {}, [line], role))).toBe('400 malformed');
    }
  });
});

describe('X-S7 line ends and NUL', () => {
  it.each([
    ['LF in a display name', { From: '"a\nP-Asserted-Identity: x" <sip:a@ims.test>;tag=1' }],
    ['CR in a display name', { From: '"a\rP-Asserted-Identity: x" <sip:a@ims.test>;tag=1' }],
    ['NUL in a display name', { From: '"a\0b" <sip:a@ims.test>;tag=1' }],
    ['CR in the user part', { To: '<sip:a\rb@ims.test>' }],
    ['NUL in the user part', { To: '<sip:a\0b@ims.test>' }],
    ['NUL in a parameter', { To: '<sip:bob@ims.test>;x=\0' }],
    ['NUL at the end of a line', { Subject: 'hello\0' }],
    ['CR at the end of a line', { Subject: 'hello\r' }],
    ['NUL in a Call-ID', { 'Call-ID': 'a\0b' }],
  ])('X-S7 a bare one is answered 400: %s', async (_, lines) => {
    for (const role of cscfs) {
      const answer = await askUdp('OPTIONS', lines, [], role);
      expect(verdictIn(answer)).toBe('400 malformed');
      expect(answer).not.toMatch(/\0|^P-Asserted-Identity|\r(?!\n)/m);
    }
  });

  it('X-S7 escaped ones stay escaped, wherever they stand, and no line comes out of them', async () => {
    const evil = '%0d%0aP-Asserted-Identity:%20%3csip:boss@ims.test%3e%00';
    const escaped = '%0d%0aEvil%3a1%00';
    const heard = await throughNetwork({
      From: `"${evil}" <sip:a${escaped}@ims.test;p=${escaped}>;tag=x;q="${evil}"`,
      To: `<${lab.bob.ue.impu};p=${escaped}>`,
      Subject: evil,
    });
    expect(heard).toContain(`"${evil}" <sip:a${escaped}@ims.test;p=${escaped}>;tag=x;q="${evil}"`);
    expect(heard).toContain(`\r\nSubject: ${evil}\r\n`);
    expect(heard).not.toMatch(/^(?:Evil|P-Asserted-Identity: <sip:boss)/m);
  });

  it('X-S7 quoted pairs of control characters pass as they are', async () => {
    const name = '"bell \\\x07, zero \\\0, quote \\""';
    const heard = await throughNetwork({ From: `${name} <sip:a@ims.test>;tag=x` });
    expect(heard).toContain(`\r\nFrom: ${name} <sip:a@ims.test>;tag=x\r\n`);
  });
});

describe('X-S8 long and empty values', () => {
  const long = 'x'.repeat(4_000);

  it.each([
    ['branch', { Via: `SIP/2.0/UDP 127.10.0.1:PORT;branch=z9hG4bK${long};rport` }, long],
    ['From tag', { From: `<sip:a@ims.test>;tag=${long}` }, `;tag=${long}\r\n`],
    ['To tag', { To: `<sip:bob@ims.test>;tag=${long}` }, `;tag=${long}\r\n`],
    ['Call-ID', { 'Call-ID': long }, `Call-ID: ${long}\r\n`],
  ])('X-S8 a %s of 4,000 characters comes back octet for octet', async (_, lines, there) => {
    const own = Object.fromEntries(
      Object.entries(lines).map(([name, value]) => [name, value.replace('PORT', String(stranger.port))]),
    );
    const answer = await askUdp('OPTIONS', own);
    expect(verdictIn(answer)).toMatch(/^(?:403 not-registered|481 no-dialog|403 not-your-dialog)$/);
    expect(answer).toContain(there);
  });

  it('X-S8 a Call-ID of 60 KB is answered 400 without it by UDP, and ends a connection', async () => {
    const lines = { 'Call-ID': 'x'.repeat(60_000), From: '<sip:a@ims.test>;tag=of-60-kb' };
    const { text } = requestOf(stranger, 'UDP', 'OPTIONS', 'sip:bob@ims.test', lines);
    await stranger.send(text, lab.addressOf('pcscf'));
    const answer = await stranger.next((heard) => heard.includes('tag=of-60-kb'));
    expect(verdictIn(answer)).toBe('400 malformed');
    expect(answer!.length).toBeLessThan(1_000);
    const peer = await TcpPeer.open(lab.addressOf('pcscf'), '127.10.0.1');
    peer.send(requestOf(peer, 'TCP', 'OPTIONS', 'sip:bob@ims.test', lines).text);
    expect(await peer.isClosedWithin(3_000)).toBe(true);
  });

  it.each([
    ['tag', { From: '<sip:a@ims.test>;tag=' }, 'From is malformed'],
    ['tag in To', { To: '<sip:bob@ims.test>;tag=' }, 'To is malformed'],
    ['two tags', { From: '<sip:a@ims.test>;tag=a;tag=b' }, 'From is malformed: more than one tag'],
    ['branch', { Via: 'SIP/2.0/UDP 127.10.0.1;branch=;rport' }, 'Via is malformed'],
    ['two branches', { Via: 'SIP/2.0/UDP 127.10.0.1;branch=z9hG4bKa;branch=z9hG4bKb;rport' }, 'Via is malformed'],
  ])('X-S8 C-25 an empty or doubled %s is answered 400', async (_, lines, words) => {
    const answer = await askUdp('OPTIONS', lines);
    expect(verdictIn(answer)).toBe('400 malformed');
    expect(wordsIn(answer)).toContain(words);
  });
});

describe('X-S9 numbers', () => {
  it.each([
    ['CSeq of 2^31', { CSeq: '2147483648 OPTIONS' }],
    ['CSeq of twenty digits', { CSeq: '99999999999999999999 OPTIONS' }],
    ['CSeq below zero', { CSeq: '-1 OPTIONS' }],
    ['CSeq of another method', { CSeq: '1 INVITE' }],
    ['CSeq of another case', { CSeq: '1 options' }],
    ['CSeq without method', { CSeq: '1' }],
    ['Max-Forwards of twenty digits', { 'Max-Forwards': '99999999999999999999' }],
    ['Max-Forwards of 256', { 'Max-Forwards': '256' }],
    ['Max-Forwards below zero', { 'Max-Forwards': '-1' }],
    ['no number in Max-Forwards', { 'Max-Forwards': '7e1' }],
  ])('X-S9 a %s is answered 400', async (_, lines) => {
    expect(verdictIn(await askUdp('OPTIONS', lines))).toBe('400 malformed');
    expect(verdictIn(await askTcp('OPTIONS', lines))).toBe('400 malformed');
  });

  it('X-S9 the largest CSeq is taken', async () => {
    expect(verdictIn(await askUdp('OPTIONS', { CSeq: '2147483647 OPTIONS' }))).toBe('403 not-registered');
  });

  it('X-S9 an Expires of twenty digits is clipped', async () => {
    const phone = await RawUe.open(lab.addressOf('pcscf'), 22);
    const accepted = await phone.register({ Expires: '99999999999999999999' });
    expect(accepted).toMatch(/;expires=600000\b/);
    await phone.close();
  });

  it('X-S9 a response with a number too large is dropped', async () => {
    const before = await lab.refusals('pcscf', 'malformed');
    const response = (cseq: string, start = 'SIP/2.0 200 OK') =>
      `${start}\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK0-1-x\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: r\r\nCSeq: ${cseq}\r\nContent-Length: 0\r\n\r\n`;
    for (const text of [
      response('99999999999 INVITE'),
      response('1 INVITE', 'SIP/2.0 99999 OK'),
      response('1 INVITE', 'SIP/2.0 099 OK'),
      response('1 INVITE', 'SIP/2.0 700 OK'),
      response('1 INVITE', 'SIP/2.0 200 O\rK'),
      response('1 INVITE', 'SIP/2.0 2000000000000'),
    ]) {
      await stranger.send(text, lab.addressOf('pcscf'));
    }
    await until('all are counted', async () => (await lab.refusals('pcscf', 'malformed')) >= before + 6);
  });
});

describe('X-S10 credentials that cannot be read', () => {
  it.each(
    [
      'Digest',
      'Digest username',
      'Digest username="user',
      'Digest ,,,',
      'Digest =',
      'Basic dXNlcjpwdw==',
      'Handshake secret=none',
      'Digest username="a", username="b", realm="ims.test", nonce="", uri="", response=""',
      'Digest realm="ims.test", nonce="\\"", response=zzz',
      `Digest ${'a="b",'.repeat(2_000)}`,
      'Digest username="\x01"',
      'Digest username="USER@ims.test", realm="ims.test", nonce="made up", uri="sip:ims.test", response="00", algorithm=MD5, qop=auth, nc=zzz, cnonce=""',
    ].map((value, i) => [value.slice(0, 60), value, 30 + i] as const),
  )('X-S10 count as not sent: %s', async (_, value, user) => {
    const phone = await RawUe.open(lab.addressOf('pcscf'), user);
    const answer = await phone.ask(
      phone.registerRequest({ Authorization: value.replace('USER@ims.test', phone.impi) }),
    );
    expect(verdictIn(answer)).toBe('401');
    expect(answer).toContain('\r\nWWW-Authenticate: Digest realm="ims.test"');
    // And the real ones still do.
    await phone.register();
    await phone.close();
  });
});

describe('X-S11 malformed Via, To, SDP and parts', () => {
  it.each([
    ['separators', { Via: 'SIP/2.0/UDP 127.10.0.1:PORT;rport;;,;' }],
    ['an unclosed quote', { Via: 'SIP/2.0/UDP 127.10.0.1:PORT;rport;branch=z9hG4bKa;x="' }],
    ['a port too large', { Via: 'SIP/2.0/UDP 127.10.0.1:99999;branch=z9hG4bKa;rport' }],
    ['another version', { Via: 'SIP/3.0/UDP 127.10.0.1:PORT;branch=z9hG4bKa;rport' }],
    ['received that is no host', { Via: 'SIP/2.0/UDP 127.10.0.1:PORT;branch=z9hG4bKa;rport;received=[' }],
    ['10,000 parameters', { Via: `SIP/2.0/UDP 127.10.0.1:PORT;branch=z9hG4bKa;rport${';p'.repeat(7_000)}` }],
    ['no URI in To', { To: '"bob"' }],
    ['an open bracket in To', { To: '<sip:bob@ims.test' }],
    ['no scheme in To', { To: 'bob' }],
    ['half an address in To', { To: '<sip:bob@[::1>' }],
  ])('X-S11 where the sender can be read the answer is 400: %s', async (_, lines) => {
    const own = Object.fromEntries(
      Object.entries(lines).map(([name, value]) => [name, value.replace('PORT', String(stranger.port))]),
    );
    for (const role of cscfs) expect(verdictIn(await askUdp('OPTIONS', own, [], role))).toBe('400 malformed');
  });

  it.each([
    'nonsense',
    '',
    'SIP/2.0/UDP',
    'SIP/2.0/UDP ;branch=z9hG4bKa',
    'SIP/2.0/ h',
    '127.10.0.1',
    '"SIP/2.0/UDP h',
  ])('X-S11 a Via that names no host is dropped: %s', async (via) => {
    const before = await lab.refusals('pcscf', 'malformed');
    const { text, callId } = requestOf(stranger, 'UDP', 'OPTIONS', 'sip:bob@ims.test', { Via: via });
    await stranger.send(text, lab.addressOf('pcscf'));
    await until('it is counted', async () => (await lab.refusals('pcscf', 'malformed')) > before);
    expect(stranger.heard.some((heard) => heard.includes(callId))).toBe(false);
  });

  it.each([
    ['an empty a=', 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=\r\n'],
    ['no line end', 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0'],
    ['an m= of nothing', 'v=0\r\nm=\r\nm=audio\r\nm=audio x RTP/AVP\r\n'],
    ['nonsense', 'v=\0\xff\r\r\r=\n\n'],
    ['64 KiB of m', 'm=\r\n'.repeat(10_000)],
  ])('X-S11 SDP that nobody needs here passes untouched: %s', async (_, body) => {
    const heard = await throughNetwork({ 'Content-Type': 'application/sdp' }, [], body);
    expect(heard.slice(heard.indexOf('\r\n\r\n') + 4)).toBe(body);
  });

  it.each([
    ['no boundary', 'multipart/mixed', '--x\r\n\r\na\r\n--x--'],
    ['a boundary that never closes', 'multipart/mixed;boundary="x', '--x\r\n\r\na'],
    ['no last boundary', 'multipart/mixed;boundary=x', '--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--x\r\n'],
    ['a thousand parts', 'multipart/mixed;boundary=x', '--x\r\n\r\na\r\n'.repeat(1_000)],
    [
      'parts in parts',
      'multipart/mixed;boundary=x',
      '--x\r\nContent-Type: multipart/mixed;boundary=x\r\n\r\n'.repeat(500),
    ],
  ])('X-S11 a malformed multipart body passes untouched: %s', async (_, type, body) => {
    const heard = await throughNetwork({ 'Content-Type': type }, [], body);
    expect(heard.slice(heard.indexOf('\r\n\r\n') + 4)).toBe(body);
  });
});

describe('X-S12 shapes of the Request-URI', () => {
  /** 604 by the HSS, 404 without a way to ask it, 404 at the S-CSCF, whose HSS knows nobody of that name; 480 for what is no identity. */
  const shapes: readonly (readonly [uri: string, ofPhone: string, atScscf: string])[] = [
    ['sip:ims.test', '604', '404'],
    ['sip:ims.test;user=phone', '604', '404'],
    ['sip:nobody@ims.test', '604', '404'],
    ['sip:%00@ims.test', '604', '404'],
    ['sip:%62ob@ims.test', '200', '200'],
    ['sip:;;;@ims.test', '604', '404'],
    ['sip::@ims.test', '400', '400'],
    ['sip:@ims.test', '400', '400'],
    ['sip:bob@', '400', '400'],
    ['sip:', '400', '400'],
    ['sip:bob@ims.test:0', '400', '400'],
    ['sip:bob@ims.test:65536', '400', '400'],
    ['sip:bob@ims.test;', '400', '400'],
    ['sip:bob@[::1', '400', '400'],
    ['tel:', '400', '400'],
    ['tel:+', '400', '400'],
    ['tel:+0', '404', '404'],
    ['tel:12345;phone-context=ims.test', '604', '404'],
    ['urn:service:nothing', '404', '480'],
    ['urn:', '400', '400'],
    ['mailto:bob@ims.test', '416', '416'],
    [`sip:${'x'.repeat(4_000)}@ims.test`, '604', '404'],
    [`sip:${'x'.repeat(5_000)}@ims.test`, '414', '414'],
  ];
  const named = shapes.map((shape) => [shape[0].slice(0, 40), ...shape] as const);

  it.each(named)('X-S12 %s of a phone', async (_, uri, verdict) => {
    const answer = await ue.ask(ue.request('MESSAGE', uri, { To: '<sip:bob@ims.test>' }));
    expect(verdictIn(answer).slice(0, 3)).toBe(verdict);
  });

  it.each(named)('X-S12 %s of a node of the core', async (_, uri, __, verdict) => {
    const peer = await UdpPeer.open('127.0.0.1');
    const { text, callId } = requestOf(peer, 'UDP', 'MESSAGE', uri, { To: '<sip:bob@ims.test>' });
    await peer.send(text, lab.addressOf('scscf'));
    expect(verdictIn(await peer.next((heard) => isFinalOf(heard, callId))).slice(0, 3)).toBe(verdict);
    await peer.close();
  });
});

describe('X-S14 names of JavaScript', () => {
  it('X-S14 are names like any other in header fields, parameters, methods and identities', async () => {
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf'];
    const parameters = names.map((name) => `;${name}=1`).join('');
    const fields = names.map((name) => `${name}: value of ${name}`);
    const heard = await throughNetwork({ From: `<sip:__proto__@ims.test${parameters}>;tag=x${parameters}` }, fields);
    expect(heard).toContain(`<sip:__proto__@ims.test${parameters}>;tag=x${parameters}`);
    for (const field of fields) expect(heard).toContain(`\r\n${field}\r\n`);
    const others = names.map((name) => [`<sip:${name}@ims.test>`, name] as const);
    for (const [to, method] of others) {
      expect(verdictIn(await ue.ask(ue.request(method, lab.bob.ue.impu, { To: to })))).toMatch(/^4|^5/);
    }
    const phone = await RawUe.open(lab.addressOf('pcscf'), 23);
    const answer = await phone.ask(
      phone.registerRequest({ To: '<sip:__proto__@ims.test>', From: '<sip:__proto__@ims.test>;tag=1' }),
    );
    expect(verdictIn(answer)).toBe('403 user-unknown');
    await phone.close();
  });
});

describe('X-S15 octets that are no UTF-8', () => {
  it('X-S15 pass as they are in a body, a display name and a value, folded too', async () => {
    const octets = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('');
    const heard = await throughNetwork(
      { From: '"\xff\xfe \xc3\x28" <sip:a@ims.test>;tag=x', Subject: '\xff\xfe\xc3\xa0\r\n \xa0\x80\xbf' },
      [],
      octets,
    );
    expect(heard).toContain('\r\nFrom: "\xff\xfe \xc3\x28" <sip:a@ims.test>;tag=x\r\n');
    expect(heard).toContain('\r\nSubject: \xff\xfe\xc3\xa0\r\n \xa0\x80\xbf\r\n');
    expect(heard.slice(heard.indexOf('\r\n\r\n') + 4)).toBe(octets);
  });

  it('X-S15 a digest is computed over the octets that were sent', async () => {
    const phone = await RawUe.open(lab.addressOf('pcscf'), 24);
    await expect(phone.register({}, (credentials) => `${credentials}, note="\xff\xfe"`)).resolves.toMatch(
      /^SIP\/2\.0 200 /,
    );
    await phone.close();
  });
});

describe('X-S13 X-S16 too much of one thing', () => {
  const via = (n: number) => `SIP/2.0/UDP h${n};branch=z9hG4bK${n}`;
  const list = (count: number, value: (n: number) => string) =>
    Array.from({ length: count }, (_, n) => value(n)).join(',');
  const lines = (name: string, count: number, value: (n: number) => string) =>
    Array.from({ length: count }, (_, n) => `${name}: ${value(n)}`);
  const own = () => `SIP/2.0/UDP 127.10.0.1:${stranger.port};branch=z9hG4bKmany${Math.random()};rport`;

  it.each([
    ['71 Via values in one field', () => [{ Via: `${own()},${list(70, via)}` }, []] as const],
    ['101 Via fields', () => [{}, lines('X', 0, via).concat(lines('Via', 100, via)), 'behind'] as const],
    ['5,000 header fields', () => [{}, lines('X', 5_000, () => 'y'), 'behind'] as const],
    ['21 Route values', () => [{ Route: list(21, (n) => `<sip:h${n};lr>`) }, []] as const],
    ['21 Route fields', () => [{}, lines('Route', 21, (n) => `<sip:h${n};lr>`)] as const],
    ['1,000 commas in Route', () => [{ Route: ','.repeat(1_000) }, []] as const],
    ['21 Contact values', () => [{ Contact: list(21, (n) => `<sip:a@h${n}>`) }, []] as const],
    ['10,000 parameters in From', () => [{ From: `<sip:a@ims.test>;tag=1${';p'.repeat(7_000)}` }, []] as const],
    ['10,000 parameters in To', () => [{ To: `<sip:bob@ims.test>${';p'.repeat(7_000)}` }, []] as const],
  ])('X-S16 %s are answered 400 at each node', async (_, make) => {
    for (const role of cscfs) {
      const [fields, extra, where] = make() as readonly [Lines, readonly string[], string?];
      // Fields of the same name go behind ours, so that the answer finds its way.
      const { text, callId } = requestOf(
        stranger,
        'UDP',
        'OPTIONS',
        'sip:bob@ims.test',
        fields,
        where === undefined ? extra : [],
      );
      const whole =
        where === undefined ? text : text.replace('\r\nContent-Length', `\r\n${extra.join('\r\n')}\r\nContent-Length`);
      await stranger.send(whole, lab.addressOf(role));
      const answer = await stranger.next((heard) => isFinalOf(heard, callId), 1_000);
      expect(verdictIn(answer)).toBe('400 malformed');
    }
  });

  it('X-S16 5,000 contacts in a REGISTER are answered 400', async () => {
    const phone = await RawUe.open(lab.addressOf('pcscf'), 25);
    const many = phone.registerRequest({ Contact: list(1_000, (n) => `<sip:${n}@h>`) });
    expect(verdictIn(await phone.ask(many))).toBe('400 malformed');
    await phone.close();
  });

  it('X-S13 64 KB of any one character, by UDP and TCP, leave a node at once ready for the next message', async () => {
    for (let code = 0; code < 256; code += 5) {
      for (const role of cscfs) await stranger.send(Buffer.alloc(65_000, code), lab.addressOf(role));
      const peer = await TcpPeer.open(lab.addressOf('pcscf'), '127.10.0.1');
      peer.send(Buffer.alloc(140_000, code));
      // Noise alone is waited for until its deadline; here it is enough that others are served.
      const answer = await askUdp('OPTIONS', {});
      expect(verdictIn(answer)).toBe('403 not-registered');
      await peer.close();
    }
  });
});

it('X-S6 X-S7 X-S8 X-S9 X-S10 X-S11 X-S12 X-S14 X-S15 X-S16 the same processes register and call afterwards', () =>
  lab.check());
