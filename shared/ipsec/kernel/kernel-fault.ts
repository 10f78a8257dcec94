import { getSystemErrorMap } from 'node:util';
import { IpsecError } from '../ipsec-backend.ts';
import type { XfrmFault } from './xfrm-link.ts';

/** Numbers of errno.h on Linux that mean something here. */
export const errnoPermission = 1;
export const errnoNoEntry = 2;
export const errnoNoProcess = 3;
export const errnoExists = 17;
export const errnoNoFunction = 38;
export const errnoNoProtocol = 93;
export const errnoNoFamily = 97;

/** The name and the words of an errno: `EEXIST (file already exists)`. */
export function errnoWords(errno: number): string {
  const known = getSystemErrorMap().get(-errno);
  return known ? `${known[0]} (${known[1]})` : `errno ${errno}`;
}

/**
 * The error for something that the kernel refused: `what` and its reason in words. Requirement P-39.
 */
export function ipsecErrorOf(fault: XfrmFault, what: string): IpsecError {
  const text = fault.text === null || fault.text === '' ? '' : `: ${fault.text}`;
  return new IpsecError(codeOf(fault.errno), `${what}: ${errnoWords(fault.errno)}${text}`);
}

function codeOf(errno: number): IpsecError['code'] {
  switch (errno) {
    case errnoPermission:
      return 'ERR_IPSEC_DENIED';
    case errnoExists:
      return 'ERR_IPSEC_EXISTS';
    case errnoNoEntry:
    case errnoNoFunction:
    case errnoNoProtocol:
    case errnoNoFamily:
      return 'ERR_IPSEC_UNSUPPORTED';
    default:
      return 'ERR_IPSEC_FAILED';
  }
}
