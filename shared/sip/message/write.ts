import { type HeaderLine, lineValue } from './header-list.ts';
import { Header } from './header-names.ts';
import type { SipMessage } from './response.ts';

/**
 * The message as it goes to the wire, latin1: untouched runs of received lines are copied as one piece, edited lines
 * stand in their place, Content-Length says the true length.
 *
 * Source: RFC 3261 7, 20.14.
 */
export function writeMessage(message: SipMessage): string {
  let out =
    message.kind === 'request'
      ? `${message.method} ${message.requestUri} SIP/2.0\r\n`
      : `SIP/2.0 ${message.status} ${message.reasonPhrase}\r\n`;
  const lines = message.headers.lines;
  const length = message.body.length;
  let hasLength = false;
  let text = '';
  let from = 0;
  let to = 0;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    if (line.id === Header['Content-Length']) {
      if (hasLength || !saysLength(line, length)) continue;
      hasLength = true;
    }
    if (line.text === text && line.start === to) {
      to = line.end;
      continue;
    }
    if (to > from) out += text.slice(from, to);
    text = line.text;
    from = line.start;
    to = line.end;
  }
  if (to > from) out += text.slice(from, to);
  out += hasLength ? '\r\n' : `Content-Length: ${length}\r\n\r\n`;
  return length === 0 ? out : out + message.body;
}

function saysLength(line: HeaderLine, length: number): boolean {
  return lineValue(line) === String(length);
}
