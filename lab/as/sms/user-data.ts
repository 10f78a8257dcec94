import { ParseFailure } from '#sip/errors';
import { septetsOfText, textOfSeptets } from './gsm-alphabet.ts';
import type { OctetReader } from './octet-reader.ts';
import { packSeptets, unpackSeptets } from './septet-packing.ts';

/** What a phone wrote, as the TPDU has it. */
export interface UserData {
  /** TP-DCS. */
  readonly coding: number;
  /** Whether a header (parts of a long message, ports) stands before the text. */
  readonly hasHeader: boolean;
  /** TP-UDL: septets of the default alphabet, else octets. */
  readonly length: number;
  readonly octets: Uint8Array;
}

export type Alphabet = 'gsm7' | 'octets' | 'ucs2';

const maxOctets = 140;
const general = ['gsm7', 'octets', 'ucs2', 'octets'] as const;

/** Alphabet of a data coding scheme; compressed text counts as octets, reserved codings as the default alphabet. Source: TS 23.038 4. */
export function alphabetOf(coding: number): Alphabet {
  const group = coding >> 4;
  if (group < 8) return (coding & 0x20) === 0 ? general[(coding >> 2) & 3]! : 'octets';
  if (group === 14) return 'ucs2';
  return group === 15 && (coding & 4) !== 0 ? 'octets' : 'gsm7';
}

/** TP-UDL and TP-UD, the last fields of a TPDU. Source: TS 23.040 9.2.3.16, 9.2.3.24. */
export function readUserData(reader: OctetReader, coding: number, hasHeader: boolean): UserData | ParseFailure {
  const at = reader.offset;
  const length = reader.octet();
  if (length === null) return new ParseFailure('no user data length', at);
  const size = alphabetOf(coding) === 'gsm7' ? Math.ceil((length * 7) / 8) : length;
  if (size > maxOctets) return new ParseFailure(`user data of ${size} octets`, at);
  const octets = reader.take(size);
  if (octets === null) return new ParseFailure('user data cut off', at);
  if (hasHeader && (octets.length === 0 || octets[0]! + 1 > octets.length)) {
    return new ParseFailure('user data header cut off', at);
  }
  return { coding, hasHeader, length, octets };
}

/** The text, or the octets in hexadecimal digits where they are none. Source: TS 23.040 9.2.3.24, TS 23.038 6. */
export function textOfUserData({ coding, hasHeader, length, octets }: UserData): string {
  const header = hasHeader ? octets[0]! + 1 : 0;
  switch (alphabetOf(coding)) {
    case 'gsm7': {
      const skipped = Math.ceil((header * 8) / 7);
      return textOfSeptets(unpackSeptets(octets, length - skipped, skipped));
    }
    case 'ucs2': {
      let text = '';
      for (let i = header; i + 1 < octets.length; i += 2)
        text += String.fromCharCode(octets[i]! * 256 + octets[i + 1]!);
      return text;
    }
    case 'octets':
      return Buffer.from(octets.subarray(header)).toString('hex');
  }
}

/** User data of a text: in the default alphabet, else in UCS2; null when it is too long. Source: TS 23.038 4, 6. */
export function userDataOfText(text: string): UserData | null {
  const septets = septetsOfText(text);
  const octets = septets === null ? ucs2(text) : packSeptets(septets);
  if (octets.length > maxOctets) return null;
  const coding = septets === null ? 8 : 0;
  return { coding, hasHeader: false, length: septets?.length ?? octets.length, octets };
}

function ucs2(text: string): Uint8Array {
  const octets = new Uint8Array(text.length * 2);
  for (let i = 0; i < text.length; i++) {
    octets[i * 2] = text.charCodeAt(i) >> 8;
    octets[i * 2 + 1] = text.charCodeAt(i) & 0xff;
  }
  return octets;
}
