import { afterEach, describe, expect, it } from 'vitest';
import { eventually, type Rig, startRig, tell } from './rig.ts';

process.env.CSCF_TEST_TRIGGER = '1';

let rig: Rig;
afterEach(() => rig.stop());

describe('the inline worker', () => {
  it.each(['auto', 'dgram'] as const)(
    'X-F1 by %s refuses what would wait too long, loses nothing of what is under way',
    // A machine that takes the processor away between two datagrams makes each a turn of its own: then nothing waits.
    { retry: 2 },
    async (udp) => {
      rig = await startRig(1, { udp, intake: { delayMs: 20, patienceMs: 0 } });
      // The loop is blocked while the requests come: they are all there at once.
      rig.workers.trigger(0, 'busy', 150);
      // Not more at once than the client's own socket can take.
      const sent = 160;
      for (let i = 0; i < sent; i++) {
        rig.client.send('INVITE', `new-${i}`, 'X-Busy: 3\r\n');
        if (i % 16 === 0) rig.client.send('BYE', `under-way-${i}`);
      }
      await rig.client.until(sent + 10);
      const byes = rig.client.answers.filter(({ callId }) => callId.startsWith('under-way-'));
      expect(byes.map(({ text }) => text.slice(8, 11))).toEqual(Array.from({ length: 10 }, () => '200'));
      const refused = rig.client.answers.filter(({ text }) => text.startsWith('SIP/2.0 503'));
      expect(refused.length).toBeGreaterThan(20);
      expect(refused.every(({ text }) => /\r\nRetry-After: [1-6]\d\r\n/.test(text))).toBe(true);
      expect(rig.workers.counts(0)).toMatchObject({ shed: refused.length, backlogBytes: 0 });
      const { trail } = await tell(rig);
      const handled = trail.filter((line) => line.startsWith('sip new-')).map((line) => Number(line.slice(8)));
      expect(handled.length + refused.length).toBe(sent);
      expect(handled).toEqual([...handled].sort((a, b) => a - b));
    },
  );

  it('C-35 gives timers their turn between what waits', async () => {
    rig = await startRig(1, { intake: { delayMs: 5_000 } });
    let ticks = 0;
    const ticking = setInterval(() => ticks++, 5);
    const before = performance.now();
    for (let i = 0; i < 300; i++) rig.client.send('INVITE', `new-${i}`, 'X-Busy: 1\r\n');
    await rig.client.until(300);
    clearInterval(ticking);
    expect(performance.now() - before).toBeGreaterThan(300);
    expect(ticks).toBeGreaterThan(10);
  });

  it('C-15 handles what waits before it stops', async () => {
    rig = await startRig(1, { intake: { delayMs: 5_000 } });
    for (let i = 0; i < 100; i++) rig.client.send('INVITE', `last-${i}`, 'X-Busy: 1\r\n');
    await eventually(
      () => rig.workers.counts(0),
      ({ messages, backlogBytes }) => messages === 100 && backlogBytes > 0,
    );
    await rig.workers.stop();
    await rig.client.until(100);
  });

  it('X-R1 is made anew when a procedure throws where nobody catches it; calls go on, what waited is not lost', async () => {
    const crashes: string[] = [];
    rig = await startRig(1, {
      intake: { delayMs: 5_000 },
      onCrash: (worker, error) => crashes.push(`${worker} ${error}`),
    });
    const caught = takeUncaught();
    rig.client.send('INVITE', 'before');
    await rig.client.until(1);
    await eventually(
      () => performance.now(),
      (nowMs) => nowMs > caught.fromMs + 1_100,
    );
    const startMs = performance.now();
    for (let i = 0; i < 50; i++) rig.client.send('INVITE', `waits-${i}`, 'X-Busy: 2\r\n');
    await eventually(
      () => rig.workers.counts(0).backlogBytes,
      (octets) => octets > 0,
    );
    rig.workers.trigger(0, 'crash');
    await eventually(
      () => rig.workers.counts(0),
      ({ restarts, state }) => restarts === 1 && state === 'serving',
    );
    expect(performance.now() - startMs).toBeLessThan(500);
    await rig.client.until(51);
    rig.client.send('INFO', 'before');
    await rig.client.until(52);
    // The one that was being made is new: it knows nothing of what the first one has handled.
    const { trail } = await tell(rig);
    expect(trail).not.toContain('sip before-0');
    expect(trail.filter((line) => line === 'sip before')).toHaveLength(1);
    expect(caught.seen).toEqual([true]);
    expect(crashes).toEqual(['0 Error: process ended by the test trigger']);
    caught.stop();
  });

  it('X-R1 gives up when it throws again at once, or when something else threw', async () => {
    rig = await startRig(1);
    const caught = takeUncaught();
    // Not a second has passed since it began.
    rig.workers.trigger(0, 'crash');
    await eventually(
      () => caught.seen.length,
      (count) => count === 1,
    );
    expect(caught.seen).toEqual([false]);
    await eventually(
      () => performance.now(),
      (nowMs) => nowMs > caught.fromMs + 1_100,
    );
    expect(rig.workers.recover(new Error('thrown by the test itself'))).toBe(false);
    expect(rig.workers.counts(0)).toMatchObject({ restarts: 0, state: 'serving' });
    caught.stop();
  });

  it('X-R1 hears nothing any more of what the one before it had begun', async () => {
    rig = await startRig(1);
    const caught = takeUncaught();
    await eventually(
      () => performance.now(),
      (nowMs) => nowMs > caught.fromMs + 1_100,
    );
    rig.client.send('OPTIONS', 'slow', 'X-Late: 200\r\n');
    await eventually(
      () => rig.workers.counts(0).messages,
      (count) => count === 1,
    );
    rig.workers.trigger(0, 'crash');
    await eventually(
      () => rig.workers.counts(0).restarts,
      (restarts) => restarts === 1,
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(rig.client.answers).toHaveLength(0);
    rig.client.send('OPTIONS', 'next');
    await rig.client.until(1);
    caught.stop();
  });
});

/** Gives uncaught exceptions to the pool, as the daemon does; the test runner's own listeners wait meanwhile. */
function takeUncaught() {
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  const seen: boolean[] = [];
  process.on('uncaughtException', (error) => void seen.push(rig.workers.recover(error)));
  return {
    seen,
    fromMs: performance.now(),
    stop() {
      process.removeAllListeners('uncaughtException');
      for (const other of others) process.on('uncaughtException', other);
    },
  };
}
