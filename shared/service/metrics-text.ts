import { Counter, Gauge, Registry } from 'prom-client';
import type { Metrics } from './metrics.ts';

/**
 * The metrics in the text format of Prometheus. `common` labels (role, node) go on every series; series that never
 * counted are left out, since most combinations of method and transport never occur.
 */
export async function metricsText(metrics: Metrics, common: Readonly<Record<string, string>> = {}): Promise<string> {
  const registry = new Registry();
  const known = new Map<string, Counter<string> | Gauge<string>>();
  const labelNames = new Map<string, Set<string>>();
  for (const { family, labels } of metrics.layout.series) {
    const names = labelNames.get(family.name) ?? new Set(Object.keys(common));
    for (const name of Object.keys(labels)) names.add(name);
    if (family.dynamic !== undefined) names.add(family.dynamic);
    labelNames.set(family.name, names);
  }
  for (const { family, labels, value } of metrics.values()) {
    let metric = known.get(family.name);
    if (metric === undefined) {
      const options = {
        name: family.name,
        help: family.help,
        labelNames: [...labelNames.get(family.name)!],
        registers: [registry],
      };
      metric = family.type === 'counter' ? new Counter(options) : new Gauge(options);
      known.set(family.name, metric);
    }
    if (value !== 0 || family.type === 'gauge') metric.inc({ ...common, ...labels }, value);
  }
  return registry.metrics();
}
