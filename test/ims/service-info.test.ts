import { describe, expect, it } from 'vitest';
import { formatServiceInfo, formatServiceNews } from '#ims/service-info';
import { readXml } from '#ims/xml';
import { ParseFailure } from '#sip/errors';
import { parseContentType } from '#sip/header/content-type';
import { parseMultipart } from '#sip/message/multipart';

const sipText = 'REGISTER sip:ims.test SIP/2.0\r\nContent-Length: 0\r\n\r\n';

describe('the body of a third-party REGISTER', () => {
  it('S-52 carries ServiceInfo as XML, whatever stands in it', () => {
    const text = formatServiceInfo('<a b="1">&amp; \u00c3\u00bc');
    const root = readXml(Buffer.from(text, 'latin1'));
    if (root instanceof ParseFailure) throw new Error(root.reason);
    expect([root.name, root.children[0]!.name, root.children[0]!.text]).toEqual([
      'ims-3gpp',
      'service-info',
      '<a b="1">&amp; \u00c3\u00bc',
    ]);
  });

  it('S-52 is nothing, one part as it is, or multipart/mixed of several', () => {
    expect(formatServiceNews({ serviceInfo: '', request: '', response: '' })).toEqual({ contentType: '', body: '' });
    expect(formatServiceNews({ serviceInfo: '', request: sipText, response: '' })).toEqual({
      contentType: 'message/sip',
      body: sipText,
    });
    expect(formatServiceNews({ serviceInfo: 'x', request: '', response: '' }).contentType).toBe(
      'application/3gpp-ims+xml',
    );
    const response = 'SIP/2.0 200 OK\r\n--part--\r\n\r\n';
    const { contentType, body } = formatServiceNews({ serviceInfo: 'x', request: sipText, response });
    const type = parseContentType(contentType);
    if (type instanceof ParseFailure) throw new Error(type.reason);
    expect(type.mediaType).toBe('multipart/mixed');
    const parts = parseMultipart(body, type);
    if (parts instanceof ParseFailure) throw new Error(parts.reason);
    expect(parts.map((part) => part.contentType.mediaType)).toEqual([
      'application/3gpp-ims+xml',
      'message/sip',
      'message/sip',
    ]);
    expect(parts.slice(1).map(({ start, end }) => body.slice(start, end))).toEqual([sipText, response]);
  });
});
