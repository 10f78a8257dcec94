import { byPriority, type FilterCriterion, type ServicePointTrigger } from './filter-criterion.ts';

/** A set of filter criteria as the configuration has it (`sharedIfcSets`). */
export interface SharedFilterSetSettings {
  readonly id: number;
  readonly criteria: readonly {
    readonly priority: number;
    readonly serverName: string;
    readonly defaultHandling: 'SESSION_CONTINUED' | 'SESSION_TERMINATED';
    readonly serviceInfo: string;
    readonly includeRegisterRequest: boolean;
    readonly includeRegisterResponse: boolean;
    readonly profilePart: 'registered' | 'unregistered' | 'both';
    readonly conditionTypeCnf: boolean;
    readonly spts: readonly SharedTriggerSettings[];
  }[];
}

/** An SPT of the configuration: exactly one of method, requestUri, sessionCase, header and line is there. */
export interface SharedTriggerSettings {
  readonly groups: readonly number[];
  readonly negated: boolean;
  readonly method?: string;
  readonly registrationTypes: readonly number[];
  readonly requestUri?: string;
  readonly sessionCase?: number;
  readonly header?: string;
  readonly line?: string;
  /** Of a header or a line. */
  readonly content?: string;
}

/** The filter criteria of each shared set, by its number. */
export type SharedFilterSets = ReadonlyMap<number, readonly FilterCriterion[]>;

/** What the configuration says of shared sets. Source: TS 29.228 B.2.2; requirement S-28. */
export function sharedFilterSets(settings: readonly SharedFilterSetSettings[]): SharedFilterSets {
  return new Map(settings.map(({ id, criteria }) => [id, criteria.map(criterionOf)]));
}

/**
 * The filter criteria of a profile and those of the shared sets that it names, by priority; among equals those of the
 * profile come first. A set that is not configured is left out with a warning. Source: TS 29.228 B.2.2; requirement S-28.
 */
export function withSharedSets(
  own: readonly FilterCriterion[],
  ids: readonly number[],
  sets: SharedFilterSets,
): { readonly criteria: readonly FilterCriterion[]; readonly warnings: readonly string[] } {
  const criteria = [...own];
  const warnings: string[] = [];
  for (const id of new Set(ids)) {
    const shared = sets.get(id);
    if (shared === undefined) warnings.push(`the shared iFC set ${id} is not configured, it is left out`);
    else criteria.push(...shared);
  }
  return { criteria: byPriority(criteria), warnings };
}

function criterionOf(settings: SharedFilterSetSettings['criteria'][number]): FilterCriterion {
  const { priority, serverName, serviceInfo, includeRegisterRequest, includeRegisterResponse } = settings;
  const { spts, profilePart } = settings;
  return {
    priority,
    triggerPoint: spts.length === 0 ? null : { cnf: settings.conditionTypeCnf, spts: spts.map(triggerOf) },
    applicationServer: {
      serverName,
      defaultHandling: settings.defaultHandling === 'SESSION_TERMINATED' ? 1 : 0,
      serviceInfo: octets(serviceInfo),
      includeRegisterRequest,
      includeRegisterResponse,
    },
    profilePartIndicator: profilePart === 'both' ? null : profilePart === 'registered' ? 0 : 1,
  };
}

function triggerOf(settings: SharedTriggerSettings): ServicePointTrigger {
  const { groups, negated, registrationTypes } = settings;
  const base = { groups: groups.length > 0 ? groups : [0], negated, registrationTypes };
  const { method, requestUri, sessionCase, header, line } = settings;
  const content = settings.content === undefined ? null : octets(settings.content);
  if (method !== undefined) return { ...base, kind: 'method', method };
  if (requestUri !== undefined) return { ...base, kind: 'request-uri', pattern: octets(requestUri) };
  if (sessionCase !== undefined) return { ...base, kind: 'session-case', sessionCase };
  if (header !== undefined) return { ...base, kind: 'sip-header', header: octets(header), content };
  if (line !== undefined) return { ...base, kind: 'session-description', line: octets(line), content };
  return { ...base, kind: 'unknown' };
}

/** One character for each octet, as messages are searched. */
function octets(text: string): string {
  return Buffer.from(text).toString('latin1');
}
