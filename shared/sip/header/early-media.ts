import { equalsIgnoreCase } from '#sip/uri/characters';
import { parseOptionTags } from './option-tags.ts';

/** P-Early-Media: which early media is authorized. */
export interface EarlyMedia {
  /** Directions of the media lines in order, as the receiver of the header sees them; the last one counts for the rest. */
  readonly directions: readonly EarlyMediaDirection[];
  /** Whether a network element gates the media itself. */
  readonly gated: boolean;
  /** Whether the sender knows this header (in a request). */
  readonly supported: boolean;
  /** All other parameters as received. */
  readonly others: readonly string[];
}

export type EarlyMediaDirection = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';

const directionNames: readonly EarlyMediaDirection[] = ['sendrecv', 'sendonly', 'recvonly', 'inactive'];

/** Reads the values of a P-Early-Media; any text is one, 100 parameters at most. Source: RFC 5009 8. */
export function parseEarlyMedia(values: readonly string[]): EarlyMedia {
  const directions: EarlyMediaDirection[] = [];
  const others: string[] = [];
  let gated = false;
  let supported = false;
  for (const parameter of parseOptionTags(values)) {
    const direction = directionNames.find((name) => equalsIgnoreCase(name, parameter));
    if (direction !== undefined) directions.push(direction);
    else if (equalsIgnoreCase(parameter, 'gated')) gated = true;
    else if (equalsIgnoreCase(parameter, 'supported')) supported = true;
    else others.push(parameter);
  }
  return { directions, gated, supported, others };
}

/** Writes a P-Early-Media. */
export function formatEarlyMedia({ directions, gated, supported, others }: EarlyMedia): string {
  return [...directions, ...(gated ? ['gated'] : []), ...(supported ? ['supported'] : []), ...others].join(', ');
}
