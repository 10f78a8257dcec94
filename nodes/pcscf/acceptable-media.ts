import type { AcceptableServiceInfo } from '#diameter/rx/media-component';
import { ParseFailure } from '#sip/errors';
import { bandwidthOf, setBandwidth } from '#sip/sdp/bandwidth';
import type { SdpLines } from '#sip/sdp/sdp-lines';
import { parseSessionDescription } from '#sip/sdp/session-description';

const bitsPerUnit = 1000;

/**
 * A UE's offer with no more bandwidth than the PCRF would allow towards it, for the body of a 488: of each media component
 * that is named, or of the session. Empty when there is no offer that can be read, and when nothing is limited.
 *
 * Source: TS 29.214 4.4.1, 5.3.24; TS 24.229 5.2.7.4; requirement P-125.
 */
export function acceptableSdp(offer: string, { mediaComponents, maxDownlink }: AcceptableServiceInfo): string {
  const sdp = offer === '' ? null : parseSessionDescription(offer);
  if (sdp === null || sdp instanceof ParseFailure) return '';
  if (maxDownlink !== undefined) {
    limit(sdp.session, maxDownlink);
    // No stream may want more than all of them.
    for (const { lines } of sdp.media) if (bandwidthOf(lines, 'AS') !== null) limit(lines, maxDownlink);
  }
  for (const component of mediaComponents) {
    const media = sdp.media[component.number - 1];
    if (media !== undefined && component.maxDownlink !== undefined) limit(media.lines, component.maxDownlink);
  }
  return sdp.revision === 0 ? '' : sdp.text;
}

/** TIAS counts before AS where both are said, so it must not say more. */
function limit(lines: SdpLines, bitRate: number): void {
  const most = Math.floor(bitRate / bitsPerUnit);
  const tias = bandwidthOf(lines, 'TIAS');
  if (tias !== null && tias > bitRate) setBandwidth(lines, 'TIAS', null);
  const wanted = bandwidthOf(lines, 'AS');
  if (wanted === null || wanted > most) setBandwidth(lines, 'AS', most);
}
