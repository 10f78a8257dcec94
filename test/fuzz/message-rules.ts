import { ParseFailure } from '#sip/errors';
import { trimBlanks } from '#sip/header/token';
import { parseVia, readSentBy } from '#sip/header/via';
import { createResponse } from '#sip/message/create';
import { type HeaderKey, type HeaderLine, lineValue, makeLine } from '#sip/message/header-list';
import { Header, headerName } from '#sip/message/header-names';
import type { SipMessage } from '#sip/message/response';
import { writeMessage } from '#sip/message/write';
import { type BrokenMessage, parseMessage } from '#sip/parser/parse-message';
import { checkRequest } from '#sip/parser/sanity';
import { coreReasons, warningOf } from '#sip/reasons';
import { flowFrom } from '../sip/wire-port.ts';
import type { Random } from './random.ts';
import { Broken, hold, shown } from './target.ts';

export const fuzzFlow = flowFrom('10.0.0.1', 5060);

/** Bounds that a message may exceed only because something was added to it on the way. */
const bounds = ['too many header fields', 'header field too long', 'Request-URI too long', 'stands twice', 'too large'];

/** Name and value of a header line, in one spelling. */
export function fieldOf(line: HeaderLine): string {
  return `${line.id === 0 ? line.extension : headerName(line.id)}: ${trimBlanks(lineValue(line))}`;
}

/** All fields but Content-Length, which writing may add, correct or drop. */
export function fieldsOf(message: SipMessage): readonly string[] {
  return message.headers.lines.filter(({ id }) => id !== Header['Content-Length']).map(fieldOf);
}

/** The message that comes out of a text which this suite has written; null when it only exceeds a bound. */
export function reread(text: string, rule: string): SipMessage | null {
  const again = parseMessage(text, fuzzFlow);
  if (again.kind !== 'broken') return again;
  if (bounds.some((bound) => again.reason.includes(bound))) return null;
  throw new Broken(rule, `${again.reason} in ${shown(text)}`);
}

/** Throws unless two messages say the same. */
export function mustEqual(rule: string, before: SipMessage, after: SipMessage): void {
  const start = (message: SipMessage) =>
    message.kind === 'request'
      ? `${message.method} ${message.requestUri}`
      : `${message.status} ${message.reasonPhrase}`;
  hold(`${rule}: start line`, start(before) === start(after), () => `${shown(start(before))}, ${shown(start(after))}`);
  hold(`${rule}: body`, before.body === after.body, () => `${before.body.length} and ${after.body.length} octets`);
  const [left, right] = [fieldsOf(before), fieldsOf(after)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const same = left[i] === right[i];
    if (!same) throw new Broken(`${rule}: field`, `${shown(left[i] ?? 'none')}, ${shown(right[i] ?? 'none')}`);
  }
}

/** What is written is read again as it was, and written again as it is. */
export function checkWritten(message: SipMessage): void {
  const text = writeMessage(message);
  const again = reread(text, 'a written message is refused');
  if (again === null) return;
  mustEqual('a written message says something else', message, again);
  hold('writing twice gives two texts', writeMessage(again) === text);
}

/** Header fields of answers that a node writes by itself. */
const ownFields = new Set([Header.Via, Header.From, Header.To, Header['Call-ID'], Header.CSeq, Header.Warning]);

/** An answer that says what is wrong can be made of any request that was read in part, and nothing of it gets loose. */
export function checkRefusal(broken: BrokenMessage): void {
  const { request } = broken;
  if (request === null) return;
  const via = request.headers.first(Header.Via);
  if (via !== null) {
    const parsed = parseVia(via);
    if (parsed instanceof ParseFailure) readSentBy(via);
  }
  const response = createResponse(request, broken.status || 400, 'fuzz');
  response.headers.append(Header.Warning, warningOf(coreReasons.malformed, '127.0.0.1:5060', broken.reason));
  const text = writeMessage(response);
  const again = parseMessage(text, fuzzFlow);
  if (again.kind === 'broken') {
    const bound = bounds.some((each) => again.reason.includes(each));
    hold('a refusal cannot be read', bound, () => `${again.reason} in ${shown(text)}`);
    return;
  }
  hold('a refusal is a request', again.kind === 'response');
  for (const { id, extension } of again.headers.lines) {
    const own = ownFields.has(id) || id === Header['Content-Length'];
    hold('a foreign field stands in a refusal', own, () => `${headerName(id)}${extension}`);
  }
  mustEqual('a refusal says something else', response, again);
}

/** Every way to look at the header fields. */
export function checkReads(message: SipMessage): void {
  const { headers } = message;
  for (const { id, extension } of headers.lines) {
    const key: HeaderKey = id === 0 ? extension : id;
    hold('a field that is there is not found', headers.has(key) && headers.countLines(key) > 0);
    const first = headers.first(key);
    const values = headers.values(key);
    hold('the first value is none', first !== null && headers.get(key) !== null);
    for (const value of values) hold('a value with a line end', !value.includes('\n') && !value.includes('\r'));
  }
  if (message.kind === 'request') checkRequest(message);
}

const editedKeys: readonly HeaderKey[] = [
  ...[Header.Via, Header.Route, Header['Record-Route'], Header['Max-Forwards'], Header['P-Asserted-Identity']],
  ...[Header.Contact, Header.Subject, Header.Privacy, 'X-Fuzz', 'x-fuzz', '__proto__'],
];

/** An edit of the header fields, by chance. */
export function editBy(message: SipMessage, random: Random, values: readonly string[]): void {
  const { headers } = message;
  const key = random.pick(editedKeys);
  const value = random.pick(values);
  switch (random.below(8)) {
    case 0:
      headers.set(key, value);
      break;
    case 1:
      headers.append(key, value);
      break;
    case 2:
      headers.prepend(key, value);
      break;
    case 3:
      headers.remove(key);
      break;
    case 4:
      headers.replaceFirst(key, value);
      break;
    case 5:
      headers.removeFirst(key);
      break;
    case 6:
      headers.filterValues(key, (each) => (each.length & 1) === random.below(2));
      break;
    default:
      headers.push(makeLine(key, value));
  }
}

/** Whatever is edited, what is written says what the message says. */
export function checkEdits(message: SipMessage, random: Random): void {
  const values = message.headers.lines
    .map(lineValue)
    .filter((value) => isWritable(value) && value.length < 1000)
    .concat('SIP/2.0/UDP a;branch=z9hG4bKb', '<sip:a@b;lr>, "x, y" <sip:c>', 'plain');
  for (let edits = random.length(6); edits > 0; edits--) editBy(message, random, values);
  checkWritten(message);
  checkReads(message);
}

/** Whether a value may be written into a line. */
function isWritable(value: string): boolean {
  return !value.includes('\r') && !value.includes('\n') && !value.includes('\0');
}
