import { afterEach, describe, expect, it } from 'vitest';
import { type IpsecBackend, type IpsecCounters, IpsecError } from '#ipsec/ipsec-backend';
import type { Endpoint, InstalledAssociation, SecurityAssociation } from '#ipsec/security-association';
import type { IpsecOptions, ProtectedAccess } from '#lab/ue/protected-access';
import { type PhoneKind, phoneKindNames, phoneKinds, type SecurityEnd } from '#lab/ue/security-offer';
import { Ue } from '#lab/ue/ue';
import { usimOf } from '#lab/ue/usim';
import { parseIpsecMechanism, parseSecurityMechanisms } from '#sip/header/security-mechanism';
import { parseVia } from '#sip/header/via';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import { keys, Registrar, type RegistrarScript } from './registrar.ts';

/** Keeps associations without any effect on what is sent. */
class PaperBackend implements IpsecBackend {
  readonly kind = 'userspace';
  installed: SecurityAssociation[] = [];
  readonly guarded: Endpoint[] = [];
  readonly extended: number[] = [];
  failure: Error | null = null;
  async guard(ports: readonly Endpoint[]): Promise<void> {
    this.guarded.push(...ports);
  }
  async add(associations: readonly SecurityAssociation[]): Promise<void> {
    if (this.failure !== null) throw this.failure;
    this.installed.push(...associations);
  }
  async remove(associations: readonly InstalledAssociation[]): Promise<void> {
    this.installed = this.installed.filter((one) => !associations.includes(one));
  }
  async extend(_associations: readonly InstalledAssociation[], seconds: number): Promise<void> {
    this.extended.push(seconds);
  }
  async list(): Promise<readonly InstalledAssociation[]> {
    return this.installed;
  }
  async counters(): Promise<IpsecCounters> {
    return { plain: 0, integrity: 0, replay: 0, mismatch: 0, unknown: 0 };
  }
  async count(): Promise<number> {
    return this.installed.length;
  }
  async close(): Promise<void> {}
}

const agreeing = ({ spiC, spiS, portC, portS }: SecurityEnd) => [
  `ipsec-3gpp;q=0.1;prot=esp;mod=trans;spi-c=${spiC};spi-s=${spiS};port-c=${portC};port-s=${portS};alg=hmac-sha-1-96;ealg=aes-cbc`,
];

const toClose: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of toClose.splice(0).reverse()) await one.close();
});

async function start(
  kind: PhoneKind = phoneKinds.iphone,
  script: RegistrarScript = {},
  more: Partial<IpsecOptions> = {},
) {
  const registrar = await Registrar.open({ agrees: agreeing, ...script });
  const backend = new PaperBackend();
  const ue = await Ue.open({
    domain: 'ims.test',
    impu: 'sip:alice@ims.test',
    credentials: { impi: 'alice@ims.test', usim: usimOf(keys) },
    proxy: registrar.proxy,
    expires: 3600,
    ipsec: { backend, kind, ...more },
    timers: { t1Ms: 5, t2Ms: 40, t4Ms: 50 },
  });
  toClose.push(registrar, ue);
  return { registrar, backend, ue, access: ue.access as ProtectedAccess };
}

const header = (request: SipRequest, name: keyof typeof Header) => request.headers.values(Header[name]);
function client(request: SipRequest) {
  const mechanisms = parseSecurityMechanisms(header(request, 'Security-Client'));
  if (!Array.isArray(mechanisms)) throw new Error('Security-Client cannot be read');
  const all = mechanisms.map(parseIpsecMechanism).filter((one) => 'portS' in one);
  return all[0]!;
}

describe('the lab UE with IPsec', () => {
  it('P-40 P-41 registers inside the associations of the challenge and repeats what was agreed', async () => {
    const { registrar, backend, ue } = await start();
    expect(await ue.register()).toMatchObject({ registered: true });
    const [first, second] = registrar.seen;
    const server = registrar.endpoint.protectedSockets!;
    const offer = client(first!);
    expect(first!.flow).toMatchObject({ transport: 'udp', port: ue.port, listener: 0 });
    expect([header(first!, 'Require'), header(first!, 'Proxy-Require')]).toEqual([['sec-agree'], ['sec-agree']]);
    expect(header(first!, 'Security-Verify')).toEqual([]);
    expect(header(first!, 'Contact')[0]).toContain(`@127.0.0.1:${offer.portS}>`);
    // The second: from port-uc to port-ps, sent by port-us.
    expect(second!.flow).toMatchObject({ transport: 'udp', port: offer.portC, listener: 3 });
    expect(parseVia(header(second!, 'Via')[0]!)).toMatchObject({ host: '127.0.0.1', port: offer.portS });
    expect(header(second!, 'Security-Client')).toEqual(header(first!, 'Security-Client'));
    expect(header(second!, 'Security-Verify')[0]).toContain(`port-s=${server.server.port};alg=hmac-sha-1-96`);
    expect(backend.guarded.map(({ port }) => port)).toContain(offer.portS);
    expect(backend.extended).toEqual([3630]);
  });

  it('P-33 P-35 installs four associations, each seen from its own end, with the keys of the USIM', async () => {
    const { registrar, backend, ue } = await start();
    await ue.register();
    const offer = client(registrar.seen[0]!);
    const { server, clients } = registrar.endpoint.protectedSockets!;
    const [portPs, portPc] = [server.port, clients[1]!.port];
    const told = backend.installed.map(
      ({ direction, source, destination, spi }) => `${direction} ${source.port} ${destination.port} ${spi}`,
    );
    expect(told).toEqual([
      `out ${offer.portC} ${portPs} 6001`,
      `in ${portPs} ${offer.portC} ${offer.spiC}`,
      `in ${portPc} ${offer.portS} ${offer.spiS}`,
      `out ${offer.portS} ${portPc} 5001`,
    ]);
    const [one] = backend.installed;
    expect([one!.integrityKey.length, one!.encryptionKey.length]).toEqual([20, 16]);
    expect(new Set(backend.installed.map(({ integrityKey }) => integrityKey.toString('hex'))).size).toBe(1);
  });

  it('P-12 answers the challenge by TCP as a Samsung does, and sends the rest by UDP', async () => {
    const { registrar, ue } = await start(phoneKinds.samsung);
    await ue.register();
    expect(registrar.seen.map(({ flow }) => flow?.transport)).toEqual(['udp', 'tcp']);
    expect(registrar.seen[1]!.flow!.port).toBe(client(registrar.seen[0]!).portC);
    expect((await ue.message('sip:bob@ims.test', 'hello')).status).toBe(202);
    const message = registrar.seen[2]!;
    expect(message.flow).toMatchObject({ transport: 'udp', port: client(registrar.seen[0]!).portC });
    expect(header(message, 'Route')[0]).toContain(`:${registrar.endpoint.protectedSockets!.server.port};lr`);
    expect(header(message, 'Security-Verify')).toHaveLength(1);
    expect(header(message, 'Proxy-Require')).toEqual(['sec-agree']);
  });

  it('P-82 sends what is too large for a datagram by TCP from the same port', async () => {
    const { registrar, ue } = await start();
    await ue.register();
    await ue.message('sip:bob@ims.test', 'x'.repeat(65_400));
    expect(registrar.seen[2]!.flow).toMatchObject({ transport: 'tcp', port: client(registrar.seen[0]!).portC });
  });

  it('P-44 renews inside the associations with new SPIs and another client port, and keeps its server port', async () => {
    const { registrar, backend, ue, access } = await start();
    await ue.register();
    const before = access.associations;
    await ue.register();
    const [first, , third, fourth] = registrar.seen;
    const [old, fresh] = [client(first!), client(third!)];
    expect(third!.flow!.port).toBe(old.portC);
    expect(header(third!, 'Security-Verify')[0]).toContain('spi-s=6001');
    expect(fresh.portS).toBe(old.portS);
    expect(fresh.portC).not.toBe(old.portC);
    expect(fresh.spiC).not.toBe(old.spiC);
    expect(fourth!.flow!.port).toBe(fresh.portC);
    expect(header(fourth!, 'Security-Verify')[0]).toContain('spi-s=6002');
    // The set before lives on while answers by it may be under way.
    expect(backend.installed).toEqual([...before, ...access.associations]);
    for (let i = 0; i < 200 && backend.installed.length > 4; i++) await new Promise((done) => setTimeout(done, 10));
    expect(backend.installed).toEqual(access.associations);
  });

  it.each(['client', 'server'] as const)(
    'P-81 answers requests from its %s port, by the rule or as some phones do',
    async (answerFrom) => {
      const { registrar, ue, access } = await start(phoneKinds.iphone, {}, { answerFrom });
      expect(await ue.register()).toMatchObject({ registered: true });
      const { portC: uc, portS: us } = client(registrar.seen[0]!);
      const { portC: pc, portS: ps } = access.agreed!;
      const { udp: listener } = registrar.endpoint.protectedSockets!.clients.find(({ port }) => port === pc)!;
      const target = { listener, transport: 'udp', address: '127.0.0.1', port: us, connection: 0 } as const;
      const seen = await registrar.askFrom(target, registrar.seen[0]!);
      expect(seen).toEqual(answerFrom === 'client' ? [ps, uc] : [pc, us]);
    },
  );

  it('P-31 says why it cannot go on: no Security-Server, nothing usable in it, no associations', async () => {
    const none = await start(phoneKinds.iphone, { agrees: () => [] });
    expect(await none.ue.register()).toEqual({ status: 401, words: 'the challenge has no Security-Server' });
    const strange = await start(phoneKinds.iphone, {
      agrees: () => ['ipsec-3gpp;alg=rot13;spi-c=1;spi-s=2;port-c=3;port-s=4'],
    });
    expect(await strange.ue.register()).toEqual({ status: 401, words: 'Security-Server has nothing usable' });
    const denied = await start();
    denied.backend.failure = new IpsecError('ERR_IPSEC_DENIED', 'not allowed');
    expect(await denied.ue.register()).toEqual({
      status: 401,
      words: 'the associations cannot be set up: not allowed',
    });
    expect(denied.access.isProtected).toBe(false);
  });

  it('P-37 begins anew in the clear after a refusal, and leaves nothing behind', async () => {
    const { registrar, backend, ue } = await start(phoneKinds.iphone, { minExpires: 100 });
    await ue.register();
    await ue.deregister();
    expect(registrar.seen.at(-1)!.flow!.port).not.toBe(ue.port);
    await ue.register(3600);
    expect(registrar.seen.filter(({ flow }) => flow!.port === ue.port)).toHaveLength(2);
    await ue.close();
    expect(backend.installed).toEqual([]);
  });
});

describe('what phones offer', () => {
  const end: SecurityEnd = { spiC: 1111, spiS: 2222, portC: 5101, portS: 6101 };

  it.each(phoneKindNames)('P-12 the offer of %s can be read, and names the SPIs and ports', (name) => {
    const mechanisms = parseSecurityMechanisms(phoneKinds[name].fields(end));
    if (!Array.isArray(mechanisms)) throw new Error('cannot be read');
    const offers = mechanisms.filter(({ name: kind }) => kind === 'ipsec-3gpp').map(parseIpsecMechanism);
    expect(offers.length).toBeGreaterThan(0);
    for (const offer of offers) expect(offer).toMatchObject({ ...end, prot: 'esp', mod: 'trans' });
  });

  it('P-12 the Samsung lists six pairs in one field, the iPhone each in its own', () => {
    expect(phoneKinds.samsung.fields(end)).toHaveLength(1);
    expect(phoneKinds.samsung.fields(end)[0]!.split(',')).toHaveLength(6);
    expect(phoneKinds.iphone.fields(end)).toHaveLength(4);
  });
});
