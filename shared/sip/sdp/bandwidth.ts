import { ParseFailure } from '#sip/errors';
import { parseDecimal } from '#sip/header/number-value';
import { equalsIgnoreCase } from '#sip/uri/characters';
import type { SdpLine, SdpLines } from './sdp-lines.ts';

const maxBandwidth = 0xffff_ffff;

/**
 * The bandwidth of a type in one part of a description, in the unit of that type: `AS` and `CT` in kbit/s; `TIAS`, `RS`
 * and `RR` in bit/s. Null when it is not there; a value that is no number, or above 2^32 - 1, counts as not there.
 *
 * Source: RFC 8866 5.8, RFC 3556 2, RFC 3890 6.2.
 */
export function bandwidthOf(lines: SdpLines, type: string): number | null {
  for (const line of lines.all) {
    if (!isBandwidth(line, type)) continue;
    const number = parseDecimal(line.value.slice(type.length + 1), maxBandwidth);
    return number instanceof ParseFailure ? null : number;
  }
  return null;
}

/** Writes the bandwidth of a type, in its unit; null takes it out. */
export function setBandwidth(lines: SdpLines, type: string, value: number | null): void {
  if (value === null) lines.remove((line) => isBandwidth(line, type));
  else lines.put((line) => isBandwidth(line, type), 'b', `${type}:${value}`);
}

function isBandwidth(line: SdpLine, type: string): boolean {
  if (line.type !== 'b' || line.value.charCodeAt(type.length) !== 58) return false;
  return equalsIgnoreCase(line.value.slice(0, type.length), type);
}
