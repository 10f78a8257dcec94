/**
 * Bounds of filter criteria: criteria of a service profile, conditions of a trigger point and of a service profile, groups
 * of a condition, characters of an expression, a server name and a service information. Requirement X-D9.
 */
export const filterLimits = Object.freeze({
  criteria: 256,
  triggers: 128,
  allTriggers: 1024,
  groups: 16,
  expression: 1024,
  serverName: 1024,
  serviceInfo: 16 * 1024,
});

/** Numbers of SessionCase. Source: TS 29.228 annex F. */
export const sessionCases = Object.freeze({
  originatingRegistered: 0,
  terminatingRegistered: 1,
  terminatingUnregistered: 2,
  originatingUnregistered: 3,
  originatingCdiv: 4,
});

/** Numbers of RegistrationType. Source: TS 29.228 annex F. */
export const registrationTypes = Object.freeze({ initial: 0, again: 1, ended: 2 });

/** A number of `sessionCases`. */
export type SessionCase = (typeof sessionCases)[keyof typeof sessionCases];
/** A number of `registrationTypes`. */
export type RegistrationType = (typeof registrationTypes)[keyof typeof registrationTypes];

interface TriggerBase {
  readonly groups: readonly number[];
  readonly negated: boolean;
  /** 0 initial registration, 1 re-registration, 2 de-registration; empty: any. */
  readonly registrationTypes: readonly number[];
}

/** One condition of a trigger point. Patterns are extended regular expressions; `content` null: being there is enough. */
export type ServicePointTrigger = TriggerBase &
  (
    | { readonly kind: 'method'; readonly method: string }
    | { readonly kind: 'request-uri'; readonly pattern: string }
    | { readonly kind: 'sip-header'; readonly header: string; readonly content: string | null }
    | { readonly kind: 'session-case'; readonly sessionCase: number }
    | { readonly kind: 'session-description'; readonly line: string; readonly content: string | null }
    /** A condition this release does not know; it never holds. */
    | { readonly kind: 'unknown' }
  );

/** ConditionTypeCNF and the conditions. */
export interface TriggerPoint {
  /** True: conditions of one group are ORed and groups ANDed; false: the other way round. */
  readonly cnf: boolean;
  readonly spts: readonly ServicePointTrigger[];
}

/** Where a matching request goes. */
export interface ApplicationServer {
  readonly serverName: string;
  /** 0 SESSION_CONTINUED, 1 SESSION_TERMINATED. */
  readonly defaultHandling: 0 | 1;
  readonly serviceInfo: string;
  readonly includeRegisterRequest: boolean;
  readonly includeRegisterResponse: boolean;
}

/** One initial filter criterion. */
export interface FilterCriterion {
  readonly priority: number;
  /** Null: every request matches. */
  readonly triggerPoint: TriggerPoint | null;
  readonly applicationServer: ApplicationServer;
  /** 0 while registered, 1 while unregistered, null both. */
  readonly profilePartIndicator: 0 | 1 | null;
}

/** Ascending priority; those of one priority stay in the order they came in. Source: TS 29.228 B.2.2; requirement S-90. */
export function byPriority(criteria: readonly FilterCriterion[]): FilterCriterion[] {
  return criteria.toSorted((a, b) => a.priority - b.priority);
}
