import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hasCapture } from './capture.ts';
import { NamespaceRig, type RigHost, skipWithoutNamespaces } from './namespaces.ts';
import { associationSet, portPc, portPs, portUc, portUs, UserspacePeer } from './userspace-peer.ts';

const skip = skipWithoutNamespaces('the tests of the life of ESP in this program');

/** All that a back end changes on a host. */
function configurationOf(host: RigHost): string {
  const show = 'ip rule; ip -6 rule; ip route show table all; ip -6 route show table all; ip xfrm policy; ip -o link';
  return host.run('sh', '-c', `(${show}) | grep -v 'proto kernel'`);
}

const ends = (address: string, ...ports: readonly number[]) => ports.map((port) => ({ address, port }));

describe.skipIf(skip)('P-35 P-39 the life of ESP in this program', () => {
  let rig: NamespaceRig;
  let p: string;
  let u: string;

  // What a process leaves when it is killed is gone with its host.
  beforeEach(async () => {
    rig = await NamespaceRig.open(['pcscf', 'ue']);
    [p, u] = [rig.host('pcscf').address, rig.host('ue').address];
  });

  afterEach(() => rig?.close());

  function start(host: string): UserspacePeer {
    return new UserspacePeer(rig.host(host));
  }

  async function startPcscf(): Promise<UserspacePeer> {
    const pcscf = start('pcscf');
    await pcscf.ask('open', {});
    await pcscf.ask('guard', ends(p, portPs, portPc));
    return pcscf;
  }

  async function startUe(): Promise<UserspacePeer> {
    const ue = start('ue');
    await ue.ask('open', {});
    await ue.ask('guard', ends(u, portUc, portUs));
    await ue.ask('add', associationSet('ue', p, u));
    for (const port of [portUc, portUs]) await ue.ask('udp', { address: u, port });
    return ue;
  }

  it('P-39 leaves the host as it was when it is closed for good', async () => {
    const host = rig.host('pcscf');
    const before = configurationOf(host);
    const pcscf = start('pcscf');
    await pcscf.ask('open', {});
    await pcscf.ask('guard', [...ends(p, portPs, portPc), ...ends(host.address6, portPs)]);
    expect(configurationOf(host)).not.toBe(before);
    await pcscf.ask('close', false);
    expect(configurationOf(host)).toBe(before);
  });

  it.skipIf(!hasCapture)('P-35 X-R17 lets nothing out in the clear after kill -9', async () => {
    const [p6, u6] = [rig.host('pcscf').address6, rig.host('ue').address6];
    const pcscf = await startPcscf();
    await pcscf.ask('guard', ends(p6, portPs, portPc));
    await startUe();
    await pcscf.ask('add', associationSet('pcscf', p, u));
    // Another process, with sockets of its own on the protected ports, lives on.
    const bystander = start('pcscf');
    for (const port of [portPs, portPc]) {
      for (const address of [p, p6]) await bystander.ask('udp', { address, port });
    }
    const capture = await rig.capture('ue', 'pcscf');
    const sendAll = async (tag: string) => {
      for (const port of [portPs, portPc]) {
        await bystander.ask('send', { address: p, port }, { address: u, port: portUs }, `${tag} 1`);
        await bystander.ask('send', { address: p, port }, { address: '10.77.0.9', port: 5060 }, `${tag} 2`);
        await bystander.ask('send', { address: p6, port }, { address: u6, port: portUs }, `${tag} 3`);
      }
      await bystander.ask('exchange', { address: p6, port: portPc }, { address: u6, port: portUs }, tag, 100);
      await bystander.ask('exchange', { address: p, port: portPc }, { address: u, port: portUs }, tag, 100);
    };
    await sendAll('before');
    const killed = pcscf.kill();
    for (let round = 0; round < 10; round++) await sendAll('while');
    await killed;
    for (let round = 0; round < 10; round++) await sendAll('after');
    await capture.stop();
    expect(capture.read('(udp or tcp) and not icmp', ['frame.number'])).toEqual([]);
    expect(capture.read('esp', ['esp.spi']).length).toBeGreaterThan(0);
  });

  it('P-35 X-R17 takes nothing in the clear after kill -9, nor while the next life begins', async () => {
    await (await startPcscf()).kill();
    const bystander = start('pcscf');
    await bystander.ask('udp', { address: p, port: portPs });
    const ue = start('ue');
    await ue.ask('udp', { address: u, port: portUc });
    const next = start('pcscf');
    let sent = 0;
    let begun = false;
    const beginning = (async () => {
      for (let life = 0; life < 3; life++) {
        await next.ask('open', {});
        await next.ask('guard', ends(p, portPs, portPc));
        await next.ask('close', true);
      }
      begun = true;
    })();
    for (; !begun || sent < 20; sent++) {
      await ue.ask('send', { address: u, port: portUc }, { address: p, port: portPs }, 'HELLO');
    }
    await beginning;
    await sleep(50);
    expect(await bystander.ask('heard')).toEqual([]);
  });

  it('P-39 X-R17 begins anew after kill -9: associations that are added again carry on, far ahead in sequence', async () => {
    const first = await startPcscf();
    const ue = await startUe();
    await first.ask('udp', { address: p, port: portPc });
    await first.ask('add', associationSet('pcscf', p, u));
    for (let n = 0; n < 5; n++) {
      await first.ask('send', { address: p, port: portPc }, { address: u, port: portUs }, `OLD ${n}`);
    }
    let old = 0;
    await expect.poll(async () => (old += (await ue.ask('heard')).length)).toBe(5);
    await first.kill();
    const second = await startPcscf();
    expect(await second.ask('list')).toEqual([]);
    await second.ask('udp', { address: p, port: portPc });
    await second.ask('add', associationSet('pcscf', p, u, { firstSequence: 1_000_000 }));
    await second.ask('send', { address: p, port: portPc }, { address: u, port: portUs }, 'NEW');
    await expect.poll(() => ue.ask('heard')).toEqual([{ text: 'NEW', from: p, port: portPc }]);
  });

  it('P-39 removes what an earlier life has left of ports that are not guarded any more', async () => {
    const host = rig.host('pcscf');
    const first = start('pcscf');
    await first.ask('open', {});
    await first.ask('guard', [...ends(p, 7001, portPs), ...ends(host.address6, 7002)]);
    await first.kill();
    expect(configurationOf(host)).toMatch(/sport 7001[\s\S]*sport 7002/);
    await startPcscf();
    const now = configurationOf(host);
    expect(now).not.toMatch(/700[12]/);
    // What is there is there once.
    expect(now.match(/dport 5063 \n\tdir in action block/g)).toHaveLength(2);
    expect(now.match(/sport 5063 lookup/g)).toHaveLength(2);
  });

  it('P-35 keeps the guard when it is closed with `keep`', async () => {
    const pcscf = await startPcscf();
    await pcscf.ask('close', true);
    await pcscf.ask('udp', { address: p, port: portPs });
    expect(await pcscf.ask('send', { address: p, port: portPs }, { address: u, port: portUc }, 'HELLO')).not.toBeNull();
  });

  it('P-39 adds all associations or none, and says why', async () => {
    const pcscf = await startPcscf();
    const set = associationSet('pcscf', p, u);
    await pcscf.ask('add', set.slice(2, 3));
    await expect(pcscf.ask('add', set)).rejects.toMatchObject({ code: 'ERR_IPSEC_EXISTS' });
    const { spi, direction, source, destination } = set[2]!;
    expect(await pcscf.ask('list')).toEqual([{ spi, direction, source, destination }]);
    const keyless = { ...set[0]!, integrityKey: Buffer.alloc(3) };
    await expect(pcscf.ask('add', [keyless])).rejects.toMatchObject({ code: 'ERR_IPSEC_UNSUPPORTED' });
    const elsewhere = { ...set[0]!, destination: { address: p, port: 5060 } };
    await expect(pcscf.ask('add', [elsewhere])).rejects.toMatchObject({ code: 'ERR_IPSEC_FAILED' });
    await expect(pcscf.ask('add', [{ ...set[0]!, spi: 255 }])).rejects.toMatchObject({ code: 'ERR_IPSEC_FAILED' });
    expect(await pcscf.ask('list')).toHaveLength(1);
  });

  it('P-52 ends an association when its time has come, unless it is extended', async () => {
    const pcscf = await startPcscf();
    const set = associationSet('pcscf', p, u, { lifetimeSeconds: 1 });
    await pcscf.ask('add', set);
    await pcscf.ask('extend', set.slice(0, 1), 600);
    expect(await pcscf.ask('list')).toHaveLength(4);
    await expect.poll(async () => (await pcscf.ask('list')).map(({ spi }) => spi), { timeout: 5000 }).toEqual([1001]);
  });

  it('P-53 of two associations with the same ports the newer one sends, then the older one again', async () => {
    const pcscf = await startPcscf();
    const ue = await startUe();
    await pcscf.ask('udp', { address: p, port: portPc });
    const [older, newer] = [associationSet('pcscf', p, u), associationSet('pcscf', p, u, { spi: 50 })];
    await pcscf.ask('add', older);
    await pcscf.ask('add', newer);
    const send = (text: string) => pcscf.ask('send', { address: p, port: portPc }, { address: u, port: portUs }, text);
    await send('TO NOBODY');
    await expect.poll(async () => (await ue.ask('counters')).unknown).toBe(1);
    await pcscf.ask('remove', newer);
    await send('BACK');
    await expect.poll(() => ue.ask('heard')).toEqual([{ text: 'BACK', from: p, port: portPc }]);
  });

  it('P-35 carries both ends of a conversation on one host, on loopback addresses', async () => {
    const [one, two] = ['127.0.0.31', '127.0.0.32'];
    const pcscf = start('ue');
    await pcscf.ask('open', { instance: 1 });
    await pcscf.ask('guard', ends(one, portPs, portPc));
    await pcscf.ask('add', associationSet('pcscf', one, two));
    const phone = start('ue');
    await phone.ask('open', { instance: 2 });
    await phone.ask('guard', ends(two, portUc, portUs));
    await phone.ask('add', associationSet('ue', one, two));
    await pcscf.ask('tcp', { address: one, port: portPs });
    await phone.ask('udp', { address: two, port: portUs });
    await pcscf.ask('udp', { address: one, port: portPc });
    const back = await phone.ask(
      'exchange',
      { address: two, port: portUc },
      { address: one, port: portPs },
      'hi',
      2000,
    );
    expect(back).toBe('hi');
    await pcscf.ask('send', { address: one, port: portPc }, { address: two, port: portUs }, 'invite');
    await expect.poll(() => pcscf.ask('heard')).toEqual([{ text: 'INVITE', from: two, port: portUs }]);
  });

  it('P-39 refuses a second process for the same instance, and ports that are not one port', async () => {
    const pcscf = await startPcscf();
    await expect(start('pcscf').ask('open', {})).rejects.toMatchObject({ code: 'ERR_IPSEC_EXISTS' });
    await expect(pcscf.ask('guard', ends('0.0.0.0', 5063))).rejects.toMatchObject({ code: 'ERR_IPSEC_FAILED' });
    await expect(pcscf.ask('guard', ends('pcscf', 5063))).rejects.toMatchObject({ code: 'ERR_IPSEC_FAILED' });
  });

  it('P-39 says so where it has no rights', async () => {
    const drop = ['--bounding-set=-all', '--inh-caps=-all', '--reuid=65534', '--clear-groups'];
    const peer = new UserspacePeer(rig.host('pcscf'), ['setpriv', ...drop]);
    await expect(peer.ask('open', {})).rejects.toMatchObject({ code: 'ERR_IPSEC_DENIED' });
  });

  it('sleeps while there is nothing to do, and lets the process end', async () => {
    const pcscf = await startPcscf();
    expect(await pcscf.ask('idle', 500)).toBeLessThan(100);
    const ended = pcscf.ended();
    // It may end before its answer has left.
    void pcscf.ask('exit');
    expect(await ended).toBe(7);
  });
});
