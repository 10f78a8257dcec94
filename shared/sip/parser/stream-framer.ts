import { readLatin1 } from './latin1.ts';
import { limits as defaultLimits } from './limits.ts';
import { colon, cr, isBlank, lf } from './scanner.ts';

/** What the framer finds in a stream, told in order from inside `push`. */
export interface FramerSink {
  /** One complete message, latin1, a flat string of its own. */
  message(text: string): void;
  /** A double CRLF between messages: the peer wants one CRLF back. */
  ping(): void;
  /** The stream can't be framed any further; `head` is what arrived of the broken message. Nothing follows. */
  broken(defect: FramingDefect, head: string): void;
}

/** Why a stream can't be framed: the status an answer would carry and the words for it. */
export interface FramingDefect {
  readonly status: 400 | 414 | 513;
  readonly reason: string;
}

export type FramerLimits = Pick<typeof defaultLimits, 'startLine' | 'headerLine' | 'headerFields' | 'body' | 'message'>;

const defects = {
  missing: { status: 400, reason: 'Content-Length missing on a stream' },
  malformed: { status: 400, reason: 'Content-Length is not a number' },
  contradictory: { status: 400, reason: 'Two different Content-Length values' },
  startLine: { status: 414, reason: 'Start line too long' },
  headerLine: { status: 513, reason: 'Header line too long' },
  headerFields: { status: 513, reason: 'Too many header fields' },
  body: { status: 513, reason: 'Body too large' },
  message: { status: 513, reason: 'Message too large' },
} as const satisfies Record<string, FramingDefect>;

const contentLengthName = 'content-length';
const nothing = Buffer.alloc(0);
const firstCapacity = 2048;

/**
 * Cuts a byte stream into SIP messages by Content-Length.
 *
 * Takes chunks of any size. What a chunk leaves unfinished is kept in one buffer that grows with the bytes received,
 * never by a declared size. Line ends may be CRLF or LF. A head that breaks a limit is read on to its end (bounded by
 * the message limit), so that it can be answered.
 *
 * Source: RFC 3261 18.3, 7.5; RFC 5626 4.4.1.
 */
export class StreamFramer {
  readonly #limits: FramerLimits;
  #kept: Buffer = nothing;
  #keptLength = 0;
  /** Characters of the whole message once its head is complete, -1 before. */
  #total = -1;
  /** Characters so far of the line being read, and of the header field it belongs to (folding). */
  #column = 0;
  #field = 0;
  #beganWithCr = false;
  #fields = 0;
  #defect: FramingDefect | undefined;
  #lineEnds = 0;
  #broken = false;

  constructor(limits: FramerLimits = defaultLimits) {
    this.#limits = limits;
  }

  /** Whether a message has begun that is not complete yet. */
  get incomplete(): boolean {
    return this.#keptLength > 0;
  }

  /** What has arrived of the incomplete message. */
  get partial(): string {
    return readLatin1(this.#kept, 0, this.#keptLength);
  }

  /** Takes the next bytes (read before it returns, not kept); returns false once the stream is broken. */
  push(chunk: Buffer, sink: FramerSink): boolean {
    const text = readLatin1(chunk);
    let at = 0;
    while (at < text.length && !this.#broken) {
      if (this.#keptLength === 0 && this.#total < 0) {
        at = this.#skipLineEnds(text, at, sink);
        if (at === text.length) break;
      }
      // `at` is where the bytes of the current message begin in this chunk; earlier ones are kept.
      if (this.#total < 0) {
        const headEnd = this.#scanHead(text, at);
        const length = this.#keptLength + (headEnd < 0 ? text.length : headEnd) - at;
        if (length > this.#limits.message) this.#note(defects.message);
        if (headEnd < 0) {
          if (length > this.#limits.message) this.#fail(chunk, at, text.length, sink);
          else this.#keep(chunk, at, text.length);
          break;
        }
        const head = this.#keptLength > 0 ? this.#joined(chunk, at, headEnd) : text;
        const body = readContentLength(head, this.#keptLength > 0 ? 0 : at, this.#keptLength > 0 ? length : headEnd);
        if (typeof body !== 'number') this.#note(body);
        else if (body > this.#limits.body) this.#note(defects.body);
        else if (length + body > this.#limits.message) this.#note(defects.message);
        else this.#total = length + body;
        if (this.#defect) {
          this.#fail(chunk, at, headEnd, sink);
          break;
        }
      }
      const end = at + this.#total - this.#keptLength;
      if (end > text.length) {
        this.#keep(chunk, at, text.length);
        break;
      }
      const whole = at === 0 && end === text.length && this.#keptLength === 0;
      const message = whole ? text : this.#joined(chunk, at, end);
      this.#reset();
      at = end;
      sink.message(message);
    }
    return !this.#broken;
  }

  /** Ends the framing: whatever is pushed from now on is ignored. */
  stop(): void {
    this.#broken = true;
    this.#reset();
  }

  /** Skips line ends between messages; two of them in a row are a ping. */
  #skipLineEnds(text: string, from: number, sink: FramerSink): number {
    let at = from;
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === lf) {
        if (++this.#lineEnds === 2) {
          this.#lineEnds = 0;
          sink.ping();
        }
      } else if (code !== cr) {
        this.#lineEnds = 0;
        break;
      }
    }
    return at;
  }

  /** Walks the lines of a head; returns the position after its empty line, or -1 when it goes on in the next chunk. */
  #scanHead(text: string, from: number): number {
    let at = from;
    for (;;) {
      const lineEnd = text.indexOf('\n', at);
      const stop = lineEnd < 0 ? text.length : lineEnd;
      if (stop > at) {
        if (this.#column === 0) {
          const first = text.charCodeAt(at);
          this.#beganWithCr = first === cr;
          if (first !== cr && !isBlank(first)) {
            this.#field = 0;
            if (++this.#fields > this.#limits.headerFields + 1) this.#note(defects.headerFields);
          }
        }
        this.#column += stop - at;
        this.#field += stop - at;
        // The CR of the line end is not part of the line.
        if (this.#fields <= 1) {
          if (this.#field > this.#limits.startLine + 1) this.#note(defects.startLine);
        } else if (this.#field > this.#limits.headerLine + 1) this.#note(defects.headerLine);
      }
      if (lineEnd < 0) return -1;
      const empty = this.#column === 0 || (this.#column === 1 && this.#beganWithCr);
      this.#column = 0;
      at = lineEnd + 1;
      if (empty) return at;
    }
  }

  #note(defect: FramingDefect): void {
    this.#defect ??= defect;
  }

  #fail(chunk: Buffer, start: number, end: number, sink: FramerSink): void {
    const defect = this.#defect ?? defects.message;
    const head = this.#joined(chunk, start, end);
    this.stop();
    sink.broken(defect, head);
  }

  /** The kept bytes and [start, end) of the chunk as one flat string. */
  #joined(chunk: Buffer, start: number, end: number): string {
    if (this.#keptLength === 0) return readLatin1(chunk, start, end);
    this.#keep(chunk, start, end);
    const text = readLatin1(this.#kept, 0, this.#keptLength);
    this.#keptLength -= end - start;
    return text;
  }

  #keep(chunk: Buffer, start: number, end: number): void {
    const length = this.#keptLength + end - start;
    if (length > this.#kept.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(firstCapacity, this.#kept.length * 2, length));
      this.#kept.copy(grown, 0, 0, this.#keptLength);
      this.#kept = grown;
    }
    chunk.copy(this.#kept, this.#keptLength, start, end);
    this.#keptLength = length;
  }

  #reset(): void {
    this.#kept = nothing;
    this.#keptLength = 0;
    this.#total = -1;
    this.#column = 0;
    this.#field = 0;
    this.#fields = 0;
    this.#defect = undefined;
  }
}

/** Finds the one Content-Length of the head [from, end) of `text`. Source: RFC 3261 20.14, 18.3. */
function readContentLength(text: string, from: number, end: number): number | FramingDefect {
  let found = -1;
  let at = text.indexOf('\n', from) + 1;
  while (at < end) {
    let lineEnd = text.indexOf('\n', at);
    const valueAt = contentLengthValueAt(text, at, lineEnd);
    if (valueAt >= 0) {
      while (lineEnd + 1 < end && isBlank(text.charCodeAt(lineEnd + 1))) lineEnd = text.indexOf('\n', lineEnd + 1);
      const value = readDigits(text, valueAt, lineEnd);
      if (value < 0) return defects.malformed;
      if (found >= 0 && found !== value) return defects.contradictory;
      found = value;
    }
    at = lineEnd + 1;
  }
  return found < 0 ? defects.missing : found;
}

/** Where the value begins if the line at `start` is a Content-Length (or `l`) field, else -1. */
function contentLengthValueAt(text: string, start: number, lineEnd: number): number {
  let at: number;
  const first = text.charCodeAt(start) | 0x20;
  if (first === 0x6c) at = start + 1;
  else if (first === 0x63) {
    at = start + contentLengthName.length;
    if (at > lineEnd) return -1;
    for (let i = 1; i < contentLengthName.length; i++) {
      const code = text.charCodeAt(start + i);
      const expected = contentLengthName.charCodeAt(i);
      if (code !== expected && (code | 0x20) !== expected) return -1;
    }
  } else return -1;
  while (at < lineEnd && isBlank(text.charCodeAt(at))) at++;
  return text.charCodeAt(at) === colon ? at + 1 : -1;
}

/** 1*DIGIT with white space (folding too) around it, clipped above any limit; -1 when it is anything else. */
function readDigits(text: string, start: number, end: number): number {
  let at = start;
  let stop = end;
  while (at < stop && isLinearSpace(text.charCodeAt(at))) at++;
  while (stop > at && isLinearSpace(text.charCodeAt(stop - 1))) stop--;
  if (at === stop) return -1;
  let value = 0;
  for (; at < stop; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = Math.min(value * 10 + digit, 0x7fffffff);
  }
  return value;
}

function isLinearSpace(code: number): boolean {
  return isBlank(code) || code === cr || code === lf;
}
