import { NetlinkSocket } from '#ipsec/kernel/netlink-socket';

/**
 * CPU of the kernel and of this process for the four policies of a UE, added and removed, beside the same work without a
 * kernel. Where the kernel has no ESP, the emulated machine of `npm run test:kernel-ipsec` says how many times as much four
 * associations take. Needs CAP_NET_ADMIN; leaves nothing behind, but is best run as `unshare -n node bench/ipsec-set-up.ts`.
 */
const rounds = 3_000;
const address = '127.0.0.1';
const tag = 7000;
const link = new NetlinkSocket();

/** Microseconds of CPU that a step has taken, by all of its calls. */
class Cost {
  #us = 0;
  async of(step: () => Promise<unknown>): Promise<void> {
    const before = process.cpuUsage();
    await step();
    const { user, system } = process.cpuUsage(before);
    this.#us += user + system;
  }
  get each(): string {
    return `${(this.#us / rounds).toFixed(1)} us`;
  }
}

const policiesOf = (round: number) =>
  [0, 1].flatMap((offset) => {
    const policy = { local: { address, port: 20_000 + round * 2 + offset }, protocol: 17, tag };
    return [{ ...policy, direction: 'in' } as const, { ...policy, direction: 'out' } as const];
  });
const add = (round: number) => link.apply(policiesOf(round).map((policy) => ({ kind: 'guard', policy })));
const remove = (round: number) => link.apply(policiesOf(round).map((policy) => ({ kind: 'unguard', policy })));

try {
  for (let run = 0; run < 4; run++) {
    const [added, removed] = [new Cost(), new Cost()];
    for (let round = 0; round < rounds; round++) {
      await added.of(() => add(round));
      await removed.of(() => remove(round));
    }
    console.log(`four policies: added in ${added.each}, removed in ${removed.each} of CPU`);
  }
} finally {
  link.close();
}
