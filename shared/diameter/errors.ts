/** Result-Code values that the code names. Source: RFC 6733 7.1. */
export const resultCodes = {
  SUCCESS: 2001,
  LIMITED_SUCCESS: 2002,
  COMMAND_UNSUPPORTED: 3001,
  UNABLE_TO_DELIVER: 3002,
  REALM_NOT_SERVED: 3003,
  TOO_BUSY: 3004,
  LOOP_DETECTED: 3005,
  REDIRECT_INDICATION: 3006,
  APPLICATION_UNSUPPORTED: 3007,
  INVALID_HDR_BITS: 3008,
  INVALID_AVP_BITS: 3009,
  UNKNOWN_PEER: 3010,
  AVP_UNSUPPORTED: 5001,
  UNKNOWN_SESSION_ID: 5002,
  AUTHORIZATION_REJECTED: 5003,
  INVALID_AVP_VALUE: 5004,
  MISSING_AVP: 5005,
  CONTRADICTING_AVPS: 5007,
  AVP_OCCURS_TOO_MANY_TIMES: 5009,
  NO_COMMON_APPLICATION: 5010,
  UNSUPPORTED_VERSION: 5011,
  UNABLE_TO_COMPLY: 5012,
  INVALID_AVP_LENGTH: 5014,
  INVALID_MESSAGE_LENGTH: 5015,
} as const;

/**
 * What a peer sent wrong, as a value: the decoder returns it, nothing throws on the packet path.
 *
 * `resultCode` is what an answer would say, `offset` the octet in the message, `failedAvp` a whole AVP for the
 * Failed-AVP of that answer (undefined when no AVP is to blame). Source: RFC 6733 7.1.5, 7.5.
 */
export class DecodeFailure {
  readonly resultCode: number;
  readonly reason: string;
  readonly offset: number;
  readonly failedAvp: Buffer | undefined;

  constructor(resultCode: number, reason: string, offset: number, failedAvp?: Buffer) {
    this.resultCode = resultCode;
    this.reason = reason;
    this.offset = offset;
    this.failedAvp = failedAvp;
  }
}

/** A failure of the world or of the caller (not of a peer's bytes), with a stable `ERR_*` code. */
export class DiameterError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
