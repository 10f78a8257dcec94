/** Why a message did not leave, or was lost with its connection. Source: RFC 3261 18.4. */
export type TransportFailure = 'refused' | 'timeout' | 'closed' | 'unreachable' | 'too-large';

/** The failure that a system error code (`ECONNREFUSED`) stands for. */
export function failureOfCode(code: string | undefined): TransportFailure {
  switch (code) {
    case 'ECONNREFUSED':
      return 'refused';
    case 'ETIMEDOUT':
      return 'timeout';
    case 'ECONNRESET':
    case 'EPIPE':
    case 'ECONNABORTED':
      return 'closed';
    case 'EMSGSIZE':
      return 'too-large';
    default:
      return 'unreachable';
  }
}
