import { ParseFailure } from '#sip/errors';
import { parseDecimal } from '#sip/header/number-value';
import type { MediaDescription } from '#sip/sdp/media-description';
import type { SessionDescription } from '#sip/sdp/session-description';
import { isIpAddress } from '#sip/uri/host-port';

/** Packets per second where a=maxprate does not say. */
const defaultPacketRate = 50;
const maxPacketRate = 1_000_000;
/** Octets of RTP, UDP and IP in front of each packet. Source: RFC 3890 6.2. */
const overheadOctets = { ipv4: 40, ipv6: 60 };

/**
 * What the author of a description wants to receive on one stream, in bit/s: b=TIAS with the overhead of its packets,
 * else b=AS, of the media or, where it is alone, of the session; else the default of its codec or media type
 * (`audio/amr-wb`, `audio`). Undefined when nothing is known.
 *
 * Source: TS 29.213 6.2; RFC 3890 6.2; requirement Q-04.
 */
export function bandwidthWanted(
  sdp: SessionDescription,
  media: MediaDescription,
  defaults: ReadonlyMap<string, number>,
): number | undefined {
  const isAlone = isOnlyStream(sdp);
  for (const part of isAlone ? [media, sdp] : [media]) {
    const tias = part.bandwidth('TIAS');
    if (tias !== null) return tias + packetOverhead(sdp, media);
    const as = part.bandwidth('AS');
    if (as !== null) return as * 1000;
  }
  const codec = media.codecs()[0]?.name.toLowerCase() ?? '';
  return defaults.get(`${media.type}/${codec}`) ?? defaults.get(media.type);
}

/** b=RS or b=RR of one stream in bit/s, null when it is not said. Source: RFC 3556 2; requirement Q-06. */
export function rtcpBandwidth(sdp: SessionDescription, media: MediaDescription, type: 'RS' | 'RR'): number | null {
  return media.bandwidth(type) ?? (isOnlyStream(sdp) ? sdp.bandwidth(type) : null);
}

/** Whether what a session says of bandwidth is about this one stream. */
function isOnlyStream(sdp: SessionDescription): boolean {
  let streams = 0;
  for (const media of sdp.media) if (media.offered) streams++;
  return streams === 1;
}

function packetOverhead(sdp: SessionDescription, media: MediaDescription): number {
  const isIpv6 = isIpAddress(media.connection?.address ?? '') === 6;
  const rate = packetRateOf(media.lines.attribute('maxprate') ?? sdp.session.attribute('maxprate'));
  return Math.ceil(rate * 8 * (isIpv6 ? overheadOctets.ipv6 : overheadOctets.ipv4));
}

/** Reads a=maxprate: digits, perhaps a point and more digits, of which three count. Source: RFC 3890 6.3. */
function packetRateOf(value: string | null): number {
  if (value === null) return defaultPacketRate;
  const point = value.indexOf('.');
  const whole = parseDecimal(point < 0 ? value : value.slice(0, point), maxPacketRate);
  if (whole instanceof ParseFailure) return defaultPacketRate;
  if (point < 0) return whole;
  const digits = value.slice(point + 1, point + 4);
  const fraction = parseDecimal(digits, 999);
  return fraction instanceof ParseFailure ? whole : whole + fraction / 10 ** digits.length;
}
