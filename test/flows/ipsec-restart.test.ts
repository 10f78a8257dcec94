import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { skipWithoutNamespaces } from '../ipsec/namespaces.ts';
import { defaultBackend, IpsecLab, until } from './ipsec-lab.ts';
import type { IpsecPhone } from './ipsec-phone.ts';

const skip = skipWithoutNamespaces('the restart of a P-CSCF with IPsec');

/** The kernel keeps the associations of both phones, our own ESP gets them anew. */
const back = defaultBackend === 'kernel' ? '"kept":2' : '"restored":2';

describe.skipIf(skip)('a P-CSCF that is killed', () => {
  let lab: IpsecLab;
  let alice: IpsecPhone;
  let bob: IpsecPhone;
  beforeAll(async () => {
    const storeKey = randomBytes(24).toString('base64url');
    lab = await IpsecLab.start({ ipsec: { storeKey } });
    alice = await lab.phone('alice', { kind: 'samsung', requestsBy: 'udp' });
    bob = await lab.phone('bob', { kind: 'minimal' });
  });
  afterAll(() => lab?.stop());

  it('P-59 P-39 X-R17 with -9 and started again reaches phones by the associations they have, twice', async () => {
    const registers = async () => {
      const messages = await Promise.all([alice, bob].map((phone) => phone.messages()));
      return messages.map((all) => all.filter((line) => line.includes(' REGISTER ')).length);
    };
    const before = await registers();
    for (let life = 1; life <= 2; life++) {
      const { pid } = await lab.status('pcscf');
      process.kill(pid, 'SIGKILL');
      await until('it is gone', async () =>
        lab.status('pcscf').then(
          () => false,
          () => true,
        ),
      );
      await lab.launch('pcscf');
      await until('its associations are back', async () => lab.log('pcscf').split(back).length > life);
      expect(await bob.ask('call', alice.setup.impu)).toMatchObject({ answered: true });
      expect(await bob.ask('hangUp')).toBe('us 200');
      expect(await alice.ask('message', bob.setup.impu, `life ${life}`)).toMatchObject({ status: 200 });
      expect((await bob.ask('seen')).texts.at(-1)).toBe(`life ${life}`);
    }
    expect(await registers()).toEqual(before);
  });

  it('X-I15 no key is in a log or the store of any node, nor in what phones have heard', async () => {
    const keys = await lab.keys();
    expect(keys).toHaveLength(4);
    expect((await lab.outputs()).find(keys)).toEqual([]);
  });
});
