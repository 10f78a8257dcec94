/**
 * Layout of records: an octet of type, an octet of version, then the fields in the order their writer wrote them.
 * Numbers are whole, not negative and up to 2^53, seven bits an octet; strings are latin1 behind their length; lists
 * stand behind their count. A newer version may only add fields at the end, and readers of an older record find them empty.
 */

/** Why a record cannot be read. */
export interface RecordRefusal {
  readonly value: null;
  readonly reason: string;
}

const HEADER = 2;
const FIRST_SIZE = 256;
const MAX_FIELD = 16 * 1024 * 1024;

/** Writes one record, field by field. Wrong numbers are the caller's mistake and throw RangeError. */
export class RecordWriter {
  #octets: Buffer;
  #at = HEADER;

  constructor(type: number, version: number) {
    requireOctet('type', type);
    requireOctet('version', version);
    this.#octets = Buffer.allocUnsafe(FIRST_SIZE);
    this.#octets[0] = type;
    this.#octets[1] = version;
  }

  number(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is no whole number from 0 to 2^53`);
    this.#room(8);
    const octets = this.#octets;
    let rest = value;
    while (rest > 0x7f) {
      octets[this.#at++] = (rest % 128) | 0x80;
      rest = rest > 0x7fffffff ? Math.floor(rest / 128) : rest >>> 7;
    }
    octets[this.#at++] = rest;
    return this;
  }

  flag(value: boolean): this {
    return this.number(value ? 1 : 0);
  }

  /** Latin1: one character, one octet. */
  string(value: string): this {
    this.number(value.length);
    this.#room(value.length);
    this.#at += this.#octets.write(value, this.#at, 'latin1');
    return this;
  }

  bytes(value: Uint8Array): this {
    this.number(value.length);
    this.#room(value.length);
    this.#octets.set(value, this.#at);
    this.#at += value.length;
    return this;
  }

  strings(values: readonly string[]): this {
    this.number(values.length);
    for (const value of values) this.string(value);
    return this;
  }

  /** A list of anything: its count, then what `write` writes for each. */
  list<T>(values: readonly T[], write: (writer: this, value: T) => void): this {
    this.number(values.length);
    for (const value of values) write(this, value);
    return this;
  }

  /** The record; the writer is used up. Stores copy it. */
  finish(): Buffer {
    return this.#octets.subarray(0, this.#at);
  }

  #room(octets: number): void {
    const needed = this.#at + octets;
    if (needed <= this.#octets.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#octets.length * 2));
    this.#octets.copy(grown, 0, 0, this.#at);
    this.#octets = grown;
  }
}

/**
 * Reads one record, field by field, in the order of its writer. Fields behind the end read as 0, '' and empty lists (a
 * record of an older version); octets that make no sense set `damaged`, and everything after reads as empty. Never throws.
 */
export class RecordReader {
  /** Version the record was written with. */
  readonly version: number;
  readonly #octets: Buffer;
  #at = HEADER;
  #damaged = false;

  constructor(octets: Buffer) {
    this.#octets = octets;
    this.version = octets[1] ?? 0;
  }

  /** Whether something read so far made no sense; ask after the last field. */
  get damaged(): boolean {
    return this.#damaged;
  }

  number(): number {
    const octets = this.#octets;
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8 && this.#at < octets.length; i++) {
      const octet = octets[this.#at++]!;
      value += (octet & 0x7f) * scale;
      if (octet < 0x80) return value <= Number.MAX_SAFE_INTEGER ? value : this.#damage();
      scale *= 128;
    }
    // At the very end of the record: a field its version did not have.
    return scale === 1 ? 0 : this.#damage();
  }

  flag(): boolean {
    return this.number() !== 0;
  }

  string(): string {
    const start = this.#take();
    return start < 0 ? '' : this.#octets.toString('latin1', start, this.#at);
  }

  /** A view on the record's own octets. */
  bytes(): Buffer {
    const start = this.#take();
    return start < 0 ? Buffer.alloc(0) : this.#octets.subarray(start, this.#at);
  }

  strings(): string[] {
    return this.list((reader) => reader.string());
  }

  list<T>(read: (reader: this) => T): T[] {
    const count = this.number();
    const values: T[] = [];
    // Every item has at least one octet, so a count beyond what is left is a lie.
    if (count > this.#octets.length - this.#at) {
      if (count > 0) this.#damage();
      return values;
    }
    for (let i = 0; i < count && !this.#damaged; i++) values.push(read(this));
    return values;
  }

  /** Start of a counted field and our position behind it; -1 when it does not fit. */
  #take(): number {
    const length = this.number();
    if (length === 0) return -1;
    const start = this.#at;
    if (length > MAX_FIELD || start + length > this.#octets.length) {
      this.#damage();
      return -1;
    }
    this.#at = start + length;
    return start;
  }

  #damage(): 0 {
    this.#damaged = true;
    this.#at = this.#octets.length;
    return 0;
  }
}

/**
 * A reader for a record of `type` of any version up to `newestVersion`; else the reason why not (a record that a newer
 * release wrote, another type, no record at all).
 */
export function openRecord(octets: Buffer, type: number, newestVersion: number): RecordReader | RecordRefusal {
  if (octets.length < HEADER) return { value: null, reason: 'record is too short' };
  if (octets[0] !== type) return { value: null, reason: `record type is ${octets[0]}, not ${type}` };
  if (octets[1]! > newestVersion) {
    return { value: null, reason: `record version ${octets[1]} is newer than ${newestVersion}` };
  }
  return new RecordReader(octets);
}

function requireOctet(what: string, value: number): void {
  if (!Number.isInteger(value) || value < 0 || value > 255) throw new RangeError(`record ${what} ${value} is no octet`);
}
