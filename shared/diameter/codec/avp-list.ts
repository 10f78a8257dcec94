import type { AvpDefinition } from '../dictionary/dictionary.ts';
import { decodeAddress, decodeTime } from './avp-types.ts';

type Def<T extends AvpDefinition['type']> = AvpDefinition<T>;
type TextType = 'UTF8String' | 'DiameterIdentity' | 'DiameterURI' | 'IPFilterRule' | 'OctetString';

/** What `toString('latin1', ...)` calls after a third of its time; the type definitions lack it. */
interface Latin1Octets extends Buffer {
  latin1Slice(start: number, end: number): string;
}

/** Visits one AVP: its offset in the message, signed 32-bit code and vendor, and where its data lies. */
export type AvpVisitor = (offset: number, code: number, vendor: number, dataStart: number, dataEnd: number) => void;

/**
 * The AVPs of a message or of a Grouped AVP, read in place; values are made when they are asked for.
 *
 * Made only over octets that the decoder has walked, so every header and length is known to be good. A getter gives
 * the first AVP of the definition, or undefined when there is none (or when its octets cannot be such a value).
 */
export class AvpList {
  readonly #octets: Buffer;
  readonly #end: number;
  /** Pairs of signed 32-bit code and offset, in order of appearance; built at the first lookup. */
  #index: number[] | undefined;
  readonly #start: number;

  constructor(octets: Buffer, start: number, end: number) {
    this.#octets = octets;
    this.#start = start;
    this.#end = end;
  }

  has(definition: AvpDefinition): boolean {
    return this.#find(definition, 0) >= 0;
  }

  /** Text, one character per octet. */
  text(definition: Def<TextType>): string | undefined {
    const at = this.#find(definition, 0);
    return at < 0 ? undefined : this.#text(at);
  }

  texts(definition: Def<TextType>): string[] {
    const found: string[] = [];
    for (let i = 0; (i = this.#findPair(definition, i)) >= 0; i += 2) found.push(this.#text(this.#offsetAt(i)));
    return found;
  }

  /** The data octets, a view of the message: copy what must outlive it. */
  octets(definition: AvpDefinition): Buffer | undefined {
    const at = this.#find(definition, 0);
    return at < 0 ? undefined : this.#octets.subarray(this.#dataStart(at), this.#dataEnd(at));
  }

  unsigned32(definition: Def<'Unsigned32'>): number | undefined {
    const at = this.#find(definition, 0);
    return at < 0 ? undefined : this.#uint32(at);
  }

  unsigned32s(definition: Def<'Unsigned32'>): number[] {
    const found: number[] = [];
    for (let i = 0; (i = this.#findPair(definition, i)) >= 0; i += 2) {
      const value = this.#uint32(this.#offsetAt(i));
      if (value !== undefined) found.push(value);
    }
    return found;
  }

  integer32(definition: Def<'Integer32' | 'Enumerated'>): number | undefined {
    const at = this.#find(definition, 0);
    const value = at < 0 ? undefined : this.#uint32(at);
    return value === undefined ? undefined : value | 0;
  }

  unsigned64(definition: Def<'Unsigned64'>): bigint | undefined {
    const data = this.octets(definition);
    return data?.length === 8 ? data.readBigUInt64BE() : undefined;
  }

  integer64(definition: Def<'Integer64'>): bigint | undefined {
    const data = this.octets(definition);
    return data?.length === 8 ? data.readBigInt64BE() : undefined;
  }

  float(definition: Def<'Float32' | 'Float64'>): number | undefined {
    const data = this.octets(definition);
    if (data?.length === 4 && definition.type === 'Float32') return data.readFloatBE();
    return data?.length === 8 && definition.type === 'Float64' ? data.readDoubleBE() : undefined;
  }

  /** An IP address in text form; undefined for other address families. */
  address(definition: Def<'Address'>): string | undefined {
    const at = this.#find(definition, 0);
    return at < 0 ? undefined : decodeAddress(this.#octets, this.#dataStart(at), this.#dataEnd(at));
  }

  /** Seconds since 1970. */
  time(definition: Def<'Time'>): number | undefined {
    const at = this.#find(definition, 0);
    const seconds = at < 0 ? undefined : this.#uint32(at);
    return seconds === undefined ? undefined : decodeTime(seconds);
  }

  grouped(definition: Def<'Grouped'>): AvpList | undefined {
    const at = this.#find(definition, 0);
    return at < 0 ? undefined : new AvpList(this.#octets, this.#dataStart(at), this.#dataEnd(at));
  }

  groups(definition: Def<'Grouped'>): AvpList[] {
    const found: AvpList[] = [];
    for (let i = 0; (i = this.#findPair(definition, i)) >= 0; i += 2) {
      const at = this.#offsetAt(i);
      found.push(new AvpList(this.#octets, this.#dataStart(at), this.#dataEnd(at)));
    }
    return found;
  }

  /** All AVPs of the definition as they stand in the message, header and padding included, in order. */
  encoded(definition: AvpDefinition): Buffer[] {
    const found: Buffer[] = [];
    for (let i = 0; (i = this.#findPair(definition, i)) >= 0; i += 2) {
      const at = this.#offsetAt(i);
      found.push(this.#octets.subarray(at, Math.min((this.#dataEnd(at) + 3) & ~3, this.#end)));
    }
    return found;
  }

  forEach(visit: AvpVisitor): void {
    const index = this.#pairs();
    for (let i = 0; i < index.length; i += 2) {
      const at = index[i + 1]!;
      visit(at, index[i]!, this.#vendor(at), this.#dataStart(at), this.#dataEnd(at));
    }
  }

  #pairs(): number[] {
    if (this.#index !== undefined) return this.#index;
    const octets = this.#octets;
    const end = this.#end;
    const index: number[] = [];
    for (let at = this.#start; at < end; ) {
      index.push(uint32(octets, at) | 0, at);
      at += (uint24(octets, at + 5) + 3) & ~3;
    }
    this.#index = index;
    return index;
  }

  #find(definition: AvpDefinition, from: number): number {
    const pair = this.#findPair(definition, from);
    return pair < 0 ? -1 : this.#offsetAt(pair);
  }

  #findPair(definition: AvpDefinition, from: number): number {
    const index = this.#index ?? this.#pairs();
    const code = definition.code | 0;
    const vendor = definition.vendor | 0;
    for (let i = from; i < index.length; i += 2) {
      if (index[i] === code && this.#vendor(index[i + 1]!) === vendor) return i;
    }
    return -1;
  }

  #offsetAt(pair: number): number {
    return this.#index![pair + 1]!;
  }

  #vendor(at: number): number {
    return this.#octets[at + 4]! & 0x80 ? uint32(this.#octets, at + 8) | 0 : 0;
  }

  #dataStart(at: number): number {
    return at + (this.#octets[at + 4]! & 0x80 ? 12 : 8);
  }

  #dataEnd(at: number): number {
    return at + uint24(this.#octets, at + 5);
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
