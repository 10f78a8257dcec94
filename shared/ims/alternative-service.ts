import { setBody } from '#sip/message/body';
import type { SipResponse } from '#sip/message/response';
import { escapeXml } from './xml.ts';

/** Content-Type of the documents that IMS nodes send one another, and UEs. Source: TS 24.229 7.6. */
export const imsXmlType = 'application/3gpp-ims+xml';

/** What a UE is to do instead of what it asked for. Texts are latin1 strings of UTF-8 octets. */
export interface AlternativeService {
  /** Why there is an alternative: the network has lost the registration, or the call is one for help. */
  readonly type: 'restoration' | 'emergency';
  /** In words for the user, in any language; may be ''. */
  readonly reason: string;
  /** Left out where the UE knows by itself. */
  readonly action?: 'initial-registration' | 'emergency-registration' | 'anonymous-emergencycall';
}

/**
 * Writes the document of a 504 or 380 that tells a UE of another service. Gives a latin1 string of UTF-8 octets.
 *
 * Source: TS 24.229 7.6.2, 7.6.3; requirements S-83, P-84, P-134.
 */
export function formatAlternativeService({ type, reason, action }: AlternativeService): string {
  const parts = [`<type>${type}</type>`, `<reason>${escapeXml(reason)}</reason>`];
  if (action !== undefined) parts.push(`<action>${action}</action>`);
  const content = `<alternative-service>${parts.join('')}</alternative-service>`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<ims-3gpp version="1">${content}</ims-3gpp>\n`;
}

/** Gives a response the document of an alternative service for its body. Requirements S-83, P-84, P-134. */
export function offerAlternative(response: SipResponse, service: AlternativeService): void {
  setBody(response, imsXmlType, formatAlternativeService(service));
}
