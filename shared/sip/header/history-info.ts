import { ParseFailure } from '#sip/errors';
import { isDigit } from '#sip/uri/characters';
import { splitListValues } from './list-values.ts';
import { formatNameAddr, type NameAddr, parseNameAddr } from './name-addr.ts';

/** One entry of History-Info: an address the request was sent to. */
export interface HistoryEntry {
  readonly address: NameAddr;
  /** Numbers of the index (`1.2.1`), none when it is absent. */
  readonly index: readonly number[];
  /** How the address came to be: `rc` (same user), `mp` (another one), `np` (no change), '' when it is not said. */
  readonly target: 'rc' | 'mp' | 'np' | '';
}

const maxDepth = 100;
const maxNumber = 999_999_999;
const targets = ['rc', 'mp', 'np'] as const;

/**
 * Reads all entries of a History-Info field, in order; an index that is none is a ParseFailure.
 *
 * Source: RFC 7044 5; requirement C-33.
 */
export function parseHistory(value: string): HistoryEntry[] | ParseFailure {
  const parts = splitListValues(value);
  if (parts instanceof ParseFailure) return parts;
  const entries: HistoryEntry[] = [];
  for (const part of parts) {
    const address = parseNameAddr(part);
    if (address instanceof ParseFailure) return address;
    const index = parseIndex(address.parameters.get('index') ?? '');
    if (index instanceof ParseFailure) return index;
    const target = targets.find((name) => address.parameters.has(name)) ?? '';
    entries.push({ address, index, target });
  }
  return entries;
}

/** Numbers with dots between them; '' has none. */
function parseIndex(text: string): number[] | ParseFailure {
  const numbers: number[] = [];
  let number = -1;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (isDigit(code)) number = Math.max(number, 0) * 10 + code - 48;
    if (number > maxNumber || numbers.length === maxDepth) return new ParseFailure('history index too large', i);
    if (isDigit(code)) continue;
    if (code !== 46 || number < 0) return new ParseFailure('malformed history index', i);
    numbers.push(number);
    number = -1;
  }
  if (text === '') return numbers;
  return number < 0 ? new ParseFailure('malformed history index', text.length) : [...numbers, number];
}

/** Writes one entry; index and target are taken from the parameters of its address. */
export function formatHistoryEntry({ address }: Pick<HistoryEntry, 'address'>): string {
  return formatNameAddr({ ...address, bracketed: true });
}
