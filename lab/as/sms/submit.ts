import { ParseFailure } from '#sip/errors';
import { OctetReader } from './octet-reader.ts';
import { readTpAddress, tpAddress } from './sms-address.ts';
import { readTimeStamp, timeStampOctets } from './time-stamp.ts';
import { readUserData, type UserData } from './user-data.ts';

/** SMS-SUBMIT: what a phone gives to the service centre. */
export interface Submit {
  /** TP-MR, which a status report repeats. */
  readonly reference: number;
  readonly destination: string;
  readonly protocol: number;
  readonly userData: UserData;
  readonly statusReport: boolean;
  /** When the message may be forgotten: seconds from now, null when the phone does not say. */
  readonly validitySeconds: number | null;
}

/** What is no SMS-SUBMIT but right: a command to the service centre. */
export const smsCommand = 'command';

const submitType = 1;
const commandType = 2;
const statusReportBit = 0x20;
const headerBit = 0x40;
const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;

/** Reads a TPDU from a phone; `nowMs`: milliseconds since 1970. Source: TS 23.040 9.2.2.2. */
export function readSubmit(tpdu: Uint8Array, nowMs: number): Submit | typeof smsCommand | ParseFailure {
  const reader = new OctetReader(tpdu);
  const first = reader.octet();
  if (first === null) return new ParseFailure('empty TPDU');
  if ((first & 3) === commandType) return smsCommand;
  if ((first & 3) !== submitType) return new ParseFailure(`TPDU of type ${first & 3}, no SMS-SUBMIT`);
  const reference = reader.octet();
  const destination = readTpAddress(reader);
  if (destination instanceof ParseFailure) return destination;
  const protocol = reader.octet();
  const coding = reader.octet();
  if (reference === null || protocol === null || coding === null) return new ParseFailure('SMS-SUBMIT cut off');
  const validitySeconds = readValidity(reader, (first >> 3) & 3, nowMs);
  if (validitySeconds instanceof ParseFailure) return validitySeconds;
  const userData = readUserData(reader, coding, (first & headerBit) !== 0);
  if (userData instanceof ParseFailure) return userData;
  const statusReport = (first & statusReportBit) !== 0;
  return { reference, destination, protocol, userData, statusReport, validitySeconds };
}

/** Octets of an SMS-SUBMIT; a validity has the relative format, rounded up. Source: TS 23.040 9.2.2.2. */
export function writeSubmit(submit: Submit): Uint8Array {
  const { reference, destination, protocol, userData, statusReport, validitySeconds } = submit;
  const first =
    submitType |
    (validitySeconds === null ? 0 : 0x10) |
    (statusReport ? statusReportBit : 0) |
    (userData.hasHeader ? headerBit : 0);
  return Uint8Array.from([
    first,
    reference,
    ...tpAddress(destination),
    protocol,
    userData.coding,
    ...(validitySeconds === null ? [] : [relativeValidity(validitySeconds)]),
    userData.length,
    ...userData.octets,
  ]);
}

/** `format`: TP-VPF. Source: TS 23.040 9.2.3.3, 9.2.3.12. */
function readValidity(reader: OctetReader, format: number, nowMs: number): number | null | ParseFailure {
  if (format === 0) return null;
  if (format === 2) {
    const value = reader.octet();
    return value === null ? new ParseFailure('validity period cut off', reader.offset) : validityOf(value);
  }
  const octets = reader.take(timeStampOctets);
  if (octets === null) return new ParseFailure('validity period cut off', reader.offset);
  // The enhanced format is a rare thing: its message is kept as if nothing was said.
  if (format === 1) return null;
  const untilMs = readTimeStamp(octets);
  return untilMs instanceof ParseFailure ? untilMs : Math.max(0, Math.round((untilMs - nowMs) / 1000));
}

function validityOf(value: number): number {
  if (value < 144) return (value + 1) * 5 * minute;
  if (value < 168) return 12 * hour + (value - 143) * 30 * minute;
  if (value < 197) return (value - 166) * day;
  return (value - 192) * 7 * day;
}

function relativeValidity(seconds: number): number {
  for (let value = 0; value < 255; value++) if (validityOf(value) >= seconds) return value;
  return 255;
}
