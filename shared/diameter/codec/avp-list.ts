import type { AvpDefinition } from '../dictionary/dictionary.ts';
import { decodeAddress, decodeTime } from './avp-types.ts';

type Def<T extends AvpDefinition['type']> = AvpDefinition<T>;
type TextType = 'UTF8String' | 'DiameterIdentity' | 'DiameterURI' | 'IPFilterRule' | 'OctetString';

/** What `toString('latin1', ...)` calls after a third of its time; the type definitions lack it. */
interface Latin1Octets extends Buffer {
  latin1Slice(start: number, end: number): string;
}

/**
 * Visits one AVP: its offset in the message, signed 32-bit code and vendor, where its data lies, and its place in the
 * index, by which `groupAt` finds its members.
 */
export type AvpVisitor = (
  offset: number,
  code: number,
  vendor: number,
  dataStart: number,
  dataEnd: number,
  place: number,
) => void;

/**
 * Numbers that the index has of one AVP: signed code, signed vendor, offset, place of the next one beside it, which codes
 * its members have (`codeBit` of each).
 */
export const INDEX_ENTRY = 5;

/** One bit of 32 for a code: a list whose bits lack it has no such AVP, and most that are asked for are not there. */
export function codeBit(code: number): number {
  return 1 << (code & 31);
}

/**
 * The AVPs of a message or of a Grouped AVP, read in place; values are made when they are asked for.
 *
 * Made only over octets that the decoder has walked, so every header and length is known to be good. A getter gives
 * the first AVP of the definition, or undefined when there is none (or when its octets cannot be such a value).
 */
export class AvpList {
  readonly #octets: Buffer;
  /** All AVPs of the message as the decoder met them: the members of a group that it knows follow the group. */
  readonly #index: readonly number[];
  readonly #from: number;
  readonly #to: number;
  readonly #codes: number;

  /** `from`, `to`: which part of the index the list is; `codes`: the `codeBit`s of what is in it. */
  constructor(octets: Buffer, index: readonly number[], from: number, to: number, codes: number) {
    this.#octets = octets;
    this.#index = index;
    this.#from = from;
    this.#to = to;
    this.#codes = codes;
  }

  has(definition: AvpDefinition): boolean {
    return this.#find(definition, this.#from) >= 0;
  }

  /** Text, one character per octet. */
  text(definition: Def<TextType>): string | undefined {
    const place = this.#find(definition, this.#from);
    return place < 0 ? undefined : this.#text(this.#index[place + 2]!);
  }

  texts(definition: Def<TextType>): string[] {
    const index = this.#index;
    const found: string[] = [];
    for (let i = this.#from; (i = this.#find(definition, i)) >= 0; i = index[i + 3]!) {
      found.push(this.#text(index[i + 2]!));
    }
    return found;
  }

  /** The data octets, a view of the message: copy what must outlive it. */
  octets(definition: AvpDefinition): Buffer | undefined {
    const place = this.#find(definition, this.#from);
    if (place < 0) return undefined;
    const at = this.#index[place + 2]!;
    return this.#octets.subarray(this.#dataStart(at), this.#dataEnd(at));
  }

  unsigned32(definition: Def<'Unsigned32'>): number | undefined {
    const place = this.#find(definition, this.#from);
    return place < 0 ? undefined : this.#uint32(this.#index[place + 2]!);
  }

  unsigned32s(definition: Def<'Unsigned32'>): number[] {
    return this.#all(definition, (at) => this.#uint32(at));
  }

  integer32(definition: Def<'Integer32' | 'Enumerated'>): number | undefined {
    const place = this.#find(definition, this.#from);
    const value = place < 0 ? undefined : this.#uint32(this.#index[place + 2]!);
    return value === undefined ? undefined : value | 0;
  }

  integer32s(definition: Def<'Integer32' | 'Enumerated'>): number[] {
    return this.#all(definition, (at) => {
      const value = this.#uint32(at);
      return value === undefined ? undefined : value | 0;
    });
  }

  unsigned64(definition: Def<'Unsigned64'>): bigint | undefined {
    const data = this.octets(definition);
    return data?.length === 8 ? data.readBigUInt64BE() : undefined;
  }

  integer64(definition: Def<'Integer64'>): bigint | undefined {
    const data = this.octets(definition);
    return data?.length === 8 ? data.readBigInt64BE() : undefined;
  }

  /** A number; what stands for none (NaN) is undefined too. */
  float(definition: Def<'Float32' | 'Float64'>): number | undefined {
    const data = this.octets(definition);
    const size = definition.type === 'Float32' ? 4 : 8;
    if (data === undefined || data.length !== size) return undefined;
    const value = size === 4 ? data.readFloatBE() : data.readDoubleBE();
    return Number.isNaN(value) ? undefined : value;
  }

  /** An IP address in text form; undefined for other address families. */
  address(definition: Def<'Address'>): string | undefined {
    const place = this.#find(definition, this.#from);
    return place < 0 ? undefined : this.#address(this.#index[place + 2]!);
  }

  addresses(definition: Def<'Address'>): string[] {
    return this.#all(definition, (at) => this.#address(at));
  }

  /** Seconds since 1970. */
  time(definition: Def<'Time'>): number | undefined {
    const place = this.#find(definition, this.#from);
    const seconds = place < 0 ? undefined : this.#uint32(this.#index[place + 2]!);
    return seconds === undefined ? undefined : decodeTime(seconds);
  }

  /** The members of a group. One that the dictionary of the decoder did not know as a group has none. */
  grouped(definition: Def<'Grouped'>): AvpList | undefined {
    const place = this.#find(definition, this.#from);
    return place < 0 ? undefined : this.groupAt(place);
  }

  groups(definition: Def<'Grouped'>): AvpList[] {
    const index = this.#index;
    const found: AvpList[] = [];
    for (let i = this.#from; (i = this.#find(definition, i)) >= 0; i = index[i + 3]!) found.push(this.groupAt(i));
    return found;
  }

  /** The members of the AVP at a place of the index, as `forEach` gives it. */
  groupAt(place: number): AvpList {
    const index = this.#index;
    return new AvpList(this.#octets, index, place + INDEX_ENTRY, index[place + 3]!, index[place + 4]!);
  }

  /** All AVPs of the definition as they stand in the message, header and padding included, in order. */
  encoded(definition: AvpDefinition): Buffer[] {
    return this.#all(definition, (at) => this.#octets.subarray(at, (this.#dataEnd(at) + 3) & ~3));
  }

  forEach(visit: AvpVisitor): void {
    const index = this.#index;
    for (let i = this.#from; i < this.#to; i = index[i + 3]!) {
      const at = index[i + 2]!;
      visit(at, index[i]!, index[i + 1]!, this.#dataStart(at), this.#dataEnd(at), i);
    }
  }

  /** The place of the first such AVP at or after a place, -1 for none. */
  #find(definition: AvpDefinition, from: number): number {
    const index = this.#index;
    const to = this.#to;
    const code = definition.code | 0;
    if ((this.#codes & codeBit(code)) === 0) return -1;
    const vendor = definition.vendor | 0;
    for (let i = from; i < to; i = index[i + 3]!) if (index[i] === code && index[i + 1] === vendor) return i;
    return -1;
  }

  /** What `read` makes of each such AVP, given its offset; undefined is left out. */
  #all<T>(definition: AvpDefinition, read: (at: number) => T | undefined): T[] {
    const index = this.#index;
    const found: T[] = [];
    for (let i = this.#from; (i = this.#find(definition, i)) >= 0; i = index[i + 3]!) {
      const value = read(index[i + 2]!);
      if (value !== undefined) found.push(value);
    }
    return found;
  }

  #dataStart(at: number): number {
    return at + (this.#octets[at + 4]! & 0x80 ? 12 : 8);
  }

  #dataEnd(at: number): number {
    return at + uint24(this.#octets, at + 5);
  }

  #address(at: number): string | undefined {
    return decodeAddress(this.#octets, this.#dataStart(at), this.#dataEnd(at));
  }

  #text(at: number): string {
    return (this.#octets as Latin1Octets).latin1Slice(this.#dataStart(at), this.#dataEnd(at));
  }

  #uint32(at: number): number | undefined {
    const start = this.#dataStart(at);
    return this.#dataEnd(at) - start === 4 ? uint32(this.#octets, start) : undefined;
  }
}

/** Four octets as an unsigned number; the caller knows that they exist. */
export function uint32(octets: Buffer, at: number): number {
  return ((octets[at]! << 24) | (octets[at + 1]! << 16) | (octets[at + 2]! << 8) | octets[at + 3]!) >>> 0;
}

export function uint24(octets: Buffer, at: number): number {
  return (octets[at]! << 16) | (octets[at + 1]! << 8) | octets[at + 2]!;
}
