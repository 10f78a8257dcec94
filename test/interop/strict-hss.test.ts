import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { hasStrictHss, StrictHssLab } from './strict-hss-lab.ts';

if (!hasStrictHss) console.log('the strict HSS of the rigs is not beside the project: its tests are skipped');

describe.skipIf(!hasStrictHss).each([1, 2])('strict HSS of the rigs, S-CSCF with %i workers', (workers) => {
  let lab: StrictHssLab;
  beforeAll(async () => {
    lab = await StrictHssLab.start(workers);
  }, 30_000);
  afterAll(() => lab?.stop());
  // What it found is answered with an error too (--enforce); here it is told in words.
  afterEach(async () => {
    expect(await lab.hss('GET', 'violations')).toEqual([]);
  });

  const state = async (n: number) => ((await lab.hss('GET', `user?n=${n}`)) as { state: string }).state;
  const result = async (path: string) => ((await lab.hss('POST', path)) as { result: number }).result;
  const impu = (n: number) => `sip:user${String(n).padStart(6, '0')}@${lab.config.domain}`;
  const tel = (n: number) => `tel:+1555${String(n).padStart(6, '0')}`;

  it('D-17 S-10 registers by AKA and by SIP Digest, registers again, calls, sends texts and leaves', async () => {
    await lab.hss('POST', 'sub?n=1&auth=aka');
    const [alice, bob] = [await lab.open(1, 'aka'), await lab.open(2, 'password')];
    for (const phone of [alice, bob, alice, bob]) await lab.registered(phone);
    expect([await state(1), await state(2)]).toEqual(['registered', 'registered']);
    for (const to of [bob.ue.impu, tel(2)]) expect(await lab.callStatus(alice, to)).toBe(200);
    for (const to of [alice.ue.impu, tel(1)]) expect(await lab.callStatus(bob, to)).toBe(200);
    expect((await alice.ue.message(bob.ue.impu, 'hello')).status).toBe(200);
    expect([alice.calls.length, bob.calls.length, bob.texts]).toEqual([2, 2, ['hello']]);
    for (const phone of [alice, bob]) expect(await phone.ue.deregister()).not.toHaveProperty('status');
    expect([await state(1), await state(2)]).toEqual(['not registered', 'not registered']);
  }, 30_000);

  it('D-17 S-12 resynchronises a USIM that is ahead', async () => {
    await lab.hss('POST', 'sub?n=3&auth=aka');
    const ahead = (Math.floor(Date.now() / 1000) + 100_000) * 32;
    const phone = await lab.open(3, 'aka', { seen: ahead });
    expect((await lab.registered(phone)).resynchronised).toBe(1);
  }, 20_000);

  it('D-17 I-12 I-22 S-14 is refused where the HSS refuses, and says by what', async () => {
    const caller = await lab.open(4, 'password');
    await lab.registered(caller);
    expect(await lab.callStatus(caller, `sip:nobody@${lab.config.domain}`)).toBe(604);
    expect(await lab.callStatus(caller, impu(9))).toBe(480);
    expect(await (await lab.open(5, 'password', { password: 'wrong' })).ue.register()).toMatchObject({ status: 403 });
    await lab.hss('POST', 'sub?n=6&roaming=0');
    const roamer = await (await lab.open(6, 'password')).ue.register();
    expect(roamer).toMatchObject({ status: 403 });
    // The log is written behind the answer.
    await expect.poll(() => lab.log('icscf')).toContain(`UAA 5004 ROAMING_NOT_ALLOWED from ${lab.config.names.hss}`);
    expect(await (await lab.open(5000, 'password')).ue.register()).toMatchObject({ status: 403 });
    await expect.poll(() => lab.log('icscf')).toContain('UAA 5001 USER_UNKNOWN');
  }, 30_000);

  it('S-70 S-71 D-14 RTR gets 2001, by each reason and with or without identities, and calls are refused', async () => {
    const caller = await lab.open(10, 'password');
    await lab.registered(caller);
    const ways = ['reason=0', 'reason=1&noimpu=1', `reason=2&impu=${encodeURIComponent(tel(11))}`, 'reason=3'];
    for (const way of ways) {
      const phone = await lab.open(11, 'password');
      await lab.registered(phone);
      expect(await lab.callStatus(caller, impu(11))).toBe(200);
      expect(await result(`rtr?n=11&${way}`), way).toBe(2001);
      expect(await state(11)).toBe('not registered');
      expect(await lab.callStatus(caller, impu(11)), way).toBe(480);
      await phone.ue.close();
    }
    expect(await lab.callStatus(caller, caller.ue.impu)).toBe(200);
    expect(((await lab.hss('GET', 'stats')) as { counters: Record<string, number> }).counters['SAR type 5']).toBe(2);
  }, 40_000);

  it('S-73 D-14 PPR gets 2001 and changes who can be called; one that bars everything ends the registration', async () => {
    const [caller, callee] = [await lab.open(20, 'password'), await lab.open(21, 'password')];
    await lab.registered(caller);
    await lab.registered(callee);
    expect(await lab.callStatus(caller, tel(21))).toBe(200);
    await lab.hss('POST', `sub?n=21&identities=${encodeURIComponent(impu(21))}`);
    expect(await result('ppr?n=21')).toBe(2001);
    expect(await lab.callStatus(caller, tel(21))).toBe(480);
    expect(await lab.callStatus(caller, impu(21))).toBe(200);
    expect((await lab.registered(callee)).associatedUris).toEqual([impu(21)]);
    await lab.hss('POST', `sub?n=21&barred=all`);
    expect(await result('ppr?n=21')).toBe(2001);
    await expect.poll(() => state(21)).toBe('not registered');
    expect(await lab.callStatus(caller, impu(21))).toBe(480);
  }, 30_000);
});

describe.skipIf(!hasStrictHss)('strict HSS of the rigs, with features announced', () => {
  it('D-45 finds nothing wrong with Supported-Features', async () => {
    const lab = await StrictHssLab.start(1, (scscf) => {
      scscf.diameter = { ...(scscf.diameter as object), cx: { announce: ['sifc', 'aliasind'] } };
    });
    try {
      const phone = await lab.open(1, 'password');
      await lab.registered(phone);
      expect(await phone.ue.deregister()).not.toHaveProperty('status');
      expect(await lab.hss('GET', 'violations')).toEqual([]);
    } finally {
      await lab.stop();
    }
  }, 30_000);
});
