/**
 * Character classes and small scanners for URIs and header values. Text is latin1 without line folding (the message
 * layer unfolds); only SP and HT are blanks here, so CR, LF and NUL are refused wherever a grammar is checked.
 */

/** token. Source: RFC 3261 25.1. */
export const tokenClass = 1;
/** user part; `#` is let through as well: dialled service codes arrive unescaped. Source: RFC 3261 25.1. */
export const userClass = 2;
export const passwordClass = 4;
/** Names and values of URI parameters. */
export const uriParameterClass = 8;
/** Header part of a SIP URI, with its `&` and `=`. */
export const uriHeadersClass = 16;
export const hexClass = 32;
/** Unquoted value of a header parameter: every visible ASCII character but `" , ; < > \`. */
export const valueClass = 64;
/** What may stand between `<` and `>`: every visible ASCII character but `" < >`. */
export const uriTextClass = 128;
/** URI scheme after its first letter. Source: RFC 3986 3.1. */
export const schemeClass = 256;
/** tel number: digits, hexadecimal letters, `*`, `#`, visual separators. Source: RFC 3966 3. */
export const telClass = 512;
/** Unquoted display name: tokens, blanks, and bytes of UTF-8. */
export const displayClass = 1024;

const classes = new Uint16Array(256);

function mark(characters: string, mask: number): void {
  for (const c of characters) classes[c.charCodeAt(0)]! |= mask;
}

const digits = '0123456789';
const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const unreserved = `${letters}${digits}-_.!~*'()`;
mark(`${letters}${digits}-.!%*_+\`'~`, tokenClass | displayClass);
mark(`${unreserved}&=+$,;?/#`, userClass);
mark(`${unreserved}&=+$,`, passwordClass);
mark(`${unreserved}[]/:&+$`, uriParameterClass);
mark(`${unreserved}[]/?:+$&=`, uriHeadersClass);
mark(`${digits}abcdefABCDEF`, hexClass | telClass);
mark('*#-.()', telClass);
mark(`${letters}${digits}+-.`, schemeClass);
mark(' \t', displayClass);
for (let code = 0x21; code < 0x7f; code++) {
  const c = String.fromCharCode(code);
  if (!'",;<>\\'.includes(c)) classes[code]! |= valueClass;
  if (!'"<>'.includes(c)) classes[code]! |= uriTextClass;
}
for (let code = 0x80; code < 0x100; code++) classes[code]! |= displayClass;

/** Whether a character code belongs to one of the classes in the mask; NaN (past the end) belongs to none. */
export function isOf(code: number, mask: number): boolean {
  return code < 256 && (classes[code]! & mask) !== 0;
}

export function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

export function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

/** First position from `from` that holds no character of the class, at most `to`. */
export function skipClass(text: string, from: number, to: number, mask: number): number {
  let i = from;
  while (i < to && isOf(text.charCodeAt(i), mask)) i++;
  return i;
}

/** Like skipClass, with `%` and two hexadecimal digits counted in; a broken escape stops it. */
export function skipEscaped(text: string, from: number, to: number, mask: number): number {
  let i = from;
  while (i < to) {
    const code = text.charCodeAt(i);
    if (isOf(code, mask)) {
      i++;
    } else if (code === 37 && i + 2 < to && isOf(text.charCodeAt(i + 1), hexClass)) {
      if (!isOf(text.charCodeAt(i + 2), hexClass)) return i;
      i += 3;
    } else {
      return i;
    }
  }
  return i;
}

/** First position from `from` that is no blank, at most `to`. */
export function skipBlanks(text: string, from: number, to: number): number {
  let i = from;
  while (i < to && isBlank(text.charCodeAt(i))) i++;
  return i;
}

/** End of [from, to) without the blanks at its end. */
export function trimEnd(text: string, from: number, to: number): number {
  let end = to;
  while (end > from && isBlank(text.charCodeAt(end - 1))) end--;
  return end;
}

/**
 * Position after the quoted string that opens at `from`, -1 when it never closes or holds a bare control character.
 *
 * Source: RFC 3261 25.1.
 */
export function quotedEnd(text: string, from: number, to: number): number {
  for (let i = from + 1; i < to; i++) {
    const code = text.charCodeAt(i);
    if (code === 34) return i + 1;
    if (code === 92) i++;
    else if ((code < 32 && code !== 9) || code === 127) return -1;
  }
  return -1;
}

/** Whether two character codes are the same letter in any case, or the same character. */
export function sameLetter(a: number, b: number): boolean {
  if (a === b) return true;
  const lower = a | 32;
  return lower === (b | 32) && lower >= 97 && lower <= 122;
}

/** Whether `name` stands at `at`, letters in any case. */
export function matchesAt(text: string, at: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    if (!sameLetter(text.charCodeAt(at + i), name.charCodeAt(i))) return false;
  }
  return true;
}

/** Whether two ASCII texts are equal, letters in any case. */
export function equalsIgnoreCase(a: string, b: string): boolean {
  return a.length === b.length && matchesAt(a, 0, b);
}

/** [from, to) in lower case; for ranges that were checked to be ASCII. */
export function lowerSlice(text: string, from: number, to: number): string {
  for (let i = from; i < to; i++) {
    const code = text.charCodeAt(i);
    if (code >= 65 && code <= 90) return text.slice(from, to).toLowerCase();
  }
  return text.slice(from, to);
}

/**
 * Whether two texts are equal once escapes are read: `%41` equals `A`, but an escaped reserved character stays
 * different from the bare one, and hexadecimal digits are of any case.
 *
 * Source: RFC 3261 19.1.4.
 */
export function equalsUnescaped(a: string, b: string, ignoreCase: boolean): boolean {
  if (a === b) return true;
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const left = unitAt(a, i);
    const right = unitAt(b, j);
    if (left !== right && !(ignoreCase && left < 256 && right < 256 && sameLetter(left, right))) return false;
    i += a.charCodeAt(i) === 37 ? 3 : 1;
    j += b.charCodeAt(j) === 37 ? 3 : 1;
  }
  return i >= a.length && j >= b.length;
}

/** Code at a position; an escape of an unreserved character is that character, of another one its code plus 256. */
function unitAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  if (code !== 37) return code;
  const value = hexValue(text.charCodeAt(at + 1)) * 16 + hexValue(text.charCodeAt(at + 2));
  return ';/?:@&=+$,'.includes(String.fromCharCode(value)) ? value + 256 : value;
}

function hexValue(code: number): number {
  return code <= 57 ? code - 48 : (code | 32) - 87;
}
