import type { AnswerContent } from '../answer.ts';
import type { Clock } from '../clock.ts';
import { resultCodes } from '../errors.ts';
import { rxAnswer } from './rx-server.ts';

/** How long a request of the PCRF waits for the AAA that it overtook. */
const HOLD_MS = 5000;
/** A PCRF with more than these at once for one session is told that we are busy. */
const MAX_HELD = 8;

type Answer = () => AnswerContent;

/** Requests of a PCRF that came before its AAA: they wait for it, or for five seconds. Source: requirement D-63. */
export class HeldRequests {
  readonly #clock: Clock;
  readonly #held = new Set<(answered: Answer | null) => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#held.size;
  }

  /** Gives what `answer` gives, once the requests are released. */
  hold(answer: Answer): AnswerContent | Promise<AnswerContent> {
    if (this.#held.size >= MAX_HELD) return rxAnswer(resultCodes.TOO_BUSY);
    return new Promise((resolve) => {
      const release = (instead: Answer | null) => {
        this.#clock.clearTimer(timer);
        this.#held.delete(release);
        resolve((instead ?? answer)());
      };
      const timer = this.#clock.setTimer(HOLD_MS, () => release(null));
      this.#held.add(release);
    });
  }

  /** Answers all of them: as they are, or with a result code instead. */
  release(insteadCode?: number): void {
    const instead = insteadCode === undefined ? null : () => rxAnswer(insteadCode);
    for (const release of [...this.#held]) release(instead);
  }
}
