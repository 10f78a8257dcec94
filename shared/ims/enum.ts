import { ParseFailure } from '#sip/errors';
import { DnsCache } from '#sip/resolver/dns-cache';
import { type DnsClient, type EnumRecord, systemDns } from '#sip/resolver/dns-client';
import { equalsIgnoreCase } from '#sip/uri/characters';
import { parseUri } from '#sip/uri/uri';
import { applyEnumRule, parseEnumRule } from './enum-rule.ts';

export interface EnumOptions {
  /** Domain that the numbers stand under, `e164.arpa` as a rule. */
  readonly suffix: string;
  /** How long one number may take, milliseconds. */
  readonly timeoutMs: number;
  readonly dns: DnsClient;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Calls `ring` after a time; gives what calls it off. */
  readonly alarm: (ms: number, ring: () => void) => () => void;
}

/** What the configuration says of ENUM. */
export interface EnumSettings {
  readonly suffix: string;
  /** Seconds. */
  readonly timeout: number;
  /** Name servers; those of `dns` when left out. */
  readonly servers?: readonly string[];
}

/**
 * Finds the SIP URI of telephone numbers in the DNS, and remembers it for as long as the DNS cache does.
 *
 * Source: RFC 6116, TS 24.229 5.4.3.2; requirement S-113.
 */
export class EnumDirectory {
  readonly #options: EnumOptions;
  readonly #cache: DnsCache;

  constructor(options: EnumOptions) {
    this.#options = options;
    this.#cache = new DnsCache(options.dns, options.now);
  }

  /**
   * The SIP URI of a number (`+` and digits); null when it has none, or none was to be had in time. At once where the
   * records are known. The promise never rejects.
   */
  find(number: string): string | null | Promise<string | null> {
    const name = enumName(number, this.#options.suffix);
    if (name === null) return null;
    const known = this.#cache.known('ENUM', name);
    return known === null ? this.#ask(name, number) : uriOf(known, number);
  }

  async #ask(name: string, number: string): Promise<string | null> {
    const { alarm, timeoutMs } = this.#options;
    let stop = () => {};
    const bell = new Promise<void>((resolve) => {
      stop = alarm(timeoutMs, resolve);
    });
    await Promise.race([this.#cache.ask('ENUM', name), bell]);
    stop();
    return uriOf(this.#cache.known('ENUM', name, true) ?? [], number);
  }
}

/**
 * ENUM by the name servers of the configuration, or of the system. Null where it says nothing of ENUM.
 *
 * Throws ERR_INVALID_IP_ADDRESS for a name server that the configuration should have refused.
 */
export function openEnum(
  settings: EnumSettings | undefined,
  servers: readonly string[] | undefined,
  now: () => number,
): EnumDirectory | null {
  if (settings === undefined) return null;
  const timeoutMs = settings.timeout * 1000;
  return new EnumDirectory({
    suffix: settings.suffix,
    timeoutMs,
    dns: systemDns(settings.servers ?? servers ?? [], timeoutMs),
    now,
    alarm(ms, ring) {
      const timer = setTimeout(ring, ms);
      return () => clearTimeout(timer);
    },
  });
}

/** `4.3.2.1.e164.arpa` for `+1234`; null for what is no international number. Source: RFC 6116 3.2, E.164. */
export function enumName(number: string, suffix: string): string | null {
  if (number.charCodeAt(0) !== 0x2b || number.length < 2 || number.length > 16) return null;
  let name = '';
  for (let i = number.length - 1; i > 0; i--) {
    const code = number.charCodeAt(i);
    if (code < 0x30 || code > 0x39) return null;
    name += `${number[i]}.`;
  }
  return name + suffix;
}

/** The first SIP URI that the records give, in their order; a record that cannot be used is passed over. */
function uriOf(records: readonly EnumRecord[], number: string): string | null {
  for (const { service, regexp } of records) {
    if (!isSipService(service)) continue;
    const rule = parseEnumRule(regexp);
    const text = rule instanceof ParseFailure ? null : applyEnumRule(rule, number);
    if (text === null) continue;
    const uri = parseUri(text);
    if (!(uri instanceof ParseFailure) && uri.kind === 'sip' && uri.headers === '') return text;
  }
  return null;
}

/** `E2U+sip`, also where it is one of several and with a subtype (`E2U+email:mailto+sip`). Source: RFC 6116 3.4.3. */
function isSipService(field: string): boolean {
  const [first = '', ...services] = field.split('+');
  return equalsIgnoreCase(first, 'E2U') && services.some((name) => equalsIgnoreCase(name.split(':', 1)[0]!, 'sip'));
}
