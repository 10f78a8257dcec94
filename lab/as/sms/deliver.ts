import { ParseFailure } from '#sip/errors';
import { OctetReader } from './octet-reader.ts';
import { readTpAddress, tpAddress } from './sms-address.ts';
import { readTimeStamp, timeStamp, timeStampOctets } from './time-stamp.ts';
import { readUserData, type UserData } from './user-data.ts';

/** SMS-DELIVER: what the service centre gives to a phone. */
export interface Deliver {
  readonly originator: string;
  readonly protocol: number;
  /** When the service centre took it: milliseconds since 1970, whole seconds. */
  readonly atMs: number;
  readonly userData: UserData;
}

/** Nothing more waits for this phone. */
const noMoreMessages = 4;
const headerBit = 0x40;

/** Octets of an SMS-DELIVER. Source: TS 23.040 9.2.2.1. */
export function writeDeliver({ originator, protocol, atMs, userData }: Deliver): Uint8Array {
  return Uint8Array.from([
    noMoreMessages | (userData.hasHeader ? headerBit : 0),
    ...tpAddress(originator),
    protocol,
    userData.coding,
    ...timeStamp(atMs),
    userData.length,
    ...userData.octets,
  ]);
}

/** Reads an SMS-DELIVER. Source: TS 23.040 9.2.2.1. */
export function readDeliver(tpdu: Uint8Array): Deliver | ParseFailure {
  const reader = new OctetReader(tpdu);
  const first = reader.octet();
  if (first === null || (first & 3) !== 0) return new ParseFailure('no SMS-DELIVER');
  const originator = readTpAddress(reader);
  if (originator instanceof ParseFailure) return originator;
  const protocol = reader.octet();
  const coding = reader.octet();
  const stamp = reader.take(timeStampOctets);
  if (protocol === null || coding === null || stamp === null) return new ParseFailure('SMS-DELIVER cut off');
  const atMs = readTimeStamp(stamp);
  if (atMs instanceof ParseFailure) return atMs;
  const userData = readUserData(reader, coding, (first & headerBit) !== 0);
  return userData instanceof ParseFailure ? userData : { originator, protocol, atMs, userData };
}
