import { describe, expect, it } from 'vitest';
import { parseMessage } from '#sip/parser/parse-message';
import { checkRequest } from '#sip/parser/sanity';
import { StreamFramer } from '#sip/parser/stream-framer';
import { flowFrom } from '../sip/wire-port.ts';
import { quickest } from './quickest.ts';
import { regExpsIn, regExpUses } from './regexp-use.ts';
import { wire } from './torture-case.ts';
import { askProxy } from './verdict.ts';

const flow = flowFrom('10.0.0.1', 5060);
const size = 65_536;

/** A request with one long value somewhere. */
const places: Readonly<Record<string, (long: string) => string>> = {
  'all of it': (long) => long,
  'the start line': (long) => `OPTIONS ${long} SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\n\r\n`,
  'a name': (long) => `OPTIONS sip:a@b SIP/2.0\r\n${long}: x\r\n\r\n`,
  'one value': (long) => `OPTIONS sip:a@b SIP/2.0\r\nSubject: ${long}\r\n\r\n`,
  'folded lines': (long) => `OPTIONS sip:a@b SIP/2.0\r\nSubject: x\r\n ${long.slice(0, 16_000)}\r\n\r\n`,
  'the Via': (long) => `OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;x=${long.slice(0, 16_000)}\r\n\r\n`,
  'the From': (long) => named({ From: `<sip:a@b>;tag=1;x=${long.slice(0, 16_000)}` }),
  'the Route': (long) => named({ Route: long.slice(0, 16_000) }),
  'the Content-Length': (long) => named({ 'Content-Length': long.slice(0, 16_000) }),
  'the body': (long) => `${named({})}${long}`,
};

function named(lines: Readonly<Record<string, string>>): string {
  const fields = {
    Via: 'SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa',
    From: '<sip:a@b>;tag=1',
    To: '<sip:c@d>',
    'Call-ID': 'x',
    CSeq: '1 OPTIONS',
    ...lines,
  };
  return wire(['OPTIONS sip:a@b SIP/2.0', ...Object.entries(fields).map(([name, value]) => `${name}: ${value}`)]);
}

describe('X-S13 64 KiB of one repeated character', () => {
  it.each(Object.entries(places))('X-S13 in %s is read in 20 ms', (_, make) => {
    for (let code = 0; code < 256; code++) {
      const text = make(String.fromCharCode(code).repeat(size));
      const tookMs = quickest(20, () => {
        const message = parseMessage(text, flow);
        if (message.kind === 'request') checkRequest(message);
      });
      if (tookMs >= 20) throw new Error(`character ${code} took ${tookMs} ms`);
    }
  });

  it.each([
    ['line ends', '\r\n'],
    ['folded lines of LF', '\n '],
    ['folded lines', '\r\n '],
    ['short fields', 'a:\r\n'],
    ['short fields of LF', 'a:\n'],
    ['lines without a colon', 'a\n'],
    ['control characters', '\x01\n'],
    ['bare CRs', '\ra\n'],
    ['quoted pairs of NUL', '\\\0'],
  ])('X-S13 %s over and over are read and framed in 20 ms', (_, unit) => {
    const many = unit.repeat(size / unit.length);
    for (const text of [
      `OPTIONS sip:a@b SIP/2.0\n${many}\n\n`,
      named({}).replace('\r\n\r\n', `\r\nX: "${many}"\r\n\r\n`),
    ]) {
      expect(quickest(20, () => parseMessage(text, flow))).toBeLessThan(20);
      const octets = Buffer.from(text, 'latin1');
      const sink = { message() {}, ping() {}, broken() {} };
      expect(quickest(20, () => new StreamFramer().push(octets, sink))).toBeLessThan(20);
    }
  });
});

describe('X-S16 too much of one thing', () => {
  const many = (count: number, value: string) => Array.from({ length: count }, () => value);

  it.each([
    ['5,000 Via values', named({ Via: many(900, 'SIP/2.0/UDP a').join(',') })],
    ['5,000 Via fields', wire(['OPTIONS sip:a@b SIP/2.0', ...many(4_000, 'v: SIP/2.0/UDP a')])],
    ['5,000 Route values', named({ Route: many(3_000, '<a:b>').join(',') })],
    ['5,000 Contact values', named({ Contact: many(3_000, '<a:b>').join(',') })],
    ['1,000 commas', named({ Route: ','.repeat(1_000), Contact: ','.repeat(1_000) })],
    ['10,000 parameters', named({ From: `<sip:a@b>;tag=1${';p'.repeat(8_000)}` })],
    ['10,000 parameters in Via', named({ Via: `SIP/2.0/UDP a;branch=z9hG4bKa${';p'.repeat(8_000)}` })],
    ['10,000 parameters in the Request-URI', named({}).replace('sip:a@b', `sip:a@b${';p'.repeat(2_000)}`)],
  ])('X-S16 %s are answered 400 in 5 ms', (_, text) => {
    expect(askProxy(text).verdict).toMatch(/^(?:400|dropped)$/);
    expect(quickest(5, () => askProxy(text))).toBeLessThan(5);
  });
});

/**
 * Regular expressions that may be used on what peers send: `file: expression`, and why they take linear time. An expression
 * is linear when no two ways lead through the same text: no nested or neighbouring repetitions that overlap.
 */
const linear: Readonly<Record<string, string>> = {};

describe('X-S13 regular expressions', () => {
  it('X-S13 none is used on what peers send, unless it is known to take linear time', () => {
    const folders = ['parser', 'header', 'uri', 'message', 'sdp', 'transport', 'transaction', 'proxy', 'auth'];
    const uses = regExpUses(folders.map((folder) => `shared/sip/${folder}`)).map(
      ({ file, text }) => `${file}: ${text}`,
    );
    expect(uses.filter((use) => linear[use] === undefined)).toEqual([]);
    expect(Object.keys(linear).filter((use) => !uses.includes(use))).toEqual([]);
  });

  it('X-S13 the search for them finds literals and makers, and takes no division, comment or string for one', () => {
    const source = [
      'const a = /x+y/g.test(b); // not /this/',
      "const c = 'no /literal/' + b / 2 / 3; /* nor /this/ */",
      'if (/[/]\\//.test(a)) return /z/;',
      ['const d = `$', '{e.replace(/f/, "")} /g/`;'].join(''),
      "new RegExp('h'); i.match('j'); k[0] / l / m;",
    ].join('\n');
    expect(regExpsIn(source)).toEqual([
      { line: 1, text: '/x+y/g' },
      { line: 3, text: '/[/]\\//' },
      { line: 3, text: '/z/' },
      { line: 4, text: '/f/' },
      { line: 5, text: 'RegExp(' },
      { line: 5, text: '.match(' },
    ]);
  });
});
