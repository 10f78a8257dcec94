import { describe, expect, it } from 'vitest';
import { DiameterClient } from '#diameter/client';
import { rxCommands, rxDictionary } from '#diameter/dictionary/rx';
import { baseResult } from '#diameter/result';
import { RxClient } from '#diameter/rx/rx-client';
import { aaAnswer, rxAnswer } from '#diameter/rx/rx-server';
import { RxSessions } from '#diameter/rx/rx-sessions';
import { rxPair } from './rx-pair.ts';

const service = { mediaComponents: [], specificActions: [2], subscriptionIds: [] };
const destinationHost = 'pcscf.ims.test';

/** A P-CSCF with a table of sessions and a PCRF that says yes to all; its Origin-State-Id is `life.stateId`. */
function joined() {
  const parts = rxPair();
  const life = { stateId: 10 as number | undefined };
  const defects: unknown[] = [];
  const told: string[] = [];
  const sessions = new RxSessions({ port: parts.af, clock: parts.clock, onDefect: (error) => defects.push(error) });
  sessions.serve((command, handler) => parts.pcscf.handle(command, handler));
  parts.pcrf.handle(rxCommands.aa, () => aaAnswer({ result: baseResult(2001), originStateId: life.stateId }));
  parts.pcrf.handle(rxCommands.sessionTermination, () => rxAnswer(2001));
  const open = () =>
    sessions.open(
      {
        reAuth: () => told.push('rar'),
        aborted: () => told.push('asr'),
        lost: () => told.push('lost'),
      },
      { mode: 'required' },
    );
  return { ...parts, sessions, open, told, defects, life };
}

describe('RxSessions', () => {
  it('P-127 P-128 a RAR or ASR of an unknown session gets 5002', async () => {
    const { server, sessions } = joined();
    for (const sessionId of ['nobody', 'pcscf.ims.test;3911223344;1']) {
      const rar = await server.reAuth({ sessionId, destinationHost, specificActions: [2] });
      const asr = await server.abort({ sessionId, destinationHost, cause: 0 });
      expect([rar, asr]).toMatchObject([{ result: baseResult(5002) }, { result: baseResult(5002) }]);
    }
    expect(sessions.counters).toMatchObject({ reAuths: 2, aborts: 2, unknown: 4 });
  });

  it('D-60 P-128 an ASR is answered before its STR goes out', async () => {
    const { clock, messages, open, server, sessions, told } = joined();
    const session = open();
    await session.authorize(service);
    const asa = await server.abort({ sessionId: session.id, destinationHost, cause: 0 });
    expect(asa).toMatchObject({ result: baseResult(2001) });
    clock.advance(0);
    await session.end();
    expect(messages.map(({ command, flags }) => `${command}${flags & 0x80 ? '?' : '!'}`)).toEqual([
      '265?',
      '265!',
      '274?',
      '274!',
      '275?',
      '275!',
    ]);
    expect([told, sessions.size]).toEqual([['asr'], 0]);
  });

  it('P-127 a RAR of a known session gets 2001 and reaches the one who opened it', async () => {
    const { clock, open, server, told } = joined();
    const session = open();
    await session.authorize(service);
    const raa = await server.reAuth({ sessionId: session.id, destinationHost, specificActions: [2] });
    expect(raa).toMatchObject({ result: baseResult(2001) });
    clock.advance(0);
    expect(told).toEqual(['rar']);
  });

  it('X-D8 a RAR from another host of the realm is taken, from another realm is not', async () => {
    const { clock, open, pcscf, sessions } = joined();
    const session = open();
    await session.authorize(service);
    // The answers go to the PCRF of the pair: the counters tell what became of the request.
    const sendFrom = (originHost: string, originRealm: string) => {
      const other = new DiameterClient(
        { send: (message) => pcscf.onMessage(message), answer: () => undefined },
        { worker: 0, identity: { originHost, originRealm }, dictionary: rxDictionary, clock },
      );
      const request = { sessionId: session.id, destinationHost, specificActions: [2] };
      void new RxClient(other, { realm: 'ims.test' }).reAuth(request);
      other.stop();
    };
    sendFrom('pcrf-b.epc.test', 'EPC.test');
    expect(sessions.counters).toMatchObject({ reAuths: 1, unknown: 0 });
    sendFrom('pcrf.evil.test', 'evil.test');
    expect(sessions.counters).toMatchObject({ reAuths: 2, unknown: 1 });
  });

  it('D-09 a higher Origin-State-Id in an AAA drops the other sessions of that PCRF without an STR', async () => {
    const { life, messages, open, sessions, told } = joined();
    const [first, second, third] = [open(), open(), open()];
    await first.authorize(service);
    await second.authorize(service);
    life.stateId = 9;
    await second.authorize(service);
    expect(told).toEqual([]);
    life.stateId = 11;
    await second.authorize(service);
    expect([first.state, second.state, third.state, told]).toEqual(['closed', 'open', 'new', ['lost']]);
    expect(messages.some(({ command }) => command === 275)).toBe(false);
    expect(sessions.counters.lost).toBe(1);
    // Without a number nothing can be told.
    life.stateId = undefined;
    await third.authorize(service);
    expect(second.state).toBe('open');
  });

  it('D-09 a peer that is known to have restarted takes its sessions with it', async () => {
    const { open, sessions, told } = joined();
    const session = open();
    await session.authorize(service);
    sessions.restarted('other.epc.test');
    expect(session.state).toBe('open');
    sessions.restarted('PCRF.epc.test');
    expect([session.state, told, sessions.size]).toEqual(['closed', ['lost'], 0]);
  });

  it('P-125 a session that took another Session-Id is found under it', async () => {
    const { open, pcrf, sessions } = joined();
    const session = open();
    await session.authorize(service);
    const before = session.id;
    let answers = 0;
    pcrf.handle(rxCommands.aa, () => rxAnswer(answers++ === 0 ? 5002 : 2001));
    await session.authorize(service);
    expect([sessions.find(before), sessions.find(session.id)]).toEqual([undefined, session]);
  });

  it('P-127 an event handler that throws harms nobody, and is told', async () => {
    const { clock, defects, sessions, server } = joined();
    const broken = () => {
      throw new Error('broken');
    };
    const session = sessions.open({ reAuth: broken, aborted: broken, lost: broken }, { mode: 'required' });
    await session.authorize(service);
    await server.abort({ sessionId: session.id, destinationHost, cause: 0 });
    clock.advance(0);
    await session.end();
    expect([session.state, defects.length]).toEqual(['closed', 1]);
  });

  it('D-60 endAll ends every session', async () => {
    const { messages, open, sessions } = joined();
    const all = [open(), open(), open()];
    await Promise.all(all.map((session) => session.authorize(service)));
    await sessions.endAll();
    expect(sessions.size).toBe(0);
    expect(messages.filter(({ command, flags }) => command === 275 && flags & 0x80)).toHaveLength(3);
  });
});
