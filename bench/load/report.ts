import type { LabRole } from '#lab/network/lab-config';
import { cscfRoles, roleNames, roles } from './core-network.ts';
import type { NodeCounts, Phase } from './load-run.ts';
import { type Kind, kinds, percentile } from './tally.ts';

/** What a phase came to, as plain data. */
export interface PhaseReport {
  readonly name: string;
  readonly procedure: string;
  readonly rate: number;
  readonly seconds: number;
  readonly completed: number;
  readonly failed: number;
  readonly retransmitted: number;
  readonly kinds: Readonly<Partial<Record<Kind, KindReport>>>;
  readonly nodes: Readonly<Record<LabRole, NodeReport>>;
  /** CPU of the three CSCFs for each completed procedure, microseconds. */
  readonly coreUs: number;
  readonly driver: { readonly cpuPercent: number; readonly usPerProcedure: number; readonly worstLagMs: number };
  /** What everything else on this machine used of one CPU: figures are only as good as this is low. */
  readonly othersCpuPercent: number;
  readonly oddities: Readonly<Record<string, number>>;
}

export interface KindReport {
  readonly begun: number;
  readonly completed: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly retransmitted: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

export interface NodeReport {
  readonly usPerProcedure: number;
  /** Of one CPU. */
  readonly cpuPercent: number;
  readonly rssBytes: number;
  /** SIP messages by worker. */
  readonly workers: readonly { readonly messages: number; readonly share: number }[];
  /** SIP messages refused or dropped for want of time or for their source, by class. */
  readonly shed: Readonly<Record<string, number>>;
}

export function reportOf(phase: Phase): PhaseReport {
  const { options, tally, wallMs, before, after, driver } = phase;
  const sums = tally.sums();
  const done = Math.max(1, sums.completed);
  const used = (role: LabRole) => after.get(role)!.cpuUs - before.get(role)!.cpuUs;
  const ours = roles.reduce((sum, role) => sum + used(role), driver.cpuUs);
  const nodes = Object.fromEntries(
    roles.map((role): [LabRole, NodeReport] => {
      const { messages, shed } = (role !== 'hss' && phase.counts.get(role)) || noCounts;
      const all = Math.max(
        1,
        messages.reduce((sum, each) => sum + each, 0),
      );
      return [
        role,
        {
          usPerProcedure: Math.round(used(role) / done),
          cpuPercent: round(used(role) / wallMs / 10, 1),
          rssBytes: after.get(role)!.rssBytes,
          workers: messages.map((each) => ({ messages: each, share: round(each / all, 3) })),
          shed,
        },
      ];
    }),
  ) as Record<LabRole, NodeReport>;
  return {
    name: options.name,
    procedure: options.procedure,
    rate: options.rate,
    seconds: options.seconds,
    ...sums,
    kinds: kindReports(phase),
    nodes,
    coreUs: Math.round(cscfRoles.reduce((sum, role) => sum + used(role), 0) / done),
    driver: {
      cpuPercent: round(driver.cpuUs / wallMs / 10, 1),
      usPerProcedure: Math.round(driver.cpuUs / done),
      worstLagMs: round(driver.worstLagMs, 1),
    },
    othersCpuPercent: Math.max(0, Math.round((phase.machineUs - ours) / wallMs / 10)),
    oddities: Object.fromEntries(tally.oddities),
  };
}

const noCounts: NodeCounts = { messages: [], shed: {} };

function kindReports({ tally }: Phase): Partial<Record<Kind, KindReport>> {
  const reports: Partial<Record<Kind, KindReport>> = {};
  for (const kind of kinds) {
    const each = tally.of(kind);
    if (each.begun === 0 && each.completed === 0) continue;
    reports[kind] = {
      begun: each.begun,
      completed: each.completed,
      failures: Object.fromEntries(each.failures),
      retransmitted: each.retransmitted,
      p50Ms: round(percentile(each.latencies, 0.5), 2),
      p95Ms: round(percentile(each.latencies, 0.95), 2),
      p99Ms: round(percentile(each.latencies, 0.99), 2),
    };
  }
  return reports;
}

const meanings: Readonly<Record<Kind, string>> = {
  register: 'both REGISTERs',
  renewal: 'both REGISTERs, of a registered phone',
  deregister: 'the REGISTERs that end a registration',
  call: 'INVITE to 180',
  release: 'BYE to 200',
  message: 'MESSAGE to 200',
};

/** The report for people. */
export function phaseTable(report: PhaseReport): string {
  const lines = [
    `${report.procedure}, ${report.rate}/s for ${report.seconds} s: ${report.completed} completed, ${report.failed} failed`,
    row('', ['done', 'failed', 'again', 'p50 ms', 'p95 ms', 'p99 ms']),
  ];
  for (const kind of kinds) {
    const each = report.kinds[kind];
    if (each === undefined) continue;
    const failed = Object.values(each.failures).reduce((sum, count) => sum + count, 0);
    const times = [each.p50Ms, each.p95Ms, each.p99Ms].map((ms) => ms.toFixed(1));
    lines.push(`${row(kind, [each.completed, failed, each.retransmitted, ...times])}  ${meanings[kind]}`);
    for (const [cause, count] of Object.entries(each.failures)) lines.push(`    ${count} x ${cause}`);
  }
  lines.push(`${row('', ['us each', 'CPU %', 'RSS MB'])}  messages by worker`);
  for (const role of roles) {
    const node = report.nodes[role];
    const shares = node.workers.map(({ messages, share }) => `${messages} (${Math.round(share * 100)} %)`);
    const shed = listOf(node.shed);
    const rss = (node.rssBytes / 2 ** 20).toFixed(0);
    lines.push(`${row(roleNames[role], [node.usPerProcedure, node.cpuPercent, rss])}  ${shares.join(', ')}`.trimEnd());
    if (shed !== '') lines.push(`    shed: ${shed}`);
  }
  lines.push(row('core', [report.coreUs]));
  const { driver } = report;
  lines.push(
    `${row('driver', [driver.usPerProcedure, driver.cpuPercent])}  at most ${driver.worstLagMs} ms late`,
    row('others', ['', report.othersCpuPercent]),
  );
  for (const [words, count] of Object.entries(report.oddities)) lines.push(`    ${count} x ${words}`);
  return lines.join('\n');
}

function row(name: string, cells: readonly (string | number)[]): string {
  return `  ${name.padEnd(10)}${cells.map((cell) => String(cell).padStart(10)).join('')}`;
}

/** Counts in words. */
export function listOf(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${count} x ${name}`)
    .join(', ');
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
