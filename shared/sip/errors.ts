/**
 * What a peer sent wrong, as a value: parsers return it, nothing throws on the packet path.
 *
 * `reason` is a short sentence for logs and Warning texts, `offset` the position in the parsed text (characters).
 */
export class ParseFailure {
  readonly reason: string;
  readonly offset: number;

  constructor(reason: string, offset = 0) {
    this.reason = reason;
    this.offset = offset;
  }
}

/** A failure of the world (not of a peer's bytes), with a stable `ERR_*` code. */
export class SipError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
