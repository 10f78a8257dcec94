import { uint32 } from '#diameter/codec/avp-list';
import { type DiameterMessage, FLAG_ERROR, HEADER_LENGTH } from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import type { CommandDefinition } from '#diameter/dictionary/dictionary';
import { resultCodes } from '#diameter/errors';
import type { Finding } from './finding.ts';
import { flagFindings, ruleFindings } from './request-inspection.ts';

/**
 * Finds what is wrong with the answer to a request of ours: what it echoes, its result, its AVPs.
 * Source: TS 29.229 6.1.10, 6.1.12; RFC 6733 6.2, 7.1, 7.2.
 */
export function inspectAnswer(answer: DiameterMessage, command: CommandDefinition, sessionId: string): Finding[] {
  const { avps, octets } = answer;
  const findings: Finding[] = [];
  const wrong = (id: string, words: string, resultCode: number = resultCodes.INVALID_AVP_VALUE) =>
    findings.push({ id, words, resultCode });
  if (octets.length <= HEADER_LENGTH || uint32(octets, HEADER_LENGTH) !== baseAvps.sessionId.code) {
    wrong('session-id-not-first', 'Session-Id is not the first AVP');
  }
  if (avps.text(baseAvps.sessionId) !== sessionId) wrong('session-id-echo', 'Session-Id is not that of the request');
  const result = avps.unsigned32(baseAvps.resultCode);
  const experimental = avps.has(baseAvps.experimentalResult);
  if (result === undefined && !experimental) wrong('no-result', 'neither Result-Code nor Experimental-Result');
  if (result !== undefined && experimental) wrong('two-results', 'both Result-Code and Experimental-Result');
  const isError = (answer.flags & FLAG_ERROR) !== 0;
  const isProtocolError = result !== undefined && result >= 3000 && result < 4000;
  if (isError !== isProtocolError) {
    const words = `the E bit is ${isError ? 'set' : 'not set'} with Result-Code ${result}`;
    wrong('error-flag', words, resultCodes.INVALID_HDR_BITS);
  }
  const isBase = isError || (result !== undefined && result >= 3000);
  // An answer that a Diameter node makes without the application is of the form of RFC 6733 7.2.
  const application = isBase ? [] : [baseAvps.vendorSpecificApplicationId, baseAvps.authSessionState];
  const rules = command.answer ?? { required: [] };
  const required = [baseAvps.originHost, baseAvps.originRealm, ...application, ...rules.required];
  findings.push(...ruleFindings(avps, { ...rules, required }, ''));
  flagFindings(octets, HEADER_LENGTH, octets.length, findings);
  return findings;
}
