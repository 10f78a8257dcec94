import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IpsecLab, until } from '../flows/ipsec-lab.ts';
import type { IpsecPhone } from '../flows/ipsec-phone.ts';
import { skipWithoutNamespaces } from '../ipsec/namespaces.ts';

const skip = skipWithoutNamespaces('registrations with IPsec that come and go');
const cycles = 15;

describe.skipIf(skip)('registrations with IPsec', () => {
  let lab: IpsecLab;
  let phones: readonly IpsecPhone[];
  beforeAll(async () => {
    // Associations stay for 64 times T1 after their end (P-55).
    lab = await IpsecLab.start({ pcscf: { timers: { gm: { t1: 60, t2: 480, t4: 600 } } } });
    phones = [await lab.open('alice', { kind: 'samsung' }), await lab.open('bob', { kind: 'minimal' })];
  });
  afterAll(() => lab?.stop());

  it(`X-R13 P-55 that come and go ${cycles} times leave no association behind, at the P-CSCF nor at the phones`, async () => {
    const turn = async (phone: IpsecPhone) => {
      for (let i = 0; i < cycles; i++) {
        expect(await phone.ask('register')).toMatchObject({ registered: true });
        expect(await phone.ask('register', 0)).toMatchObject({ registered: true, expires: 0 });
      }
    };
    await Promise.all(phones.map(turn));
    await until('the associations are gone', async () => {
      const { sets, associations } = (await lab.status('pcscf')).ipsec!;
      return sets === 0 && associations === 0;
    });
    for (const phone of phones) expect(await phone.ask('associations')).toEqual([]);
  });
});
