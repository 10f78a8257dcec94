import { reasons } from '#ims/reasons';
import type { PcscfConfig } from '#service/config/pcscf-config';
import type { NodeContext } from '#service/node-context';
import { acceptTimer, defaultSessionTimer } from '#sip/dialog/session-timer-passage';
import type { NodeLogic } from '#sip/proxy/node-logic';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import type { Flow } from '#sip/transport/flow';
import { AccessPolicy } from './access.ts';
import { Dialogs } from './dialogs.ts';
import { admitEmergency, emergencyOf, forwardEmergency, isForHelp, openEmergency } from './emergency.ts';
import {
  forwardInDialogFromUe,
  forwardInDialogToUe,
  takeAckFromUe,
  takeAckToUe,
  takeInDialogResponse,
} from './in-dialog.ts';
import { openIpsec, protectedUe } from './ipsec/ipsec-side.ts';
import { answerQuestion } from './management.ts';
import { openAnchorSide } from './media-anchor-side.ts';
import { mediaPolicyOf } from './media-policy.ts';
import { endEarlyCall, forwardOriginating, refuseForRestoration, takeOriginatingResponse } from './originating.ts';
import { EarlyCalls } from './overload-early-calls.ts';
import type { Attempt, PcscfState } from './pcscf-state.ts';
import { PendingRegistrations } from './pending-registrations.ts';
import { RegEventSubscriber } from './reg-event-subscriber.ts';
import { forwardRegister, takeRegisterResponse } from './register.ts';
import { Registrations } from './registrations.ts';
import { releaseAssociation } from './release-association.ts';
import { RouteEntries } from './route-entries.ts';
import { openRx } from './rx.ts';
import { openRecovery, openSignalling } from './rx-opening.ts';
import {
  hearRelease,
  releaseOnDemand,
  releaseSession,
  releaseSessionsOf,
  serviceUnavailable,
} from './session-release.ts';
import { forwardTerminating, takeTerminatingResponse } from './terminating.ts';

/** The P-CSCF's logic, and what its worker wants besides. */
export interface Pcscf extends NodeLogic {
  /** Whether somebody is registered by way of this flow, or has a security association for it. */
  isRegistered(flow: Flow): boolean;
  /** Where the answer to a request goes that came to a protected port. Requirement P-81. */
  answerFlow(flow: Flow): Flow;
  /** Word of another worker. */
  workerMessage(payload: string): void;
  /** Does what the control side asks for: `ReleaseRequest`. */
  control(request: unknown): unknown;
  /** A PCRF has restarted and forgotten its sessions. Requirement D-09. */
  peerRestarted(host: string): void;
  /** Another worker has left; see RxRecovery. */
  workerLeft(): void;
  /** Bindings in the store, all workers' together. */
  registrations(): number;
  /** Sets of security associations in the store, likewise. */
  associationSets(): number;
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
  const { clock, wheel, store, worker, log } = context;
  let access = new AccessPolicy(context.config);
  let media = mediaPolicyOf(context.config.policy.media);
  context.onConfig((next) => {
    access = new AccessPolicy(next);
    media = mediaPolicyOf(next.policy.media);
    routes.follow(context.listeners);
  });
  const routes = new RouteEntries(context.listeners);
  const state: PcscfState = {
    context,
    get access() {
      return access;
    },
    get media() {
      return media;
    },
    timer: context.config.sessionTimer ?? defaultSessionTimer,
    routes,
    registrations: new Registrations({
      store,
      clock,
      wheel,
      worker,
      get workers() {
        return context.workers;
      },
      expired: ({ impi, aor, token }) => {
        // Who is registered another way may go on by that.
        if (state.registrations.ofSubscriber(impi).length === 0) {
          const release = { ...serviceUnavailable, reason: reasons.registrationEnded, unreachable: 'ue' as const };
          releaseSessionsOf(state, token, release);
        }
        context.count('registration-expired');
        log.info({ impi, impu: aor }, 'a registration has run out');
      },
      removed(binding) {
        signalling?.unbound(binding.token);
        state.regEvents.unbound(binding);
        releaseAssociation(state, binding);
      },
      protectedUe: (flow) => protectedUe(state.ipsec, flow),
      subscriptionDue: (key) => state.regEvents.due(key),
      associationDue: (id) => state.ipsec?.associations.expire(id),
      holds({ flow, boundAtMs }, held) {
        // An older binding's number may be another UE's connection now.
        if (boundAtMs >= context.bootMs) context.holdConnection(flow.connection, held);
      },
    }),
    ipsec: openIpsec(context),
    emergency: openEmergency(context),
    earlyCalls: new EarlyCalls(),
    pending: new PendingRegistrations(() => clock.nowMs()),
    dialogs: new Dialogs({
      calls: context.calls,
      wheel,
      expired: (dialog) =>
        void releaseSession(state, dialog, { ...serviceUnavailable, reason: reasons.sessionNotRefreshed }),
      over(dialog) {
        dialog.rx?.leave(dialog);
        dialog.anchor?.leave(dialog);
      },
    }),
    anchors: openAnchorSide(context),
    rx: openRx(context),
    get signalling() {
      return signalling;
    },
    get regEvents() {
      return regEvents;
    },
  };

  const signalling = openSignalling(state, state.rx);
  const recovery = openRecovery(state);
  const regEvents = new RegEventSubscriber(state);

  return {
    admit: (request) => admitEmergency(state, request, state.access.refusal(request)),

    isEmergency: (request) => isForHelp(state, request),

    handleRequest(transaction) {
      if (state.access.sideOf(transaction.request.flow!) === 'ue') return handleFromUe(state, transaction);
      if (transaction.inDialog) {
        return state.regEvents.take(transaction) ? undefined : forwardInDialogToUe(state, transaction);
      }
      return forwardTerminating(state, transaction);
    },

    handleResponse(transaction, branch, response) {
      const attempt = transaction.context as Attempt | null;
      acceptTimer(transaction.request, response);
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

    handleFailure(transaction, branch) {
      const attempt = transaction.context as Attempt | null;
      if (attempt?.kind !== 'originating' || branch.failure !== reasons.homeUnreachable) return false;
      refuseForRestoration(state, transaction, attempt);
      return true;
    },

    handleAck(request, ownRoute) {
      const token = ownRoute?.user ?? '';
      const flow = request.flow!;
      if (state.access.sideOf(flow) === 'ue') {
        return takeAckFromUe(state, request, token, state.registrations.bySource(flow));
      }
      return takeAckToUe(state, request, token);
    },

    handleEnd(transaction) {
      const attempt = transaction.context as Attempt | null;
      if (attempt?.kind === 'originating') endEarlyCall(state, attempt);
      if (attempt?.kind === 'originating' || attempt?.kind === 'terminating') {
        state.dialogs.closeUnconfirmed(attempt.dialogs);
      } else if (attempt?.kind === 'in-dialog' && attempt.ends && attempt.dialog?.released === '') {
        // Answered by the other side it is closed already.
        state.dialogs.leaveUnended(attempt.dialog);
      }
    },

    refused: (request, reason, detail) => context.refused(request, reason, detail),

    workerMessage: (word) => void (hearRelease(state, word) || signalling?.hear(word)),
    control: (request) => releaseOnDemand(state, request) ?? answerQuestion(state, request),
    peerRestarted: (host) => state.rx?.sessions.restarted(host),
    answerFlow: (flow) => state.ipsec?.associations.answerFlow(flow) ?? flow,
    isRegistered: (flow) =>
      state.registrations.bySource(flow).length > 0 || state.ipsec?.associations.covers(flow) === true,
    workerLeft: () => recovery?.again(),
    registrations: () => state.registrations.size,
    associationSets: () => (state.ipsec === null ? 0 : store.count('associations')),
    sessions: () => state.dialogs.size,
    stop() {
      state.registrations.stop();
      recovery?.stop();
      state.rx?.records.flush();
      state.anchors?.pool.close();
    },
  };
}

function handleFromUe(state: PcscfState, transaction: ProxyTransaction): void | Promise<void> {
  const { request } = transaction;
  state.ipsec?.associations.noteUse(request.flow!);
  if (request.method === 'REGISTER') {
    forwardRegister(state, transaction);
    return;
  }
  const bindings = state.registrations.bySource(request.flow!);
  if (transaction.inDialog) return forwardInDialogFromUe(state, transaction, bindings);
  const emergency = emergencyOf(state, request);
  if (emergency !== null) return forwardEmergency(state, transaction, bindings, emergency);
  if (bindings.length > 0) return forwardOriginating(state, transaction, bindings);
  transaction.refuse(reasons.notRegistered);
}
