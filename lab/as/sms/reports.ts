import { tpAddress } from './sms-address.ts';
import { timeStamp } from './time-stamp.ts';

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
