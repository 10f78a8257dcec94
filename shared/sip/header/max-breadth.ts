import type { ParseFailure } from '#sip/errors';
import { parseClipped } from './number-value.ts';

/** What a request without Max-Breadth counts as, and the largest one taken. Source: RFC 5393 5.3.3. */
export const defaultMaxBreadth = 60;
const largestMaxBreadth = 0xffff;

/** Reads a Max-Breadth; a larger number than 65535 counts as that. Source: RFC 5393 5.3.1; requirement C-36. */
export function parseMaxBreadth(value: string): number | ParseFailure {
  return parseClipped(value, largestMaxBreadth);
}

/** Writes a Max-Breadth. */
export function formatMaxBreadth(breadth: number): string {
  return String(breadth);
}
