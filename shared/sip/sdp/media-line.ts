import { ParseFailure } from '#sip/errors';
import { decimalAt } from '#sip/header/number-value';
import { isBlank, lowerSlice, skipBlanks, skipClass, tokenClass, trimEnd } from '#sip/uri/characters';

/** What an m-line says. */
export interface MediaLine {
  /** `audio`, `video` and so on, in lower case. */
  readonly type: string;
  /** 0 to 65535. */
  readonly port: number;
  /** Number of ports (`49152/2`), 1 when it is not said. */
  readonly portCount: number;
  /** `RTP/AVP` and so on, as received. */
  readonly protocol: string;
  /** Payload types or names of formats as received, one at least. */
  readonly formats: readonly string[];
}

const maxTypeLength = 32;
const maxPort = 0xffff;

/** Reads the value of an m-line, runs of blanks taken for one. Source: RFC 8866 5.14. */
export function parseMediaLine(value: string): MediaLine | ParseFailure {
  const to = trimEnd(value, 0, value.length);
  const typeEnd = skipClass(value, 0, to, tokenClass);
  if (typeEnd === 0 || typeEnd > maxTypeLength) return new ParseFailure('malformed media type');
  const portAt = skipBlanks(value, typeEnd, to);
  const portEnd = wordEnd(value, portAt, to);
  const slash = value.indexOf('/', portAt);
  const numberEnd = slash >= 0 && slash < portEnd ? slash : portEnd;
  const port = decimalAt(value, portAt, numberEnd, maxPort);
  if (portAt === typeEnd || port instanceof ParseFailure) return new ParseFailure('malformed port', portAt);
  const portCount = numberEnd === portEnd ? 1 : decimalAt(value, numberEnd + 1, portEnd, maxPort);
  if (portCount instanceof ParseFailure || portCount === 0) return new ParseFailure('malformed port count', numberEnd);
  const protocolAt = skipBlanks(value, portEnd, to);
  const protocolEnd = wordEnd(value, protocolAt, to);
  const formats: string[] = [];
  for (let i = skipBlanks(value, protocolEnd, to); i < to; ) {
    const end = wordEnd(value, i, to);
    formats.push(value.slice(i, end));
    i = skipBlanks(value, end, to);
  }
  if (formats.length === 0) return new ParseFailure('m-line without format', to);
  const protocol = value.slice(protocolAt, protocolEnd);
  return { type: lowerSlice(value, 0, typeEnd), port, portCount, protocol, formats };
}

/** An m-line with another port and no port count, the rest byte for byte. */
export function withPort(value: string, port: number): string {
  const portAt = skipBlanks(value, skipClass(value, 0, value.length, tokenClass), value.length);
  return value.slice(0, portAt) + String(port) + value.slice(wordEnd(value, portAt, value.length));
}

/** An m-line with other formats, what stands before them byte for byte. */
export function withFormats(value: string, formats: readonly string[]): string {
  let i = 0;
  for (let word = 0; word < 3; word++) i = skipBlanks(value, wordEnd(value, i, value.length), value.length);
  return value.slice(0, i) + formats.join(' ');
}

function wordEnd(text: string, from: number, to: number): number {
  let i = from;
  while (i < to && !isBlank(text.charCodeAt(i))) i++;
  return i;
}
