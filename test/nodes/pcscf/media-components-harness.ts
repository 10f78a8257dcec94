import {
  defaultMediaOptions,
  type MediaComponentOptions,
  type MediaComponents,
  type MediaExchange,
  type MediaLineStates,
  mediaComponents,
} from '#nodes/pcscf/media-components';
import { ParseFailure } from '#sip/errors';
import { parseSessionDescription, type SessionDescription } from '#sip/sdp/session-description';

/** A description of these lines. */
export function sdp(...lines: readonly string[]): SessionDescription {
  const parsed = parseSessionDescription(lines.map((line) => `${line}\r\n`).join(''));
  if (parsed instanceof ParseFailure) throw new Error(`${parsed.reason} at ${parsed.offset}`);
  return parsed;
}

/** A description by an address, with these media lines. */
export function from(address: string, ...media: readonly string[]): SessionDescription {
  const family = address.includes(':') ? 'IP6' : 'IP4';
  return sdp('v=0', `o=- 1 1 IN ${family} 192.0.2.1`, 's=-', `c=IN ${family} ${address}`, 't=0 0', ...media);
}

/** The components of an exchange in which the UE made the offer, all options by default. */
export function componentsOf(
  ue: SessionDescription | null,
  remote: SessionDescription | null,
  options: Partial<MediaComponentOptions & MediaExchange & { states: MediaLineStates }> = {},
): MediaComponents {
  const { states, offerer = 'ue', isConfirmed = true, ...more } = options;
  return mediaComponents({ ue, remote, offerer, isConfirmed }, states, { ...defaultMediaOptions, ...more });
}
