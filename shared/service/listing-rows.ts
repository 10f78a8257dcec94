/** Rows that one answer of the management interface has at most: more would hold up who writes them. */
export const mostRows = 1_000;

/** Whether a row of a listing has a word, in any case, anywhere; all have the empty one. */
export function rowFilter(word: string): (row: object) => boolean {
  if (word === '') return () => true;
  const wanted = word.toLowerCase();
  return (row) => JSON.stringify(row).toLowerCase().includes(wanted);
}

/** The rows of the first of these that fit, `limit` at most; no more is looked at than that takes. */
export function firstRows<T, R extends object>(
  all: Iterable<T>,
  rowOf: (each: T) => R,
  fits: (row: R) => boolean,
  limit: number,
): R[] {
  const rows: R[] = [];
  for (const each of all) {
    if (rows.length >= limit) break;
    const row = rowOf(each);
    if (fits(row)) rows.push(row);
  }
  return rows;
}
