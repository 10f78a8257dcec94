import { equalsIgnoreCase } from '#sip/uri/characters';
import { maxListValues } from './list-values.ts';
import { trimBlanks } from './token.ts';

/**
 * The option tags of Require, Proxy-Require, Supported or Unsupported, spelt as received, empty ones left out.
 *
 * Reads 100 of them at most. Source: RFC 3261 20.32, 20.37.
 */
export function parseOptionTags(values: readonly string[]): string[] {
  const tags: string[] = [];
  for (const value of values) {
    for (let from = 0; from <= value.length && tags.length < maxListValues; ) {
      const comma = value.indexOf(',', from);
      const end = comma < 0 ? value.length : comma;
      const tag = trimBlanks(value.slice(from, end));
      if (tag !== '') tags.push(tag);
      from = end + 1;
    }
  }
  return tags;
}

/** Whether a list of values holds a tag, in any case. */
export function hasTag(values: readonly string[], tag: string): boolean {
  return parseOptionTags(values).some((other) => equalsIgnoreCase(other, tag));
}

/** A field's value without a tag; '' when nothing is left. */
export function withoutTag(value: string, tag: string): string {
  const tags = parseOptionTags([value]);
  const kept = tags.filter((other) => !equalsIgnoreCase(other, tag));
  return kept.length === tags.length ? value : kept.join(', ');
}

/** A field's value with a tag, as it is when the tag is there already. */
export function withTag(value: string, tag: string): string {
  if (hasTag([value], tag)) return value;
  return trimBlanks(value) === '' ? tag : `${value}, ${tag}`;
}
