import type { AvpList } from '#diameter/codec/avp-list';
import { uint24 } from '#diameter/codec/avp-list';
import { type Avp, type AvpValues, avp, encodedAvps } from '#diameter/codec/avp-types';
import { decodeMessage } from '#diameter/codec/decode';
import { encodeMessage } from '#diameter/codec/encode';
import { type DiameterMessage, FLAG_ERROR, FLAG_REQUEST, readHeader } from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import { type AvpDefinition, createDictionary } from '#diameter/dictionary/dictionary';
import { DecodeFailure } from '#diameter/errors';
import { isProtocolError } from '#diameter/result';
import { wholeDictionary } from './diameter-corpus.ts';
import { hold } from './target.ts';

/** Knows nothing: only headers and lengths are looked at. */
const emptyDictionary = createDictionary();

/** What is read and written again says the same, octet for octet of all data. */
export function checkWritten(message: DiameterMessage): void {
  const written = decodeMessage(encodeMessage(message, valuesOf(message.octets, message.avps)), wholeDictionary);
  if (written instanceof DecodeFailure) {
    hold('a written message is refused', false, () => written.reason);
    return;
  }
  hold('a written message says something else', sayings(message) === sayings(written));
}

function sayings({ avps, octets }: DiameterMessage): string {
  const said: string[] = [];
  const visit = (list: AvpList): void => {
    list.forEach((_offset, code, vendor, start, end, place) => {
      const isGroup = wholeDictionary.find(code, vendor)?.type === 'Grouped';
      said.push(`${vendor}:${code}=${isGroup ? '{' : octets.toString('latin1', start, end)}`);
      if (!isGroup) return;
      visit(list.groupAt(place));
      said.push('}');
    });
  };
  visit(avps);
  return said.join('|');
}

/** The AVPs of a list as somebody would write them: the first of each kind by its typed value. */
function valuesOf(octets: Buffer, list: AvpList): Avp[] {
  const values: Avp[] = [];
  const seen = new Set<AvpDefinition>();
  list.forEach((offset, code, vendor, start, end, place) => {
    const definition = wholeDictionary.find(code, vendor);
    if (definition === undefined) values.push(encodedAvps(octets.subarray(offset, (end + 3) & ~3)));
    else if (definition.type === 'Grouped') values.push({ definition, value: valuesOf(octets, list.groupAt(place)) });
    else {
      const value = seen.has(definition) ? undefined : firstValue(list, definition);
      seen.add(definition);
      values.push(
        value === undefined
          ? { definition, value: octets.subarray(start, end) }
          : avp(definition, value as AvpValues[typeof definition.type]),
      );
    }
  });
  return values;
}

/** By the getter of its type; every AVP that was decoded has a value of it, but for addresses that are no IP. */
function firstValue(list: AvpList, definition: AvpDefinition): string | number | bigint | Buffer | undefined {
  const value = typedValue(list, definition);
  if (typeof value === 'number') hold('a value is no number', !Number.isNaN(value));
  const mayLack = definition.type === 'Address' || definition.type.startsWith('Float');
  hold('a value cannot be read', value !== undefined || mayLack, () => definition.name);
  return value;
}

function typedValue(list: AvpList, definition: AvpDefinition): string | number | bigint | Buffer | undefined {
  switch (definition.type) {
    case 'Unsigned32':
      return list.unsigned32(definition as AvpDefinition<'Unsigned32'>);
    case 'Integer32':
    case 'Enumerated':
      return list.integer32s(definition as AvpDefinition<'Enumerated'>)[0];
    case 'Unsigned64':
      return list.unsigned64(definition as AvpDefinition<'Unsigned64'>);
    case 'Integer64':
      return list.integer64(definition as AvpDefinition<'Integer64'>);
    case 'Float32':
    case 'Float64':
      return list.float(definition as AvpDefinition<'Float64'>);
    case 'Address':
      return addressOf(list, definition as AvpDefinition<'Address'>);
    case 'Time':
      return list.time(definition as AvpDefinition<'Time'>);
    case 'OctetString':
      return list.octets(definition);
    default:
      return list.text(definition as AvpDefinition<'UTF8String'>);
  }
}

function addressOf(list: AvpList, definition: AvpDefinition<'Address'>): string | undefined {
  const first = list.address(definition);
  const all = list.addresses(definition);
  hold('the first address is another', first === undefined || all[0] === first);
  return first;
}

/** Nothing that a reader gives has NaN in it. */
export function checkNumbers(value: unknown): void {
  if (typeof value === 'number') hold('a reader gives NaN', !Number.isNaN(value));
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return;
  for (const part of Object.values(value)) checkNumbers(part);
}

/** One whole AVP, padded, that is as long as it says. */
export function checkFailedAvp(octets: Buffer): void {
  hold('a Failed-AVP without a whole AVP', octets.length >= 8 && octets.length % 4 === 0);
  hold('a Failed-AVP with another length', ((uint24(octets, 5) + 3) & ~3) === octets.length);
}

/** An answer that any peer can read, to this request. */
export function checkAnswer(request: Buffer, octets: Buffer): void {
  const answer = decodeMessage(octets, emptyDictionary);
  if (answer instanceof DecodeFailure) {
    hold('an answer cannot be read', false, () => answer.reason);
    return;
  }
  const { command, endToEnd, hopByHop } = readHeader(request);
  hold(
    'an answer to something else',
    answer.command === command && answer.hopByHop === hopByHop && answer.endToEnd === endToEnd,
  );
  hold('an answer that is a request', (answer.flags & FLAG_REQUEST) === 0);
  const result = answer.avps.unsigned32(baseAvps.resultCode);
  hold('an answer without a result', result !== undefined);
  hold('the E bit does not follow the result', ((answer.flags & FLAG_ERROR) !== 0) === isProtocolError(result ?? 0));
  for (const failed of answer.avps.encoded(baseAvps.failedAvp)) checkFailedAvp(failed.subarray(8));
}
