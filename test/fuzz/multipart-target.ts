import { ParseFailure } from '#sip/errors';
import { parseContentType } from '#sip/header/content-type';
import { lineValue } from '#sip/message/header-list';
import { formatMultipart, isMultipart, parseMultipart } from '#sip/message/multipart';
import { type FuzzTarget, hold, messageMs, shown } from './target.ts';

/** Bodies of parts: the first line of an input is its Content-Type, the rest the body. */
export function multipartTarget(seeds: readonly string[]): FuzzTarget {
  return {
    name: 'parseMultipart',
    group: 'multipart',
    weight: 5,
    limitMs: messageMs,
    seeds,
    run(input) {
      const end = input.indexOf('\n');
      const contentType = parseContentType(input.slice(0, Math.max(0, end)).trim());
      const body = input.slice(end + 1);
      if (contentType instanceof ParseFailure || !isMultipart(contentType)) return;
      const parts = parseMultipart(body, contentType);
      if (parts instanceof ParseFailure) return;
      let at = 0;
      for (const { headers, start, end } of parts) {
        hold('parts overlap or lie outside', at <= start && start <= end && end <= body.length, () => shown(input));
        at = end;
        for (const line of headers.lines) {
          const value = lineValue(line);
          hold('a value of a part with a line end', !value.includes('\n') && !value.includes('\r'), () => shown(value));
        }
      }
      checkWritten(
        parts.map(({ start, end }) => body.slice(start, end)),
        input,
      );
    },
  };
}

/** What is written of these contents is read as these contents. */
function checkWritten(contents: readonly string[], input: string): void {
  if (contents.length === 0) return;
  const headers = [['Content-Type', 'text/plain']] as const;
  const { boundary, body } = formatMultipart(contents.map((content) => ({ headers, content })));
  const type = parseContentType(`multipart/mixed;boundary=${boundary}`);
  if (type instanceof ParseFailure) throw type;
  const again = parseMultipart(body, type);
  const same =
    !(again instanceof ParseFailure) &&
    again.map(({ start, end }) => body.slice(start, end)).join('\0\0') === contents.join('\0\0');
  hold('written parts are other parts', same, () => shown(input));
}
