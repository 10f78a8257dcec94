/** An environment variable that a configuration names. */
export interface Variable {
  readonly name: string;
  readonly set: boolean;
}

/** What `${NAME}` and `${NAME:-default}` in a text became. */
export interface Interpolation {
  readonly text: string;
  /** False when the text held nothing to replace. */
  readonly changed: boolean;
  /** What it names, in its order; `set`: the environment has a value for it, else its default counts. */
  readonly variables?: readonly Variable[];
  /** What is wrong with it, in words; the text is useless then. */
  readonly fault?: { readonly message: string; readonly suggestion: string };
}

const howToWrite = `write \${NAME} or \${NAME:-default}; a literal \${ is written $\${`;
const namePattern = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * Replaces `${NAME}` and `${NAME:-default}` by environment variables; the default applies when the variable is unset
 * or empty, as in a shell. `$${` stands for a literal `${`.
 */
export function interpolate(source: string, env: Readonly<Record<string, string | undefined>>): Interpolation {
  let text = '';
  let at = 0;
  const variables: Variable[] = [];
  for (;;) {
    const open = source.indexOf('${', at);
    if (open < 0) return { text: text + source.slice(at), changed: at > 0, variables };
    if (open > at && source[open - 1] === '$') {
      text += `${source.slice(at, open - 1)}\${`;
      at = open + 2;
      continue;
    }
    const close = source.indexOf('}', open);
    if (close < 0) {
      return refuse(`"\${" has no closing "}"`, howToWrite);
    }
    const inner = source.slice(open + 2, close);
    const colon = inner.indexOf(':-');
    const name = colon < 0 ? inner : inner.slice(0, colon);
    if (!namePattern.test(name)) {
      return refuse(`"\${${inner}}" names no environment variable`, howToWrite);
    }
    const set = env[name];
    const fallback = colon < 0 ? undefined : inner.slice(colon + 2);
    const isDefault = fallback !== undefined && (set === undefined || set === '');
    const value = isDefault ? fallback : set;
    if (value === undefined) {
      return refuse(`environment variable ${name} is not set`, `set it, or give a default: \${${name}:-value}`);
    }
    variables.push({ name, set: !isDefault });
    text += source.slice(at, open) + value;
    at = close + 1;
  }
}

function refuse(message: string, suggestion: string): Interpolation {
  return { text: '', changed: false, fault: { message, suggestion } };
}

/**
 * Types the text of a scalar by the YAML core schema: null, boolean, integer, float, else the text itself. Text that
 * would be a list or a map stays text.
 * Source: YAML 1.2.2 10.3.2.
 */
export function typeScalar(text: string): string | number | boolean | null {
  if (text === '' || text === '~' || text === 'null' || text === 'Null' || text === 'NULL') return null;
  if (text === 'true' || text === 'True' || text === 'TRUE') return true;
  if (text === 'false' || text === 'False' || text === 'FALSE') return false;
  if (/^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$/.test(text)) {
    const value = Number(text.startsWith('+') ? text.slice(1) : text);
    return Number.isSafeInteger(value) ? value : text;
  }
  if (/^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/.test(text)) return Number(text);
  return text;
}
