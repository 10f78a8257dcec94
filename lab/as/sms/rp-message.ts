import { ParseFailure } from '#sip/errors';
import { OctetReader } from './octet-reader.ts';
import { readRpAddress, rpAddress } from './sms-address.ts';

/** Which way an RP message goes. */
export type RpDirection = 'to-network' | 'to-phone';

/** A message of the relay layer, as SIP MESSAGE carries it in application/vnd.3gpp.sms. */
export type RpMessage =
  | {
      readonly kind: 'data';
      readonly direction: RpDirection;
      /** 0 to 255, the same in the answer. */
      readonly reference: number;
      /** Addresses of the service centre: `+1555...`, '' where there is none. */
      readonly originator: string;
      readonly destination: string;
      /** The TPDU. */
      readonly userData: Uint8Array;
    }
  | {
      readonly kind: 'ack';
      readonly direction: RpDirection;
      readonly reference: number;
      readonly userData: Uint8Array | null;
    }
  | {
      readonly kind: 'error';
      readonly direction: RpDirection;
      readonly reference: number;
      readonly cause: number;
      readonly userData: Uint8Array | null;
    }
  /** The phone has memory again. */
  | { readonly kind: 'memory-available'; readonly direction: 'to-network'; readonly reference: number };

/** Causes of RP-ERROR. Source: TS 24.011 8.2.5.4, table 8.4. */
export const rpCauses = Object.freeze({
  memoryExceeded: 22,
  congestion: 42,
  facilityNotImplemented: 69,
  incorrectMessage: 95,
});

const userDataElement = 0x41;
const maxUserData = 232;
const kinds = ['data', 'data', 'ack', 'ack', 'error', 'error', 'memory-available'] as const;

/** Reads an RP message; octets after it are not looked at. Source: TS 24.011 7.3, 8.2. */
export function readRpMessage(octets: Uint8Array): RpMessage | ParseFailure {
  const reader = new OctetReader(octets);
  const type = reader.octet();
  const reference = reader.octet();
  if (type === null || reference === null) return new ParseFailure('RP message shorter than its head');
  const kind = kinds[type & 7];
  if (kind === undefined) return new ParseFailure(`unknown RP message type ${type & 7}`);
  const direction: RpDirection = (type & 1) === 0 ? 'to-network' : 'to-phone';
  switch (kind) {
    case 'data':
      return readData(reader, direction, reference);
    case 'memory-available':
      return { kind, direction: 'to-network', reference };
    case 'ack': {
      const userData = readOptionalUserData(reader);
      return userData instanceof ParseFailure ? userData : { kind, direction, reference, userData };
    }
    case 'error':
      return readError(reader, direction, reference);
  }
}

/** Octets of an RP message. Source: TS 24.011 7.3. */
export function writeRpMessage(message: RpMessage): Uint8Array {
  const type = kinds.indexOf(message.kind) + (message.direction === 'to-phone' ? 1 : 0);
  const head = [type, message.reference];
  switch (message.kind) {
    case 'data': {
      const { originator, destination, userData } = message;
      return Uint8Array.from([
        ...head,
        ...rpAddress(originator),
        ...rpAddress(destination),
        userData.length,
        ...userData,
      ]);
    }
    case 'ack':
      return Uint8Array.from([...head, ...optionalUserData(message.userData)]);
    case 'error':
      return Uint8Array.from([...head, 1, message.cause, ...optionalUserData(message.userData)]);
    case 'memory-available':
      return Uint8Array.from(head);
  }
}

function readData(reader: OctetReader, direction: RpDirection, reference: number): RpMessage | ParseFailure {
  const originator = readRpAddress(reader);
  if (originator instanceof ParseFailure) return originator;
  const destination = readRpAddress(reader);
  if (destination instanceof ParseFailure) return destination;
  const at = reader.offset;
  const userData = reader.counted();
  if (userData === null) return new ParseFailure('RP-User-Data cut off', at);
  if (userData.length > maxUserData) return new ParseFailure(`RP-User-Data of ${userData.length} octets`, at);
  return { kind: 'data', direction, reference, originator, destination, userData };
}

function readError(reader: OctetReader, direction: RpDirection, reference: number): RpMessage | ParseFailure {
  const cause = reader.counted();
  if (cause === null || cause.length === 0) return new ParseFailure('RP-ERROR without a cause', reader.offset);
  const userData = readOptionalUserData(reader);
  if (userData instanceof ParseFailure) return userData;
  return { kind: 'error', direction, reference, cause: cause[0]! & 0x7f, userData };
}

function readOptionalUserData(reader: OctetReader): Uint8Array | null | ParseFailure {
  if (reader.left === 0 || reader.octet() !== userDataElement) return null;
  return reader.counted() ?? new ParseFailure('RP-User-Data cut off', reader.offset);
}

function optionalUserData(userData: Uint8Array | null): number[] {
  return userData === null ? [] : [userDataElement, userData.length, ...userData];
}
