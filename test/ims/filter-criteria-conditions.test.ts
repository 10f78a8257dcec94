import { describe, expect, it } from 'vitest';
import { sessionCases } from '#ims/filter-criterion';
import { holds, invite } from './filter-criteria-fixture.ts';

const header = (name: string, content: string | null, lines: readonly string[]) =>
  holds({ kind: 'sip-header', header: name, content }, invite(lines));

describe('Method', () => {
  it('S-92 is compared letter by letter', () => {
    expect(holds({ kind: 'method', method: 'INVITE' }, invite())).toBe(true);
    expect(holds({ kind: 'method', method: 'invite' }, invite())).toBe(false);
    expect(holds({ kind: 'method', method: 'INVIT.' }, invite())).toBe(false);
  });

  it('S-92 S-50 RegistrationType refines REGISTER and nothing else', () => {
    const register = invite([], '', 'REGISTER sip:ims.test SIP/2.0');
    const asked = { kind: 'method', method: 'REGISTER', registrationTypes: [0, 2] };
    expect(holds(asked, register, { registrationType: 0 })).toBe(true);
    expect(holds(asked, register, { registrationType: 1 })).toBe(false);
    expect(holds(asked, register, { registrationType: 2 })).toBe(true);
    expect(holds({ ...asked, negated: true }, register, { registrationType: 1 })).toBe(true);
    expect(holds({ ...asked, registrationTypes: [] }, register, { registrationType: 1 })).toBe(true);
    expect(holds({ kind: 'method', method: 'INVITE', registrationTypes: [0] }, invite())).toBe(true);
  });
});

describe('SessionCase', () => {
  it('S-92 knows five cases', () => {
    for (const [name, sessionCase] of Object.entries(sessionCases)) {
      for (const other of Object.values(sessionCases)) {
        const found = holds({ kind: 'session-case', sessionCase }, invite(), { sessionCase: other });
        expect(found, `${name} ${other}`).toBe(sessionCase === other);
      }
    }
    expect(holds({ kind: 'session-case', sessionCase: 5 }, invite())).toBe(false);
  });
});

describe('RequestURI', () => {
  it.each([
    ['^sip:bob@', true],
    ['user=phone$', true],
    ['@ims[.]test', true],
    ['^sips?:(alice|bob)@', true],
    ['^bob', false],
    ['BOB', false],
  ])('S-92 %s is looked for in the text of the Request-URI: %s', (pattern, expected) => {
    expect(holds({ kind: 'request-uri', pattern }, invite())).toBe(expected);
  });
});

describe('SIPHeader', () => {
  it('S-92 takes a plain name for the whole name, in any case and form', () => {
    expect(header('Event', null, ['Allow-Events: reg'])).toBe(false);
    expect(header('Event', null, ['o: reg'])).toBe(true);
    expect(header('SUBJECT', null, ['s: hi'])).toBe(true);
    expect(header('s', null, ['Subject: hi'])).toBe(true);
    expect(header('x-own', null, ['X-Own: 1'])).toBe(true);
    expect(header('X-Own', null, ['X-Owner: 1'])).toBe(false);
    expect(header('From', null, [])).toBe(true);
  });

  it('S-92 looks for an expression in the names, compact ones spelt out', () => {
    expect(header('^Allow-Ev.*', 'reg', ['u: reg'])).toBe(true);
    expect(header('p-asserted.*', 'alice', ['P-Asserted-Identity: <sip:alice@ims.test>'])).toBe(true);
    expect(header('^X-(A|B)$', '^2$', ['X-A: 1', 'x-b: 2'])).toBe(true);
    expect(header('^X-(A|B)$', '^2$', ['X-A: 1', 'X-C: 2'])).toBe(false);
  });

  it('S-92 asks for being there when there is no content', () => {
    expect(header('Subject', null, ['Subject:'])).toBe(true);
    expect(header('Subject', '', ['Subject:'])).toBe(true);
    expect(header('Subject', '', [])).toBe(false);
    expect(holds({ kind: 'sip-header', header: 'Subject', content: null, negated: true }, invite())).toBe(true);
  });

  it('S-92 looks into values that are folded', () => {
    expect(header('Subject', '^a b$', ['Subject: a\r\n  b'])).toBe(true);
    expect(header('Accept-Contact', '^[*];audio$', ['a: *\r\n\t;audio'])).toBe(false);
    expect(header('Accept-Contact', '^[*] ;audio$', ['a: *\r\n\t;audio'])).toBe(true);
  });

  it.each([
    [['Supported: 100rel, timer, path']],
    [['k: 100rel', 'Supported: timer,path']],
    [['k: 100rel', 'k: timer', 'k: path']],
  ])('S-92 finds the same however values are spread over lines: %j', (lines) => {
    expect(header('Supported', '^timer$', lines)).toBe(true);
    expect(header('Supported', '^100rel.*path$', lines)).toBe(true);
    expect(header('Supported', '100rel,? ?timer', lines)).toBe(true);
    expect(header('Supported', '^path', lines)).toBe(true);
    expect(header('Supported', '^rel$', lines)).toBe(false);
    expect(header('^Supp', '100rel.*path', lines)).toBe(true);
  });

  it('S-92 does not take a header that has one value apart', () => {
    expect(header('Subject', '^b$', ['Subject: a, b'])).toBe(false);
    expect(header('Subject', 'a.*b', ['Subject: a', 'Subject: b'])).toBe(false);
  });

  it('S-92 takes characters of names for what they are', () => {
    expect(header('X[.][*]', '1', ['X.*: 1'])).toBe(true);
    expect(header('X[.][*]', '1', ['Xyz: 1'])).toBe(false);
    expect(header('^X.Y$', '1', ['X+Y: 1'])).toBe(true);
  });

  it('X-S14 has no trouble with names out of Object.prototype', () => {
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      expect(header(name, null, [])).toBe(false);
      expect(header(name, '^1$', [`${name}: 1`])).toBe(true);
      expect(header(`^${name}$`, null, [])).toBe(false);
    }
  });
});

describe('SessionDescription', () => {
  const sdp =
    'v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 104\r\na=rtpmap:104 AMR-WB/16000\r\na=sendrecv\r\nm=video 4002 RTP/AVPF 96\r\n';
  const found = (line: string, content: string | null, body = sdp, type = 'application/sdp') =>
    holds({ kind: 'session-description', line, content }, invite([`Content-Type: ${type}`], body));

  it('S-92 finds lines by type, in the session part and in each media description', () => {
    expect(found('m', null)).toBe(true);
    expect(found('m', '^video')).toBe(true);
    expect(found('c', '192[.]0[.]2[.]1$')).toBe(true);
    expect(found('m=', 'RTP/AVPF')).toBe(true);
    expect(found('m', 'message')).toBe(false);
    expect(found('k', null)).toBe(false);
  });

  it('S-92 finds attributes, by letter and by name', () => {
    expect(found('a', '^rtpmap:104 AMR-WB')).toBe(true);
    expect(found('rtpmap', '^104 AMR-WB')).toBe(true);
    expect(found('a=sendrecv', null)).toBe(true);
    expect(found('sendonly', null)).toBe(false);
    expect(found('rtp', null)).toBe(false);
  });

  it('S-92 takes an expression for the whole type or name', () => {
    expect(found('m|c', '^IN IP4')).toBe(true);
    expect(found('^[mk]$', '^audio')).toBe(true);
    expect(found('send.*', null)).toBe(true);
    expect(found('.*', 'AMR')).toBe(true);
    expect(found('[x]', null)).toBe(false);
    // Not as (a) | (b, which would be well-formed in brackets.
    expect(found('m)(', null)).toBe(false);
  });

  it('S-92 finds the description in a multipart body', () => {
    const body = `--b\r\nContent-Type: text/plain\r\n\r\nm=text\r\n--b\r\nContent-Type: application/sdp\r\n\r\n${sdp}\r\n--b--\r\n`;
    expect(found('m', '^video', body, 'multipart/mixed;boundary=b')).toBe(true);
    expect(found('m', '^text', body, 'multipart/mixed;boundary=b')).toBe(false);
  });

  it('S-92 does not hold without a description, or with one that is malformed', () => {
    expect(found('m', null, sdp, 'text/plain')).toBe(false);
    expect(found('m', null, 'm=audio')).toBe(false);
    expect(holds({ kind: 'session-description', line: 'm', content: null }, invite())).toBe(false);
    expect(holds({ kind: 'session-description', line: 'm', content: null, negated: true }, invite())).toBe(true);
  });
});
