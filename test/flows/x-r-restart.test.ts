import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { answerChallenge } from '#lab/ue/credentials';
import { RawUe, verdictIn } from '../torture/raw-ue.ts';
import { ResilientLab, sleep } from './resilient-lab.ts';

/** A node is away at least so long: for some retransmissions of T1 0.5 s. */
const awayMs = 800;
/** Within this time after the first send the last one of a request that begins something leaves: 7*T1. */
const rideOutMs = 3_400;

describe('a request to a node that restarts', () => {
  let lab: ResilientLab;
  beforeAll(async () => {
    lab = await ResilientLab.start({ workers: 1 });
  });
  afterAll(() => lab?.stop());

  it('X-R2 C-14 a BYE that its only next hop refuses is answered 200 once that is back', async () => {
    const pair = await lab.call(lab.alice, lab.bob);
    await lab.kill('scscf');
    const released = lab.release(pair);
    await sleep(awayMs);
    await lab.startNode('scscf');
    await released;
    expect(lab.log('pcscf')).not.toContain('"reason":"next-hop-unreachable"');
    // Nothing is held against it.
    await lab.callBothWays();
  }, 40_000);

  it.each(['icscf', 'scscf'] as const)(
    'X-R2 C-14 a call to the %s while it restarts is answered, only later',
    async (role) => {
      const startMs = performance.now();
      await lab.kill(role);
      const call = lab.call(lab.alice, lab.bob);
      // Looked at below.
      call.catch(() => {});
      await lab.startNode(role);
      const tookMs = performance.now() - startMs;
      const pair = await call.catch((error: Error) => {
        // On a busy machine the node may come back too late.
        if (tookMs < rideOutMs - awayMs) throw error;
        expect(error.message).toMatch(/504/);
        return null;
      });
      if (pair !== null) await lab.release(pair);
      await lab.callBothWays();
    },
    40_000,
  );

  it('X-R2 C-14 a call to a node that stays away is refused in seconds, not in half a minute', async () => {
    await lab.kill('scscf');
    const startMs = performance.now();
    expect(await lab.alice.ue.call(lab.bob.ue.impu).answered).toMatchObject({ by: 'refused', status: 504 });
    expect(performance.now() - startMs).toBeGreaterThan(rideOutMs);
    expect(performance.now() - startMs).toBeLessThan(2 * rideOutMs);
    await lab.startNode('scscf');
  }, 40_000);
});

// Over TCP no answer is kept: the nonce has served, and there is another.
describe.each([
  ['UDP', {}, '200'],
  ['TCP', { transport: 'tcp' }, '401'],
] as const)('a REGISTER that comes again after a restart of the P-CSCF, core by %s', (_name, core, verdict) => {
  let lab: ResilientLab;
  let ue: RawUe | undefined;
  beforeAll(async () => {
    lab = await ResilientLab.start({ workers: 1, core });
  });
  afterEach(() => ue?.close());
  afterAll(() => lab?.stop());

  async function restart(): Promise<void> {
    await lab.kill('pcscf');
    await lab.startNode('pcscf');
  }

  it('X-R2 C-05 is challenged, and the one with the credentials is answered; who registered is served', async () => {
    const { address, ports } = lab.config;
    ue = await RawUe.open({ address, port: ports.gm }, 31);
    const first = ue.registerRequest();
    const challenged = await ue.ask(first);
    expect(verdictIn(challenged)).toBe('401');
    // As if the answer had been lost with the process that had it.
    await restart();
    const again = await ue.ask(first);
    expect(verdictIn(again)).toBe('401');
    const challenge = /\r\nWWW-Authenticate: ([^\r]*)/.exec(again!)![1]!;
    const response = answerChallenge(challenge, ue.credentials, 'REGISTER', 'sip:ims.test');
    if (typeof response === 'string') throw new Error(response);
    const second = ue.registerRequest({ Authorization: response.authorization });
    const accepted = await ue.ask(second);
    expect(verdictIn(accepted)).toBe('200');
    await restart();
    expect(verdictIn(await ue.ask(second))).toBe(verdict);
    await lab.release(await lab.call(lab.alice, lab.bob));
    const message = ue.request('MESSAGE', lab.bob.ue.impu, { 'Content-Type': 'text/plain' }, [], 'hello');
    expect(verdictIn(await ue.ask(message))).toBe('200');
  }, 60_000);
});
