import { ParseFailure } from '#sip/errors';
import type { Effort } from './expression-search.ts';
import { type FilterContext, newEffort } from './filter-context.ts';
import { type CompiledCriteria, type CompiledCriterion, isOfPart } from './filter-criteria.ts';
import type { ServicePointTrigger } from './filter-criterion.ts';
import { headersNamed } from './header-condition.ts';
import {
  type CompiledTrigger,
  conditionHolds,
  shortened,
  type TriggerCondition,
  triggerHolds,
} from './service-point-trigger.ts';
import { sdpLinesSeen } from './session-description-condition.ts';

/** What one SPT made of a request. Plain data. */
export interface TriggerExplanation {
  /** What it asks for, as in `SIPHeader Event ~ reg`. */
  readonly condition: string;
  readonly groups: readonly number[];
  readonly negated: boolean;
  /** What the request has there, at most 8 values of 200 characters. */
  readonly seen: readonly string[];
  /** ConditionNegated included. */
  readonly holds: boolean;
  readonly why: string;
}

/** What one filter criterion made of a request. Plain data. */
export interface CriterionExplanation {
  /** Position among all, as `nextMatch` gives it. */
  readonly position: number;
  readonly priority: number;
  readonly serverName: string;
  readonly matches: boolean;
  readonly why: string;
  readonly triggers: readonly TriggerExplanation[];
}

const maxSeen = 8;

/**
 * Says for every filter criterion and every SPT what it saw in a request, whether it holds and why; the criteria match as
 * `nextMatch` says. For logs and for somebody who asks: it costs a multiple of `nextMatch`, and since it leaves no SPT out,
 * hostile expressions may spend its steps earlier.
 *
 * Source: TS 29.228 B.2.2; requirements S-90, S-91, S-92.
 */
export function explainCriteria(compiled: CompiledCriteria, context: FilterContext): CriterionExplanation[] {
  // One measure for all, as the evaluation itself has.
  const effort = newEffort();
  const known = new Map<number, TriggerExplanation>();
  return compiled.criteria.map((criterion, position) => {
    const numbers = [...new Set((criterion.groups ?? []).flat())];
    const triggers = numbers.map((number) => {
      const explained = known.get(number) ?? explainTrigger(compiled.triggers[number]!, context, effort);
      known.set(number, explained);
      return explained;
    });
    const { source } = criterion;
    return {
      position,
      priority: source.priority,
      serverName: source.applicationServer.serverName,
      ...verdictOf(criterion, context, (number) => known.get(number)!.holds),
      triggers: triggers.map((trigger, i) => ({ ...trigger, groups: groupsOf(criterion, numbers[i]!) })),
    };
  });
}

/** The groups that a condition belongs to: their numbers in the profile. */
function groupsOf({ groups, groupNumbers }: CompiledCriterion, number: number): number[] {
  return groupNumbers.filter((_, i) => groups?.[i]?.includes(number));
}

function verdictOf(
  criterion: CompiledCriterion,
  context: FilterContext,
  holds: (number: number) => boolean,
): { readonly matches: boolean; readonly why: string } {
  const { groups, groupNumbers, cnf, source } = criterion;
  if (!isOfPart(source, context)) {
    return { matches: false, why: `is only for ${context.registered ? 'unregistered' : 'registered'} users` };
  }
  if (groups === null) return { matches: true, why: 'has no conditions' };
  const results = groups.map((group) => (cnf ? group.some(holds) : group.every(holds)));
  const deciding = results.indexOf(!cnf);
  if (cnf && deciding < 0) return { matches: true, why: 'in every group a condition holds' };
  if (cnf) return { matches: false, why: `in group ${groupNumbers[deciding]} no condition holds` };
  if (deciding < 0) return { matches: false, why: 'in no group do all conditions hold' };
  return { matches: true, why: `in group ${groupNumbers[deciding]} all conditions hold` };
}

function explainTrigger(trigger: CompiledTrigger, context: FilterContext, effort: Effort): TriggerExplanation {
  const { source, condition } = trigger;
  const holds = triggerHolds(trigger, context, effort);
  const spent = effort.steps < 0;
  const plain = !spent && conditionHolds(condition, context, { ...effort });
  const seen = spent ? [] : seenBy(condition, context, { ...effort });
  const why = spent ? 'the expressions take too long on this request' : whyOf(condition, plain, seen, context);
  return {
    condition: wordsFor(source),
    groups: source.groups,
    negated: source.negated,
    seen: seen.slice(0, maxSeen).map(shortened),
    holds,
    why: source.negated && !spent && condition.kind !== 'never' ? `${why}, and the condition is negated` : why,
  };
}

function wordsFor(spt: ServicePointTrigger): string {
  switch (spt.kind) {
    case 'unknown':
      return 'unknown';
    case 'method': {
      const types =
        spt.registrationTypes.length === 0 ? '' : ` of RegistrationType ${spt.registrationTypes.join(', ')}`;
      return `Method ${spt.method}${types}`;
    }
    case 'session-case':
      return `SessionCase ${spt.sessionCase}`;
    case 'request-uri':
      return `RequestURI ~ ${spt.pattern}`;
    case 'sip-header':
      return `SIPHeader ${spt.header}${spt.content === null ? '' : ` ~ ${spt.content}`}`;
    case 'session-description':
      return `SessionDescription ${spt.line}${spt.content === null ? '' : ` ~ ${spt.content}`}`;
  }
}

/** The values that a condition looks at. */
function seenBy(condition: TriggerCondition, context: FilterContext, effort: Effort): readonly string[] {
  const { request, sessionCase, registrationType } = context;
  switch (condition.kind) {
    case 'never':
      return [];
    case 'method':
      return registrationType === null ? [request.method] : [request.method, `registration type ${registrationType}`];
    case 'session-case':
      return [String(sessionCase)];
    case 'request-uri':
      return [request.requestUri];
    case 'sip-header':
      return headersNamed(condition.names, request, effort);
    case 'session-description': {
      const lines = sdpLinesSeen(condition.lines, request, effort);
      return lines === null || lines instanceof ParseFailure ? [] : lines;
    }
  }
}

function whyOf(condition: TriggerCondition, plain: boolean, seen: readonly string[], context: FilterContext): string {
  const { request } = context;
  switch (condition.kind) {
    case 'never':
      return condition.why;
    case 'method': {
      if (plain) return 'it is that method';
      return request.method === condition.method ? 'it is another kind of registration' : 'it is another method';
    }
    case 'session-case':
      return plain ? 'it is that case' : 'it is another case';
    case 'request-uri':
      return plain ? 'the expression is in the Request-URI' : 'the expression is not in the Request-URI';
    case 'sip-header': {
      if (seen.length === 0) return 'there is no such header';
      if (condition.content === null) return 'there is such a header';
      return plain ? 'the expression is in a value' : 'the expression is in none of the values';
    }
    case 'session-description': {
      const { sdp } = request;
      if (sdp === null) return 'there is no session description';
      if (sdp instanceof ParseFailure) return `the session description is malformed: ${sdp.reason}`;
      if (seen.length === 0) return 'there is no such line';
      if (condition.content === null) return 'there is such a line';
      return plain ? 'the expression is in a line' : 'the expression is in none of the lines';
    }
  }
}
