/** Character classes of RFC 3261 25.1, looked up by code (latin1). */
const tokenTable = new Uint8Array(256);
for (const c of "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~")
  tokenTable[c.charCodeAt(0)] = 1;

export const lf = 10;
export const cr = 13;
export const space = 32;
export const tab = 9;
export const colon = 58;

/** Whether a character may stand in a token. Source: RFC 3261 25.1. */
export function isTokenCode(code: number): boolean {
  return code < 256 && tokenTable[code] === 1;
}

export function isBlank(code: number): boolean {
  return code === space || code === tab;
}

/** Whether [start, end) is a token (at least one character). */
export function isTokenAt(text: string, start: number, end: number): boolean {
  if (end <= start) return false;
  for (let i = start; i < end; i++) if (!isTokenCode(text.charCodeAt(i))) return false;
  return true;
}
