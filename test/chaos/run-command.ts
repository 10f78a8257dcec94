/** An option with a number, for yargs. */
export const number = { type: 'number', requiresArg: true } as const;

/** What a run says while it goes on. */
export const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** Has whoever ends this process end its nodes, too: see Daemon. */
export function endOnSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));
}

/** Throws Error, in words for the console, when one of these options is not above 0. */
export function checkAboveZero(given: Readonly<Record<string, unknown>>, names: readonly string[]): void {
  for (const name of names) if (!(Number(given[name]) > 0)) throw new Error(`--${name}: a number above 0`);
}

/** `a 3, b 1`, or `none`. */
export function countsInWords(counts: Readonly<Record<string, number>>): string {
  return (
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ') || 'none'
  );
}
