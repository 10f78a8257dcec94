import { describe, expect, it } from 'vitest';
import { ManualClock } from '#service/clock';
import { createLogger, type LogOptions } from '#service/log';
import { LogLimiter } from '#service/log-limiter';
import { maskSecrets } from '#service/secrets';
import { quickest } from '../torture/quickest.ts';

function logInto(lines: string[], options: Partial<LogOptions> = {}) {
  return createLogger({
    level: 'info',
    format: 'json',
    base: { role: 'pcscf' },
    output: { write: (line) => void lines.push(line) },
    ...options,
  });
}

describe('the log', () => {
  it('writes JSON lines with level, time, base and fields', () => {
    const lines: string[] = [];
    logInto(lines).warn({ reason: 'no-dialog', callId: 'a@b' }, 'refused');
    expect(JSON.parse(lines[0]!)).toMatchObject({
      level: 'warn',
      role: 'pcscf',
      reason: 'no-dialog',
      callId: 'a@b',
      msg: 'refused',
      time: expect.stringMatching(/^\d{4}-/),
    });
    expect(lines[0]!.endsWith('\n')).toBe(true);
  });

  it('changes its level while running', () => {
    const lines: string[] = [];
    const log = logInto(lines);
    log.debug('no');
    log.level = 'debug';
    log.debug('yes');
    log.level = 'silent';
    log.fatal('no');
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual(['yes']);
  });

  it('C-34 masks secrets in fields at any depth, in words, in SIP text and in errors', () => {
    const lines: string[] = [];
    const log = logInto(lines);
    const key = '0123456789abcdef0123456789abcdef';
    log.info(
      {
        ck: key,
        deep: { vectors: [{ ik: key, xres: Buffer.from(key, 'hex'), password: 7 }] },
        SipAuthorization: { a: key },
      },
      `ck="${key}", ik=${key};x`,
    );
    log.info(
      {
        text: `WWW-Authenticate: Digest realm="ims.test", nonce="${key}", ck="${key}", ik = "${key}", algorithm=AKAv1-MD5\r\n`,
      },
      'challenge',
    );
    log.info(
      { text: `Authorization: Digest username="u", response="${key}",auts="${key}", uri="sip:ims.test"` },
      'answer',
    );
    log.error({ err: new Error(`bad vector ck="${key}"`) }, 'failed');
    for (const line of lines) {
      expect(line).not.toContain(key.slice(0, 12));
      expect(() => JSON.parse(line)).not.toThrow();
    }
    expect(lines.join('')).not.toContain(JSON.stringify([...Buffer.from(key, 'hex')]));
    expect(JSON.parse(lines[0]!).deep.vectors[0]).toEqual({ ik: '***', xres: '***', password: '***' });
    expect(JSON.parse(lines[1]!).text).toBe(
      'WWW-Authenticate: Digest realm="ims.test", nonce="***", ck="***", ik = "***", algorithm=AKAv1-MD5\r\n',
    );
    expect(JSON.parse(lines[2]!).text).toBe(
      'Authorization: Digest username="u", response="***",auts="***", uri="sip:ims.test"',
    );
  });

  it('leaves alike names and everything else alone', () => {
    const text =
      '{"stack":"1","cnonce":"2","responseTime":3,"trick":"4","top":5,"text":"Via: x;rack=1;ic=2;received=10.0.0.1","nonce-count":1}';
    expect(maskSecrets(text)).toBe(text);
  });

  it('X-S13 masks hostile lines in linear time', () => {
    for (const piece of ['ck="', 'ck=', '"ck":[', '"ck":"\\', 'nonce', '=', ' =', 'ck= ']) {
      const line = piece.repeat(20_000);
      expect(quickest(500, () => maskSecrets(line))).toBeLessThan(500);
    }
  });

  it('escapes control characters a peer sent, in both formats', () => {
    for (const format of ['json', 'pretty'] as const) {
      const lines: string[] = [];
      logInto(lines, { format }).info({ callId: 'a\x1b[31m\x9b31m\u2028b\r\nc' }, 'evil \x07\x7f words');
      const text = lines.join('');
      expect(text.endsWith('\n')).toBe(true);
      expect([...text.slice(0, -1)].filter((c) => c < ' ' || (c >= '\x7f' && c <= '\x9f') || c === '\u2028')).toEqual(
        [],
      );
    }
  });

  it('is readable in pretty form', () => {
    const lines: string[] = [];
    logInto(lines, { format: 'pretty' }).warn({ reason: 'hss-timeout', text: 'two words' }, 'no answer');
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} warn {2}no answer reason=hss-timeout text="two words"\n$/);
  });
});

describe('the limiter of malformed-input lines', () => {
  const setUp = () => {
    const lines: Record<string, unknown>[] = [];
    const clock = new ManualClock();
    const log = { warn: (fields: Record<string, unknown>, message: string) => void lines.push({ ...fields, message }) };
    return { lines, clock, limiter: new LogLimiter({ log: log as never, clock }) };
  };

  it('X-F6 writes the first lines of a source, counts the rest and sums up when the window ends', () => {
    const { lines, clock, limiter } = setUp();
    for (let i = 0; i < 1000; i++) limiter.warn('bad-cseq', '192.0.2.1', {}, 'unusable');
    expect(lines).toHaveLength(3);
    clock.advance(9_999);
    limiter.tick();
    expect(lines).toHaveLength(3);
    clock.advance(1);
    limiter.tick();
    expect(lines[3]).toEqual({
      reason: 'bad-cseq',
      suppressed: 997,
      sources: 1,
      seconds: 10,
      message: 'more lines like this were left out',
    });
    limiter.warn('bad-cseq', '192.0.2.1', {}, 'unusable');
    expect(lines).toHaveLength(5);
  });

  it('X-F6 bounds lines and memory under many sources and classes', () => {
    const { lines, clock, limiter } = setUp();
    for (let i = 0; i < 50_000; i++) limiter.warn('bad-via', `10.0.${i >> 8}.${i & 255}`, {}, 'unusable');
    expect(lines).toHaveLength(20);
    for (let i = 0; i < 50_000; i++) limiter.warn(`class-${i}`, '192.0.2.1', {}, 'unusable');
    expect(lines.length).toBeLessThan(20 + 64 * 3 + 3);
    clock.advance(10_000);
    limiter.tick();
    expect(lines.at(-1)).toMatchObject({ reason: 'other' });
  });
});
