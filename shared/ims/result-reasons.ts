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
import { type DiameterResult, isSuccess } from '#diameter/result';
import type { Reason } from '#sip/reasons';
import { reasons } from './reasons.ts';

/** The requests of a CSCF to the HSS. */
export type CxCommand = 'UAR' | 'LIR' | 'MAR' | 'SAR';

/** One row of the table: a result of one command, or of any, refuses the SIP request for this reason. */
export interface ResultRow {
  readonly command: CxCommand | 'any';
  readonly kind: DiameterResult['kind'];
  readonly code: number;
  readonly reason: Reason;
}

const cx = cxResultCodes;
const row = (command: ResultRow['command'], kind: ResultRow['kind'], code: number, reason: Reason): ResultRow => ({
  command,
  kind,
  code,
  reason,
});

/**
 * What each result of the HSS does to the SIP request. Success that is not listed lets it go on, any other result is
 * `hss-error`. An unknown user of a LIR is told by the caller (604 or 404).
 *
 * Source: TS 29.228 6.1, 6.3, TS 24.229 5.3.1.2, 5.3.2.1, RFC 6733 7.1; requirements I-12, I-22, S-07, S-22.
 */
export const resultRows: readonly ResultRow[] = Object.freeze([
  row('UAR', 'experimental', cx.ERROR_USER_UNKNOWN, reasons.userUnknown),
  row('UAR', 'experimental', cx.ERROR_IDENTITIES_DONT_MATCH, reasons.identitiesDontMatch),
  row('UAR', 'experimental', cx.ERROR_IDENTITY_NOT_REGISTERED, reasons.identityNotRegistered),
  row('UAR', 'experimental', cx.ERROR_ROAMING_NOT_ALLOWED, reasons.roamingNotAllowed),

  row('LIR', 'experimental', cx.SUCCESS_SERVER_NAME_NOT_STORED, reasons.serverNameNotStored),
  row('LIR', 'experimental', cx.ERROR_USER_UNKNOWN, reasons.unknownUser),
  row('LIR', 'experimental', cx.ERROR_IDENTITY_NOT_REGISTERED, reasons.calleeNotRegistered),

  row('MAR', 'experimental', cx.ERROR_USER_UNKNOWN, reasons.userUnknown),
  row('MAR', 'experimental', cx.ERROR_IDENTITIES_DONT_MATCH, reasons.identitiesDontMatch),
  row('MAR', 'experimental', cx.ERROR_AUTH_SCHEME_NOT_SUPPORTED, reasons.authSchemeNotSupported),

  row('SAR', 'experimental', cx.ERROR_USER_UNKNOWN, reasons.userUnknown),
  row('SAR', 'experimental', cx.ERROR_IDENTITIES_DONT_MATCH, reasons.identitiesDontMatch),
  row('SAR', 'experimental', cx.ERROR_IDENTITY_NOT_REGISTERED, reasons.identityNotRegistered),
  row('SAR', 'experimental', cx.ERROR_ROAMING_NOT_ALLOWED, reasons.roamingNotAllowed),
  row('SAR', 'experimental', cx.ERROR_IDENTITY_ALREADY_REGISTERED, reasons.assignmentConflict),
  row('SAR', 'experimental', cx.ERROR_IN_ASSIGNMENT_TYPE, reasons.assignmentConflict),
  row('SAR', 'experimental', cx.ERROR_TOO_MUCH_DATA, reasons.profileTooLarge),

  // Base 5003 is not to be taken for experimental 5003.
  row('any', 'base', resultCodes.AUTHORIZATION_REJECTED, reasons.authorizationRejected),
  row('any', 'base', resultCodes.TOO_BUSY, reasons.hssBusy),
  row('any', 'base', resultCodes.UNABLE_TO_DELIVER, reasons.hssUnroutable),
  row('any', 'base', resultCodes.REALM_NOT_SERVED, reasons.hssUnroutable),
]);

/** What a command's answers may say beside the rows above, so that a number is not given a name it does not have there. */
const furtherResults: Readonly<Record<CxCommand, readonly number[]>> = {
  UAR: [cx.FIRST_REGISTRATION, cx.SUBSEQUENT_REGISTRATION, cx.SERVER_SELECTION],
  LIR: [cx.UNREGISTERED_SERVICE],
  MAR: [],
  SAR: [cx.ERROR_NOT_SUPPORTED_USER_DATA],
};

const answerNames: Readonly<Record<CxCommand, string>> = { UAR: 'UAA', LIR: 'LIA', MAR: 'MAA', SAR: 'SAA' };
const commands: readonly CxCommand[] = ['UAR', 'LIR', 'MAR', 'SAR'];
const EXPERIMENTAL = 1 << 16;

/** The rows of each command, by code; experimental codes carry a bit of their own. */
const reasonsOf = new Map(
  commands.map((command) => {
    const own = resultRows.filter((entry) => entry.command === command || entry.command === 'any');
    return [command, new Map(own.map(({ kind, code, reason }) => [keyOf(kind, code), reason]))];
  }),
);

function keyOf(kind: DiameterResult['kind'], code: number): number {
  return kind === 'experimental' ? code | EXPERIMENTAL : code;
}

/**
 * Why the outcome of a UAR refuses the REGISTER, null when it leads to an S-CSCF.
 *
 * Source: TS 29.228 6.1.1, TS 24.229 5.3.1.2; requirement I-12.
 */
export function uarRefusal(outcome: UserAuthorizationAnswer | RequestFailure): Reason | null {
  return refusalOf('UAR', outcome);
}

/**
 * Why the outcome of a LIR refuses the request, null when it leads to an S-CSCF. `unknownUser` is the status for a user
 * the HSS does not know (604 or 404; an originating request takes 404).
 *
 * Source: TS 29.228 6.1.4, TS 24.229 5.3.2.1; requirement I-22.
 */
export function lirRefusal(outcome: LocationInfoAnswer | RequestFailure, unknownUser: 604 | 404): Reason | null {
  const refusal = refusalOf('LIR', outcome);
  if (refusal === reasons.unknownUser && unknownUser === 604) return reasons.doesNotExist;
  if (refusal === reasons.serverNameNotStored && outcome.failure === undefined && outcome.serverName !== undefined) {
    return null;
  }
  return refusal;
}

/**
 * Why the outcome of a MAR refuses the REGISTER, null when it should carry a vector.
 *
 * Source: TS 29.228 6.3.1; requirement S-07.
 */
export function marRefusal(outcome: MultimediaAuthAnswer | RequestFailure): Reason | null {
  return refusalOf('MAR', outcome);
}

/**
 * Why the outcome of a SAR refuses the REGISTER, null when the HSS took the assignment.
 *
 * Source: TS 29.228 6.1.2; requirement S-22.
 */
export function sarRefusal(outcome: ServerAssignmentAnswer | RequestFailure): Reason | null {
  return refusalOf('SAR', outcome);
}

/**
 * What Warning and log say of an outcome beside the reason: `UAA 5004 ROAMING_NOT_ALLOWED from hss.ims.test`, and the
 * words of the HSS where it has some. A code that the answers of this command do not have is said to be strange.
 */
export function outcomeDetail(command: CxCommand, outcome: CxAnswer | RequestFailure): string {
  if (outcome.failure !== undefined) return `${command}: ${outcome.words}`;
  const { result, originHost, errorMessage, failedAvp } = outcome;
  let words = `${answerNames[command]} ${result.code} ${nameOf(command, result)}`;
  if (originHost !== '') words += ` from ${originHost}`;
  if (errorMessage !== undefined) words += `: ${errorMessage.slice(0, 100)}`;
  if (failedAvp !== undefined) words += ` (Failed-AVP ${failedAvp})`;
  return words;
}

/** Seconds for Retry-After of a refusal that passes by itself, 0 for one that does not. Requirements I-12, S-07. */
export function retryAfterSeconds(reason: Reason): number {
  return reason === reasons.hssBusy ? 5 : 0;
}

function refusalOf(command: CxCommand, outcome: CxAnswer | RequestFailure): Reason | null {
  if (outcome.failure !== undefined) return failureReason(outcome);
  const { kind, code } = outcome.result;
  const known = isOfCx(outcome.result) ? reasonsOf.get(command)!.get(keyOf(kind, code)) : undefined;
  return known ?? (isSuccess(code) ? null : reasons.hssError);
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

/** A base code, or an experimental one of 3GPP (some HSSs leave the vendor out). */
function isOfCx(result: DiameterResult): boolean {
  return result.kind === 'base' || result.vendor === VENDOR_3GPP || result.vendor === 0;
}

const baseNames = namesOf(resultCodes);
const cxNames = namesOf(cxResultCodes);

function namesOf(codes: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  return new Map(Object.entries(codes).map(([name, code]) => [code, name.replace(/^ERROR_/, '')]));
}

function nameOf(command: CxCommand, result: DiameterResult): string {
  const { kind, code, vendor } = result;
  if (kind === 'base') return baseNames.get(code) ?? 'of no known meaning';
  if (!isOfCx(result)) return `of vendor ${vendor}`;
  const has = reasonsOf.get(command)!.has(keyOf(kind, code)) || furtherResults[command].includes(code);
  const name = cxNames.get(code);
  if (name === undefined || !(has || code > cx.ERROR_NOT_SUPPORTED_USER_DATA)) {
    return `(experimental, which means nothing in a ${answerNames[command]})`;
  }
  return name;
}
