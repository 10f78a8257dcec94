import { impuOf } from '#ims/identity';
import { ParseFailure } from '#sip/errors';
import { parseNameAddr } from '#sip/header/name-addr';
import type { HeaderList } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import type { Binding, Identity } from './binding.ts';

/** Who a UE is allowed to be: the registration it speaks for, and the P-Asserted-Identity that says so. */
export interface Assertion {
  readonly binding: Binding;
  readonly value: string;
}

/**
 * The identity a UE asks for in P-Preferred-Identity when it is one of its registered ones (one sip and one tel at
 * most), else the default one. From never counts.
 *
 * `bindings`: those of the UE's flow, at least one. Source: TS 24.229 5.2.6.3.1, RFC 3325 5; requirement P-71.
 */
export function assertIdentity(headers: HeaderList, bindings: readonly Binding[]): Assertion {
  const first = bindings[0]!;
  if (headers.has(Header['P-Preferred-Identity'])) {
    for (const binding of bindings) {
      const value = preferredValue(headers, binding);
      if (value !== null) return { binding, value };
    }
  }
  return { binding: first, value: `<${first.identities[0]!.uri}>` };
}

/**
 * The identity that answers for a called UE: the one it prefers if it is registered, else the one that was called, else
 * its default one. `calledParty`: P-Called-Party-ID of the request or null.
 * Source: TS 24.229 5.2.6.4.1; requirement P-92.
 */
export function answeringIdentity(headers: HeaderList, binding: Binding, calledParty: string | null): string {
  const preferred = headers.has(Header['P-Preferred-Identity']) ? preferredValue(headers, binding) : null;
  if (preferred !== null) return preferred;
  const called = calledParty === null ? null : parseNameAddr(calledParty);
  if (called !== null && !(called instanceof ParseFailure)) return `<${called.uri}>`;
  return `<${binding.identities[0]!.uri}>`;
}

function preferredValue(headers: HeaderList, binding: Binding): string | null {
  let sip: Identity | undefined;
  let tel: Identity | undefined;
  for (const value of headers.values(Header['P-Preferred-Identity'])) {
    const address = parseNameAddr(value);
    const key = address instanceof ParseFailure ? address : impuOf(address.uri);
    if (key instanceof ParseFailure) continue;
    const identity = binding.identities.find((registered) => registered.key === key);
    if (identity === undefined) continue;
    if (key.startsWith('tel:')) tel ??= identity;
    else sip ??= identity;
  }
  if (sip === undefined) return tel === undefined ? null : `<${tel.uri}>`;
  return tel === undefined ? `<${sip.uri}>` : `<${sip.uri}>, <${tel.uri}>`;
}
