import { hasPorts } from '../esp-inner-ports.ts';
import type { IpsecCounters } from '../ipsec-backend.ts';
import type { AssociationTable } from './association-table.ts';
import { readInbound, readOutbound, writePacket } from './ip-packet.ts';
import type { Libc } from './libc.ts';
import { PacketBatch, sendBatch, slotBytes } from './packet-batch.ts';

const batchSlots = 32;
const pollBytes = 8;
const pollIn = 1;
const dontWait = 0x40;
const protocolNothing = 59;

/** What the data path reads and writes. */
export interface Descriptors {
  /** Of the TUN device, which has what is to be sealed. Does not block. */
  readonly tun: number;
  /** An eventfd that ends `wait`. Does not block. */
  readonly wake: number;
  /** Raw sockets that take whole IP packets for this host; -1 where there is no such IP version. */
  readonly inject4: number;
  readonly inject6: number;
}

/** A raw socket for ESP to and from one local address. */
interface EspSocket {
  readonly fd: number;
  readonly version: 4 | 6;
  readonly address: string;
}

/**
 * Moves packets: from the TUN device through an association to the network, from the network through one to the
 * sockets of this host.
 * Source: RFC 4301 5.1 and 5.2; requirements P-35, X-I12.
 */
export class DataPath {
  readonly #libc: Libc;
  readonly #descriptors: Descriptors;
  readonly #table: AssociationTable;
  readonly #sockets = new Map<string, EspSocket>();
  readonly #read = Buffer.allocUnsafeSlow(slotBytes);
  readonly #event = Buffer.alloc(8);
  readonly #incoming: PacketBatch;
  readonly #outgoing: PacketBatch;
  readonly #opened: PacketBatch;
  #polled: Buffer = Buffer.alloc(0);
  readonly #counters = { plain: 0, integrity: 0, replay: 0, mismatch: 0, unknown: 0 };

  constructor(libc: Libc, descriptors: Descriptors, table: AssociationTable) {
    this.#libc = libc;
    this.#descriptors = descriptors;
    this.#table = table;
    this.#incoming = new PacketBatch(libc, batchSlots);
    this.#outgoing = new PacketBatch(libc, batchSlots);
    this.#opened = new PacketBatch(libc, batchSlots);
    this.#watch();
  }

  get counters(): IpsecCounters {
    return { ...this.#counters };
  }

  /** From now on takes the ESP packets of this raw socket. */
  listen(address: string, version: 4 | 6, fd: number): void {
    this.#sockets.set(address, { address, version, fd });
    this.#watch();
  }

  /** Sleeps until there is something to do, or the time has passed, and does it. */
  wait(timeoutMs: number): void {
    const polled = this.#polled;
    if (this.#libc.poll(polled, polled.length / pollBytes, timeoutMs) <= 0) return;
    const { tun, wake } = this.#descriptors;
    if (polled.readInt16LE(6) & pollIn) this.#libc.read(wake, this.#event, 8);
    let at = pollBytes * 2;
    for (const socket of this.#sockets.values()) {
      if (polled.readInt16LE(at + 6) & pollIn) this.#openAll(socket);
      at += pollBytes;
    }
    if (polled.readInt16LE(pollBytes + 6) & pollIn) this.#sealAll(tun);
  }

  #watch(): void {
    const { tun, wake } = this.#descriptors;
    const all = [wake, tun, ...[...this.#sockets.values()].map(({ fd }) => fd)];
    this.#polled = Buffer.alloc(all.length * pollBytes);
    all.forEach((fd, i) => {
      this.#polled.writeInt32LE(fd, i * pollBytes);
      this.#polled.writeInt16LE(pollIn, i * pollBytes + 4);
    });
  }

  #sealAll(tun: number): void {
    let count = 0;
    let from: EspSocket | undefined;
    for (let i = 0; i < batchSlots; i++) {
      const length = this.#libc.read(tun, this.#read, slotBytes);
      if (length <= 0) break;
      const packet = readOutbound(this.#read.subarray(0, length));
      if (packet === null) continue;
      const entry = packet.flow === null ? undefined : this.#table.outbound(packet.flow);
      const socket = entry && this.#sockets.get(entry.association.source.address);
      if (!entry || !socket) {
        this.#counters.plain++;
        continue;
      }
      if (from !== undefined && from !== socket) {
        sendBatch(this.#libc, from.fd, this.#outgoing, count);
        count = 0;
      }
      from = socket;
      const bytes = entry.sender.seal(packet.protocol, packet.payload, this.#outgoing.slots[count]!);
      if (bytes === 0) continue;
      entry.name.copy(this.#outgoing.names[count]!);
      this.#outgoing.fill(count, bytes, entry.name.length);
      count++;
    }
    if (from !== undefined) sendBatch(this.#libc, from.fd, this.#outgoing, count);
  }

  #openAll(socket: EspSocket): void {
    const { inject4, inject6 } = this.#descriptors;
    const received = this.#libc.recvmmsg(socket.fd, this.#incoming.headers, batchSlots, dontWait, null);
    let opened = 0;
    for (let i = 0; i < received; i++) {
      const bytes = this.#incoming.received(i);
      this.#incoming.expect(i);
      if (this.#openOne(socket, bytes, this.#incoming.names[i]!, opened)) opened++;
    }
    sendBatch(this.#libc, socket.version === 4 ? inject4 : inject6, this.#opened, opened);
  }

  /** Opens a packet into a slot; false when there is nothing to deliver. */
  #openOne(socket: EspSocket, bytes: Buffer, name: Buffer, slot: number): boolean {
    const packet = readInbound(socket.version, bytes, name);
    if (packet === null || packet.esp.length < 4) return this.#refuse('integrity');
    const entry = this.#table.inbound(socket.address, packet.esp.readUInt32BE(0));
    if (!entry) return this.#refuse('unknown');
    if (!entry.source.equals(packet.source)) return this.#refuse('mismatch');
    const payload = entry.receiver.open(packet.esp);
    if (typeof payload === 'string') return this.#refuse(payload === 'replay' ? 'replay' : 'integrity');
    if (payload.protocol === protocolNothing) return false;
    const { source, destination } = entry.association;
    if (!hasPorts(payload, source.port, destination.port)) return this.#refuse('mismatch');
    const to = this.#opened.slots[slot]!;
    const length = writePacket(entry.source, entry.destination, payload.protocol, payload.bytes, to);
    if (length === 0) return this.#refuse('mismatch');
    entry.name.copy(this.#opened.names[slot]!);
    this.#opened.fill(slot, length, entry.name.length);
    return true;
  }

  #refuse(why: keyof IpsecCounters): false {
    this.#counters[why]++;
    return false;
  }
}
