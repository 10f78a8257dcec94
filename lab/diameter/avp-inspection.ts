import { uint24, uint32 } from '#diameter/codec/avp-list';
import { leastDataLength } from '#diameter/codec/avp-types';
import { encodeAvps } from '#diameter/codec/encode';
import type { DiameterMessage } from '#diameter/codec/message';
import type { AvpDefinition, AvpRules } from '#diameter/dictionary/dictionary';
import { resultCodes } from '#diameter/errors';
import type { Finding } from './finding.ts';
import type { InspectedProtocol } from './inspected-protocol.ts';

type Avps = DiameterMessage['avps'];

const V = 0x80;
const M = 0x40;
const RESERVED = 0x3f;

/**
 * What is wrong with each AVP by itself, inside groups too: V, M and reserved bits, AVPs that no table has, values that an
 * Enumerated does not have. The octets were decoded before, so that lengths are good.
 * Source: RFC 6733 4.1, 7.1.5; requirement D-17.
 */
export function avpFindings(octets: Buffer, start: number, end: number, protocol: InspectedProtocol): Finding[] {
  const findings: Finding[] = [];
  for (let at = start; at + 8 <= end; ) {
    const flags = octets[at + 4]!;
    const length = uint24(octets, at + 5);
    const code = uint32(octets, at) | 0;
    const vendor = (flags & V) === 0 ? 0 : uint32(octets, at + 8) | 0;
    const next = at + ((length + 3) & ~3);
    const failedAvp = octets.subarray(at, Math.min(next, end));
    const data = at + ((flags & V) === 0 ? 8 : 12);
    const definition = protocol.dictionary.find(code, vendor);
    if (definition === undefined) findings.push(unknownAvp(code, vendor, flags, failedAvp, protocol));
    else {
      const words = wrongFlags(definition, flags, protocol);
      if (words !== undefined) {
        findings.push({ id: 'avp-flags', words, resultCode: resultCodes.INVALID_AVP_BITS, failedAvp });
      }
      if (definition.type === 'Grouped') findings.push(...avpFindings(octets, data, at + length, protocol));
      else findings.push(...valueFindings(definition, octets, data, failedAvp));
    }
    at = next;
  }
  return findings;
}

function wrongFlags(definition: AvpDefinition, flags: number, protocol: InspectedProtocol): string | undefined {
  const { mandatory, name } = definition;
  if ((flags & RESERVED) !== 0) return `${name} has reserved flags set`;
  if (protocol.freeMandatory.has(definition)) return undefined;
  if (mandatory && (flags & M) === 0) return `${name} lacks the M bit`;
  return !mandatory && (flags & M) !== 0 ? `${name} has the M bit, which it must not` : undefined;
}

function unknownAvp(
  code: number,
  vendor: number,
  flags: number,
  failedAvp: Buffer,
  { application, dictionary }: InspectedProtocol,
): Finding {
  const other = dictionary.find(code, vendor === 0 ? application.vendor : 0);
  if (other !== undefined) {
    const words = `${other.name} has vendor ${vendor >>> 0} instead of ${other.vendor}`;
    return { id: 'avp-vendor', words, resultCode: resultCodes.INVALID_AVP_BITS, failedAvp };
  }
  const words = `AVP ${code >>> 0} of vendor ${vendor >>> 0} is in no table of ${application.name}`;
  if ((flags & M) === 0) return { id: 'unknown-avp', words };
  return { id: 'unknown-mandatory-avp', words, resultCode: resultCodes.AVP_UNSUPPORTED, failedAvp };
}

function valueFindings({ name, values }: AvpDefinition, octets: Buffer, data: number, failedAvp: Buffer): Finding[] {
  if (values === undefined) return [];
  const value = uint32(octets, data) | 0;
  if (Object.values(values).includes(value)) return [];
  const words = `${name} has no value ${value}`;
  return [{ id: 'value-out-of-range', words, resultCode: resultCodes.INVALID_AVP_VALUE, failedAvp }];
}

/**
 * What the row of a command, and those of the groups in it, ask: AVPs that are missing or too many. `within` tells which
 * group, empty for the message itself. Source: RFC 6733 7.1.5, 7.5; requirement D-14.
 */
export function ruleFindings(avps: Avps, rules: AvpRules, within: string, protocol: InspectedProtocol): Finding[] {
  const { optional = [], repeated = [], required } = rules;
  const findings: Finding[] = [];
  for (const definition of required) {
    if (avps.has(definition)) continue;
    const failedAvp = encodeAvps([{ definition, value: Buffer.alloc(leastDataLength(definition)) }]);
    const words = `${definition.name} is missing${within}`;
    findings.push({ id: 'missing-avp', words, resultCode: resultCodes.MISSING_AVP, failedAvp });
  }
  for (const definition of new Set([...required, ...optional])) {
    if (!avps.has(definition)) continue;
    const all = avps.encoded(definition);
    if (all.length > 1 && !repeated.includes(definition)) {
      const words = `${definition.name} is there ${all.length} times${within}`;
      const resultCode = resultCodes.AVP_OCCURS_TOO_MANY_TIMES;
      findings.push({ id: 'repeated-avp', words, resultCode, failedAvp: all[1] });
    }
    const group = definition.type === 'Grouped' ? protocol.dictionary.group(definition) : undefined;
    if (group === undefined) continue;
    for (const members of avps.groups(definition as AvpDefinition<'Grouped'>)) {
      findings.push(...ruleFindings(members, group, ` in ${definition.name}`, protocol));
    }
  }
  return findings;
}

/** AVPs that the dictionary has, but not the row of this command: odd, no breach. */
export function strayFindings(
  avps: Avps,
  { optional = [], required }: AvpRules,
  protocol: InspectedProtocol,
): Finding[] {
  const findings: Finding[] = [];
  avps.forEach((_offset, code, vendor) => {
    const definition = protocol.dictionary.find(code, vendor);
    if (definition === undefined || required.includes(definition) || optional.includes(definition)) return;
    findings.push({ id: 'unexpected-avp', words: `${definition.name} is not in the table of this command` });
  });
  return findings;
}

/** Mandatory AVPs in another order than the table's: Diameter allows it, some peers do not expect it. */
export function orderFindings(avps: Avps, order: readonly AvpDefinition[], protocol: InspectedProtocol): Finding[] {
  let reached = -1;
  let words: string | undefined;
  avps.forEach((_offset, code, vendor) => {
    const definition = protocol.dictionary.find(code, vendor);
    const place = definition === undefined ? -1 : order.indexOf(definition);
    if (place < 0) return;
    if (place < reached) words ??= `${definition!.name} comes after ${order[reached]!.name}`;
    reached = Math.max(reached, place);
  });
  return words === undefined ? [] : [{ id: 'avp-order', words }];
}
