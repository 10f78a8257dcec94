import { type Bench, measure } from './bench.ts';

/**
 * npm run bench [-- FILTER]: micro benches, each beside its baseline in the same run. Only ratios count: absolute
 * figures move with the machine.
 */
const files = ['message', 'headers', 'transaction', 'dispatch', 'diameter', 'milenage', 'store', 'filter-criteria'];
const filter = process.argv[2] ?? '';

console.log(`${'bench'.padEnd(52)}${'us'.padStart(9)}${'baseline'.padStart(10)}${'ratio'.padStart(8)}  baseline is`);
for (const file of files) {
  if (filter !== '' && !file.includes(filter)) continue;
  const { benches } = (await import(`./${file}.ts`)) as { benches: readonly Bench[] };
  const measured = new Map<string, number>();
  const timeOf = (bench: { readonly name: string; run(iterations: number): unknown }) => {
    const known = measured.get(bench.name);
    if (known !== undefined) return known;
    const time = measure((iterations) => bench.run(iterations));
    measured.set(bench.name, time);
    return time;
  };
  for (const bench of benches) {
    const base =
      typeof bench.baseline === 'string' ? benches.find(({ name }) => name === bench.baseline) : bench.baseline;
    const time = timeOf(bench);
    const baseTime = base === undefined ? undefined : timeOf(base);
    const columns =
      baseTime === undefined
        ? ''
        : `${baseTime.toFixed(2).padStart(10)}${(time / baseTime).toFixed(2).padStart(8)}  ${base!.name}`;
    console.log(`${bench.name.slice(0, 51).padEnd(52)}${time.toFixed(2).padStart(9)}${columns}`);
  }
}
process.exit(0);
