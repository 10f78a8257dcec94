import type { SubscriberConfig } from '#service/config-shape';
import { Milenage, opcFromOp } from '#sip/auth/milenage';
import { ParseFailure } from '#sip/errors';
import { parseUri } from '#sip/uri/uri';
import { type NumberedName, numberedName } from './numbered-name.ts';
import { type ProfileTemplate, readProfileTemplate } from './profile-template.ts';

/** One subscriber, with what authenticates him. */
export interface Subscriber {
  readonly impi: string;
  /** One implicit registration set, the default identity first. */
  readonly impus: readonly string[];
  readonly milenage: Milenage;
  readonly amf: number;
  /** Undefined: from the clock. */
  readonly firstSqn: number | undefined;
  /** Undefined: no SIP Digest. */
  readonly password: string | undefined;
  readonly profile: ProfileTemplate;
}

/** What the subscribers of one range, or one subscriber, have in common. */
type Common = Omit<Subscriber, 'impi' | 'impus' | 'password'>;

interface Range {
  readonly common: Common;
  readonly name: NumberedName;
  readonly tel: NumberedName | undefined;
  readonly password: NumberedName | string | undefined;
  readonly first: number;
  readonly end: number;
}

/** A configuration of subscribers that cannot be. */
export class SubscriberError extends Error {
  readonly code = 'ERR_LAB_SUBSCRIBER';
}

/** All subscribers by their identities; those of a range exist by rule, so that a range of millions costs nothing. */
export class SubscriberTable {
  /** How many there are. */
  readonly count: number;
  readonly #domain: string;
  readonly #byImpi = new Map<string, Subscriber>();
  readonly #byImpu = new Map<string, Subscriber>();
  readonly #ranges: Range[] = [];

  /** Throws SubscriberError for identities listed twice, ProfileTemplateError for templates that cannot be used. */
  constructor(subscribers: readonly SubscriberConfig[], domain: string) {
    this.#domain = domain.toLowerCase();
    const templates = new Map<string, ProfileTemplate>();
    let count = 0;
    for (const config of subscribers) {
      let profile = templates.get(config.profile);
      if (profile === undefined) {
        profile = readProfileTemplate(config.profile);
        templates.set(config.profile, profile);
      }
      const common = commonOf(config, profile);
      if (config.range === undefined) {
        this.#add({ ...common, impi: config.impi!, impus: config.impus!.map(reduceImpu), password: config.password });
        count++;
        continue;
      }
      const { prefix, first, count: size, tel } = config.range;
      this.#ranges.push({
        common,
        name: numberedName(prefix),
        tel: tel === undefined ? undefined : numberedName(tel),
        password: config.password?.includes('%') === true ? numberedName(config.password) : config.password,
        first,
        end: first + size,
      });
      count += size;
    }
    this.count = count;
  }

  byImpi(impi: string): Subscriber | undefined {
    const single = this.#byImpi.get(impi);
    if (single !== undefined) return single;
    const at = impi.lastIndexOf('@');
    if (at < 0 || impi.slice(at + 1).toLowerCase() !== this.#domain) return undefined;
    return this.#inRanges((range) => range.name.parse(impi.slice(0, at)));
  }

  byImpu(impu: string): Subscriber | undefined {
    const reduced = reduceImpu(impu);
    const single = this.#byImpu.get(reduced);
    if (single !== undefined) return single;
    if (reduced.startsWith('sip:')) return this.byImpi(reduced.slice(4));
    return this.#inRanges((range) => range.tel?.parse(reduced) ?? -1);
  }

  #add(subscriber: Subscriber): void {
    if (this.#byImpi.has(subscriber.impi)) throw new SubscriberError(`subscriber ${subscriber.impi} is listed twice`);
    this.#byImpi.set(subscriber.impi, subscriber);
    for (const impu of subscriber.impus) {
      const other = this.#byImpu.get(impu);
      if (other !== undefined) {
        throw new SubscriberError(
          `identity ${impu} belongs to ${other.impi} and ${subscriber.impi}; remove one of them`,
        );
      }
      this.#byImpu.set(impu, subscriber);
    }
  }

  #inRanges(numberIn: (range: Range) => number): Subscriber | undefined {
    for (const range of this.#ranges) {
      const number = numberIn(range);
      if (number < range.first || number >= range.end) continue;
      const impi = `${range.name.format(number)}@${this.#domain}`;
      const impus = [`sip:${impi}`];
      if (range.tel !== undefined) impus.push(range.tel.format(number));
      const { password } = range;
      return {
        ...range.common,
        impi,
        impus,
        password: typeof password === 'object' ? password.format(number) : password,
      };
    }
    return undefined;
  }
}

/** A public identity without port, parameters and separators, its host in lower case. Source: TS 23.003 13.4. */
export function reduceImpu(impu: string): string {
  const uri = parseUri(impu);
  if (uri instanceof ParseFailure) return impu;
  if (uri.kind === 'sip') return uri.user === '' ? `sip:${uri.host}` : `sip:${uri.user}@${uri.host}`;
  return impu.startsWith('tel:') && impu.includes(';') ? impu.slice(0, impu.indexOf(';')) : impu;
}

function commonOf(config: SubscriberConfig, profile: ProfileTemplate): Common {
  const k = Buffer.from(config.k, 'hex');
  const opc = config.opc === undefined ? opcFromOp(k, Buffer.from(config.op!, 'hex')) : Buffer.from(config.opc, 'hex');
  return {
    milenage: new Milenage(k, opc),
    amf: Number.parseInt(config.amf, 16),
    firstSqn: config.sqn === undefined ? undefined : Number.parseInt(config.sqn, 16),
    profile,
  };
}
