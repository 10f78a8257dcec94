import type { Random } from './random.ts';

/** What `--only` names. */
export const groups = ['parser', 'framer', 'uri', 'headers', 'multipart', 'sdp', 'proxy', 'diameter'] as const;
export type Group = (typeof groups)[number];
/** What a run is about: groups, or one of the planted defects alone. */
export type Chosen = Group | 'self-test' | 'diameter-self-test';

/** Makes another input of two known ones. */
export type Mutate = (text: string, donor: string, random: Random) => string;

/** Longest time that reading one message may take, milliseconds. Source: X-S13. */
export const messageMs = 20;

/** Something that takes hostile input, and what has to be true of it. */
export interface FuzzTarget {
  readonly name: string;
  readonly group: Chosen;
  /** How often it has its turn, compared with others. */
  readonly weight: number;
  readonly seeds: readonly string[];
  /** Milliseconds one run may take; it may do more than read one message. */
  readonly limitMs: number;
  /**
   * Runs one input (latin1). Does the same when it is given the same input again. Throws Broken when something is not
   * true; whatever else it throws is a finding as well.
   */
  run(input: string): void;
  /** Another input made of one or two known ones, where the mutations of text are not for its inputs. */
  readonly mutate?: Mutate;
  /** Called now and then: looks at what runs leave behind. Throws as `run` does. */
  settle?(): Promise<void>;
}

/**
 * Something that has to be true is not. `rule`: a few words, the same for the same defect; `input`: who brought it about,
 * when that is not the input that was run.
 */
export class Broken extends Error {
  readonly rule: string;
  readonly input: string | null;

  constructor(rule: string, detail = '', input: string | null = null) {
    super(detail === '' ? rule : `${rule}: ${detail}`);
    this.rule = rule;
    this.input = input;
  }
}

/** Throws Broken with the rule unless it holds. */
export function hold(rule: string, holds: boolean, detail: () => string = () => ''): void {
  if (!holds) throw new Broken(rule, detail());
}

/** At most 200 characters of a text, with what cannot be seen escaped. */
export function shown(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}...` : text);
}
