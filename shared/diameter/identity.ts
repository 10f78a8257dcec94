/** Who we are towards the peers. Source: RFC 6733 6.3, 6.4. */
export interface DiameterIdentity {
  readonly originHost: string;
  readonly originRealm: string;
}

const MAX_IDENTITY_LENGTH = 255;

/**
 * Whether a text looks like a DiameterIdentity: an FQDN of letters, digits, `-`, `_` and inner dots, no `aaa://`.
 * Source: RFC 6733 4.3.1.
 */
export function isDiameterIdentity(text: string): boolean {
  if (text.length === 0 || text.length > MAX_IDENTITY_LENGTH) return false;
  let labelLength = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x2e) {
      if (labelLength === 0) return false;
      labelLength = 0;
    } else if (isLabelCharacter(c)) {
      if (++labelLength > 63) return false;
    } else return false;
  }
  return labelLength > 0;
}

function isLabelCharacter(c: number): boolean {
  return (c >= 0x30 && c <= 0x39) || (c >= 0x41 && c <= 0x5a) || (c >= 0x61 && c <= 0x7a) || c === 0x2d || c === 0x5f;
}

/** Identities and realms compare without regard to case. Source: RFC 6733 4.3.1. */
export function sameIdentity(a: string, b: string): boolean {
  return a === b || (a.length === b.length && a.toLowerCase() === b.toLowerCase());
}
