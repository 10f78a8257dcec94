/**
 * Names whose values never leave the process: keys, vectors and what is computed from them (requirement C-34). The
 * same list holds for log fields and for parameters inside SIP text.
 */
const secretNames = [
  'ck',
  'ik',
  'k',
  'op',
  'opc',
  'ki',
  'response',
  'nonce',
  'nextnonce',
  'auts',
  'rspauth',
  'xres',
  'res',
  'ha1',
  'password',
  'token',
  'storeKey',
  'confidentialityKey',
  'integrityKey',
  'sipAuthenticate',
  'sipAuthorization',
] as const;

const secrets: ReadonlySet<string> = new Set(secretNames.map((name) => name.toLowerCase()));
const longestName = Math.max(...secretNames.map((name) => name.length));
const mask = '***';

/**
 * Masks the values of secret names in a text: `name=value`, `name="value"` as SIP writes them, `"name":"value"` as JSON
 * does, and both inside a JSON string where quotes are escaped. A value that is a JSON list or object (a dumped Buffer)
 * is masked as a whole. Everything else comes back unchanged.
 */
export function maskSecrets(text: string): string {
  let masked = '';
  let copied = 0;
  for (let i = 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code !== 0x3d && code !== 0x3a) continue; // "=" and ":"
    if (!isSecretBefore(text, i, code === 0x3a)) continue;
    const start = valueStart(text, i + 1);
    const end = valueEnd(text, start);
    if (end === start) continue;
    masked += text.slice(copied, start) + (isJsonLiteral(text, start, code) ? `"${mask}"` : mask);
    copied = end;
    i = end - 1;
  }
  return copied === 0 ? text : masked + text.slice(copied);
}

/** Whether a secret name ends just before `end`, blanks and, for JSON, the closing quote aside. */
function isSecretBefore(text: string, end: number, json: boolean): boolean {
  let last = end - 1;
  if (!json) while (last >= 0 && (text[last] === ' ' || text[last] === '\t')) last--;
  if (json) {
    if (text[last] !== '"') return false;
    last--;
    if (text[last] === '\\') last--;
  }
  let first = last;
  while (first >= 0 && last - first < longestName && isNameCharacter(text.charCodeAt(first))) first--;
  if (first >= 0 && isNameCharacter(text.charCodeAt(first))) return false;
  return secrets.has(text.slice(first + 1, last + 1).toLowerCase());
}

function isNameCharacter(code: number): boolean {
  const lower = code | 0x20;
  return (lower >= 0x61 && lower <= 0x7a) || (code >= 0x30 && code <= 0x39) || code === 0x5f || code === 0x2d;
}

function valueStart(text: string, from: number): number {
  let at = from;
  while (text[at] === ' ' || text[at] === '\t') at++;
  if (text[at] === '\\' && text[at + 1] === '"') return at + 2;
  return text[at] === '"' ? at + 1 : at;
}

/** A quoted value ends at the same kind of quote, an unquoted one at a separator, a JSON list or object at its bracket. */
function valueEnd(text: string, start: number): number {
  const before = text[start - 1];
  if (before === '"') {
    const escaped = text[start - 2] === '\\';
    let at = start;
    while (at < text.length) {
      if (escaped && text[at] === '\\' && text[at + 1] === '"') return at;
      if (!escaped && text[at] === '"') return at;
      at += !escaped && text[at] === '\\' ? 2 : 1;
    }
    return text.length;
  }
  if (text[start] === '[' || text[start] === '{') return bracketEnd(text, start);
  let at = start;
  while (at < text.length && !' \t\r\n,;"\\}]'.includes(text[at]!)) at++;
  return at;
}

function bracketEnd(text: string, start: number): number {
  let depth = 0;
  let quoted = false;
  for (let at = start; at < text.length; at++) {
    const character = text[at];
    if (quoted) {
      if (character === '\\') at++;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === '[' || character === '{') depth++;
    else if ((character === ']' || character === '}') && --depth === 0) return at + 1;
  }
  return text.length;
}

/** A JSON value without quotes must become a string to stay JSON. */
function isJsonLiteral(text: string, start: number, separator: number): boolean {
  return separator === 0x3a && text[start - 1] !== '"';
}

/**
 * A copy of a value in which what stands under secret keys is masked, and passwords in URLs; `name`: the key of the value
 * itself.
 */
export function maskSecretKeys(value: unknown, name = ''): unknown {
  if (secrets.has(name.toLowerCase()) && value !== undefined) return mask;
  if (Array.isArray(value)) return value.map((item) => maskSecretKeys(item));
  if (typeof value === 'string') return maskUrlPassword(value);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, maskSecretKeys(child, key)]));
}

/** `redis://user:***@host` */
function maskUrlPassword(text: string): string {
  const start = text.indexOf('://');
  const end = start < 0 ? -1 : text.lastIndexOf('@');
  const colon = end < 0 ? -1 : text.indexOf(':', start + 3);
  return colon < 0 || colon > end ? text : `${text.slice(0, colon + 1)}${mask}${text.slice(end)}`;
}
