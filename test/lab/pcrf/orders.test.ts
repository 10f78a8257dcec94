import { afterEach, describe, expect, it } from 'vitest';
import { avp } from '#diameter/codec/avp-types';
import { baseAvps } from '#diameter/dictionary/base';
import { rxCommands } from '#diameter/dictionary/rx';
import { baseResult } from '#diameter/result';
import type { AbortSession, ReAuth } from '#diameter/rx/rx-requests';
import { rxAnswer } from '#diameter/rx/rx-server';
import { OrderError, parseFlows } from '#lab/pcrf/bearer-orders';
import { aar, audio, found, rule, running, service, signalling } from './pcrf-client.ts';

const lab = running();
afterEach(() => lab.close());

/** A PCRF, and a P-CSCF with an open session. */
async function opened(config: Parameters<typeof lab.pcrf>[0] = {}) {
  const pcrf = await lab.pcrf(config, { terminationMs: 200 });
  const pcscf = await lab.pcscf(pcrf.port);
  const told: (ReAuth | AbortSession)[] = [];
  const events = {
    reAuth: (request: ReAuth) => told.push(request),
    aborted: (request: AbortSession) => told.push(request),
    lost: () => undefined,
  };
  const open = () => pcscf.sessions.open(events, { mode: 'required' });
  const session = open();
  const asking = session.authorize(service());
  return { pcrf, pcscf, told, open, session, asking };
}

async function settled(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 20));
}

describe('RAR', () => {
  it('P-127 tells of bearers and flows, and the P-CSCF answers 2001', async () => {
    const { asking, pcrf, session, told } = await opened({ enforce: true });
    await asking;
    const [outcome] = await pcrf.orders.reAuth(
      { session: '1' },
      {
        actions: ['loss', 'release'],
        flows: parseFlows('1:1,1:2,2'),
        cause: 'bearer-released',
        chargingIdentifier: 'gcid',
        ipCanType: 5,
        ratType: 1004,
        userLocation: Buffer.from('8200f110', 'hex'),
      },
    );
    expect(outcome).toMatchObject({
      done: true,
      session: session.id,
      host: 'pcscf.ims.test',
      code: 2001,
      words: '2001 SUCCESS',
      findings: [],
    });
    await settled();
    expect(told).toMatchObject([
      {
        specificActions: [2, 4],
        flows: [
          { componentNumber: 1, flowNumbers: [1, 2] },
          { componentNumber: 2, flowNumbers: [] },
        ],
        abortCause: 0,
        accessCharging: [{ value: Buffer.from('gcid') }],
        accessNetwork: { ipCanType: 5, ratType: 1004, userLocation: Buffer.from('8200f110', 'hex') },
      },
    ]);
    expect(found(pcrf)).toEqual([]);
  });

  it('P-127 an action that the session did not ask for is sent, with a word about it', async () => {
    const { asking, pcrf } = await opened();
    await asking;
    const [outcome] = await pcrf.orders.reAuth({ session: '1' }, { actions: ['recovery', 'loss'] });
    expect(outcome).toMatchObject({ done: true, findings: ['the session did not subscribe to recovery'] });
  });

  it('D-63 it may come before the AAA: the P-CSCF answers it afterwards', async () => {
    const { asking, pcrf, session, told } = await opened({ rules: [rule({ delay: 100 })] });
    await settled();
    expect(pcrf.sessions.byId(session.id)?.state).toBe('asked');
    const early = pcrf.orders.reAuth({ session: session.id }, { actions: ['loss'] });
    await settled();
    expect(told).toEqual([]);
    expect((await asking).kind).toBe('continue');
    expect(await early).toMatchObject([{ done: true }]);
    await settled();
    expect(told).toHaveLength(1);
  });

  it('P-127 a session that the P-CSCF does not know is gone here too', async () => {
    const pcrf = await lab.pcrf();
    const { rx } = await lab.pcscf(pcrf.port);
    await rx.authorize(aar(rx.newSessionId()));
    const [outcome] = await pcrf.orders.reAuth({ session: '1' }, { actions: ['loss'] });
    expect(outcome).toMatchObject({ done: false, code: 5002 });
    expect(outcome!.words).toBe('5002 UNKNOWN_SESSION_ID: the P-CSCF does not know this session');
    expect(pcrf.sessions.size).toBe(0);
  });

  it('an address stands for all its sessions', async () => {
    const { asking, open, pcrf, told } = await opened();
    await asking;
    await open().authorize(service([signalling()]));
    const other = { framedAddress: { address: '10.46.0.6', prefixLength: 32 } };
    await open().authorize(service([audio()], other));
    const outcomes = await pcrf.orders.reAuth({ address: '10.46.0.5' }, { actions: ['loss'] });
    expect(outcomes.map(({ done }) => done)).toEqual([true, true]);
    await settled();
    expect(told).toHaveLength(2);
  });

  it('a prefix holds the addresses in it', async () => {
    const pcrf = await lab.pcrf();
    const { rx } = await lab.pcscf(pcrf.port);
    const framedAddress = { address: '2001:db8:5::', prefixLength: 64 };
    await rx.authorize(aar(rx.newSessionId(), [signalling()], { framedAddress }));
    expect(pcrf.sessions.byAddress('2001:0db8:5:0::77')).toHaveLength(1);
    expect(pcrf.sessions.byAddress('2001:db8:5:1::77')).toEqual([]);
    expect(pcrf.sessions.byAddress('10.46.0.5')).toEqual([]);
  });

  it('what cannot be sent is said in words', async () => {
    const { pcrf } = await opened();
    const send = (target: Parameters<typeof pcrf.orders.reAuth>[0]) => () =>
      pcrf.orders.reAuth(target, { actions: [] });
    expect(send({ session: 'x' })).toThrow('there is no session x');
    expect(send({ address: '10.9.9.9' })).toThrow('there is no session of 10.9.9.9');
    for (const flows of ['', '1:', '1:2:3', 'a', '-1', '1:1,']) expect(() => parseFlows(flows)).toThrow(OrderError);
  });

  it('a P-CSCF that is gone gives no answer', async () => {
    const { asking, pcrf, pcscf } = await opened();
    await asking;
    await pcscf.close();
    const [outcome] = await pcrf.orders.reAuth({ session: '1' }, { actions: ['loss'] });
    expect(outcome).toMatchObject({ done: false, code: 0 });
    expect(outcome!.words).toContain('no peer');
  });
});

describe('ASR', () => {
  it('D-60 P-128 the P-CSCF answers 2001 and ends the session with a STR', async () => {
    const { asking, pcrf, session, told } = await opened({ enforce: true });
    await asking;
    const outcomes = await pcrf.orders.abort({ address: '10.46.0.5' }, 'bearer-resources');
    expect(outcomes).toMatchObject([{ done: true, code: 2001, terminated: true, session: session.id }]);
    expect(told).toMatchObject([{ cause: 2 }]);
    expect(pcrf.sessions.size).toBe(0);
    expect(pcrf.counters().results).toMatchObject({ 'STR 2001': 1 });
    expect(found(pcrf)).toEqual([]);
  });

  it('D-60 a STR that does not come is found', async () => {
    const pcrf = await lab.pcrf({}, { terminationMs: 50 });
    const { client, rx } = await lab.pcscf(pcrf.port);
    client.handle(rxCommands.abortSession, () => rxAnswer(2001));
    const id = rx.newSessionId();
    await rx.authorize(aar(id));
    expect(await pcrf.orders.abort({ session: id }, 'bearer-released')).toMatchObject([
      { done: true, terminated: false },
    ]);
    expect(pcrf.sessions.byId(id)?.state).toBe('aborting');
    expect(found(pcrf)).toEqual(['no-str-after-asr']);
    await rx.authorize({ ...aar(id), destinationHost: 'pcrf.epc.test' });
    expect(found(pcrf)).toContain('(aar-after-asr)');
    await rx.terminate({ sessionId: id });
    expect(pcrf.sessions.size).toBe(0);
  });
});

describe('answers of P-CSCFs', () => {
  it('D-16 what is wrong with a RAA is found', async () => {
    const pcrf = await lab.pcrf();
    const { client, rx } = await lab.pcscf(pcrf.port);
    client.handle(rxCommands.reAuth, () => ({ result: baseResult(2001), avps: [avp(baseAvps.resultCode, 2001)] }));
    await rx.authorize(aar(rx.newSessionId()));
    const [outcome] = await pcrf.orders.reAuth({ session: '1' }, { actions: ['loss'] });
    expect(outcome!.done).toBe(true);
    expect(pcrf.findings.counts().map(({ id, message }) => `${message} ${id}`)).toEqual(['RAA repeated-avp']);
    expect(outcome!.findings).toEqual(['Result-Code is there 2 times']);
  });
});
