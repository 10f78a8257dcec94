import { flatText } from '../parser/latin1.ts';
import { type HeaderLine, HeaderList } from './header-list.ts';

/** Header fields as one text of their own: small, for what outlives its message and is hardly ever read again. */
export interface FoldedHeaders {
  readonly text: string;
  /** Four numbers a line: the header's, and where the line, its value and what follows the value begin. */
  readonly spans: readonly number[];
}

/** The lines of headers that have a number and are `wanted` (1 at their numbers); the message they came in is let go of. */
export function foldHeaders(headers: HeaderList, wanted: Uint8Array): FoldedHeaders {
  const spans: number[] = [];
  let text = '';
  for (const line of headers.lines) {
    if (wanted[line.id] !== 1) continue;
    const by = text.length - line.start;
    spans.push(line.id, text.length, line.valueStart + by, line.valueEnd + by);
    text += line.text.slice(line.start, line.end);
  }
  return { text: flatText(text), spans };
}

export function unfoldHeaders({ text, spans }: FoldedHeaders): HeaderList {
  const lines: HeaderLine[] = [];
  for (let i = 0; i < spans.length; i += 4) {
    lines.push({
      id: spans[i]!,
      extension: '',
      text,
      start: spans[i + 1]!,
      valueStart: spans[i + 2]!,
      valueEnd: spans[i + 3]!,
      end: spans[i + 5] ?? text.length,
      cached: null,
    });
  }
  return new HeaderList(lines);
}
