import { reasons } from '#ims/reasons';
import type { ForwardOptions } from '#sip/proxy/proxy-branch';
import type { Binding } from './binding.ts';
import type { Dialog } from './dialogs.ts';
import type { PcscfState } from './pcscf-state.ts';
import { targetsOf } from './ue-routing.ts';

/**
 * How a request goes to a UE: by its flow, with the timers of Gm. A non-INVITE is given up a little before the sender's
 * Timer F, so that the answer still finds it.
 * Source: RFC 4320 4.2; requirements P-94, P-96, C-04.
 */
export function toUe(state: PcscfState, binding: Binding, method: string): ForwardOptions {
  const unreachable = binding.outbound ? reasons.flowFailed : reasons.ueUnreachable;
  const targets = targetsOf(state, binding);
  if (method === 'INVITE') return { side: 'gm', targets, unreachable, silent: reasons.ueSilent };
  const responseTimeoutMs = 60 * state.context.config.timers.t1;
  return { side: 'gm', targets, unreachable, silent: reasons.ueUnreachable, responseTimeoutMs };
}

/** The binding a token stands for; when the UE has moved or de-registered meanwhile, where it is now or was last. */
export function bindingOf(state: PcscfState, token: string, dialog: Dialog | null): Binding | null {
  const binding = state.registrations.byToken(token);
  if (binding !== null || dialog === null) return binding;
  return lastBindingOf(state, dialog);
}

function lastBindingOf(state: PcscfState, { binding }: Dialog): Binding {
  return state.registrations.ofSubscriber(binding.impi)[0] ?? binding;
}

/** Where the UE of a dialog is now, or was last. */
export function bindingOfDialog(state: PcscfState, dialog: Dialog): Binding {
  return state.registrations.byToken(dialog.binding.token) ?? lastBindingOf(state, dialog);
}
