import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';

const types = { A: 1, CNAME: 5, AAAA: 28, SRV: 33, NAPTR: 35 } as const;

export type RecordType = keyof typeof types;

/** One resource record, its data as it goes to the wire. */
export interface DnsRecord {
  readonly name: string;
  readonly type: RecordType;
  readonly ttl: number;
  readonly data: Buffer;
}

/** What a question is answered with. */
export interface DnsReply {
  readonly records?: readonly DnsRecord[];
  /** NOERROR when left out. */
  readonly code?: 'NXDOMAIN' | 'SERVFAIL' | 'REFUSED';
  readonly delayMs?: number;
  readonly silent?: boolean;
}

export interface DnsServer {
  /** `address:port`, as `dns.servers` wants it. */
  readonly address: string;
  /** What was asked, as `SRV _sip._udp.ims.test`, with ` (tcp)` where it came by TCP. */
  readonly asked: string[];
  close(): Promise<void>;
}

export function a(name: string, address: string, ttl = 60): DnsRecord {
  return { name, type: 'A', ttl, data: Buffer.from(address.split('.').map(Number)) };
}

/** `address` with all eight groups written. */
export function aaaa(name: string, address: string, ttl = 60): DnsRecord {
  const data = Buffer.alloc(16);
  address.split(':').forEach((group, i) => {
    data.writeUInt16BE(Number.parseInt(group, 16), 2 * i);
  });
  return { name, type: 'AAAA', ttl, data };
}

export function cname(name: string, target: string, ttl = 60): DnsRecord {
  return { name, type: 'CNAME', ttl, data: encodeName(target) };
}

export function srv(name: string, priority: number, weight: number, port: number, target: string): DnsRecord {
  return { name, type: 'SRV', ttl: 60, data: Buffer.concat([shorts(priority, weight, port), encodeName(target)]) };
}

export function naptr(
  name: string,
  order: number,
  preference: number,
  service: string,
  replacement: string,
  flags = 's',
): DnsRecord {
  const data = [shorts(order, preference), text(flags), text(service), text(''), encodeName(replacement)];
  return { name, type: 'NAPTR', ttl: 60, data: Buffer.concat(data) };
}

/** Answers out of a list of records: NXDOMAIN for a name that has none at all. */
export function zone(records: readonly DnsRecord[]): (name: string, type: string) => DnsReply {
  return (name, type) => {
    const ofName = records.filter((record) => record.name === name);
    if (ofName.length === 0) return { code: 'NXDOMAIN' };
    return { records: ofName.filter((record) => record.type === type || record.type === 'CNAME') };
  };
}

/** A name server on a loopback port, by UDP and TCP; an answer of more than 512 octets is truncated on UDP. */
export async function startDnsServer(answer: (name: string, type: string) => DnsReply): Promise<DnsServer> {
  const asked: string[] = [];
  let closed = false;
  const respond: Respond = (message, transport, send) => {
    const question = readQuestion(message);
    asked.push(`${question.type} ${question.name}${transport === 'tcp' ? ' (tcp)' : ''}`);
    const reply = answer(question.name, question.type);
    if (reply.silent === true) return;
    const full = encodeReply(message, question.end, reply, false);
    const fits = transport === 'tcp' || full.length <= 512;
    setTimeout(() => send(fits ? full : encodeReply(message, question.end, {}, true)), reply.delayMs ?? 0);
  };
  const { udp, tcp } = await bindBoth((socket) => serveStream(socket, respond));
  udp.on('message', (message, remote) => {
    respond(message, 'udp', (reply) => {
      if (!closed) udp.send(reply, remote.port, remote.address);
    });
  });
  return {
    address: `127.0.0.1:${udp.address().port}`,
    asked,
    async close() {
      if (closed) return;
      closed = true;
      await new Promise<void>((resolve) => udp.close(() => resolve()));
      await new Promise((resolve) => tcp.close(resolve));
    },
  };
}

type Respond = (message: Buffer, transport: 'udp' | 'tcp', send: (reply: Buffer) => void) => void;

/** Both sockets on one port: where the second finds it taken, both begin again. */
async function bindBoth(accept: (socket: Socket) => void): Promise<{ udp: UdpSocket; tcp: Server }> {
  for (;;) {
    const udp = createSocket('udp4');
    await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve));
    const tcp = createServer(accept);
    const listens = await new Promise<boolean>((resolve) => {
      tcp.once('error', () => resolve(false));
      tcp.listen(udp.address().port, '127.0.0.1', () => resolve(true));
    });
    if (listens) return { udp, tcp };
    await new Promise<void>((resolve) => udp.close(() => resolve()));
  }
}

function serveStream(socket: Socket, respond: Respond): void {
  let held = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    while (held.length >= 2 && held.length >= 2 + held.readUInt16BE(0)) {
      const length = held.readUInt16BE(0);
      respond(held.subarray(2, 2 + length), 'tcp', (reply) => {
        socket.write(Buffer.concat([shorts(reply.length), reply]));
      });
      held = held.subarray(2 + length);
    }
  });
}

function readQuestion(message: Buffer): { name: string; type: string; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (; message[at] !== 0; at += message[at]! + 1)
    labels.push(message.toString('latin1', at + 1, at + 1 + message[at]!));
  const number = message.readUInt16BE(at + 1);
  const type = Object.entries(types).find(([, value]) => value === number)?.[0] ?? String(number);
  return { name: labels.join('.'), type, end: at + 5 };
}

const codes = { NXDOMAIN: 3, SERVFAIL: 2, REFUSED: 5 } as const;

function encodeReply(query: Buffer, questionEnd: number, reply: DnsReply, truncated: boolean): Buffer {
  const { records = [], code } = reply;
  const head = Buffer.alloc(12);
  query.copy(head, 0, 0, 2);
  head.writeUInt16BE(0x8180 | (truncated ? 0x0200 : 0) | (code === undefined ? 0 : codes[code]), 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(records.length, 6);
  const parts = [head, query.subarray(12, questionEnd)];
  for (const { name, type, ttl, data } of records) {
    const fixed = Buffer.alloc(10);
    fixed.writeUInt16BE(types[type], 0);
    fixed.writeUInt16BE(1, 2);
    fixed.writeUInt32BE(ttl, 4);
    fixed.writeUInt16BE(data.length, 8);
    parts.push(encodeName(name), fixed, data);
  }
  return Buffer.concat(parts);
}

function encodeName(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '');
  return Buffer.concat([...labels.map(text), Buffer.from([0])]);
}

function text(value: string): Buffer {
  return Buffer.concat([Buffer.from([value.length]), Buffer.from(value, 'latin1')]);
}

function shorts(...values: number[]): Buffer {
  const buffer = Buffer.alloc(2 * values.length);
  values.forEach((value, i) => {
    buffer.writeUInt16BE(value, 2 * i);
  });
  return buffer;
}
