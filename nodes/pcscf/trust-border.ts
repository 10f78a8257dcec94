import { withoutParameter } from '#sip/auth/digest';
import { ParseFailure } from '#sip/errors';
import { withoutNetworkProvided } from '#sip/header/access-network-info';
import { withoutTag } from '#sip/header/option-tags';
import { parsePrivacy } from '#sip/header/privacy';
import { type HeaderList, lineValue } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import { equalsIgnoreCase } from '#sip/uri/characters';

/** A message that crosses the border between UE and trust domain. */
export type Crossing = 'registerFromUe' | 'requestFromUe' | 'responseFromUe' | 'requestToUe' | 'responseToUe';

/** What happens to a header field: it passes, or it is taken out (and, where a procedure says so, written anew). */
type Rule = 'keep' | 'strip';

type Row = readonly [header: keyof typeof Header, rules: Readonly<Record<Crossing, Rule>>];

function row(
  header: keyof typeof Header,
  registerFromUe: Rule,
  requestFromUe: Rule,
  responseFromUe: Rule,
  requestToUe: Rule,
  responseToUe: Rule,
): Row {
  return [header, { registerFromUe, requestFromUe, responseFromUe, requestToUe, responseToUe }];
}

/**
 * The border. Header fields that are not named pass, with two more rules: `network-provided` access information of a UE
 * is taken out, and asserted identities do not reach a UE when their owner asks for privacy.
 * Source: TS 24.229 4.4, 5.2.2, 5.2.6; RFC 3325 7; requirements P-16, P-18, P-51, P-73, P-74, P-91, P-103, X-I1, X-I2.
 */
// biome-ignore format: a table
const border: readonly Row[] = [
  //                                     REGISTER  request  response | request  response
  //                                     from UE   from UE  from UE  | to UE    to UE
  row('P-Asserted-Identity',            'strip',  'strip', 'strip',   'keep',  'keep'),
  row('P-Preferred-Identity',           'keep',   'strip', 'strip',   'strip', 'strip'),
  row('P-Charging-Vector',              'strip',  'strip', 'strip',   'strip', 'strip'),
  row('P-Charging-Function-Addresses',  'strip',  'strip', 'strip',   'strip', 'strip'),
  row('P-Visited-Network-ID',           'strip',  'strip', 'strip',   'strip', 'strip'),
  row('P-Associated-URI',               'strip',  'strip', 'strip',   'strip', 'keep'),
  row('Service-Route',                  'strip',  'strip', 'strip',   'strip', 'keep'),
  row('Path',                           'strip',  'strip', 'strip',   'strip', 'keep'),
  row('P-User-Database',                'strip',  'strip', 'strip',   'strip', 'strip'),
  row('P-Profile-Key',                  'strip',  'strip', 'strip',   'strip', 'strip'),
  row('P-Served-User',                  'strip',  'strip', 'strip',   'strip', 'strip'),
  row('P-Called-Party-ID',              'strip',  'strip', 'strip',   'keep',  'keep'),
  row('P-Asserted-Service',             'strip',  'strip', 'strip',   'keep',  'keep'),
  row('P-Private-Network-Indication',   'strip',  'strip', 'strip',   'strip', 'strip'),
  row('Feature-Caps',                   'strip',  'strip', 'strip',   'keep',  'keep'),
  row('Relayed-Charge',                 'strip',  'strip', 'strip',   'strip', 'strip'),
  row('Response-Source',                'strip',  'strip', 'strip',   'keep',  'keep'),
  row('Restoration-Info',               'strip',  'strip', 'strip',   'strip', 'strip'),
  row('Attestation-Info',               'strip',  'strip', 'strip',   'strip', 'strip'),
  row('Origination-Id',                 'strip',  'strip', 'strip',   'strip', 'strip'),
  row('Service-Interact-Info',          'strip',  'strip', 'strip',   'strip', 'strip'),
  row('Priority-Verstat',               'strip',  'strip', 'strip',   'strip', 'strip'),
  row('P-Access-Network-Info',          'keep',   'keep',  'keep',    'strip', 'strip'),
  row('Security-Client',                'strip',  'strip', 'strip',   'strip', 'strip'),
  row('Security-Verify',                'strip',  'strip', 'strip',   'strip', 'strip'),
  row('Security-Server',                'strip',  'strip', 'strip',   'strip', 'strip'),
];

const stripped: Readonly<Record<Crossing, Uint8Array>> = {
  registerFromUe: compile('registerFromUe'),
  requestFromUe: compile('requestFromUe'),
  responseFromUe: compile('responseFromUe'),
  requestToUe: compile('requestToUe'),
  responseToUe: compile('responseToUe'),
};

function compile(crossing: Crossing): Uint8Array {
  const flags = new Uint8Array(256);
  for (const [header, rules] of border) if (rules[crossing] === 'strip') flags[Header[header]] = 1;
  return flags;
}

/**
 * Applies the table to a message; what procedures write anew they write after it. `withheld`: values of Privacy, besides id,
 * by which asserted identities do not reach a UE.
 */
export function crossBorder(headers: HeaderList, crossing: Crossing, withheld: readonly string[] = none): void {
  const flags = stripped[crossing];
  let { lines } = headers;
  for (let i = lines.length - 1; i >= 0; i--) {
    const line = lines[i];
    // An edit may have taken further lines of the same header out.
    if (line === undefined || flags[line.id] === 0) continue;
    headers.remove(line.id);
    lines = headers.lines;
  }
  if (crossing === 'requestToUe' || crossing === 'responseToUe') withholdIdentity(headers, withheld);
  else {
    dropNetworkProvided(headers);
    dropSecurityAgreement(headers);
  }
}

const none: readonly string[] = Object.freeze([]);

/** Source: RFC 3323 4.2, RFC 3325 7; requirement P-91. */
function withholdIdentity(headers: HeaderList, withheld: readonly string[]): void {
  if (!headers.has(Header.Privacy) || !headers.has(Header['P-Asserted-Identity'])) return;
  const asked = parsePrivacy(headers.values(Header.Privacy));
  if (!asked.some((value) => value === 'id' || withheld.includes(value))) return;
  headers.remove(Header['P-Asserted-Identity']);
}

/** Source: RFC 7315 5.4; requirements P-18, P-74. */
function dropNetworkProvided(headers: HeaderList): void {
  const value = headers.get(Header['P-Access-Network-Info']);
  if (value === null) return;
  if (headers.countLines(Header['P-Access-Network-Info']) === 1 && !mentionsNetworkProvided(value)) return;
  headers.filterValues(Header['P-Access-Network-Info'], (info) => withoutNetworkProvided(info) !== '');
}

function mentionsNetworkProvided(value: string): boolean {
  return value.toLowerCase().includes('network-provided');
}

/** Source: RFC 3329 2.3.1; requirements P-16, P-73. */
function dropSecurityAgreement(headers: HeaderList): void {
  dropTag(headers, Header.Require);
  dropTag(headers, Header['Proxy-Require']);
}

function dropTag(headers: HeaderList, id: number): void {
  const values = headers.has(id) ? headers.values(id) : [];
  if (values.some((value) => equalsIgnoreCase(value, 'sec-agree'))) {
    headers.filterValues(id, (value) => withoutTag(value, 'sec-agree') !== '');
  }
}

/**
 * Takes `integrity-protected` out of the credentials of a UE: only this node may say it. Credentials that cannot be read
 * go altogether, since the next node might read them otherwise.
 * Source: TS 24.229 5.2.2.1; requirements P-17, X-I3.
 */
export function dropIntegrityClaims(headers: HeaderList): void {
  rewriteLines(headers, Header.Authorization, (value) => {
    const plain = withoutParameter(value, 'integrity-protected');
    return plain instanceof ParseFailure ? null : plain;
  });
}

/**
 * Takes the keys out of challenges on their way to the UE.
 * Source: TS 24.229 5.2.2.1, TS 33.203 6.1.1; requirements P-30, X-I15.
 */
export function dropKeys(headers: HeaderList): void {
  rewriteLines(headers, Header['WWW-Authenticate'], (value) => {
    const withoutCk = withoutParameter(value, 'ck');
    // A challenge of another scheme has no keys; a Digest one that cannot be read might have.
    if (withoutCk instanceof ParseFailure) return equalsIgnoreCase(value.slice(0, 6), 'digest') ? null : value;
    const withoutBoth = withoutParameter(withoutCk, 'ik');
    return withoutBoth instanceof ParseFailure ? null : withoutBoth;
  });
}

/** Gives every line of a header another value, or takes it out (null); without a change nothing is touched. */
function rewriteLines(headers: HeaderList, id: number, rewrite: (value: string) => string | null): void {
  if (!headers.has(id)) return;
  const values: (string | null)[] = [];
  let changed = false;
  for (const line of headers.lines) {
    if (line.id !== id) continue;
    const before = lineValue(line);
    const after = rewrite(before);
    changed ||= after !== before;
    values.push(after);
  }
  if (!changed) return;
  headers.remove(id);
  for (const value of values) if (value !== null) headers.append(id, value);
}
