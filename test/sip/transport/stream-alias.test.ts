import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Authority, hasOpenssl, makeAuthority, makeCertificate } from '#lab/network/certificates';
import type { Listener, Target } from '#sip/transport/flow';
import { StreamTransport } from '#sip/transport/stream-transport';
import { TlsSecurity } from '#sip/transport/tls-security';
import { Heard, listen, Peers, request } from './stream-peer.ts';

const coreAddress = '127.0.0.9';
const peers = new Peers();
afterEach(() => peers.close());

const via = (text: string) => request(1, 'Content-Length: 0\r\n', 'OPTIONS', text);
const isCore = (_listener: Listener, address: string) => address === coreAddress;

describe('RFC 5923 connections that core nodes opened, TCP', () => {
  async function start() {
    const heard = new Heard();
    const transport = new StreamTransport(heard, () => 1000, { isCore });
    const listener: Listener = {
      index: 0,
      sides: ['mw'],
      transport: 'tcp',
      address: '127.0.0.1',
      port: 0,
      sentBy: 'x',
    };
    const port = await transport.listen(listener);
    peers.add(transport);
    const dial = async (text: string, from = coreAddress) => {
      const socket = await peers.dial(port, '127.0.0.1', from);
      const inbound = listen(socket);
      socket.write(text);
      await heard.until(() => heard.messages.length > 0);
      return inbound;
    };
    const target = (toPort: number, address = coreAddress): Target => {
      return { listener: 0, transport: 'tcp', address, port: toPort, connection: 0 };
    };
    return { heard, transport, dial, target };
  }

  it.each([
    ['the host name of sent-by', 'TCP scscf.test:6060;alias', 6060],
    ['its own address', `TCP ${coreAddress}:6060;rport;alias`, 6060],
    ['no port, which is 5060', 'TCP scscf.test;alias', 5060],
  ])('C-11 are used for requests to the sent-by port of their address: %s', async (_name, text, port) => {
    const { heard, transport, dial, target } = await start();
    const inbound = await dial(via(text));
    transport.send(request(2), target(port), 2);
    await inbound.until((received) => received === request(2));
    expect([heard.failures, transport.counts.connected]).toEqual([[], 0]);
  });

  it.each([
    ['without alias', 'TCP scscf.test:6060', coreAddress, coreAddress],
    ['of a UE', 'TCP scscf.test:6060;alias', '127.0.0.2', '127.0.0.2'],
    ['for the address of another node', 'TCP 127.0.0.8:6060;alias', coreAddress, coreAddress],
    ['for another address than their own', 'TCP scscf.test:6060;alias', coreAddress, '127.0.0.8'],
  ])('C-11 are not used %s', async (_name, text, from, to) => {
    const { heard, transport, dial, target } = await start();
    await dial(via(text), from);
    transport.send(request(2), target(6060, to), 2);
    expect(transport.counts.connected).toBe(1);
    await heard.until(() => heard.failures.length === 1);
    expect(heard.failures).toEqual([[2, 'refused']]);
  });

  it('C-11 are forgotten with the connection', async () => {
    const { heard, transport, dial, target } = await start();
    await dial(via('TCP scscf.test:6060;alias'));
    transport.closeConnection(heard.messages[0]!.flow.connection);
    await heard.until(() => heard.gone.length === 1);
    transport.send(request(2), target(6060), 2);
    await heard.until(() => heard.failures.length === 1);
    expect(heard.failures).toEqual([[2, 'refused']]);
  });
});

const noOpenssl = !hasOpenssl();
if (noOpenssl) console.log('openssl is not installed: the tests of TLS are skipped');

describe.skipIf(noOpenssl)('RFC 5923 connections that core nodes opened, TLS', () => {
  let folder: string;
  let authority: Authority;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'cscf-alias-'));
    authority = makeAuthority(folder);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function start(names: readonly string[] | null, text: string) {
    const own = makeCertificate(authority, 'own', ['DNS:ims.test', 'IP:127.0.0.1']);
    const heard = new Heard();
    const security = peers.add(
      await TlsSecurity.open(
        {
          ...own,
          ca: authority.ca,
          serverNames: [],
          clientCertificates: 'optional',
          verify: true,
          minVersion: 'TLSv1.2',
        },
        (event) => heard.report(event),
      ),
    );
    const transport = peers.add(new StreamTransport(heard, () => 1000, { isCore, security }));
    const port = await transport.listen({
      index: 0,
      sides: ['mw'],
      transport: 'tls',
      address: '127.0.0.1',
      port: 0,
      sentBy: 'x',
    });
    const shown = names === null ? null : makeCertificate(authority, 'peer', names);
    const socket = connect({
      socket: await peers.dial(port, '127.0.0.1', coreAddress),
      host: '127.0.0.1',
      ca: readFileSync(authority.ca),
      ...(shown === null ? {} : { cert: readFileSync(shown.certificate), key: readFileSync(shown.key) }),
    });
    socket.on('error', () => {});
    peers.add({ close: () => socket.destroy() });
    const inbound = listen(socket);
    socket.write(via(text));
    await heard.until(() => heard.messages.length === 1);
    const send = (domain: string) => {
      transport.send(
        request(2),
        { listener: 0, transport: 'tls', address: coreAddress, port: 5061, connection: 0, domain },
        2,
      );
    };
    return { heard, transport, inbound, send };
  }

  it('C-11 are used for requests to a name their certificate is for', async () => {
    const { inbound, send, transport } = await start(['DNS:scscf.test', 'DNS:b.test'], 'TLS scscf.test;alias');
    send('b.test');
    await inbound.until((received) => received === request(2));
    expect(transport.counts.connected).toBe(0);
  });

  it.each([
    ['a certificate for another name than sent-by', ['DNS:other.test'], 'scscf.test'],
    ['no certificate', null, 'scscf.test'],
    ['a certificate, for requests to another name', ['DNS:scscf.test'], 'other.test'],
  ] as const)('C-11 are not used with %s', async (_name, names, domain) => {
    const { heard, send, transport } = await start(names, 'TLS scscf.test;alias');
    send(domain);
    expect(transport.counts.connected).toBe(1);
    await heard.until(() => heard.failures.length === 1);
    expect(heard.failures).toEqual([[2, 'refused']]);
  });
});
