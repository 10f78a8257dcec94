import type { JournalEntry } from '#sip/message/journal';
import type { TraceEvent } from './trace-recorder.ts';

/** One column of a ladder. */
export interface LadderParty {
  /** What the column is called. */
  readonly name: string;
  /** Under which name the party reports. */
  readonly node: string;
  /** `address:port` of its SIP sockets, and its Diameter names. */
  readonly addresses: readonly string[];
}

/** One message between two parties. */
export interface LadderMessage {
  /** Milliseconds of the clock that all reports share. */
  readonly t: number;
  /** Names of parties; an address where no party has it. */
  readonly from: string;
  readonly to: string;
  readonly kind: 'sip' | 'diameter';
  /** Method, status or Diameter command. */
  readonly label: string;
  /** The same where there is little room. */
  readonly shortLabel: string;
  readonly text: string;
  /** What the sender changed before it sent the message on. */
  readonly journal: readonly JournalEntry[];
}

export interface LadderStyle {
  /** Columns of the terminal, at most 120 are used. */
  readonly width?: number;
  readonly colour?: boolean;
  /** Show under each message what its sender added, changed and removed. */
  readonly headers?: boolean;
  /** Time zero; that of the first message when left out. */
  readonly startMs?: number;
}

/** What both ends of a message have reported of it. */
interface Reports {
  sent: TraceEvent | null;
  received: TraceEvent | null;
}

/** How many messages are kept; the oldest go first. */
const MAX_MESSAGES = 10_000;

/** Puts the reports of both ends of each message together, so that it is shown once. */
export class LadderBook {
  readonly #parties: LadderParty[];
  readonly #all: Reports[] = [];
  /** By key: those that lack the sender's report, and those that lack the receiver's. */
  readonly #waiting = new Map<string, Reports[]>();

  constructor(parties: readonly LadderParty[]) {
    this.#parties = [...parties];
  }

  add(event: TraceEvent): void {
    const side = event.dir === 'out' ? 'sent' : 'received';
    const waiting = this.#waiting.get(event.key);
    const other = waiting?.find((reports) => reports[side] === null);
    if (waiting !== undefined && other !== undefined) {
      other[side] = event;
      waiting.splice(waiting.indexOf(other), 1);
      if (waiting.length === 0) this.#waiting.delete(event.key);
      return;
    }
    const reports: Reports = { sent: null, received: null };
    reports[side] = event;
    this.#all.push(reports);
    if (waiting === undefined) this.#waiting.set(event.key, [reports]);
    else waiting.push(reports);
    if (this.#all.length > MAX_MESSAGES) this.#forget(this.#all.shift()!);
  }

  /** All messages in order of time. */
  messages(): LadderMessage[] {
    return this.#all.map((reports) => this.#message(reports)).sort((a, b) => a.t - b.t);
  }

  /** The messages in order of time; those that are given are not given again. */
  take(): LadderMessage[] {
    const messages = this.messages();
    this.#all.length = 0;
    this.#waiting.clear();
    return messages;
  }

  #message({ sent, received }: Reports): LadderMessage {
    const event = (sent ?? received)!;
    const from = sent !== null ? this.#byNode(sent.node) : this.#byAddress(received!.origin || received!.peer);
    const to = received !== null ? this.#byNode(received.node) : this.#receiverOf(sent!);
    return {
      t: event.t,
      from,
      to,
      kind: event.kind,
      ...labelsOf(event),
      text: event.text,
      journal: sent?.journal ?? [],
    };
  }

  /** Where a message went whose receiver does not report. */
  #receiverOf(sent: TraceEvent): string {
    if (sent.peer !== '' || sent.kind === 'sip') return this.#byAddress(sent.peer);
    const destination = avpValue(sent.text, 'Destination-Host') ?? avpValue(sent.text, 'Destination-Realm');
    return this.#byAddress(destination ?? 'Diameter');
  }

  #byNode(node: string): string {
    return this.#parties.find((party) => party.node === node)?.name ?? node;
  }

  #byAddress(address: string): string {
    return this.#parties.find((party) => party.addresses.includes(address))?.name ?? address;
  }

  #forget(reports: Reports): void {
    const key = (reports.sent ?? reports.received)!.key;
    const waiting = this.#waiting.get(key)?.filter((other) => other !== reports) ?? [];
    if (waiting.length === 0) this.#waiting.delete(key);
    else this.#waiting.set(key, waiting);
  }
}

function avpValue(text: string, name: string): string | undefined {
  const start = text.startsWith(`${name}: `) ? 0 : text.indexOf(`\n${name}: `) + 1;
  if (start === 0 && !text.startsWith(`${name}: `)) return undefined;
  const end = text.indexOf('\n', start);
  return text.slice(start + name.length + 2, end < 0 ? text.length : end);
}

/** The method, or the status with the method it answers; a Diameter message is its head. */
function labelsOf({ kind, head, text }: TraceEvent): { label: string; shortLabel: string } {
  if (kind === 'diameter') return { label: head, shortLabel: head };
  if (head.startsWith('SIP/2.0 ')) {
    const method = methodOf(text);
    const end = method === '' ? '' : ` (${method})`;
    return { label: `${head.slice(8)}${end}`, shortLabel: `${head.slice(8, 11)}${end}` };
  }
  const blank = head.indexOf(' ');
  const method = blank < 0 ? head : head.slice(0, blank);
  return { label: method, shortLabel: method };
}

function methodOf(text: string): string {
  for (const line of text.split('\r\n', 64)) {
    if (line.length > 5 && line.slice(0, 5).toLowerCase() === 'cseq:') {
      return line
        .slice(5)
        .trim()
        .replace(/^[0-9]+ +/, '');
    }
  }
  return '';
}

const MAX_WIDTH = 120;
const TIME_WIDTH = 8;
const LEAST_STEP = 14;
/** What a label on an arrow needs beside itself: blanks and ends of the line. */
const LABEL_MARGIN = 4;
const colours = { sip: '36', diameter: '35', faint: '2', added: '32', removed: '31', changed: '33' };

/**
 * Draws messages between parties, one column each: time in milliseconds, then an arrow with its label; a label that
 * is longer than its arrow stands above it. Parties without a column of their own share a last one.
 */
export function renderLadder(
  messages: readonly LadderMessage[],
  parties: readonly LadderParty[],
  style: LadderStyle = {},
): string {
  const names = parties.map((party) => party.name);
  const strangers = messages.some((message) => !names.includes(message.from) || !names.includes(message.to));
  if (strangers) names.push('others');
  const columns = layOut(names, Math.min(style.width ?? MAX_WIDTH, MAX_WIDTH));
  const startMs = style.startMs ?? messages[0]?.t ?? 0;
  const lines = [header(names, columns)];
  for (const message of messages) {
    lines.push(...drawMessage(message, names, columns, startMs, style.colour ?? false));
    if (style.headers) lines.push(...renderEdits(message, style.colour ?? false));
  }
  return `${lines.join('\n')}\n`;
}

/** Where the line of each party runs. */
function layOut(names: readonly string[], width: number): number[] {
  const first = TIME_WIDTH + 2 + Math.floor((names[0]?.length ?? 0) / 2);
  const last = width - 1 - Math.ceil((names.at(-1)?.length ?? 0) / 2);
  const step = Math.max(LEAST_STEP, Math.floor((last - first) / Math.max(1, names.length - 1)));
  return names.map((_name, i) => first + i * step);
}

function header(names: readonly string[], columns: readonly number[]): string {
  let line = 'ms'.padStart(TIME_WIDTH);
  for (const [i, name] of names.entries()) line = line.padEnd(columns[i]! - Math.floor(name.length / 2)) + name;
  return line;
}

function drawMessage(
  message: LadderMessage,
  names: readonly string[],
  columns: readonly number[],
  startMs: number,
  colour: boolean,
): string[] {
  const time = (message.t - startMs).toFixed(1).padStart(TIME_WIDTH);
  const at = (name: string) => columns[names.includes(name) ? names.indexOf(name) : columns.length - 1]!;
  const from = at(message.from);
  const to = at(message.to);
  const stranger = [message.from, message.to].find((name) => !names.includes(name));
  const left = Math.min(from, to);
  const right = Math.max(from, to);
  const room = right - left - 1;
  const words = left === right || message.label.length + LABEL_MARGIN <= room ? message.label : message.shortLabel;
  const label = stranger === undefined ? words : `${words} [${stranger}]`;
  const paint = (row: string[], start: number, end: number) => {
    if (!colour) return row.join('').trimEnd();
    const text = row.join('');
    const code = colours[message.kind];
    return `${text.slice(0, start)}\x1b[${code}m${text.slice(start, end)}\x1b[0m${text.slice(end).trimEnd()}`;
  };
  const rail = (timeText: string) => {
    const row = timeText.padEnd(Math.max(columns.at(-1)! + 1, left + label.length + 3)).split('');
    for (const column of columns) row[column] = '|';
    return row;
  };
  const put = (row: string[], start: number, text: string) => {
    for (let i = 0; i < text.length; i++) row[start + i] = text[i]!;
  };

  if (left === right) {
    const row = rail(time);
    put(row, left + 1, `: ${label}`);
    return [paint(row, left + 1, left + 3 + label.length)];
  }
  const rows: string[] = [];
  const arrow = rail(time);
  let line = '-'.repeat(room - 1);
  line = to > from ? `${line}>` : `<${line}`;
  put(arrow, left + 1, line);
  if (label.length + LABEL_MARGIN <= room) {
    // One end of the arrow is its head; a dash that cannot be shared stands there.
    const dashes = (room - 1 - label.length - 2) / 2;
    const before = to > from ? Math.floor(dashes) : 1 + Math.ceil(dashes);
    put(arrow, left + 1 + before, ` ${label} `);
  } else {
    const above = rail('');
    const start = Math.max(TIME_WIDTH + 1, Math.min(left + 2, columns.at(-1)! - label.length));
    put(above, start, label);
    rows.push(paint(above, start, start + label.length));
  }
  rows.push(paint(arrow, left + 1, right));
  return rows;
}

/** What the sender of a message added (+), changed (~) and removed (-), under the procedure that did it. */
function renderEdits(message: LadderMessage, colour: boolean): string[] {
  const indent = ' '.repeat(TIME_WIDTH + 2);
  const lines: string[] = [];
  const paint = (code: string, text: string) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);
  let procedure: string | null = null;
  for (const edit of message.journal) {
    if (edit.procedure !== procedure) {
      procedure = edit.procedure;
      lines.push(indent + paint(colours.faint, `${message.from}: ${procedure === '' ? 'core' : procedure}`));
    }
    lines.push(...editLines(edit).map(([code, text]) => `${indent}  ${paint(code, text)}`));
  }
  return lines;
}

function editLines({ before, after }: JournalEntry): [string, string][] {
  if (before === null) return [[colours.added, `+ ${after ?? ''}`]];
  if (after === null) return [[colours.removed, `- ${before}`]];
  return [
    [colours.changed, `~ ${before}`],
    [colours.changed, `> ${after}`],
  ];
}
