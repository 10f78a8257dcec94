import { type Direction, directionOf } from '#sip/sdp/direction';
import type { MediaDescription } from '#sip/sdp/media-description';
import { isAttribute, type SdpLine } from '#sip/sdp/sdp-lines';
import type { SessionDescription } from '#sip/sdp/session-description';

/** Octets of one Codec-Data: 64 streams of two each stay well below what one Diameter message holds. */
const maxLength = 4096;

/** Keys and passwords are nobody's business but that of the two ends. */
const secrets = ['crypto', 'key-mgmt', 'ice-pwd'];

/** What a session says for all of its streams that say nothing else. */
const sessionAttributes = ['ptime', 'maxptime', 'maxprate', 'framerate'];

const directions: readonly Direction[] = ['sendrecv', 'sendonly', 'recvonly', 'inactive'];

/**
 * One Codec-Data: which way the description went, what it was, and its lines about one stream, each ended by LF. Keys are
 * left out; lines that would not fit into 4096 octets are too.
 *
 * Source: TS 29.214 5.3.7; requirement Q-10.
 */
export function codecData(
  way: 'uplink' | 'downlink',
  role: 'offer' | 'answer' | 'description',
  sdp: SessionDescription,
  media: MediaDescription,
): string {
  let text = `${way}\n${role}\n`;
  for (const line of [media.line, ...media.lines.all, ...sessionLines(sdp, media)]) {
    if (line !== media.line && !isAboutCodecs(line)) continue;
    const value = `${line.type}=${line.value}\n`;
    if (text.length + value.length <= maxLength) text += value;
    else if (line === media.line) text += `${cutAtBlank(value, maxLength - text.length - 1)}\n`;
    else break;
  }
  return text;
}

function isAboutCodecs(line: SdpLine): boolean {
  if (line.type !== 'b' && line.type !== 'a' && line.type !== 'i') return false;
  return !secrets.some((name) => isAttribute(line, name));
}

/** Attributes of the session that hold for a stream which does not say them itself. */
function sessionLines(sdp: SessionDescription, media: MediaDescription): SdpLine[] {
  const found: SdpLine[] = [];
  const take = (names: readonly string[]) => {
    const line = sdp.session.all.find((candidate) => names.some((name) => isAttribute(candidate, name)));
    if (line !== undefined) found.push(line);
  };
  for (const name of sessionAttributes) if (media.lines.attribute(name) === null) take([name]);
  if (directionOf(media.lines) === null) take(directions);
  return found;
}

function cutAtBlank(text: string, length: number): string {
  const blank = text.lastIndexOf(' ', length);
  return text.slice(0, blank < 0 ? length : blank);
}
