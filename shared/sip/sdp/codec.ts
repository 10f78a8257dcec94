import { ParseFailure } from '#sip/errors';
import { decimalAt, parseDecimal } from '#sip/header/number-value';
import { isBlank, skipBlanks, skipClass, tokenClass } from '#sip/uri/characters';
import { digitsEnd } from '#sip/uri/host-port';
import { attributeValue, isAttribute, type SdpLines } from './sdp-lines.ts';

/** A codec as a=rtpmap names it. */
export interface Rtpmap {
  /** 0 to 127. */
  readonly payloadType: number;
  /** As received: names compare in any case. */
  readonly name: string;
  /** In Hz, 0 when it is not said. */
  readonly clockRate: number;
  /** What stands behind the clock rate (the channels of audio), '' when there is nothing. */
  readonly parameters: string;
}

/** One format of an m-line and what is known of it. */
export interface Codec {
  /** As it stands in the m-line. */
  readonly format: string;
  /** 0 to 127, -1 for a format that is no payload type. */
  readonly payloadType: number;
  /** Name of a=rtpmap, or that of a static payload type; '' when neither says it. */
  readonly name: string;
  /** In Hz, 0 when it is not said. */
  readonly clockRate: number;
  readonly parameters: string;
  /** Value of a=fmtp without the format, '' when there is none. */
  readonly fmtp: string;
}

const maxPayloadType = 127;
const maxClockRate = 0xffff_ffff;

/** Encodings of payload types that need no a=rtpmap, in lower case. Source: RFC 3551 6. */
const staticEncodings: ReadonlyMap<number, readonly [name: string, clockRate: number]> = new Map([
  [0, ['pcmu', 8000]],
  [3, ['gsm', 8000]],
  [4, ['g723', 8000]],
  [5, ['dvi4', 8000]],
  [6, ['dvi4', 16_000]],
  [7, ['lpc', 8000]],
  [8, ['pcma', 8000]],
  [9, ['g722', 8000]],
  [10, ['l16', 44_100]],
  [11, ['l16', 44_100]],
  [12, ['qcelp', 8000]],
  [13, ['cn', 8000]],
  [14, ['mpa', 90_000]],
  [15, ['g728', 8000]],
  [16, ['dvi4', 11_025]],
  [17, ['dvi4', 22_050]],
  [18, ['g729', 8000]],
  [25, ['celb', 90_000]],
  [26, ['jpeg', 90_000]],
  [28, ['nv', 90_000]],
  [31, ['h261', 90_000]],
  [32, ['mpv', 90_000]],
  [33, ['mp2t', 90_000]],
  [34, ['h263', 90_000]],
]);

/** The encoding that a payload type has without a=rtpmap, in lower case; '' for a dynamic one. */
export function staticEncoding(payloadType: number): string {
  return staticEncodings.get(payloadType)?.[0] ?? '';
}

/** Reads the value of a=rtpmap; a name without a clock rate is taken as well. Source: RFC 8866 6.6. */
export function parseRtpmap(value: string): Rtpmap | ParseFailure {
  const numberEnd = digitsEnd(value, 0, value.length);
  const payloadType = decimalAt(value, 0, numberEnd, maxPayloadType);
  const nameAt = skipBlanks(value, numberEnd, value.length);
  const nameEnd = skipClass(value, nameAt, value.length, tokenClass);
  if (payloadType instanceof ParseFailure || nameAt === numberEnd || nameEnd === nameAt) {
    return new ParseFailure('malformed rtpmap');
  }
  const name = value.slice(nameAt, nameEnd);
  if (value.charCodeAt(nameEnd) !== 47) return { payloadType, name, clockRate: 0, parameters: '' };
  const slash = value.indexOf('/', nameEnd + 1);
  const rate = parseDecimal(value.slice(nameEnd + 1, slash < 0 ? value.length : slash), maxClockRate);
  const clockRate = rate instanceof ParseFailure ? 0 : rate;
  // Without a clock rate, what stands behind it would be taken for one.
  return { payloadType, name, clockRate, parameters: slash < 0 || clockRate === 0 ? '' : value.slice(slash + 1) };
}

/** Writes the value of a=rtpmap. */
export function formatRtpmap({ payloadType, name, clockRate, parameters }: Rtpmap): string {
  const rate = clockRate === 0 ? '' : `/${clockRate}`;
  return `${payloadType} ${name}${rate}${parameters === '' ? '' : `/${parameters}`}`;
}

/** A format as payload type (leading zeros allowed), -1 when it is none. */
export function payloadTypeOf(format: string): number {
  const number = decimalAt(format, 0, format.length, maxPayloadType);
  return number instanceof ParseFailure ? -1 : number;
}

/**
 * What is known of each format of an m-line, in its order. Of several maps of one payload type the first counts; a map
 * that cannot be read counts as not there.
 *
 * Source: RFC 8866 6.6, 6.15.
 */
export function codecsOf(formats: readonly string[], isRtp: boolean, lines: SdpLines): Codec[] {
  const maps = new Map<number, Rtpmap>();
  const parameters = new Map<string, string>();
  for (const line of lines.all) {
    if (isAttribute(line, 'rtpmap')) {
      const map = parseRtpmap(attributeValue(line, 'rtpmap'));
      if (!(map instanceof ParseFailure) && !maps.has(map.payloadType)) maps.set(map.payloadType, map);
    } else if (isAttribute(line, 'fmtp')) {
      const value = attributeValue(line, 'fmtp');
      const format = formatOfAttribute(value);
      const key = formatKey(format);
      if (!parameters.has(key)) parameters.set(key, value.slice(skipBlanks(value, format.length, value.length)));
    }
  }
  return formats.map((format) => {
    const payloadType = isRtp ? payloadTypeOf(format) : -1;
    const map = maps.get(payloadType);
    const known = staticEncodings.get(payloadType);
    return {
      format,
      payloadType,
      name: map?.name ?? known?.[0] ?? '',
      clockRate: map?.clockRate ?? known?.[1] ?? 0,
      parameters: map?.parameters ?? '',
      fmtp: parameters.get(formatKey(format)) ?? '',
    };
  });
}

/** The format that the value of an attribute of formats (a=rtpmap, a=fmtp, a=rtcp-fb) begins with. */
export function formatOfAttribute(value: string): string {
  let end = 0;
  while (end < value.length && !isBlank(value.charCodeAt(end))) end++;
  return value.slice(0, end);
}

/** What formats are compared by: payload types as numbers, names in lower case. */
export function formatKey(format: string): string {
  const payloadType = payloadTypeOf(format);
  return payloadType < 0 ? format.toLowerCase() : String(payloadType);
}
