import { ParseFailure } from '#sip/errors';

/** What bencode can say: octets (a latin1 string), a whole number, a list, a dictionary. */
export type BencodeValue = string | number | readonly BencodeValue[] | BencodeDictionary;
export type BencodeDictionary = ReadonlyMap<string, BencodeValue>;

/** Bounds on what is read. */
const maxDepth = 16;
const maxItems = 16_384;
const maxDigits = 15;

/**
 * Writes a value as bencode, a latin1 string; keys of dictionaries in order.
 *
 * Throws RangeError for a number that is not whole. Source: BitTorrent BEP 3, "bencoding"; requirement P-142.
 */
export function encodeBencode(value: BencodeValue): string {
  if (typeof value === 'string') return `${value.length}:${value}`;
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not a whole number`);
    return `i${value}e`;
  }
  if (isList(value)) return `l${value.map(encodeBencode).join('')}e`;
  const entries = [...value].sort(([a], [b]) => (a < b ? -1 : 1));
  return `d${entries.map(([key, item]) => encodeBencode(key) + encodeBencode(item)).join('')}e`;
}

/**
 * Reads one bencoded value that fills the text. Keys of dictionaries may come in any order, the last of two equal ones
 * counts. A ParseFailure for all else, for nesting below 16 and for more than 16384 items.
 *
 * Source: BitTorrent BEP 3, "bencoding"; requirement P-142.
 */
export function decodeBencode(text: string): BencodeValue | ParseFailure {
  const reader = new Reader(text);
  const value = reader.value(0);
  if (value instanceof ParseFailure) return value;
  return reader.at === text.length ? value : new ParseFailure('more than one value', reader.at);
}

function isList(value: BencodeValue): value is readonly BencodeValue[] {
  return Array.isArray(value);
}

class Reader {
  at = 0;
  #items = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): BencodeValue | ParseFailure {
    if (depth > maxDepth) return this.#failure('nested too deep');
    if (++this.#items > maxItems) return this.#failure('too many items');
    switch (this.#text[this.at]) {
      case 'i':
        return this.#integer();
      case 'l':
        return this.#list(depth);
      case 'd':
        return this.#dictionary(depth);
      default:
        return this.#octets();
    }
  }

  #integer(): number | ParseFailure {
    const start = this.at + 1;
    const negative = this.#text[start] === '-';
    const value = this.#digits(negative ? start + 1 : start, 'e');
    if (value instanceof ParseFailure) return value;
    return negative ? -value : value;
  }

  #octets(): string | ParseFailure {
    const length = this.#digits(this.at, ':');
    if (length instanceof ParseFailure) return length;
    const end = this.at + length;
    if (end > this.#text.length) return this.#failure('a string ends too soon');
    const octets = this.#text.slice(this.at, end);
    this.at = end;
    return octets;
  }

  #list(depth: number): BencodeValue[] | ParseFailure {
    const list: BencodeValue[] = [];
    this.at++;
    while (this.#text[this.at] !== 'e') {
      const item = this.value(depth + 1);
      if (item instanceof ParseFailure) return item;
      list.push(item);
    }
    this.at++;
    return list;
  }

  #dictionary(depth: number): BencodeDictionary | ParseFailure {
    const dictionary = new Map<string, BencodeValue>();
    this.at++;
    while (this.#text[this.at] !== 'e') {
      const key = this.#octets();
      if (key instanceof ParseFailure) return key;
      const item = this.value(depth + 1);
      if (item instanceof ParseFailure) return item;
      dictionary.set(key, item);
    }
    this.at++;
    return dictionary;
  }

  /** Digits from `start` to the character `end`, which is passed. */
  #digits(start: number, end: string): number | ParseFailure {
    let at = start;
    let value = 0;
    for (; at - start <= maxDigits; at++) {
      const digit = this.#text.charCodeAt(at) - 0x30;
      if (!(digit >= 0 && digit <= 9)) break;
      value = value * 10 + digit;
    }
    if (at === start || at - start > maxDigits || this.#text[at] !== end) return this.#failure('malformed number');
    this.at = at + 1;
    return value;
  }

  #failure(reason: string): ParseFailure {
    return new ParseFailure(reason, this.at);
  }
}
