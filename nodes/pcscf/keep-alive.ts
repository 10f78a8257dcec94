import { ParseFailure } from '#sip/errors';
import { parseVia } from '#sip/header/via';
import { Header } from '#sip/message/header-names';
import type { SipResponse } from '#sip/message/response';

/** How often a UE may send a keep-alive, seconds: addresses in datagrams are forgotten sooner than connections. */
const datagramSeconds = 30;
const streamSeconds = 120;

/**
 * Says to a UE that asks in its Via whether keep-alives are welcome that they are, and how often. `response`: the 2xx to its
 * REGISTER, our own Via taken off. Source: RFC 6223 4.4; requirement P-141.
 */
export function agreeToKeepAlive({ headers }: SipResponse): void {
  const value = headers.first(Header.Via);
  if (value === null || !value.toLowerCase().includes('keep')) return;
  const via = parseVia(value);
  if (via instanceof ParseFailure || !via.parameters.has('keep') || via.parameters.get('keep')) return;
  const seconds = via.transport === 'UDP' ? datagramSeconds : streamSeconds;
  headers.removeFirst(Header.Via);
  headers.prepend(Header.Via, value.replace(/;[ \t]*keep(?=[ \t]*(?:;|$))/i, `;keep=${seconds}`));
}
