import { isSafeHeaderValue } from '#sip/header/token';
import { isBlank, matchesAt, skipBlanks, trimEnd } from '#sip/uri/characters';

/** One line `type=value` of a session description, never changed once made; an edit puts another one in its place. */
export interface SdpLine {
  /** One lower-case letter. */
  readonly type: string;
  readonly value: string;
  /** CRLF or LF as received, '' for a last line that nothing ends. */
  readonly end: string;
  /** Where it begins in the text that was read (characters), -1 for a line that an edit wrote. */
  readonly offset: number;
}

/** Who wants to know of an edit: the session description that the lines belong to. */
export interface SdpEdits {
  /** Line end of the lines that edits write. */
  readonly lineEnd: string;
  noteEdit(before: SdpLine | null, after: SdpLine | null): void;
}

/** Order of the lines of a session and of a media description (without its m-line). Source: RFC 8866 5. */
const order = 'vosiuepcbtrzka';

/** The lines of the session part or of one media description (those after the m-line), in order. */
export class SdpLines {
  readonly #lines: SdpLine[];
  readonly #edits: SdpEdits;

  constructor(lines: SdpLine[], edits: SdpEdits) {
    this.#lines = lines;
    this.#edits = edits;
  }

  get all(): readonly SdpLine[] {
    return this.#lines;
  }

  /** Value of the first line of a type, null when there is none. */
  first(type: string): string | null {
    for (const line of this.#lines) if (line.type === type) return line.value;
    return null;
  }

  /** Values of all lines of a type. */
  values(type: string): string[] {
    return this.#lines.filter((line) => line.type === type).map((line) => line.value);
  }

  /** Value of the first attribute of that name: '' for one without a value, null when there is none. */
  attribute(name: string): string | null {
    for (const line of this.#lines) if (isAttribute(line, name)) return attributeValue(line, name);
    return null;
  }

  /** Values of all attributes of that name. */
  attributes(name: string): string[] {
    return this.#lines.filter((line) => isAttribute(line, name)).map((line) => attributeValue(line, name));
  }

  /** Gives an attribute this one line; null writes it without a value (`a=rtcp-mux`). */
  setAttribute(name: string, value: string | null): void {
    this.put((line) => isAttribute(line, name), 'a', value === null ? name : `${name}:${value}`);
  }

  /** Removes every attribute of that name. */
  removeAttribute(name: string): void {
    this.remove((line) => isAttribute(line, name));
  }

  /**
   * Puts one line in the place of the first one that matches, further ones go; without one it goes to where the order of
   * lines wants it.
   *
   * @throws Error when the value holds CR, LF, NUL or more than an octet per character: a defect of the caller (X-S7).
   */
  put(matches: (line: SdpLine) => boolean, type: string, value: string): void {
    const at = this.#lines.findIndex(matches);
    if (at < 0) {
      this.add(type, value);
      return;
    }
    const before = this.#lines[at]!;
    const after = newLine(type, value, before.end);
    this.remove((line) => line !== before && matches(line));
    this.#lines[at] = after;
    this.#edits.noteEdit(before, after);
  }

  /** Adds a line after the last one of its type, else to where the order of lines wants it. Throws as `put` does. */
  add(type: string, value: string): void {
    const line = newLine(type, value, this.#edits.lineEnd);
    const last = this.#lines.findLastIndex((other) => other.type === type);
    const rank = order.indexOf(type);
    const later = this.#lines.findIndex((other) => order.indexOf(other.type) > rank);
    const at = last >= 0 ? last + 1 : later >= 0 ? later : this.#lines.length;
    this.#lines.splice(at, 0, line);
    this.#edits.noteEdit(null, line);
  }

  /** Removes every line that matches. */
  remove(matches: (line: SdpLine) => boolean): void {
    for (let i = this.#lines.length - 1; i >= 0; i--) {
      const line = this.#lines[i]!;
      if (!matches(line)) continue;
      this.#lines.splice(i, 1);
      this.#edits.noteEdit(line, null);
    }
  }
}

/** A line as an edit writes it. Throws as `SdpLines.put` does. */
export function newLine(type: string, value: string, end: string): SdpLine {
  if (!isSafeHeaderValue(value)) throw new Error(`SDP ${type}=: value holds a control character`);
  return { type, value, end, offset: -1 };
}

/** Whether a line is the attribute of that name, with or without a value; letters in any case. */
export function isAttribute(line: SdpLine, name: string): boolean {
  if (line.type !== 'a') return false;
  const { value } = line;
  const from = skipBlanks(value, 0, value.length);
  if (!matchesAt(value, from, name)) return false;
  const end = from + name.length;
  return end === value.length || value.charCodeAt(end) === 58 || isBlank(value.charCodeAt(end));
}

/** What stands after the name and its colon, blanks around it left out. */
export function attributeValue(line: SdpLine, name: string): string {
  const { value } = line;
  const nameEnd = skipBlanks(value, 0, value.length) + name.length;
  const colon = skipBlanks(value, nameEnd, value.length);
  if (value.charCodeAt(colon) !== 58) return '';
  const from = skipBlanks(value, colon + 1, value.length);
  return value.slice(from, trimEnd(value, from, value.length));
}

/** The words of a value, runs of blanks taken for one; at most `max`, the last of which holds all the rest. */
export function wordsOf(value: string, max: number): string[] {
  const words: string[] = [];
  const to = trimEnd(value, 0, value.length);
  for (let i = skipBlanks(value, 0, to); i < to; i = skipBlanks(value, i, to)) {
    const from = i;
    if (words.length + 1 === max) i = to;
    while (i < to && !isBlank(value.charCodeAt(i))) i++;
    words.push(value.slice(from, i));
  }
  return words;
}
