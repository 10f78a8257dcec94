import { table, visible } from './table.ts';

const widest = 72;

/** Rows as a table with these columns; `none` where there are no rows. */
export function rowsView(
  rows: readonly Readonly<Record<string, unknown>>[],
  columns: readonly string[],
  none: string,
): string {
  if (rows.length === 0) return none;
  const cells = rows.map((row) => columns.map((column) => shortened(cell(row[column]))));
  return table([columns.map(heading), ...cells])
    .map(visible)
    .join('\n');
}

/** An object or a list of them as indented lines. */
export function fieldsView(value: unknown): string {
  const lines: string[] = [];
  write(value, '', lines);
  return lines.map(visible).join('\n');
}

function write(value: unknown, indent: string, lines: string[]): void {
  for (const [key, child] of Object.entries(value as object)) {
    const name = Array.isArray(value) ? `${Number(key) + 1}.` : key;
    const nested = typeof child === 'object' && child !== null && Object.keys(child).length > 0;
    lines.push(nested ? `${indent}${name}` : `${indent}${name} ${cell(child)}`);
    if (nested) write(child, `${indent}  `, lines);
  }
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '-';
  if (Array.isArray(value)) return value.map(cell).join(', ');
  if (typeof value === 'object')
    return Object.entries(value)
      .map(([key, child]) => `${key}=${cell(child)}`)
      .join(' ');
  return String(value);
}

function shortened(text: string): string {
  return text.length <= widest ? text : `${text.slice(0, widest - 1)}…`;
}

/** `expiresSeconds` as `EXPIRES SECONDS`. */
function heading(name: string): string {
  return name.replace(/[A-Z]/g, ' $&').toUpperCase();
}
