import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Broken, type FuzzTarget } from './target.ts';

/** A defect that was found. */
export interface Finding {
  readonly target: string;
  /** The same for the same defect. */
  readonly rule: string;
  readonly words: string;
  /** Octets as latin1: the shortest input that was found to bring it about. */
  readonly input: string;
}

/** What went wrong with an input, null when nothing did. `limitMs`: longest time it may take. */
export function tryInput(target: FuzzTarget, input: string, limitMs = target.limitMs): Finding | null {
  const startMs = performance.now();
  try {
    target.run(input);
  } catch (error) {
    return findingOf(target, input, error);
  }
  return performance.now() - startMs <= limitMs ? null : slowness(target, input, limitMs);
}

/** What an exception says, as a finding. */
export function findingOf(target: FuzzTarget, input: string, error: unknown): Finding {
  if (error instanceof Broken) {
    return { target: target.name, rule: error.rule, words: error.message, input: error.input ?? input };
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const [first = '', where = ''] = stack.split('\n').map((line) => line.trim());
  return { target: target.name, rule: `${first} ${where}`, words: stack, input };
}

/**
 * A slow input counts when it is slow four times, the last three by the time of this thread alone: another process, or
 * the collector, may have had the processor.
 */
function slowness(target: FuzzTarget, input: string, limitMs: number): Finding | null {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 3; i++) {
    const [startMs, start] = [performance.now(), process.threadCpuUsage()];
    target.run(input);
    const { user, system } = process.threadCpuUsage(start);
    best = Math.min(best, performance.now() - startMs, (user + system) / 1000);
    if (best <= limitMs) return null;
  }
  return { target: target.name, rule: 'slow', words: `took ${best.toFixed(1)} ms, more than ${limitMs}`, input };
}

const shrinkTries = 3_000;

/** A shorter input with the same finding: pieces are left out as long as that stays so. */
export function shrink(target: FuzzTarget, finding: Finding): Finding {
  let best = finding;
  let tries = 0;
  for (
    let size = Math.ceil(best.input.length / 2);
    size >= 1 && tries < shrinkTries;
    size = size > 1 ? Math.ceil(size / 2) : 0
  ) {
    for (let at = 0; at < best.input.length && tries < shrinkTries; tries++) {
      const shorter = best.input.slice(0, at) + best.input.slice(at + size);
      const again = tryInput(target, shorter);
      if (again?.rule === finding.rule) best = again;
      else at += size;
    }
  }
  return best;
}

/** Writes the input of a finding into a folder; gives the file, from which `--replay` takes it. */
export function writeReproducer(folder: string, finding: Finding): string {
  mkdirSync(folder, { recursive: true });
  const octets = Buffer.from(finding.input, 'latin1');
  const digest = createHash('sha256').update(finding.target).update(octets).digest('hex').slice(0, 12);
  const file = join(folder, `${finding.target.replace(/[^\w]+/g, '-')}-${digest}.bin`);
  writeFileSync(file, octets);
  return file;
}
