import { addressNumber, CidrTable } from '#service/cidr';
import type { AnchorMode, PcscfConfig } from '#service/config/pcscf-config';
import { ParseFailure } from '#sip/errors';
import { isAttribute, type SdpLines } from '#sip/sdp/sdp-lines';
import type { SessionDescription } from '#sip/sdp/session-description';
import { isIpAddress } from '#sip/uri/host-port';
import { parseUri } from '#sip/uri/uri';
import type { Binding } from './binding.ts';

/** Address family as SDP and rtpengine name it. */
export type Family = 'IP4' | 'IP6';

/** `media.anchor` by address: that of the closest network of `access` which has one. Requirement P-142. */
export function anchorModes({ access, media }: Pick<PcscfConfig, 'access' | 'media'>): (address: string) => AnchorMode {
  if (access.every(({ anchor }) => anchor === undefined || anchor === media.anchor)) return () => media.anchor;
  const table = new CidrTable(access.map(({ anchor, from }) => [from, anchor ?? media.anchor] as const));
  return (address) => table.find(address) ?? media.anchor;
}

/**
 * Whether an offer has to go through the relay: always, or where a description would name an address that the other side
 * cannot send to. Those are private addresses of a UE behind NAT, and addresses of the other family. A UE that brings
 * ICE finds its way through NAT by itself.
 *
 * `byUe`: who offers. Source: requirement P-142.
 */
export function wantsAnchor(mode: AnchorMode, binding: Binding, sdp: SessionDescription, byUe: boolean): boolean {
  switch (mode) {
    case 'off':
      return false;
    case 'always':
      return true;
    case 'nat':
      if (byUe) return !usesIce(sdp) && (isElsewhere(sdp, binding) || isBehindNat(binding));
      return isOtherFamily(sdp, familyOf(binding.flow.address)) || (isBehindNat(binding) && !usesIce(sdp));
  }
}

/** Whether a UE names itself otherwise than it is seen: there is a NAT between. */
export function isBehindNat({ contacts, flow }: Binding): boolean {
  return contacts.some(({ uri: text }) => {
    const uri = parseUri(text);
    if (uri instanceof ParseFailure || uri.kind !== 'sip' || isIpAddress(uri.host) === 0) return false;
    return !isSameAddress(uri.host, flow.address);
  });
}

/** Whether a description of a UE asks for media somewhere else than where its messages come from. */
export function isElsewhere(sdp: SessionDescription, { flow }: Binding): boolean {
  return addressesOf(sdp).some((address) => !isSameAddress(address, flow.address));
}

export function familyOf(address: string): Family {
  return address.includes(':') ? 'IP6' : 'IP4';
}

/** Family of the addresses of a description, null when it has none. */
export function familyOfSdp(sdp: SessionDescription): Family | null {
  const [first] = addressesOf(sdp);
  return first === undefined ? null : familyOf(first);
}

function isOtherFamily(sdp: SessionDescription, family: Family): boolean {
  return addressesOf(sdp).some((address) => familyOf(address) !== family);
}

/** Numeric addresses that media is asked for at; those of media on hold (0.0.0.0, ::) and of port 0 are none. */
function addressesOf(sdp: SessionDescription): string[] {
  const found: string[] = [];
  for (const media of sdp.media) {
    if (!media.offered) continue;
    for (const { address } of media.connections) {
      if (isIpAddress(address) !== 0 && address !== '0.0.0.0' && address !== '::') found.push(address);
    }
  }
  return found;
}

function usesIce(sdp: SessionDescription): boolean {
  return hasIce(sdp.session) || sdp.media.some(({ lines }) => hasIce(lines));
}

function hasIce({ all }: SdpLines): boolean {
  return all.some((line) => isAttribute(line, 'ice-ufrag') || isAttribute(line, 'candidate'));
}

function isSameAddress(a: string, b: string): boolean {
  return a === b || (a.includes(':') && addressNumber(a)?.value === addressNumber(b)?.value);
}
