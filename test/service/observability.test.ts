import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { cscfMetrics } from '#service/metrics/cscf-metrics';
import type { MetricFamily } from '#service/metrics/metrics';
import { processMetrics } from '#service/metrics/process-metrics';

const folder = fileURLToPath(new URL('../../config/observability/', import.meta.url));
const families = new Map<string, MetricFamily[]>();
for (const family of [...cscfMetrics, ...processMetrics] as readonly MetricFamily[]) {
  families.set(family.name, [...(families.get(family.name) ?? []), family]);
}

/** Every `name{labels}` of an expression, where the name is one of ours. */
function seriesOf(expression: string): { name: string; labels: string[] }[] {
  return [...expression.matchAll(/\b((?:cscf|process)_\w+)(?:\{([^}]*)\})?/g)].map(([, name, inside = '']) => ({
    name: name!,
    labels: [...inside.matchAll(/(\w+)\s*(?:=|!=|=~|!~)/g)].map(([, label]) => label!),
  }));
}

function labelsOf(family: MetricFamily): string[] {
  const own = [...Object.keys(family.labels ?? {}), family.dynamic ?? '', family.perWorker ? 'worker' : ''];
  return ['role', 'node', ...own, family.type === 'histogram' ? 'le' : ''];
}

/** What is wrong with an expression: series and labels that no node tells. */
function faults(expression: string): string[] {
  return seriesOf(expression).flatMap(({ name, labels }) => {
    const base = families.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
    const found = (families.get(base) ?? []).filter(({ type }) => (type === 'histogram') === (base !== name));
    if (found.length === 0) return [`there is no series ${name}`];
    const known = new Set(found.flatMap(labelsOf));
    return labels.filter((label) => !known.has(label)).map((label) => `${name} has no label ${label}`);
  });
}

const alerts = parse(readFileSync(join(folder, 'alerts.yaml'), 'utf8')) as {
  groups: { rules: { alert: string; expr: string; annotations: Record<string, string> }[] }[];
};
const dashboard = JSON.parse(readFileSync(join(folder, 'dashboard.json'), 'utf8')) as {
  panels: { title: string; type: string; targets?: { expr: string; legendFormat: string }[] }[];
};
const rules = alerts.groups.flatMap((group) => group.rules);
const graphs = dashboard.panels.filter(({ type }) => type !== 'row');

describe('config/observability', () => {
  it('names only series and labels that nodes tell', () => {
    expect(faults('rate(cscf_nothing{role="x"}[1m]) + cscf_transactions{nobody="x"}')).toEqual([
      'there is no series cscf_nothing',
      'cscf_transactions has no label nobody',
    ]);
    expect(rules.length).toBeGreaterThanOrEqual(8);
    expect(graphs.length).toBeGreaterThan(20);
    const expressions = [
      ...rules.map(({ expr }) => expr),
      ...graphs.flatMap(({ targets }) => targets!.map(({ expr }) => expr)),
    ];
    expect(expressions.flatMap(faults)).toEqual([]);
  });

  it('shows every series somewhere', () => {
    const shown = new Set(
      graphs.flatMap(({ targets }) =>
        targets!.flatMap(({ expr }) => seriesOf(expr).map(({ name }) => name.replace(/_(bucket|sum|count)$/, ''))),
      ),
    );
    const unseen = ['process_start_time_seconds', 'cscf_worker_up', 'cscf_diameter_requests_total'];
    expect([...families.keys()].filter((name) => !shown.has(name)).sort()).toEqual(unseen.sort());
  });

  it('every alert says what is the matter', () => {
    for (const { alert, annotations } of rules) expect(annotations.summary, alert).toBeTruthy();
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  });
});
