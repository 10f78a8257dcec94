import { impuOf } from '#ims/identity';
import { ParseFailure } from '#sip/errors';
import { isEmergency } from './registrar.ts';
import type { Binding, Registration } from './registration.ts';
import type { ScscfState } from './state.ts';

/** Time that is left to a UE to authenticate anew, seconds. Source: TS 24.229 5.4.1.6. */
const defaultSeconds = 600;

/** Asked of any one worker: that a user authenticates anew. */
export interface ReauthenticationRequest {
  readonly command: 'reauthenticate';
  /** One of the public identities. */
  readonly impu: string;
  /** Time left; 600 when left out. */
  readonly seconds?: number;
}

/**
 * Makes a user authenticate anew: the contacts of its registration run out soon, and its watchers, the UE first of all,
 * are told. The REGISTER that follows is challenged. Contacts of emergency registrations stay as they are.
 *
 * Gives how many contacts were shortened; those that run out before then are not. Source: TS 24.229 5.4.1.6; requirement
 * S-43.
 */
export function shortenContacts(state: ScscfState, impu: string, seconds = defaultSeconds): number {
  const key = impuOf(impu);
  const found = state.registrations.find(key instanceof ParseFailure ? impu : key);
  if (found === null) return 0;
  const endMs = state.context.clock.wallMs() + seconds * 1000;
  const shortens = (binding: Binding) => binding.expiresAtMs > endMs && !isEmergency(binding);
  let before: Registration | null = null;
  const after = state.registrations.change(found.key, (current) => {
    before = current;
    if (current === null || !current.bindings.some(shortens)) return undefined;
    return { ...current, bindings: current.bindings.map((each) => (shortens(each) ? shortened(each, endMs) : each)) };
  });
  const count = (before as Registration | null)?.bindings.filter(shortens).length ?? 0;
  state.regEvents.changed(before, after, () => 'deactivated');
  return count;
}

/** Answers a `ReauthenticationRequest` with the number of contacts; null for any other request. */
export function shortenOnDemand(state: ScscfState, request: unknown): number | null {
  if (typeof request !== 'object' || request === null || !('command' in request)) return null;
  const { command, impu, seconds } = request as Partial<ReauthenticationRequest>;
  if (command !== 'reauthenticate' || typeof impu !== 'string') return null;
  return shortenContacts(state, impu, Math.max(0, Math.floor(seconds ?? defaultSeconds)));
}

function shortened(binding: Binding, expiresAtMs: number): Binding {
  return { ...binding, expiresAtMs, history: { ...binding.history, event: 'shortened' } };
}
