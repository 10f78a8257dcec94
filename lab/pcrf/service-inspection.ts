import type { DiameterMessage } from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import type { AvpDefinition } from '#diameter/dictionary/dictionary';
import { rxApplication, rxAvps } from '#diameter/dictionary/rx';
import { resultCodes } from '#diameter/errors';
import { rxRequestTypes, specificActions, subscriptionIdTypes, terminationCauses } from '#diameter/rx/rx-values';
import { hasControl } from '../diameter/request-inspection.ts';
import { componentFindings } from './component-inspection.ts';
import type { RxFinding } from './rx-finding.ts';

type Avps = DiameterMessage['avps'];

const NO_STATE_MAINTAINED = 1;
const knownActions: ReadonlySet<number> = new Set(Object.values(specificActions));

/** What is wrong with what the AVPs of an AAR say, whatever was said before. Source: TS 29.214 4.4.1, 5.3; requirement D-70. */
export function serviceFindings({ avps }: DiameterMessage): RxFinding[] {
  return [
    ...commonFindings(avps),
    ...framedAddressFindings(avps),
    ...actionFindings(avps),
    ...subscriptionFindings(avps),
    ...textFindings(avps),
    ...componentFindings(avps),
  ];
}

/** The same for a STR. Source: TS 29.214 4.4.4, 5.6.5. */
export function terminationFindings({ avps }: DiameterMessage): RxFinding[] {
  const findings = commonFindings(avps);
  const cause = avps.integer32(baseAvps.terminationCause);
  if (cause !== undefined && cause >= 1 && cause <= 8 && cause !== terminationCauses.LOGOUT) {
    const words = `Termination-Cause is ${cause}, an AF ends its sessions with DIAMETER_LOGOUT (1)`;
    findings.push({ id: 'termination-cause', words });
  }
  return findings;
}

function commonFindings(avps: Avps): RxFinding[] {
  const findings: RxFinding[] = [];
  const id = avps.unsigned32(baseAvps.authApplicationId);
  if (id !== undefined && id !== rxApplication.id) {
    const words = `Auth-Application-Id is ${id}, of Rx ${rxApplication.id}`;
    findings.push(wrong(avps, 'application-id', words, baseAvps.authApplicationId));
  }
  const isRestoration = avps.integer32(rxAvps.rxRequestType) === rxRequestTypes.PCSCF_RESTORATION;
  if (avps.integer32(baseAvps.authSessionState) === NO_STATE_MAINTAINED && !isRestoration) {
    const words = 'Auth-Session-State is NO_STATE_MAINTAINED, sessions of Rx are stateful';
    findings.push(wrong(avps, 'auth-session-state', words, baseAvps.authSessionState));
  }
  return findings;
}

/** Source: TS 29.214 4.4.1; RFC 4005 6.11.1; RFC 3162 2.3. */
function framedAddressFindings(avps: Avps): RxFinding[] {
  const findings: RxFinding[] = [];
  const prefix = avps.octets(baseAvps.framedIpv6Prefix);
  if (prefix === undefined) return findings;
  if (avps.has(baseAvps.framedIpAddress)) {
    findings.push({
      id: 'two-framed-addresses',
      words: 'both Framed-IP-Address and Framed-IPv6-Prefix',
      resultCode: resultCodes.CONTRADICTING_AVPS,
      failedAvp: avps.encoded(baseAvps.framedIpv6Prefix)[0],
    });
  }
  const bits = prefix[1]!;
  const bad = (words: string) =>
    findings.push(wrong(avps, 'framed-ipv6-prefix', `Framed-IPv6-Prefix ${words}`, baseAvps.framedIpv6Prefix));
  if (prefix[0] !== 0) bad(`begins with ${prefix[0]}, not with a zero`);
  if (bits > 128) bad(`has the length ${bits}, there are 128 bits`);
  else if (prefix.length - 2 < Math.ceil(bits / 8)) bad(`of ${bits} bits has only ${prefix.length - 2} octets of them`);
  else if (prefix.length !== 18) {
    const words = `Framed-IPv6-Prefix has ${prefix.length} octets; some PCRFs take nothing but 18`;
    findings.push({ id: 'short-framed-prefix', words });
  } else if (hasHostBits(prefix, bits)) bad(`has bits behind its ${bits}`);
  return findings;
}

function hasHostBits(prefix: Buffer, bits: number): boolean {
  for (let bit = bits; bit < 128; bit++) if (((prefix[2 + (bit >> 3)]! << (bit & 7)) & 0x80) !== 0) return true;
  return false;
}

/** Source: TS 29.214 5.3.13, 4.4.6.7. */
function actionFindings(avps: Avps): RxFinding[] {
  const findings: RxFinding[] = [];
  const actions = avps.integer32s(rxAvps.specificAction);
  actions.forEach((action, i) => {
    if (!knownActions.has(action)) {
      const words = `Specific-Action has no value ${action}`;
      findings.push(wrong(avps, 'specific-action', words, rxAvps.specificAction, i));
    } else if (actions.indexOf(action) < i) {
      findings.push({ id: 'specific-action-twice', words: `Specific-Action ${action} is there twice` });
    }
  });
  const reports = actions.includes(specificActions.ACCESS_NETWORK_INFO_REPORT);
  if (reports && !avps.has(rxAvps.requiredAccessInfo)) {
    const words = 'Specific-Action ACCESS_NETWORK_INFO_REPORT without Required-Access-Info';
    findings.push({ id: 'no-required-access-info', words, resultCode: resultCodes.MISSING_AVP });
  }
  return findings;
}

/** Source: RFC 4006 8.46 to 8.48. */
function subscriptionFindings(avps: Avps): RxFinding[] {
  const findings: RxFinding[] = [];
  avps.groups(baseAvps.subscriptionId).forEach((group, i) => {
    const type = group.integer32(baseAvps.subscriptionIdType);
    const data = group.text(baseAvps.subscriptionIdData);
    if (type === undefined || data === undefined || isSubscription(type, data)) return;
    const words = `Subscription-Id-Data ${data} is not of Subscription-Id-Type ${type}`;
    findings.push(wrong(avps, 'subscription-id', words, baseAvps.subscriptionId, i));
  });
  return findings;
}

function isSubscription(type: number, data: string): boolean {
  switch (type) {
    case subscriptionIdTypes.END_USER_E164:
      return isDigits(data.startsWith('+') ? data.slice(1) : data, 1, 15);
    case subscriptionIdTypes.END_USER_IMSI:
      return isDigits(data, 6, 15);
    case subscriptionIdTypes.END_USER_SIP_URI:
      return /^(?:sips?|tel):[^\s]/i.test(data.slice(0, 8));
    case subscriptionIdTypes.END_USER_NAI:
      return data.length > 0 && !data.startsWith('sip:');
    default:
      return data.length > 0;
  }
}

function isDigits(text: string, least: number, most: number): boolean {
  if (text.length < least || text.length > most) return false;
  for (let i = 0; i < text.length; i++) if (text[i]! < '0' || text[i]! > '9') return false;
  return true;
}

function textFindings(avps: Avps): RxFinding[] {
  const findings: RxFinding[] = [];
  for (const definition of [rxAvps.afApplicationIdentifier, rxAvps.serviceUrn, baseAvps.calledStationId] as const) {
    if (!hasControl(avps.text(definition) ?? '')) continue;
    findings.push(wrong(avps, 'control-octets', `${definition.name} has control characters`, definition));
  }
  const urn = avps.text(rxAvps.serviceUrn);
  if (urn?.toLowerCase().startsWith('urn:') === true || urn === '') {
    const words = `Service-URN is ${JSON.stringify(urn)}, it has what follows urn:service:, such as sos.police`;
    findings.push(wrong(avps, 'service-urn', words, rxAvps.serviceUrn));
  }
  return findings;
}

function wrong(avps: Avps, id: string, words: string, definition: AvpDefinition, index = 0): RxFinding {
  return { id, words, resultCode: resultCodes.INVALID_AVP_VALUE, failedAvp: avps.encoded(definition)[index] };
}
