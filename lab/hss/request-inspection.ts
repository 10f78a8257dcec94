import { uint32 } from '#diameter/codec/avp-list';
import { decodeMessage } from '#diameter/codec/decode';
import { encodeAvps } from '#diameter/codec/encode';
import {
  type DiameterMessage,
  FLAG_ERROR,
  FLAG_PROXIABLE,
  FLAG_RETRANSMITTED,
  HEADER_LENGTH,
  readHeader,
} from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import { cxApplication, cxAvps, cxCommands, cxDictionary } from '#diameter/dictionary/cx';
import type { AvpDefinition, AvpRules, CommandDefinition } from '#diameter/dictionary/dictionary';
import { DecodeFailure, resultCodes } from '#diameter/errors';
import { type DiameterIdentity, sameIdentity } from '#diameter/identity';
import { contentFindings } from './content-inspection.ts';
import type { Finding } from './finding.ts';

/** What is known of the surroundings of a request. */
export interface InspectionContext {
  readonly identity: DiameterIdentity;
  /** Whether a connected peer has this Origin-Host. */
  isPeer(host: string): boolean;
}

export interface InspectedRequest {
  /** Short name, such as SAR. */
  readonly name: string;
  /** Origin-Host, empty when it cannot be read. */
  readonly peer: string;
  readonly retransmitted: boolean;
  readonly findings: readonly Finding[];
}

const RESERVED_FLAGS = 0x0f;
const V = 0x80;
const M = 0x40;
const RESERVED_AVP_FLAGS = 0x3f;
/** What every request of Cx may carry beside the rows of its table. Source: TS 29.229 6.1; RFC 6733 6.1. */
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
const anywhereRepeated: readonly AvpDefinition[] = [baseAvps.proxyInfo, baseAvps.routeRecord];
/** Their M bit depends on the feature. Source: TS 29.229 6.3.29, 7.2. */
const freeMandatory: ReadonlySet<AvpDefinition> = new Set([
  cxAvps.supportedFeatures,
  cxAvps.featureListId,
  cxAvps.featureList,
]);

/** More of one message say nothing more. */
const MAX_FINDINGS = 32;

interface KnownCommand {
  readonly name: string;
  readonly command: CommandDefinition;
  /** Of the whole request. */
  readonly rules: Required<AvpRules>;
}

const commands = new Map<number, KnownCommand>([
  [cxCommands.userAuthorization.code, knownCommand('UAR', cxCommands.userAuthorization)],
  [cxCommands.serverAssignment.code, knownCommand('SAR', cxCommands.serverAssignment)],
  [cxCommands.locationInfo.code, knownCommand('LIR', cxCommands.locationInfo)],
  [cxCommands.multimediaAuth.code, knownCommand('MAR', cxCommands.multimediaAuth)],
]);

function knownCommand(name: string, command: CommandDefinition): KnownCommand {
  const rules = {
    required: [baseAvps.sessionId, baseAvps.originHost, baseAvps.originRealm, ...command.required],
    optional: [...(command.optional ?? []), ...anywhere],
    repeated: [...(command.repeated ?? []), ...anywhereRepeated],
  };
  return { name, command, rules };
}

/** Short name of a request, such as SAR; of a command that is not served, `unknown`. */
export function requestName(command: number): string {
  return commands.get(command)?.name ?? 'unknown';
}

/**
 * Finds what is wrong with a request as it came, by the tables of TS 29.229 and by RFC 6733: header, place of Session-Id,
 * AVPs that are missing or too many, their flags, what they hold. Source: TS 29.229 5, 6; RFC 6733 3, 4.1, 6, 8.8.
 */
export function inspectRequest(octets: Buffer, context: InspectionContext): InspectedRequest {
  const header = readHeader(octets);
  const known = commands.get(header.command);
  const name = requestName(header.command);
  const retransmitted = (header.flags & FLAG_RETRANSMITTED) !== 0;
  const findings = headerFindings(header.flags, header.application);
  if (known === undefined) {
    const words = `command ${header.command} is not one of Cx toward an HSS`;
    findings.push({ id: 'unknown-command', words, resultCode: resultCodes.COMMAND_UNSUPPORTED });
  }
  const request = decodeMessage(octets, cxDictionary);
  if (request instanceof DecodeFailure) {
    const { failedAvp, reason, resultCode } = request;
    findings.push({ id: 'damaged', words: reason, resultCode, failedAvp });
    return { name, peer: '', retransmitted, findings };
  }
  const peer = request.avps.text(baseAvps.originHost) ?? '';
  if (known !== undefined) {
    findings.push(...sessionFindings(request));
    flagFindings(request.octets, HEADER_LENGTH, request.octets.length, findings);
    findings.push(...tableFindings(request, known.rules));
    findings.push(...routingFindings(request, context));
    findings.push(...contentFindings(request, known.command));
  }
  return { name, peer, retransmitted, findings: findings.slice(0, MAX_FINDINGS) };
}

function headerFindings(flags: number, application: number): Finding[] {
  const findings: Finding[] = [];
  const bits = (id: string, words: string) => findings.push({ id, words, resultCode: resultCodes.INVALID_HDR_BITS });
  if ((flags & RESERVED_FLAGS) !== 0) bits('reserved-flags', 'reserved command flags are set');
  if ((flags & FLAG_ERROR) !== 0) bits('error-flag', 'a request with the E bit');
  if ((flags & FLAG_PROXIABLE) === 0) bits('not-proxiable', 'requests of Cx have the P bit, this one does not');
  if (application !== cxApplication.id) {
    const words = `the header has application ${application}, Cx is ${cxApplication.id}`;
    findings.push({ id: 'wrong-application', words, resultCode: resultCodes.APPLICATION_UNSUPPORTED });
  }
  return findings;
}

/** Source: RFC 6733 8.8; TS 29.229 6.1 (`< Session-Id >`). */
function sessionFindings({ avps, octets }: DiameterMessage): Finding[] {
  const [whole] = avps.encoded(baseAvps.sessionId);
  if (whole === undefined) return [];
  const findings: Finding[] = [];
  if (octets.length < HEADER_LENGTH + 8 || uint32(octets, HEADER_LENGTH) !== baseAvps.sessionId.code) {
    const words = 'Session-Id is not the first AVP';
    findings.push({ id: 'session-id-not-first', words, resultCode: resultCodes.MISSING_AVP, failedAvp: whole });
  }
  const sessionId = avps.text(baseAvps.sessionId) ?? '';
  const origin = avps.text(baseAvps.originHost);
  const wrong = (words: string) =>
    findings.push({ id: 'session-id-form', words, resultCode: resultCodes.INVALID_AVP_VALUE, failedAvp: whole });
  const [host = '', high = '', low = ''] = sessionId.split(';', 3);
  if (origin !== undefined && !sameIdentity(host, origin)) wrong('Session-Id does not begin with the Origin-Host');
  else if (!isNumber(high) || !isNumber(low)) wrong('Session-Id lacks its two numbers');
  return findings;
}

/** V, M and reserved bits, inside groups too; and AVPs that no table has. Source: RFC 6733 4.1; TS 29.229 6.3. */
export function flagFindings(octets: Buffer, start: number, end: number, findings: Finding[]): void {
  for (let at = start; at + 8 <= end; ) {
    const flags = octets[at + 4]!;
    const length = uint32(octets, at + 4) & 0xffffff;
    const code = uint32(octets, at) | 0;
    const vendor = (flags & V) === 0 ? 0 : uint32(octets, at + 8) | 0;
    const next = at + ((length + 3) & ~3);
    const failedAvp = octets.subarray(at, Math.min(next, end));
    const definition = cxDictionary.find(code, vendor);
    if (definition === undefined) findings.push(unknownAvp(code, vendor, flags, failedAvp));
    else {
      const words = wrongFlags(definition, flags);
      if (words !== undefined) {
        findings.push({ id: 'avp-flags', words, resultCode: resultCodes.INVALID_AVP_BITS, failedAvp });
      }
      if (definition.type === 'Grouped') {
        flagFindings(octets, at + ((flags & V) === 0 ? 8 : 12), at + length, findings);
      }
    }
    at = next;
  }
}

function wrongFlags(definition: AvpDefinition, flags: number): string | undefined {
  const { mandatory, name } = definition;
  if ((flags & RESERVED_AVP_FLAGS) !== 0) return `${name} has reserved flags set`;
  if (freeMandatory.has(definition)) return undefined;
  if (mandatory && (flags & M) === 0) return `${name} lacks the M bit`;
  return !mandatory && (flags & M) !== 0 ? `${name} has the M bit, which it must not` : undefined;
}

function unknownAvp(code: number, vendor: number, flags: number, failedAvp: Buffer): Finding {
  const other = cxDictionary.find(code, vendor === 0 ? cxApplication.vendor : 0);
  if (other !== undefined) {
    const words = `${other.name} has vendor ${vendor >>> 0} instead of ${other.vendor}`;
    return { id: 'avp-vendor', words, resultCode: resultCodes.INVALID_AVP_BITS, failedAvp };
  }
  const words = `AVP ${code >>> 0} of vendor ${vendor >>> 0} is in no table of Cx`;
  if ((flags & M) === 0) return { id: 'unknown-avp', words };
  return { id: 'unknown-mandatory-avp', words, resultCode: resultCodes.AVP_UNSUPPORTED, failedAvp };
}

/** What the row of the command and those of its groups ask. Source: TS 29.229 6.1, 6.3; RFC 6733 7.1.5. */
function tableFindings(request: DiameterMessage, rules: Required<AvpRules>): Finding[] {
  const findings = ruleFindings(request.avps, rules, '');
  request.avps.forEach((_offset, code, vendor) => {
    const definition = cxDictionary.find(code, vendor);
    if (definition === undefined || rules.required.includes(definition)) return;
    if (rules.optional.includes(definition)) return;
    findings.push({ id: 'unexpected-avp', words: `${definition.name} is not in the table of this command` });
  });
  return findings;
}

type Avps = DiameterMessage['avps'];

export function ruleFindings(
  avps: Avps,
  { required, optional = [], repeated = [] }: AvpRules,
  within: string,
): Finding[] {
  const findings: Finding[] = [];
  for (const definition of required) {
    if (avps.has(definition)) continue;
    const failedAvp = encodeAvps([{ definition, value: Buffer.alloc(emptyLength(definition)) }]);
    const words = `${definition.name} is missing${within}`;
    findings.push({ id: 'missing-avp', words, resultCode: resultCodes.MISSING_AVP, failedAvp });
  }
  for (const definition of [...required, ...optional]) {
    if (!avps.has(definition)) continue;
    const all = avps.encoded(definition);
    if (all.length > 1 && !repeated.includes(definition)) {
      const words = `${definition.name} is there ${all.length} times${within}`;
      const resultCode = resultCodes.AVP_OCCURS_TOO_MANY_TIMES;
      findings.push({ id: 'repeated-avp', words, resultCode, failedAvp: all[1] });
    }
    const group = definition.type === 'Grouped' ? cxDictionary.group(definition) : undefined;
    if (group === undefined) continue;
    for (const members of avps.groups(definition as AvpDefinition<'Grouped'>)) {
      findings.push(...ruleFindings(members, group, ` in ${definition.name}`));
    }
  }
  return findings;
}

/** Octets of a zero-filled value. Source: RFC 6733 7.5. */
function emptyLength({ type }: AvpDefinition): number {
  return type === 'Unsigned32' || type === 'Enumerated' ? 4 : 0;
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
