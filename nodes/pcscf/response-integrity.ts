import { type HeaderList, lineValue } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';

/**
 * Puts the way back of a UE's response right: its Via fields must be those of the request as we got it, its
 * Record-Route fields those it was sent with. What a UE changed, added or left out is restored.
 *
 * `received`: the request as it came, our Via not in it; `sent`: as it went to the UE; `opens`: whether the response
 * may open a dialog, and must carry the record.
 * Source: TS 24.229 5.2.6.4.2; requirement X-I5.
 */
export function restoreWayBack(response: SipResponse, received: SipRequest, sent: SipRequest, opens: boolean): void {
  const { headers } = response;
  if (!sameValues(headers, received.headers, Header.Via)) replace(headers, received.headers, Header.Via);
  const recorded = headers.has(Header['Record-Route']);
  if (!recorded && !(opens && response.status > 100 && response.status < 300)) return;
  if (!sameValues(headers, sent.headers, Header['Record-Route']))
    replace(headers, sent.headers, Header['Record-Route']);
}

function replace(headers: HeaderList, right: HeaderList, id: number): void {
  headers.remove(id);
  const values = right.values(id);
  if (values.length > 0) headers.prepend(id, values.join(', '));
}

/** Whether two messages have the same values of a header, however they are spread over lines. */
function sameValues(a: HeaderList, b: HeaderList, id: number): boolean {
  if (sameLines(a, b, id)) return true;
  const left = a.values(id);
  const right = b.values(id);
  return left.length === right.length && left.every((value, i) => value === right[i]);
}

function sameLines(a: HeaderList, b: HeaderList, id: number): boolean {
  let j = 0;
  for (const line of a.lines) {
    if (line.id !== id) continue;
    while (j < b.lines.length && b.lines[j]!.id !== id) j++;
    if (j === b.lines.length || lineValue(b.lines[j]!) !== lineValue(line)) return false;
    j++;
  }
  while (j < b.lines.length && b.lines[j]!.id !== id) j++;
  return j === b.lines.length;
}
