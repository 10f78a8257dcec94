import { uint32 } from '#diameter/codec/avp-list';
import { decodeMessage } from '#diameter/codec/decode';
import {
  type DiameterMessage,
  FLAG_ERROR,
  FLAG_PROXIABLE,
  FLAG_RETRANSMITTED,
  HEADER_LENGTH,
  readHeader,
} from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import type { AvpDefinition, AvpRules, CommandDefinition } from '#diameter/dictionary/dictionary';
import { DecodeFailure, resultCodes } from '#diameter/errors';
import { type DiameterIdentity, sameIdentity } from '#diameter/identity';
import { avpFindings, orderFindings, ruleFindings, strayFindings } from './avp-inspection.ts';
import type { Finding } from './finding.ts';
import type { InspectedProtocol } from './inspected-protocol.ts';

/** What is known of the surroundings of a request. */
export interface InspectionContext {
  readonly identity: DiameterIdentity;
  /** Whether a connected peer has this Origin-Host. */
  isPeer(host: string): boolean;
}

export interface InspectedRequest {
  /** Short name, such as AAR; `unknown` for a command that is not served. */
  readonly name: string;
  /** Origin-Host, empty when it cannot be read. */
  readonly peer: string;
  readonly retransmitted: boolean;
  /** Undefined where it cannot be decoded, or its command is not served. */
  readonly request: DiameterMessage | undefined;
  readonly findings: readonly Finding[];
}

const RESERVED_FLAGS = 0x0f;
/** What any request may carry beside the rows of its table. Source: RFC 6733 6.1, 8.16. */
const anywhere: readonly AvpDefinition[] = [
  baseAvps.sessionId,
  baseAvps.originHost,
  baseAvps.originRealm,
  baseAvps.drmp,
  baseAvps.originStateId,
  baseAvps.ocSupportedFeatures,
  baseAvps.proxyInfo,
  baseAvps.routeRecord,
];
/** More of one message say nothing more. */
const MAX_FINDINGS = 32;

/**
 * Finds what is wrong with a request as it came, by the tables of its application and by RFC 6733: header, place and form
 * of Session-Id, AVPs that are missing or too many, their flags and order, what they hold, and where it was to go.
 * Source: RFC 6733 3, 4.1, 6, 8.8; requirements D-02, D-14, D-17.
 */
export function inspectRequest(
  octets: Buffer,
  context: InspectionContext,
  protocol: InspectedProtocol,
): InspectedRequest {
  const header = readHeader(octets);
  const known = protocol.requests.get(header.command);
  const name = known?.name ?? 'unknown';
  const retransmitted = (header.flags & FLAG_RETRANSMITTED) !== 0;
  const findings = headerFindings(header.flags, header.application, protocol);
  if (known === undefined) {
    const words = `command ${header.command} is not one of ${protocol.application.name} toward this node`;
    findings.push({ id: 'unknown-command', words, resultCode: resultCodes.COMMAND_UNSUPPORTED });
  }
  const request = decodeMessage(octets, protocol.dictionary);
  if (request instanceof DecodeFailure) {
    const { failedAvp, reason, resultCode } = request;
    findings.push({ id: 'damaged', words: reason, resultCode, failedAvp });
    return { name, peer: '', retransmitted, request: undefined, findings };
  }
  const peer = request.avps.text(baseAvps.originHost) ?? '';
  if (known === undefined) return { name, peer, retransmitted, request: undefined, findings };
  const rules = requestRules(known.command);
  findings.push(
    ...sessionFindings(request),
    ...avpFindings(octets, HEADER_LENGTH, octets.length, protocol),
    ...ruleFindings(request.avps, rules, '', protocol),
    ...strayFindings(request.avps, rules, protocol),
    ...orderFindings(request.avps, known.order, protocol),
    ...routingFindings(request, context),
    ...known.content(request),
  );
  return { name, peer, retransmitted, request, findings: findings.slice(0, MAX_FINDINGS) };
}

const rulesOf = new WeakMap<CommandDefinition, AvpRules>();

/** The rules of a whole request of this command. */
function requestRules(command: CommandDefinition): AvpRules {
  let rules = rulesOf.get(command);
  if (rules === undefined) {
    rules = {
      required: [baseAvps.sessionId, baseAvps.originHost, baseAvps.originRealm, ...command.required],
      optional: [...(command.optional ?? []), ...anywhere],
      repeated: [...(command.repeated ?? []), baseAvps.proxyInfo, baseAvps.routeRecord],
    };
    rulesOf.set(command, rules);
  }
  return rules;
}

function headerFindings(flags: number, application: number, protocol: InspectedProtocol): Finding[] {
  const { id, name } = protocol.application;
  const findings: Finding[] = [];
  const bits = (what: string, words: string) =>
    findings.push({ id: what, words, resultCode: resultCodes.INVALID_HDR_BITS });
  if ((flags & RESERVED_FLAGS) !== 0) bits('reserved-flags', 'reserved command flags are set');
  if ((flags & FLAG_ERROR) !== 0) bits('error-flag', 'a request with the E bit');
  if ((flags & FLAG_PROXIABLE) === 0) bits('not-proxiable', `requests of ${name} have the P bit, this one does not`);
  if (application !== id) {
    const words = `the header has application ${application}, ${name} is ${id}`;
    findings.push({ id: 'wrong-application', words, resultCode: resultCodes.APPLICATION_UNSUPPORTED });
  }
  return findings;
}

/** Source: RFC 6733 8.8; requirement D-02. */
function sessionFindings({ avps, octets }: DiameterMessage): Finding[] {
  const [whole] = avps.encoded(baseAvps.sessionId);
  if (whole === undefined) return [];
  const findings: Finding[] = [];
  if (uint32(octets, HEADER_LENGTH) !== baseAvps.sessionId.code) {
    const words = 'Session-Id is not the first AVP';
    findings.push({ id: 'session-id-not-first', words, resultCode: resultCodes.MISSING_AVP, failedAvp: whole });
  }
  const sessionId = avps.text(baseAvps.sessionId) ?? '';
  const origin = avps.text(baseAvps.originHost);
  const wrong = (id: string, words: string) =>
    findings.push({ id, words, resultCode: resultCodes.INVALID_AVP_VALUE, failedAvp: whole });
  const [host = '', high = '', low = ''] = sessionId.split(';', 3);
  if (hasControl(sessionId)) wrong('control-octets', 'Session-Id has control characters');
  if (origin !== undefined && !sameIdentity(host, origin)) {
    wrong('session-id-form', 'Session-Id does not begin with the Origin-Host');
  } else if (!isNumber(high) || !isNumber(low)) wrong('session-id-form', 'Session-Id lacks its two numbers');
  return findings;
}

/** Whether a text has NUL or other control characters, which have no place in logs, keys and files. */
export function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}

/** The rest of it, other hosts and loops, is the peer table's. Source: RFC 6733 6.1.4, 6.1.9. */
function routingFindings({ avps }: DiameterMessage, { identity, isPeer }: InspectionContext): Finding[] {
  const findings: Finding[] = [];
  const realm = avps.text(baseAvps.destinationRealm);
  const origin = avps.text(baseAvps.originHost);
  if (realm !== undefined && !sameIdentity(realm, identity.originRealm)) {
    const words = `Destination-Realm ${realm} is not ours, ${identity.originRealm}`;
    findings.push({ id: 'destination-realm', words, resultCode: resultCodes.REALM_NOT_SERVED });
  }
  if (origin !== undefined && !avps.has(baseAvps.routeRecord) && !isPeer(origin)) {
    findings.push({
      id: 'origin-not-peer',
      words: `Origin-Host ${origin} is no peer, and there is no Route-Record`,
      resultCode: resultCodes.INVALID_AVP_VALUE,
      failedAvp: avps.encoded(baseAvps.originHost)[0],
    });
  }
  return findings;
}

function isNumber(text: string): boolean {
  const number = text.length > 0 && text.length <= 10 ? Number(text) : Number.NaN;
  return Number.isInteger(number) && number >= 0 && number <= 0xffffffff;
}
