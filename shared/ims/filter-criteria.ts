import type { Effort } from './expression-search.ts';
import { type FilterContext, newEffort } from './filter-context.ts';
import type { ApplicationServer, FilterCriterion } from './filter-criterion.ts';
import { type CompiledTrigger, compileTrigger, ExpressionCompiler, triggerHolds } from './service-point-trigger.ts';

/** A filter criterion ready to be asked. */
export interface CompiledCriterion {
  readonly source: FilterCriterion;
  readonly applicationServer: ApplicationServer;
  /** Groups of positions in `CompiledCriteria.triggers`; null: every request matches. */
  readonly groups: readonly (readonly number[])[] | null;
  /** What the profile calls each of the groups. */
  readonly groupNumbers: readonly number[];
  readonly cnf: boolean;
}

/** The filter criteria of a service profile, ready to be asked. May be shared by all users of one thread that have the same. */
export interface CompiledCriteria {
  /** In ascending priority. */
  readonly criteria: readonly CompiledCriterion[];
  /** All conditions, equal ones once. */
  readonly triggers: readonly CompiledTrigger[];
  /** What never holds, and why, in words for the operator; at most 20. */
  readonly warnings: readonly string[];
  /** What is known of the triggers while one evaluation goes on. */
  readonly answers: Uint8Array;
}

const maxWarnings = 20;

/**
 * Compiles filter criteria that are in order of priority. Never fails: what cannot be used never holds and is a warning.
 * Source: TS 29.228 B.2.2; requirements S-90, S-91, S-92.
 */
export function compileCriteria(
  criteria: readonly FilterCriterion[],
  earlier: readonly string[] = [],
): CompiledCriteria {
  const compiler = new ExpressionCompiler();
  const triggers: CompiledTrigger[] = [];
  const numbers = new Map<string, number>();
  const warnings = [...earlier];
  const compiled = criteria.map((source): CompiledCriterion => {
    const { triggerPoint, applicationServer, priority } = source;
    // A trigger point without conditions asks for nothing.
    if (triggerPoint === null || triggerPoint.spts.length === 0) {
      return { source, applicationServer, groups: null, groupNumbers: [], cnf: true };
    }
    const groups = new Map<number, number[]>();
    for (const spt of triggerPoint.spts) {
      // Groups are those of the criterion; the rest may be asked elsewhere too.
      const name = JSON.stringify({ ...spt, groups: [] });
      let number = numbers.get(name);
      if (number === undefined) {
        number = triggers.length;
        numbers.set(name, number);
        triggers.push(compileTrigger(spt, compiler));
      }
      const { condition } = triggers[number]!;
      if (condition.kind === 'never') {
        warnings.push(`criterion ${priority} (${applicationServer.serverName}): ${condition.why}; it never holds`);
      }
      for (const group of spt.groups) groups.set(group, [...(groups.get(group) ?? []), number]);
    }
    return {
      source,
      applicationServer,
      groups: [...groups.values()],
      groupNumbers: [...groups.keys()],
      cnf: triggerPoint.cnf,
    };
  });
  const answers = new Uint8Array(triggers.length);
  return { criteria: compiled, triggers, warnings: warnings.slice(0, maxWarnings), answers };
}

const unknown = 0;
const no = 1;
const yes = 2;

/**
 * The position of the first criterion behind position `after` (-1: of all) that a request matches, -1 when there is none.
 * Asks the request as it is now and remembers nothing of an earlier question. Takes `evaluationSteps` at most.
 *
 * Source: TS 24.229 5.4.3.2, 5.4.3.3, TS 29.228 B.2.2; requirements S-90, S-91, S-92, S-93.
 */
export function nextMatch(compiled: CompiledCriteria, after: number, context: FilterContext): number {
  const { criteria } = compiled;
  const effort = newEffort();
  compiled.answers.fill(unknown);
  for (let i = after + 1; i < criteria.length; i++) {
    const criterion = criteria[i]!;
    if (!isOfPart(criterion.source, context)) continue;
    if (criterion.groups === null || groupsHold(compiled, criterion, criterion.groups, context, effort)) return i;
  }
  return -1;
}

/** Whether a criterion is for the state of registration that the served user is in. Requirement S-90. */
export function isOfPart({ profilePartIndicator }: FilterCriterion, { registered }: FilterContext): boolean {
  return profilePartIndicator === null || (profilePartIndicator === 0) === registered;
}

/** CNF: every group has one that holds. DNF: there is a group whose conditions all hold. */
function groupsHold(
  compiled: CompiledCriteria,
  { cnf }: CompiledCriterion,
  groups: readonly (readonly number[])[],
  context: FilterContext,
  effort: Effort,
): boolean {
  for (const group of groups) {
    let decided = false;
    for (const number of group) {
      if (answerOf(compiled, number, context, effort) !== cnf) continue;
      decided = true;
      break;
    }
    // A group that ORs is decided by one that holds, one that ANDs by one that does not; else it decides the whole.
    if (!decided) return !cnf;
  }
  return cnf;
}

function answerOf(compiled: CompiledCriteria, number: number, context: FilterContext, effort: Effort): boolean {
  const { answers, triggers } = compiled;
  const known = answers[number]!;
  if (known !== unknown) return known === yes;
  const holds = triggerHolds(triggers[number]!, context, effort);
  answers[number] = holds ? yes : no;
  return holds;
}
