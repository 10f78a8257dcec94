import type { Refusal } from './answer.ts';
import { uint24, uint32 } from './codec/avp-list.ts';
import { encodedAvps, leastDataLength } from './codec/avp-types.ts';
import { encodeAvps } from './codec/encode.ts';
import { type DiameterMessage, HEADER_LENGTH } from './codec/message.ts';
import { baseAvps, sessionRules } from './dictionary/base.ts';
import type { AvpDefinition, AvpRules, CommandDefinition, Dictionary } from './dictionary/dictionary.ts';
import { resultCodes } from './errors.ts';

/** How often each AVP may stand in one message or group, ready to be looked up. */
interface Occurrence {
  /** By definition: its number, negative for one that may be repeated. */
  readonly slots: ReadonlyMap<AvpDefinition, number>;
  readonly required: readonly AvpDefinition[];
}

/** What the tables ask of the requests of one command. */
export interface RequestRules {
  readonly dictionary: Dictionary;
  readonly message: Occurrence;
  /** `vendor:code` of unknown AVPs that may have M. */
  readonly ignored: ReadonlySet<string>;
}

const MANDATORY = 0x40;
const VENDOR = 0x80;
/** P is out of use, but peers of RFC 3588 may set it. Source: RFC 6733 4.1. */
const UNKNOWN_FLAGS = 0x1f;
/** Failed-AVP shows at most this much of an AVP; a multiple of four. */
const MAX_SHOWN_OCTETS = 1024;

/** Makes the rules of one command out of its row, those of every session, and the groups that the dictionary knows. */
export function requestRules(
  command: CommandDefinition,
  dictionary: Dictionary,
  ignored: ReadonlySet<string>,
): RequestRules {
  const session = command.application.id === 0 ? [] : [baseAvps.sessionId];
  // A row that names only what is required says nothing about how often that may come.
  const repeated = command.optional === undefined ? command.required : (command.repeated ?? []);
  const message = occurrence({
    required: [...session, ...sessionRules.required, ...command.required],
    optional: [...(sessionRules.optional ?? []), ...(command.optional ?? [])],
    repeated: [...(sessionRules.repeated ?? []), ...repeated],
  });
  return { dictionary, message, ignored };
}

function occurrence(rules: AvpRules): Occurrence {
  const repeated = new Set(rules.repeated);
  const slots = new Map<AvpDefinition, number>();
  for (const definition of [...rules.required, ...(rules.optional ?? [])]) {
    if (slots.has(definition)) continue;
    const slot = slots.size + 1;
    slots.set(definition, repeated.has(definition) ? -slot : slot);
  }
  return { slots, required: rules.required };
}

/**
 * Checks a decoded request against the tables: unknown AVPs with M (5001), flags that mean nothing (3009), AVPs that
 * come too often (5009) or are missing (5005), also inside groups, and values that cannot be (5004). Gives undefined for
 * a request that may be handled. Whether it is for us the peer table has asked already.
 * Source: RFC 6733 4.1, 6.1.4, 7.1; requirement D-14.
 */
export function checkRequest(request: DiameterMessage, rules: RequestRules): Refusal | undefined {
  return checkAvps(request.octets, HEADER_LENGTH, request.octets.length, rules.message, rules, true);
}

/** `atTop`: not inside a group, where unknown AVPs are passed over whatever their flags. */
function checkAvps(
  octets: Buffer,
  start: number,
  end: number,
  { slots, required }: Occurrence,
  rules: RequestRules,
  atTop: boolean,
): Refusal | undefined {
  const seen = new Uint8Array(slots.size + 1);
  for (let at = start; at < end; ) {
    const flags = octets[at + 4]!;
    const isOfVendor = (flags & VENDOR) !== 0;
    const code = uint32(octets, at) | 0;
    const vendor = isOfVendor ? uint32(octets, at + 8) | 0 : 0;
    const dataEnd = at + uint24(octets, at + 5);
    const next = (dataEnd + 3) & ~3;
    const definition = rules.dictionary.find(code, vendor);
    if (definition === undefined) {
      if (atTop && flags & MANDATORY && !rules.ignored.has(`${vendor >>> 0}:${code >>> 0}`)) {
        const words = `AVP ${code >>> 0} of vendor ${vendor >>> 0} is not known here`;
        return refusal(resultCodes.AVP_UNSUPPORTED, words, octets, at, next);
      }
    } else {
      if (flags & UNKNOWN_FLAGS || (isOfVendor && vendor === 0)) {
        const words = `${definition.name} has unknown flags`;
        return refusal(resultCodes.INVALID_AVP_BITS, words, octets, at, next, definition);
      }
      const slot = slots.get(definition) ?? 0;
      if (slot > 0 && seen[slot] === 1) {
        const words = `${definition.name} comes more often than once`;
        return refusal(resultCodes.AVP_OCCURS_TOO_MANY_TIMES, words, octets, at, next, definition);
      }
      seen[Math.abs(slot)] = 1;
      const dataStart = at + (isOfVendor ? 12 : 8);
      const wrong =
        definition.type === 'Grouped'
          ? checkGroup(definition, octets, dataStart, dataEnd, rules)
          : checkValue(definition, octets, dataStart, dataEnd, at, next);
      if (wrong !== undefined) return wrong;
    }
    at = next;
  }
  for (const definition of required) if (seen[Math.abs(slots.get(definition) ?? 0)] !== 1) return missing(definition);
  return undefined;
}

/** What is wrong inside a group is shown inside that group. Source: RFC 6733 7.5. */
function checkGroup(
  definition: AvpDefinition,
  octets: Buffer,
  start: number,
  end: number,
  rules: RequestRules,
): Refusal | undefined {
  const group = rules.dictionary.group(definition);
  if (group === undefined) return undefined;
  const wrong = checkAvps(octets, start, end, groupOccurrence(group), rules, false);
  if (wrong?.failedAvp === undefined) return wrong;
  const failedAvp = encodeAvps([{ definition, value: [encodedAvps(wrong.failedAvp)] }]);
  return { ...wrong, words: `${wrong.words} in ${definition.name}`, failedAvp };
}

const groupOccurrences = new WeakMap<AvpRules, Occurrence>();

function groupOccurrence(group: AvpRules): Occurrence {
  let known = groupOccurrences.get(group);
  if (known === undefined) groupOccurrences.set(group, (known = occurrence(group)));
  return known;
}

function checkValue(
  definition: AvpDefinition,
  octets: Buffer,
  start: number,
  end: number,
  at: number,
  next: number,
): Refusal | undefined {
  const { name, type, values } = definition;
  let words: string | undefined;
  if (type === 'DiameterIdentity') {
    if (start === end) words = `${name} is empty`;
    else if (!isWithin(octets, start, end, 0x21, 0x7e)) words = `${name} has characters that no host name has`;
  } else if (definition === baseAvps.sessionId) {
    if (start === end) words = `${name} is empty`;
    else if (!isWithin(octets, start, end, 0x20, 0xff)) words = `${name} has control characters`;
  } else if (values !== undefined && definition.mandatory && !valuesOf(definition).has(uint32(octets, start) | 0)) {
    words = `${name} has the unknown value ${uint32(octets, start) | 0}`;
  }
  return words === undefined ? undefined : refusal(resultCodes.INVALID_AVP_VALUE, words, octets, at, next);
}

/** Whether all octets are of a range, none of them DEL. */
function isWithin(octets: Buffer, start: number, end: number, least: number, most: number): boolean {
  for (let i = start; i < end; i++) {
    const octet = octets[i]!;
    if (octet < least || octet > most || octet === 0x7f) return false;
  }
  return true;
}

const enumerations = new WeakMap<AvpDefinition, ReadonlySet<number>>();

function valuesOf(definition: AvpDefinition): ReadonlySet<number> {
  let known = enumerations.get(definition);
  if (known === undefined) enumerations.set(definition, (known = new Set(Object.values(definition.values ?? {}))));
  return known;
}

/** Shows the offending AVP as it came, a long one without its end; a long group is empty, for it could not be decoded. */
function refusal(
  resultCode: number,
  words: string,
  octets: Buffer,
  at: number,
  next: number,
  definition?: AvpDefinition,
): Refusal {
  if (next - at <= MAX_SHOWN_OCTETS) return { resultCode, words, failedAvp: octets.subarray(at, next) };
  const headerLength = octets[at + 4]! & VENDOR ? 12 : 8;
  const shown = definition?.type === 'Grouped' ? headerLength : MAX_SHOWN_OCTETS;
  const failedAvp = Buffer.from(octets.subarray(at, at + shown));
  failedAvp.writeUIntBE(shown, 5, 3);
  return { resultCode, words, failedAvp };
}

/** Shows an example of the AVP, of the least length, all zero. Source: RFC 6733 7.5. */
function missing(definition: AvpDefinition): Refusal {
  return {
    resultCode: resultCodes.MISSING_AVP,
    words: `${definition.name} is missing`,
    failedAvp: encodeAvps([{ definition, value: Buffer.alloc(leastDataLength(definition)) }]),
  };
}
