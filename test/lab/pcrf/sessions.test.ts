import { afterEach, describe, expect, it } from 'vitest';
import { flowStatuses, mediaTypes, rxRequestTypes } from '#diameter/rx/rx-values';
import { aar, answered, audio, found, running, service, signalling, video } from './pcrf-client.ts';

const lab = running();
afterEach(() => lab.close());

const required = { mode: 'required' } as const;
const events = { reAuth: () => undefined, aborted: () => undefined, lost: () => undefined };

describe('sessions of a P-CSCF', () => {
  it('D-60 P-123 P-126 a session is opened, updated and ended, and nothing is found in what our P-CSCF sends', async () => {
    const pcrf = await lab.pcrf({ enforce: true });
    const pcscf = await lab.pcscf(pcrf.port);
    const session = pcscf.sessions.open(events, required);
    const outcome = await session.authorize(service([audio()], { requestType: rxRequestTypes.INITIAL_REQUEST }));
    expect(outcome).toMatchObject({ kind: 'continue', granted: true });
    expect(session.pcrfHost).toBe('pcrf.epc.test');
    expect(pcrf.sessions.byId(session.id)).toMatchObject({ number: 1, host: 'pcscf.ims.test', state: 'open' });

    await session.authorize(service([audio(), video()], { requestType: rxRequestTypes.INITIAL_REQUEST }));
    expect([...pcrf.sessions.byId(session.id)!.components.keys()]).toEqual([1, 2]);
    const removed = { number: 2, subComponents: [], codecData: [], mediaType: mediaTypes.VIDEO };
    await session.authorize(service([audio(), { ...removed, flowStatus: flowStatuses.REMOVED }]));
    expect([...pcrf.sessions.byId(session.id)!.components.keys()]).toEqual([1]);

    await session.end();
    expect(pcrf.sessions.size).toBe(0);
    expect(pcrf.counters()).toMatchObject({
      requests: { AAR: 3, STR: 1 },
      results: { 'AAR 2001': 3, 'STR 2001': 1 },
      turnedDown: 0,
    });
    expect(found(pcrf)).toEqual([]);
  });

  it('P-121 the signalling session of a registration has component 0, and nothing is found', async () => {
    const pcrf = await lab.pcrf({ enforce: true });
    const { rx } = await lab.pcscf(pcrf.port);
    const id = rx.newSessionId();
    const answer = answered(await rx.authorize(aar(id, [signalling()], { specificActions: [2, 3, 4] })));
    expect(answer).toMatchObject({ result: { code: 2001 }, originHost: 'pcrf.epc.test' });
    expect(answer.originStateId).toBeGreaterThan(1_700_000_000);
    expect(pcrf.sessions.byId(id)!.specificActions).toEqual([2, 3, 4]);
    expect(found(pcrf)).toEqual([]);
  });

  it('P-124 what an update leaves out stays as it was, what it tells replaces', async () => {
    const pcrf = await lab.pcrf();
    const { rx } = await lab.pcscf(pcrf.port);
    const id = rx.newSessionId();
    await rx.authorize(aar(id, [audio(), video()]));
    const hold = { number: 1, subComponents: [], codecData: [], flowStatus: flowStatuses['ENABLED-DOWNLINK'] };
    await rx.authorize({ ...aar(id, [hold]), destinationHost: 'pcrf.epc.test', framedAddress: undefined });
    const { components, framedAddress } = pcrf.sessions.byId(id)!;
    expect(components.get(1)).toEqual({ ...audio(), flowStatus: flowStatuses['ENABLED-DOWNLINK'] });
    expect(components.get(2)).toEqual(video());
    expect(framedAddress).toEqual({ address: '10.46.0.5', prefixLength: 32 });
    expect(found(pcrf)).toEqual(['(component-left-out)']);
  });

  it('D-60 a STR for a session that never was is answered 5002 and found, one that comes again is odd', async () => {
    const pcrf = await lab.pcrf();
    const { rx } = await lab.pcscf(pcrf.port);
    const id = rx.newSessionId();
    expect(answered(await rx.terminate({ sessionId: id })).result.code).toBe(5002);
    expect(found(pcrf)).toEqual(['unknown-session']);
    const other = rx.newSessionId();
    await rx.authorize(aar(other));
    expect(answered(await rx.terminate({ sessionId: other })).result.code).toBe(2001);
    expect(answered(await rx.terminate({ sessionId: other })).result.code).toBe(5002);
    expect(found(pcrf)).toEqual(['(str-again)', 'unknown-session']);
  });

  it('D-60 an AAR after the STR is found, and refused with 5002 when enforced', async () => {
    for (const [enforce, code] of [
      [false, 2001],
      [true, 5002],
    ] as const) {
      const pcrf = await lab.pcrf({ enforce });
      const { rx } = await lab.pcscf(pcrf.port);
      const id = rx.newSessionId();
      await rx.authorize(aar(id));
      await rx.terminate({ sessionId: id });
      expect(answered(await rx.authorize(aar(id))).result.code).toBe(code);
      expect(found(pcrf)).toEqual(['aar-after-str']);
    }
  });

  it('D-62 a second AAR of a session before the answer to the first is found, and refused when enforced', async () => {
    for (const [enforce, code] of [
      [false, 2001],
      [true, 5012],
    ] as const) {
      const pcrf = await lab.pcrf({
        enforce,
        rules: [{ name: 'slow', match: {}, action: 'accept', delay: 150 }],
      });
      const { rx } = await lab.pcscf(pcrf.port);
      const id = rx.newSessionId();
      const first = rx.authorize(aar(id));
      const second = rx.authorize({ ...aar(id), destinationHost: 'pcrf.epc.test' });
      expect(answered(await second).result.code).toBe(code);
      expect(answered(await first).result.code).toBe(2001);
      expect(found(pcrf)).toEqual(['aar-before-answer']);
      expect(pcrf.sessions.byId(id)).toMatchObject({ state: 'open', pending: 0 });
    }
  });

  it('D-62 our P-CSCF never has two AARs of a session under way', async () => {
    const pcrf = await lab.pcrf({ rules: [{ name: 'slow', match: {}, action: 'accept', delay: 50 }] });
    const pcscf = await lab.pcscf(pcrf.port);
    const session = pcscf.sessions.open(events, required);
    await Promise.all([
      session.authorize(service()),
      session.authorize(service([audio(), video()])),
      session.authorize(service([audio({ maxUplink: 64_000 }), video()])),
    ]);
    expect(found(pcrf)).toEqual([]);
    expect(pcrf.sessions.byId(session.id)).toMatchObject({ requests: 2 });
    expect(pcrf.sessions.byId(session.id)!.components.get(1)!.maxUplink).toBe(64_000);
  });

  it('a session ended while its AAR waits is not there afterwards', async () => {
    const pcrf = await lab.pcrf({ rules: [{ name: 'slow', match: {}, action: 'accept', delay: 100 }] });
    const { rx } = await lab.pcscf(pcrf.port);
    const id = rx.newSessionId();
    const first = rx.authorize(aar(id));
    expect(answered(await rx.terminate({ sessionId: id })).result.code).toBe(2001);
    expect(answered(await first).result.code).toBe(5002);
    expect(pcrf.sessions.size).toBe(0);
    expect(found(pcrf)).toEqual(['(str-before-answer)']);
  });

  it('X-D6 a P-CSCF cannot change or end the session of another', async () => {
    const pcrf = await lab.pcrf();
    const { rx } = await lab.pcscf(pcrf.port);
    const stranger = await lab.pcscf(pcrf.port, 'stranger.ims.test');
    const id = rx.newSessionId();
    await rx.authorize(aar(id));
    expect(answered(await stranger.rx.authorize(aar(id, [video()]))).result.code).toBe(5002);
    expect(answered(await stranger.rx.terminate({ sessionId: id })).result.code).toBe(5002);
    expect([...pcrf.sessions.byId(id)!.components.keys()]).toEqual([1]);
    expect(found(pcrf)).toContain('session-of-another');
  });

  it('an update of a session that is not here is answered 5002, a restored P-CSCF has no session', async () => {
    const pcrf = await lab.pcrf();
    const { rx } = await lab.pcscf(pcrf.port);
    const update = aar(rx.newSessionId(), [audio()], { requestType: rxRequestTypes.UPDATE_REQUEST });
    expect(answered(await rx.authorize(update)).result.code).toBe(5002);
    expect(found(pcrf)).toEqual(['unknown-session']);
    const restoration = { requestType: rxRequestTypes.PCSCF_RESTORATION, authSessionState: 1 };
    const restored = aar(rx.newSessionId(), [], restoration);
    expect(answered(await rx.authorize(restored)).result.code).toBe(2001);
    expect(pcrf.sessions.size).toBe(0);
    expect(pcrf.findings.breaches).toBe(1);
  });

  it('D-09 sessions of a P-CSCF that restarted are marked', async () => {
    const words: string[] = [];
    const pcrf = await lab.pcrf({}, { report: (event) => words.push(event.words) });
    const before = await lab.pcscf(pcrf.port, undefined, 100);
    const id = before.rx.newSessionId();
    await before.rx.authorize(aar(id));
    await before.close();
    const after = await lab.pcscf(pcrf.port, undefined, 101);
    await after.rx.authorize(aar(after.rx.newSessionId()));
    expect(pcrf.sessions.list().map(({ state }) => state)).toEqual(['orphaned', 'open']);
    expect(words).toContain('pcscf.ims.test has restarted without ending its 1 sessions');
    expect(answered(await after.rx.terminate({ sessionId: id })).result.code).toBe(2001);
  });
});
