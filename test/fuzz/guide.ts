import { fileURLToPath } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import { BlockCoverage, common, difference, type Reached } from './block-coverage.ts';
import type { Finding } from './finding.ts';
import type { LineCoverage } from './line-coverage.ts';
import type { Chosen, FuzzTarget } from './target.ts';

/** What the guide is started with. */
export interface GuideData {
  readonly groups: readonly Chosen[];
  readonly seed: number;
}

/** What it is asked: to try so many inputs, or what all kept inputs together cover. */
export type GuideQuestion = { readonly ask: 'explore'; readonly inputs: number } | { readonly ask: 'lines' };

/** An input worth keeping, by the number of its target. */
export interface KeptInput {
  readonly target: number;
  readonly input: string;
}

export type GuideAnswer =
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'explored';
      readonly executions: number;
      readonly parts: number;
      readonly kept: readonly KeptInput[];
      readonly findings: readonly Finding[];
    }
  | { readonly kind: 'lines'; readonly files: readonly LineCoverage[] };

const roundOf = 64;
const maxKept = 4_000;
/** Folders of shared that are looked at. */
const watched = [
  ...['sip/parser', 'sip/header', 'sip/uri', 'sip/message', 'sip/sdp', 'sip/transport/stream-refusal'],
  ...['diameter/codec', 'diameter/check-request', 'diameter/answer', 'diameter/result', 'diameter/cx', 'diameter/rx'],
  'diameter/peer/stream-framer',
];

/**
 * The half of the fuzzer that sees which blocks of the code an input reaches. It lives in a thread of its own, since code
 * that is watched runs ten times slower, and tells the other half which inputs reached something new.
 */
async function guide({ groups, seed }: GuideData): Promise<void> {
  const root = fileURLToPath(new URL('../../shared/', import.meta.url));
  const planted = fileURLToPath(new URL('planted-target.ts', import.meta.url));
  const coverage = new BlockCoverage([...watched.map((folder) => `${root}${folder}`), planted]);
  // Only what is loaded from now on is watched.
  const { targetsOf } = await import('./all-targets.ts');
  const { tryInput } = await import('./finding.ts');
  const { mutateOneOf } = await import('./mutate.ts');
  const { Random } = await import('./random.ts');
  const { lineCoverage } = await import('./line-coverage.ts');
  const { readFileSync } = await import('node:fs');

  const targets = await targetsOf(groups);
  const random = new Random(seed);
  const corpora = targets.map(({ seeds }) => seeds.slice());
  /** Inputs that are tried as they are, before anything is changed: all seeds. */
  const first = targets.map(({ seeds }) => seeds.slice());
  const turns = targets.flatMap(({ weight }, index) => Array.from({ length: weight }, () => index));
  let watch: FuzzTarget = targets[0]!;
  coverage.learn(coverage.take());

  const run = (inputs: readonly string[]): Reached => {
    coverage.take();
    for (const input of inputs) tryInput(watch, input, Number.POSITIVE_INFINITY);
    return coverage.take();
  };

  /** Those of some inputs that reach `wanted`, one for each part of it. */
  const choose = (inputs: readonly string[], wanted: Reached, chosen: string[]): void => {
    if (inputs.length === 1) {
      chosen.push(inputs[0]!);
      return;
    }
    const half = inputs.length >> 1;
    const reached = common(wanted, run(inputs.slice(0, half)));
    if (reached.size > 0) choose(inputs.slice(0, half), reached, chosen);
    const rest = difference(wanted, reached);
    if (rest.size > 0) choose(inputs.slice(half), rest, chosen);
  };

  let turn = 0;
  /** Each target in turn as long as it has seeds that were not tried, then by chance. */
  const nextTarget = (): number => {
    for (let i = 0; i < targets.length; i++) {
      turn = (turn + 1) % targets.length;
      if (first[turn]!.length > 0) return turn;
    }
    return random.pick(turns);
  };

  const explore = async (wanted: number): Promise<Extract<GuideAnswer, { kind: 'explored' }>> => {
    const findings: Finding[] = [];
    const kept: KeptInput[] = [];
    let executions = 0;
    while (executions < wanted) {
      const target = nextTarget();
      watch = targets[target]!;
      const corpus = corpora[target]!;
      const unchanged = first[target]!.splice(0, roundOf);
      const inputs = Array.from({ length: roundOf }, (_, i) =>
        i < unchanged.length ? unchanged[i]! : mutateOneOf(corpus, random, watch.mutate),
      );
      coverage.take();
      for (const input of inputs) {
        const finding = tryInput(watch, input, Number.POSITIVE_INFINITY);
        if (finding !== null) findings.push(finding);
      }
      executions += inputs.length;
      const reached = coverage.take();
      await watch.settle?.().catch(() => {});
      const fresh = coverage.fresh(reached);
      coverage.learn(reached);
      if (fresh.size === 0) continue;
      const chosen: string[] = [];
      choose(inputs, fresh, chosen);
      for (const input of chosen) {
        if (corpus.length < maxKept) corpus.push(input);
        kept.push({ target, input });
      }
    }
    return { kind: 'explored', executions, parts: coverage.parts, kept, findings };
  };

  const lines = (): GuideAnswer => {
    const files = [...coverage.filesReached((path) => readFileSync(path, 'utf8').length)].map(([path, characters]) =>
      lineCoverage(path, characters),
    );
    return { kind: 'lines', files: files.filter(({ path }) => path !== planted) };
  };

  parentPort!.on('message', (question: GuideQuestion) => {
    if (question.ask === 'lines') parentPort!.postMessage(lines());
    else void explore(question.inputs).then((answer) => parentPort!.postMessage(answer));
  });
  parentPort!.postMessage({ kind: 'ready' } satisfies GuideAnswer);
}

await guide(workerData as GuideData);
