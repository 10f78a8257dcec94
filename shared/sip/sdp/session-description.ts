import { ParseFailure } from '#sip/errors';
import { trimBlanks } from '#sip/header/token';
import { bandwidthOf } from './bandwidth.ts';
import { type Connection, parseConnection } from './connection.ts';
import { type Direction, directionOf } from './direction.ts';
import { MediaDescription, type MediaLines } from './media-description.ts';
import { parseMediaLine } from './media-line.ts';
import { type Origin, parseOrigin } from './origin.ts';
import { type SdpEdits, type SdpLine, SdpLines } from './sdp-lines.ts';

/** Bounds on a session description: characters (octets) and m-lines. */
export const sdpLimits = Object.freeze({ text: 64 * 1024, media: 64 });

/** Where edits are written down while somebody traces. */
export interface SdpJournal {
  note(before: string | null, after: string | null): void;
}

/**
 * Reads a session description (latin1 text).
 *
 * It has to begin with v=0; each line is a lower-case letter, `=` and a value without NUL or bare CR, ended by CRLF or
 * LF. c= and m= lines have to be well-formed, since they say where media goes; all other values are taken as they are,
 * an empty `a=` too. The last line may lack its end, empty lines may stand at the very end. More than 64 KiB or 64
 * m-lines, and all else, is a ParseFailure.
 *
 * Source: RFC 8866 5, 9; requirement X-S11.
 */
export function parseSessionDescription(text: string): SessionDescription | ParseFailure {
  const parts = readParts(text);
  return parts instanceof ParseFailure ? parts : new SessionDescription(text, parts);
}

/** The lines of a text, sorted into session part and media descriptions. */
interface Parts {
  readonly session: SdpLine[];
  readonly media: MediaLines[];
  /** Empty lines behind the last line. */
  tail: string;
}

/**
 * A session description that is edited in place: every edit is true at once, for whoever holds it and in its text. Lines
 * nobody touched stay byte for byte.
 *
 * Source: RFC 8866, RFC 3264.
 */
export class SessionDescription implements SdpEdits {
  /** Where edits are written down while somebody traces, else null. */
  journal: SdpJournal | null = null;
  #session!: SdpLines;
  #media!: MediaDescription[];
  #tail = '';
  #lineEnd = '\r\n';
  #text: string;
  /** Whether `#text` says what the lines say. */
  #written = true;
  #revision = 0;

  /** @param parts what `parseSessionDescription` read out of the text. */
  constructor(text: string, parts: Parts) {
    this.#text = text;
    this.#take(parts);
  }

  /** The session level lines. */
  get session(): SdpLines {
    return this.#session;
  }

  /** The media descriptions in order: that of number n is the n-th for the whole life of a session. */
  get media(): readonly MediaDescription[] {
    return this.#media;
  }

  /** Line end of the lines that edits write: that of the first line. */
  get lineEnd(): string {
    return this.#lineEnd;
  }

  /** How many edits there were. */
  get revision(): number {
    return this.#revision;
  }

  /** The description as it goes to the wire. */
  get text(): string {
    if (!this.#written) {
      this.#text = this.#write();
      this.#written = true;
    }
    return this.#text;
  }

  /** All lines in order, m-lines included. */
  get lines(): SdpLine[] {
    return [...this.#session.all, ...this.#media.flatMap(({ line, lines }) => [line, ...lines.all])];
  }

  /** What o= says, null when there is none that can be read. */
  get origin(): Origin | null {
    const origin = parseOrigin(this.#session.first('o') ?? '');
    return origin instanceof ParseFailure ? null : origin;
  }

  /** The first c= line at session level, null when there is none. */
  get connection(): Connection | null {
    const connection = parseConnection(this.#session.first('c') ?? '');
    return connection instanceof ParseFailure ? null : connection;
  }

  /** The direction at session level, null when none is said there. */
  get direction(): Direction | null {
    return directionOf(this.#session);
  }

  /** As `bandwidthOf`, at session level. */
  bandwidth(type: string): number | null {
    return bandwidthOf(this.#session, type);
  }

  /** Puts another description in the place of this one (as a media relay gives it); a malformed one changes nothing. */
  replaceText(text: string): ParseFailure | null {
    const parts = readParts(text);
    if (parts instanceof ParseFailure) return parts;
    this.journal?.note(this.text, text);
    this.#text = text;
    this.#written = true;
    this.#revision++;
    this.#take(parts);
    return null;
  }

  /** A description of the same text that is edited on its own. */
  clone(): SessionDescription {
    const media = this.#media.map((description) => description.copyLines());
    return new SessionDescription(this.text, { session: this.#session.all.slice(), media, tail: this.#tail });
  }

  /** Called by the parts of the description. */
  noteEdit(before: SdpLine | null, after: SdpLine | null): void {
    this.#written = false;
    this.#revision++;
    this.journal?.note(before && lineText(before), after && lineText(after));
  }

  #take({ session, media, tail }: Parts): void {
    const lines = new SdpLines(session, this);
    this.#session = lines;
    this.#media = media.map((part) => new MediaDescription(part, lines, this));
    this.#tail = tail;
    this.#lineEnd = session[0]!.end === '\n' ? '\n' : '\r\n';
  }

  #write(): string {
    let text = '';
    let end = '';
    for (const line of this.lines) {
      // A line that was the last one and had no end may not be the last one any more.
      if (text !== '') text += end.endsWith('\n') ? end : this.#lineEnd;
      text += lineText(line);
      end = line.end;
    }
    return text + end + this.#tail;
  }
}

function lineText(line: SdpLine): string {
  return `${line.type}=${line.value}`;
}

const noVersion = new ParseFailure('does not begin with v=0');

function readParts(text: string): Parts | ParseFailure {
  if (text.length > sdpLimits.text) return new ParseFailure('session description too large', sdpLimits.text);
  const nul = text.indexOf('\0');
  if (nul >= 0) return new ParseFailure('control character', nul);
  const parts: Parts = { session: [], media: [], tail: '' };
  let current = parts.session;
  for (let at = 0; at < text.length; ) {
    const line = readLine(text, at);
    if (line instanceof ParseFailure) return line;
    if (line === null) {
      parts.tail = text.slice(at);
      break;
    }
    if (at === 0 && (line.type !== 'v' || trimBlanks(line.value) !== '0')) return noVersion;
    const parsed =
      line.type === 'm' ? parseMediaLine(line.value) : line.type === 'c' ? parseConnection(line.value) : null;
    if (parsed instanceof ParseFailure) return new ParseFailure(parsed.reason, at + 2 + parsed.offset);
    if (parsed !== null && 'formats' in parsed) {
      if (parts.media.length === sdpLimits.media) return new ParseFailure('too many m-lines', at);
      current = [];
      parts.media.push({ line, parsed, lines: current });
    } else {
      current.push(line);
    }
    at += 2 + line.value.length + line.end.length;
  }
  return parts.session.length === 0 ? noVersion : parts;
}

/** The line that begins at a position; null when only empty lines are left. */
function readLine(text: string, at: number): SdpLine | ParseFailure | null {
  const feed = text.indexOf('\n', at);
  const next = feed < 0 ? text.length : feed + 1;
  let end = feed < 0 ? text.length : feed;
  if (end > at && text.charCodeAt(end - 1) === 13) end--;
  if (end === at) return isBlankFrom(text, at) ? null : new ParseFailure('empty line', at);
  const letter = text.charCodeAt(at);
  if (letter < 97 || letter > 122 || text.charCodeAt(at + 1) !== 61) return new ParseFailure('no type=value line', at);
  const value = text.slice(at + 2, end);
  const cr = value.indexOf('\r');
  if (cr >= 0) return new ParseFailure('control character', at + 2 + cr);
  return { type: text[at]!, value, end: text.slice(end, next), offset: at };
}

/** Whether nothing but line ends stands from a position on. */
function isBlankFrom(text: string, at: number): boolean {
  for (let i = at; i < text.length; i++) if (text.charCodeAt(i) !== 13 && text.charCodeAt(i) !== 10) return false;
  return true;
}
