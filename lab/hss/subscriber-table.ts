import { impuOf } from '#ims/identity';
import { matchesWildcard, parseWildcard, type Wildcard } from '#ims/wildcarded-identity';
import type { CapabilitiesConfig, ChargingConfig, IdentityConfig, SubscriberConfig } from '#service/config/hss-config';
import { Milenage, opcFromOp } from '#sip/auth/milenage';
import { ParseFailure } from '#sip/errors';
import { type NumberedName, numberedName } from './numbered-name.ts';
import { type ProfileIdentity, type ProfileTemplate, readProfileTemplate } from './profile-template.ts';

/** A private identity, with what authenticates it. */
export interface PrivateIdentity {
  readonly impi: string;
  readonly milenage: Milenage;
  readonly amf: number;
  /** Undefined: from the clock. */
  readonly firstSqn: number | undefined;
  /** Undefined: no SIP Digest. */
  readonly password: string | undefined;
  /** What Unknown stands for. */
  readonly scheme: 'Digest-AKAv1-MD5' | 'SIP Digest';
}

export interface PublicIdentity extends ProfileIdentity {
  readonly barred: boolean;
  readonly profile: ProfileTemplate;
  /** The application server that a service identity leads to directly. */
  readonly applicationServer: string | undefined;
}

/** Public identities that are registered together, the default one first. Source: TS 23.228 5.2.1a. */
export interface ImplicitSet {
  /** The private identities that may register it. */
  readonly impis: readonly string[];
  readonly identities: readonly PublicIdentity[];
}

/** An IMS subscription: all of it is served by one S-CSCF. Source: TS 23.228 4.3.3.4. */
export interface Subscription {
  /** By which its state is kept: its first private identity. */
  readonly key: string;
  readonly privates: readonly PrivateIdentity[];
  readonly sets: readonly ImplicitSet[];
  /** Undefined: it may roam everywhere. */
  readonly visitedNetworks: readonly string[] | undefined;
  readonly capabilities: CapabilitiesConfig | undefined;
  readonly charging: ChargingConfig | undefined;
  readonly unregisteredServices: boolean;
}

export interface FoundPrivate {
  readonly subscription: Subscription;
  readonly user: PrivateIdentity;
}

export interface FoundPublic {
  readonly subscription: Subscription;
  /** Position of its implicit set. */
  readonly set: number;
  readonly identity: PublicIdentity;
}

/** What subscribers have who do not say otherwise. */
export interface SubscriberDefaults {
  readonly capabilities?: CapabilitiesConfig | undefined;
  readonly charging?: ChargingConfig | undefined;
}

interface Range {
  readonly config: SubscriberConfig;
  readonly milenage: Milenage;
  readonly profile: ProfileTemplate;
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
  /** How many private identities there are. */
  readonly count: number;
  readonly #domain: string;
  readonly #defaults: SubscriberDefaults;
  readonly #byImpi = new Map<string, FoundPrivate>();
  readonly #byImpu = new Map<string, FoundPublic>();
  readonly #wildcards: { readonly wildcard: Wildcard; readonly found: FoundPublic }[] = [];
  readonly #ranges: Range[] = [];

  /** Throws SubscriberError for identities listed twice, ProfileTemplateError for templates that cannot be used. */
  constructor(subscribers: readonly SubscriberConfig[], domain: string, defaults: SubscriberDefaults = {}) {
    this.#domain = domain.toLowerCase();
    this.#defaults = defaults;
    const templates = new Map<string, ProfileTemplate>();
    const templateOf = (file: string): ProfileTemplate => {
      const known = templates.get(file) ?? readProfileTemplate(file);
      templates.set(file, known);
      return known;
    };
    let count = 0;
    const together = new Map<string, SubscriberConfig[]>();
    for (const config of subscribers) {
      if (config.range !== undefined) {
        this.#ranges.push(rangeOf(config, config.range, templateOf(config.profile)));
        count += config.range.count;
        continue;
      }
      count++;
      // A subscription of its own has a name that no configuration can give.
      const name = config.subscription ?? `\0${config.impi}`;
      together.set(name, [...(together.get(name) ?? []), config]);
    }
    for (const configs of together.values()) this.#add(configs, templateOf);
    this.count = count;
  }

  byImpi(impi: string): FoundPrivate | undefined {
    const single = this.#byImpi.get(impi);
    if (single !== undefined) return single;
    const at = impi.lastIndexOf('@');
    if (at < 0 || impi.slice(at + 1).toLowerCase() !== this.#domain) return undefined;
    const subscription = this.#inRanges((range) => range.name.parse(impi.slice(0, at)));
    return subscription === undefined ? undefined : { subscription, user: subscription.privates[0]! };
  }

  /** Finds distinct identities first, then those a wildcard stands for; the one with most literal characters counts. */
  byImpu(impu: string): FoundPublic | undefined {
    const reduced = reduceImpu(impu);
    const single = this.#byImpu.get(reduced);
    if (single !== undefined) return single;
    const subscription = reduced.startsWith('sip:')
      ? this.#rangeOfSip(reduced.slice(4))
      : this.#inRanges((range) => range.tel?.parse(reduced) ?? -1);
    if (subscription !== undefined) {
      const { identities } = subscription.sets[0]!;
      return { subscription, set: 0, identity: identities.find(({ text }) => text === reduced) ?? identities[0]! };
    }
    return this.#wildcards.find(({ wildcard }) => matchesWildcard(wildcard, reduced))?.found;
  }

  /** The subscriptions that are listed one by one, not those of ranges. */
  listed(): Subscription[] {
    return [...new Set([...this.#byImpi.values()].map(({ subscription }) => subscription))];
  }

  #add(configs: readonly SubscriberConfig[], templateOf: (file: string) => ProfileTemplate): void {
    const privates = configs.map((config) => privateOf(config, config.impi!, config.password));
    const sets: { impis: string[]; identities: PublicIdentity[] }[] = [];
    for (const config of configs) {
      const written = config.sets ?? [(config.impus ?? []).map((identity) => ({ identity, service: false }))];
      for (const set of written) {
        const identities = set.map((identity) => publicOf(identity, config, templateOf));
        const shared = sets.find((other) => other.identities[0]!.text === identities[0]!.text);
        if (shared === undefined) sets.push({ impis: [config.impi!], identities });
        else if (shared.identities.map(({ text }) => text).join() === identities.map(({ text }) => text).join()) {
          shared.impis.push(config.impi!);
        } else {
          throw new SubscriberError(`${config.impi} shares ${identities[0]!.text}, but not all of its implicit set`);
        }
      }
    }
    const [first] = configs;
    const subscription = this.#subscriptionOf(first!, first!.impi!, privates, sets);
    for (const user of privates) this.#addPrivate({ subscription, user });
    for (const [set, { identities }] of sets.entries()) {
      for (const identity of identities) this.#addPublic({ subscription, set, identity });
    }
  }

  #subscriptionOf(
    config: SubscriberConfig,
    key: string,
    privates: readonly PrivateIdentity[],
    sets: readonly ImplicitSet[],
  ): Subscription {
    const templates = sets.flatMap(({ identities }) => identities.map(({ profile }) => profile));
    return {
      key,
      privates,
      sets,
      visitedNetworks: config.visitedNetworks,
      capabilities: config.capabilities ?? this.#defaults.capabilities,
      charging: config.charging ?? this.#defaults.charging,
      unregisteredServices:
        config.unregisteredServices ?? templates.some(({ unregisteredServices }) => unregisteredServices),
    };
  }

  #addPrivate(found: FoundPrivate): void {
    const { impi } = found.user;
    if (this.#byImpi.has(impi)) throw new SubscriberError(`subscriber ${impi} is listed twice`);
    this.#byImpi.set(impi, found);
  }

  #addPublic(found: FoundPublic): void {
    const { text } = found.identity;
    if (text.includes('!')) {
      const wildcard = parseWildcard(text);
      if (wildcard instanceof ParseFailure) throw new SubscriberError(`identity ${text}: ${wildcard.reason}`);
      this.#wildcards.push({ wildcard, found });
      this.#wildcards.sort((a, b) => b.wildcard.literalLength - a.wildcard.literalLength);
      return;
    }
    const key = reduceImpu(text);
    const other = this.#byImpu.get(key);
    if (other !== undefined) {
      const owners = `${other.subscription.key} and ${found.subscription.key}`;
      throw new SubscriberError(`identity ${text} belongs to ${owners}; remove one of them`);
    }
    this.#byImpu.set(key, found);
  }

  #rangeOfSip(impi: string): Subscription | undefined {
    const found = this.byImpi(impi);
    return found !== undefined && !this.#byImpi.has(impi) ? found.subscription : undefined;
  }

  #inRanges(numberIn: (range: Range) => number): Subscription | undefined {
    for (const range of this.#ranges) {
      const number = numberIn(range);
      if (number < range.first || number >= range.end) continue;
      const { config, password, profile } = range;
      const impi = `${range.name.format(number)}@${this.#domain}`;
      const texts = [`sip:${impi}`];
      if (range.tel !== undefined) texts.push(range.tel.format(number));
      const identities = texts.map((text) => ({ text, barred: profile.barred, profile, applicationServer: undefined }));
      const own = typeof password === 'object' ? password.format(number) : password;
      const user = privateOf(config, impi, own, range.milenage);
      return this.#subscriptionOf(config, impi, [user], [{ impis: [impi], identities }]);
    }
    return undefined;
  }
}

/**
 * A public identity without port, parameters and separators, its host in lower case; a text that is no URI stays.
 * Source: TS 23.003 13.4.
 */
export function reduceImpu(impu: string): string {
  const reduced = impuOf(impu);
  return reduced instanceof ParseFailure ? impu : reduced;
}

function rangeOf(config: SubscriberConfig, range: NonNullable<SubscriberConfig['range']>, profile: ProfileTemplate) {
  const { prefix, first, count, tel } = range;
  const { password } = config;
  return {
    config,
    milenage: milenageOf(config),
    profile,
    name: numberedName(prefix),
    tel: tel === undefined ? undefined : numberedName(tel),
    password: password?.includes('%') === true ? numberedName(password) : password,
    first,
    end: first + count,
  };
}

function publicOf(
  config: IdentityConfig,
  subscriber: SubscriberConfig,
  templateOf: (file: string) => ProfileTemplate,
): PublicIdentity {
  const profile = templateOf(config.profile ?? subscriber.profile);
  const { aliasGroup, applicationServer, displayName, identity, service } = config;
  const text = identity.includes('!') ? identity : reduceImpu(identity);
  const particular = config.barred === undefined ? profile.barred : config.barred;
  return { text, barred: particular, displayName, aliasGroup, service, profile, applicationServer };
}

function privateOf(
  config: SubscriberConfig,
  impi: string,
  password: string | undefined,
  milenage = milenageOf(config),
): PrivateIdentity {
  return {
    impi,
    milenage,
    amf: Number.parseInt(config.amf, 16),
    firstSqn: config.sqn === undefined ? undefined : Number.parseInt(config.sqn, 16),
    password,
    scheme: config.scheme ?? (password === undefined ? 'Digest-AKAv1-MD5' : 'SIP Digest'),
  };
}

function milenageOf(config: SubscriberConfig): Milenage {
  const k = Buffer.from(config.k, 'hex');
  const opc = config.opc === undefined ? opcFromOp(k, Buffer.from(config.op!, 'hex')) : Buffer.from(config.opc, 'hex');
  return new Milenage(k, opc);
}
