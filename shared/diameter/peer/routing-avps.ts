import { uint24, uint32 } from '../codec/avp-list.ts';
import { FLAG_RETRANSMITTED, HEADER_LENGTH } from '../codec/message.ts';
import { baseAvps } from '../dictionary/base.ts';
import { VENDOR_3GPP } from '../dictionary/dictionary.ts';
import { sameIdentity } from '../identity.ts';
import { isSuccess } from '../result.ts';

/** What a request says of its way; undefined: the AVP is not there. */
export interface RequestRouting {
  readonly sessionId: string;
  readonly originHost: string;
  readonly destinationHost: string | undefined;
  readonly destinationRealm: string | undefined;
  /** A Route-Record with the identity that was given. */
  readonly passedHere: boolean;
}

/** An outcome as one number: a Result-Code, an Experimental-Result-Code as its negative, 0 when there is none. */
export type Outcome = number;

/**
 * Reads what routing needs out of a request that is not decoded. It stops where lengths make no sense: who decodes the
 * request finds out and says so. `own`: our Origin-Host. Source: RFC 6733 6.1.
 */
export function readRouting(octets: Buffer, own: string): RequestRouting {
  let sessionId = '';
  let originHost = '';
  let destinationHost: string | undefined;
  let destinationRealm: string | undefined;
  let passedHere = false;
  for (let at = HEADER_LENGTH, end = 0; (end = endOfAvp(octets, at)) > 0; at = (end + 3) & ~3) {
    if (isOfVendor(octets, at)) continue;
    switch (uint32(octets, at)) {
      case baseAvps.sessionId.code:
        sessionId ||= octets.toString('latin1', at + 8, end);
        break;
      case baseAvps.originHost.code:
        originHost ||= octets.toString('latin1', at + 8, end);
        break;
      case baseAvps.destinationHost.code:
        destinationHost ??= octets.toString('latin1', at + 8, end);
        break;
      case baseAvps.destinationRealm.code:
        destinationRealm ??= octets.toString('latin1', at + 8, end);
        break;
      case baseAvps.routeRecord.code:
        passedHere ||= sameIdentity(octets.toString('latin1', at + 8, end), own);
        break;
    }
  }
  return { sessionId, originHost, destinationHost, destinationRealm, passedHere };
}

/** Reads the outcome out of an answer that is not decoded, by the rule of `readResult`. Source: RFC 6733 7.1, 7.6. */
export function readOutcome(octets: Buffer): Outcome {
  let code = 0;
  let experimental = 0;
  let vendor = 0;
  for (let at = HEADER_LENGTH, end = 0; (end = endOfAvp(octets, at)) > 0; at = (end + 3) & ~3) {
    if (isOfVendor(octets, at)) continue;
    const name = uint32(octets, at);
    if (name === baseAvps.resultCode.code && code === 0 && end - at === 12) code = uint32(octets, at + 8);
    if (name !== baseAvps.experimentalResult.code) continue;
    for (let inner = at + 8; inner + 12 <= end; inner += (uint24(octets, inner + 5) + 3) & ~3 || 12) {
      if (uint32(octets, inner) === baseAvps.vendorId.code) vendor = uint32(octets, inner + 8);
      if (uint32(octets, inner) === baseAvps.experimentalResultCode.code) experimental = uint32(octets, inner + 8);
    }
  }
  if (experimental !== 0 && (code === 0 || (vendor === VENDOR_3GPP && !isSuccess(code)))) return -experimental;
  return code;
}

/** A copy of a request for another peer, marked as one that may have been served. Source: RFC 6733 3 (T), 5.5.4. */
export function retransmissionOf(octets: Buffer): Buffer {
  const copy = Buffer.from(octets);
  copy[4]! |= FLAG_RETRANSMITTED;
  return copy;
}

/** A copy of a request without Destination-Host, so that another host of the realm may serve it. */
export function withoutDestinationHost(octets: Buffer): Buffer {
  for (let at = HEADER_LENGTH, end = 0; (end = endOfAvp(octets, at)) > 0; at = (end + 3) & ~3) {
    if (isOfVendor(octets, at) || uint32(octets, at) !== baseAvps.destinationHost.code) continue;
    const copy = Buffer.concat([octets.subarray(0, at), octets.subarray((end + 3) & ~3)]);
    copy.writeUIntBE(copy.length, 1, 3);
    return copy;
  }
  return octets;
}

/** Where the AVP at an offset ends, padding excluded; 0 when there is none or its length cannot be. */
function endOfAvp(octets: Buffer, at: number): number {
  if (at + 8 > octets.length) return 0;
  const length = uint24(octets, at + 5);
  return length < (isOfVendor(octets, at) ? 12 : 8) || at + length > octets.length ? 0 : at + length;
}

function isOfVendor(octets: Buffer, at: number): boolean {
  return (octets[at + 4]! & 0x80) !== 0;
}
