import { type Avp, avp } from './codec/avp-types.ts';
import type { DiameterMessage } from './codec/message.ts';
import { baseAvps } from './dictionary/base.ts';
import { VENDOR_3GPP } from './dictionary/dictionary.ts';

/** The outcome that an answer tells: Result-Code, or Experimental-Result with its vendor (else 0). */
export interface DiameterResult {
  readonly kind: 'base' | 'experimental';
  readonly code: number;
  readonly vendor: number;
}

export function baseResult(code: number): DiameterResult {
  return { kind: 'base', code, vendor: 0 };
}

export function experimentalResult(code: number, vendor = VENDOR_3GPP): DiameterResult {
  return { kind: 'experimental', code, vendor };
}

/**
 * Reads the outcome of an answer, undefined when it tells none. If both forms appear, the experimental one counts
 * when its vendor is 3GPP and the Result-Code is no success; a second Result-Code is not looked at.
 * Source: RFC 6733 7.1, 7.6; TS 29.229 6.2.
 */
export function readResult(answer: DiameterMessage): DiameterResult | undefined {
  const code = answer.avps.unsigned32(baseAvps.resultCode);
  if (code !== undefined && isSuccess(code)) return baseResult(code);
  const group = answer.avps.grouped(baseAvps.experimentalResult);
  const experimentalCode = group?.unsigned32(baseAvps.experimentalResultCode);
  if (group !== undefined && experimentalCode !== undefined) {
    const vendor = group.unsigned32(baseAvps.vendorId) ?? 0;
    if (code === undefined || vendor === VENDOR_3GPP) return experimentalResult(experimentalCode, vendor);
  }
  return code === undefined ? undefined : baseResult(code);
}

/** The AVP that tells an outcome. */
export function resultAvp(result: DiameterResult): Avp {
  if (result.kind === 'base') return avp(baseAvps.resultCode, result.code);
  return avp(baseAvps.experimentalResult, [
    avp(baseAvps.vendorId, result.vendor),
    avp(baseAvps.experimentalResultCode, result.code),
  ]);
}

export function isSuccess(code: number): boolean {
  return code >= 2000 && code < 3000;
}

/** 3xxx: an answer with it sets the E bit. Source: RFC 6733 7.1.3. */
export function isProtocolError(code: number): boolean {
  return code >= 3000 && code < 4000;
}
