import { Registry } from 'prom-client';
import type { MetricFamily, Metrics, MetricValue } from './metrics.ts';

/**
 * The metrics in the text format of Prometheus. `common` labels (role, node) go on every series; series that never
 * counted are left out, since most combinations of method and transport never occur. `more`: values that are not in
 * the blocks of the threads.
 */
export async function metricsText(
  metrics: Metrics,
  common: Readonly<Record<string, string>> = {},
  more: readonly MetricValue[] = [],
): Promise<string> {
  const families = new Map<string, { family: MetricFamily; values: MetricValue[] }>();
  for (const row of [...metrics.values(), ...more]) {
    const known = families.get(row.family.name);
    if (known === undefined) families.set(row.family.name, { family: row.family, values: [row] });
    else known.values.push(row);
  }
  const registry = new Registry();
  for (const { family, values } of families.values()) {
    const { name, help, type } = family;
    const present = type === 'gauge' ? values : withoutSilent(values);
    const written = present.map((row) => ({
      metricName: row.name,
      labels: { ...common, ...row.labels },
      value: row.value,
    }));
    // What prom-client writes is a metric as it keeps them, and ours are kept elsewhere.
    const metric = { name, help, type, get: async () => ({ name, help, type, aggregator: 'sum', values: written }) };
    registry.registerMetric(metric as unknown as Parameters<typeof registry.registerMetric>[0]);
  }
  return registry.metrics();
}

/** Without the series that never counted; the rows of a histogram stay or go together. */
function withoutSilent(values: readonly MetricValue[]): MetricValue[] {
  const counted = new Set<string>();
  for (const row of values) if (row.value !== 0) counted.add(identity(row));
  return values.filter((row) => counted.has(identity(row)));
}

function identity({ labels }: MetricValue): string {
  const { le: _, ...rest } = labels;
  return JSON.stringify(rest);
}
