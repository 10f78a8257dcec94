import fc from 'fast-check';
import { Header, headerName } from '#sip/message/header-names';

/** Octets as latin1 text. */
export const octets: fc.Arbitrary<string> = fc
  .uint8Array({ maxLength: 200 })
  .map((bytes) => Buffer.from(bytes).toString('latin1'));

const tokenCharacters = "abcXYZ019-.!%*_+`'~";
export const token = fc.string({ unit: fc.constantFrom(...tokenCharacters), minLength: 1, maxLength: 12 });

/** Text of a header value on one line: any octet but CR, LF, NUL; no blanks at its ends. */
export const lineText = fc
  .uint8Array({ maxLength: 40 })
  .map((bytes) => Buffer.from(bytes.filter((code) => code !== 0 && code !== 10 && code !== 13)).toString('latin1'))
  .map((text) => text.replace(/^[ \t]+|[ \t]+$/g, ''));

const blanks = fc.constantFrom(' ', '\t', '  ', '');
const folding = fc.constantFrom(' ', '\r\n ', '\n\t', ' \r\n \t', '\r\n \r\n ');

/** Names of header fields of the suite that may stand several times, and names nobody knows. */
const known = [
  ...[
    'Via',
    'Route',
    'Contact',
    'Supported',
    'Allow',
    'Accept',
    'Subject',
    'P-Asserted-Identity',
    'Privacy',
    'Warning',
  ],
  ...['Server', 'Require', 'Reason', 'Path', 'Record-Route', 'History-Info', 'Geolocation', 'Date', 'Timestamp'],
] as const;
const compact: Readonly<Record<string, string>> = { Via: 'v', Contact: 'm', Supported: 'k', Subject: 's' };

/** A header line as it may be written, and what it says. */
export interface WrittenField {
  /** Without its line end. */
  readonly text: string;
  /** `Via: value`, the name as the suite writes it (unknown ones in lower case), the value unfolded. */
  readonly says: string;
}

const spelling = fc.oneof(
  fc.tuple(fc.constantFrom(...known), fc.nat(3)).map(([name, how]) => {
    const id = Header[name as keyof typeof Header];
    const spelt = [name, name.toLowerCase(), name.toUpperCase(), compact[name] ?? name][how]!;
    return { spelt, canonical: headerName(id) };
  }),
  token.map((name) => ({ spelt: `X-${name}`, canonical: `x-${name.toLowerCase()}` })),
  fc
    .constantFrom('__proto__', 'constructor', 'toString')
    .map((name) => ({ spelt: name, canonical: name.toLowerCase() })),
);

export const writtenField: fc.Arbitrary<WrittenField> = fc
  .record({
    name: spelling,
    before: blanks,
    after: blanks,
    pieces: fc.array(lineText, { maxLength: 4 }),
    fold: folding,
    end: blanks,
  })
  .map(({ name, before, after, pieces, fold, end }) => {
    const parts = pieces.filter((piece) => piece !== '');
    // Where it is not folded, the blank between two pieces is part of the value.
    const value = parts.join(' ');
    return {
      text: `${name.spelt}${before}:${after}${parts.join(fold)}${end}`,
      says: `${name.canonical}: ${value}`,
    };
  });

const hostName = fc.constantFrom(
  'ims.test',
  'a.b-c.test',
  'x',
  '192.0.2.1',
  '[2001:db8::1]',
  '[::ffff:192.0.2.1]',
  'h_1.test.',
);
const port = fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: 0 });
const escaped = fc.constantFrom('%41', '%00', '%0d%0A', '%fF', '%3B');
const userPart = fc
  .array(fc.oneof(fc.constantFrom(..."aZ0-_.!~*'()&=+$,;?/"), escaped), { minLength: 1, maxLength: 10 })
  .map((parts) => parts.join(''));
const word = fc
  .array(fc.oneof(fc.constantFrom(..."aZ09-_.!~*'()[]/:&+$"), escaped), { minLength: 1, maxLength: 6 })
  .map((parts) => parts.join(''));
const uriParameters = fc
  .array(fc.tuple(word, fc.option(word, { nil: null })), { maxLength: 4 })
  .map((list) => list.map(([name, value]) => `;${name}${value === null ? '' : `=${value}`}`).join(''));
const uriHeaders = fc
  .option(fc.tuple(word, word), { nil: null })
  .map((pair) => (pair === null ? '' : `?${pair[0]}=${pair[1]}`));

export const sipUriText = fc
  .tuple(
    fc.constantFrom('sip', 'sips', 'SIP', 'sIpS'),
    fc.option(userPart, { nil: null }),
    hostName,
    port,
    uriParameters,
    uriHeaders,
  )
  .map(
    ([scheme, user, host, number, parameters, headers]) =>
      `${scheme}:${user === null ? '' : `${user}@`}${host}${number === 0 ? '' : `:${number}`}${parameters}${headers}`,
  );

export const telUriText = fc
  .tuple(fc.constantFrom('+', ''), fc.array(fc.constantFrom(...'0123456789-.()'), { maxLength: 12 }), uriParameters)
  .map(([plus, digits, parameters]) => `tel:${plus}${digits.join('')}7${parameters}`);

export const urnText = fc
  .tuple(fc.constantFrom('urn:service:sos', 'urn:uuid:', 'urn:urn-7:3gpp', 'urn:GSMA:imei:'), word)
  .map(([start, rest]) => `${start}${rest}`);

export const uriText = fc.oneof(sipUriText, telUriText, urnText);
