import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { hasCapture } from '../ipsec/capture.ts';
import { skipWithoutNamespaces } from '../ipsec/namespaces.ts';
import { defaultBackend, IpsecLab, type IpsecLabOptions, until } from './ipsec-lab.ts';
import type { PhoneSetup } from './ipsec-phone.ts';

const skip = skipWithoutNamespaces('the variants of the flows with IPsec');
if (!hasCapture) console.log('tshark is not installed: what crosses the wire is not looked at');
const bin = fileURLToPath(new URL('../../bin/lab', import.meta.url));

let lab: IpsecLab | undefined;
afterEach(async () => {
  await lab?.stop();
  lab = undefined;
});

async function two(options: IpsecLabOptions, alice: Partial<PhoneSetup> = {}, bob: Partial<PhoneSetup> = {}) {
  lab = await IpsecLab.start(options);
  return { lab, alice: await lab.phone('alice', alice), bob: await lab.phone('bob', bob) };
}

type Two = Awaited<ReturnType<typeof two>>;

/** Both register to be told of their registrations, call each other and write to each other. */
async function use({ alice, bob }: Two): Promise<void> {
  for (const [from, to] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    expect(await from.ask('subscribe')).toBe(200);
    await until('the NOTIFY came', async () => (await from.ask('seen')).notifies.includes('reg active'));
    expect(await from.ask('call', to.setup.impu)).toEqual({ answered: true, ringing: [183, 180], words: '' });
    expect(await from.ask('hangUp')).toBe('us 200');
    expect(await from.ask('message', to.setup.impu, `from ${from.setup.impi}`)).toMatchObject({ status: 200 });
    expect((await to.ask('seen')).texts).toEqual([`from ${from.setup.impi}`]);
  }
}

describe.skipIf(skip)('phones with IPsec', () => {
  it('P-82 P-93 P-96 do all of it by TCP, with a P-CSCF of three workers', async () => {
    const by = { kind: 'iphone', requestsBy: 'tcp', registerBy: 'tcp' } as const;
    const lab = await two({ workers: 3, pcscf: { transport: { reader: 'dedicated' } } }, by, by);
    await use(lab);
    for (const phone of [lab.alice, lab.bob]) {
      const sent = (await phone.messages()).filter((line) => line.startsWith('out ') && !line.includes(' SIP/2.0 '));
      const byUdp = sent.filter((line) => line.startsWith('out udp'));
      // On a slow machine it may have been sent again.
      expect(new Set(byUdp.map((line) => line.split(' ').slice(2, 4).join(' ')))).toEqual(new Set(['5060 REGISTER']));
    }
  });

  it('P-01 P-35 do all of it over IPv6, by UDP and TCP at the same time', async () => {
    await use(await two({ v6: true }, { kind: 'minimal' }, { kind: 'samsung' }));
  });

  // Of the emulated machine alone: elsewhere there may be no ESP in the kernel.
  if (defaultBackend === 'kernel') {
    it("P-35 P-82 use the kernel's ESP or our own, and the P-CSCF has the kernel's", async () => {
      await use(await two({}, { backend: 'userspace' }, { backend: 'kernel', requestsBy: 'tcp' }));
    });
  }

  it('P-93 may answer from their server port, as some do, and offer in any spelling', async () => {
    const phones = await two({}, { kind: 'unusual', answerFrom: 'server' }, { kind: 'minimal', answerFrom: 'server' });
    expect(await phones.alice.ask('agreed')).toMatchObject({ alg: 'hmac-md5-96', ealg: 'aes-cbc' });
    await use(phones);
  });

  it.skipIf(!hasCapture)(
    'P-30 P-38 X-I11 send nothing but ESP once they are challenged, and are never told CK and IK',
    async () => {
      lab = await IpsecLab.start();
      const capture = await lab.rig.capture('alice', 'pcscf');
      const alice = await lab.phone('alice');
      const bob = await lab.phone('bob');
      await use({ lab, alice, bob });
      await capture.stop();
      const plain = capture.read('(udp or tcp) and not esp', [
        'ip.src',
        'udp.srcport',
        'udp.dstport',
        'sip.Status-Code',
      ]);
      expect(plain.map(([from, , , status]) => `${from} ${status}`)).toEqual([
        `${alice.setup.address} `,
        `${lab.gm.address} 401`,
      ]);
      expect(capture.read('esp', ['esp.spi']).length).toBeGreaterThan(20);
      expect(capture.read('sip contains "ck=" or sip contains "ik="', ['frame.number'])).toEqual([]);
    },
  );

  it('P-13 get 494 when they offer nothing that the network wants', async () => {
    lab = await IpsecLab.start({ ipsec: { algorithms: [{ alg: 'hmac-md5-96', ealg: 'aes-cbc' }] } });
    const alice = await lab.open('alice', { kind: 'minimal' });
    expect(await alice.ask('register')).toMatchObject({ status: 494 });
  });

  it('P-05 lab ue --ipsec registers from the command line, and says how', async () => {
    lab = await IpsecLab.start();
    const host = lab.rig.host('alice');
    const order = ['ue', 'register', '--user', 'alice', '--config', lab.config.files.hss, '--ipsec', '--proxy'];
    const words = host.run(bin, ...order, lab.gm.address, '--address', host.address, '--security-client', 'iphone');
    expect(words).toMatch(/registered for \d+ s as sip:alice@ims\.test/);
  });

  it('P-05 lab ue --ipsec says what it lacks', () => {
    const outcome = spawnSync(bin, ['ue', 'register', '--user', 'alice', '--ipsec', '--tls'], { encoding: 'utf8' });
    expect([outcome.status, outcome.stderr.trim().split('\n').at(-1)]).toEqual([
      2,
      'ue: --ipsec goes with --transport udp or tcp',
    ]);
  });
});
