import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Agreement, usualAgreement } from './guest/association-set.ts';
import { RemoteHost } from './guest/remote-host.ts';
import { bindPorts, datagrams, endpoints, nothingArrives } from './guest/traffic.ts';
import { NamespaceRig, skipWithoutNamespaces } from './namespaces.ts';

/*
 * What a kernel without ESP can show too: guards, refusals and the probe. The rest runs in `npm run test:kernel-ipsec`.
 */

const skip = skipWithoutNamespaces("the tests of the kernel's IPsec policies");

describe.skipIf(skip)("the kernel's policies", () => {
  let rig: NamespaceRig;
  let ue: RemoteHost;
  let pcscf: RemoteHost;
  let agreement: Agreement;

  beforeEach(async () => {
    rig = await NamespaceRig.open(['pcscf', 'ue']);
    ue = new RemoteHost(rig.host('ue'));
    pcscf = new RemoteHost(rig.host('pcscf'));
    agreement = { ...usualAgreement, ue: ue.host.address, pcscf: pcscf.host.address };
  });

  afterEach(() => rig.close());

  const policies = () => pcscf.host.run('ip', 'xfrm', 'policy', 'list').match(/^src .*(sport|dport)/gm)?.length ?? 0;

  it.each(['netlink', 'ip-batch'] as const)(
    'P-35 X-I12 by %s: plain UDP and TCP to a guarded port is dropped and counted, in both directions',
    async (kind) => {
      const { pc, ps } = agreement.ports;
      await ue.ask('bindUdp', agreement.ue, 7000);
      await bindPorts(pcscf, agreement.pcscf, [pc, ps], ps);
      await ue.ask('open', 'netlink');
      await pcscf.ask('open', kind);
      const plain = datagrams(ue, 7000, agreement.pcscf, ps);
      await plain(1);
      expect(await pcscf.ask('receivedUdp', 1, 5000)).toHaveLength(1);

      await pcscf.ask('guard', endpoints(agreement.pcscf, [pc, ps]));
      expect(policies()).toBe(8);
      expect(await nothingArrives(ue, pcscf, plain, 4)).toEqual({ plain: 4 });
      const from = { address: agreement.ue, port: 0 };
      expect(await ue.ask('askTcp', from, { address: agreement.pcscf, port: ps }, 10, 700)).toBe('timeout');

      await pcscf.ask('sendUdp', pc, agreement.ue, 7000, 'plain');
      expect(await ue.ask('receivedUdp', 1, 300)).toEqual([]);
    },
  );

  it.each(['netlink', 'ip-batch'] as const)('P-39 by %s: the guard outlives a kill and is taken over', async (kind) => {
    await pcscf.ask('open', kind);
    await pcscf.ask('guard', endpoints(agreement.pcscf, [5062, 5063, 5064]));
    expect(policies()).toBe(12);
    await pcscf.kill();
    expect(policies()).toBe(12);

    pcscf = new RemoteHost(rig.host('pcscf'));
    await pcscf.ask('open', kind);
    await pcscf.ask('guard', endpoints(agreement.pcscf, [5063, 5066]));
    expect(policies()).toBe(8);
    await pcscf.ask('close', false);
    expect(policies()).toBe(0);
  });

  it('P-35 guards IPv6 ports and ports of every address', async () => {
    await pcscf.ask('open', 'netlink');
    await pcscf.ask('guard', [
      { address: pcscf.host.address6, port: 5063 },
      { address: '0.0.0.0', port: 5064 },
    ]);
    const shown = pcscf.host.run('ip', 'xfrm', 'policy', 'list');
    expect(shown).toMatch(/^src ::\/0 dst fd77::1\/128 proto udp dport 5063/m);
    expect(shown).toMatch(/^src 0\.0\.0\.0\/0 dst 0\.0\.0\.0\/0 proto tcp dport 5064/m);
    await pcscf.ask('close', false);
    expect(policies()).toBe(0);
  });

  it.each(['netlink', 'ip-batch'] as const)('P-39 X-I15 by %s: a refusal has words and no keys', async (kind) => {
    await pcscf.ask('open', kind);
    // Two SPIs of one address that are the same are refused on every kernel.
    const twice = { ...agreement, spis: { ...agreement.spis, pc: agreement.spis.ps } };
    const refused = pcscf.ask('add', 'pcscf', twice);
    await expect(refused).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_IPSEC_(UNSUPPORTED|EXISTS)$/),
      message: expect.stringMatching(
        /^the kernel refused the association 10\.77\.0\.\d:\d+ to 10\.77\.0\.\d:\d+ with SPI /,
      ),
    });
    const { message } = (await refused.catch((error: unknown) => error)) as Error;
    for (const key of [agreement.ck, agreement.ik]) expect(message).not.toContain(key.slice(0, 8));
    expect(await pcscf.ask('list')).toEqual([]);
    await pcscf.ask('remove', 'pcscf', agreement);
    await pcscf.ask('close', false);
  });

  it('P-35 P-39 a back end is chosen, or the words say why there is none', async () => {
    const words = await pcscf.ask('open', 'kernel');
    const kind = await pcscf.ask('kind');
    if (kind === null) expect(words).toBe('the kernel has no ESP for IPv4 (EPROTONOSUPPORT)');
    else expect(words).toBe("IPsec by the kernel's ESP");

    expect(await ue.ask('open', 'auto')).toMatch(
      /^IPsec (by the kernel's ESP|in this program, not in the kernel: .+)$/,
    );
    expect(await ue.ask('kind')).toBe(kind ?? 'userspace');
    await ue.ask('close', false);
  });
});
