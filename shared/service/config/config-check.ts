import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { configFormats } from './config-format.ts';
import { type ConfigProblem, problemAt } from './config-problem.ts';
import { type MapNode, nodeAt, plainData, positionOf } from './config-tree.ts';
import { loadSchema, type Role, type Schema, schemaAt } from './schema.ts';
import { nearest } from './suggestion.ts';

/** Data that fits the schema where `problems` is empty, defaults filled in. */
export interface CheckedData {
  readonly data: Record<string, unknown>;
  readonly problems: readonly ConfigProblem[];
}

const validators = new Map<Role, { readonly schema: Schema; readonly validate: ValidateFunction }>();

function validatorOf(role: Role): { readonly schema: Schema; readonly validate: ValidateFunction } {
  let known = validators.get(role);
  if (known === undefined) {
    const ajv = new Ajv({
      allErrors: true,
      useDefaults: true,
      verbose: true,
      allowUnionTypes: true,
      keywords: ['x-reload', 'x-default'],
    });
    for (const [name, check] of configFormats) ajv.addFormat(name, (text) => check(text) === undefined);
    const schema = loadSchema(role);
    known = { schema, validate: ajv.compile(schema) };
    validators.set(role, known);
  }
  return known;
}

/**
 * Checks a tree against the schema of a role and fills in the defaults. All violations are reported, each where it
 * stands, with what was probably meant.
 */
export function checkTree(tree: MapNode, role: Role): CheckedData {
  const { schema, validate } = validatorOf(role);
  const asText = new Set<string>();
  let data = plainData(tree, asText) as Record<string, unknown>;
  validate(data);
  // Interpolated values are typed by their looks; where the schema wants a text, "12345" was meant as one.
  const wrongText = (validate.errors ?? []).filter(
    (error) => error.keyword === 'type' && wantsText(error) && isInterpolated(tree, error),
  );
  if (wrongText.length > 0) {
    for (const error of wrongText) asText.add(`/${segments(error.instancePath).join('/')}`);
    data = plainData(tree, asText) as Record<string, unknown>;
    validate(data);
  }
  return { data, problems: explain(tree, schema, validate.errors ?? []) };
}

function wantsText(error: ErrorObject): boolean {
  const type = error.params.type as string | string[];
  return type === 'string' || type.includes('string');
}

function isInterpolated(tree: MapNode, error: ErrorObject): boolean {
  const node = nodeAt(tree, segments(error.instancePath));
  return node?.kind === 'scalar' && node.text !== undefined;
}

function segments(pointer: string): string[] {
  return pointer === ''
    ? []
    : pointer
        .slice(1)
        .split('/')
        .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function explain(tree: MapNode, schema: Schema, errors: readonly ErrorObject[]): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  /** Keys that a misspelt one stands for: not reported as missing too. */
  const meant = new Set<string>();
  const seen = new Set<string>();
  const ordered = [...errors].sort(
    (a, b) => Number(b.keyword === 'additionalProperties') - Number(a.keyword === 'additionalProperties'),
  );
  for (const error of ordered) {
    const path = segments(error.instancePath);
    const words = wordsFor(error, path, schema, meant);
    if (words === undefined) continue;
    const full = words.key === undefined ? path : [...path, words.key];
    const position = positionOf(tree, full, words.atKey ?? false);
    const identity = `${position.file}:${position.line}:${position.column}:${words.message}`;
    if (seen.has(identity)) continue;
    seen.add(identity);
    problems.push(problemAt(position, full, words.message, words.suggestion));
  }
  return problems;
}

interface Words {
  readonly message: string;
  readonly suggestion?: string | undefined;
  /** A key below the error's path that is the real place. */
  readonly key?: string;
  readonly atKey?: boolean;
}

function wordsFor(error: ErrorObject, path: readonly string[], schema: Schema, meant: Set<string>): Words | undefined {
  // What is wrong with a key by itself is told once, by propertyNames.
  if (error.propertyName !== undefined) return undefined;
  const { params } = error;
  switch (error.keyword) {
    case 'additionalProperties': {
      const key = params.additionalProperty as string;
      return { message: 'unknown key', suggestion: suggestKey(key, path, schema, meant), key, atKey: true };
    }
    case 'required': {
      const key = params.missingProperty as string;
      if (meant.has([...path, key].join('.'))) return undefined;
      return { message: 'this key is missing', suggestion: schemaAt(schema, [...path, key])?.description, key };
    }
    case 'type':
      return typeWords(error, path, schemaAt(schema, path));
    case 'enum':
    case 'const': {
      const allowed = (error.keyword === 'const' ? [params.allowedValue] : params.allowedValues) as unknown[];
      const near = nearest(String(error.data), allowed.map(String));
      const choices = allowed.map(String).join(', ');
      return {
        message: `${show(error.data)} is not one of: ${choices}`,
        suggestion: near === undefined ? `write one of them` : `did you mean ${near}?`,
      };
    }
    case 'format': {
      const found = configFormats.get(params.format as string)?.(String(error.data));
      return found === undefined ? undefined : { message: found.fault, suggestion: found.suggestion };
    }
    case 'propertyNames':
      return {
        message: 'this key is not a host name',
        suggestion: 'write letters, digits, hyphens and dots, as in ims.test',
        key: params.propertyName as string,
        atKey: true,
      };
    case 'minimum':
    case 'maximum': {
      const { minimum, maximum } = error.parentSchema as { minimum?: number; maximum?: number };
      return { message: `${show(error.data)} is out of range`, suggestion: `write ${minimum} to ${maximum}` };
    }
    case 'minItems':
      return { message: 'the list is empty', suggestion: schemaAt(schema, path)?.description };
    case 'minLength':
      return { message: 'the text is empty', suggestion: schemaAt(schema, path)?.description };
    case 'maxItems':
    case 'maxProperties':
    case 'maxLength':
      return { message: `is too long: at most ${params.limit as number}` };
    default:
      return { message: error.message ?? error.keyword };
  }
}

function suggestKey(key: string, path: readonly string[], schema: Schema, meant: Set<string>): string | undefined {
  const siblings = Object.keys(schemaAt(schema, path)?.properties ?? {});
  if (path[0] === 'listeners' && ['udp', 'tcp', 'tls'].includes(key))
    return 'put IPv6 addresses in quotes: "udp:[::1]:5060"';
  const near = nearest(key, siblings);
  if (near !== undefined) {
    meant.add([...path, near].join('.'));
    return `did you mean ${near}?`;
  }
  const elsewhere = findKey(schema, key, []);
  if (elsewhere !== undefined)
    return `${key} belongs under ${elsewhere.length === 0 ? 'the top level' : elsewhere.join('.')}`;
  return siblings.length === 0 ? undefined : `keys here: ${siblings.join(', ')}`;
}

/** Path of the section that knows a key, searched from the top; undefined when none does. */
function findKey(schema: Schema, key: string, path: readonly string[]): readonly string[] | undefined {
  const properties = schema.properties ?? {};
  if (Object.hasOwn(properties, key)) return path;
  for (const [name, child] of Object.entries(properties)) {
    const found = findKey(child, key, [...path, name]);
    if (found !== undefined) return found;
  }
  return undefined;
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map of keys',
  null: 'nothing',
};

const secretKeys = new Set(['k', 'op', 'opc', 'password']);

function typeWords(error: ErrorObject, path: readonly string[], schema: Schema | undefined): Words {
  const type = error.params.type as string | string[];
  const wanted = typeof type === 'string' ? [type] : type;
  if (secretKeys.has(path.at(-1) ?? '')) return { message: 'must be a text', suggestion: 'put it in quotes' };
  const message = `must be ${wanted.map((name) => typeNames[name] ?? name).join(' or ')}, but is ${show(error.data)}`;
  return { message, suggestion: typeSuggestion(wanted, error.data) ?? schema?.description };
}

function typeSuggestion(wanted: readonly string[], data: unknown): string | undefined {
  const first = wanted[0];
  const scalar = typeof data !== 'object';
  if (wanted.includes('array') && scalar) return `write it as a list: [${String(data)}]`;
  if (first === 'string' && scalar) return `put it in quotes: "${String(data)}"`;
  if (first === 'boolean' && typeof data === 'string') {
    if (/^(?:yes|on|true)$/i.test(data)) return 'write true';
    if (/^(?:no|off|false)$/i.test(data)) return 'write false';
  }
  if (
    (first === 'integer' || first === 'number') &&
    typeof data === 'string' &&
    data.trim() !== '' &&
    Number.isFinite(Number(data))
  ) {
    return `write it without quotes: ${data.trim()}`;
  }
  return undefined;
}

function show(data: unknown): string {
  if (Array.isArray(data)) return 'a list';
  if (data === null || data === undefined) return 'nothing';
  if (typeof data === 'object') return 'a map of keys';
  const text = String(data);
  const short = text.length > 60 ? `${text.slice(0, 60)}...` : text;
  return typeof data === 'string' ? `the text "${short}"` : short;
}
