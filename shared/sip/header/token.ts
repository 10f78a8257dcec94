import { isOf, quotedEnd, skipBlanks, skipClass, tokenClass, trimEnd } from '#sip/uri/characters';

/** Whether a text is a token (one character at least). Source: RFC 3261 25.1. */
export function isToken(text: string): boolean {
  return text.length > 0 && skipClass(text, 0, text.length, tokenClass) === text.length;
}

/** Whether a text is one whole quoted string, quotes included. */
export function isQuoted(text: string): boolean {
  return text.charCodeAt(0) === 34 && quotedEnd(text, 0, text.length) === text.length;
}

/** Content of a quoted string, its escapes taken out; a text that is not a quoted string as it is. */
export function unquote(text: string): string {
  if (!isQuoted(text)) return text;
  const end = text.length - 1;
  if (text.indexOf('\\') < 0) return text.slice(1, end);
  let content = '';
  let from = 1;
  for (let i = 1; i < end; i++) {
    if (text.charCodeAt(i) !== 92) continue;
    content += text.slice(from, i);
    from = ++i;
  }
  return content + text.slice(from, end);
}

/**
 * A text as a quoted string: `"` and `\` are escaped, control characters (but TAB) become blanks, so that it is safe in
 * a header line whatever it held.
 *
 * Source: RFC 3261 25.1.
 */
export function quote(text: string): string {
  let content = '';
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 34 || code === 92) {
      content += `${text.slice(from, i)}\\`;
      from = i;
    } else if ((code < 32 && code !== 9) || code === 127) {
      content += `${text.slice(from, i)} `;
      from = i + 1;
    }
  }
  return `"${content}${text.slice(from)}"`;
}

/** A text as it is when it is a token, else quoted. */
export function tokenOrQuoted(text: string): string {
  return isToken(text) ? text : quote(text);
}

/** Whether a text may be written as a header value: no CR, LF or NUL, and one octet per character (X-S7). */
export function isSafeHeaderValue(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 13 || code === 10 || code === 0 || code > 255) return false;
  }
  return true;
}

/** A value without the blanks around it. */
export function trimBlanks(text: string): string {
  const from = skipBlanks(text, 0, text.length);
  const to = trimEnd(text, from, text.length);
  return from === 0 && to === text.length ? text : text.slice(from, to);
}

/** Position after the token at `from`; `from` itself when none stands there. */
export function tokenEnd(text: string, from: number): number {
  let i = from;
  while (isOf(text.charCodeAt(i), tokenClass)) i++;
  return i;
}
