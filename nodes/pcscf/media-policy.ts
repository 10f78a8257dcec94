import type { PcscfConfig } from '#service/config-shape';
import { ParseFailure } from '#sip/errors';
import { decimalAt } from '#sip/header/number-value';
import { isBlank, lowerSlice, matchesAt, skipBlanks, skipClass, tokenClass } from '#sip/uri/characters';

/** Which media may be offered. */
export interface MediaPolicy {
  /** Media types of m-lines, in lower case; null allows all. */
  readonly types: ReadonlySet<string> | null;
  /** Names as in a=rtpmap, in lower case. */
  readonly forbiddenCodecs: ReadonlySet<string>;
}

/** The policy of a configuration, null when it forbids nothing: then no body is looked at. */
export function mediaPolicyOf({ types, codecs }: PcscfConfig['policy']['media']): MediaPolicy | null {
  if (types.length === 0 && codecs.forbidden.length === 0) return null;
  return {
    types: types.length === 0 ? null : new Set(types),
    forbiddenCodecs: new Set(codecs.forbidden.map((name) => name.toLowerCase())),
  };
}

/**
 * What a policy forbids of an offer, in words; null when all of it is allowed. A media description with port 0 offers
 * nothing, unless it shares the port of another one (a=bundle-only). An offer that cannot be read is forbidden: its
 * receiver might read it otherwise. Only m=, a=rtpmap and a=bundle-only count; the capabilities of RFC 5939 are not
 * looked at.
 *
 * Source: TS 24.229 6.2; RFC 8843 6; requirement P-79.
 */
export function forbiddenMedia(sdp: string, policy: MediaPolicy): string | null {
  const media = readMedia(sdp, policy);
  if (media instanceof ParseFailure) return `SDP offset ${media.offset}: ${media.reason}`;
  for (const description of media) {
    if (!description.offered) continue;
    if (description.forbiddenType) return `media type ${description.type}`;
    if (description.forbiddenCodec !== '') return `codec ${description.forbiddenCodec} of ${description.type}`;
  }
  return null;
}

/**
 * The part of an offer that a policy allows: forbidden media types have port 0, forbidden codecs are taken out with
 * their attributes; where no codec is left, the port is 0 and one format stays, since the grammar wants one. '' for an
 * offer that cannot be read.
 *
 * Source: TS 24.229 6.2; RFC 3261 21.4.26; requirement P-79.
 */
export function allowedSdp(sdp: string, policy: MediaPolicy): string {
  const media = readMedia(sdp, policy);
  if (media instanceof ParseFailure) return '';
  let out = '';
  let copied = 0;
  for (const description of media) {
    if (!description.offered || (!description.forbiddenType && description.forbiddenCodec === '')) continue;
    const { portAt, portEnd, formatsAt, lineEnd, formats, forbiddenFormats } = description;
    const left = [...formats].filter((format) => !forbiddenFormats.has(format));
    const refused = description.forbiddenType || left.length === 0;
    out += sdp.slice(copied, portAt) + (refused ? '0' : sdp.slice(portAt, portEnd)) + sdp.slice(portEnd, formatsAt);
    if (forbiddenFormats.size === 0) out += sdp.slice(formatsAt, lineEnd);
    else out += left.length === 0 ? [...formats][0] : left.join(' ');
    copied = lineEnd;
    for (const { at, next, format } of description.attributes) {
      // A bundle-only description would still be offered with port 0.
      if (format === null ? !refused : !forbiddenFormats.has(format)) continue;
      out += sdp.slice(copied, at);
      copied = next;
    }
  }
  return out + sdp.slice(copied);
}

/** An attribute line that may have to go: that of a format, or a=bundle-only (null). */
interface Attribute {
  readonly at: number;
  /** Start of the next line. */
  readonly next: number;
  readonly format: string | null;
}

/** A media description. Source: RFC 8866 5.14. */
interface Media {
  readonly type: string;
  readonly rtp: boolean;
  readonly portAt: number;
  readonly portEnd: number;
  readonly formatsAt: number;
  /** End of the m-line, before its CRLF. */
  readonly lineEnd: number;
  /** Payload types without leading zeros; names of formats, in lower case, where the transport is not RTP. */
  readonly formats: ReadonlySet<string>;
  readonly attributes: Attribute[];
  readonly forbiddenType: boolean;
  readonly forbiddenFormats: Set<string>;
  /** The first forbidden codec, '' when there is none. */
  forbiddenCodec: string;
  offered: boolean;
}

/** Codecs of payload types that need no a=rtpmap, in lower case. Source: RFC 3551 6. */
const staticCodecs: ReadonlyMap<string, string> = new Map([
  ['0', 'pcmu'],
  ['3', 'gsm'],
  ['4', 'g723'],
  ['5', 'dvi4'],
  ['6', 'dvi4'],
  ['7', 'lpc'],
  ['8', 'pcma'],
  ['9', 'g722'],
  ['10', 'l16'],
  ['11', 'l16'],
  ['12', 'qcelp'],
  ['13', 'cn'],
  ['14', 'mpa'],
  ['15', 'g728'],
  ['16', 'dvi4'],
  ['17', 'dvi4'],
  ['18', 'g729'],
  ['25', 'celb'],
  ['26', 'jpeg'],
  ['28', 'nv'],
  ['31', 'h261'],
  ['32', 'mpv'],
  ['33', 'mp2t'],
  ['34', 'h263'],
]);

const maxTypeLength = 32;

function readMedia(sdp: string, policy: MediaPolicy): Media[] | ParseFailure {
  if (!sdp.startsWith('v=0')) return new ParseFailure('does not begin with v=0');
  const all: Media[] = [];
  for (let at = 0; at < sdp.length; ) {
    const feed = sdp.indexOf('\n', at);
    const next = feed < 0 ? sdp.length : feed + 1;
    let end = feed < 0 ? sdp.length : feed;
    if (end > at && sdp.charCodeAt(end - 1) === 13) end--;
    const failure = checkLine(sdp, at, end, next);
    if (failure !== null) return failure;
    const kind = sdp[at];
    const current = all.at(-1);
    if (kind === 'm') {
      const media = readMLine(sdp, at, end, policy);
      if (media instanceof ParseFailure) return media;
      all.push(media);
    } else if (kind === 'a' && current !== undefined) {
      const wrong = readAttribute(sdp, at, end, next, current, policy);
      if (wrong !== null) return wrong;
    }
    at = next;
  }
  return all;
}

/** A lower-case letter, `=`, and no NUL or bare CR. Empty lines pass at the very end only. */
function checkLine(sdp: string, at: number, end: number, next: number): ParseFailure | null {
  if (end === at) return next === sdp.length ? null : new ParseFailure('empty line', at);
  const letter = sdp.charCodeAt(at);
  if (letter < 97 || letter > 122 || sdp.charCodeAt(at + 1) !== 61) return new ParseFailure('no type=value line', at);
  for (let i = at + 2; i < end; i++) {
    const code = sdp.charCodeAt(i);
    if (code === 0 || code === 13) return new ParseFailure('control character', i);
  }
  return null;
}

/** `m=type port[/count] protocol format...`. Runs of blanks are taken for one. */
function readMLine(sdp: string, at: number, end: number, policy: MediaPolicy): Media | ParseFailure {
  const typeAt = at + 2;
  const typeEnd = skipClass(sdp, typeAt, end, tokenClass);
  if (typeEnd === typeAt || typeEnd - typeAt > maxTypeLength) return new ParseFailure('malformed media type', typeAt);
  const portAt = skipBlanks(sdp, typeEnd, end);
  const portEnd = wordEnd(sdp, portAt, end);
  let numberEnd = portAt;
  while (numberEnd < portEnd && sdp[numberEnd] !== '/') numberEnd++;
  const port = decimalAt(sdp, portAt, numberEnd, 65_535);
  if (portAt === typeEnd || port instanceof ParseFailure) return new ParseFailure('malformed port', portAt);
  const protocolAt = skipBlanks(sdp, portEnd, end);
  const protocolEnd = wordEnd(sdp, protocolAt, end);
  const rtp = lowerSlice(sdp, protocolAt, protocolEnd).split('/').includes('rtp');
  const formatsAt = skipBlanks(sdp, protocolEnd, end);
  if (formatsAt === end) return new ParseFailure('m-line without format', at);

  const type = lowerSlice(sdp, typeAt, typeEnd);
  const formats = new Set<string>();
  const media: Media = {
    type,
    rtp,
    portAt,
    portEnd,
    formatsAt,
    lineEnd: end,
    formats,
    attributes: [],
    forbiddenType: policy.types !== null && !policy.types.has(type),
    forbiddenFormats: new Set(),
    forbiddenCodec: '',
    offered: port > 0,
  };
  for (let i = formatsAt; i < end; ) {
    const stop = wordEnd(sdp, i, end);
    const format = formatAt(sdp, i, stop, rtp);
    if (format instanceof ParseFailure) return format;
    formats.add(format);
    // The static meaning counts even if a=rtpmap says otherwise: not every receiver reads it.
    forbid(media, format, rtp ? (staticCodecs.get(format) ?? '') : format, policy);
    i = skipBlanks(sdp, stop, end);
  }
  return media;
}

function readAttribute(
  sdp: string,
  at: number,
  end: number,
  next: number,
  media: Media,
  policy: MediaPolicy,
): ParseFailure | null {
  const nameAt = at + 2;
  if (matchesAt(sdp, nameAt, 'bundle-only') && skipBlanks(sdp, nameAt + 11, end) === end) {
    media.offered = true;
    media.attributes.push({ at, next, format: null });
    return null;
  }
  const isMap = matchesAt(sdp, nameAt, 'rtpmap:');
  if (!isMap && !matchesAt(sdp, nameAt, 'fmtp:') && !matchesAt(sdp, nameAt, 'rtcp-fb:')) return null;
  const formatFrom = skipBlanks(sdp, sdp.indexOf(':', nameAt) + 1, end);
  const formatEnd = wordEnd(sdp, formatFrom, end);
  const format = formatAt(sdp, formatFrom, formatEnd, media.rtp);
  if (format instanceof ParseFailure) {
    // fmtp and rtcp-fb (`*`) name no codec.
    return isMap ? new ParseFailure('malformed rtpmap', at) : null;
  }
  media.attributes.push({ at, next, format });
  if (!isMap) return null;
  const codecAt = skipBlanks(sdp, formatEnd, end);
  const codecEnd = skipClass(sdp, codecAt, end, tokenClass);
  if (codecEnd === codecAt) return new ParseFailure('malformed rtpmap', at);
  // A map of a payload type that the m-line does not have offers nothing.
  if (media.formats.has(format)) forbid(media, format, lowerSlice(sdp, codecAt, codecEnd), policy);
  return null;
}

function forbid(media: Media, format: string, codec: string, policy: MediaPolicy): void {
  if (!policy.forbiddenCodecs.has(codec)) return;
  media.forbiddenFormats.add(format);
  if (media.forbiddenCodec === '') media.forbiddenCodec = codec;
}

/** A payload type as a decimal number, or the name of a format in lower case. */
function formatAt(sdp: string, from: number, to: number, rtp: boolean): string | ParseFailure {
  if (!rtp) return lowerSlice(sdp, from, to);
  const number = decimalAt(sdp, from, to, 127);
  return number instanceof ParseFailure ? new ParseFailure('malformed payload type', from) : String(number);
}

function wordEnd(text: string, from: number, to: number): number {
  let i = from;
  while (i < to && !isBlank(text.charCodeAt(i))) i++;
  return i;
}
