import type { AvpDefinition, Dictionary } from '../dictionary/dictionary.ts';
import { DecodeFailure, resultCodes } from '../errors.ts';
import { AvpList, codeBit, INDEX_ENTRY, uint24, uint32 } from './avp-list.ts';
import { addressFits, dataLengthFits, leastDataLength } from './avp-types.ts';
import { type DiameterMessage, HEADER_LENGTH, MAX_AVP_NESTING, MAX_AVPS, MAX_MESSAGE_LENGTH } from './message.ts';

/** Failed-AVP shows at most this much of the data of an AVP with a bad length. */
const MAX_SHOWN_DATA = 64;

/**
 * Checks one message whole (header, every AVP header, data lengths of known AVPs, known groups to depth 8) and gives
 * it for reading, or says what is wrong with it. Source: RFC 6733 3, 4.1, 4.4.
 */
export function decodeMessage(octets: Buffer, dictionary: Dictionary): DiameterMessage | DecodeFailure {
  const length = octets.length;
  if (length < HEADER_LENGTH) return new DecodeFailure(resultCodes.INVALID_MESSAGE_LENGTH, 'shorter than a header', 0);
  if (octets[0] !== 1) return new DecodeFailure(resultCodes.UNSUPPORTED_VERSION, `version ${octets[0]}`, 0);
  if (uint24(octets, 1) !== length || (length & 3) !== 0 || length > MAX_MESSAGE_LENGTH) {
    return new DecodeFailure(resultCodes.INVALID_MESSAGE_LENGTH, `message length ${uint24(octets, 1)}`, 1);
  }
  const walk: Walk = { dictionary, end: 0, codes: 0, unknownMandatory: false };
  const failure = checkAvps(octets, HEADER_LENGTH, length, 1, walk);
  if (failure !== undefined) return failure;
  const { end } = walk;
  const index = new Array<number>(end);
  for (let i = 0; i < end; i++) index[i] = scratch[i]!;
  return {
    flags: octets[4]!,
    command: uint24(octets, 5),
    application: uint32(octets, 8),
    hopByHop: uint32(octets, 12),
    endToEnd: uint32(octets, 16),
    octets,
    avps: new AvpList(octets, index, 0, end, walk.codes),
    hasUnknownMandatory: walk.unknownMandatory,
  };
}

/** The index of the message at hand, as AvpList takes it; copied out when the whole message is found good. */
const scratch = new Int32Array(MAX_AVPS * INDEX_ENTRY);

interface Walk {
  readonly dictionary: Dictionary;
  /** How far `scratch` is filled. */
  end: number;
  /** Of the AVPs beside each other that were checked last, the `codeBit`s. */
  codes: number;
  unknownMandatory: boolean;
}

function checkAvps(octets: Buffer, start: number, end: number, depth: number, walk: Walk): DecodeFailure | undefined {
  let at = start;
  let codes = 0;
  while (at < end) {
    if (end - at < 8) return badLength('AVP header is cut off', octets, at, end, walk.dictionary);
    if (walk.end === scratch.length) return tooMany(`more than ${MAX_AVPS} AVPs`, octets, at, walk.dictionary);
    const code = uint32(octets, at) | 0;
    const flags = octets[at + 4]!;
    const dataEnd = at + uint24(octets, at + 5);
    const dataStart = at + (flags & 0x80 ? 12 : 8);
    if (dataStart > end) return badLength('AVP header is cut off', octets, at, end, walk.dictionary);
    const vendor = flags & 0x80 ? uint32(octets, at + 8) | 0 : 0;
    const definition = walk.dictionary.find(code, vendor);
    const place = walk.end;
    codes |= codeBit(code);
    walk.codes = 0;
    walk.end += INDEX_ENTRY;
    if (dataEnd < dataStart || dataEnd > end) {
      return badLength(`${nameOf(definition, code)} has length ${dataEnd - at}`, octets, at, end, walk.dictionary);
    }
    if (definition === undefined) {
      if (flags & 0x40 && depth === 1) walk.unknownMandatory = true;
    } else if (definition.type === 'Grouped') {
      if (depth >= MAX_AVP_NESTING) {
        return tooMany(`groups nested deeper than ${MAX_AVP_NESTING}`, octets, at, walk.dictionary);
      }
      const failure = checkAvps(octets, dataStart, dataEnd, depth + 1, walk);
      if (failure !== undefined) return failure;
    } else if (
      !dataLengthFits(definition, dataEnd - dataStart) ||
      (definition.type === 'Address' && !addressFits(octets, dataStart, dataEnd))
    ) {
      return badLength(
        `${definition.name} has ${dataEnd - dataStart} octets of data`,
        octets,
        at,
        end,
        walk.dictionary,
      );
    }
    scratch[place] = code;
    scratch[place + 1] = vendor;
    scratch[place + 2] = at;
    scratch[place + 3] = walk.end;
    scratch[place + 4] = walk.codes;
    at = (dataEnd + 3) & ~3;
  }
  walk.codes = codes;
  return undefined;
}

function nameOf(definition: AvpDefinition | undefined, code: number): string {
  return definition?.name ?? `AVP ${code >>> 0}`;
}

/** The AVP shown is the one that is too much, with no more data than its type needs. */
function tooMany(reason: string, octets: Buffer, at: number, dictionary: Dictionary): DecodeFailure {
  const { failedAvp } = badLength(reason, octets, at, at + (octets[at + 4]! & 0x80 ? 12 : 8), dictionary);
  return new DecodeFailure(resultCodes.AVP_OCCURS_TOO_MANY_TIMES, reason, at, failedAvp);
}

/**
 * The AVP shown is one that can be decoded: its own header with the length put right, its data cut, or zero-filled to
 * the least that its type needs; a group is empty. Source: RFC 6733 7.1.5 (DIAMETER_INVALID_AVP_LENGTH), 7.5.
 */
function badLength(reason: string, octets: Buffer, at: number, end: number, dictionary: Dictionary): DecodeFailure {
  const header = Buffer.alloc(12);
  octets.copy(header, 0, at, Math.min(end, at + 12));
  const isOfVendor = (header[4]! & 0x80) !== 0;
  const headerLength = isOfVendor ? 12 : 8;
  const definition = dictionary.find(uint32(header, 0) | 0, isOfVendor ? uint32(header, 8) | 0 : 0);
  const claimed = at + headerLength > end ? 0 : uint24(octets, at + 5) - headerLength;
  const present = Math.max(0, Math.min(claimed, end - at - headerLength, MAX_SHOWN_DATA));
  const least = definition === undefined ? 0 : leastDataLength(definition);
  const isGroup = definition?.type === 'Grouped';
  const dataLength = least > 0 || isGroup ? least : present;
  const shown = Buffer.alloc((headerLength + dataLength + 3) & ~3);
  header.copy(shown, 0, 0, headerLength);
  shown.writeUIntBE(headerLength + dataLength, 5, 3);
  // The family of an Address would ask for a length of its own.
  const kept = definition?.type === 'Address' ? 0 : Math.min(present, dataLength);
  const dataStart = at + headerLength;
  shown.set(octets.subarray(dataStart, dataStart + kept), headerLength);
  return new DecodeFailure(resultCodes.INVALID_AVP_LENGTH, reason, at, shown);
}
