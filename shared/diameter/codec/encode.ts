import { DiameterError } from '../errors.ts';
import type { Avp } from './avp-types.ts';
import { type DiameterHeader, HEADER_LENGTH, MAX_MESSAGE_LENGTH } from './message.ts';

/** Text up to this length is written by a loop: cheaper than a call into native code. */
const SHORT_TEXT = 24;

/** What `write(text, ..., 'latin1')` calls after a third of its time; the type definitions lack it. */
interface Latin1Buffer extends Buffer {
  latin1Write(text: string, start: number, length: number): number;
}

/** Encoding happens here and is copied out once: a message is written before its length is known. */
let scratch = Buffer.allocUnsafeSlow(16 * 1024) as Latin1Buffer;
let view = new DataView(scratch.buffer);

/**
 * Encodes one message; the buffer is the caller's. Throws DiameterError ERR_DIAMETER_TOO_LARGE above 1 MiB.
 * Source: RFC 6733 3, 4.1.
 */
export function encodeMessage(header: DiameterHeader, avps: readonly Avp[]): Buffer {
  const end = writeAvps(HEADER_LENGTH, avps);
  view.setUint32(0, 0x01000000 | end);
  view.setUint32(4, (header.flags << 24) | header.command);
  view.setUint32(8, header.application);
  view.setUint32(12, header.hopByHop);
  view.setUint32(16, header.endToEnd);
  return copyOut(end);
}

/** Encodes AVPs alone, padded: what `encodedAvps` takes. Throws as `encodeMessage` does. */
export function encodeAvps(avps: readonly Avp[]): Buffer {
  return copyOut(writeAvps(0, avps));
}

function copyOut(end: number): Buffer {
  const out = Buffer.allocUnsafe(end);
  scratch.copy(out, 0, 0, end);
  return out;
}

function writeAvps(start: number, avps: readonly Avp[]): number {
  let at = start;
  for (let i = 0; i < avps.length; i++) at = writeAvp(at, avps[i]!);
  return at;
}

function writeAvp(start: number, avp: Avp): number {
  const { definition, value } = avp;
  if (definition === undefined) return writeOctets(start, value as Buffer);
  if (start + 32 > scratch.length) grow(start + 32);
  view.setUint32(start, definition.code);
  let flags = definition.mandatory ? 0x40000000 : 0;
  let at = start + 8;
  if (definition.vendor !== 0) {
    flags |= 0x80000000;
    view.setUint32(at, definition.vendor);
    at += 4;
  }
  if (typeof value === 'string') at = writeText(at, value);
  else if (typeof value === 'number') {
    view.setUint32(at, value);
    at += 4;
  } else if (typeof value === 'bigint') {
    view.setBigUint64(at, BigInt.asUintN(64, value));
    at += 8;
  } else if (Buffer.isBuffer(value)) at = writeOctets(at, value);
  else at = writeAvps(at, value);
  const length = at - start;
  view.setUint32(start + 4, flags | length);
  const padding = -length & 3;
  if (padding === 0) return at;
  if (at + 4 > scratch.length) grow(at + 4);
  for (let i = 0; i < padding; i++) scratch[at + i] = 0;
  return at + padding;
}

function writeText(start: number, text: string): number {
  const end = start + text.length;
  if (end > scratch.length) grow(end);
  if (text.length > SHORT_TEXT) scratch.latin1Write(text, start, text.length);
  else for (let i = 0; i < text.length; i++) scratch[start + i] = text.charCodeAt(i);
  return end;
}

function writeOctets(start: number, octets: Buffer): number {
  const end = start + octets.length;
  if (end > scratch.length) grow(end);
  if (octets.length > SHORT_TEXT) scratch.set(octets, start);
  else for (let i = 0; i < octets.length; i++) scratch[start + i] = octets[i]!;
  return end;
}

function grow(needed: number): void {
  if (needed > MAX_MESSAGE_LENGTH) throw new DiameterError('ERR_DIAMETER_TOO_LARGE', 'Diameter message above 1 MiB');
  const larger = Buffer.allocUnsafeSlow(Math.min(MAX_MESSAGE_LENGTH, Math.max(needed, scratch.length * 2)));
  scratch.copy(larger);
  scratch = larger as Latin1Buffer;
  view = new DataView(scratch.buffer);
}
