import type { Buffer } from 'node:buffer';

/** A breach of RFC 6733, or of the tables of its application, in what a peer sent. */
export interface Finding {
  /** Stable, for counting and for logs. */
  readonly id: string;
  readonly words: string;
  /** The Result-Code it deserves; left out: odd, but no breach. */
  readonly resultCode?: number | undefined;
  /** A whole AVP for Failed-AVP. */
  readonly failedAvp?: Buffer | undefined;
}

/** A finding as it was noted. */
export interface NotedFinding {
  readonly id: string;
  /** Short name of the message, such as SAR or AAR. */
  readonly message: string;
  readonly words: string;
  /** Origin-Host of who sent it. */
  readonly peer: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly breach: boolean;
}

export interface FindingCount {
  readonly id: string;
  readonly message: string;
  readonly breach: boolean;
  readonly count: number;
}

const keptFindings = 500;
const longestWords = 300;

/** Counts findings, and keeps the latest of them. */
export class Findings {
  readonly #counts = new Map<string, { id: string; message: string; breach: boolean; count: number }>();
  readonly #latest: NotedFinding[] = [];
  readonly #wallMs: () => number;
  readonly #noted: (finding: NotedFinding) => void;

  /** `noted` hears of each. */
  constructor(wallMs: () => number, noted: (finding: NotedFinding) => void) {
    this.#wallMs = wallMs;
    this.#noted = noted;
  }

  add(message: string, peer: string, finding: Finding): void {
    const { id } = finding;
    const words = finding.words.slice(0, longestWords);
    const breach = finding.resultCode !== undefined;
    // Ids and message names are ours, so that this cannot grow without end.
    const key = `${message} ${id}`;
    const count = this.#counts.get(key) ?? { id, message, breach, count: 0 };
    count.count++;
    this.#counts.set(key, count);
    const noted = { id, message, words, peer, atMs: this.#wallMs(), breach };
    if (this.#latest.push(noted) > keptFindings) this.#latest.shift();
    this.#noted(noted);
  }

  /** How many breaches there were, oddities aside. */
  get breaches(): number {
    let sum = 0;
    for (const { breach, count } of this.#counts.values()) if (breach) sum += count;
    return sum;
  }

  /** The most frequent first. */
  counts(): FindingCount[] {
    return [...this.#counts.values()].map((count) => ({ ...count })).sort((a, b) => b.count - a.count);
  }

  /** The latest, newest last. */
  latest(): readonly NotedFinding[] {
    return this.#latest;
  }
}
