import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lineValue } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import { parseMessage } from '#sip/parser/parse-message';
import { flowMessages } from '../fixtures/flow-messages.ts';
import { readMessages, rfc4475Folder } from '../torture/rfc4475-files.ts';
import { rfc4475Invalid } from '../torture/rfc4475-invalid.ts';
import { rfc4475Semantics } from '../torture/rfc4475-semantics.ts';
import { rfc4475Valid } from '../torture/rfc4475-valid.ts';
import { rfc5118 } from '../torture/rfc5118.ts';
import { fuzzFlow } from './message-rules.ts';

const tests = fileURLToPath(new URL('../sip/', import.meta.url));

/** Torture messages, ours and (where they are) the RFC's, and messages of usual flows. */
export function messageSeeds(): readonly string[] {
  const folder = rfc4475Folder();
  const own = [...rfc4475Valid, ...rfc4475Invalid, ...rfc4475Semantics, ...rfc5118].map(({ message }) => message);
  return [...own, ...flowMessages, ...(folder === null ? [] : readMessages(folder).values())];
}

/** Values of all header fields of the messages, and the texts that the tests of header families are about. */
export function valueSeeds(messages: readonly string[]): readonly string[] {
  const values = new Set<string>(textsOfTests('header'));
  for (const text of messages) {
    const message = parseMessage(text, fuzzFlow);
    const readable = message.kind === 'broken' ? message.request : message;
    if (readable === null) continue;
    for (const line of readable.headers.lines) values.add(lineValue(line));
  }
  return [...values];
}

/** URIs of the messages and of the tests. */
export function uriSeeds(messages: readonly string[]): readonly string[] {
  const uris = new Set<string>(textsOfTests('uri'));
  for (const text of messages) {
    for (const [uri] of text.matchAll(/(?:sips?|tel|urn):[^\s<>"]+/g)) uris.add(uri);
  }
  return [...uris];
}

/** Bodies of the messages that are SDP, and the texts of the tests of SDP. */
export function sdpSeeds(messages: readonly string[]): readonly string[] {
  const bodies = messages.map((text) => text.slice(text.indexOf('\r\n\r\n') + 4));
  return [...bodies.filter((body) => body.startsWith('v=0')), ...textsOfTests('sdp')];
}

/** Content-Type, line end, body: of the messages with a body. */
export function multipartSeeds(messages: readonly string[]): readonly string[] {
  const seeds: string[] = [];
  for (const text of messages) {
    const message = parseMessage(text, fuzzFlow);
    if (message.kind === 'broken' || message.body === '') continue;
    const type = message.headers.get(Header['Content-Type']) ?? '';
    seeds.push(`${type}\n${message.body}`, `multipart/mixed;boundary=b\n--b\r\n\r\n${message.body}\r\n--b--`);
  }
  return seeds;
}

/** String literals in the tests of a folder: examples that somebody has thought about. */
function textsOfTests(folder: string): readonly string[] {
  let files: string[];
  try {
    files = readdirSync(join(tests, folder));
  } catch {
    return [];
  }
  const texts = new Set<string>();
  for (const file of files.filter((name) => name.endsWith('.test.ts'))) {
    const source = readFileSync(join(tests, folder, file), 'utf8');
    for (const [, literal] of source.matchAll(/'((?:[^'\\\n]|\\.){3,400})'/g)) texts.add(unescaped(literal!));
  }
  return [...texts];
}

function unescaped(literal: string): string {
  const marks: Readonly<Record<string, string>> = { r: '\r', n: '\n', t: '\t', '0': '\0' };
  return literal
    .replace(/\\x([0-9a-f]{2})|\\(.)/gi, (_, hex: string | undefined, mark: string) =>
      hex === undefined ? (marks[mark] ?? mark) : String.fromCharCode(Number.parseInt(hex, 16)),
    )
    .replace(/[^\0-\xff]/g, '?');
}
