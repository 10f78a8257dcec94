import type { RequestFailure } from '../client.ts';
import { VENDOR_3GPP } from '../dictionary/dictionary.ts';
import { resultCodes } from '../errors.ts';
import { type DiameterResult, isSuccess } from '../result.ts';
import type { AcceptableServiceInfo } from './media-component.ts';
import { type AaAnswer, rxResultCodes, rxResultWords } from './rx-results.ts';

/** What the answer to an AAR means for the SIP message that waits for it; `words` says why, for the log. */
export type RxOutcome =
  /** Go on; `granted` tells whether the PCRF said yes, or whether we go on without it. */
  | { readonly kind: 'continue'; readonly granted: boolean; readonly words: string }
  /** 488: the media will not do, `acceptable` says what would. */
  | { readonly kind: 'not-acceptable'; readonly acceptable: AcceptableServiceInfo | undefined; readonly words: string }
  /** 503 with Retry-After, or the release of what is there. */
  | { readonly kind: 'unavailable'; readonly retryAfterSeconds: number; readonly words: string }
  /** End the session at the PCRF, and ask once more under another Session-Id. */
  | { readonly kind: 'retry-after-str'; readonly words: string };

export interface RxOutcomePolicy {
  /** Whether there is a service without the PCRF's yes. */
  readonly mode: 'optional' | 'required';
  /** Retry-After where the PCRF names no Retry-Interval; default 5. */
  readonly retryAfterSeconds?: number | undefined;
}

const DEFAULT_RETRY_AFTER_SECONDS = 5;
/** A PCRF may not send a UE away for longer. */
const MAX_RETRY_AFTER_SECONDS = 3600;

/**
 * What follows from the answer to an AAR, or from its having brought none. An update that the PCRF knows no session for
 * (5002) is asked anew as well as a duplicated one: both need another session.
 *
 * Source: TS 29.214 4.4.1, 5.5; TS 24.229 5.2.7.4; requirement P-125.
 */
export function rxOutcome(answer: AaAnswer | RequestFailure, policy: RxOutcomePolicy): RxOutcome {
  if (answer.failure !== undefined) return withoutConsent(`no answer of a PCRF: ${answer.words}`, policy, undefined);
  const { acceptable, result } = answer;
  const words = rxResultWords(result, answer.errorMessage);
  if (result.kind === 'base' && isSuccess(result.code)) return { kind: 'continue', granted: true, words };
  switch (rxCodeOf(result)) {
    case rxResultCodes.INVALID_SERVICE_INFORMATION:
    case rxResultCodes.FILTER_RESTRICTIONS:
      return { kind: 'not-acceptable', acceptable, words };
    case rxResultCodes.REQUESTED_SERVICE_NOT_AUTHORIZED:
      if (acceptable !== undefined) return { kind: 'not-acceptable', acceptable, words };
      break;
    case rxResultCodes.DUPLICATED_AF_SESSION:
      return { kind: 'retry-after-str', words };
    default:
      if (isUnknownSession(result)) return { kind: 'retry-after-str', words };
  }
  return withoutConsent(words, policy, answer.retryInterval);
}

/** What follows where the PCRF gave no consent and no way to get it: by policy. */
export function withoutConsent(
  words: string,
  { mode, retryAfterSeconds = DEFAULT_RETRY_AFTER_SECONDS }: RxOutcomePolicy,
  retryInterval: number | undefined,
): RxOutcome {
  if (mode === 'optional') return { kind: 'continue', granted: false, words };
  const seconds = Math.min(MAX_RETRY_AFTER_SECONDS, retryInterval ?? retryAfterSeconds);
  return { kind: 'unavailable', retryAfterSeconds: seconds, words };
}

/** Result 5002: the PCRF holds no such session. Source: RFC 6733 7.1.5. */
export function isUnknownSession(result: DiameterResult): boolean {
  return result.kind === 'base' && result.code === resultCodes.UNKNOWN_SESSION_ID;
}

/** The code of an Rx result; some PCRFs put it into Result-Code. 0 for what is none. */
function rxCodeOf(result: DiameterResult): number {
  const isBase = result.kind === 'base' && result.code >= rxResultCodes.INVALID_SERVICE_INFORMATION;
  return isBase || (result.kind === 'experimental' && result.vendor === VENDOR_3GPP) ? result.code : 0;
}
