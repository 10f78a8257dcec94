import { describe, expect, it } from 'vitest';
import { nextPeerState, type PeerAction, type PeerEvent, type PeerState } from '#diameter/peer/peer-state';
import { Watchdog, type WatchdogState } from '#diameter/peer/watchdog';
import { ManualClock } from '../manual-clock.ts';

function walk(events: readonly PeerEvent[], localWins: boolean): { state: PeerState; actions: PeerAction[] } {
  let state: PeerState = 'closed';
  const actions: PeerAction[] = [];
  for (const event of events) {
    const next = nextPeerState(state, event, localWins);
    state = next.state;
    actions.push(...next.actions);
  }
  return { state, actions };
}

describe('the peer state machine', () => {
  it('D-03 goes up as initiator and as responder', () => {
    expect(walk(['start', 'connected', 'cea'], false)).toEqual({
      state: 'open-initiator',
      actions: ['connect', 'send-cer', 'up'],
    });
    expect(walk(['cer'], false)).toEqual({ state: 'open-responder', actions: ['accept-responder', 'up'] });
  });

  it('D-05 lets the election winner close the connection that it initiated', () => {
    expect(walk(['start', 'connected', 'cer'], true)).toEqual({
      state: 'open-responder',
      actions: ['connect', 'send-cer', 'drop-initiator', 'accept-responder', 'up'],
    });
    expect(walk(['start', 'cer', 'connected'], true).state).toBe('open-responder');
  });

  it('D-05 lets the election loser keep the connection that it initiated', () => {
    const { state, actions } = walk(['start', 'connected', 'cer', 'cea'], false);
    expect(state).toBe('open-initiator');
    expect(actions).toEqual(['connect', 'send-cer', 'hold-responder', 'drop-responder', 'up']);
    expect(walk(['start', 'cer', 'connected', 'responder-lost', 'cea'], false).state).toBe('open-initiator');
    expect(walk(['start', 'connected', 'cer', 'initiator-lost'], false).actions.slice(-3)).toEqual([
      'drop-initiator',
      'accept-responder',
      'up',
    ]);
    expect(walk(['start', 'cer', 'initiator-lost'], false).state).toBe('open-responder');
  });

  it('D-05 closes the new connection of a peer that is open', () => {
    expect(nextPeerState('open-initiator', 'cer', true).actions).toEqual(['reject-newcomer']);
    expect(nextPeerState('open-responder', 'cer', false).actions).toEqual(['reject-newcomer']);
  });

  it('D-07 tries again after every loss, and D-08 leaves by DPR', () => {
    for (const events of [
      ['start', 'initiator-lost'],
      ['start', 'timeout'],
      ['start', 'connected', 'not-cea'],
      ['start', 'connected', 'cea', 'initiator-lost'],
      ['start', 'connected', 'cea', 'dead'],
      ['start', 'connected', 'cea', 'dpr', 'initiator-lost'],
    ] as PeerEvent[][]) {
      const { state, actions } = walk(events, false);
      expect(state).toBe('closed');
      expect(actions.at(-1)).toBe('retry');
    }
    expect(walk(['cer', 'stop', 'dpa'], false).actions).toEqual([
      'accept-responder',
      'up',
      'down',
      'send-dpr',
      'drop-initiator',
      'drop-responder',
      'retry',
    ]);
  });

  it('takes every event in every state', () => {
    const states: PeerState[] = [
      'closed',
      'wait-conn-ack',
      'wait-cea',
      'wait-conn-ack-elect',
      'wait-returns',
      'open-initiator',
      'open-responder',
      'closing',
    ];
    const events: PeerEvent[] = [
      'start',
      'connected',
      'cea',
      'not-cea',
      'cer',
      'initiator-lost',
      'responder-lost',
      'timeout',
      'dead',
      'dpr',
      'dpa',
      'stop',
    ];
    for (const state of states) {
      for (const event of events) {
        for (const localWins of [true, false]) expect(states).toContain(nextPeerState(state, event, localWins).state);
      }
    }
  });
});

describe('the watchdog', () => {
  function watch() {
    const clock = new ManualClock();
    const seen: (WatchdogState | 'dwr' | 'dead')[] = [];
    let lastReceivedMs = clock.now();
    const watchdog = new Watchdog(
      clock,
      {
        lastReceivedMs: () => lastReceivedMs,
        sendDwr: () => seen.push('dwr'),
        changed: (state) => seen.push(state),
        dead: () => seen.push('dead'),
      },
      { intervalMs: 30_000, jitterMs: 2_000, random: () => 0.5 },
    );
    const receive = () => {
      lastReceivedMs = clock.now();
      watchdog.received();
    };
    return { clock, seen, receive, watchdog };
  }

  it('D-06 sends DWR when idle for Tw, suspects after a second, gives up after a third', () => {
    const { clock, seen } = watch();
    clock.advance(29_000);
    expect(seen).toEqual([]);
    clock.advance(1_000);
    expect(seen).toEqual(['dwr']);
    clock.advance(30_000);
    expect(seen).toEqual(['dwr', 'suspect']);
    clock.advance(30_000);
    expect(seen).toEqual(['dwr', 'suspect', 'dead']);
    expect(clock.timers).toBe(0);
  });

  it('D-06 takes any traffic for life', () => {
    const { clock, seen, receive } = watch();
    for (let i = 0; i < 20; i++) {
      clock.advance(10_000);
      receive();
    }
    expect(seen).toEqual([]);
    clock.advance(30_000);
    expect(seen).toEqual(['dwr']);
    receive();
    clock.advance(30_000);
    expect(seen).toEqual(['dwr', 'dwr']);
    clock.advance(30_000);
    receive();
    expect(seen).toEqual(['dwr', 'dwr', 'suspect', 'okay']);
  });

  it('D-06 varies each interval by the jitter, so that two sides do not ask in step', () => {
    for (const [random, firstMs] of [
      [0, 28_000],
      [0.5, 30_000],
      [0.999999, 32_000],
    ] as const) {
      const clock = new ManualClock();
      const startMs = clock.now();
      const askedMs: number[] = [];
      const watchdog = new Watchdog(
        clock,
        {
          lastReceivedMs: () => startMs,
          sendDwr: () => askedMs.push(clock.now() - startMs),
          changed: () => undefined,
          dead: () => undefined,
        },
        { intervalMs: 30_000, jitterMs: 2_000, random: () => random },
      );
      clock.advance(33_000);
      expect(askedMs.map(Math.round)).toEqual([firstMs]);
      watchdog.stop();
    }
  });

  it('D-06 asks the whole interval after the last traffic, not before', () => {
    const { clock, seen, receive } = watch();
    clock.advance(14_000);
    receive();
    clock.advance(29_000);
    expect(seen).toEqual([]);
    clock.advance(1_000);
    expect(seen).toEqual(['dwr']);
  });

  it('X-D7 asks at once when somebody else says that he is this peer, but not twice', () => {
    const { clock, seen, watchdog } = watch();
    clock.advance(1_000);
    watchdog.probe();
    watchdog.probe();
    expect(seen).toEqual(['dwr']);
    clock.advance(60_000);
    expect(seen).toEqual(['dwr', 'suspect', 'dead']);
    watchdog.probe();
    expect(seen).toHaveLength(3);
  });
});
