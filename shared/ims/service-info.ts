import { formatMultipart } from '#sip/message/multipart';
import { escapeXml } from './xml.ts';

/** A body and its Content-Type. */
export interface TypedBody {
  /** '' for no body. */
  readonly contentType: string;
  readonly body: string;
}

/** What a third-party REGISTER tells an application server beside that somebody is registered; '' is left out. */
export interface ServiceNews {
  /** ServiceInfo of the filter criterion. */
  readonly serviceInfo: string;
  /** The REGISTER of the UE and the response to it, as they are on the wire. */
  readonly request: string;
  readonly response: string;
}

const noBody: TypedBody = Object.freeze({ contentType: '', body: '' });

/**
 * The document that carries the ServiceInfo of a filter criterion to its application server. Takes and gives latin1
 * strings of UTF-8 octets. Source: TS 24.229 7.6; requirement S-52.
 */
export function formatServiceInfo(serviceInfo: string): string {
  const content = `<service-info>${escapeXml(serviceInfo)}</service-info>`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<ims-3gpp version="1">${content}</ims-3gpp>\n`;
}

/**
 * The body of a third-party REGISTER: one part stands by itself, several are multipart/mixed.
 * Source: TS 24.229 5.4.1.7, 5.4.1.7A; requirement S-52.
 */
export function formatServiceNews({ serviceInfo, request, response }: ServiceNews): TypedBody {
  const parts: TypedBody[] = [];
  if (serviceInfo !== '') parts.push({ contentType: 'application/3gpp-ims+xml', body: formatServiceInfo(serviceInfo) });
  if (request !== '') parts.push({ contentType: 'message/sip', body: request });
  if (response !== '') parts.push({ contentType: 'message/sip', body: response });
  if (parts.length <= 1) return parts[0] ?? noBody;
  const { boundary, body } = formatMultipart(
    parts.map((part) => ({ headers: [['Content-Type', part.contentType]], content: part.body })),
  );
  return { contentType: `multipart/mixed;boundary="${boundary}"`, body };
}
