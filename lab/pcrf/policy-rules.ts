import type { FramedAddress } from '#diameter/rx/framed-address';
import type { MediaComponent } from '#diameter/rx/media-component';
import { mediaTypes } from '#diameter/rx/rx-values';
import { CidrTable } from '#service/cidr';
import type { PcrfRuleConfig } from '#service/config/pcrf-config';
import { parseCodecData } from './codec-description.ts';
import { mediaTypeName } from './media-type-name.ts';

/** What an AAR asks for, with what its session had before. */
export interface RequestedService {
  readonly framedAddress: FramedAddress | undefined;
  /** Subscription-Id-Data of all Subscription-Ids. */
  readonly subscriptions: readonly string[];
  readonly serviceUrn: string | undefined;
  readonly components: readonly MediaComponent[];
}

/** What is done with an AAR. */
export interface Decision {
  readonly rule: PcrfRuleConfig;
  /** The components that the rule is about; undefined: it is not about media. */
  readonly components: readonly MediaComponent[] | undefined;
}

const accepted: PcrfRuleConfig = { name: 'no rule', match: {}, action: 'accept', delay: 0 };

interface Rule {
  readonly config: PcrfRuleConfig;
  readonly addresses: CidrTable<true> | undefined;
}

/** The rules of a PCRF: the first one that matches counts, what no rule matches is accepted. */
export class PolicyRules {
  #rules: readonly Rule[] = [];

  constructor(rules: readonly PcrfRuleConfig[]) {
    this.replace(rules);
  }

  get count(): number {
    return this.#rules.length;
  }

  /** Takes other rules for the requests to come. */
  replace(rules: readonly PcrfRuleConfig[]): void {
    this.#rules = rules.map((config) => {
      const { address } = config.match;
      return { config, addresses: address === undefined ? undefined : new CidrTable([[address, true]]) };
    });
  }

  decide(service: RequestedService): Decision {
    for (const rule of this.#rules) {
      if (!matchesUser(rule, service)) continue;
      if (!isAboutMedia(rule.config)) return { rule: rule.config, components: undefined };
      const components = service.components.filter((component) => matchesMedia(rule.config, component));
      if (components.length > 0) return { rule: rule.config, components };
    }
    return { rule: accepted, components: undefined };
  }
}

function matchesUser({ addresses, config }: Rule, service: RequestedService): boolean {
  const { serviceUrn, subscription } = config.match;
  const { framedAddress } = service;
  if (addresses !== undefined && (framedAddress === undefined || addresses.find(framedAddress.address) !== true)) {
    return false;
  }
  if (subscription !== undefined && !service.subscriptions.some((data) => fits(subscription, data))) return false;
  return serviceUrn === undefined || (service.serviceUrn !== undefined && fits(serviceUrn, service.serviceUrn));
}

/** A pattern is the text itself, or its beginning and `*`. */
function fits(pattern: string, text: string): boolean {
  return pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : text === pattern;
}

function isAboutMedia({ match }: PcrfRuleConfig): boolean {
  return match.media !== undefined || match.codec !== undefined || match.bandwidthAbove !== undefined;
}

function matchesMedia({ match }: PcrfRuleConfig, component: MediaComponent): boolean {
  const { bandwidthAbove, codec, media } = match;
  if (media !== undefined && mediaTypeName(component.mediaType ?? mediaTypes.AUDIO) !== media) return false;
  if (codec !== undefined && !codecsOf(component).includes(codec.toLowerCase())) return false;
  return (
    bandwidthAbove === undefined || Math.max(component.maxUplink ?? 0, component.maxDownlink ?? 0) > bandwidthAbove
  );
}

/** Names of the codecs in Codec-Data, in lower case. */
export function codecsOf({ codecData }: MediaComponent): string[] {
  const names = new Set<string>();
  for (const text of codecData) {
    const described = parseCodecData(text);
    if (typeof described !== 'string') for (const name of described.codecs) names.add(name);
  }
  return [...names];
}
