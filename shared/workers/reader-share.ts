/** How busy the thread that reads may be with work of its own, in 0..1: the rest is for reading what others handle. */
const mostBusy = 0.7;
/** How far one look corrects the share: new calls weigh on the thread for a while after they were taken. */
const gain = 0.5;

/**
 * How much of the new work the thread that reads the sockets handles by itself: all of it while it has time, less the
 * busier it is. Handing a message to another thread wakes that thread, which costs more than to handle the message.
 */
export class ReaderShare {
  #share = 1;
  #credit = 0;

  /** Hears how busy the thread was since the last look, in 0..1. */
  note(busy: number): void {
    this.#share = Math.min(1, Math.max(0, this.#share + (mostBusy - busy) * gain));
  }

  /** Whether the next new call stays here. */
  take(): boolean {
    this.#credit += this.#share;
    if (this.#credit < 1) return false;
    this.#credit -= 1;
    return true;
  }
}
