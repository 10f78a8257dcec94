import { reasons } from '#ims/reasons';
import type { PcscfConfig } from '#service/config-shape';
import type { NodeContext } from '#service/node-context';
import type { NodeLogic } from '#sip/proxy/node-logic';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import type { Flow } from '#sip/transport/flow';
import { AccessPolicy } from './access.ts';
import { Dialogs } from './dialogs.ts';
import {
  forwardInDialogFromUe,
  forwardInDialogToUe,
  takeAckFromUe,
  takeAckToUe,
  takeInDialogResponse,
} from './in-dialog.ts';
import { mediaPolicyOf } from './media-policy.ts';
import { forwardOriginating, takeOriginatingResponse } from './originating.ts';
import type { Attempt, PcscfState } from './pcscf-state.ts';
import { PendingRegistrations } from './pending-registrations.ts';
import { forwardRegister, takeRegisterResponse } from './register.ts';
import { Registrations } from './registrations.ts';
import { RouteEntries } from './route-entries.ts';
import { openRx } from './rx.ts';
import { forwardTerminating, takeTerminatingResponse } from './terminating.ts';
import { targetsOf } from './ue-routing.ts';

/** The P-CSCF's logic, and what its worker wants besides. */
export interface Pcscf extends NodeLogic {
  /** Whether somebody is registered by way of this flow. */
  isRegistered(flow: Flow): boolean;
  /** A PCRF has restarted and forgotten its sessions. Requirement D-09. */
  peerRestarted(host: string): void;
  /** Bindings in the store, all workers' together. */
  registrations(): number;
  /** Dialogs that go through this worker, by Call-ID. */
  sessions(): number;
  /** Ends the timers of this worker. */
  stop(): void;
}

/**
 * The P-CSCF: the border between UEs and the core. It registers UEs with their home network, vouches for who they are,
 * and carries requests between them and their S-CSCF.
 * Source: TS 24.229 5.2.
 */
export function createPcscf(context: NodeContext<PcscfConfig>): Pcscf {
  const { clock, wheel, store, worker, workers, log } = context;
  const state: PcscfState = {
    context,
    access: new AccessPolicy(context.config),
    media: mediaPolicyOf(context.config.policy.media),
    routes: new RouteEntries(context.listeners),
    registrations: new Registrations({
      store,
      clock,
      wheel,
      worker,
      workers,
      expired: ({ impi, aor }) => {
        context.count('registration-expired');
        log.info({ impi, impu: aor }, 'a registration has run out');
      },
      holds({ flow, boundAtMs }, held) {
        // An older binding's number may be another UE's connection now.
        if (boundAtMs >= context.bootMs) context.holdConnection(flow.connection, held);
      },
    }),
    pending: new PendingRegistrations(() => clock.nowMs()),
    dialogs: new Dialogs(context.calls, wheel),
    rx: openRx(context),
  };

  return {
    admit: (request) => state.access.refusal(request),

    handleRequest(transaction) {
      if (state.access.sideOf(transaction.request.flow!) === 'ue') handleFromUe(state, transaction);
      else if (transaction.inDialog) forwardInDialogToUe(state, transaction);
      else forwardTerminating(state, transaction);
    },

    handleResponse(transaction, branch, response) {
      const attempt = transaction.context as Attempt | null;
      switch (attempt?.kind) {
        case 'register':
          return takeRegisterResponse(state, transaction, attempt, response);
        case 'originating':
          return takeOriginatingResponse(state, transaction, attempt, response);
        case 'terminating':
          return takeTerminatingResponse(state, transaction, branch, attempt, response);
        case 'in-dialog':
          return takeInDialogResponse(state, transaction, branch, attempt, response);
        case undefined:
          return;
      }
    },

    handleAck(request, ownRoute) {
      const token = ownRoute?.user ?? '';
      const flow = request.flow!;
      if (state.access.sideOf(flow) === 'ue') {
        return takeAckFromUe(state, request, token, state.registrations.bySource(flow));
      }
      const binding = takeAckToUe(state, request, token);
      return binding === null ? false : { side: 'gm', targets: targetsOf(state, binding) };
    },

    handleEnd(transaction) {
      const attempt = transaction.context as Attempt | null;
      if (attempt?.kind === 'originating' || attempt?.kind === 'terminating') {
        state.dialogs.closeUnconfirmed(attempt.dialogs);
      } else if (attempt?.kind === 'in-dialog' && attempt.ends && attempt.dialog !== null) {
        state.dialogs.close(attempt.dialog);
      }
    },

    refused: (request, reason, detail) => context.refused(request, reason, detail),

    peerRestarted: (host) => state.rx?.restarted(host),
    isRegistered: (flow) => state.registrations.bySource(flow).length > 0,
    registrations: () => state.registrations.size,
    sessions: () => state.dialogs.size,
    stop: () => state.registrations.stop(),
  };
}

function handleFromUe(state: PcscfState, transaction: ProxyTransaction): void {
  const { request } = transaction;
  if (request.method === 'REGISTER') {
    forwardRegister(state, transaction);
    return;
  }
  const bindings = state.registrations.bySource(request.flow!);
  if (transaction.inDialog) forwardInDialogFromUe(state, transaction, bindings);
  else if (bindings.length === 0) transaction.refuse(reasons.notRegistered);
  else forwardOriginating(state, transaction, bindings);
}
