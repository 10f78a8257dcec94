import { ParseFailure } from '#sip/errors';
import { parseNameAddr } from '#sip/header/name-addr';
import { parseDecimal } from '#sip/header/number-value';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { OwnNames } from '#sip/proxy/route-processing';
import { noParameters, type Parameters } from '#sip/uri/parameters';
import type { SipUri } from '#sip/uri/sip-uri';
import { parseUri } from '#sip/uri/uri';

/** What the application server can be, by the user part of its address. */
export const behaviourNames = [
  'proxy',
  'b2bua',
  'redirect',
  'silent',
  'trying',
  'failing',
  'announcing',
  'forwarding',
  'ipsmgw',
] as const;

export type BehaviourName = (typeof behaviourNames)[number];

/** How a request is to be treated. */
export interface Behaviour {
  readonly name: BehaviourName;
  /** Those of the address that it came by: `to`, `status` and so on. */
  readonly parameters: Parameters;
}

/**
 * The behaviour that the topmost Route of ours asks for, else a Request-URI of ours; without either, and for an address
 * without user part, it is `proxy`. An unknown user part is a ParseFailure.
 */
export function behaviourOf(request: SipRequest, own: OwnNames): Behaviour | ParseFailure {
  return behaviourAt(ownRouteOf(request, own) ?? ownRequestUri(request, own));
}

/** The behaviour of an address of ours; null: there was none. */
export function behaviourAt(uri: SipUri | null): Behaviour | ParseFailure {
  if (uri === null || uri.user === '') return { name: 'proxy', parameters: uri?.parameters ?? noParameters };
  const name = behaviourNames.find((known) => known === uri.user);
  if (name === undefined) return new ParseFailure(`no application server ${uri.user}`);
  return { name, parameters: uri.parameters };
}

/** The Request-URI when it names this server, else null. */
export function ownRequestUri({ uri }: SipRequest, own: OwnNames): SipUri | null {
  return !(uri instanceof ParseFailure) && uri.kind === 'sip' && own.has(uri) ? uri : null;
}

function ownRouteOf(request: SipRequest, own: OwnNames): SipUri | null {
  const value = request.headers.first(Header.Route);
  const address = value === null ? null : parseNameAddr(value);
  if (address === null || address instanceof ParseFailure) return null;
  const uri = parseUri(address.uri);
  return !(uri instanceof ParseFailure) && uri.kind === 'sip' && own.has(uri) ? uri : null;
}

/** A parameter that is a URI, its escapes undone (`to=sip:carol%40ims.test`); null when it is absent or no URI. */
export function uriParameter(parameters: Parameters, name: string): string | null {
  const value = parameters.get(name);
  const text = value === null ? null : unescaped(value);
  return text === null || parseUri(text) instanceof ParseFailure ? null : text;
}

/** A parameter that is a whole number of at least `min` and at most `max`, else `otherwise`. */
export function numberParameter(
  parameters: Parameters,
  name: string,
  { min, max, otherwise }: { readonly min: number; readonly max: number; readonly otherwise: number },
): number {
  const value = parameters.get(name);
  const number = value === null ? otherwise : parseDecimal(value, max);
  return number instanceof ParseFailure || number < min ? otherwise : number;
}

/** Octets of `%41` as latin1; null where an escape is none. */
function unescaped(text: string): string | null {
  let plain = '';
  let from = 0;
  for (let at = text.indexOf('%'); at >= 0; at = text.indexOf('%', from)) {
    const digits = text.slice(at + 1, at + 3);
    const code = Number.parseInt(digits, 16);
    if (digits.length < 2 || code.toString(16).padStart(2, '0') !== digits.toLowerCase()) return null;
    plain += text.slice(from, at) + String.fromCharCode(code);
    from = at + 3;
  }
  return plain + text.slice(from);
}
