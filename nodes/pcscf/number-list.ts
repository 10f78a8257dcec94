import { ParseFailure } from '#sip/errors';
import { withoutSeparators } from '#sip/uri/tel-uri';
import type { Uri } from '#sip/uri/uri';

/** Longer user parts are no number that anybody has listed. */
const maxUser = 64;
/** Visual separators and what begins an escape. */
const beforeNumbers = '-.()%';

/** Emergency numbers of the visited network, as they are dialled. Source: TS 24.229 5.2.10.4; requirement P-130. */
export class NumberList {
  readonly #numbers: ReadonlySet<string>;
  readonly #firsts: ReadonlySet<number>;

  constructor(numbers: readonly string[]) {
    this.#numbers = new Set(numbers);
    this.#firsts = new Set([...numbers, ...beforeNumbers].map((text) => text.charCodeAt(0)));
  }

  get isEmpty(): boolean {
    return this.#numbers.size === 0;
  }

  /** Whether the user part of a URI that begins with this character may be a listed number: a quick look. */
  mayBegin(code: number): boolean {
    return this.#firsts.has(code);
  }

  /**
   * The listed number that a Request-URI names, without separators and context; '' for none. A SIP URI of another domain
   * than `homeDomain` names a number only where it says so (`user=phone`, `user=dialstring`).
   */
  find(uri: Uri | ParseFailure, homeDomain: string): string {
    if (uri instanceof ParseFailure || uri.kind === 'other') return '';
    if (uri.kind === 'tel') return this.#listed(uri.number);
    const kind = uri.host === homeDomain ? 'phone' : (uri.parameters.get('user') ?? '').toLowerCase();
    if (kind !== 'phone' && kind !== 'dialstring') return '';
    const end = uri.user.indexOf(';');
    return this.#listed(end < 0 ? uri.user : uri.user.slice(0, end));
  }

  #listed(dialled: string): string {
    if (dialled === '' || dialled.length > maxUser) return '';
    const number = withoutSeparators(dialled.includes('%') ? dialled.replaceAll('%23', '#') : dialled);
    return this.#numbers.has(number) ? number : '';
  }
}
