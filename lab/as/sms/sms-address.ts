import { ParseFailure } from '#sip/errors';
import { septetsOfText, textOfSeptets } from './gsm-alphabet.ts';
import type { OctetReader } from './octet-reader.ts';
import { packSeptets, unpackSeptets } from './septet-packing.ts';

/*
 * Addresses are text here: `+15550001` is an international number, `15550001` one of unknown type, anything else, such as
 * `INFO`, alphanumeric.
 */

const digits = '0123456789*#abc';
const filler = 15;
const international = 0x91;
const unknown = 0x81;
const alphanumeric = 0xd0;
const maxDigits = 20;
/** Septets of an alphanumeric address, in 20 semi-octets. */
const maxCharacters = 11;

/** An address of a TPDU: number of semi-octets, type, digits. Source: TS 23.040 9.1.2.5. */
export function readTpAddress(reader: OctetReader): string | ParseFailure {
  const at = reader.offset;
  const length = reader.octet();
  const type = reader.octet();
  if (length === null || type === null) return new ParseFailure('address cut off', at);
  if (length > maxDigits) return new ParseFailure(`address of ${length} digits`, at);
  const octets = reader.take((length + 1) >> 1);
  if (octets === null) return new ParseFailure('address cut off', at);
  if ((type & 0x70) === (alphanumeric & 0x70))
    return textOfSeptets(unpackSeptets(octets, Math.floor((length * 4) / 7)));
  return numberOf(type, octets, length);
}

/** Octets of an address of a TPDU; what does not fit is left out. Source: TS 23.040 9.1.2.5. */
export function tpAddress(address: string): Uint8Array {
  const number = digitsOf(address);
  if (number !== null) {
    const { type, values } = number;
    return Uint8Array.from([values.length, type, ...semiOctets(values)]);
  }
  const septets = septetsOfText(address) ?? septetsOfText([...address].map(knownCharacter).join(''))!;
  const used = septets.subarray(0, maxCharacters);
  return Uint8Array.from([Math.ceil((used.length * 7) / 4), alphanumeric, ...packSeptets(used)]);
}

/** An address of an RP message: number of octets, type, digits; '' when it is empty. Source: TS 24.011 8.2.5.1, 8.2.5.2. */
export function readRpAddress(reader: OctetReader): string | ParseFailure {
  const at = reader.offset;
  const octets = reader.counted();
  if (octets === null) return new ParseFailure('RP address cut off', at);
  if (octets.length > 1 + maxDigits / 2) return new ParseFailure(`RP address of ${octets.length} octets`, at);
  if (octets.length < 2) return '';
  const values = octets.subarray(1);
  const odd = values[values.length - 1]! >> 4 === filler;
  return numberOf(octets[0]!, values, values.length * 2 - (odd ? 1 : 0));
}

/** Octets of an address of an RP message; '' and what is no number give the empty one. Source: TS 24.011 8.2.5.1. */
export function rpAddress(address: string): Uint8Array {
  const number = address === '' ? null : digitsOf(address);
  if (number === null) return Uint8Array.of(0);
  const octets = semiOctets(number.values);
  return Uint8Array.from([octets.length + 1, number.type, ...octets]);
}

function numberOf(type: number, octets: Uint8Array, length: number): string | ParseFailure {
  let text = (type & 0x70) === (international & 0x70) ? '+' : '';
  for (let i = 0; i < length; i++) {
    const value = (octets[i >> 1]! >> ((i & 1) * 4)) & 0xf;
    if (value === filler) return new ParseFailure('filler within a number', i >> 1);
    text += digits[value];
  }
  return text;
}

function digitsOf(address: string): { type: number; values: number[] } | null {
  const plus = address.startsWith('+');
  const values = [...address.slice(plus ? 1 : 0)].map((digit) => digits.indexOf(digit));
  if (values.length === 0 || values.includes(-1)) return null;
  return { type: plus ? international : unknown, values: values.slice(0, maxDigits) };
}

function semiOctets(values: readonly number[]): number[] {
  const octets: number[] = [];
  for (let i = 0; i < values.length; i += 2) octets.push(values[i]! | ((values[i + 1] ?? filler) << 4));
  return octets;
}

function knownCharacter(character: string): string {
  return septetsOfText(character) === null ? '?' : character;
}
