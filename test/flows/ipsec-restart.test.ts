import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { skipWithoutNamespaces } from '../ipsec/namespaces.ts';
import { IpsecLab } from './ipsec-lab.ts';
import type { IpsecPhone } from './ipsec-phone.ts';
import { until } from './transport-lab.ts';

const skip = skipWithoutNamespaces('the restart of a P-CSCF with IPsec');

/** Octets of all files of a folder. */
function octetsOf(folder: string): Buffer[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((file) => statSync(file).isFile())
    .map((file) => readFileSync(file));
}

describe.skipIf(skip)('a P-CSCF that is killed', () => {
  let lab: IpsecLab;
  let alice: IpsecPhone;
  let bob: IpsecPhone;
  beforeAll(async () => {
    const storeKey = randomBytes(24).toString('base64url');
    lab = await IpsecLab.start({ ipsec: { storeKey } });
    alice = await lab.phone('alice', { kind: 'samsung', requestsBy: 'udp' });
    bob = await lab.phone('bob', { kind: 'minimal' });
  }, 60_000);
  afterAll(() => lab?.stop());

  it('P-59 P-39 X-R17 with -9 and started again reaches phones by the associations they have, twice', async () => {
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
      await until('its associations are back', async () => lab.log('pcscf').split('"restored":2').length > life);
      expect(await bob.ask('call', alice.setup.impu)).toMatchObject({ answered: true });
      expect(await bob.ask('hangUp')).toBe('us 200');
      expect(await alice.ask('message', bob.setup.impu, `life ${life}`)).toMatchObject({ status: 200 });
      expect((await bob.ask('seen')).texts.at(-1)).toBe(`life ${life}`);
    }
    for (const phone of [alice, bob]) {
      const registers = (await phone.messages()).filter((line) => line.includes(' REGISTER '));
      expect(registers).toHaveLength(2);
    }
  });

  it('X-I15 no key is in a log or the store of any node but the HSS', () => {
    const keys = ['ck', 'ik'];
    for (const octets of octetsOf(lab.folder)) {
      const text = octets.toString('latin1');
      for (const name of keys) expect(text).not.toMatch(new RegExp(`\\b${name}="[0-9a-f]{32}"`));
    }
  });
});
