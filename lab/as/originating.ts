import { randomBytes, randomUUID } from 'node:crypto';
import { createRequest } from '#sip/message/create';
import type { HeaderKey } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';

/** A request that the application server makes in the name of a user, or as itself. */
export interface OriginatingParts {
  readonly method: string;
  readonly to: string;
  /** Who it is from: P-Asserted-Identity and From. */
  readonly from: string;
  readonly tag: string;
  /** The S-CSCF as a URI, without `lr`. */
  readonly scscf: string;
  readonly home: string;
  /** For whom services are run, and whether he is registered; null for a request that only comes to its target. */
  readonly servedAs: 'reg' | 'unreg' | null;
  readonly headers: readonly (readonly [HeaderKey, string])[];
  readonly body?: string;
}

/** An initial request through an S-CSCF. Source: TS 24.229 5.7.3, 5.7.1.3A; requirements S-80 to S-82. */
export function originatingRequest(parts: OriginatingParts): SipRequest {
  const { method, to, from, tag, scscf, home, servedAs, headers, body = '' } = parts;
  const served: [HeaderKey, string][] =
    servedAs === null ? [] : [[Header['P-Served-User'], `<${from}>;sescase=orig;regstate=${servedAs}`]];
  return createRequest(
    method,
    to,
    [
      [Header.Route, servedAs === null ? `<${scscf};lr>` : `<${scscf};lr;orig>`],
      [Header['Max-Forwards'], '70'],
      [Header.From, `<${from}>;tag=${tag}`],
      [Header.To, `<${to}>`],
      [Header['Call-ID'], randomUUID()],
      [Header.CSeq, `1 ${method}`],
      [Header['P-Asserted-Identity'], `<${from}>`],
      ...served,
      [Header['P-Charging-Vector'], `icid-value="${randomBytes(12).toString('hex')}";orig-ioi="${home}"`],
      ...headers,
    ],
    body,
  );
}
