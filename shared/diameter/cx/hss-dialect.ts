import type { DiameterMessage } from '../codec/message.ts';
import { VENDOR_3GPP } from '../dictionary/dictionary.ts';
import { resultCodes } from '../errors.ts';
import { baseResult, type DiameterResult, experimentalResult } from '../result.ts';

/** How an HSS numbers its errors: as 3GPP does, or as Open5GS. */
export type HssDialect = '3gpp' | 'open5gs';

const SH_APPLICATION = 16777217;
const IDENTITY_ALREADY_REGISTERED = 5005;
const USER_UNKNOWN = 5001;

/**
 * What an answer means that PyHSS sends under the application of Sh: nothing but "I do not know this user", said by
 * 5001 in a UAA and by 5005 in a SAA. Other answers mean what they say.
 */
export function mendResult(answer: DiameterMessage, result: DiameterResult): DiameterResult {
  if (answer.application !== SH_APPLICATION) return result;
  return result.kind === 'experimental' && result.code === IDENTITY_ALREADY_REGISTERED
    ? experimentalResult(USER_UNKNOWN)
    : result;
}

/**
 * The base result that Open5GS means by an Experimental-Result: its numbers for a missing and an invalid AVP are
 * exchanged, and they are told as if they were codes of Cx (roaming, registered elsewhere), which it does not use.
 */
export function translateResult(dialect: HssDialect, result: DiameterResult): DiameterResult {
  if (dialect === '3gpp' || result.kind !== 'experimental' || result.vendor !== VENDOR_3GPP) return result;
  if (result.code === 5004) return baseResult(resultCodes.MISSING_AVP);
  if (result.code === 5005) return baseResult(resultCodes.INVALID_AVP_VALUE);
  return result;
}
