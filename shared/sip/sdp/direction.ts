import { isAttribute, type SdpLine, type SdpLines } from './sdp-lines.ts';

/** Which way media flows, as the author of the description sees it. Source: RFC 8866 6.7. */
export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';

const directions: readonly Direction[] = ['sendrecv', 'sendonly', 'recvonly', 'inactive'];

/** The direction that one part of a description says, null when it says none; of several the first counts. */
export function directionOf(lines: SdpLines): Direction | null {
  for (const line of lines.all) {
    const direction = asDirection(line);
    if (direction !== null) return direction;
  }
  return null;
}

/** Writes the direction of one part. */
export function setDirection(lines: SdpLines, direction: Direction): void {
  lines.put((line) => asDirection(line) !== null, 'a', direction);
}

function asDirection(line: SdpLine): Direction | null {
  if (line.type !== 'a') return null;
  return directions.find((direction) => isAttribute(line, direction)) ?? null;
}
