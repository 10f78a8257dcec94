import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HssFindings, ShownSubscription } from '#lab/hss/hss-methods';
import type { OrderOutcome } from '#lab/hss/server-orders';
import { callManagement } from '#manage/management-client';
import { ResilientLab, until } from './resilient-lab.ts';

const alice = 'alice@ims.test';
let lab: ResilientLab;
beforeAll(async () => {
  lab = await ResilientLab.start({ workers: 1 });
});
afterAll(() => lab?.stop());

function hss<T>(method: string, params: Record<string, unknown> = {}): Promise<T> {
  return callManagement(join(lab.folder, 'hss.sock'), method, params) as Promise<T>;
}

async function stateOfAlice(): Promise<string> {
  return (await hss<ShownSubscription>('hss.show', { identity: alice })).sets[0]!.state;
}

describe('the S-CSCF and the lab HSS', () => {
  it('S-73 a PPR with the present profile, a new one and charging addresses is answered 2001', async () => {
    const profile = `<IMSSubscription><PrivateID>\${IMPI}</PrivateID><ServiceProfile><PublicIdentity><Identity>\${IMPU}</Identity></PublicIdentity></ServiceProfile></IMSSubscription>`;
    for (const params of [{}, { profile }, { charging: { primaryCcf: 'aaa://ccf.ims.test' } }]) {
      const outcome = await hss<OrderOutcome>('hss.ppr', { impi: alice, ...params });
      expect(outcome).toMatchObject({ done: true, code: 2001, findings: [], answeredBy: lab.config.names.scscf });
    }
    await lab.callBothWays();
  });

  it('S-73 a profile that cannot be read is answered 5009, and changes nothing', async () => {
    const outcome = await hss<OrderOutcome>('hss.ppr', { impi: alice, profile: '<IMSSubscription>' });
    expect(outcome).toMatchObject({ done: false, code: 5009, findings: [] });
    await lab.callBothWays();
  });

  it('S-70 S-71 an RTR is answered 2001 and ends the registration without a SAR; the phone may register anew', async () => {
    const before = (await hss<{ counters: { requests: Record<string, number> } }>('hss.status')).counters.requests.SAR;
    const outcome = await hss<OrderOutcome>('hss.rtr', { impi: alice, reason: 'server-change', info: 'maintenance' });
    expect(outcome).toMatchObject({ done: true, code: 2001, findings: [] });
    expect(await stateOfAlice()).toBe('not-registered');
    const call = lab.bob.ue.call(lab.alice.ue.impu);
    expect(await call.answered).toMatchObject({ by: 'refused', status: 480 });
    expect((await hss<{ counters: { requests: Record<string, number> } }>('hss.status')).counters.requests.SAR).toBe(
      before,
    );
    await lab.alice.register();
    expect(await stateOfAlice()).toBe('registered');
    await lab.callBothWays();
  });

  it('D-02 D-17 nothing that the I-CSCF and the S-CSCF sent in all this is a breach of TS 29.229', async () => {
    await until('alice is de-registered', async () => {
      await lab.alice.ue.deregister();
      return (await stateOfAlice()) === 'not-registered';
    });
    const { counts, latest } = await hss<HssFindings>('hss.findings');
    expect(latest).toEqual([]);
    expect(counts).toEqual([]);
  });
});
