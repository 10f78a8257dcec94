import { type DigestParameters, formatDigest, parseDigest } from '#sip/auth/digest';
import { ParseFailure } from '#sip/errors';

/** Authentication-Info: the server's half of a digest authentication; what is absent is ''. */
export interface AuthenticationInfo {
  /** The nonce to use next. */
  readonly nextNonce: string;
  readonly qop: string;
  /** Proof that the server knows the secret as well. */
  readonly rspauth: string;
  readonly cnonce: string;
  readonly nc: string;
  /** All parameters as received. */
  readonly parameters: DigestParameters;
}

const scheme = 'Digest ';

/** Reads an Authentication-Info, by the rules of `parseDigest`. Source: RFC 7616 3.5; requirement S-15. */
export function parseAuthenticationInfo(value: string): AuthenticationInfo | ParseFailure {
  const parameters = parseDigest(scheme + value);
  if (parameters instanceof ParseFailure) {
    return new ParseFailure(parameters.reason, Math.max(0, parameters.offset - scheme.length));
  }
  return {
    nextNonce: parameters.get('nextnonce') ?? '',
    qop: parameters.get('qop') ?? '',
    rspauth: parameters.get('rspauth') ?? '',
    cnonce: parameters.get('cnonce') ?? '',
    nc: parameters.get('nc') ?? '',
    parameters,
  };
}

/** Writes an Authentication-Info out of its parameters. */
export function formatAuthenticationInfo({ parameters }: Pick<AuthenticationInfo, 'parameters'>): string {
  return formatDigest(parameters.list).slice(scheme.length);
}
