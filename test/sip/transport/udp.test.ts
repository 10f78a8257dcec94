import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import type { Listener } from '#sip/transport/flow';
import { probeNativeUdp } from '#sip/transport/native-library';
import { openNativeUdp } from '#sip/transport/native-udp';
import { openDgram, type UdpHandlers, type UdpSocket } from '#sip/transport/udp';

const hasV6 = Object.values(networkInterfaces()).some((list) => list?.some((entry) => entry.address === '::1'));
const loopbacks = hasV6 ? ['127.0.0.1', '::1'] : ['127.0.0.1'];
const reason = probeNativeUdp();
const implementations =
  reason === null
    ? ([
        ['dgram', openDgram],
        ['native', openNativeUdp],
      ] as const)
    : ([['dgram', openDgram]] as const);
const cases = implementations.flatMap(([name, open]) => loopbacks.map((address) => ({ name, open, address })));

class Heard implements UdpHandlers {
  readonly datagrams: { text: string; address: string; port: number }[] = [];
  readonly failures: [number, string][] = [];
  readonly trail: string[] = [];
  onDatagram: (text: string, address: string, port: number) => void = () => {};
  #wake: () => void = () => {};
  beginBatch(): void {
    this.trail.push('begin');
  }
  endBatch(): void {
    this.trail.push('end');
  }
  datagram(text: string, address: string, port: number): void {
    this.trail.push('datagram');
    this.datagrams.push({ text, address, port });
    this.onDatagram(text, address, port);
    this.#wake();
  }
  failed(token: number, failure: string): void {
    this.failures.push([token, failure]);
    this.#wake();
  }
  /** Resolves when the condition holds; it is looked at whenever something is heard. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => condition() && resolve();
      this.#wake();
    });
  }
}

const listener = (address: string, port = 0): Listener => ({
  index: 0,
  sides: ['mw'],
  transport: 'udp',
  address,
  port,
  sentBy: 'x',
});
const open: UdpSocket[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((socket) => socket.close()));
});

async function pair(openUdp: typeof openDgram, address: string) {
  const here = new Heard();
  const there = new Heard();
  const a = await openUdp(listener(address), here);
  const b = await openUdp(listener(address), there);
  open.push(a, b);
  return { here, there, a, b };
}

it('runs the native implementation on the platforms that have it', () => {
  if (process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64')) expect(reason).toBeNull();
});

describe.each(cases)('UDP by $name on $address', ({ open: openUdp, address }) => {
  it('C-10 carries every latin1 byte, and tells whence it came', async () => {
    const { there, a, b } = await pair(openUdp, address);
    const text = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i));
    a.send(text, address, b.port, 0);
    await there.until(() => there.datagrams.length === 1);
    expect(there.datagrams).toEqual([{ text, address, port: a.port }]);
    expect(there.trail).toEqual(['begin', 'datagram', 'end']);
  });

  it('C-10 receives the largest datagram, and refuses one more byte', async () => {
    const { here, there, a, b } = await pair(openUdp, address);
    const text = 'x'.repeat(65_507);
    a.send(text, address, b.port, 7);
    await there.until(() => there.datagrams.length === 1);
    expect(there.datagrams[0]?.text).toBe(text);
    a.send('x'.repeat(65_536), address, b.port, 8);
    await here.until(() => here.failures.length === 1);
    expect(here.failures).toEqual([[8, 'too-large']]);
  });

  it('P-140 ignores datagrams of at most four bytes and of only CR, LF and NUL', async () => {
    const { there, a, b } = await pair(openUdp, address);
    for (const text of ['', '\0', 'jaK', 'abcd', '\r\n\r\n', '\r\n\r\n\0\0\0\r\n', '\n'.repeat(400), 'hello']) {
      a.send(text, address, b.port, 0);
    }
    await there.until(() => there.datagrams.length > 0);
    expect(there.datagrams.map(({ text }) => text)).toEqual(['hello']);
  });

  it('keeps the order of what is sent inside and outside a batch', async () => {
    const { here, there, a, b } = await pair(openUdp, address);
    there.onDatagram = (text, from, port) => {
      b.send(`${text}1`, from, port, 0);
      b.send(`${text}2`, from, port, 0);
    };
    for (let i = 0; i < 150; i++) a.send(`message ${i} `, address, b.port, 0);
    await here.until(() => here.datagrams.length === 300);
    expect(here.datagrams.map(({ text }) => text)).toEqual(
      Array.from({ length: 300 }, (_, i) => `message ${i >> 1} ${(i & 1) + 1}`),
    );
  });

  it('goes on after an await in the handler without another event', async () => {
    const { here, there, a, b } = await pair(openUdp, address);
    const order: string[] = [];
    there.onDatagram = async (text, from, port) => {
      setImmediate(() => order.push('next phase'));
      await null;
      await Promise.resolve();
      order.push('continued');
      b.send(`late ${text}`, from, port, 0);
    };
    a.send('hello', address, b.port, 0);
    await here.until(() => here.datagrams.length === 1);
    expect(order).toEqual(['continued', 'next phase']);
  });

  it.each(['', 'localhost', '1.2.3', '1.2.3.4.5', '1.2.3.256', ':::', '1:2:3:4:5:6:7:8:9', '12345::'])(
    'tells that %j is no address to send to',
    async (target) => {
      const { here, a } = await pair(openUdp, address);
      a.send('hello', target, 5060, 5);
      a.send('hello', address, 0, 6);
      a.send('hello', address, 65_536, 0);
      await here.until(() => here.failures.length === 2);
      expect(here.failures).toEqual([
        [5, 'unreachable'],
        [6, 'unreachable'],
      ]);
    },
  );

  it('fails to listen on a port that is taken, with a stable code', async () => {
    const { a } = await pair(openUdp, address);
    await expect(openUdp(listener(address, a.port), new Heard())).rejects.toMatchObject({ code: 'ERR_SIP_LISTEN' });
  });

  it('tells of a send after close', async () => {
    const { here, a, b } = await pair(openUdp, address);
    await a.close();
    a.send('hello', address, b.port, 3);
    expect(here.failures).toEqual([[3, 'closed']]);
  });
});

describe.runIf(reason === null).each(loopbacks)('native UDP on %s', (address) => {
  it('C-14 tells of an ICMP error to every send to that address, and goes on', async () => {
    const { here, there, a, b } = await pair(openNativeUdp, address);
    const closed = createSocket(address === '::1' ? 'udp6' : 'udp4');
    await new Promise<void>((resolve) => closed.bind(0, address, resolve));
    const deadPort = closed.address().port;
    closed.close();
    await once(closed, 'close');
    a.send('hello there', address, b.port, 1);
    a.send('hello nobody', address, deadPort, 2);
    a.send('hello nobody', address, deadPort, 3);
    a.send('hello there', address, b.port, 4);
    await here.until(() => here.failures.length >= 2);
    await there.until(() => there.datagrams.length === 2);
    expect(here.failures.sort()).toEqual([
      [2, 'refused'],
      [3, 'refused'],
    ]);
    b.send('and back', address, a.port, 0);
    await here.until(() => here.datagrams.length === 1);
    expect(here.datagrams[0]?.text).toBe('and back');
  });

  it('takes a burst of 10,000 datagrams without loss', async () => {
    const { there, a, b } = await pair(openNativeUdp, address);
    let sent = 0;
    const more = () => {
      for (let i = 0; i < 500; i++) a.send(`burst ${sent++} ${'x'.repeat(500)}`, address, b.port, 0);
      if (sent < 10_000) setImmediate(more);
    };
    more();
    await there.until(() => there.datagrams.length === 10_000);
    expect(there.datagrams.every(({ text }, i) => text.startsWith(`burst ${i} `))).toBe(true);
  });
});

describe.runIf(reason === null)('a process with native UDP', () => {
  const script = `
    import { openNativeUdp } from '#sip/transport/native-udp';
    const socket = await openNativeUdp({ index: 0, sides: [], transport: 'udp', address: '127.0.0.1', port: 0, sentBy: '' },
      { beginBatch() {}, endBatch() {}, failed() {},
        datagram(text, address, port) { if (text.startsWith('loop')) socket.send(text, '127.0.0.1', socket.port, 0); } });
    `;
  const run = (body: string) =>
    spawn(process.execPath, ['--input-type=module', '-e', script + body], { stdio: ['ignore', 'pipe', 'inherit'] });

  it('ends by itself once its sockets are closed', async () => {
    const child = run(`await socket.close(); console.log('closed');`);
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it('ends by process.exit with sockets open', async () => {
    const child = run(`process.exit(3);`);
    expect(await once(child, 'exit')).toEqual([3, null]);
  });

  it('hears SIGTERM while datagrams never stop coming', async () => {
    const child = run(`
      process.on('SIGTERM', async () => { await socket.close(); process.exitCode = 4; });
      for (let i = 0; i < 100; i++) socket.send('loop ' + i, '127.0.0.1', socket.port, 0);
      console.log('busy');`);
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([4, null]);
  });
});
