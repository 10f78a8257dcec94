import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { allPairs } from './esp-algorithms.ts';
import { NamespaceRig, skipWithoutNamespaces } from './namespaces.ts';
import { associationSet, portPc, portPs, portUc, portUs, UserspacePeer } from './userspace-peer.ts';

const skip = skipWithoutNamespaces('the tests of ESP in this program');

describe.skipIf(skip)('P-35 ESP in this program carries what ordinary sockets send', () => {
  let rig: NamespaceRig;
  let pcscf: UserspacePeer;
  let ue: UserspacePeer;
  const addresses = new Map<4 | 6, { p: string; u: string }>();

  beforeAll(async () => {
    rig = await NamespaceRig.open(['pcscf', 'ue']);
    const [p, u] = [rig.host('pcscf'), rig.host('ue')];
    addresses.set(4, { p: p.address, u: u.address }).set(6, { p: p.address6, u: u.address6 });
    pcscf = new UserspacePeer(p);
    ue = new UserspacePeer(u);
    for (const peer of [pcscf, ue]) await peer.ask('open', {});
    for (const { p, u } of addresses.values()) {
      await pcscf.ask(
        'guard',
        [portPs, portPc].map((port) => ({ address: p, port })),
      );
      await ue.ask(
        'guard',
        [portUs, portUc].map((port) => ({ address: u, port })),
      );
      await pcscf.ask('udp', { address: p, port: portPs });
      await pcscf.ask('tcp', { address: p, port: portPs });
      await ue.ask('udp', { address: u, port: portUc });
      await ue.ask('udp', { address: u, port: portUs });
      await ue.ask('tcp', { address: u, port: portUs });
      await pcscf.ask('udp', { address: p, port: portPc });
    }
  });

  afterEach(async () => {
    for (const peer of [pcscf, ue]) await peer.ask('remove', await peer.ask('list'));
  });

  afterAll(() => rig?.close());

  it.each(allPairs)('P-32 P-33 P-35 $integrity with $encryption: UDP and TCP both ways', async (pair) => {
    for (const { p, u } of addresses.values()) {
      await pcscf.ask('add', associationSet('pcscf', p, u, pair));
      await ue.ask('add', associationSet('ue', p, u, pair));
      await ue.ask('send', { address: u, port: portUc }, { address: p, port: portPs }, 'register');
      await pcscf.ask('send', { address: p, port: portPc }, { address: u, port: portUs }, 'invite');
      await expect.poll(() => ue.ask('heard')).toContainEqual({ text: 'REGISTER', from: p, port: portPs });
      await expect.poll(() => pcscf.ask('heard')).toContainEqual({ text: 'INVITE', from: u, port: portUs });
      const long = 'message '.repeat(2500);
      expect(await ue.ask('exchange', { address: u, port: portUc }, { address: p, port: portPs }, long, 5000)).toBe(
        long,
      );
      expect(await pcscf.ask('exchange', { address: p, port: portPc }, { address: u, port: portUs }, long, 5000)).toBe(
        long,
      );
    }
  });
});
