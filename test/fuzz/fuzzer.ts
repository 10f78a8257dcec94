import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { targetsOf } from './all-targets.ts';
import { type Finding, findingOf, shrink, tryInput } from './finding.ts';
import type { GuideAnswer, GuideData, GuideQuestion } from './guide.ts';
import type { LineCoverage } from './line-coverage.ts';
import { mutateOneOf } from './mutate.ts';
import { guardPrototypes } from './prototype-guard.ts';
import { Random } from './random.ts';
import type { Chosen, FuzzTarget } from './target.ts';

export interface FuzzOptions {
  readonly groups: readonly Chosen[];
  readonly seed: number;
  readonly ms: number;
  /** Told now and then. */
  readonly progress: (state: FuzzProgress) => void;
}

export interface FuzzProgress {
  readonly seconds: number;
  readonly executions: number;
  readonly parts: number;
  readonly inputs: number;
  readonly findings: number;
}

export interface FuzzReport {
  readonly seed: number;
  readonly seconds: number;
  readonly executions: number;
  readonly executionsPerSecond: number;
  /** Inputs beyond the seeds that reached something new. */
  readonly kept: number;
  readonly parts: number;
  readonly byTarget: Readonly<Record<string, number>>;
  readonly findings: readonly Finding[];
  readonly lines: readonly LineCoverage[];
  readonly heapGrowthMiB: number;
}

/** Executions of the fast half and of the guide, by turns; small at first, so that what is new spreads soon. */
const slice = { fast: 20_000, guided: 1_024, firstFast: 1_000 };
const roundOf = 256;
/** Findings after which a run ends: the rest would say the same. */
const maxFindings = 20;
/** What the heap may grow by in a run, beside what the kept inputs take. */
const heapLimitMiB = 48;

/**
 * Runs mutated inputs against the targets for a time: most of them at full speed, in turns with the guide, which sees
 * what they reach. The same seed and number of executions try the same inputs.
 */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { groups, seed, ms, progress } = options;
  const targets = await targetsOf(groups);
  const checkPrototypes = guardPrototypes();
  const guide = await startGuide({ groups, seed: seed ^ 0x5eed });
  const random = new Random(seed);
  const corpora = targets.map(({ seeds }) => seeds.slice());
  const turns = targets.flatMap(({ weight }, index) => Array.from({ length: weight }, () => index));
  const byTarget = new Map<string, number>();
  const findings = new Map<string, Finding>();
  const startMs = performance.now();
  const heapStart = heapMiB();
  let executions = 0;
  let kept = 0;
  let parts = 0;

  const note = (target: FuzzTarget, finding: Finding | null): void => {
    if (finding === null || findings.has(`${target.name} ${finding.rule}`)) return;
    findings.set(`${target.name} ${finding.rule}`, finding.input.length > 4 ? shrink(target, finding) : finding);
  };
  const guarded = (target: FuzzTarget, input: string, check: () => void): void => {
    try {
      check();
    } catch (error) {
      note(target, findingOf(target, input, error));
    }
  };
  const selfTest = groups.some((group) => group.endsWith('self-test'));
  const enough = selfTest ? 1 : maxFindings;
  const isOver = () => performance.now() - startMs >= ms || findings.size >= enough;
  const tell = () =>
    progress({
      seconds: (performance.now() - startMs) / 1000,
      executions,
      parts,
      inputs: corpora.reduce((sum, corpus) => sum + corpus.length, 0),
      findings: findings.size,
    });

  const runFast = async (wanted: number): Promise<void> => {
    for (let done = 0; done < wanted && !isOver(); done += roundOf) {
      const index = random.pick(turns);
      const target = targets[index]!;
      const corpus = corpora[index]!;
      let input = '';
      for (let i = 0; i < roundOf; i++) {
        input = mutateOneOf(corpus, random, target.mutate);
        note(target, tryInput(target, input));
      }
      executions += roundOf;
      byTarget.set(target.name, (byTarget.get(target.name) ?? 0) + roundOf);
      await target.settle?.().catch((error: unknown) => note(target, findingOf(target, input, error)));
      guarded(target, input, checkPrototypes);
      tell();
    }
  };

  try {
    // All seeds as they are.
    for (const [index, target] of targets.entries()) {
      for (const input of corpora[index]!) note(target, tryInput(target, input));
      executions += corpora[index]!.length;
      byTarget.set(target.name, corpora[index]!.length);
      await target.settle?.().catch((error: unknown) => note(target, findingOf(target, '', error)));
    }
    for (let fast = slice.firstFast; !isOver(); fast = Math.min(selfTest ? slice.firstFast : slice.fast, fast * 2)) {
      const answer = await ask(guide, { ask: 'explore', inputs: slice.guided });
      if (answer.kind === 'explored') {
        executions += answer.executions;
        parts = answer.parts;
        kept += answer.kept.length;
        for (const { target, input } of answer.kept) corpora[target]!.push(input);
        for (const finding of answer.findings) note(targets.find(({ name }) => name === finding.target)!, finding);
      }
      tell();
      await runFast(fast);
    }
    const seconds = (performance.now() - startMs) / 1000;
    const lines = await ask(guide, { ask: 'lines' });
    const heapGrowthMiB = heapMiB() - heapStart;
    if (heapGrowthMiB > heapLimitMiB) {
      const words = `${heapGrowthMiB.toFixed(0)} MiB more than at the start, ${heapLimitMiB} are allowed`;
      findings.set('heap', { target: 'all', rule: 'the heap grows', words, input: '' });
    }
    return {
      seed,
      seconds,
      executions,
      executionsPerSecond: Math.round(executions / seconds),
      kept,
      parts,
      byTarget: Object.fromEntries(byTarget),
      findings: [...findings.values()],
      lines: lines.kind === 'lines' ? lines.files : [],
      heapGrowthMiB,
    };
  } finally {
    await guide.terminate();
  }
}

async function startGuide(data: GuideData): Promise<Worker> {
  const worker = new Worker(new URL('guide.ts', import.meta.url), {
    workerData: data,
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  await once(worker, 'message');
  return worker;
}

async function ask(guide: Worker, question: GuideQuestion): Promise<GuideAnswer> {
  const answered = once(guide, 'message');
  guide.postMessage(question);
  const [answer] = (await answered) as [GuideAnswer];
  return answer;
}

/** What lives on the heap of this thread after a collection. */
function heapMiB(): number {
  for (let i = 0; i < 3; i++) globalThis.gc?.();
  return process.memoryUsage().heapUsed / 1024 / 1024;
}
