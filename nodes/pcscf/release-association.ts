import type { Binding } from './binding.ts';
import type { PcscfState } from './pcscf-state.ts';
import { graceMs } from './registrations.ts';

/**
 * A binding is gone: the set of security associations under it is too, unless the UE has another binding by it. One that
 * has run out leaves nothing to be answered; any other leaves 64*T1 for that. Requirements P-55 to P-57, P-63.
 */
export function releaseAssociation({ ipsec, registrations, context }: PcscfState, binding: Binding): void {
  const { association, impi, flow, token, expiresAtMs } = binding;
  if (ipsec === null || association === '') return;
  const left = registrations.ofProtectedUe({ impi, address: flow.address });
  if (left.some((other) => other.token !== token && other.association === association)) return;
  if (expiresAtMs + graceMs <= context.clock.wallMs()) ipsec.associations.end(association, 0);
  else ipsec.associations.end(association);
}
