import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ResilientLab, sleep } from './resilient-lab.ts';

/** Sources of nobody: sockets on loopback addresses, and what they hear. */
class Strangers {
  readonly answers = new Map<string, number>();
  sent = 0;
  octetsOut = 0;
  octetsIn = 0;
  readonly #sockets: { readonly socket: Socket; readonly address: string; readonly port: number }[] = [];

  static async open(addresses: readonly string[]): Promise<Strangers> {
    const strangers = new Strangers();
    for (const address of addresses) {
      const socket = createSocket('udp4');
      socket.bind(0, address);
      await once(socket, 'listening');
      socket.on('message', (bytes) => strangers.#hear(bytes));
      strangers.#sockets.push({ socket, address, port: socket.address().port });
    }
    return strangers;
  }

  /** Sends as fast as `perSecond` for some time, each source in its turn. */
  async flood(proxyPort: number, domain: string, perSecond: number, seconds: number): Promise<void> {
    const startMs = performance.now();
    const most = perSecond * seconds;
    const from = this.sent;
    while (this.sent - from < most) {
      const due = Math.min(most, ((performance.now() - startMs) / 1000) * perSecond);
      while (this.sent - from < due) this.#send(proxyPort, domain);
      await sleep(2);
    }
  }

  close(): void {
    for (const { socket } of this.#sockets) socket.close();
  }

  #send(proxyPort: number, domain: string): void {
    const { socket, address, port } = this.#sockets[this.sent % this.#sockets.length]!;
    const n = this.sent++;
    const method = ['REGISTER', 'INVITE', 'OPTIONS', 'MESSAGE', ''][Math.floor(n / this.#sockets.length) % 5]!;
    const text =
      method === ''
        ? `\u0001garbage ${n}\r\nVia\r\n\r\n`
        : `${method} sip:${domain} SIP/2.0\r\nVia: SIP/2.0/UDP ${address}:${port};branch=z9hG4bKs${n}\r\nMax-Forwards: 70\r\nFrom: <sip:nobody${n}@${domain}>;tag=${n}\r\nTo: <sip:nobody${n}@${domain}>\r\nCall-ID: stranger-${n}\r\nCSeq: 1 ${method}\r\nContact: <sip:nobody@${address}:${port}>\r\nUser-Agent: friendly-scanner\r\nContent-Length: 0\r\n\r\n`;
    this.octetsOut += text.length;
    socket.send(Buffer.from(text, 'latin1'), proxyPort, '127.0.0.1');
  }

  #hear(bytes: Buffer): void {
    const status = bytes.toString('latin1', 8, 11);
    this.answers.set(status, (this.answers.get(status) ?? 0) + 1);
    this.octetsIn += bytes.length;
  }
}

function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}

describe.each([1, 2])('a P-CSCF with %i workers under a flood of strangers', (workers) => {
  let lab: ResilientLab;
  beforeAll(async () => {
    lab = await ResilientLab.start({ workers });
  }, 30_000);
  afterAll(() => lab?.stop());

  test.each([
    ['few', Array.from({ length: 4 }, () => '127.0.0.1')],
    ['many', Array.from({ length: 300 }, (_, i) => `127.77.${i >> 7}.${(i & 127) + 1}`)],
  ])(
    'X-F1 X-I20 P-143 from %s sources registered phones go on calling, strangers hear little, memory stays',
    async (_name, addresses) => {
      await lab.callBothWays();
      const strangers = await Strangers.open(addresses);
      const before = residentMb(lab.pid('pcscf'));
      const flood = strangers.flood(lab.config.ports.gm, lab.config.domain, 1_500, 3);
      let calls = 0;
      let flooding = true;
      const done = flood.then(() => {
        flooding = false;
      });
      while (flooding) {
        await lab.callBothWays();
        calls++;
      }
      await done;
      await lab.bob.register();
      await sleep(200);
      strangers.close();
      expect(calls).toBeGreaterThan(1);
      expect(
        [...strangers.answers.keys()].filter((status) => !['401', '403', '503', '200', '404', '400'].includes(status)),
      ).toEqual([]);
      expect(strangers.octetsIn / strangers.octetsOut).toBeLessThan(1.5);
      if (addresses.length < 10) {
        const heard = [...strangers.answers.values()].reduce((sum, count) => sum + count, 0);
        expect(heard).toBeLessThan(strangers.sent / 4);
        const { overload } = await lab.status('pcscf');
        expect(overload!.shed.penalty).toBeGreaterThan(strangers.sent / 4);
      }
      expect(residentMb(lab.pid('pcscf')) - before).toBeLessThan(120);
      // A refusal in each window and class, and a summary: not a line for each message.
      expect(lab.log('pcscf').split('\n').length).toBeLessThan(400);
      await lab.callBothWays();
    },
    30_000,
  );
});
