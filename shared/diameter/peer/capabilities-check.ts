import type { Refusal } from '../answer.ts';
import { encodeAvps } from '../codec/encode.ts';
import type { DiameterMessage } from '../codec/message.ts';
import { baseAvps } from '../dictionary/base.ts';
import { resultCodes } from '../errors.ts';
import { isDiameterIdentity, sameIdentity } from '../identity.ts';
import { readResult } from '../result.ts';
import { commonApplications, type LocalCapabilities, type PeerCapabilities, readCapabilities } from './capabilities.ts';

/**
 * Reads what a CER says, or why it is refused: names that are missing, there twice or impossible, our own name, no
 * application in common. Who may connect is not asked here. Source: RFC 6733 5.3; requirements D-03, D-04, D-21.
 */
export function checkCer(cer: DiameterMessage, local: LocalCapabilities): PeerCapabilities | Refusal {
  for (const definition of [baseAvps.originHost, baseAvps.originRealm]) {
    const [, second] = cer.avps.encoded(definition);
    if (second === undefined) continue;
    const words = `CER with more than one ${definition.name}`;
    return { resultCode: resultCodes.AVP_OCCURS_TOO_MANY_TIMES, words, failedAvp: second };
  }
  const capabilities = readCapabilities(cer);
  if (capabilities === undefined) {
    const definition = cer.avps.has(baseAvps.originHost) ? baseAvps.originRealm : baseAvps.originHost;
    const failedAvp = encodeAvps([{ definition, value: '' }]);
    return { resultCode: resultCodes.MISSING_AVP, words: `CER without ${definition.name}`, failedAvp };
  }
  const { originHost, originRealm } = capabilities;
  const impossible = !isDiameterIdentity(originHost) || sameIdentity(originHost, local.identity.originHost);
  if (impossible || !isDiameterIdentity(originRealm)) {
    const definition = impossible ? baseAvps.originHost : baseAvps.originRealm;
    const [failedAvp] = cer.avps.encoded(definition);
    const words = `CER with an ${definition.name} that cannot be`;
    return { resultCode: resultCodes.INVALID_AVP_VALUE, words, failedAvp };
  }
  if (commonApplications(local, capabilities).length > 0) return capabilities;
  const offered = capabilities.applications.join(', ') || 'nothing';
  const words = `${originHost} offers ${offered}, no application of ours; we offer ${offerOf(local)}`;
  return { resultCode: resultCodes.NO_COMMON_APPLICATION, words };
}

/**
 * Why a CEA is none to work with, in words; undefined when it is good. `host`: who the peer should be, undefined when
 * anybody will do. Source: RFC 6733 5.3; requirement D-04.
 */
export function whyNotCea(
  message: DiameterMessage,
  capabilities: PeerCapabilities | undefined,
  local: LocalCapabilities,
  host: string | undefined,
): string | undefined {
  const result = readResult(message);
  const head = `CEA ${result?.code ?? 'without a result'} from ${capabilities?.originHost ?? host ?? 'the peer'}`;
  if (result?.code !== resultCodes.SUCCESS) {
    const text = message.avps.text(baseAvps.errorMessage);
    const reason = result?.code === resultCodes.NO_COMMON_APPLICATION ? 'it offers no application of ours' : 'refused';
    return `${head}: ${text ?? reason}; we offered ${offerOf(local)}`;
  }
  if (capabilities === undefined) return `${head}: without Origin-Host or Origin-Realm`;
  if (host !== undefined && !sameIdentity(capabilities.originHost, host)) {
    return `${head}: the peer at this address should be ${host}`;
  }
  if (commonApplications(local, capabilities).length > 0) return undefined;
  return `${head}: it offers ${capabilities.applications.join(', ') || 'nothing'}; we offered ${offerOf(local)}`;
}

function offerOf({ applications }: LocalCapabilities): string {
  return applications.map((application) => `${application.name} (${application.id})`).join(', ');
}
