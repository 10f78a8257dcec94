import { describe, expect, it, type TestContext } from 'vitest';
import { parseVia } from '#sip/header/via';
import { Header } from '#sip/message/header-names';
import { flowFrom } from '../sip/wire-port.ts';
import { exactCases, exactFolder, exactTable, judge, ownCases, ownTable } from './judge.ts';
import { rfc4475Files } from './rfc4475-files.ts';
import type { TortureCase } from './torture-case.ts';
import { askParser, askProxy, fitsStream, readableRequest } from './verdict.ts';

if (exactFolder === null)
  console.log('the messages of RFC 4475 are not here (CSCF_TORTURE=FOLDER): those tests are skipped');

function judgeStateless(context: TestContext, table: string, each: TortureCase): void {
  const { verdict, words, rig } = askProxy(each.message);
  judge(context, table, each, [
    { where: 'parser', expected: each.parser, got: askParser(each.message) },
    { where: 'proxy', expected: each.proxy, got: verdict },
  ]);
  if (each.reason !== undefined) expect(words).toContain(each.reason);
  // By a stream it is the same, where one can carry it.
  if (fitsStream(each.message)) {
    expect(askProxy(each.message, flowFrom('10.0.0.1', 5060, 'tcp')).verdict).toBe(each.proxy);
  }
  rig.time.advance(24 * 3600_000);
  expect(rig.layer.counts).toEqual({ servers: 0, clients: 0 });
}

describe('C-24 X-S1 RFC 4475 and RFC 5118 in messages of our own: parser and plain proxy', () => {
  it('C-24 covers each section of both', () => {
    const sections = (count: number, prefix: string) => Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`);
    const all = [
      ...sections(13, 'RFC 4475 3.1.1.'),
      ...sections(19, 'RFC 4475 3.1.2.'),
      'RFC 4475 3.2.1',
      ...sections(15, 'RFC 4475 3.3.'),
      'RFC 4475 3.4.1',
      ...sections(10, 'RFC 5118 4.'),
    ];
    expect(new Set(ownCases.map(({ section }) => section))).toEqual(new Set(all));
    expect(new Set(ownCases.map(({ name }) => name)).size).toBe(ownCases.length);
  });

  it.for(ownCases)('$section $name', (each, context) => judgeStateless(context, ownTable, each));
});

describe('C-24 what comes out of the odd ones', () => {
  const forwardedOf = (name: string) => {
    const { message } = ownCases.find((each) => each.name === name)!;
    return { message, out: askProxy(message).rig.sent[0]!.text };
  };
  const linesOf = (text: string) => text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n');

  it('C-22 C-28 forwards every line but Via and Max-Forwards, and the body, octet for octet', () => {
    for (const { name, message, proxy } of ownCases) {
      if (proxy !== 'forwarded' || name === 'a second request behind the first') continue;
      const { out } = forwardedOf(name);
      const untouched = linesOf(message).filter((line) => !/^(?:via|v|max-forwards)\s*:/i.test(line));
      for (const line of untouched.slice(1)) if (!/^[ \t]/.test(line)) expect(out).toContain(line);
      expect(out.slice(out.indexOf('\r\n\r\n'))).toBe(message.slice(message.indexOf('\r\n\r\n')));
    }
  });

  it('C-22 reads the folded one as if it were on straight lines', () => {
    const { out } = forwardedOf('blanks wherever they may be');
    const request = readableRequest(out)!;
    expect(request.headers.get(Header['Max-Forwards'])).toBe('40');
    const vias = request.headers.values(Header.Via).map((value) => {
      const via = parseVia(value);
      return 'host' in via ? `${via.transport} ${via.host} ${via.branch}` : via.reason;
    });
    expect(vias.slice(1)).toEqual([
      'UDP 198.51.100.2 old-style-9',
      'TCP loom.parlour.test z9hG4bKblank2',
      'UDP 198.51.100.77 z9hG4bKblank3',
    ]);
    expect(request.headers.get('x-fresh')).toBe('a word and more of it');
    expect(request.headers.get(Header.CSeq)).toBe('0012 INVITE');
  });

  it('X-S17 sends nothing of the second request', () => {
    expect(forwardedOf('a second request behind the first').out).not.toContain('INVITE');
  });

  it.each([
    ['in other letters', `+1 \xd0\xbf\xd0\xbe, \xc3\xa9 = 2`],
    ['of nothing', ''],
  ])('C-24 a response of the next hop with a reason phrase %s goes upstream with it', (_, phrase) => {
    const { rig } = askProxy(ownCases.find(({ name }) => name === 'a body of an unknown type')!.message);
    const request = rig.sent.splice(0)[0]!.text;
    const via = linesOf(request).filter((line) => line.startsWith('Via: '));
    const rest = linesOf(request).filter((line) => /^(?:From|To|Call-ID|CSeq): /.test(line));
    const response = [`SIP/2.0 183 ${phrase}`, ...via, ...rest, 'Content-Length: 0', '', ''].join('\r\n');
    rig.receive(response, flowFrom('10.0.0.9', 5060));
    expect(rig.sent.map(({ text }) => linesOf(text)[0])).toEqual([`SIP/2.0 183 ${phrase}`]);
  });
});

describe(`C-24 X-S1 RFC 4475 byte for byte: parser and plain proxy${exactFolder === null ? ' (skipped)' : ''}`, () => {
  it.skipIf(exactFolder === null)('all 49 messages are there', () => {
    expect(exactCases.map(({ name }) => name).sort()).toEqual(Object.keys(rfc4475Files).sort());
  });

  it.for(exactCases)('$name', (each, context) => judgeStateless(context, exactTable, each));
});
