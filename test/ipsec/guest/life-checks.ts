import type { Agreement } from './association-set.ts';
import { type CheckList, same } from './check-list.ts';
import { RemoteError, type RemoteHost } from './remote-host.ts';
import {
  agree,
  bindPorts,
  datagrams,
  endpoints,
  nothingArrives,
  type Pair,
  part,
  requestByUdp,
  requestToUe,
} from './traffic.ts';

/**
 * From adding to the end of associations: refusals, limits, and what a crash of the P-CSCF leaves. The P-CSCF's process of
 * `pair` is killed at the end; `restart` makes the next one.
 */
export async function lifeChecks(
  list: CheckList,
  pair: Pair,
  restart: () => Promise<RemoteHost>,
  short: boolean,
): Promise<void> {
  await refusalChecks(list, pair);
  if (!short) await limitChecks(list, pair);
  await sequenceChecks(list, pair);
  await restartChecks(list, pair, restart);
}

async function refusalChecks(list: CheckList, { pcscf, agreement }: Pair): Promise<void> {
  await list.check('P-39 a set that collides is refused, none of it stays, the old one does', async () => {
    const { spis } = agreement;
    // Only the last of its four, us -> pc, has an SPI of the first set.
    const second: Agreement = { ...agreement, spis: { uc: 0x101, us: 0x102, ps: 0x103, pc: spis.pc } };
    await pcscf.ask('add', 'pcscf', agreement);
    const refused = await refusal(pcscf.ask('add', 'pcscf', second));
    same(refused.code, 'ERR_IPSEC_EXISTS', 'the code');
    const left = (await pcscf.ask('list')).map(({ spi }) => spi).sort();
    same(left, Object.values(spis).sort(), 'what is installed');
    await pcscf.ask('remove', 'pcscf', agreement);
    same(await pcscf.ask('list'), [], 'what is left');
    const shown = [agreement.ck, agreement.ik].some((key) => refused.message.includes(key.slice(0, 8)));
    same(shown, false, 'a key in the words');
    return refused.message;
  });
  await list.check('P-39 removing what is not there is no fault', async () => {
    await pcscf.ask('remove', 'pcscf', agreement);
  });
}

async function limitChecks(list: CheckList, { pcscf, agreement }: Pair): Promise<void> {
  const count = async () => (await pcscf.ask('list')).length;
  await list.check('P-52 the kernel ends an association by itself, and an extended one later', async () => {
    const shortLived = { ...agreement, lifetimeSeconds: 4 };
    const other = { ...shortLived, spis: { uc: 0x201, us: 0x202, ps: 0x203, pc: 0x204 } };
    await pcscf.ask('add', 'pcscf', shortLived);
    await pcscf.ask('add', 'pcscf', other);
    await later(2);
    // Two seconds have passed: a limit of four from now is six for the kernel.
    await pcscf.ask('extend', 'pcscf', other, 6);
    await later(4);
    same(await count(), 4, 'the associations after six seconds');
    await later(5);
    same(await count(), 0, 'the associations after eleven seconds');
  });
  await list.check('P-39 extending what is gone is refused', async () => {
    same((await refusal(pcscf.ask('extend', 'pcscf', agreement, 60))).code, 'ERR_IPSEC_FAILED', 'the code');
  });
}

async function sequenceChecks(list: CheckList, pair: Pair): Promise<void> {
  const { ue, pcscf, agreement } = pair;
  const { us, pc } = agreement.ports;
  const invite = datagrams(pcscf, pc, agreement.ue, us);
  await list.check('P-52 an extended association still carries traffic, with its keys and numbers', async () => {
    await agree(pair);
    await invite(40);
    same((await ue.ask('receivedUdp', 40, 5000)).length, 40, 'the number of datagrams before');
    await pcscf.ask('extend', 'pcscf', agreement, 300);
    await requestByUdp(pair);
    await requestToUe(pair);
  });
  await list.check('P-39 made anew without a sequence jump the UE drops everything', async () => {
    await pcscf.ask('remove', 'pcscf', agreement);
    await pcscf.ask('add', 'pcscf', agreement);
    same(await nothingArrives(pcscf, ue, invite, 3), { replay: 3 }, "the rise of the UE's counters");
  });
  await list.check('P-39 X-R17 made anew with a sequence jump the UE takes everything', async () => {
    await pcscf.ask('remove', 'pcscf', agreement);
    await pcscf.ask('add', 'pcscf', { ...agreement, firstSequence: 1_000_000 });
    await requestToUe(pair);
  });
  await part(pair);
}

async function restartChecks(list: CheckList, pair: Pair, restart: () => Promise<RemoteHost>): Promise<void> {
  const { ue, agreement } = pair;
  const { pc, ps } = agreement.ports;
  await agree(pair);
  await pair.pcscf.kill();
  const pcscf = await restart();
  await list.check('P-39 the guard holds while nobody is there', async () => {
    // The next process listens without having said `guard`.
    await bindPorts(pcscf, agreement.pcscf, [pc, ps], ps);
    const plain = datagrams(ue, 7000, agreement.pcscf, ps);
    same(await nothingArrives(ue, pcscf, plain, 3), { plain: 3 }, 'the rise of the counters');
  });
  await list.check('P-39 X-R17 after kill -9 the associations are found and go on carrying traffic', async () => {
    await pcscf.ask('guard', endpoints(agreement.pcscf, [pc, ps]));
    const found = await pcscf.ask('list');
    same(found.map(({ direction }) => direction).sort(), ['in', 'in', 'out', 'out'], 'what is found');
    await requestToUe({ ...pair, pcscf });
    await requestByUdp({ ...pair, pcscf });
  });
  await list.check('P-39 what is not ours is not listed and not removed', async () => {
    const foreign = ['src', agreement.ue, 'dst', agreement.pcscf, 'proto', 'esp', 'spi', '0x9999'];
    const algorithm = ['mode', 'transport', 'reqid', '5', 'enc', 'ecb(cipher_null)', ''];
    pcscf.host.run('ip', 'xfrm', 'state', 'add', ...foreign, ...algorithm);
    await pcscf.ask('removeThese', await pcscf.ask('list'));
    same(await pcscf.ask('list'), [], 'what is left of ours');
    same(pcscf.host.run('ip', 'xfrm', 'state', 'list').match(/^src /gm)?.length, 1, 'the foreign ones');
    pcscf.host.run('ip', 'xfrm', 'state', 'delete', ...foreign);
  });
  await list.check('P-39 closed for good, nothing of ours stays', async () => {
    await pcscf.ask('add', 'pcscf', agreement);
    await pcscf.ask('close', false);
    same(pcscf.host.run('ip', 'xfrm', 'state', 'list'), '', 'the associations');
    same(pcscf.host.run('ip', 'xfrm', 'policy', 'list').match(/^src .*sport|dport/gm), null, 'the policies');
  });
  await pcscf.kill();
}

async function refusal(asked: Promise<unknown>): Promise<RemoteError> {
  try {
    await asked;
  } catch (error) {
    if (error instanceof RemoteError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

function later(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
