import { ParseFailure } from '#sip/errors';
import { compileSearch, type Effort, type ExpressionSearch, type TableRoom } from './expression-search.ts';
import type { ExpressionOptions } from './extended-expression.ts';
import { type FilterContext, newEffort } from './filter-context.ts';
import { filterLimits, type ServicePointTrigger } from './filter-criterion.ts';
import { type HeaderNames, headerHolds, headerNamed, headersLike, isHeaderName } from './header-condition.ts';
import { type SdpLineNames, sdpLinesNamed, sessionDescriptionHolds } from './session-description-condition.ts';

/** A condition ready to be asked. */
export type TriggerCondition =
  /** It holds for no request, negated or not. */
  | { readonly kind: 'never'; readonly why: string }
  | { readonly kind: 'method'; readonly method: string; readonly registrationTypes: readonly number[] }
  | { readonly kind: 'session-case'; readonly sessionCase: number }
  | { readonly kind: 'request-uri'; readonly expression: ExpressionSearch }
  | { readonly kind: 'sip-header'; readonly names: HeaderNames; readonly content: ExpressionSearch | null }
  | { readonly kind: 'session-description'; readonly lines: SdpLineNames; readonly content: ExpressionSearch | null };

/** An SPT ready to be asked. */
export interface CompiledTrigger {
  readonly source: ServicePointTrigger;
  readonly condition: TriggerCondition;
}

/** States of all expressions of one service profile together: bounds memory and the time of compiling. */
const maxStates = 16_384;
/** Cells of their tables. */
const maxCells = 128 * 1024;
/** States of one expression. */
const maxExpressionStates = 2048;

/** Compiles the expressions of one service profile, each once, within common bounds. */
export class ExpressionCompiler {
  readonly #known = new Map<string, ExpressionSearch | ParseFailure>();
  readonly #room: TableRoom = { cells: maxCells };
  #statesLeft = maxStates;

  compile(text: string, ignoreCase = false): ExpressionSearch | ParseFailure {
    const name = `${ignoreCase ? 'i' : ''}/${text}`;
    let search = this.#known.get(name);
    if (search === undefined) {
      search = this.#compileNew(text, {
        ignoreCase,
        maxLength: filterLimits.expression + 4,
        maxStates: maxExpressionStates,
      });
      this.#known.set(name, search);
    }
    return search;
  }

  #compileNew(text: string, options: ExpressionOptions): ExpressionSearch | ParseFailure {
    const search = this.#statesLeft > 0 ? compileSearch(text, this.#room, options) : tooLarge;
    if (search instanceof ParseFailure) return search;
    // None after the first one that does not fit: else the rest would be compiled for nothing.
    this.#statesLeft -= search.size;
    return this.#statesLeft >= 0 ? search : tooLarge;
  }
}

const tooLarge = new ParseFailure('the expressions of the profile are too large together');

/**
 * Makes an SPT ready to be asked. One whose expression is malformed or too large, or whose kind is not known, never holds.
 *
 * A `Header` or `Line` that is a plain name means that name; any other text is an expression: that of a header is looked
 * for in the name, letters in any case, that of a line has to match the whole of it.
 *
 * Source: TS 29.228 B.2.3, annex F; requirement S-92.
 */
export function compileTrigger(source: ServicePointTrigger, compiler: ExpressionCompiler): CompiledTrigger {
  return { source, condition: conditionOf(source, compiler) };
}

function conditionOf(source: ServicePointTrigger, compiler: ExpressionCompiler): TriggerCondition {
  switch (source.kind) {
    case 'unknown':
      return { kind: 'never', why: 'this condition is not known' };
    case 'method':
      return { kind: 'method', method: source.method, registrationTypes: source.registrationTypes };
    case 'session-case':
      return { kind: 'session-case', sessionCase: source.sessionCase };
    case 'request-uri': {
      const expression = compiler.compile(source.pattern);
      return expression instanceof ParseFailure
        ? never(source.pattern, expression)
        : { kind: 'request-uri', expression };
    }
    case 'sip-header': {
      const names = headerNames(source.header, compiler);
      if (names instanceof ParseFailure) return never(source.header, names);
      const content = source.content === null ? null : compiler.compile(source.content);
      if (content instanceof ParseFailure) return never(source.content!, content);
      return { kind: 'sip-header', names, content };
    }
    case 'session-description': {
      const lines = lineNames(source.line, compiler);
      if (lines instanceof ParseFailure) return never(source.line, lines);
      const content = source.content === null ? null : compiler.compile(source.content);
      if (content instanceof ParseFailure) return never(source.content!, content);
      return { kind: 'session-description', lines, content };
    }
  }
}

function never(text: string, { reason }: ParseFailure): TriggerCondition {
  return { kind: 'never', why: `the expression ${shortened(text)} cannot be used: ${reason}` };
}

function headerNames(text: string, compiler: ExpressionCompiler): HeaderNames | ParseFailure {
  if (isHeaderName(text)) return headerNamed(text);
  const expression = compiler.compile(text, true);
  return expression instanceof ParseFailure ? expression : headersLike(expression, newEffort());
}

function lineNames(text: string, compiler: ExpressionCompiler): SdpLineNames | ParseFailure {
  if (isHeaderName(text.replace('=', ''))) return sdpLinesNamed(text);
  // As written first: in brackets, a) | (b would be something else.
  const alone = compiler.compile(text);
  const expression = alone instanceof ParseFailure ? alone : compiler.compile(`^(${text})$`);
  return expression instanceof ParseFailure ? expression : { kind: 'expression', expression };
}

/** Whether a condition holds, before ConditionNegated. */
export function conditionHolds(condition: TriggerCondition, context: FilterContext, effort: Effort): boolean {
  switch (condition.kind) {
    case 'never':
      return false;
    case 'method': {
      if (context.request.method !== condition.method) return false;
      const { registrationTypes } = condition;
      if (registrationTypes.length === 0 || condition.method !== 'REGISTER') return true;
      return context.registrationType !== null && registrationTypes.includes(context.registrationType);
    }
    case 'session-case':
      return condition.sessionCase === context.sessionCase;
    case 'request-uri':
      return condition.expression.isIn(context.request.requestUri, effort);
    case 'sip-header':
      return headerHolds(condition.names, condition.content, context.request, effort);
    case 'session-description':
      return sessionDescriptionHolds(condition.lines, condition.content, context.request, effort);
  }
}

/**
 * Whether an SPT holds, ConditionNegated included. One that cannot be judged, because of its expression or because the
 * effort is spent, does not hold, negated or not. Source: TS 29.228 B.2.3; requirements S-91, S-92.
 */
export function triggerHolds({ source, condition }: CompiledTrigger, context: FilterContext, effort: Effort): boolean {
  if (condition.kind === 'never') return false;
  const holds = conditionHolds(condition, context, effort);
  return effort.steps >= 0 && holds !== source.negated;
}

/** A text for the log: long ones are cut. */
export function shortened(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}...` : text;
}
