import type { HeaderLine } from './header-list.ts';

/** One edit of a message: what stood there and what stands there now. */
export interface JournalEntry {
  /** The procedure that made it, as `forwardRegister (TS 24.229 5.2.2)`. */
  readonly procedure: string;
  /** The line before, without line end; null when it was added. */
  readonly before: string | null;
  /** The line after, without line end; null when it was removed. */
  readonly after: string | null;
}

/** Writes down who changed what on one message, while somebody traces. */
export class Journal {
  readonly entries: JournalEntry[];
  #procedure: string;

  constructor(procedure: string, entries: JournalEntry[] = []) {
    this.#procedure = procedure;
    this.entries = entries;
  }

  /** Names the procedure that the next edits belong to. */
  enter(procedure: string): void {
    this.#procedure = procedure;
  }

  fork(): Journal {
    return new Journal(this.#procedure, this.entries.slice());
  }

  add(after: HeaderLine | null, before: HeaderLine | null): void {
    this.note(before === null ? null : lineText(before), after === null ? null : lineText(after));
  }

  /** An edit outside the header fields (Request-URI, body). */
  note(before: string | null, after: string | null): void {
    this.entries.push({ procedure: this.#procedure, before, after });
  }
}

function lineText(line: HeaderLine): string {
  return line.text.slice(line.start, line.end).trimEnd();
}
