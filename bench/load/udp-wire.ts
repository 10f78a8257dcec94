import { readLatin1, writeLatin1 } from '#sip/parser/latin1';
import { type Library, nativeLibrary } from '#sip/transport/native-library';
import { PollHandle } from '#sip/transport/poll-handle';
import { Batch } from './batch.ts';
import { loopbackAddress, type Wire, type WireEvents } from './wire.ts';

/*
 * All phones on one UDP socket: it is bound to no address, and each datagram tells the kernel which of 127.0.0.0/8 it
 * comes from (IP_PKTINFO, ip(7)). So the P-CSCF sees as many addresses as there are phones, and the driver pays for one
 * socket, 64 datagrams to a system call.
 */

const slots = 64;
const datagramBytes = 65_536;
const sendBytes = 256 * 1024;
const headerBytes = 64;
const vectorBytes = 16;
const nameBytes = 16;
const controlBytes = 32;
const bufferBytes = 8 * 1024 * 1024;
const roundsPerWake = 8;

const familyV4 = 2;
const socketDatagram = 2;
const nonBlockCloseOnExec = 0o2004000;
const levelSocket = 1;
const levelIp = 0;
const ipPacketInfo = 8;
const optionReceiveBuffer = 8;
const optionReceiveBufferForce = 33;
const dontWait = 0x40;

export interface UdpWireOptions {
  /** The P-CSCF, IPv4. */
  readonly address: string;
  readonly port: number;
  /** Second octet of the phones' addresses. */
  readonly group: number;
}

/** Opens the socket of all phones. Throws Error where native UDP is not to be had: the words say why. */
export function openUdpWire(options: UdpWireOptions, events: WireEvents): Wire {
  const library = nativeLibrary();
  if (typeof library === 'string') throw new Error(`the load driver needs native UDP: ${library}`);
  return new UdpWire(library, options, events);
}

class UdpWire implements Wire {
  readonly transport = 'udp';
  readonly #lib: Library;
  readonly #options: UdpWireOptions;
  readonly #events: WireEvents;
  readonly #fd: number;
  readonly #port: number;
  readonly #proxy: number;
  readonly #poll: PollHandle;
  readonly #batch = new Batch(() => this.#flush());
  readonly #in: Arena;
  readonly #out: Arena;
  #queued = 0;
  #queuedBytes = 0;

  constructor(lib: Library, options: UdpWireOptions, events: WireEvents) {
    this.#lib = lib;
    this.#options = options;
    this.#events = events;
    this.#fd = this.#open();
    const bound = Buffer.alloc(nameBytes);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(nameBytes);
    lib.getsockname(this.#fd, bound, length);
    this.#port = bound.readUInt16BE(2);
    this.#in = new Arena(lib, slots * datagramBytes, datagramBytes);
    this.#out = new Arena(lib, sendBytes, 0);
    this.#out.addressTo(options.address, options.port);
    this.#proxy = this.#out.names.readUInt32BE(4);
    this.#poll = new PollHandle(lib, this.#fd, 'udp socket of the phones', () => this.batch(this.#readAll));
  }

  sentBy(phone: number): string {
    return `${loopbackAddress(this.#options.group, phone)}:${this.#port}`;
  }

  async open(): Promise<void> {}

  send(text: string, phone: number): void {
    if (this.#queued === slots || this.#queuedBytes + text.length > sendBytes) this.#flush();
    const slot = this.#queued++;
    const at = this.#queuedBytes;
    writeLatin1(this.#out.data, text, at);
    this.#queuedBytes = at + text.length;
    this.#out.take(slot, at, text.length, (127 << 24) | ((this.#options.group << 16) + phone + 1));
    if (!this.#batch.isOpen) this.#flush();
  }

  batch(work: () => void): void {
    this.#batch.run(work);
  }

  close(): Promise<void> {
    this.#flush();
    return this.#poll.close();
  }

  #open(): number {
    const lib = this.#lib;
    const fd = lib.socket(familyV4, socketDatagram | nonBlockCloseOnExec, 0);
    const any = Buffer.alloc(nameBytes);
    any[0] = familyV4;
    if (fd < 0 || lib.bind(fd, any, nameBytes) !== 0) throw new Error('no UDP socket for the phones');
    const size = Buffer.alloc(4);
    size.writeInt32LE(bufferBytes);
    if (lib.setsockopt(fd, levelSocket, optionReceiveBufferForce, size, 4) !== 0) {
      lib.setsockopt(fd, levelSocket, optionReceiveBuffer, size, 4);
    }
    return fd;
  }

  readonly #readAll = (): void => {
    for (let round = 0; round < roundsPerWake; round++) if (this.#readRound() < slots) break;
  };

  #readRound(): number {
    const { headers, words, names, data } = this.#in;
    const count = this.#lib.recvmmsg(this.#fd, headers, slots, dontWait, null);
    for (let slot = 0; slot < count; slot++) {
      words[slot * 16 + 2] = nameBytes;
      // Any address means any network: only the P-CSCF is listened to.
      if (names.readUInt32BE(slot * nameBytes + 4) !== this.#proxy) continue;
      const start = slot * datagramBytes;
      this.#events.message(readLatin1(data, start, start + words[slot * 16 + 14]!));
    }
    return count;
  }

  #flush(): void {
    let sent = 0;
    while (sent < this.#queued) {
      const headers = this.#out.headers.subarray(sent * headerBytes);
      const done = this.#lib.sendmmsg(this.#fd, headers, this.#queued - sent, dontWait);
      // An error belongs to the first of them, which is lost as the network may lose it.
      sent += done > 0 ? done : 1;
    }
    this.#queued = 0;
    this.#queuedBytes = 0;
  }
}

/** Message headers with their vectors, names and control data; layouts of Linux on 64 bit, little endian. */
class Arena {
  readonly data: Buffer;
  readonly headers: Buffer;
  readonly names: Buffer;
  readonly words: Uint32Array;
  readonly #vectors: BigUint64Array;
  readonly #control: Buffer;
  readonly #dataAddress: bigint;

  /** `stride`: octets of `data` that belong to each slot for receiving; 0: it is for sending. */
  constructor({ koffi }: Library, bytes: number, stride: number) {
    const vectorsAt = slots * headerBytes;
    const namesAt = vectorsAt + slots * vectorBytes;
    const controlAt = namesAt + slots * nameBytes;
    // Memory of its own, outside the heap: its address stays while the buffer is referenced.
    const block = new ArrayBuffer(controlAt + slots * controlBytes);
    this.data = Buffer.allocUnsafeSlow(bytes);
    this.headers = Buffer.from(block, 0, slots * headerBytes);
    this.names = Buffer.from(block, namesAt, slots * nameBytes);
    this.#control = Buffer.from(block, controlAt, slots * controlBytes);
    this.words = new Uint32Array(block, 0, (slots * headerBytes) / 4);
    this.#vectors = new BigUint64Array(block, vectorsAt, slots * 2);
    const address = BigInt(koffi.address(this.headers));
    this.#dataAddress = BigInt(koffi.address(this.data));
    const pointers = new BigUint64Array(block, 0, (slots * headerBytes) / 8);
    for (let slot = 0; slot < slots; slot++) {
      const header = slot * 8;
      pointers[header] = address + BigInt(namesAt + slot * nameBytes);
      pointers[header + 2] = address + BigInt(vectorsAt + slot * vectorBytes);
      pointers[header + 3] = 1n;
      this.words[slot * 16 + 2] = nameBytes;
      this.#vectors[slot * 2] = this.#dataAddress + BigInt(slot * stride);
      this.#vectors[slot * 2 + 1] = BigInt(stride);
      if (stride > 0) continue;
      pointers[header + 4] = address + BigInt(controlAt + slot * controlBytes);
      pointers[header + 5] = BigInt(controlBytes);
      this.#control.writeBigUInt64LE(BigInt(controlBytes - 4), slot * controlBytes);
      this.#control.writeInt32LE(levelIp, slot * controlBytes + 8);
      this.#control.writeInt32LE(ipPacketInfo, slot * controlBytes + 12);
    }
  }

  /** Makes every slot go to this address. */
  addressTo(address: string, port: number): void {
    const octets = address.split('.').map(Number);
    for (let slot = 0; slot < slots; slot++) {
      const at = slot * nameBytes;
      this.names[at] = familyV4;
      this.names.writeUInt16BE(port, at + 2);
      this.names.set(octets, at + 4);
    }
  }

  /** The datagram of a slot: where its text lies, and the address it comes from. */
  take(slot: number, at: number, length: number, from: number): void {
    this.#vectors[slot * 2] = this.#dataAddress + BigInt(at);
    this.#vectors[slot * 2 + 1] = BigInt(length);
    this.#control.writeInt32BE(from, slot * controlBytes + 20);
  }
}
