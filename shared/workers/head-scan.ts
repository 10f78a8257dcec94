import { ParseFailure } from '#sip/errors';
import { firstListValue } from '#sip/header/list-values';
import { tagOf } from '#sip/header/name-addr';
import { parseVia, type Via } from '#sip/header/via';
import { cr, isBlank, lf } from '#sip/parser/scanner';

/** Twice what a sound message may have. */
const maxFields = 512;
const colon = 58;

/** A header field: its first line begins at `start` (-1: none), its value is [valueStart, valueEnd), the next at `end`. */
export interface FieldSpan {
  start: number;
  valueStart: number;
  valueEnd: number;
  end: number;
}

const newSpan = (): FieldSpan => ({ start: -1, valueStart: 0, valueEnd: 0, end: 0 });

/**
 * Where the few header fields stand that overload protection looks at: found in one pass over the names, without
 * reading values, and kept until the next `scan`. Of a field that stands twice the first counts.
 */
export class HeadScan {
  readonly via = newSpan();
  readonly from = newSpan();
  readonly to = newSpan();
  readonly callId = newSpan();
  readonly cseq = newSpan();
  readonly authorization = newSpan();
  readonly contact = newSpan();
  /** Via lines; a line may hold several values. */
  vias = 0;
  /** End of the last Via line, when the Via lines follow one another; else -1. */
  viasEnd = -1;
  /** Whether every field an answer needs is there once, on one line that ends with CRLF. */
  plain = false;
  #text = '';

  /** Reads a message, or as much of it as is there. */
  scan(text: string): void {
    this.#text = text;
    for (const span of [this.via, this.from, this.to, this.callId, this.cseq, this.authorization, this.contact])
      span.start = -1;
    this.vias = 0;
    this.viasEnd = -1;
    this.plain = true;
    let at = text.indexOf('\n') + 1;
    for (let fields = 0; at > 0 && at < text.length && fields < maxFields; fields++) {
      const first = text.charCodeAt(at);
      if (first === lf || (first === cr && text.charCodeAt(at + 1) === lf)) break;
      at = this.#field(at, first | 0x20);
    }
    if (this.via.start < 0 || this.from.start < 0 || this.to.start < 0) this.plain = false;
    if (this.callId.start < 0 || this.cseq.start < 0) this.plain = false;
  }

  /** The value of a field, '' when it is not there. */
  valueOf(span: FieldSpan): string {
    return span.start < 0 ? '' : this.#text.slice(span.valueStart, span.valueEnd);
  }

  /** Whether To has a tag: the request belongs to a dialog. */
  get hasToTag(): boolean {
    const { start, valueStart, end } = this.to;
    if (start < 0) return false;
    const semicolon = this.#text.indexOf(';', valueStart);
    if (semicolon < 0 || semicolon >= end) return false;
    const value = this.valueOf(this.to);
    return tagOf(value.includes('\n') ? value.replaceAll('\r', ' ').replaceAll('\n', ' ') : value) !== '';
  }

  /** The topmost Via, null when there is none or it is broken. */
  topVia(): Via | null {
    if (this.via.start < 0) return null;
    const value = this.valueOf(this.via);
    const via = parseVia(value.includes(',') ? firstListValue(value).value : value);
    return via instanceof ParseFailure ? null : via;
  }

  /** Notes the field at `at`, whose name begins with the letter `letter`; gives where the next one begins. */
  #field(at: number, letter: number): number {
    const text = this.#text;
    let span: FieldSpan | null = null;
    let value = -1;
    switch (letter) {
      case 0x76:
        if ((value = afterName(text, at, 'via', 'v')) > 0) span = this.via;
        break;
      case 0x66:
        if ((value = afterName(text, at, 'from', 'f')) > 0) span = this.from;
        break;
      case 0x74:
        if ((value = afterName(text, at, 'to', 't')) > 0) span = this.to;
        break;
      case 0x69:
        if ((value = afterName(text, at, 'i', 'i')) > 0) span = this.callId;
        break;
      case 0x6d:
        if ((value = afterName(text, at, 'm', 'm')) > 0) span = this.contact;
        break;
      case 0x61:
        if ((value = afterName(text, at, 'authorization', '')) > 0) span = this.authorization;
        break;
      case 0x63:
        if ((value = afterName(text, at, 'call-id', '')) > 0) span = this.callId;
        else if ((value = afterName(text, at, 'cseq', '')) > 0) span = this.cseq;
        else if ((value = afterName(text, at, 'contact', '')) > 0) span = this.contact;
        break;
    }
    const lineEnd = text.indexOf('\n', at);
    let end = lineEnd < 0 ? text.length : lineEnd + 1;
    let folded = false;
    while (end < text.length && isBlank(text.charCodeAt(end))) {
      folded = true;
      const next = text.indexOf('\n', end);
      end = next < 0 ? text.length : next + 1;
    }
    if (span !== null) this.#note(span, at, value, end, folded);
    return end;
  }

  #note(span: FieldSpan, start: number, valueStart: number, end: number, folded: boolean): void {
    const text = this.#text;
    const sound = !folded && text.charCodeAt(end - 1) === lf && text.charCodeAt(end - 2) === cr;
    const isAnswered = span !== this.authorization && span !== this.contact;
    if (isAnswered && (!sound || (span !== this.via && span.start >= 0))) this.plain = false;
    if (span === this.via) {
      this.vias++;
      if (this.vias > 1) {
        if (this.viasEnd === start) this.viasEnd = end;
        else this.plain = false;
        return;
      }
      this.viasEnd = end;
      const list = text.indexOf(',', valueStart);
      if (list >= 0 && list < end) this.plain = false;
    }
    if (span.start >= 0) return;
    span.start = start;
    span.end = end;
    span.valueStart = valueStart;
    let valueEnd = end;
    while (valueEnd > valueStart && isSpace(text.charCodeAt(valueEnd - 1))) valueEnd--;
    span.valueEnd = valueEnd;
  }
}

/** Where the value begins when the name at `at` is this one, in any case, long or short; else -1. */
function afterName(text: string, at: number, long: string, short: string): number {
  let end = at;
  while (end - at < long.length && (text.charCodeAt(end) | 0x20) === (long.charCodeAt(end - at) | 0x20)) end++;
  if (end - at !== long.length) {
    if (short === '') return -1;
    end = at + 1;
  }
  while (isBlank(text.charCodeAt(end))) end++;
  if (text.charCodeAt(end) !== colon) return -1;
  end++;
  while (isBlank(text.charCodeAt(end))) end++;
  return end;
}

function isSpace(code: number): boolean {
  return isBlank(code) || code === cr || code === lf;
}
