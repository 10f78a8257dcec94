/** Gathers what is sent during some work, so that it leaves together. `leave`: sends what has gathered. */
export class Batch {
  readonly #leave: () => void;
  #isOpen = false;

  constructor(leave: () => void) {
    this.#leave = leave;
  }

  /** Whether work is going on: what is sent now leaves at its end. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Runs the work; work inside other work leaves with that. */
  run(work: () => void): void {
    if (this.#isOpen) {
      work();
      return;
    }
    this.#isOpen = true;
    try {
      work();
    } finally {
      this.#isOpen = false;
      this.#leave();
    }
  }
}
