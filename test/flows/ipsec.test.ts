import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { skipWithoutNamespaces } from '../ipsec/namespaces.ts';
import { defaultBackend, IpsecLab, until } from './ipsec-lab.ts';
import type { IpsecPhone } from './ipsec-phone.ts';

const skip = skipWithoutNamespaces('the flows with IPsec');

/** By which ways messages with this start went: `out udp 5063`. */
function ways(messages: readonly string[], start: string): string[] {
  const found = messages.filter((line) => line.split(' ').slice(3).join(' ').startsWith(start));
  return [...new Set(found.map((line) => line.split(' ').slice(0, 3).join(' ')))];
}

describe.skipIf(skip)('two phones with IPsec', () => {
  let lab: IpsecLab;
  let alice: IpsecPhone;
  let bob: IpsecPhone;
  beforeAll(async () => {
    lab = await IpsecLab.start({ auth: { reauthentication: { refreshes: 2 } } });
    alice = await lab.open('alice', { kind: 'samsung' });
    bob = await lab.open('bob', { kind: 'minimal' });
  });
  afterAll(() => lab?.stop());

  it('P-01 P-10 P-35 P-40 P-41 P-146 register at the protected ports: the first REGISTER in the clear, the second inside, by TCP or UDP', async () => {
    await alice.register();
    await bob.register();
    expect(await alice.ask('agreed')).toMatchObject({ portS: 5063, alg: 'hmac-sha-1-96', ealg: 'aes-cbc' });
    expect(await bob.ask('agreed')).toMatchObject({ portS: 5063, alg: 'hmac-sha-1-96', ealg: 'null' });
    await until('the node tells of two sets', async () => {
      const { sets, associations } = (await lab.status('pcscf')).ipsec!;
      return sets === 2 && associations === 8;
    });
    expect(ways(await alice.messages(), 'REGISTER')).toEqual(['out udp 5060', 'out tcp 5063']);
    expect(ways(await bob.messages(), 'REGISTER')).toEqual(['out udp 5060', 'out udp 5063']);
  });

  it('P-81 get their answers by UDP from port-c, by TCP on their connection', async () => {
    const { portC } = (await bob.ask('agreed'))!;
    expect(portC).not.toBe(5063);
    expect(ways(await bob.messages(), 'SIP/2.0 200')).toEqual([`in udp ${portC}`]);
    expect(ways(await alice.messages(), 'SIP/2.0 200')).toEqual(['in tcp 5063']);
    expect(ways(await alice.messages(), 'SIP/2.0 401')).toEqual(['in udp 5060']);
  });

  it('P-82 P-93 subscribe to their registration by UDP, and are notified from port-c', async () => {
    for (const phone of [alice, bob]) {
      expect(await phone.ask('subscribe')).toBe(200);
      const { portC } = (await phone.ask('agreed'))!;
      await until('the NOTIFY came', async () => (await phone.ask('seen')).notifies.includes('reg active'));
      expect(ways(await phone.messages(), 'SUBSCRIBE')).toEqual(['out udp 5063']);
      const [from] = ways(await phone.messages(), 'NOTIFY');
      expect([`in udp ${portC}`, 'in tcp 5063', `in tcp ${portC}`]).toContain(from);
    }
  });

  it('P-82 P-93 P-96 call each other with preconditions, PRACK, UPDATE, and hang up', async () => {
    for (const [from, to] of [
      [alice, bob],
      [bob, alice],
    ] as const) {
      const { calls } = await to.ask('seen');
      expect(await from.ask('call', to.setup.impu)).toEqual({ answered: true, ringing: [183, 180], words: '' });
      expect(await from.ask('hangUp')).toBe('us 200');
      await until('the other end heard of it', async () => (await to.ask('seen')).calls.length === calls.length + 2);
      expect((await to.ask('seen')).calls.slice(calls.length)).toEqual(['answered', 'ended by them']);
    }
    for (const phone of [alice, bob]) {
      const sent = await phone.messages();
      for (const method of ['PRACK', 'UPDATE', 'ACK', 'BYE']) expect(ways(sent, method).length).toBeGreaterThan(0);
      const plain = sent.filter((line) => line.startsWith('out') && line.includes(' 5060 '));
      // On a slow machine it may have been sent again.
      expect(new Set(plain.map((line) => line.split(' ')[3]))).toEqual(new Set(['REGISTER']));
    }
  });

  it('P-73 X-I7 nobody hears what is sent to the protected ports without IPsec, and it is counted', async () => {
    const before = (await lab.status('pcscf')).ipsec!;
    const request = `OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP ${lab.addressOf('alice')}:9;rport;branch=z9hG4bKx\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n`;
    const { address } = lab.gm;
    const { portC } = (await alice.ask('agreed'))!;
    for (const port of [5063, portC]) {
      expect(await alice.ask('plainDatagram', address, port, request)).toBe(0);
      expect(await alice.ask('plainConnection', address, port)).not.toBe('connected');
    }
    await until('the drops are counted', async () => {
      const { dropped } = (await lab.status('pcscf')).ipsec!;
      return dropped.plain >= before.dropped.plain + 4;
    });
    expect(before.backend).toBe(defaultBackend);
  });

  it('P-44 P-34 renews with new SPIs and another pair of client ports, and goes on calling by them', async () => {
    const before = (await alice.ask('agreed'))!;
    const old = await alice.ask('associations');
    await alice.register();
    expect(await alice.ask('associations')).toEqual(old);
    await alice.register();
    const after = (await alice.ask('agreed'))!;
    expect(after.portS).toBe(before.portS);
    expect(await alice.ask('associations')).not.toEqual(old);
    expect(ways((await alice.messages()).slice(-6), 'REGISTER')).not.toContain('out udp 5060');
    expect(await bob.ask('call', alice.setup.impu)).toMatchObject({ answered: true });
    expect(await bob.ask('hangUp')).toBe('us 200');
    expect(await alice.ask('message', bob.setup.impu, 'hello')).toMatchObject({ status: 200 });
    expect((await bob.ask('seen')).texts).toEqual(['hello']);
  });

  it('S-70 P-111 an RTR ends the registration: it is notified inside, and the phone begins anew in the clear', async () => {
    const { notifies } = await alice.ask('seen');
    await lab.hss('hss.rtr', { impi: alice.setup.impi, reason: 'permanent' });
    await until('alice is told', async () => (await alice.ask('seen')).notifies.length > notifies.length);
    expect((await alice.ask('seen')).notifies.at(-1)).toBe('reg terminated');
    expect(await bob.ask('call', alice.setup.impu)).toMatchObject({ answered: false });
  });
});
