import { ParseFailure } from '#sip/errors';
import { connectionTo } from '#sip/sdp/connection';
import type { MediaDescription } from '#sip/sdp/media-description';
import { parseSessionDescription, type SessionDescription } from '#sip/sdp/session-description';
import { hashOf, Random } from './random.ts';
import { type FuzzTarget, hold, messageMs, shown } from './target.ts';

const directions = ['sendrecv', 'sendonly', 'recvonly', 'inactive'] as const;
const addresses = ['192.0.2.9', '2001:db8::9'].map(connectionTo);

/** An edit of a session description, by chance. */
export function editSdp(sdp: SessionDescription, random: Random): void {
  const media = sdp.media.length === 0 ? null : random.pick(sdp.media);
  if (media === null || random.chance(4)) {
    const lines = sdp.session;
    if (random.chance(3)) lines.removeAttribute(random.pick(['sendrecv', 'group', 'x-fuzz']));
    else lines.setAttribute('x-fuzz', random.chance(2) ? null : `v ${random.below(10)}`);
    return;
  }
  editMedia(media, random);
}

function editMedia(media: MediaDescription, random: Random): void {
  switch (random.below(7)) {
    case 0:
      media.setPort(random.pick([0, 1, 40_000, 65_535]));
      break;
    case 1:
      media.setDirection(random.pick(directions));
      break;
    case 2:
      media.setConnection(random.pick(addresses));
      break;
    case 3:
      media.setBandwidth(random.pick(['AS', 'RS', 'TIAS']), random.chance(3) ? null : random.below(100_000));
      break;
    case 4: {
      const parity = random.below(2);
      media.removeFormats((key) => (hashOf(key) & 1) === parity);
      break;
    }
    case 5:
      media.lines.removeAttribute(random.pick(['rtpmap', 'fmtp', 'rtcp', 'bundle-only', 'curr']));
      break;
    default:
      media.lines.setAttribute('x-fuzz', `v ${random.below(10)}`);
  }
}

/** All that a description says, in words. */
export function sdpWords(sdp: SessionDescription): string {
  const media = sdp.media.map((each) => ({
    type: each.type,
    port: each.port,
    count: each.portCount,
    protocol: each.protocol,
    formats: each.formats,
    direction: each.direction,
    offered: each.offered,
    sends: each.sends,
    receives: each.receives,
    connections: each.connections,
    bandwidth: [each.bandwidth('AS'), each.bandwidth('TIAS')],
    rtcp: each.rtcp,
    codecs: each.codecs(),
  }));
  return JSON.stringify({ origin: sdp.origin, connection: sdp.connection, direction: sdp.direction, media });
}

/** Session descriptions: untouched ones keep their text, edited ones say in writing what they say in memory. */
export function sdpTarget(seeds: readonly string[]): FuzzTarget {
  return {
    name: 'parseSessionDescription',
    group: 'sdp',
    weight: 10,
    limitMs: messageMs,
    seeds,
    run(input) {
      const sdp = parseSessionDescription(input);
      if (sdp instanceof ParseFailure) return;
      hold('reading changes the text', sdp.text === input, () => shown(input));
      const before = sdpWords(sdp);
      const clone = sdp.clone();
      hold('a clone says something else', sdpWords(clone) === before, () => shown(input));
      const random = new Random(hashOf(input));
      for (let edits = random.length(6); edits > 0; edits--) editSdp(sdp, random);
      const again = parseSessionDescription(sdp.text);
      if (again instanceof ParseFailure) {
        // An edit may make it longer than it may be.
        const grown = again.reason.includes('too large');
        hold(
          'an edited description is refused',
          grown,
          () => `${again.reason} at ${again.offset} of ${shown(sdp.text)}`,
        );
        return;
      }
      hold('an edited description says something else', sdpWords(again) === sdpWords(sdp), () => shown(sdp.text));
      hold('a clone is edited with its original', sdpWords(clone) === before);
    },
  };
}
