import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ParseFailure } from '#sip/errors';
import { splitListValues } from '#sip/header/list-values';
import { formatNameAddr, parseNameAddr } from '#sip/header/name-addr';
import { formatVia, parseVia } from '#sip/header/via';
import { Header } from '#sip/message/header-names';
import type { SipMessage } from '#sip/message/response';
import { writeMessage } from '#sip/message/write';
import { parseMessage } from '#sip/parser/parse-message';
import { parseSessionDescription } from '#sip/sdp/session-description';
import { formatUri, parseUri } from '#sip/uri/uri';
import { uriEquals } from '#sip/uri/uri-equality';
import { flowMessages } from '../../fixtures/flow-messages.ts';
import { messageSeeds, sdpSeeds, valueSeeds } from '../../fuzz/corpus.ts';
import { grammarsOf } from '../../fuzz/grammar-functions.ts';
import { checkGrammar } from '../../fuzz/header-targets.ts';
import { fieldOf, fieldsOf, mustEqual } from '../../fuzz/message-rules.ts';
import { mutate } from '../../fuzz/mutate.ts';
import { Random } from '../../fuzz/random.ts';
import { editSdp, sdpWords } from '../../fuzz/sdp-target.ts';
import { flowFrom } from '../wire-port.ts';
import { lineText, octets, sipUriText, token, uriText, writtenField } from './arbitraries.ts';

const flow = flowFrom('10.0.0.1', 5060);
const lineEnd = fc.constantFrom('\r\n', '\n');

function parse(text: string): SipMessage {
  const message = parseMessage(text, flow);
  if (message.kind === 'broken') throw new Error(`${message.reason} in ${JSON.stringify(text)}`);
  return message;
}

describe('C-22 C-28 messages', () => {
  it('C-22 a request says what was written, and is written as it says', () => {
    fc.assert(
      fc.property(
        token,
        sipUriText,
        fc.array(writtenField, { maxLength: 20 }),
        lineEnd,
        octets,
        (method, uri, fields, end, body) => {
          const lines = [`${method} ${uri} SIP/2.0`, ...fields.map(({ text }) => text), `l : ${body.length}`];
          const text = `${lines.join(end)}${end}${end}${body}`;
          const request = parse(text);
          if (request.kind !== 'request') throw new Error('no request');
          expect([request.method, request.requestUri, request.body]).toEqual([method, uri, body]);
          expect(fieldsOf(request)).toEqual(fields.map(({ says }) => says));
          const written = writeMessage(request);
          // Nothing was edited: all lines and the body are as they came, between our start line and empty line.
          const kept = `${lines.slice(1).join(end)}${end}`;
          expect(written).toBe(`${method} ${uri} SIP/2.0\r\n${kept}\r\n${body}`);
          mustEqual('again', request, parse(written));
        },
      ),
      { numRuns: 400 },
    );
  });

  it('C-22 a response says what was written, and is written as it says', () => {
    const phrase = lineText.map((text) => text.replace(/\t/g, ' '));
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 699 }),
        phrase,
        fc.array(writtenField, { maxLength: 20 }),
        octets,
        (status, words, fields, body) => {
          const text = [`SIP/2.0 ${status} ${words}`, ...fields.map((field) => field.text), '', body].join('\r\n');
          const response = parse(text);
          if (response.kind !== 'response') throw new Error('no response');
          expect([response.status, response.reasonPhrase, response.body]).toEqual([status, words, body]);
          expect(fieldsOf(response)).toEqual(fields.map(({ says }) => says));
          mustEqual('again', response, parse(writeMessage(response)));
        },
      ),
      { numRuns: 400 },
    );
  });
});

interface Edit {
  readonly what: 'set' | 'append' | 'prepend' | 'remove' | 'replaceFirst' | 'removeFirst' | 'filterValues';
  readonly key: number | string;
  readonly value: string;
}

const listValue = fc.oneof(
  sipUriText.map((uri) => `<${uri}>;lr`),
  token.map((name) => `"${name}, ${name}" <sip:${name.replaceAll('%', '')}x@b>;p="a,b"`),
  token,
);
const edit: fc.Arbitrary<Edit> = fc.record({
  what: fc.constantFrom('set', 'append', 'prepend', 'remove', 'replaceFirst', 'removeFirst', 'filterValues'),
  key: fc.constantFrom<number | string>(Header.Via, Header.Route, Header.Contact, Header.Subject, 'X-Own', '__proto__'),
  value: fc.oneof(
    listValue,
    fc.array(listValue, { minLength: 1, maxLength: 3 }).map((values) => values.join(', ')),
  ),
});

const keep = (value: string) => value.length % 2 === 0;

/** The single values of a text, as a list header has them; others are one. */
function valuesOf(key: number | string, text: string): string[] {
  if (key === Header.Subject) return [text];
  const values = splitListValues(text);
  if (values instanceof ParseFailure) throw new Error(text);
  return values;
}

/** What the values of the header have to be after an edit. */
function after({ what, key, value }: Edit, before: readonly string[]): readonly string[] {
  const given = valuesOf(key, value);
  switch (what) {
    case 'set':
      return given;
    case 'append':
      return [...before, ...given];
    case 'prepend':
      return [...given, ...before];
    case 'remove':
      return [];
    case 'replaceFirst':
      return [...given, ...before.slice(1)];
    case 'removeFirst':
      return before.slice(1);
    case 'filterValues':
      return before.filter(keep);
  }
}

function apply(message: SipMessage, { what, key, value }: Edit): void {
  const { headers } = message;
  if (what === 'remove') headers.remove(key);
  else if (what === 'removeFirst') headers.removeFirst(key);
  else if (what === 'filterValues') headers.filterValues(key, keep);
  else headers[what](key, value);
}

describe('C-22 edits of header fields', () => {
  it('C-22 each does what it says, touches nothing else, and what is written says the same', () => {
    fc.assert(
      fc.property(fc.constantFrom(...flowMessages), fc.array(edit, { maxLength: 12 }), (text, edits) => {
        const message = parse(text);
        for (const each of edits) {
          const { headers } = message;
          const others = () => headers.lines.map(fieldOf).filter((field) => !isOf(field, each.key));
          const [untouched, expected] = [others(), after(each, headers.values(each.key))];
          apply(message, each);
          expect(headers.values(each.key)).toEqual(expected);
          expect(others()).toEqual(untouched);
          mustEqual('written', message, parse(writeMessage(message)));
        }
      }),
      { numRuns: 200 },
    );
  });

  function isOf(field: string, key: number | string): boolean {
    const name = field.slice(0, field.indexOf(':'));
    return typeof key === 'string' ? name === key.toLowerCase() : Header[name as keyof typeof Header] === key;
  }
});

describe('C-22 URIs', () => {
  it('C-22 a URI that is written is the one that was read', () => {
    fc.assert(
      fc.property(uriText, (text) => {
        const uri = parseUri(text);
        if (uri instanceof ParseFailure) throw new Error(`${uri.reason}: ${text}`);
        const written = formatUri(uri);
        const again = parseUri(written);
        if (again instanceof ParseFailure) throw new Error(`${again.reason}: ${written}`);
        expect(again).toEqual(uri);
        expect(uriEquals(uri, again)).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it('C-22 equality has no direction', () => {
    fc.assert(
      fc.property(uriText, uriText, (left, right) => {
        const [a, b] = [parseUri(left), parseUri(right)];
        if (a instanceof ParseFailure || b instanceof ParseFailure) throw new Error(`${left} ${right}`);
        expect(uriEquals(a, b)).toBe(uriEquals(b, a));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('C-22 header values', () => {
  it('C-22 an address that is written is the one that was read', () => {
    const display = fc.oneof(
      fc.constant(''),
      token,
      lineText.map((text) => `"${text.replace(/[\\"]|[^ -~\x80-\xff]/g, '')}"`),
    );
    const parameters = fc.array(fc.tuple(token, token), { maxLength: 3 });
    fc.assert(
      fc.property(display, sipUriText, parameters, (name, uri, list) => {
        const tail = list.map(([key, value]) => `;p${key}=${value}`).join(' ');
        const address = parseNameAddr(`${name} <${uri}> ${tail}`);
        if (address instanceof ParseFailure) throw new Error(address.reason);
        expect([address.displayName, address.uri]).toEqual([name, uri]);
        for (const [key, value] of list.slice(0, 1))
          expect(address.parameters.get(`P${key.toUpperCase()}`)).toBe(value);
        expect(parseNameAddr(formatNameAddr(address))).toEqual(address);
      }),
      { numRuns: 500 },
    );
  });

  it('C-22 a Via that is written is the one that was read, whatever blanks stood in it', () => {
    const blank = fc.constantFrom('', ' ', '\t ');
    fc.assert(
      fc.property(
        token,
        fc.constantFrom('h', '192.0.2.1', '[2001:db8::1]'),
        fc.integer({ min: 1, max: 65_535 }),
        token,
        blank,
        (transport, host, port, branch, b) => {
          const via = parseVia(
            `SIP${b}/${b}2.0${b}/${b}${transport} ${b}${host}${b}:${b}${port}${b};${b}branch${b}=${b}${branch}${b};rport`,
          );
          if (via instanceof ParseFailure) throw new Error(via.reason);
          expect([via.transport, via.port, via.branch, via.rport]).toEqual([transport.toUpperCase(), port, branch, 0]);
          const again = parseVia(formatVia(via));
          expect(again).toMatchObject({ transport: via.transport, host: via.host, port, branch, rport: 0 });
        },
      ),
      { numRuns: 500 },
    );
  });

  it('C-22 what every writer of a header, a URI or a line of SDP writes is read as the same', async () => {
    const seeds = valueSeeds(messageSeeds());
    const input = fc.oneof(
      fc.constantFrom(...seeds),
      fc
        .tuple(fc.constantFrom(...seeds), fc.constantFrom(...seeds), fc.nat())
        .map(([a, b, seed]) => mutate(a, b, new Random(seed))),
    );
    for (const folder of ['header', 'uri', 'sdp'] as const) {
      for (const grammar of await grammarsOf(folder)) {
        fc.assert(
          fc.property(input, (text) => checkGrammar(grammar, text.replace(/[\r\n]/g, ' ').slice(0, 2_000))),
          { numRuns: 60 },
        );
      }
    }
  });
});

describe('C-28 edits of SDP', () => {
  it('C-28 an edited description says in writing what it says in memory', () => {
    const texts = sdpSeeds(messageSeeds()).filter((text) => !(parseSessionDescription(text) instanceof ParseFailure));
    expect(texts.length).toBeGreaterThan(5);
    fc.assert(
      fc.property(fc.constantFrom(...texts), fc.array(fc.nat(), { maxLength: 10 }), (text, seeds) => {
        const sdp = parseSessionDescription(text);
        if (sdp instanceof ParseFailure) throw sdp;
        expect(sdp.text).toBe(text);
        for (const seed of seeds) {
          editSdp(sdp, new Random(seed));
          const again = parseSessionDescription(sdp.text);
          if (again instanceof ParseFailure) throw new Error(`${again.reason}: ${sdp.text}`);
          expect(sdpWords(again)).toBe(sdpWords(sdp));
        }
      }),
      { numRuns: 200 },
    );
  });
});
