import { dictionary, edgeNumbers } from './dictionary.ts';
import type { Random } from './random.ts';
import type { Mutate } from './target.ts';

/** Longest input that is made: what a datagram holds. */
export const maxInput = 65_536;

type Mutation = (text: string, donor: string, random: Random) => string;

const octet = (random: Random) => String.fromCharCode(random.below(256));

function replaceAt(text: string, from: number, to: number, by: string): string {
  return text.slice(0, from) + by + text.slice(to);
}

/** Start of a line, somewhere. */
function lineAt(text: string, random: Random): number {
  return text.lastIndexOf('\n', random.below(text.length)) + 1;
}

function lineEnd(text: string, from: number): number {
  const at = text.indexOf('\n', from);
  return at < 0 ? text.length : at + 1;
}

function isWordCode(code: number): boolean {
  return (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
}

/** [from, to) of the word or run of digits at some place. */
function wordAt(text: string, random: Random, isPart: (code: number) => boolean): readonly [number, number] {
  let from = random.below(text.length);
  for (let tries = 0; tries < 64 && from < text.length && !isPart(text.charCodeAt(from)); tries++) from++;
  let to = from;
  while (from > 0 && isPart(text.charCodeAt(from - 1))) from--;
  while (to < text.length && isPart(text.charCodeAt(to))) to++;
  return [from, to];
}

const isDigitCode = (code: number) => code >= 48 && code <= 57;

const mutations: readonly Mutation[] = [
  // A bit, an octet.
  (text, _, random) => {
    const at = random.below(text.length);
    return replaceAt(text, at, at + 1, String.fromCharCode(text.charCodeAt(at) ^ (1 << random.below(8))));
  },
  (text, _, random) => {
    const at = random.below(text.length);
    return replaceAt(text, at, at + 1, octet(random));
  },
  (text, _, random) => insert(text, octet(random), random),
  // A word of the grammar: put in, or in the place of another.
  (text, _, random) => insert(text, random.pick(dictionary), random),
  (text, _, random) => insert(text, random.pick(dictionary), random),
  (text, _, random) => replaceAt(text, ...wordAt(text, random, isWordCode), random.pick(dictionary)),
  (text, _, random) => {
    const at = lineAt(text, random);
    const word = random.pick(dictionary);
    return replaceAt(text, at, at, word.endsWith('\n') ? word : `${word}${octet(random)}\r\n`);
  },
  // A piece: gone, twice, elsewhere.
  (text, _, random) => {
    const from = random.below(text.length);
    return replaceAt(text, from, from + random.length(64), '');
  },
  (text, _, random) => {
    const from = random.below(text.length);
    const piece = text.slice(from, from + random.length(128));
    return replaceAt(text, from, from, piece.repeat(random.length(4)));
  },
  (text, _, random) => {
    const from = random.below(text.length);
    const piece = text.slice(from, from + random.length(128));
    return insert(replaceAt(text, from, from + piece.length, ''), piece, random);
  },
  (text, _, random) => text.slice(0, random.below(text.length + 1)),
  // Lines: gone, twice, swapped with another, of another message.
  (text, _, random) => {
    const at = lineAt(text, random);
    return replaceAt(text, at, lineEnd(text, at), '');
  },
  (text, _, random) => {
    const at = lineAt(text, random);
    return replaceAt(text, at, at, text.slice(at, lineEnd(text, at)).repeat(random.length(8)));
  },
  (text, donor, random) => {
    const from = lineAt(donor, random);
    const at = lineAt(text, random);
    return replaceAt(text, at, at, donor.slice(from, lineEnd(donor, from)));
  },
  // Two inputs joined.
  (text, donor, random) => text.slice(0, random.below(text.length + 1)) + donor.slice(random.below(donor.length + 1)),
  (text, donor, random) => text.slice(0, lineAt(text, random)) + donor.slice(lineAt(donor, random)),
  (text, donor, random) => {
    const from = random.below(donor.length);
    return insert(text, donor.slice(from, from + random.length(64)), random);
  },
  (text, donor) => text + donor,
  // Numbers.
  (text, _, random) => replaceAt(text, ...wordAt(text, random, isDigitCode), random.pick(edgeNumbers)),
  (text, _, random) => replaceAt(text, ...wordAt(text, random, isDigitCode), random.pick(edgeNumbers)),
  // Too much of one thing.
  (text, _, random) => {
    if (!random.chance(8)) return insert(text, octet(random).repeat(random.length(64)), random);
    const unit = random.chance(2) ? octet(random) : random.pick(dictionary);
    return insert(text, unit.repeat(Math.ceil(2 ** random.below(17) / unit.length)), random);
  },
  // The same said otherwise: case, escapes, line ends, folding.
  (text, _, random) => {
    const [from, to] = wordAt(text, random, isWordCode);
    const word = text.slice(from, to);
    return replaceAt(text, from, to, random.chance(2) ? asciiUpper(word) : asciiLower(word));
  },
  (text, _, random) => {
    const at = random.below(text.length);
    const escaped = `%${text.charCodeAt(at).toString(16).padStart(2, '0')}`;
    return replaceAt(text, at, at + 1, escaped);
  },
  (text, _, random) => {
    const at = text.indexOf('\r\n', random.below(text.length));
    return at < 0 ? text : replaceAt(text, at, at + 2, random.pick(['\n', '\r', '\n\r', '\r\n ', '\r\n\t ', '', ' ']));
  },
  (text, _, random) => {
    const at = text.indexOf(' ', random.below(text.length));
    return at < 0
      ? text
      : replaceAt(text, at, at + 1, random.pick(['\r\n ', '\n\t', '\t', '  ', '', '\xa0', '\0', ' \r\n \r\n ']));
  },
  (text, _, random) => {
    const at = random.below(text.length);
    return replaceAt(text, at, at + 1, `\\${text[at]}`);
  },
  // What lets a changed message get further: a length that is right again.
  (text) => withLength(text),
];

function insert(text: string, piece: string, random: Random): string {
  const at = random.below(text.length + 1);
  return text.slice(0, at) + piece + text.slice(at);
}

function asciiUpper(word: string): string {
  return word.replace(/[a-z]/g, (letter) => letter.toUpperCase());
}

function asciiLower(word: string): string {
  return word.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** Makes the Content-Length of a message say what follows its empty line. */
export function withLength(text: string): string {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return text;
  const length = text.length - end - 4;
  const head = text.slice(0, end + 2).replace(/^(content-length|l)[ \t]*:[^\n]*\n/gim, '');
  return `${head}Content-Length: ${length}\r\n\r\n${text.slice(end + 4)}`;
}

const newest = 16;

/** Another input made of one or two of a corpus, often of those that came to it last. */
export function mutateOneOf(corpus: readonly string[], random: Random, make: Mutate = mutate): string {
  const late = random.chance(2) ? Math.min(newest, corpus.length) : corpus.length;
  return make(corpus[corpus.length - 1 - random.below(late)]!, random.pick(corpus), random);
}

/** Another input made of one or two known ones. */
export function mutate(text: string, donor: string, random: Random): string {
  let result = text;
  for (let changes = random.length(6); changes > 0; changes--) {
    result = random.pick(mutations)(result === '' ? random.pick(dictionary) : result, donor, random);
  }
  if (random.chance(4)) result = withLength(result);
  return result.length > maxInput ? result.slice(0, maxInput) : result;
}
