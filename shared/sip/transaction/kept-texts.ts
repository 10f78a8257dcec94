import { readLatin1, writeLatin1 } from '../parser/latin1.ts';

const slabOctets = 256 * 1024;
/** Empty slabs that wait for the next texts. */
const mostSpare = 16;

/** A piece of memory that texts stand in, one behind the other. */
class Slab {
  readonly octets: Buffer;
  used = 0;
  texts = 0;

  constructor(octets: number) {
    this.octets = Buffer.allocUnsafeSlow(octets);
  }
}

/**
 * Texts that are kept for long and hardly ever read again, outside V8's heap: as strings the collector would copy each of
 * them twice and then visit all of them with every collection. A slab is used anew when all its texts are let go, which
 * is soon where all are kept for about the same time.
 */
export class KeptTexts {
  #slab = new Slab(slabOctets);
  readonly #spare: Slab[] = [];

  /** Keeps a latin1 text until it is let go. */
  keep(text: string): KeptText {
    const { length } = text;
    const slab = length > slabOctets ? new Slab(length) : this.#slabFor(length);
    const start = slab.used;
    slab.used += writeLatin1(slab.octets, text, start);
    slab.texts++;
    return new KeptText(this, slab, start, length);
  }

  /** The last text of a slab is gone. */
  emptied(slab: Slab): void {
    slab.used = 0;
    if (slab !== this.#slab && slab.octets.length === slabOctets && this.#spare.length < mostSpare) {
      this.#spare.push(slab);
    }
  }

  #slabFor(length: number): Slab {
    if (this.#slab.used + length <= slabOctets) return this.#slab;
    this.#slab = this.#spare.pop() ?? new Slab(slabOctets);
    return this.#slab;
  }
}

/** A text of `KeptTexts`. */
export class KeptText {
  readonly #owner: KeptTexts;
  readonly #start: number;
  readonly #length: number;
  #slab: Slab | null;

  constructor(owner: KeptTexts, slab: Slab, start: number, length: number) {
    this.#owner = owner;
    this.#slab = slab;
    this.#start = start;
    this.#length = length;
  }

  /** The text; '' once it is let go. */
  get text(): string {
    return this.#slab === null ? '' : readLatin1(this.#slab.octets, this.#start, this.#start + this.#length);
  }

  /** Lets go of it; again is no mistake. */
  release(): void {
    const slab = this.#slab;
    if (slab === null) return;
    this.#slab = null;
    if (--slab.texts === 0) this.#owner.emptied(slab);
  }
}
