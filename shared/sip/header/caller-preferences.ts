import { ParseFailure } from '#sip/errors';
import { equalsIgnoreCase } from '#sip/uri/characters';
import { type Parameters, parseHeaderParameters } from '#sip/uri/parameters';
import { type Feature, parseFeatures } from './feature-set.ts';
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
