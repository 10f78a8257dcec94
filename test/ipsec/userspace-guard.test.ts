import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { EspSender } from '#ipsec/esp-sender';
import type { IpsecCounters } from '#ipsec/ipsec-backend';
import { hasCapture } from './capture.ts';
import { sealed, testIk, transformFor } from './esp-algorithms.ts';
import { NamespaceRig, skipWithoutNamespaces } from './namespaces.ts';
import { associationSet, portPc, portPs, portUc, portUs, UserspacePeer } from './userspace-peer.ts';

const skip = skipWithoutNamespaces('the tests of the guard of ESP in this program');
const pair = { integrity: 'hmac-sha-1-96', encryption: 'aes-cbc' } as const;
const spiOfServer = 1001;

/** UDP with this payload between two ports; over IPv4 it needs no checksum. */
function datagram(source: number, destination: number, text = 'HELLO'): Buffer {
  const bytes = Buffer.alloc(8 + text.length);
  bytes.writeUInt16BE(source, 0);
  bytes.writeUInt16BE(destination, 2);
  bytes.writeUInt16BE(bytes.length, 4);
  bytes.write(text, 8, 'latin1');
  return bytes;
}

describe.skipIf(skip)('P-35 X-I12 what ESP in this program lets pass', () => {
  let rig: NamespaceRig;
  let pcscf: UserspacePeer;
  /** It does as it likes: its ports are not guarded, it makes its ESP itself. */
  let ue: UserspacePeer;
  let before: IpsecCounters;
  let p: string;
  let u: string;
  let sequence = 0;

  beforeAll(async () => {
    rig = await NamespaceRig.open(['pcscf', 'ue']);
    [p, u] = [rig.host('pcscf').address, rig.host('ue').address];
    pcscf = new UserspacePeer(rig.host('pcscf'));
    ue = new UserspacePeer(rig.host('ue'));
    await pcscf.ask('open', {});
    for (const address of [p, rig.host('pcscf').address6]) {
      await pcscf.ask(
        'guard',
        [portPs, portPc].map((port) => ({ address, port })),
      );
      for (const port of [portPs, portPc]) await pcscf.ask('udp', { address, port });
      await pcscf.ask('tcp', { address, port: portPs });
    }
    for (const address of [u, rig.host('ue').address6]) {
      for (const port of [portUc, portUs]) await ue.ask('udp', { address, port });
    }
    await pcscf.ask('udp', { address: p, port: 5060 });
    rig.host('ue').run('ip', 'address', 'add', '10.77.0.99/32', 'dev', 'pcscf');
    rig.host('pcscf').run('ip', 'route', 'add', '10.77.0.99', 'dev', 'ue');
  });

  beforeEach(async () => {
    await pcscf.ask('add', associationSet('pcscf', p, u, pair));
    before = await pcscf.ask('counters');
    sequence = 0;
  });

  afterEach(async () => {
    await pcscf.ask('remove', await pcscf.ask('list'));
  });

  afterAll(() => rig?.close());

  /** Waits until this, and only this, has been counted since the test began; nothing of it was delivered. */
  async function expectDropped(counters: Partial<IpsecCounters>): Promise<void> {
    const none = { plain: 0, integrity: 0, replay: 0, mismatch: 0, unknown: 0 };
    await expect
      .poll(async () => {
        const now = await pcscf.ask('counters');
        return Object.fromEntries(Object.entries(now).map(([key, n]) => [key, n - before[key as keyof IpsecCounters]]));
      })
      .toEqual({ ...none, ...counters });
    expect(await pcscf.ask('heard')).toEqual([]);
  }

  /** The next packet to port-s as the UE would seal it. */
  function packetOf(payload: Buffer, { ik = testIk, spi = spiOfServer, protocol = 17 } = {}): Buffer {
    return sealed(new EspSender(transformFor(pair, ik), spi, sequence++), payload, protocol);
  }

  const heardFromUe = { text: 'HELLO', from: '', port: portUc };

  it('X-I12 takes an honest packet, and it once only', async () => {
    const packet = packetOf(datagram(portUc, portPs));
    await ue.ask('esp', u, p, packet);
    await expect.poll(() => pcscf.ask('heard')).toEqual([{ ...heardFromUe, from: u }]);
    for (let again = 0; again < 3; again++) await ue.ask('esp', u, p, packet);
    await expectDropped({ replay: 3 });
  });

  it('X-I12 drops another IK, and what is too short or cut off', async () => {
    const packet = packetOf(datagram(portUc, portPs));
    await ue.ask('esp', u, p, packetOf(datagram(portUc, portPs), { ik: Buffer.alloc(16, 9) }));
    for (const length of [0, 3, 8, 20, packet.length - 16]) await ue.ask('esp', u, p, packet.subarray(0, length));
    await expectDropped({ integrity: 6 });
  });

  it('X-I12 drops other ports, another address, another protocol inside an association', async () => {
    await ue.ask('esp', u, p, packetOf(datagram(portUs, portPs)));
    await ue.ask('esp', u, p, packetOf(datagram(portUc, portPc)));
    await ue.ask('esp', u, p, packetOf(datagram(portUc, 5060)));
    await ue.ask('esp', u, p, packetOf(datagram(portUc, portPs), { protocol: 132 }));
    await ue.ask('esp', '10.77.0.99', p, packetOf(datagram(portUc, portPs)));
    await expectDropped({ mismatch: 5 });
  });

  it('X-I12 drops an SPI that nobody has, also that of an association to the UE', async () => {
    await ue.ask('esp', u, p, packetOf(datagram(portUc, portPs), { spi: 999 }));
    await ue.ask('esp', u, p, packetOf(datagram(portUc, portPs), { spi: 2001 }));
    await expectDropped({ unknown: 2 });
  });

  it('X-I12 leaves it to the kernel to drop a wrong checksum of what is opened', async () => {
    const wrong = datagram(portUc, portPs);
    wrong.writeUInt16BE(0x1234, 6);
    await ue.ask('esp', u, p, packetOf(wrong));
    await ue.ask('esp', u, p, packetOf(datagram(portUc, portPs, 'RIGHT')));
    await expect.poll(() => pcscf.ask('heard')).toEqual([{ ...heardFromUe, from: u, text: 'RIGHT' }]);
  });

  it.each([4, 6])('P-35 X-I12 drops plain datagrams over IPv%i, also in fragments', async (version) => {
    const [from, to] = version === 4 ? [u, p] : [rig.host('ue').address6, rig.host('pcscf').address6];
    for (const port of [portPs, portPc]) {
      for (const text of ['HELLO', 'HELLO '.repeat(1000)]) {
        await ue.ask('send', { address: from, port: portUc }, { address: to, port }, text);
      }
    }
    await expectDropped({ plain: 4 });
  });

  it.each([4, 6])('P-35 X-I12 answers no plain TCP over IPv%i', async (version) => {
    const [from, to] = version === 4 ? [u, p] : [rig.host('ue').address6, rig.host('pcscf').address6];
    const tried = await ue.ask('exchange', { address: from, port: 5200 }, { address: to, port: portPs }, 'HELLO', 600);
    expect(tried).toBe('timeout');
    await expectDropped({ plain: 1 });
  });

  it('P-35 X-I12 takes nothing from this host itself', async () => {
    await pcscf.ask('send', { address: p, port: 5060 }, { address: p, port: portPs }, 'HELLO');
    expect(await pcscf.ask('heard')).toEqual([]);
  });

  it.skipIf(!hasCapture)('P-35 sends nothing in the clear where there is no association', async () => {
    const capture = await rig.capture('ue', 'pcscf');
    for (const [from, to] of [
      [p, u],
      [rig.host('pcscf').address6, rig.host('ue').address6],
    ] as const) {
      await pcscf.ask('send', { address: from, port: portPc }, { address: to, port: 5200 }, 'HELLO');
      const tried = await pcscf.ask('exchange', { address: from, port: portPc }, { address: to, port: 5200 }, 'X', 300);
      expect(tried).toBe('timeout');
    }
    // An unguarded port shows that the capture sees what there is.
    await pcscf.ask('send', { address: p, port: 5060 }, { address: u, port: portUc }, 'HELLO');
    await capture.stop();
    const now = await pcscf.ask('counters');
    expect(now.plain - before.plain).toBeGreaterThanOrEqual(4);
    expect(capture.read('udp or tcp', ['udp.srcport', 'tcp.srcport'])).toEqual([['5060', '']]);
  });

  it.skipIf(!hasCapture)('P-33 P-35 seals what an independent implementation opens (tshark)', async () => {
    const capture = await rig.capture('ue', 'pcscf');
    const pairs = [
      pair,
      { integrity: 'hmac-md5-96', encryption: 'null' },
      { integrity: 'null', encryption: 'aes-gcm' },
    ] as const;
    for (const [index, used] of pairs.entries()) {
      await pcscf.ask('remove', await pcscf.ask('list'));
      const associations = associationSet('pcscf', p, u, { ...used, spi: index * 100 });
      await pcscf.ask('add', associations);
      await pcscf.ask('send', { address: p, port: portPc }, { address: u, port: portUs }, `INVITE ${index}`);
    }
    await capture.stop();
    const settings = ['-o', 'esp.enable_encryption_decode:TRUE', '-o', 'esp.enable_authentication_check:TRUE'];
    const records = pairs.flatMap(({ integrity, encryption }, index) => {
      const { spi, encryptionKey, integrityKey } = associationSet('pcscf', p, u, {
        integrity,
        encryption,
        spi: index * 100,
      })[2]!;
      const record = [
        ...['IPv4', '*', '*', `0x${spi.toString(16).padStart(8, '0')}`],
        ...[tsharkCipher[encryption], encryptionKey.length > 0 ? `0x${encryptionKey.toString('hex')}` : ''],
        ...[tsharkMac[integrity], integrityKey.length > 0 ? `0x${integrityKey.toString('hex')}` : ''],
        ...['32-bit'],
      ];
      return ['-o', `uat:esp_sa:${record.map((field) => `"${field}"`).join(',')}`];
    });
    // The UE has no ESP: its kernel quotes each packet in an ICMP message.
    const rows = capture.read(
      'esp and not icmp',
      ['esp.icv_good', 'udp.srcport', 'udp.dstport', 'udp.payload'],
      [...settings, ...records],
    );
    expect(rows.map(([good, ...rest]) => [good === '1' || good === 'True', ...rest])).toEqual(
      pairs.map((_, index) => [true, '5062', '5101', Buffer.from(`INVITE ${index}`).toString('hex')]),
    );
  });
});

const tsharkCipher = { null: 'NULL', 'aes-cbc': 'AES-CBC [RFC3602]', 'aes-gcm': 'AES-GCM with 16 octet ICV [RFC4106]' };
const tsharkMac = { 'hmac-sha-1-96': 'HMAC-SHA-1-96 [RFC2404]', 'hmac-md5-96': 'HMAC-MD5-96 [RFC2403]', null: 'NULL' };
