import { describe, expect, it } from 'vitest';
import { ManualClock } from '#service/clock';
import { LogLimiter } from '#service/log-limiter';

function setUp() {
  const lines: Record<string, unknown>[] = [];
  const clock = new ManualClock();
  const log = { warn: (fields: Record<string, unknown>, message: string) => void lines.push({ ...fields, message }) };
  return { lines, clock, limiter: new LogLimiter({ log: log as never, clock }) };
}

describe('the limiter of log lines', () => {
  it('X-F6 gives each source and each class its own lines', () => {
    const { lines, limiter } = setUp();
    for (let i = 0; i < 100; i++) {
      limiter.warn('malformed', '192.0.2.1', {}, 'dropped');
      limiter.warn('malformed', '192.0.2.2', {}, 'dropped');
      limiter.warn('not-registered', '192.0.2.1', {}, 'refused');
    }
    const seen = lines.map(({ reason, source }) => `${reason} ${source}`).sort();
    const each = (line: string) => [line, line, line];
    expect(seen).toEqual([
      ...each('malformed 192.0.2.1'),
      ...each('malformed 192.0.2.2'),
      ...each('not-registered 192.0.2.1'),
    ]);
  });

  it('X-F6 sums up each class when the window ends, though nothing comes any more', () => {
    const { lines, clock, limiter } = setUp();
    for (let i = 0; i < 50; i++) limiter.warn('malformed', `192.0.2.${i % 2}`, {}, 'dropped');
    for (let i = 0; i < 10; i++) limiter.warn('not-registered', '192.0.2.1', {}, 'refused');
    lines.length = 0;
    clock.advance(10_000);
    limiter.tick();
    limiter.tick();
    expect(lines.map(({ reason, suppressed, sources }) => [reason, suppressed, sources])).toEqual([
      ['malformed', 44, 2],
      ['not-registered', 7, 1],
    ]);
  });

  it('X-F6 gathers what a line says only for lines that are written', () => {
    const { lines, limiter } = setUp();
    let gathered = 0;
    const fields = () => ({ callId: `c${++gathered}` });
    for (let i = 0; i < 1000; i++) limiter.warn('malformed', '192.0.2.1', fields, 'dropped');
    expect(gathered).toBe(3);
    expect(lines[2]).toEqual({ reason: 'malformed', source: '192.0.2.1', callId: 'c3', message: 'dropped' });
  });
});
