/*
 * What a phone reads of a message, by search in its text: a few names of fields in the spelling that this suite's
 * daemons and this driver write. Cheaper than an index of all fields, and the driver has to be cheap.
 */

/** Status code of a response, 0 for a request and for what is neither. */
export function statusOf(text: string): number {
  if (!text.startsWith('SIP/2.0 ')) return 0;
  const status = Number(text.slice(8, 11));
  return status >= 100 && status < 700 ? status : 0;
}

/** Method of a request: what stands before the first space. */
export function methodOf(text: string): string {
  return text.slice(0, Math.max(0, text.indexOf(' ')));
}

/** Request-URI of a request. */
export function requestUriOf(text: string): string {
  const start = text.indexOf(' ') + 1;
  return text.slice(start, text.indexOf(' ', start));
}

/** Value of the first field of this name, empty when there is none. */
export function fieldOf(text: string, name: string): string {
  const at = text.indexOf(`\n${name}: `);
  if (at < 0) return '';
  const start = at + name.length + 3;
  return text.slice(start, text.indexOf('\r', start));
}

/** Values of all fields of this name, one per line, in order. */
export function fieldsOf(text: string, name: string): string[] {
  const values: string[] = [];
  const mark = `\n${name}: `;
  for (let at = text.indexOf(mark); at >= 0; at = text.indexOf(mark, at)) {
    const start = at + mark.length;
    at = text.indexOf('\r', start);
    values.push(text.slice(start, at));
  }
  return values;
}

/** Method of the CSeq field. */
export function cseqMethodOf(text: string): string {
  const value = fieldOf(text, 'CSeq');
  return value.slice(value.indexOf(' ') + 1);
}

/** Value of the tag parameter of a From or To value, empty without one. */
export function tagOf(value: string): string {
  return parameterOf(value, ';tag=');
}

/** Branch of the topmost Via. */
export function branchOf(text: string): string {
  return parameterOf(fieldOf(text, 'Via'), ';branch=');
}

/** The URI between angle brackets. */
export function uriOf(value: string): string {
  const start = value.indexOf('<') + 1;
  const end = value.indexOf('>', start);
  return start > 0 && end > start ? value.slice(start, end) : '';
}

/** A quoted or bare parameter of a challenge, empty without it. */
export function challengeParameter(value: string, name: string): string {
  const match = new RegExp(`[ ,]${name}=(?:"([^"]*)"|([^,]*))`, 'i').exec(value);
  return match?.[1] ?? match?.[2] ?? '';
}

function parameterOf(value: string, mark: string): string {
  const at = value.indexOf(mark);
  if (at < 0) return '';
  const start = at + mark.length;
  let end = start;
  while (end < value.length && !';, >'.includes(value[end]!)) end++;
  return value.slice(start, end);
}
