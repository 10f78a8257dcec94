import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectPlain } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect, createServer, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type Authority,
  type CertificateFiles,
  hasOpenssl,
  makeAuthority,
  makeCertificate,
} from '#lab/network/certificates';
import type { Listener, Target } from '#sip/transport/flow';
import type { StreamLimits } from '#sip/transport/stream-limits';
import { StreamTransport } from '#sip/transport/stream-transport';
import { phoneSecurity, TlsSecurity, type TlsSettings } from '#sip/transport/tls-security';
import { Heard, listen, Peers, request } from './stream-peer.ts';

const noOpenssl = !hasOpenssl();
if (noOpenssl) console.log('openssl is not installed: the tests of TLS are skipped');

const hasV6 = Object.values(networkInterfaces()).some((list) => list?.some((entry) => entry.address === '::1'));

let folder: string;
let authority: Authority;
let other: Authority;
let server: CertificateFiles;
let serverV6: CertificateFiles;
let second: CertificateFiles;
let peerFiles: CertificateFiles;
let foreign: CertificateFiles;

beforeAll(() => {
  if (noOpenssl) return;
  folder = mkdtempSync(join(tmpdir(), 'cscf-tls-'));
  authority = makeAuthority(folder);
  other = makeAuthority(folder, 'other-ca');
  server = makeCertificate(authority, 'server', ['DNS:ims.test', 'IP:127.0.0.1']);
  serverV6 = makeCertificate(authority, 'server-v6', ['IP:::1']);
  second = makeCertificate(authority, 'second', ['DNS:second.test']);
  peerFiles = makeCertificate(authority, 'peer', ['URI:sip:peer.test', 'DNS:ignored.test', 'IP:127.0.0.1']);
  foreign = makeCertificate(other, 'foreign', ['DNS:ims.test']);
});
afterAll(() => {
  if (!noOpenssl) rmSync(folder, { recursive: true, force: true });
});

let nowMs = 1000;
const peers = new Peers();
beforeEach(() => {
  nowMs = 1000;
});
afterEach(() => peers.close());

interface Started {
  readonly heard: Heard;
  readonly transport: StreamTransport;
  readonly security: TlsSecurity;
  readonly port: number;
}

async function start(
  settings: Partial<TlsSettings> = {},
  limits: Partial<StreamLimits> = {},
  sides: readonly string[] = ['mw'],
  address = '127.0.0.1',
): Promise<Started> {
  const heard = new Heard();
  const security = await TlsSecurity.open(
    {
      ...server,
      ca: authority.ca,
      serverNames: [],
      clientCertificates: 'optional',
      verify: true,
      minVersion: 'TLSv1.2',
      ...settings,
    },
    (event) => heard.report(event),
  );
  const isCore = () => true;
  const transport = new StreamTransport(heard, () => nowMs, { limits, security, isCore });
  peers.add(transport);
  peers.add(security);
  const listener: Listener = { index: 0, sides, transport: 'tls', address, port: 0, sentBy: 'x' };
  return { heard, transport, security, port: await transport.listen(listener) };
}

const trusting = (): ConnectionOptions => ({ host: '127.0.0.1', ca: readFileSync(authority.ca) });
const showing = (files: CertificateFiles): ConnectionOptions => ({
  ...trusting(),
  cert: readFileSync(files.certificate),
  key: readFileSync(files.key),
});

/** Connects by TLS; the promise fails with the handshake. */
async function dial(port: number, options = trusting()): Promise<TLSSocket> {
  const socket = connect({ port, ...options });
  peers.add({ close: () => socket.destroy() });
  await once(socket, 'secureConnect');
  socket.on('error', () => {});
  return socket;
}

/** A TLS server that keeps what connects to it. */
async function tlsPeer(files: CertificateFiles, more: object = {}) {
  const sockets: TLSSocket[] = [];
  const listening = createServer(
    { cert: readFileSync(files.certificate), key: readFileSync(files.key), ...more },
    (socket) => {
      socket.on('error', () => {});
      sockets.push(socket);
    },
  ).listen(0, '127.0.0.1');
  listening.on('tlsClientError', (_error, socket) => socket.destroy());
  await once(listening, 'listening');
  peers.add({
    close: () => {
      for (const socket of sockets) socket.destroy();
      listening.close();
    },
  });
  const next = async () => {
    if (sockets.length === 0) await once(listening, 'secureConnection');
    return sockets.at(-1)!;
  };
  return { port: (listening.address() as { port: number }).port, sockets, next };
}

const target = (port: number, domain: string): Target => ({
  listener: 0,
  transport: 'tls',
  address: '127.0.0.1',
  port,
  connection: 0,
  domain,
});

describe.skipIf(noOpenssl)('TLS, accepted connections', () => {
  it('C-10 C-11 C-12 answers on the connection of the request', async () => {
    const { heard, transport, port } = await start();
    const socket = await dial(port);
    const inbound = listen(socket);
    socket.write(request(1).slice(0, 40));
    socket.write(request(1).slice(40) + request(2));
    await heard.until(() => heard.messages.length === 2);
    const { flow } = heard.messages[0]!;
    expect(flow).toEqual({
      listener: 0,
      transport: 'tls',
      address: '127.0.0.1',
      port: socket.localPort,
      connection: flow.connection,
    });
    transport.send('SIP/2.0 200 OK\r\n\r\n\xff', flow, 0);
    await inbound.until((text) => text === 'SIP/2.0 200 OK\r\n\r\n\xff');
    socket.write('\r\n\r\n');
    await inbound.until((text) => text.endsWith('\xff\r\n'));
    socket.end();
    await heard.until(() => heard.gone.length === 1);
    expect(transport.openConnections).toBe(0);
  });

  it.skipIf(!hasV6)('C-10 speaks IPv6 both ways, by the address in the certificate', async () => {
    const { heard, transport, port } = await start(serverV6, {}, ['mw'], '::1');
    const socket = await dial(port, { ...trusting(), host: '::1' });
    socket.write(request(1));
    await heard.until(() => heard.messages.length === 1);
    transport.send(request(2), { ...target(port, '0:0::1'), address: '::1' }, 2);
    await heard.until(() => heard.messages.length === 2);
    expect(heard.messages.map(({ flow }) => flow.address)).toEqual(['::1', '::1']);
    expect(heard.words).toEqual([]);
  });

  it('C-10 shows the certificate of the server name that is asked for, else its own', async () => {
    const { port } = await start({ serverNames: [{ name: 'Second.Test', ...second }] });
    for (const [servername, expected] of [
      ['second.test', 'DNS:second.test'],
      ['other.test', 'DNS:ims.test, IP Address:127.0.0.1'],
    ]) {
      const socket = await dial(port, { ...trusting(), servername: servername!, checkServerIdentity: () => undefined });
      expect(socket.getPeerCertificate().subjectaltname).toBe(expected);
    }
  });

  it('C-10 speaks no TLS older than wanted, and says so', async () => {
    const { heard, port } = await start({ minVersion: 'TLSv1.3' });
    await expect(dial(port, { ...trusting(), maxVersion: 'TLSv1.2' })).rejects.toThrow();
    await heard.until(() => heard.words.length === 1);
    expect(heard.words).toEqual(['no TLS version in common; see tls.minVersion']);
  });

  it('C-14 ends plain bytes with a reason', async () => {
    const { heard, transport, port } = await start();
    const socket = await peers.dial(port);
    socket.write(request(1));
    await once(socket.resume(), 'close');
    await heard.until(() => heard.words.length === 1);
    expect(heard.words).toEqual(['the peer speaks no TLS']);
    expect(heard.messages).toEqual([]);
    expect([transport.openConnections, transport.counts.handshakesFailed]).toEqual([0, 1]);
    expect(heard.gone).toEqual([]);
  });

  it('X-S4 ends a handshake that never ends, and counts it among the connections meanwhile', async () => {
    const { heard, transport, port } = await start({}, { messageMs: 10_000, connectionsPerSource: 1 });
    const socket = await peers.dial(port);
    socket.write(Buffer.from([0x16, 3, 1]));
    await expect.poll(() => transport.openConnections, { timeout: 10_000 }).toBe(1);
    await expect(dial(port)).rejects.toThrow();
    expect(transport.counts.refusedOverCap).toBe(1);
    nowMs += 9_999;
    transport.sweep();
    expect(transport.openConnections).toBe(1);
    nowMs += 1;
    transport.sweep();
    await once(socket.resume(), 'close');
    await expect.poll(() => transport.openConnections, { timeout: 10_000 }).toBe(0);
    expect(heard.words).toEqual(['the handshake was not over in time']);
    await dial(port);
  });

  it('C-14 X-S5 does not mind a reset within the handshake', async () => {
    const { heard, transport, port } = await start();
    for (let i = 0; i < 20; i++) {
      const socket = connectPlain(port, '127.0.0.1');
      await once(socket, 'connect');
      if (i % 2 === 0) socket.write(Buffer.from([0x16, 3, 1, 0, 200, 1]));
      socket.resetAndDestroy();
    }
    await heard.until(() => heard.words.length === 20);
    expect(new Set(heard.words)).toEqual(new Set(['the peer ended the connection during the handshake']));
    expect(transport.openConnections).toBe(0);
  });

  it('tells why a peer does not take our certificate', async () => {
    const { heard, port } = await start();
    await expect(dial(port, { host: '127.0.0.1' })).rejects.toThrow();
    await heard.until(() => heard.words.length === 1);
    expect(heard.words[0]).toMatch(/the peer does not know the CA of our certificate|the peer ended the connection/);
  });
});

describe.skipIf(noOpenssl)('TLS, certificates of clients', () => {
  it.each([
    ['none', trusting, 'the peer shows no certificate (tls.clientCertificates)'],
    [
      'one by an unknown CA',
      () => showing(foreign),
      'unknown CA: nobody we trust has signed the certificate of the peer',
    ],
  ] as const)('C-10 ends a connection with %s where one is required', async (_name, options, words) => {
    const { heard, transport, port } = await start({ clientCertificates: 'required' });
    const socket = await dial(port, options());
    await once(socket.resume(), 'close');
    await heard.until(() => heard.words.length === 1);
    expect(heard.words).toEqual([words]);
    expect(transport.openConnections).toBe(0);
  });

  it('C-10 takes a good one where one is required', async () => {
    const { heard, port } = await start({ clientCertificates: 'required' });
    const socket = await dial(port, showing(peerFiles));
    socket.write(request(1));
    await heard.until(() => heard.messages.length === 1);
  });

  it.each([
    ['optional', ['mw']],
    ['required', ['gm', 'mw']],
    ['required', ['gm']],
    ['off', ['mw']],
  ] as const)('C-10 takes a peer without one where it is %s on %j', async (clientCertificates, sides) => {
    const { heard, port } = await start({ clientCertificates }, {}, sides);
    const socket = await dial(port);
    socket.write(request(1));
    await heard.until(() => heard.messages.length === 1);
  });
});

describe.skipIf(noOpenssl)('TLS, connections of our own', () => {
  it('C-10 C-12 verifies the domain, sends what waited, and reuses the connection for that domain alone', async () => {
    const { heard, transport } = await start();
    const { port, sockets, next } = await tlsPeer(peerFiles);
    transport.send(request(1), target(port, 'peer.test'), 1);
    transport.send(request(2), target(port, 'peer.test'), 2);
    const inbound = listen(await next());
    await inbound.until((text) => text === request(1) + request(2));
    transport.send(request(3), target(port, '127.0.0.1'), 3);
    await inbound.until((text) => text.endsWith(request(3)));
    expect(sockets.length).toBe(1);
    transport.send(request(4), target(port, 'else.test'), 4);
    await heard.until(() => heard.failures.length === 1);
    expect(heard.failures).toEqual([[4, 'unreachable']]);
    expect(heard.events).toEqual([
      {
        kind: 'handshake-failed',
        address: '127.0.0.1',
        domain: 'else.test',
        words: 'the certificate is for peer.test, 127.0.0.1, wanted else.test',
      },
    ]);
  });

  it('C-14 tells each request at once when the CA is unknown', async () => {
    const { heard, transport } = await start();
    const { port } = await tlsPeer(foreign);
    transport.send(request(1), target(port, 'ims.test'), 1);
    transport.send(request(2), target(port, 'ims.test'), 2);
    await heard.until(() => heard.failures.length === 2);
    expect(heard.failures).toEqual([
      [1, 'unreachable'],
      [2, 'unreachable'],
    ]);
    expect(heard.words).toEqual(['unknown CA: nobody we trust has signed the certificate of the peer']);
    expect(heard.gone).toEqual([]);
  });

  it('takes any certificate where the lab switches verification off', async () => {
    const { transport } = await start({ verify: false });
    const { port, sockets, next } = await tlsPeer(foreign);
    transport.send(request(1), target(port, 'ims.test'), 1);
    const inbound = listen(await next());
    await inbound.until((text) => text === request(1));
    transport.send(request(2), target(port, 'else.test'), 1);
    await inbound.until((text) => text.endsWith(request(2)));
    expect(sockets.length).toBe(1);
  });

  it('C-14 says that a peer speaks no TLS', async () => {
    const { heard, transport } = await start();
    const { port, next } = await peers.server();
    transport.send(request(1), target(port, 'ims.test'), 1);
    (await next()).write('SIP/2.0 400 Bad Request\r\n\r\n');
    await heard.until(() => heard.failures.length === 1);
    expect([heard.failures, heard.words]).toEqual([[[1, 'unreachable']], ['the peer speaks no TLS']]);
  });

  it('C-14 gives up a peer that never answers the handshake', async () => {
    const { heard, transport } = await start({}, { connectMs: 1_000 });
    const { port } = await peers.server();
    transport.send(request(1), target(port, 'ims.test'), 1);
    await heard.until(() => heard.failures.length === 1);
    expect(heard.failures).toEqual([[1, 'timeout']]);
    expect(heard.words).toEqual(['the handshake was not over in time']);
    await expect.poll(() => transport.openConnections, { timeout: 10_000 }).toBe(0);
  });

  it('C-14 tells of a connection that cannot be made, as with TCP', async () => {
    const { heard, transport } = await start();
    const { server: dead, port } = await peers.server();
    dead.close();
    await once(dead, 'close');
    transport.send(request(1), target(port, 'ims.test'), 1);
    await heard.until(() => heard.failures.length === 1);
    expect([heard.failures, heard.words]).toEqual([[[1, 'refused']], []]);
  });

  it('C-10 shows its certificate to a peer that asks, and fails what it sent when that is refused', async () => {
    const { heard, transport } = await start();
    const mutual = { requestCert: true, rejectUnauthorized: true };
    const good = await tlsPeer(peerFiles, { ...mutual, ca: readFileSync(authority.ca) });
    transport.send(request(1), target(good.port, 'peer.test'), 1);
    expect((await good.next()).getPeerCertificate().subjectaltname).toBe('DNS:ims.test, IP Address:127.0.0.1');
    const strict = await tlsPeer(peerFiles, { ...mutual, ca: readFileSync(other.ca) });
    transport.send(request(2), target(strict.port, 'peer.test'), 2);
    await heard.until(() => heard.failures.length === 1);
    expect(heard.failures[0]![0]).toBe(2);
  });

  it('sends the name of the server, and none for an address', async () => {
    const { transport } = await start();
    const names: (string | false)[] = [];
    const { port, next } = await tlsPeer(peerFiles);
    transport.send(request(1), target(port, 'peer.test'), 1);
    names.push((await next()).servername as string | false);
    const again = await tlsPeer(peerFiles);
    transport.send(request(1), target(again.port, '127.0.0.1'), 1);
    names.push((await again.next()).servername as string | false);
    expect(names).toEqual(['peer.test', false]);
  });

  it('a phone connects without a certificate of its own, and verifies', async () => {
    const { heard: network, port } = await start({}, {}, ['gm']);
    const heard = new Heard();
    const phone = new StreamTransport(heard, () => nowMs, {
      security: phoneSecurity(readFileSync(authority.ca, 'latin1'), true),
    });
    peers.add(phone);
    phone.connectFrom({ index: 0, sides: ['gm'], transport: 'tls', address: '127.0.0.1', port: 5060, sentBy: 'x' });
    phone.send(request(1), target(port, 'ims.test'), 1);
    await network.until(() => network.messages.length === 1);
    phone.send(request(2), target(port, 'wrong.test'), 2);
    await heard.until(() => heard.failures.length === 1);
    expect(heard.words).toEqual(['the certificate is for ims.test, 127.0.0.1, wanted wrong.test']);
  });
});

describe.skipIf(noOpenssl)('certificates that change', () => {
  async function serving() {
    const own = { certificate: join(folder, 'own.pem'), key: join(folder, 'own.key') };
    copyFileSync(server.certificate, own.certificate);
    copyFileSync(server.key, own.key);
    const started = await start(own);
    const shown = async () => {
      const socket = await dial(started.port, { ...trusting(), checkServerIdentity: () => undefined });
      return { socket, names: socket.getPeerCertificate().subjectaltname };
    };
    return { ...started, own, shown };
  }

  it('C-10 are used for new connections while old ones live', async () => {
    const { heard, transport, security, own, shown } = await serving();
    const before = await shown();
    expect(before.names).toContain('DNS:ims.test');
    copyFileSync(second.certificate, own.certificate);
    copyFileSync(second.key, own.key);
    expect(await security.reload()).toBe(true);
    expect((await shown()).names).toBe('DNS:second.test');
    expect(heard.events).toMatchObject([
      { kind: 'certificates-renewed', words: expect.stringMatching(/^DNS:second.test, valid until 20/) },
    ]);
    const inbound = listen(before.socket);
    before.socket.write(request(1));
    await heard.until(() => heard.messages.length === 1);
    transport.send('SIP/2.0 200 OK\r\n\r\n', heard.messages[0]!.flow, 0);
    await inbound.until((text) => text === 'SIP/2.0 200 OK\r\n\r\n');
  });

  it('C-10 that cannot be used leave the ones before in use, and are told of', async () => {
    const { heard, security, own, shown } = await serving();
    copyFileSync(second.certificate, own.certificate);
    expect(await security.reload()).toBe(false);
    writeFileSync(own.certificate, 'rubbish');
    expect(await security.reload()).toBe(false);
    rmSync(own.certificate);
    expect(await security.reload()).toBe(false);
    expect((await shown()).names).toContain('DNS:ims.test');
    expect(heard.events.map((event) => ('words' in event ? event.words : ''))).toEqual([
      expect.stringContaining(`tls.key: ${own.key} is not the key of the certificate ${own.certificate}`),
      expect.stringContaining(`tls.certificate: ${own.certificate} holds no certificate in PEM`),
      expect.stringContaining(`tls.certificate: there is no file ${own.certificate}`),
    ]);
  });

  it('C-10 are found by themselves, once they stand still', async () => {
    const { heard, own, shown } = await serving();
    copyFileSync(second.certificate, own.certificate);
    copyFileSync(second.key, own.key);
    await heard.until(() => heard.events.some(({ kind }) => kind === 'certificates-renewed'));
    expect((await shown()).names).toBe('DNS:second.test');
    expect(heard.events.length).toBe(1);
  }, 30_000);

  it('at the start, files that cannot be used are an exception with the file and what to do', async () => {
    const wrong = (settings: Partial<TlsSettings>) => start(settings);
    await expect(wrong({ key: second.key })).rejects.toMatchObject({
      code: 'ERR_SIP_TLS',
      message: expect.stringContaining(`${second.key} is not the key of the certificate`),
    });
    await expect(wrong({ ca: server.key })).rejects.toThrow(/tls\.ca: .* holds no certificate in PEM; it begins with/);
    await expect(wrong({ key: join(folder, 'none') })).rejects.toThrow(/tls\.key: there is no file/);
    const locked = join(folder, 'locked.key');
    writeFileSync(locked, '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n');
    await expect(wrong({ key: locked })).rejects.toThrow(/is locked with a passphrase; unlock it: openssl pkey/);
    await expect(wrong({ serverNames: [{ name: 'a.test', ...second, key: server.key }] })).rejects.toThrow(
      /tls\.serverNames\.0\.key/,
    );
  });
});
