import { ParseFailure } from '#sip/errors';
import { equalsIgnoreCase } from '#sip/uri/characters';
import { type Parameters, parseHeaderParameters } from '#sip/uri/parameters';
import { type Feature, haveCommonValue, parseFeatures } from './feature-set.ts';
import { splitListValues } from './list-values.ts';
import { parseOptionTags } from './option-tags.ts';

/** One value of Accept-Contact or Reject-Contact. */
export interface ContactPreference {
  /** What the contact should have, or should not. */
  readonly features: readonly Feature[];
  /** Accept-Contact: whether a contact that does not match is left out. */
  readonly require: boolean;
  /** Accept-Contact: whether a contact has to say each feature to match. */
  readonly explicit: boolean;
  /** All parameters as received, the features included. */
  readonly parameters: Parameters;
}

/** Request-Disposition: what the caller asks of proxies; null where it asks nothing. */
export interface RequestDisposition {
  readonly server: 'proxy' | 'redirect' | null;
  readonly cancel: boolean | null;
  readonly fork: boolean | null;
  readonly recurse: boolean | null;
  readonly search: 'parallel' | 'sequential' | null;
  readonly queue: boolean | null;
}

/**
 * Reads all values of an Accept-Contact or Reject-Contact field: `*` and parameters each.
 *
 * Source: RFC 3841 9.2, 9.3; requirement S-122.
 */
export function parseContactPreferences(value: string): ContactPreference[] | ParseFailure {
  const parts = splitListValues(value);
  if (parts instanceof ParseFailure) return parts;
  const preferences: ContactPreference[] = [];
  for (const part of parts) {
    if (!part.startsWith('*')) return new ParseFailure('preference without *');
    const parameters = parseHeaderParameters(part, 1);
    if (parameters instanceof ParseFailure) return parameters;
    const require = parameters.has('require');
    const explicit = parameters.has('explicit');
    preferences.push({ features: parseFeatures(parameters), require, explicit, parameters });
  }
  return preferences;
}

/** What of a preference counts for a contact. */
export type ContactWish = Pick<ContactPreference, 'features' | 'require' | 'explicit'>;

/** What a caller says of the contacts to be reached, ready to be asked of each. */
export interface CallerPreferences {
  readonly accept: readonly ContactWish[];
  readonly reject: readonly ContactWish[];
}

/** Values and their features that are looked at; who sends more is taken to ask for nothing. */
const maxPreferences = 20;
const maxFeatureValues = 1000;

/**
 * Reads all fields of one name, Accept-Contact or Reject-Contact. A field that cannot be read asks for nothing; neither do
 * more than 20 values, or more than 1000 values of features.
 *
 * Source: RFC 3841 7.2.1; requirement S-122.
 */
export function readPreferences(values: readonly string[]): ContactPreference[] {
  const preferences: ContactPreference[] = [];
  for (const value of values) {
    const parsed = parseContactPreferences(value);
    if (!(parsed instanceof ParseFailure)) preferences.push(...parsed);
    if (preferences.length > maxPreferences) return [];
  }
  let count = 0;
  for (const { features } of preferences) for (const feature of features) count += feature.values.length;
  return count > maxFeatureValues ? [] : preferences;
}

/**
 * How well a contact fits what the caller asks for, 0 to 1; -1: it is left out. `features`: those of the contact. One that
 * tells none is not judged: nobody knows what it can do.
 *
 * Source: RFC 3841 7.2.4; requirement S-122.
 */
export function scoreOf({ accept, reject }: CallerPreferences, features: readonly Feature[]): number {
  if (features.length === 0) return 1;
  const offered = new Map<string, Feature>();
  for (const feature of features) if (!offered.has(feature.tag)) offered.set(feature.tag, feature);
  for (const preference of reject) if (isRejected(preference, offered)) return -1;
  let sum = 0;
  for (const preference of accept) {
    const score = acceptance(preference, offered);
    if (score < 0) return -1;
    sum += score;
  }
  return accept.length === 0 ? 1 : sum / accept.length;
}

/** A contact that says nothing of one of the features is not meant; nor is any where no feature is named. */
function isRejected({ features }: ContactWish, offered: ReadonlyMap<string, Feature>): boolean {
  const isMeant = features.every((wanted) => {
    const feature = offered.get(wanted.tag);
    return feature !== undefined && haveCommonValue(wanted, feature);
  });
  return isMeant && features.length > 0;
}

/** What of the wanted features a contact says it has, 0 to 1; -1 when it may not be called. */
function acceptance({ features, require, explicit }: ContactWish, offered: ReadonlyMap<string, Feature>): number {
  let said = 0;
  for (const wanted of features) {
    const feature = offered.get(wanted.tag);
    if (feature === undefined) continue;
    if (!haveCommonValue(wanted, feature)) return require ? -1 : 0;
    said += 1;
  }
  if (said === features.length) return 1;
  if (explicit) return require ? -1 : 0;
  return said / features.length;
}

/** Writes one value; features, require and explicit are taken from the parameters. */
export function formatContactPreference({ parameters }: Pick<ContactPreference, 'parameters'>): string {
  return `*${parameters.raw}`;
}

/**
 * Reads the directives of all fields; of two that contradict each other the first counts, unknown ones are passed over.
 *
 * Source: RFC 3841 9.1; requirement S-122.
 */
export function parseRequestDisposition(values: readonly string[]): RequestDisposition {
  const directives = parseOptionTags(values);
  const first = <Name extends string>(...names: Name[]): Name | null => {
    for (const directive of directives) {
      const name = names.find((known) => equalsIgnoreCase(known, directive));
      if (name !== undefined) return name;
    }
    return null;
  };
  const flag = (name: string): boolean | null => {
    const found = first(name, `no-${name}`);
    return found === null ? null : found === name;
  };
  return {
    server: first('proxy', 'redirect'),
    cancel: flag('cancel'),
    fork: flag('fork'),
    recurse: flag('recurse'),
    search: first('parallel', 'sequential'),
    queue: flag('queue'),
  };
}

/** Writes a Request-Disposition, '' when nothing is asked. */
export function formatRequestDisposition(disposition: RequestDisposition): string {
  const { server, cancel, fork, recurse, search, queue } = disposition;
  const flag = (name: string, asked: boolean | null) => (asked === null ? null : asked ? name : `no-${name}`);
  const directives = [server, flag('cancel', cancel), flag('fork', fork), flag('recurse', recurse), search];
  return [...directives, flag('queue', queue)].filter((directive) => directive !== null).join(', ');
}
