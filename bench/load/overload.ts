import { slowMs } from './capacity.ts';
import { type CscfRole, cscfRoles, roleNames } from './core-network.ts';
import type { LoadRun, Phase } from './load-run.ts';
import { listOf, type PhaseReport, reportOf, round } from './report.ts';
import { Strangers, type StrangersReport } from './strangers.ts';
import { percentile } from './tally.ts';
import type { ProcedureName } from './workload.ts';

export const floods = ['strangers', 'users'] as const;
export type Flood = (typeof floods)[number];

export interface OverloadOptions {
  readonly flood: Flood;
  readonly procedure: ProcedureName;
  /** Procedures per second that are possible. */
  readonly capacity: number;
  /** Strangers: datagrams per second; users: procedures per second that they offer. */
  readonly floodRate: number;
  readonly floodSeconds: number;
  readonly floodSources: number;
  /** Load before and after, as share of the capacity. */
  readonly normalShare: number;
  readonly beforeSeconds: number;
  readonly afterSeconds: number;
}

/** What a flood did. */
export interface OverloadReport {
  readonly flood: Flood;
  readonly capacity: number;
  readonly before: PhaseReport;
  readonly during: PhaseReport;
  readonly after: PhaseReport;
  readonly strangers: StrangersReport | null;
  /** Procedures that registered users completed while it lasted, as share of the capacity. */
  readonly goodput: number;
  /** p99 of what began in each second, milliseconds. */
  readonly p99Ms: { readonly before: number[]; readonly during: number[]; readonly after: number[] };
  /** Above this a second is not normal. */
  readonly normalP99Ms: number;
  /** Seconds from the end of the flood until all was normal again; null: not within the time that was looked at. */
  readonly secondsToNormal: number | null;
  readonly memory: Readonly<Record<CscfRole, NodeMemory>>;
}

export interface NodeMemory {
  /** Resident megabytes each second of the flood. */
  readonly megabytes: readonly number[];
  /** Growth in the second half of the flood, by regression. */
  readonly megabytesPerMinute: number;
  /** Whether the last quarter of the flood is no higher than the one before it, by a tenth and 8 MB. */
  readonly flat: boolean;
  /** With a limit of memory: the most that was used, and how often the kernel ended something for it. */
  readonly peakMegabytes: number | null;
  readonly oomKills: number;
}

/** Goals of a flood. Requirements X-F1, X-R16. */
export const leastGoodput = 0.9;
export const mostSecondsToNormal = 5;

const megabyte = 2 ** 20;
const normalFactor = 2;
/** What the search for the capacity calls slow. */
const normalLeastMs = slowMs;
const normalFailureShare = 0.01;
/** So many seconds in a row have to be normal. */
const normalInRow = 3;
const flatFactor = 1.1;
const flatExtraMegabytes = 8;

/** Normal load, a flood beside it, normal load again. */
export async function overload(run: LoadRun, options: OverloadOptions): Promise<OverloadReport> {
  const { flood, procedure, capacity, floodSeconds } = options;
  const normal = { procedure, rate: capacity * options.normalShare, drain: false };
  const before = await run.phase({ ...normal, name: 'before', seconds: options.beforeSeconds });
  const strangers = flood === 'strangers' ? openStrangers(run, options) : null;
  strangers?.start();
  const rate = flood === 'users' ? options.floodRate : capacity;
  const during = await run.phase({ name: 'flood', procedure, rate, seconds: floodSeconds, drain: false });
  const strangersReport = (await strangers?.stop()) ?? null;
  const after = await run.phase({ ...normal, name: 'after', seconds: options.afterSeconds, drain: true });
  // What began in the flood has ended by now, well or not.
  await run.settle(during.tally);
  const p99Ms = { before: p99BySecond(before), during: p99BySecond(during), after: p99BySecond(after) };
  const normalP99Ms = Math.max(normalLeastMs, normalFactor * Math.max(...p99Ms.before));
  return {
    flood,
    capacity,
    before: reportOf(before),
    during: reportOf(during),
    after: reportOf(after),
    strangers: strangersReport,
    goodput: round(during.tally.completedWithin(floodSeconds) / floodSeconds / capacity, 3),
    p99Ms,
    normalP99Ms,
    secondsToNormal: secondsToNormal(after, p99Ms.after, normalP99Ms),
    memory: Object.fromEntries(cscfRoles.map((role) => [role, memoryOf(run, during, role)])) as Record<
      CscfRole,
      NodeMemory
    >,
  };
}

/** What was not reached, in words; none: all was. */
export function misses(report: OverloadReport): string[] {
  const { goodput, secondsToNormal: seconds, memory } = report;
  const found: string[] = [];
  if (goodput < leastGoodput)
    found.push(`goodput is ${percent(goodput)} of the capacity, not ${percent(leastGoodput)}`);
  if (seconds === null || seconds > mostSecondsToNormal) {
    found.push(`p99 is not normal within ${mostSecondsToNormal} s after the flood`);
  }
  for (const role of cscfRoles) {
    if (!memory[role].flat) found.push(`memory of the ${roleNames[role]} is not flat`);
    if (memory[role].oomKills > 0) found.push(`the kernel ended the ${roleNames[role]} for lack of memory`);
  }
  return found;
}

/** The report for people. */
export function overloadTable(report: OverloadReport): string {
  const { flood, capacity, during, strangers, goodput, p99Ms, secondsToNormal: seconds } = report;
  const lines = [`flood of ${flood}, capacity ${capacity} ${during.procedure}/s`];
  for (const phase of [report.before, during, report.after]) {
    const causes = failureWords(phase);
    lines.push(
      `  ${phase.name.padEnd(8)}${Math.round(phase.rate)}/s offered for ${phase.seconds} s: ${phase.completed} completed, ` +
        `${phase.failed} failed${causes === '' ? '' : ` (${causes})`}, ${phase.retransmitted} sent again`,
    );
  }
  if (strangers !== null) {
    lines.push(
      `  strangers ${strangers.sent} datagrams (${Math.round(strangers.rate)}/s) from ${strangers.sources} addresses; ` +
        `answers: ${listOf(strangers.answers) || 'none'}`,
    );
  }
  const normal = seconds === null ? 'not normal in the time looked at' : `normal ${seconds} s after its end`;
  lines.push(
    `  goodput ${percent(goodput)} of the capacity; ${normal} (p99 below ${report.normalP99Ms.toFixed(0)} ms)`,
    `  p99 ms by second: ${[p99Ms.before, p99Ms.during, p99Ms.after].map((each) => each.map(Math.round).join(' ')).join(' | ')}`,
  );
  for (const role of cscfRoles) {
    const { megabytes, megabytesPerMinute, flat, peakMegabytes, oomKills } = report.memory[role];
    const limit = peakMegabytes === null ? '' : `, group's peak ${peakMegabytes} MB, ${oomKills} out-of-memory kills`;
    const course = megabytes.filter((_, i) => i % Math.ceil(megabytes.length / 12) === 0).map(Math.round);
    lines.push(
      `  ${roleNames[role]} RSS MB ${course.join(' ')}: ${flat ? 'flat' : 'NOT FLAT'}, ${megabytesPerMinute} MB/min${limit}`,
    );
    const shed = listOf(during.nodes[role].shed);
    if (shed !== '') lines.push(`    shed: ${shed}`);
  }
  return lines.join('\n');
}

function openStrangers(run: LoadRun, { floodRate: rate, floodSources: sources }: OverloadOptions): Strangers {
  const { udpProxy: proxy, domain } = run.core;
  if (proxy === null) throw new Error('the P-CSCF has no UDP listener toward phones: strangers send by UDP');
  return new Strangers({ proxy, domain, rate, sources, users: run.board.users.strangers });
}

function p99BySecond({ tally, options }: Phase): number[] {
  return Array.from({ length: options.seconds }, (_, second) =>
    round(percentile(tally.seconds[second]?.latencies ?? [], 0.99), 1),
  );
}

function secondsToNormal({ tally }: Phase, p99Ms: readonly number[], limitMs: number): number | null {
  const isNormal = p99Ms.map((ms, i) => {
    const { begun = 0, failed = 0 } = tally.seconds[i] ?? {};
    return ms > 0 && ms <= limitMs && failed <= begun * normalFailureShare;
  });
  const found = isNormal.findIndex((_, i) => {
    const row = isNormal.slice(i, i + normalInRow);
    return row.length === Math.min(normalInRow, isNormal.length) && row.every(Boolean);
  });
  return found < 0 ? null : found;
}

function memoryOf(run: LoadRun, { samples }: Phase, role: CscfRole): NodeMemory {
  const megabytes = samples.map((sample) => round(sample.get(role)!.rssBytes / megabyte, 1));
  const quarter = Math.max(1, Math.floor(megabytes.length / 4));
  const early = mean(megabytes.slice(-2 * quarter, -quarter));
  const late = mean(megabytes.slice(-quarter));
  const group = run.core.memoryOf(role);
  return {
    megabytes,
    megabytesPerMinute: round(slope(megabytes.slice(megabytes.length >> 1)) * 60, 1),
    flat: late <= early * flatFactor + flatExtraMegabytes,
    peakMegabytes: group === null ? null : Math.round(group.peakBytes / megabyte),
    oomKills: group?.oomKills ?? 0,
  };
}

/** Growth per step of a row of values. */
function slope(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const average = mean(values);
  let above = 0;
  let below = 0;
  for (const [i, value] of values.entries()) {
    above += (i - middle) * (value - average);
    below += (i - middle) ** 2;
  }
  return below === 0 ? 0 : above / below;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

function failureWords({ kinds }: PhaseReport): string {
  const causes = new Map<string, number>();
  for (const each of Object.values(kinds)) {
    for (const [cause, count] of Object.entries(each.failures)) causes.set(cause, (causes.get(cause) ?? 0) + count);
  }
  return listOf(Object.fromEntries(causes));
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
