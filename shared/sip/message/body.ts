import { ParseFailure } from '../errors.ts';
import { parseContentDisposition } from '../header/content-disposition.ts';
import { type ContentType, parseContentType } from '../header/content-type.ts';
import { parseSessionDescription, type SessionDescription } from '../sdp/session-description.ts';
import { equalsIgnoreCase } from '../uri/characters.ts';
import type { HeaderList } from './header-list.ts';
import { Header } from './header-names.ts';
import { isMultipart, parseMultipart } from './multipart.ts';
import type { SipMessage } from './response.ts';

/** Gives a message another body and its Content-Type; Content-Length follows when the message is written. */
export function setBody(message: SipMessage, contentType: string, body: string): void {
  message.headers.set(Header['Content-Type'], contentType);
  message.replaceBody(body);
}

/** A stretch of a body and the header fields that speak of it: those of the message, or of a part. */
interface Content {
  readonly headers: HeaderList;
  readonly contentType: ContentType;
  readonly start: number;
  readonly end: number;
}

/** All contents of a body: the body itself, or its parts; none when it is empty or says nothing of its type. */
function contentsOf(headers: HeaderList, body: string): readonly Content[] | ParseFailure {
  const value = headers.get(Header['Content-Type']);
  if (value === null || body === '') return [];
  const contentType = parseContentType(value);
  if (contentType instanceof ParseFailure) return contentType;
  if (isMultipart(contentType)) return parseMultipart(body, contentType);
  return [{ headers, contentType, start: 0, end: body.length }];
}

/**
 * The first content of a type (`application/3gpp-ims+xml`) in the body of a message, multipart bodies included; null when
 * there is none. A body that cannot be taken apart is a ParseFailure. A transfer encoding is left alone.
 *
 * Source: RFC 5621 3; requirement C-28.
 */
export function contentOf(message: SipMessage, mediaType: string): string | ParseFailure | null {
  const contents = contentsOf(message.headers, message.body);
  if (contents instanceof ParseFailure) return contents;
  const found = contents.find(({ contentType }) => contentType.mediaType === mediaType);
  return found === undefined ? null : message.body.slice(found.start, found.end);
}

/**
 * The SDP of one body, as `message.sdp` gives it, and the body with the edits that were made to it.
 *
 * SDP in a multipart body is that of the one part that is application/sdp; where there are several, those with another
 * disposition than `session` do not count, and two that are left are a failure, as SDP in a transfer encoding is.
 */
export class SdpInBody {
  /** Content-Type as it was when the body was looked at. */
  readonly contentType: string | null;
  readonly sdp: SessionDescription | ParseFailure | null;
  /** What stands around the SDP. A Content-Length that a part has is split off behind `#before`. */
  #before = '';
  #lengthAndMore: string | null = null;
  #after = '';
  #body: string;
  #revision = 0;

  constructor(headers: HeaderList, body: string) {
    this.contentType = headers.get(Header['Content-Type']);
    this.#body = body;
    this.sdp = this.#find(headers, body);
    if (this.sdp !== null && !(this.sdp instanceof ParseFailure)) this.sdp.journal = headers.journal;
  }

  get body(): string {
    const { sdp } = this;
    if (sdp === null || sdp instanceof ParseFailure || sdp.revision === this.#revision) return this.#body;
    const { text } = sdp;
    const length = this.#lengthAndMore === null ? '' : text.length + this.#lengthAndMore;
    this.#body = this.#before + length + text + this.#after;
    this.#revision = sdp.revision;
    return this.#body;
  }

  #find(headers: HeaderList, body: string): SessionDescription | ParseFailure | null {
    const contents = contentsOf(headers, body);
    if (contents instanceof ParseFailure) return contents;
    const found = sessionContents(contents.filter(({ contentType }) => contentType.mediaType === 'application/sdp'));
    const content = found[0];
    if (content === undefined) return null;
    if (found.length > 1) return new ParseFailure('more than one session description', found[1]!.start);
    const encoding = content.headers.get('Content-Transfer-Encoding') ?? 'binary';
    if (content.headers !== headers && !isPlain(encoding)) return new ParseFailure(`SDP in ${encoding}`, content.start);
    this.#before = body.slice(0, content.start);
    this.#after = body.slice(content.end);
    if (content.headers !== headers) this.#splitAtLength(content, body);
    return parseSessionDescription(body.slice(content.start, content.end));
  }

  #splitAtLength({ headers, start }: Content, body: string): void {
    const line = headers.lines.find(({ id }) => id === Header['Content-Length']);
    if (line === undefined) return;
    this.#before = body.slice(0, line.valueStart);
    this.#lengthAndMore = body.slice(line.valueEnd, start);
  }
}

/** Those of several session descriptions that are meant for the session. Source: RFC 3959 4, RFC 5621 4. */
function sessionContents(contents: readonly Content[]): readonly Content[] {
  if (contents.length < 2) return contents;
  const meant = contents.filter(({ headers }) => {
    const disposition = parseContentDisposition(headers.get(Header['Content-Disposition']) ?? 'session');
    return disposition instanceof ParseFailure || disposition.type === 'session';
  });
  return meant.length > 0 ? meant : contents;
}

/** Encodings that change nothing. Source: RFC 2045 6.2. */
function isPlain(encoding: string): boolean {
  return ['binary', '8bit', '7bit'].some((name) => equalsIgnoreCase(name, encoding));
}
