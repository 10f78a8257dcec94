import { type AvpList, uint24, uint32 } from './avp-list.ts';

/** Source: RFC 6733 3. */
export const HEADER_LENGTH = 20;
export const FLAG_REQUEST = 0x80;
export const FLAG_PROXIABLE = 0x40;
export const FLAG_ERROR = 0x20;
export const FLAG_RETRANSMITTED = 0x10;

/** Bounds on what is taken from a peer. */
export const MAX_MESSAGE_LENGTH = 1024 * 1024;
export const MAX_AVP_NESTING = 8;
export const MAX_AVPS = 4096;

export interface DiameterHeader {
  /** The Command Flags octet (`FLAG_*`). */
  readonly flags: number;
  readonly command: number;
  readonly application: number;
  readonly hopByHop: number;
  readonly endToEnd: number;
}

/** One decoded message; it reads from `octets`, which nobody may change while it is in use. */
export interface DiameterMessage extends DiameterHeader {
  readonly octets: Buffer;
  readonly avps: AvpList;
  /** An AVP that the dictionary lacks has its M bit set (not looked for inside groups). */
  readonly hasUnknownMandatory: boolean;
}

/** Reads the header; the caller knows that there are 20 octets. Source: RFC 6733 3. */
export function readHeader(octets: Buffer): DiameterHeader {
  return {
    flags: octets[4]!,
    command: uint24(octets, 5),
    application: uint32(octets, 8),
    hopByHop: uint32(octets, 12),
    endToEnd: uint32(octets, 16),
  };
}

export function readCommand(octets: Buffer): number {
  return uint24(octets, 5);
}

export function readHopByHop(octets: Buffer): number {
  return uint32(octets, 12);
}

/** Writes a new Hop-by-Hop Identifier into an encoded message. */
export function writeHopByHop(octets: Buffer, hopByHop: number): void {
  octets[12] = hopByHop >>> 24;
  octets[13] = hopByHop >>> 16;
  octets[14] = hopByHop >>> 8;
  octets[15] = hopByHop;
}

export function isRequest(octets: Buffer): boolean {
  return (octets[4]! & FLAG_REQUEST) !== 0;
}
