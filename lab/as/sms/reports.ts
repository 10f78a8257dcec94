import { ParseFailure } from '#sip/errors';
import { OctetReader } from './octet-reader.ts';
import { readTpAddress, tpAddress } from './sms-address.ts';
import { readTimeStamp, timeStamp, timeStampOctets } from './time-stamp.ts';

/** What became of a message, in a status report. Source: TS 23.040 9.2.3.15. */
export const deliveryStatus = Object.freeze({ received: 0x00, refused: 0x41, expired: 0x46 });

export interface StatusReport {
  /** TP-MR of the SMS-SUBMIT. */
  readonly reference: number;
  /** Whom the message was for. */
  readonly recipient: string;
  /** When the service centre took the message, and when it was done with it; milliseconds since 1970. */
  readonly submittedMs: number;
  readonly doneMs: number;
  /** One of `deliveryStatus`. */
  readonly status: number;
}

/** SMS-SUBMIT-REPORT within an RP-ACK: the service centre has the message. Source: TS 23.040 9.2.2.2a. */
export function writeSubmitReport(atMs: number): Uint8Array {
  return Uint8Array.from([1, 0, ...timeStamp(atMs)]);
}

/** SMS-STATUS-REPORT with no more messages behind it. Source: TS 23.040 9.2.2.3. */
export function writeStatusReport({ reference, recipient, submittedMs, doneMs, status }: StatusReport): Uint8Array {
  const address = tpAddress(recipient);
  return Uint8Array.from([6, reference, ...address, ...timeStamp(submittedMs), ...timeStamp(doneMs), status]);
}

/** Reads an SMS-STATUS-REPORT. Source: TS 23.040 9.2.2.3. */
export function readStatusReport(tpdu: Uint8Array): StatusReport | ParseFailure {
  const reader = new OctetReader(tpdu);
  const first = reader.octet();
  if (first === null || (first & 3) !== 2) return new ParseFailure('no SMS-STATUS-REPORT');
  const reference = reader.octet();
  const recipient = readTpAddress(reader);
  if (recipient instanceof ParseFailure) return recipient;
  const stamps = [reader.take(timeStampOctets), reader.take(timeStampOctets)] as const;
  const status = reader.octet();
  if (reference === null || stamps[0] === null || stamps[1] === null || status === null) {
    return new ParseFailure('SMS-STATUS-REPORT cut off');
  }
  const submittedMs = readTimeStamp(stamps[0]);
  const doneMs = readTimeStamp(stamps[1]);
  if (submittedMs instanceof ParseFailure) return submittedMs;
  return doneMs instanceof ParseFailure ? doneMs : { reference, recipient, submittedMs, doneMs, status };
}
