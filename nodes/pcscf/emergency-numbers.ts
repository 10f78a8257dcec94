import type { PcscfConfig } from '#service/config/pcscf-config';
import { maxUriLength } from '#sip/uri/sip-uri';
import { parseUri } from '#sip/uri/uri';
import { NumberList } from './number-list.ts';

const invite = 'INVITE ';

/**
 * Tells of the text of a request whether it calls an emergency number of the configuration: for overload protection, which
 * reads no more of a message than it must.
 * Source: TS 24.229 5.2.10.4; requirements P-130, P-143.
 */
export function callsEmergencyNumber({ emergency, homeDomain }: PcscfConfig): (text: string) => boolean {
  const numbers = new NumberList(emergency.numbers);
  if (numbers.isEmpty) return () => false;
  return (text) => {
    if (!text.startsWith(invite)) return false;
    const colon = text.indexOf(':', invite.length);
    if (colon < 0 || !numbers.mayBegin(text.charCodeAt(colon + 1))) return false;
    const end = text.indexOf(' ', colon);
    if (end < 0 || end - invite.length > maxUriLength) return false;
    return numbers.find(parseUri(text.slice(invite.length, end)), homeDomain) !== '';
  };
}
