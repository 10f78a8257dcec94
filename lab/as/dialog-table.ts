import type { DialogParty } from './dialog-port.ts';

const maxDialogs = 100_000;

/** The ends of dialogs by Call-ID and tag of ours; of more than 100,000 the one made first is forgotten. */
export class DialogTable {
  readonly #parties = new Map<string, DialogParty>();

  get size(): number {
    return this.#parties.size;
  }

  find(callId: string, localTag: string): DialogParty | undefined {
    return this.#parties.get(keyOf(callId, localTag));
  }

  enlist(party: DialogParty, callId: string, localTag: string): void {
    const oldest = this.#parties.size >= maxDialogs ? this.#parties.keys().next().value : undefined;
    if (oldest !== undefined) this.#parties.delete(oldest);
    this.#parties.set(keyOf(callId, localTag), party);
  }

  dismiss(callId: string, localTag: string): void {
    this.#parties.delete(keyOf(callId, localTag));
  }
}

/** A tag has no blanks. */
function keyOf(callId: string, localTag: string): string {
  return `${localTag} ${callId}`;
}
