import type { HeaderKey } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import { smsMediaType } from '../../ue/ue-requests.ts';
import { originatingRequest } from '../originating.ts';
import type { GatewayMessage } from './short-message-gateway.ts';

/** A MESSAGE of the gateway `from`, by way of an S-CSCF (a URI), for a phone that takes short messages. Source: TS 24.341 5.3.3.4. */
export function shortMessageRequest(
  { to, callId, inReplyTo, body }: GatewayMessage,
  by: { readonly from: string; readonly tag: string; readonly scscf: string; readonly home: string },
): SipRequest {
  const request = originatingRequest({
    method: 'MESSAGE',
    to,
    ...by,
    servedAs: null,
    headers: [
      ...(inReplyTo === null ? [] : [['In-Reply-To', inReplyTo] as [HeaderKey, string]]),
      [Header['Accept-Contact'], '*;+g.3gpp.smsip;require;explicit'],
      [Header['Request-Disposition'], 'no-fork'],
      [Header['Content-Type'], smsMediaType],
    ],
    body,
  });
  request.headers.set(Header['Call-ID'], callId);
  return request;
}
