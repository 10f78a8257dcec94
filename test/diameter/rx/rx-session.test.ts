import { describe, expect, it } from 'vitest';
import type { AnswerContent } from '#diameter/answer';
import type { RequestFailure } from '#diameter/client';
import { baseResult, type DiameterResult, experimentalResult } from '#diameter/result';
import type { MediaComponent } from '#diameter/rx/media-component';
import type { RxOutcome, RxOutcomePolicy } from '#diameter/rx/rx-outcome';
import type { AaRequest, AaService, SessionTermination } from '#diameter/rx/rx-requests';
import type { AaAnswer, SessionTerminationAnswer } from '#diameter/rx/rx-results';
import { RxSession } from '#diameter/rx/rx-session';
import { ManualClock } from '../manual-clock.ts';

const noAnswer: RequestFailure = { failure: 'timeout', words: 'no answer came in time' };
const noPeer: RequestFailure = { failure: 'no-peer', words: 'no peer is connected for it' };

function aaa(result: DiameterResult = baseResult(2001), more: Partial<AaAnswer> = {}): AaAnswer {
  return {
    result,
    originHost: 'pcrf1.epc.test',
    originRealm: 'epc.test',
    originStateId: undefined,
    errorMessage: undefined,
    acceptable: undefined,
    accessCharging: [],
    accessChargingAddress: undefined,
    accessNetwork: {},
    flows: [],
    supportedFeatures: [],
    retryInterval: undefined,
    authorizationLifetime: undefined,
    classes: [],
    ...more,
  };
}

function sta(result = baseResult(2001)): SessionTerminationAnswer {
  const { originHost, originRealm, originStateId, errorMessage } = aaa();
  return { result, originHost, originRealm, originStateId, errorMessage, accessNetwork: {} };
}

function media(number: number, flowStatus = 2): MediaComponent {
  return { number, flowStatus, subComponents: [], codecData: [] };
}

function service(...mediaComponents: MediaComponent[]): AaService {
  return { mediaComponents, specificActions: [2, 4], subscriptionIds: [] };
}

interface Asked<R, A> {
  readonly request: R;
  answer(answer: A | RequestFailure): Promise<void>;
}

/** Lets promises that are settled go on. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

function harness(policy: RxOutcomePolicy = { mode: 'required' }) {
  const clock = new ManualClock();
  const aars: Asked<AaRequest, AaAnswer>[] = [];
  const strs: Asked<SessionTermination, SessionTerminationAnswer>[] = [];
  const events: string[] = [];
  let ids = 0;
  const ask = <R, A>(list: Asked<R, A>[], request: R) =>
    new Promise<A | RequestFailure>((resolve) => {
      list.push({
        request,
        answer(answer) {
          resolve(answer);
          return settle();
        },
      });
    });
  const make = (replaces?: RxSession) =>
    new RxSession({
      port: {
        newSessionId: () => `pcscf;1;${++ids}`,
        authorize: (request) => ask(aars, request),
        terminate: (request) => ask(strs, request),
      },
      clock,
      policy,
      replaces,
      events: {
        reAuth: ({ specificActions }) => events.push(`rar ${specificActions}`),
        aborted: ({ cause }) => events.push(`asr ${cause}`),
        lost: () => events.push('lost'),
      },
      keeper: {
        renamed: (session, before) => events.push(`${before} -> ${session.id}`),
        answered: () => undefined,
        closed: () => events.push('closed'),
        defect: (error) => events.push(`defect ${error}`),
      },
    });
  return { clock, aars, strs, events, make, session: make() };
}

const rar = { sessionId: '', specificActions: [2] };
const asr = { sessionId: '', cause: 0 };

function codeOf(answer: AnswerContent | Promise<AnswerContent>): number | 'held' {
  return answer instanceof Promise ? 'held' : answer.result.code;
}

async function opened() {
  const parts = harness();
  const outcome = parts.session.authorize(service(media(1)));
  await parts.aars[0]!.answer(aaa());
  expect(await outcome).toMatchObject({ kind: 'continue', granted: true });
  return parts;
}

describe('RxSession', () => {
  it('D-60 says nothing before its first AAR, and needs no STR then', async () => {
    const { aars, session, strs, events } = harness();
    expect(session.state).toBe('new');
    await session.end();
    expect([aars.length, strs.length, session.state, events]).toEqual([0, 0, 'closed', ['closed']]);
    expect(await session.authorize(service())).toMatchObject({ kind: 'unavailable' });
  });

  it('D-60 ends by one STR, however often it is told to', async () => {
    const { session, strs, events } = await opened();
    const ends = [session.end(), session.end()];
    expect(strs.map(({ request }) => request)).toMatchObject([{ sessionId: 'pcscf;1;1', cause: undefined }]);
    await strs[0]!.answer(sta());
    await Promise.all(ends);
    await session.end();
    expect([strs.length, session.state, events]).toEqual([1, 'closed', ['closed']]);
  });

  it('D-60 an STR that is answered 5002, or damaged, ends the session as well', async () => {
    for (const answer of [sta(baseResult(5002)), { failure: 'malformed', words: '' } as const]) {
      const { session, strs } = await opened();
      const end = session.end();
      await strs[0]!.answer(answer);
      await end;
      expect([strs.length, session.state]).toEqual([1, 'closed']);
    }
  });

  it('P-126 repeats an STR once: at once after a timeout, five seconds later after a lost peer', async () => {
    const { session, strs } = await opened();
    const end = session.end();
    await strs[0]!.answer(noAnswer);
    expect(strs).toHaveLength(2);
    await strs[1]!.answer(noAnswer);
    await end;
    expect([strs.length, session.state]).toEqual([2, 'closed']);

    const other = await opened();
    void other.session.end();
    await other.strs[0]!.answer(noPeer);
    other.clock.advance(4999);
    await settle();
    expect(other.strs).toHaveLength(1);
    other.clock.advance(1);
    await settle();
    expect(other.strs).toHaveLength(2);
    await other.strs[1]!.answer(noPeer);
    expect(other.session.state).toBe('closed');
  });

  it('D-60 a session that was refused, or never reached a PCRF, needs no STR', async () => {
    for (const answer of [aaa(experimentalResult(5065)), noPeer]) {
      const { aars, session, strs } = harness();
      const outcome = session.authorize(service(media(1)));
      await aars[0]!.answer(answer);
      expect(await outcome).toMatchObject({ kind: 'unavailable' });
      expect(session.state).toBe('new');
      await session.end();
      expect(strs).toHaveLength(0);
    }
  });

  it('D-60 a session whose AAR brought no answer may be there: it gets its STR', async () => {
    const { aars, session, strs } = harness({ mode: 'optional' });
    const outcome = session.authorize(service(media(1)));
    await aars[0]!.answer(noAnswer);
    expect(await outcome).toMatchObject({ kind: 'continue', granted: false });
    void session.end();
    expect(strs).toHaveLength(1);
  });

  it('D-60 a refused update leaves the session as it was', async () => {
    const { aars, session, strs } = await opened();
    const outcome = session.authorize(service(media(1), media(2)));
    await aars[1]!.answer(aaa(experimentalResult(5061)));
    expect(await outcome).toMatchObject({ kind: 'not-acceptable' });
    expect(session.state).toBe('open');
    void session.end();
    expect(strs).toHaveLength(1);
  });

  it('D-61 updates and STR go to the PCRF that answered, with the Class that it gave', async () => {
    const { aars, session, strs } = harness();
    const classes = [Buffer.from('sticky')];
    void session.authorize(service(media(1)));
    expect(aars[0]!.request).toMatchObject({ destinationHost: undefined, destinationRealm: undefined });
    await aars[0]!.answer(aaa(baseResult(2001), { originHost: 'pcrf2.epc.test', classes }));
    void session.authorize(service(media(1, 3)));
    const sticky = { sessionId: 'pcscf;1;1', destinationHost: 'pcrf2.epc.test', destinationRealm: 'epc.test' };
    expect(aars[1]!.request).toMatchObject(sticky);
    // An agent that could not deliver says nothing of where the session is.
    await aars[1]!.answer(aaa(baseResult(3002), { originHost: 'relay.epc.test', originRealm: 'relay.test' }));
    void session.end();
    expect(strs[0]!.request).toMatchObject({ ...sticky, classes });
  });

  it('D-62 has one AAR under way; updates that wait become one, whose outcome they share', async () => {
    const { aars, session } = harness();
    const first = session.authorize(service(media(1)));
    const second = session.authorize(service(media(1, 3)));
    const third = session.authorize(service(media(1, 0)));
    const fourth = session.authorize(service(media(1), media(2)));
    expect(aars).toHaveLength(1);
    await aars[0]!.answer(aaa());
    expect(await first).toMatchObject({ kind: 'continue', granted: true });
    expect(aars).toHaveLength(2);
    expect(aars[1]!.request.mediaComponents).toEqual([media(1), media(2)]);
    await aars[1]!.answer(aaa(experimentalResult(5068)));
    for (const outcome of [second, third, fourth]) expect(await outcome).toMatchObject({ kind: 'unavailable' });
    await settle();
    expect(aars).toHaveLength(2);
  });

  it('D-62 what was removed meanwhile is told once, and not when it is back', async () => {
    const { aars, session } = await opened();
    void session.authorize(service(media(1)));
    void session.authorize(service(media(1), media(2, 4), media(3, 4)));
    void session.authorize(service(media(1), media(3)));
    await aars[1]!.answer(aaa());
    expect(aars[2]!.request.mediaComponents).toEqual([media(1), media(2, 4), media(3)]);
  });

  it('D-62 a session that ends takes back the update that waits, and sends its STR after the AAA', async () => {
    const { aars, session, strs } = harness();
    void session.authorize(service(media(1)));
    const waiting = session.authorize(service(media(1, 3)));
    void session.end();
    expect(await waiting).toMatchObject({ kind: 'unavailable' });
    expect(strs).toHaveLength(0);
    await aars[0]!.answer(aaa());
    expect([aars.length, strs.length]).toEqual([1, 1]);
    expect(strs[0]!.request).toMatchObject({ destinationHost: 'pcrf1.epc.test' });
  });

  it('D-62 a session that ends while its only AAR is refused sends no STR', async () => {
    const { aars, session, strs } = harness();
    void session.authorize(service(media(1)));
    const end = session.end();
    await aars[0]!.answer(aaa(experimentalResult(5065)));
    await end;
    expect([strs.length, session.state]).toEqual([0, 'closed']);
  });

  it('D-63 holds a RAR and an ASR that overtook the AAA until it is there', async () => {
    const { aars, clock, events, session, strs } = harness();
    void session.authorize(service(media(1)));
    const held = [session.takeReAuth(rar), session.takeAbort(asr)];
    expect(held.map(codeOf)).toEqual(['held', 'held']);
    await aars[0]!.answer(aaa());
    expect(await Promise.all(held)).toMatchObject([{ result: baseResult(2001) }, { result: baseResult(2001) }]);
    clock.advance(0);
    await settle();
    expect(events).toEqual(['rar 2', 'asr 0']);
    expect(strs).toHaveLength(1);
  });

  it('D-63 answers them after five seconds without an AAA, and 5002 when the AAA refuses', async () => {
    const slow = harness();
    void slow.session.authorize(service(media(1)));
    const held = slow.session.takeReAuth(rar);
    slow.clock.advance(4999);
    expect(slow.events).toEqual([]);
    slow.clock.advance(1);
    expect(await held).toMatchObject({ result: baseResult(2001) });
    slow.clock.advance(0);
    expect(slow.events).toEqual(['rar 2']);

    const refused = harness();
    void refused.session.authorize(service(media(1)));
    const late = refused.session.takeAbort(asr);
    await refused.aars[0]!.answer(aaa(experimentalResult(5065)));
    expect(await late).toMatchObject({ result: baseResult(5002) });
    refused.clock.advance(10_000);
    expect([refused.events, refused.strs.length]).toEqual([[], 0]);
  });

  it('D-63 holds eight of them and no more', async () => {
    const { aars, clock, session } = harness();
    void session.authorize(service(media(1)));
    const held = Array.from({ length: 10 }, () => codeOf(session.takeReAuth(rar)));
    expect(held).toEqual([...Array.from({ length: 8 }, () => 'held'), 3004, 3004]);
    await aars[0]!.answer(aaa());
    clock.advance(0);
    expect(codeOf(session.takeReAuth(rar))).toBe(2001);
    expect(clock.timers).toBe(1);
  });

  it('P-127 answers a RAR at once, also while an update is under way, and tells of it afterwards', async () => {
    const { clock, events, session } = await opened();
    void session.authorize(service(media(1)));
    expect(codeOf(session.takeReAuth(rar))).toBe(2001);
    expect(events).toEqual([]);
    clock.advance(0);
    expect(events).toEqual(['rar 2']);
  });

  it('P-128 answers an ASR at once, then tells of it, then sends one STR', async () => {
    const { clock, events, session, strs } = await opened();
    expect(codeOf(session.takeAbort(asr))).toBe(2001);
    expect(codeOf(session.takeAbort(asr))).toBe(2001);
    expect([events.length, strs.length]).toEqual([0, 0]);
    clock.advance(0);
    expect(events[0]).toBe('asr 0');
    expect(strs).toHaveLength(1);
    expect(codeOf(session.takeAbort(asr))).toBe(2001);
    expect(codeOf(session.takeReAuth(rar))).toBe(5002);
    await strs[0]!.answer(sta(baseResult(5002)));
    expect([strs.length, session.state]).toEqual([1, 'closed']);
    expect(codeOf(session.takeAbort(asr))).toBe(5002);
  });

  it('D-09 a session that its PCRF lost is gone without an STR, also when an AAR is under way', async () => {
    const { aars, clock, events, session, strs } = await opened();
    const waiting = session.authorize(service(media(1)));
    session.takeAbort(asr);
    session.drop();
    session.drop();
    clock.advance(0);
    await aars[1]!.answer(aaa(baseResult(5002)));
    expect(await waiting).toBeDefined();
    expect([events, strs.length, session.state]).toEqual([['closed', 'lost'], 0, 'closed']);
  });

  it('D-09 what a PCRF takes anew after the session was dropped, it is told to let go', async () => {
    const { aars, session, strs } = await opened();
    void session.authorize(service(media(1)));
    session.drop();
    await aars[1]!.answer(aaa());
    expect(strs).toHaveLength(1);
  });

  it('P-125 5064 is answered by an STR and one more AAR under another Session-Id', async () => {
    const { aars, events, session, strs } = harness();
    const outcome = session.authorize(service(media(1)));
    await aars[0]!.answer(aaa(experimentalResult(5064)));
    expect(strs[0]!.request).toMatchObject({ sessionId: 'pcscf;1;1' });
    expect(aars).toHaveLength(1);
    await strs[0]!.answer(sta());
    expect(aars[1]!.request).toMatchObject({ sessionId: 'pcscf;1;2', destinationHost: undefined });
    await aars[1]!.answer(aaa());
    expect(await outcome).toMatchObject({ kind: 'continue', granted: true });
    expect([session.id, events]).toEqual(['pcscf;1;2', ['pcscf;1;1 -> pcscf;1;2']]);
  });

  it('P-125 5064 ends the session that is replaced, where there is one', async () => {
    const { aars, make, session, strs } = await opened();
    const next = make(session);
    const outcome = next.authorize(service(media(1)));
    await aars[1]!.answer(aaa(experimentalResult(5064)));
    expect(strs.map(({ request }) => request.sessionId)).toEqual(['pcscf;1;1']);
    await strs[0]!.answer(sta());
    await aars[2]!.answer(aaa());
    expect(await outcome).toMatchObject({ granted: true });
    expect(session.state).toBe('closed');
  });

  it('P-125 5064 twice is a refusal', async () => {
    const seen: RxOutcome[] = [];
    for (const mode of ['required', 'optional'] as const) {
      const { aars, session, strs } = harness({ mode });
      const outcome = session.authorize(service(media(1)));
      await aars[0]!.answer(aaa(experimentalResult(5064)));
      await strs[0]!.answer(sta());
      await aars[1]!.answer(aaa(experimentalResult(5064)));
      expect(aars).toHaveLength(2);
      seen.push(await outcome);
    }
    expect(seen).toMatchObject([{ kind: 'unavailable' }, { kind: 'continue', granted: false }]);
  });

  it('P-125 an update that the PCRF knows no session for is asked anew, without an STR', async () => {
    const { aars, session, strs } = await opened();
    const outcome = session.authorize(service(media(1)));
    await aars[1]!.answer(aaa(baseResult(5002)));
    expect(aars[2]!.request).toMatchObject({ sessionId: 'pcscf;1;2' });
    await aars[2]!.answer(aaa());
    expect(await outcome).toMatchObject({ granted: true });
    expect(strs).toHaveLength(0);
  });

  it('E.4 Rx-Request-Type tells first from later AARs, where it is wanted', async () => {
    const { aars, session } = harness();
    void session.authorize({ ...service(media(1)), requestType: 0 });
    await aars[0]!.answer(aaa());
    void session.authorize({ ...service(media(1)), requestType: 0 });
    expect(aars.map(({ request }) => request.requestType)).toEqual([0, 1]);
    await aars[1]!.answer(aaa());
    void session.authorize(service(media(1)));
    expect(aars[2]!.request.requestType).toBeUndefined();
  });
});
