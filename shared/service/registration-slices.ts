import type { RegistrationPage, RegistrationRow } from './worker-question.ts';

/** Records that are read without looking at the clock. */
const sliceRecords = 16;
/** How long a worker reads for a listing before it goes back to its messages, milliseconds. */
const mostMs = 1;

/** Part of the records: rows of those that fit, and where to go on, null at the end. */
export type RegistrationSlice = (from: string, limit: number) => RegistrationPage;

/**
 * Reads up to `limit` records behind `from` in small slices, and ends early when that takes long: however large the records
 * are, a listing holds no worker up for more than about a millisecond. At least one slice is read, so that a listing gets on.
 */
export function readSlices(from: string, limit: number, slice: RegistrationSlice): RegistrationPage {
  const untilMs = performance.now() + mostMs;
  const rows: RegistrationRow[] = [];
  let next: string | null = from;
  for (let left = limit; next !== null && left > 0; left -= sliceRecords) {
    const page: RegistrationPage = slice(next, Math.min(left, sliceRecords));
    rows.push(...page.rows);
    next = page.next;
    if (performance.now() >= untilMs) break;
  }
  return { rows, next };
}
