/** Which S-CSCFs did not answer of late: while another one fits they are not selected. Requirement I-13. */
export class FailedScscfs {
  readonly #untilMs = new Map<string, number>();
  readonly #now: () => number;
  readonly #setAsideMs: number;

  /** `now`: monotonic milliseconds. */
  constructor(now: () => number, setAsideMs: number) {
    this.#now = now;
    this.#setAsideMs = setAsideMs;
  }

  /** It was silent, could not be reached, or answered 503. */
  note(uri: string): void {
    this.#untilMs.delete(uri);
    if (this.#untilMs.size >= maxEntries) this.#untilMs.delete(this.#untilMs.keys().next().value!);
    this.#untilMs.set(uri, this.#now() + this.#setAsideMs);
  }

  answered(uri: string): void {
    if (this.#untilMs.size > 0) this.#untilMs.delete(uri);
  }

  /** Those that are to be passed over, and `tried`. */
  with(tried: ReadonlySet<string>): ReadonlySet<string> {
    if (this.#untilMs.size === 0) return tried;
    const now = this.#now();
    const all = new Set(tried);
    for (const [uri, untilMs] of this.#untilMs) {
      if (untilMs > now) all.add(uri);
      else this.#untilMs.delete(uri);
    }
    return all;
  }
}

/** More than there are S-CSCFs; names come from the HSS. */
const maxEntries = 256;
