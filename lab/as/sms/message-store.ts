/** A TPDU that waits for its recipient. */
export interface WaitingMessage {
  /** Number of the recipient. */
  readonly to: string;
  readonly tpdu: Uint8Array;
  /** What it says, for whoever looks on. */
  readonly words: string;
  /** When it came, and when it is forgotten: milliseconds since 1970. */
  readonly atMs: number;
  readonly expiresMs: number;
  /** Who is told what became of it, and the TP-MR that he gave it; null: nobody. */
  readonly report: { readonly to: string; readonly reference: number } | null;
}

const maxForOne = 100;
const maxAll = 10_000;

/** Messages by the number of their recipient, in the order they came; at most 100 for one, 10,000 for all. */
export class MessageStore {
  readonly #waiting = new Map<string, WaitingMessage[]>();
  #count = 0;

  get size(): number {
    return this.#count;
  }

  /** False when there is no room. */
  add(message: WaitingMessage): boolean {
    const list = this.#waiting.get(message.to) ?? [];
    if (list.length >= maxForOne || this.#count >= maxAll) return false;
    list.push(message);
    this.#waiting.set(message.to, list);
    this.#count++;
    return true;
  }

  /** The oldest message for a number. */
  first(to: string): WaitingMessage | null {
    return this.#waiting.get(to)?.[0] ?? null;
  }

  remove(message: WaitingMessage): void {
    const list = this.#waiting.get(message.to);
    const at = list?.indexOf(message) ?? -1;
    if (list === undefined || at < 0) return;
    list.splice(at, 1);
    this.#count--;
    if (list.length === 0) this.#waiting.delete(message.to);
  }

  /** Takes out what is to be forgotten by now. */
  takeExpired(nowMs: number): WaitingMessage[] {
    const expired: WaitingMessage[] = [];
    for (const list of this.#waiting.values()) expired.push(...list.filter(({ expiresMs }) => expiresMs <= nowMs));
    for (const message of expired) this.remove(message);
    return expired;
  }
}
