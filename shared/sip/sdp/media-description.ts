import { ParseFailure } from '#sip/errors';
import { equalsIgnoreCase } from '#sip/uri/characters';
import { bandwidthOf, setBandwidth } from './bandwidth.ts';
import { type Codec, codecsOf, formatKey, formatOfAttribute } from './codec.ts';
import { type Connection, formatConnection, isUnspecified, parseConnection } from './connection.ts';
import { type Direction, directionOf, setDirection } from './direction.ts';
import { type MediaLine, parseMediaLine, withFormats, withPort } from './media-line.ts';
import { parseRtcp, type Rtcp } from './rtcp.ts';
import { attributeValue, isAttribute, newLine, type SdpEdits, type SdpLine, SdpLines } from './sdp-lines.ts';

/** Attributes that are about one format each. */
const formatAttributes = ['rtpmap', 'fmtp', 'rtcp-fb'];

/** The lines of a media description, as `MediaDescription` takes and gives them. */
export interface MediaLines {
  readonly line: SdpLine;
  readonly parsed: MediaLine;
  readonly lines: SdpLine[];
}

/**
 * One media description: its m-line and the lines after it. What is said at session level only is found here as well.
 *
 * Source: RFC 8866 5.14.
 */
export class MediaDescription {
  /** The lines after the m-line. */
  readonly lines: SdpLines;
  readonly #session: SdpLines;
  readonly #edits: SdpEdits;
  #line: SdpLine;
  #parsed: MediaLine;

  constructor({ line, parsed, lines }: MediaLines, session: SdpLines, edits: SdpEdits) {
    this.#line = line;
    this.#parsed = parsed;
    this.lines = new SdpLines(lines, edits);
    this.#session = session;
    this.#edits = edits;
  }

  /** The m-line itself. */
  get line(): SdpLine {
    return this.#line;
  }

  /** `audio`, `video` and so on, in lower case. */
  get type(): string {
    return this.#parsed.type;
  }

  /** 0 where the stream is refused, or shares the port of another one (`offered`). */
  get port(): number {
    return this.#parsed.port;
  }

  get portCount(): number {
    return this.#parsed.portCount;
  }

  get protocol(): string {
    return this.#parsed.protocol;
  }

  /** Payload types or names of formats as received, one at least. */
  get formats(): readonly string[] {
    return this.#parsed.formats;
  }

  /** Whether the transport is a profile of RTP. */
  get isRtp(): boolean {
    return this.protocol.split('/').some((part) => equalsIgnoreCase(part, 'RTP'));
  }

  /** Whether there is a stream: its port is not 0, or it is offered inside a bundle. Source: RFC 3264 6; RFC 8843 6. */
  get offered(): boolean {
    return this.port > 0 || this.lines.attribute('bundle-only') !== null;
  }

  /** That of the media, else that of the session, else sendrecv. Source: RFC 8866 6.7. */
  get direction(): Direction {
    return directionOf(this.lines) ?? directionOf(this.#session) ?? 'sendrecv';
  }

  /** Whether the author is going to send on this stream. */
  get sends(): boolean {
    return this.offered && (this.direction === 'sendrecv' || this.direction === 'sendonly');
  }

  /** Whether the author wants to receive on this stream: an address of 0.0.0.0 or :: says no. Source: RFC 3264 8.4. */
  get receives(): boolean {
    if (!this.offered || (this.direction !== 'sendrecv' && this.direction !== 'recvonly')) return false;
    const { connection } = this;
    return connection === null || !isUnspecified(connection);
  }

  /** The c= lines of the media, else those of the session. */
  get connections(): Connection[] {
    const own = this.lines.values('c');
    const values = own.length > 0 ? own : this.#session.values('c');
    return values.map(parseConnection).filter((parsed): parsed is Connection => !(parsed instanceof ParseFailure));
  }

  /** The first of `connections`, null when there is none. */
  get connection(): Connection | null {
    return this.connections[0] ?? null;
  }

  /** As `bandwidthOf`, at the level of the media alone. */
  bandwidth(type: string): number | null {
    return bandwidthOf(this.lines, type);
  }

  /**
   * Where RTCP goes: as a=rtcp says, else the port above that of RTP; an a=rtcp that cannot be read counts as not there.
   * Null for what is no RTP, or has no port. Whether RTP and RTCP share a port (a=rtcp-mux) both sides have to say.
   *
   * Source: RFC 3605 2.1, RFC 3550 11.
   */
  get rtcp(): Rtcp | null {
    if (!this.isRtp || this.port === 0) return null;
    const said = parseRtcp(this.lines.attribute('rtcp') ?? '');
    if (!(said instanceof ParseFailure)) return said;
    return this.port < 0xffff ? { port: this.port + 1, connection: null } : null;
  }

  /** What is known of each format, in the order of the m-line. */
  codecs(): Codec[] {
    return codecsOf(this.formats, this.isRtp, this.lines);
  }

  /** Writes another port, without a count; 0 refuses the stream, also one that is in a bundle only. */
  setPort(port: number): void {
    this.#putLine(withPort(this.#line.value, port));
    if (port === 0) this.lines.removeAttribute('bundle-only');
  }

  setDirection(direction: Direction): void {
    setDirection(this.lines, direction);
  }

  /** Writes connection data at the level of the media. */
  setConnection(connection: Connection): void {
    this.lines.put((line) => line.type === 'c', 'c', formatConnection(connection));
  }

  /** Writes a bandwidth in the unit of its type; null takes it out. */
  setBandwidth(type: string, value: number | null): void {
    setBandwidth(this.lines, type, value);
  }

  /**
   * Takes out formats with the attributes that are about them. Where none would be left, the first one stays in the m-line,
   * since the grammar wants one, and the stream is refused (port 0).
   *
   * `isRemoved`: takes a format as `formatKey` writes it.
   */
  removeFormats(isRemoved: (key: string) => boolean): void {
    const kept = this.formats.filter((format) => !isRemoved(formatKey(format)));
    if (kept.length < this.formats.length) {
      this.#putLine(withFormats(this.#line.value, kept.length > 0 ? kept : this.formats.slice(0, 1)));
    }
    this.lines.remove((line) => {
      const name = formatAttributes.find((attribute) => isAttribute(line, attribute));
      return name !== undefined && isRemoved(formatKey(formatOfAttribute(attributeValue(line, name))));
    });
    if (kept.length === 0) this.setPort(0);
  }

  /** Its lines, to make another description of them. */
  copyLines(): MediaLines {
    return { line: this.#line, parsed: this.#parsed, lines: this.lines.all.slice() };
  }

  #putLine(value: string): void {
    const parsed = parseMediaLine(value);
    if (parsed instanceof ParseFailure) throw new Error(`SDP m=: ${parsed.reason}`);
    const before = this.#line;
    this.#line = newLine('m', value, before.end);
    this.#parsed = parsed;
    this.#edits.noteEdit(before, this.#line);
  }
}
