import { ParseFailure } from '#sip/errors';
import { parseHistory } from '#sip/header/history-info';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';

/** How a diverted request names its cause. Source: RFC 4458 2, RFC 5806 4. */
const diversionReasons: ReadonlyMap<number, string> = new Map([
  [302, 'unconditional'],
  [408, 'no-answer'],
  [480, 'deflection'],
  [486, 'user-busy'],
  [503, 'unavailable'],
]);

export const unconditional = 302;

/**
 * Sends a request to somebody else: another Request-URI, a Diversion, and History-Info with the old target and the new
 * one, `cause` in its URI. Source: TS 24.604 4.5.2.6, RFC 7044, RFC 4458, RFC 5806.
 */
export function divert(request: SipRequest, to: string, cause: number): void {
  const { headers, requestUri: from } = request;
  const index = lastIndex(headers.values(Header['History-Info']));
  const before = index ?? '1';
  if (index === null) headers.append(Header['History-Info'], `<${from}>;index=1`);
  const target = withoutHeaders(to);
  headers.append(Header['History-Info'], `<${target};cause=${cause}>;index=${before}.1;mp=${before}`);
  const reason = diversionReasons.get(cause) ?? 'unknown';
  headers.prepend('Diversion', `<${from}>;reason=${reason};counter=1`);
  request.by('divert (TS 24.604 4.5.2.6)').setRequestUri(target);
}

/** A Request-URI has no header part. Source: RFC 3261 19.1.1, table 1. */
function withoutHeaders(uri: string): string {
  const at = uri.indexOf('?');
  return at < 0 ? uri : uri.slice(0, at);
}

/** Index of the last entry as text; null when there is none, or what is there cannot be read. */
function lastIndex(values: readonly string[]): string | null {
  const last = values.at(-1);
  const entries = last === undefined ? [] : parseHistory(last);
  const entry = entries instanceof ParseFailure ? undefined : entries.at(-1);
  return entry === undefined || entry.index.length === 0 ? null : entry.index.join('.');
}
