/** The answer to a double CRLF on a stream. Source: RFC 5626 4.4.1. */
export const pong = '\r\n';

/**
 * Whether a datagram is a keep-alive or noise that nobody answers: at most four bytes, or only CR, LF and NUL.
 *
 * Source: RFC 5626 4.4; P-140.
 */
export function isKeepAlive(text: string): boolean {
  if (text.length <= 4) return true;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code !== 13 && code !== 10 && code !== 0) return false;
  }
  return true;
}
