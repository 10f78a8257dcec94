import { uint32 } from '#diameter/codec/avp-list';
import { type DiameterMessage, FLAG_ERROR, HEADER_LENGTH } from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import type { AvpDefinition, CommandDefinition } from '#diameter/dictionary/dictionary';
import { resultCodes } from '#diameter/errors';
import { isProtocolError } from '#diameter/result';
import { avpFindings, ruleFindings } from './avp-inspection.ts';
import type { Finding } from './finding.ts';
import type { InspectedProtocol } from './inspected-protocol.ts';

/** What any answer may carry, once. Source: RFC 6733 6.2, 7.1, 7.3, 8.16. */
const anywhere: readonly AvpDefinition[] = [
  baseAvps.sessionId,
  baseAvps.resultCode,
  baseAvps.experimentalResult,
  baseAvps.errorMessage,
  baseAvps.originStateId,
];

/** What answers of Cx carry beside. Source: TS 29.229 6.1. */
const applicationNames = [baseAvps.vendorSpecificApplicationId, baseAvps.authSessionState];

/**
 * Finds what is wrong with the answer to a request of ours: what it echoes, its result, its AVPs.
 * Source: RFC 6733 6.2, 7.1, 7.2; requirements D-14, D-16.
 */
export function inspectAnswer(
  answer: DiameterMessage,
  command: CommandDefinition,
  sessionId: string,
  protocol: InspectedProtocol,
): Finding[] {
  const { avps, octets } = answer;
  const findings: Finding[] = [];
  const wrong = (id: string, words: string, resultCode: number = resultCodes.INVALID_AVP_VALUE) =>
    findings.push({ id, words, resultCode });
  if (octets.length <= HEADER_LENGTH || uint32(octets, HEADER_LENGTH) !== baseAvps.sessionId.code) {
    wrong('session-id-not-first', 'Session-Id is not the first AVP');
  }
  if (avps.text(baseAvps.sessionId) !== sessionId) wrong('session-id-echo', 'Session-Id is not that of the request');
  const result = avps.unsigned32(baseAvps.resultCode);
  const isExperimental = avps.has(baseAvps.experimentalResult);
  if (result === undefined && !isExperimental) wrong('no-result', 'neither Result-Code nor Experimental-Result');
  if (result !== undefined && isExperimental) wrong('two-results', 'both Result-Code and Experimental-Result');
  const isError = (answer.flags & FLAG_ERROR) !== 0;
  if (isError !== (result !== undefined && isProtocolError(result))) {
    const words = `the E bit is ${isError ? 'set' : 'not set'} with Result-Code ${result}`;
    wrong('error-flag', words, resultCodes.INVALID_HDR_BITS);
  }
  const rules = command.answer ?? { required: [] };
  const named = protocol.application.stateless ? applicationNames : [];
  // One that a Diameter node makes without the application is of the form of RFC 6733 7.2.
  const isPlain = isError || (result !== undefined && result >= 3000);
  const asked = isError ? [] : [...(isPlain ? [] : named), ...rules.required];
  const required = [baseAvps.originHost, baseAvps.originRealm, ...asked];
  const optional = [...(rules.optional ?? []), ...named, ...anywhere];
  findings.push(
    ...ruleFindings(avps, { ...rules, required, optional }, '', protocol),
    ...avpFindings(octets, HEADER_LENGTH, octets.length, protocol),
  );
  return findings;
}
