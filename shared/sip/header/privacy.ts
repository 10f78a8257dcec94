import { maxListValues } from './list-values.ts';
import { trimBlanks } from './token.ts';

/**
 * The privacy types of a message in lower case (`id`, `header`, `session`, `user`, `none`, `critical`, `history`).
 *
 * `;` separates them; `,` is taken as well, so that no request for privacy is lost. Reads 100 at most.
 * Source: RFC 3323 4.2, RFC 3325 9.3.
 */
export function parsePrivacy(values: readonly string[]): string[] {
  const types: string[] = [];
  for (const value of values) {
    let from = 0;
    for (let i = 0; i <= value.length && types.length < maxListValues; i++) {
      if (i < value.length && value.charCodeAt(i) !== 59 && value.charCodeAt(i) !== 44) continue;
      const type = trimBlanks(value.slice(from, i)).toLowerCase();
      if (type !== '') types.push(type);
      from = i + 1;
    }
  }
  return types;
}

/** Writes a Privacy value. */
export function formatPrivacy(types: readonly string[]): string {
  return types.join(';');
}
