import type { RequestFailure } from '#diameter/client';
import {
  type CxAnswer,
  cxResultCodes,
  type LocationInfoAnswer,
  type MultimediaAuthAnswer,
  type ServerAssignmentAnswer,
  type UserAuthorizationAnswer,
} from '#diameter/cx/cx-results';
import { VENDOR_3GPP } from '#diameter/dictionary/dictionary';
import { resultCodes } from '#diameter/errors';
import { isSuccess } from '#diameter/result';
import type { Reason } from '#sip/reasons';
import { reasons } from './reasons.ts';

/** Experimental-Result codes that one command gives a meaning of its own; all others are told by baseRefusal. */
type ReasonTable = ReadonlyMap<number, Reason>;

const identityReasons: readonly (readonly [number, Reason])[] = [
  [cxResultCodes.ERROR_USER_UNKNOWN, reasons.userUnknown],
  [cxResultCodes.ERROR_IDENTITIES_DONT_MATCH, reasons.identitiesDontMatch],
];

const uarReasons: ReasonTable = new Map([
  ...identityReasons,
  [cxResultCodes.ERROR_IDENTITY_NOT_REGISTERED, reasons.identityNotRegistered],
  [cxResultCodes.ERROR_ROAMING_NOT_ALLOWED, reasons.roamingNotAllowed],
]);

const lirReasons: ReasonTable = new Map([
  [cxResultCodes.ERROR_IDENTITY_NOT_REGISTERED, reasons.calleeNotRegistered],
  [cxResultCodes.SUCCESS_SERVER_NAME_NOT_STORED, reasons.serverNameNotStored],
]);

const marReasons: ReasonTable = new Map([
  ...identityReasons,
  [cxResultCodes.ERROR_AUTH_SCHEME_NOT_SUPPORTED, reasons.authSchemeNotSupported],
]);

const sarReasons: ReasonTable = new Map([
  ...uarReasons,
  [cxResultCodes.ERROR_IDENTITY_ALREADY_REGISTERED, reasons.assignmentConflict],
  [cxResultCodes.ERROR_IN_ASSIGNMENT_TYPE, reasons.assignmentConflict],
]);

/**
 * Why the outcome of a UAR refuses the REGISTER, null when it leads to an S-CSCF.
 *
 * Source: TS 29.228 6.1.1, TS 24.229 5.3.1.2; requirement I-12.
 */
export function uarRefusal(outcome: UserAuthorizationAnswer | RequestFailure): Reason | null {
  return refusalOf(outcome, uarReasons);
}

/**
 * Why the outcome of a LIR refuses the request, null when it leads to an S-CSCF. `unknownUser` is the status for a user
 * the HSS does not know (604 or 404; an originating request takes 404).
 *
 * Source: TS 29.228 6.1.4, TS 24.229 5.3.2.1; requirement I-22.
 */
export function lirRefusal(outcome: LocationInfoAnswer | RequestFailure, unknownUser: 604 | 404): Reason | null {
  if (outcome.failure === undefined) {
    const code = experimentalCode(outcome);
    if (code === cxResultCodes.ERROR_USER_UNKNOWN) {
      return unknownUser === 604 ? reasons.doesNotExist : reasons.unknownUser;
    }
    if (code === cxResultCodes.SUCCESS_SERVER_NAME_NOT_STORED && outcome.serverName !== undefined) return null;
  }
  return refusalOf(outcome, lirReasons);
}

/**
 * Why the outcome of a MAR refuses the REGISTER, null when it should carry a vector.
 *
 * Source: TS 29.228 6.3.1; requirement S-07.
 */
export function marRefusal(outcome: MultimediaAuthAnswer | RequestFailure): Reason | null {
  return refusalOf(outcome, marReasons);
}

/**
 * Why the outcome of a SAR refuses the REGISTER, null when the HSS took the assignment.
 *
 * Source: TS 29.228 6.1.2; requirement S-22.
 */
export function sarRefusal(outcome: ServerAssignmentAnswer | RequestFailure): Reason | null {
  return refusalOf(outcome, sarReasons);
}

/** What a refusal's Warning and the log say beside the reason: the code and the words of the HSS. */
export function outcomeDetail(outcome: CxAnswer | RequestFailure): string {
  if (outcome.failure !== undefined) return outcome.words;
  const { kind, code } = outcome.result;
  const said = outcome.errorMessage === undefined ? '' : `: ${outcome.errorMessage.slice(0, 100)}`;
  return `${kind === 'base' ? 'Result-Code' : 'Experimental-Result'} ${code}${said}`;
}

/** Seconds for Retry-After of a refusal that passes by itself, 0 for one that does not. Requirements I-12, S-07. */
export function retryAfterSeconds(reason: Reason): number {
  return reason === reasons.hssBusy ? 5 : 0;
}

function refusalOf(outcome: CxAnswer | RequestFailure, table: ReasonTable): Reason | null {
  if (outcome.failure !== undefined) return failureReason(outcome);
  return table.get(experimentalCode(outcome)) ?? baseRefusal(outcome);
}

function failureReason(failure: RequestFailure): Reason {
  switch (failure.failure) {
    case 'timeout':
      return reasons.hssTimeout;
    case 'no-peer':
    case 'peer-lost':
      return reasons.hssUnreachable;
    case 'malformed':
      return reasons.hssMalformed;
  }
}

/** The code of an Experimental-Result of 3GPP (some HSSs leave the vendor out), else 0. */
function experimentalCode({ result }: CxAnswer): number {
  if (result.kind !== 'experimental') return 0;
  return result.vendor === VENDOR_3GPP || result.vendor === 0 ? result.code : 0;
}

/** What every Cx answer may say; base 5003 is not to be taken for experimental 5003. Source: RFC 6733 7.1. */
function baseRefusal({ result }: CxAnswer): Reason | null {
  if (isSuccess(result.code)) return null;
  if (result.kind === 'experimental') return reasons.hssError;
  switch (result.code) {
    case resultCodes.AUTHORIZATION_REJECTED:
      return reasons.authorizationRejected;
    case resultCodes.TOO_BUSY:
      return reasons.hssBusy;
    default:
      return reasons.hssError;
  }
}
