import { flatText, readLatin1 } from '../parser/latin1.ts';
import { type HeaderLine, HeaderList } from './header-list.ts';

/** Header fields as two texts: small, for what outlives its message and is hardly ever read again. */
export interface FoldedHeaders {
  readonly text: string;
  /** Eight octets a line: which header, and where the line, its value and what follows the value begin, low octet first. */
  readonly spans: string;
}

const octetsPerLine = 8;
const mostLines = 128;
const mostOctets = 0xffff;
const scratch = Buffer.allocUnsafeSlow(octetsPerLine * mostLines);

/**
 * The lines of headers that have a number and are `wanted` (1 at their numbers), without the message they came in. Null when
 * they are more than can be folded.
 */
export function foldHeaders(headers: HeaderList, wanted: Uint8Array): FoldedHeaders | null {
  let text = '';
  let at = 0;
  for (const line of headers.lines) {
    if (wanted[line.id] !== 1) continue;
    const by = text.length - line.start;
    if (line.end + by > mostOctets || at === scratch.length) return null;
    at = put(put(put(put(at, line.id), text.length), line.valueStart + by), line.valueEnd + by);
    text += line.text.slice(line.start, line.end);
  }
  return { text: flatText(text), spans: readLatin1(scratch, 0, at) };
}

export function unfoldHeaders({ text, spans }: FoldedHeaders): HeaderList {
  const lines: HeaderLine[] = [];
  for (let at = 0; at < spans.length; at += octetsPerLine) {
    const next = at + octetsPerLine;
    lines.push({
      id: numberAt(spans, at),
      extension: '',
      text,
      start: numberAt(spans, at + 2),
      valueStart: numberAt(spans, at + 4),
      valueEnd: numberAt(spans, at + 6),
      end: next < spans.length ? numberAt(spans, next + 2) : text.length,
      cached: null,
    });
  }
  return new HeaderList(lines);
}

/** Gives where the next number goes. */
function put(at: number, value: number): number {
  scratch[at] = value & 0xff;
  scratch[at + 1] = value >> 8;
  return at + 2;
}

function numberAt(spans: string, at: number): number {
  return spans.charCodeAt(at) | (spans.charCodeAt(at + 1) << 8);
}
