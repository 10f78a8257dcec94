import { endianness } from 'node:os';

/*
 * Netlink messages as Linux reads and writes them (linux/netlink.h), on little-endian hosts.
 */

export const headerBytes = 16;
export const flagRequest = 0x1;
export const flagAck = 0x4;
export const flagDump = 0x300;
export const flagExclusive = 0x200;
export const flagCreate = 0x400;
const flagDumpInterrupted = 0x10;
const flagCapped = 0x100;
const flagAckAttributes = 0x200;

const typeError = 2;
const typeDone = 3;
const attributeText = 1;

/** What an answer says: it is data, the end of a request (errno 0: it was done), or the end of a dump. */
export interface NetlinkAnswer {
  readonly kind: 'data' | 'ack' | 'done';
  readonly sequence: number;
  /** Type of the message: for `data` only. */
  readonly type: number;
  /** Payload after the header, a view of what was received. */
  readonly payload: Buffer;
  /** Positive errno, 0 where there is none. */
  readonly errno: number;
  /** What the kernel says about the fault (extended acknowledgement), or null. */
  readonly text: string | null;
  /** Something changed while it was listed. */
  readonly interrupted: boolean;
}

/** One request: its type, flags besides REQUEST, and what follows the header. */
export interface NetlinkRequest {
  readonly type: number;
  readonly flags: number;
  readonly body: Buffer;
}

/** Whether the layouts here are those of this host. */
export function layoutFits(): boolean {
  return endianness() === 'LE' && (process.arch === 'x64' || process.arch === 'arm64');
}

/** The bytes of a request, with the number that its answers will carry. Source: RFC 3549 2.3.2. */
export function encodeRequest(request: NetlinkRequest, sequence: number): Buffer {
  const bytes = Buffer.alloc(headerBytes + padded(request.body.length));
  bytes.writeUInt32LE(headerBytes + request.body.length, 0);
  bytes.writeUInt16LE(request.type, 4);
  bytes.writeUInt16LE(request.flags | flagRequest, 6);
  bytes.writeUInt32LE(sequence, 8);
  request.body.copy(bytes, headerBytes);
  return bytes;
}

/** An attribute (type, length, value), padded to four bytes. */
export function encodeAttribute(type: number, value: Buffer): Buffer {
  const bytes = Buffer.alloc(padded(4 + value.length));
  bytes.writeUInt16LE(4 + value.length, 0);
  bytes.writeUInt16LE(type, 2);
  value.copy(bytes, 4);
  return bytes;
}

/** The first attribute of a type among those in `bytes`, or null. */
export function findAttribute(bytes: Buffer, type: number): Buffer | null {
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) return null;
    if ((bytes.readUInt16LE(at + 2) & 0x3fff) === type) return bytes.subarray(at + 4, at + length);
    at += padded(length);
  }
  return null;
}

/** The answers in what one receive gave; a damaged rest is left out. */
export function decodeAnswers(bytes: Buffer): NetlinkAnswer[] {
  const answers: NetlinkAnswer[] = [];
  for (let at = 0; at + headerBytes <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    if (length < headerBytes || at + length > bytes.length) break;
    answers.push(decodeAnswer(bytes.subarray(at, at + length)));
    at += padded(length);
  }
  return answers;
}

function decodeAnswer(message: Buffer): NetlinkAnswer {
  const type = message.readUInt16LE(4);
  const flags = message.readUInt16LE(6);
  const payload = message.subarray(headerBytes);
  const ends = (type === typeError || type === typeDone) && payload.length >= 4;
  return {
    kind: type === typeError ? 'ack' : type === typeDone ? 'done' : 'data',
    sequence: message.readUInt32LE(8),
    type,
    payload,
    errno: ends ? -payload.readInt32LE(0) || 0 : 0,
    text: type === typeError && flags & flagAckAttributes ? faultText(payload, (flags & flagCapped) !== 0) : null,
    interrupted: (flags & flagDumpInterrupted) !== 0,
  };
}

/** The text of an extended acknowledgement: behind the errno and the request (its header only where capped). */
function faultText(payload: Buffer, capped: boolean): string | null {
  if (payload.length < 4 + headerBytes) return null;
  const echoed = capped ? headerBytes : padded(payload.readUInt32LE(4));
  const text = findAttribute(payload.subarray(4 + echoed), attributeText);
  return text === null ? null : text.toString('latin1').replace(/\0.*$/s, '');
}

function padded(length: number): number {
  return (length + 3) & ~3;
}
