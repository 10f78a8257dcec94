/** Rows as lines with columns of equal width; the first row is the heading. */
export function table(rows: readonly string[][]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}

/** Text without control characters: names and reasons come from elsewhere. */
export function visible(line: string): string {
  let shown = '';
  for (const character of line)
    shown += character < ' ' || (character >= '\x7f' && character <= '\x9f') ? '?' : character;
  return shown;
}
