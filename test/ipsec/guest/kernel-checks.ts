import { spawnSync } from 'node:child_process';
import { NamespaceRig } from '../namespaces.ts';
import { type Agreement, usualAgreement } from './association-set.ts';
import { CheckList, same } from './check-list.ts';
import { measureCost } from './cost-check.ts';
import type { BackendKind } from './host-program.ts';
import { lifeChecks } from './life-checks.ts';
import { RemoteHost } from './remote-host.ts';
import {
  agree,
  bindPorts,
  datagrams,
  endpoints,
  everyWay,
  nothingArrives,
  openPorts,
  type Pair,
  part,
} from './traffic.ts';

/*
 * What the kernel's ESP has to do for a P-CSCF, with real packets between two network namespaces. It needs a kernel with
 * ESP and the right to make namespaces. Prints a line per check; the exit code is 1 when one failed.
 *
 * `--short`: one UE, one pair of algorithms. Else names of sections may be given: probe, traffic, hostile, life, cost, ways.
 */

const short = process.argv.includes('--short');
const named = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const wants = (section: string) => named.length === 0 || named.includes(section);
const list = new CheckList((line) => console.log(line));
const pairsOfAlgorithms = [
  { integrity: 'hmac-sha-1-96', encryption: 'aes-cbc' },
  { integrity: 'hmac-sha-1-96', encryption: 'null' },
  { integrity: 'hmac-md5-96', encryption: 'aes-cbc' },
  { integrity: 'hmac-md5-96', encryption: 'null' },
  { integrity: 'null', encryption: 'aes-gcm' },
  { integrity: 'aes-gmac', encryption: 'null' },
] as const;

if (wants('probe')) await probeChecks();
const rig = await NamespaceRig.open(['pcscf', 'ue']);
try {
  if (['traffic', 'hostile', 'life', 'cost'].some(wants)) await pairChecks();
  if (wants('ways') && !short) await otherWays();
} catch (error) {
  await list.check('the checks come to their end', () => Promise.reject(error));
} finally {
  await rig.close();
}
process.exitCode = list.end();

/** The kernel on both sides, for all these checks. */
async function pairChecks(): Promise<void> {
  const pair = await openPair('netlink', 'netlink');
  await guardChecks(pair);
  if (wants('traffic')) await algorithmChecks(pair);
  if (wants('hostile')) await hostileChecks(pair);
  if (wants('cost')) await measureCost(list, pair, short);
  if (wants('life')) await lifeChecks(list, pair, () => openHost('pcscf', 'netlink'), short);
  await pair.ue.ask('close', false);
  await pair.ue.kill();
}

async function openHost(name: 'ue' | 'pcscf', kind: BackendKind): Promise<RemoteHost> {
  const host = new RemoteHost(rig.host(name));
  const words = await host.ask('open', kind, { algorithms: pairsOfAlgorithms });
  if ((await host.ask('kind')) === null) throw new Error(words);
  return host;
}

async function openPair(ue: BackendKind, pcscf: BackendKind, version: 4 | 6 = 4): Promise<Pair> {
  const addressOf = (name: string) => (version === 4 ? rig.host(name).address : rig.host(name).address6);
  return {
    ue: await openHost('ue', ue),
    pcscf: await openHost('pcscf', pcscf),
    agreement: { ...usualAgreement, ue: addressOf('ue'), pcscf: addressOf('pcscf') },
  };
}

async function closePair({ ue, pcscf }: Pair): Promise<void> {
  for (const host of [ue, pcscf]) {
    await host.ask('close', false).catch(() => undefined);
    await host.kill();
  }
}

async function probeChecks(): Promise<void> {
  const probe = `const { chooseBackend } = await import(${JSON.stringify(import.meta.resolve('#ipsec/choose-backend'))});
    const { backend, words } = await chooseBackend('kernel', ${JSON.stringify({
      algorithms: pairsOfAlgorithms,
      addresses: ['10.0.0.1', '2001:db8::1'],
    })});
    await backend?.close(false); console.log((backend?.kind ?? 'none') + ': ' + words);`;
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--input-type=module', '-e', probe];
  const words = (...before: string[]) => {
    const [command = '', ...rest] = [...before, ...node];
    return spawnSync(command, rest, { encoding: 'utf8' }).stdout.trim();
  };
  await list.check('P-35 the probe takes the kernel, with all six pairs, IPv4 and IPv6', async () => {
    same(words(), "kernel: IPsec by the kernel's ESP", 'the choice');
  });
  await list.check('P-39 without CAP_NET_ADMIN the probe says so', async () => {
    const without = ['setpriv', '--bounding-set', '-net_admin', '--inh-caps', '-net_admin'];
    same(words(...without), 'none: no CAP_NET_ADMIN', 'the choice');
  });
}

async function guardChecks(pair: Pair): Promise<void> {
  const { ue, pcscf, agreement } = pair;
  await list.check('P-35 the guard alone drops plain UDP and TCP to the protected ports', async () => {
    await ue.ask('bindUdp', agreement.ue, 7000);
    await pcscf.ask('guard', endpoints(agreement.pcscf, [agreement.ports.pc, agreement.ports.ps]));
    const { pc, ps } = agreement.ports;
    await bindPorts(pcscf, agreement.pcscf, [pc, ps], ps);
    return plainDropped(pair);
  });
  await list.check('P-35 the guard alone lets the P-CSCF send nothing plain', async () => {
    const before = await pcscf.ask('counters');
    await pcscf.ask('sendUdp', agreement.ports.pc, agreement.ue, 7000, 'plain');
    same(await ue.ask('receivedUdp', 1, 500), [], 'what came');
    const { plain } = await pcscf.ask('counters');
    same(plain - before.plain > 0, true, 'a rise of `plain`');
  });
  const { uc, us } = agreement.ports;
  await ue.ask('guard', endpoints(agreement.ue, [uc, us]));
  await bindPorts(ue, agreement.ue, [uc, us], us);
}

async function plainDropped({ ue, pcscf, agreement }: Pair): Promise<string> {
  const { ps } = agreement.ports;
  const rise = await nothingArrives(ue, pcscf, datagrams(ue, 7000, agreement.pcscf, ps), 4);
  same(rise, { plain: 4 }, 'the rise of the counters');
  const from = { address: agreement.ue, port: 0 };
  const said = await ue.ask('askTcp', from, { address: agreement.pcscf, port: ps }, 10, 1500);
  same(said, 'timeout', 'plain TCP');
  return '4 datagrams and a SYN, all counted as plain';
}

async function algorithmChecks(pair: Pair): Promise<void> {
  const { agreement } = pair;
  const capture = short ? null : await rig.capture('ue', 'pcscf');
  for (const algorithms of short ? pairsOfAlgorithms.slice(0, 1) : pairsOfAlgorithms) {
    const { integrity, encryption } = algorithms;
    await list.check(`P-32 P-35 ${integrity} with ${encryption}: UDP and TCP, both directions`, async () => {
      const chosen = { ...pair, agreement: { ...agreement, ...algorithms } };
      await agree(chosen);
      await everyWay(chosen);
      await part(chosen);
    });
  }
  if (capture === null) return;
  await list.check('P-35 on the wire there was nothing but ESP', async () => {
    await capture.stop();
    const packets = capture.read('ip', ['esp.spi', 'ip.src', '_ws.col.Info']);
    const plain = packets.filter(([spi]) => !spi);
    same(plain, [], 'what is plain');
    // Each pair of algorithms takes 4 datagrams and 2 connections.
    same(packets.length > pairsOfAlgorithms.length * 20, true, 'having so many packets of ESP');
    return `${packets.length} packets`;
  });
}

async function hostileChecks(pair: Pair): Promise<void> {
  const { ue, pcscf, agreement } = pair;
  const { uc, ps } = agreement.ports;
  const register = datagrams(ue, uc, agreement.pcscf, ps);
  const dropped = async (send: (count: number) => Promise<void>, counter: string) =>
    same(await nothingArrives(ue, pcscf, send, 3), { [counter]: 3 }, 'the rise of the counters');
  /** The P-CSCF has what was agreed, the UE something else. */
  const check = (name: string, asUe: Partial<Agreement>, body: () => Promise<void>) =>
    list.check(`X-I12 ${name}`, async () => {
      const other = { ...agreement, ...asUe };
      await pcscf.ask('add', 'pcscf', agreement);
      await ue.ask('add', 'ue', other);
      try {
        await body();
      } finally {
        await pcscf.ask('remove', 'pcscf', agreement);
        await ue.ask('remove', 'ue', other);
      }
    });

  await check('plain packets are dropped with associations in place, too', {}, async () => {
    await plainDropped(pair);
  });
  await check('a wrong IK: dropped, counted as integrity', { ik: 'f'.repeat(32) }, () =>
    dropped(register, 'integrity'),
  );
  await check('an unknown SPI: dropped, counted as unknown', { spis: { ...agreement.spis, ps: 0x55555555 } }, () =>
    dropped(register, 'unknown'),
  );
  const otherPort = { ...agreement.ports, uc: 45063 };
  await check(
    'the right association, another source port: dropped, counted as mismatch',
    { ports: otherPort },
    async () => {
      await ue.ask('guard', endpoints(agreement.ue, [otherPort.uc]));
      await ue.ask('bindUdp', agreement.ue, otherPort.uc);
      await dropped(datagrams(ue, otherPort.uc, agreement.pcscf, ps), 'mismatch');
    },
  );
  await check('replayed sequence numbers: dropped, counted as replay', {}, async () => {
    await register(5);
    same((await pcscf.ask('receivedUdp', 5, 5000)).length, 5, 'the number of honest datagrams');
    await ue.ask('remove', 'ue', agreement);
    await ue.ask('add', 'ue', agreement);
    await dropped(register, 'replay');
  });
}

/** IPv6, the link without FFI, our own ESP on the other side. */
async function otherWays(): Promise<void> {
  const ways: readonly (readonly [string, BackendKind, BackendKind, 4 | 6])[] = [
    ['P-35 IPv6', 'netlink', 'netlink', 6],
    ['P-39 through ip -batch, without FFI', 'netlink', 'ip-batch', 4],
    ["P-35 our own ESP at the UE, the kernel's at the P-CSCF", 'userspace', 'netlink', 4],
    ["P-35 the kernel's ESP at the UE, our own at the P-CSCF", 'netlink', 'userspace', 4],
  ];
  for (const [name, ue, pcscf, version] of ways) {
    await list.check(`${name}: UDP and TCP, both directions`, async () => {
      const pair = await openPair(ue, pcscf, version);
      const pairs = ue === pcscf ? pairsOfAlgorithms.slice(0, 1) : pairsOfAlgorithms.slice(0, 4);
      try {
        await openPorts(pair);
        for (const algorithms of pairs) {
          const chosen = { ...pair, agreement: { ...pair.agreement, ...algorithms } };
          await agree(chosen);
          await everyWay(chosen);
          await part(chosen);
        }
        same(await pair.pcscf.ask('list'), [], 'what is left');
      } finally {
        await closePair(pair);
      }
      return `${pairs.length} pairs of algorithms`;
    });
  }
}
