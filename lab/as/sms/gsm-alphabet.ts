const basic =
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?' +
  '¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà';

/** Characters that follow an escape. */
const extension: ReadonlyMap<number, string> = new Map([
  [0x0a, '\f'],
  [0x14, '^'],
  [0x28, '{'],
  [0x29, '}'],
  [0x2f, '\\'],
  [0x3c, '['],
  [0x3d, '~'],
  [0x3e, ']'],
  [0x40, '|'],
  [0x65, '€'],
]);

const escaping = 0x1b;
const codes = new Map([...basic].map((character, code) => [character, code]));
const escapedCodes = new Map([...extension].map(([code, character]) => [character, code]));

/**
 * The text of septets of the default alphabet. An escape before a septet that the extension table does not have counts as
 * that septet alone, one at the end as a blank. Source: TS 23.038 6.2.1, 6.2.1.1.
 */
export function textOfSeptets(septets: Uint8Array): string {
  let text = '';
  for (let i = 0; i < septets.length; i++) {
    const code = septets[i]! & 0x7f;
    if (code !== escaping) {
      text += basic[code];
      continue;
    }
    i++;
    const next = septets[i];
    text += next === undefined ? ' ' : (extension.get(next) ?? (next === escaping ? ' ' : basic[next & 0x7f]));
  }
  return text;
}

/** Septets of a text; null when the default alphabet lacks one of its characters. Source: TS 23.038 6.2.1. */
export function septetsOfText(text: string): Uint8Array | null {
  const septets: number[] = [];
  for (const character of text) {
    const code = character === '\x1b' ? undefined : codes.get(character);
    const escaped = escapedCodes.get(character);
    if (code !== undefined) septets.push(code);
    else if (escaped !== undefined) septets.push(escaping, escaped);
    else return null;
  }
  return Uint8Array.from(septets);
}
