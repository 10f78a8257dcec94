import type { PcscfConfig } from '#service/config/pcscf-config';
import { ParseFailure } from '#sip/errors';
import { formatKey, parseRtpmap, payloadTypeOf, staticEncoding } from '#sip/sdp/codec';
import type { MediaDescription } from '#sip/sdp/media-description';
import { attributeValue, isAttribute } from '#sip/sdp/sdp-lines';
import type { SessionDescription } from '#sip/sdp/session-description';

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
export function forbiddenMedia(sdp: SessionDescription | ParseFailure, policy: MediaPolicy): string | null {
  const verdicts = judge(sdp, policy);
  if (verdicts instanceof ParseFailure) return `SDP offset ${verdicts.offset}: ${verdicts.reason}`;
  for (const { media, forbiddenType, codecs } of verdicts) {
    if (forbiddenType) return `media type ${media.type}`;
    for (const codec of codecs.values()) return `codec ${codec} of ${media.type}`;
  }
  return null;
}

/**
 * The part of an offer that a policy allows: forbidden media types have port 0, forbidden codecs are taken out with
 * their attributes; where no codec is left, the port is 0 and one format stays, since the grammar wants one. '' for an
 * offer that cannot be read. The offer itself stays as it is.
 *
 * Source: TS 24.229 6.2; RFC 3261 21.4.26; requirement P-79.
 */
export function allowedSdp(sdp: SessionDescription | ParseFailure, policy: MediaPolicy): string {
  const allowed = sdp instanceof ParseFailure ? sdp : sdp.clone();
  const verdicts = judge(allowed, policy);
  if (allowed instanceof ParseFailure || verdicts instanceof ParseFailure) return '';
  for (const { media, forbiddenType, codecs } of verdicts) {
    if (codecs.size > 0) media.removeFormats((format) => codecs.has(format));
    if (forbiddenType) media.setPort(0);
  }
  return allowed.text;
}

/** What is forbidden of one media description. */
interface Verdict {
  readonly media: MediaDescription;
  readonly forbiddenType: boolean;
  /** Forbidden codecs in lower case, by the key of their format. */
  readonly codecs: ReadonlyMap<string, string>;
}

/** Judges the media descriptions that offer something; what no two receivers read alike is a failure. */
function judge(sdp: SessionDescription | ParseFailure, policy: MediaPolicy): Verdict[] | ParseFailure {
  if (sdp instanceof ParseFailure) return sdp;
  const verdicts: Verdict[] = [];
  for (const media of sdp.media) {
    const codecs = forbiddenCodecs(media, policy);
    if (codecs instanceof ParseFailure) return codecs;
    const forbiddenType = policy.types !== null && !policy.types.has(media.type);
    if (media.offered) verdicts.push({ media, forbiddenType, codecs });
  }
  return verdicts;
}

function forbiddenCodecs(media: MediaDescription, policy: MediaPolicy): Map<string, string> | ParseFailure {
  const { isRtp } = media;
  const formats = new Set(media.formats.map(formatKey));
  const found = new Map<string, string>();
  for (const format of formats) {
    const payloadType = isRtp ? payloadTypeOf(format) : -1;
    if (isRtp && payloadType < 0) return new ParseFailure('malformed payload type', media.line.offset);
    // The static meaning counts even if a=rtpmap says otherwise: not every receiver reads it.
    const codec = isRtp ? staticEncoding(payloadType) : format;
    if (policy.forbiddenCodecs.has(codec)) found.set(format, codec);
  }
  for (const line of media.lines.all) {
    if (!isAttribute(line, 'rtpmap')) continue;
    const map = parseRtpmap(attributeValue(line, 'rtpmap'));
    if (map instanceof ParseFailure) return new ParseFailure(map.reason, line.offset);
    const format = String(map.payloadType);
    const codec = map.name.toLowerCase();
    // A map of a payload type that the m-line does not have offers nothing.
    if (formats.has(format) && policy.forbiddenCodecs.has(codec) && !found.has(format)) found.set(format, codec);
  }
  return found;
}
