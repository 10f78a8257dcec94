/**
 * The peer state machine as a pure function. The two connections of a peer are called initiator (we connected) and
 * responder (the peer connected). Source: RFC 6733 5.6.
 */
export type PeerState =
  | 'closed'
  | 'wait-conn-ack'
  | 'wait-cea'
  /** Our connect is under way and the peer's CER is held back. */
  | 'wait-conn-ack-elect'
  /** We lost the election: the peer is to answer our CER and to close its own connection. */
  | 'wait-returns'
  | 'open-initiator'
  | 'open-responder'
  | 'closing';

export type PeerEvent =
  | 'start'
  | 'connected'
  /** A good CEA on the initiator connection. */
  | 'cea'
  /** Anything else than a good CEA there. */
  | 'not-cea'
  /** A good CER on a new connection. */
  | 'cer'
  /** Also when it could not be connected. */
  | 'initiator-lost'
  | 'responder-lost'
  | 'timeout'
  /** The watchdog gave up. */
  | 'dead'
  | 'dpr'
  | 'dpa'
  | 'stop';

export type PeerAction =
  | 'connect'
  | 'send-cer'
  /** Answers the CER that is held, or has just come, with a good CEA. */
  | 'accept-responder'
  | 'hold-responder'
  /** Closes the connection that has just brought a CER. */
  | 'reject-newcomer'
  | 'drop-initiator'
  | 'drop-responder'
  | 'send-dpr'
  | 'send-dpa'
  | 'up'
  | 'down'
  | 'retry';

export interface PeerTransition {
  readonly state: PeerState;
  readonly actions: readonly PeerAction[];
}

/**
 * Takes state, event and who wins an election (`localWins`: our Origin-Host is the larger), gives the next state and
 * what to do, in order. The winner closes the connection that it initiated. Source: RFC 6733 5.6, 5.6.4.
 */
export function nextPeerState(state: PeerState, event: PeerEvent, localWins: boolean): PeerTransition {
  switch (state) {
    case 'closed':
      return whenClosed(event);
    case 'wait-conn-ack':
      return whenConnecting(event);
    case 'wait-cea':
      return whenWaitingForCea(event, localWins);
    case 'wait-conn-ack-elect':
      return whenConnectingWithRival(event, localWins);
    case 'wait-returns':
      return whenElectionLost(event);
    case 'open-initiator':
    case 'open-responder':
      return whenOpen(state, event);
    case 'closing':
      return whenClosing(event);
  }
}

function to(state: PeerState, ...actions: PeerAction[]): PeerTransition {
  return { state, actions };
}

function whenClosed(event: PeerEvent): PeerTransition {
  if (event === 'start') return to('wait-conn-ack', 'connect');
  if (event === 'cer') return to('open-responder', 'accept-responder', 'up');
  return to('closed');
}

function whenConnecting(event: PeerEvent): PeerTransition {
  switch (event) {
    case 'connected':
      return to('wait-cea', 'send-cer');
    case 'cer':
      return to('wait-conn-ack-elect', 'hold-responder');
    case 'initiator-lost':
    case 'timeout':
      return to('closed', 'drop-initiator', 'retry');
    case 'stop':
      return to('closed', 'drop-initiator');
    default:
      return to('wait-conn-ack');
  }
}

function whenWaitingForCea(event: PeerEvent, localWins: boolean): PeerTransition {
  switch (event) {
    case 'cea':
      return to('open-initiator', 'up');
    case 'cer':
      if (localWins) return to('open-responder', 'drop-initiator', 'accept-responder', 'up');
      return to('wait-returns', 'hold-responder');
    case 'not-cea':
    case 'initiator-lost':
    case 'timeout':
      return to('closed', 'drop-initiator', 'retry');
    case 'stop':
      return to('closed', 'drop-initiator');
    default:
      return to('wait-cea');
  }
}

function whenConnectingWithRival(event: PeerEvent, localWins: boolean): PeerTransition {
  switch (event) {
    case 'connected':
      if (localWins) return to('open-responder', 'drop-initiator', 'accept-responder', 'up');
      return to('wait-returns', 'send-cer');
    case 'initiator-lost':
    case 'timeout':
      return to('open-responder', 'drop-initiator', 'accept-responder', 'up');
    case 'responder-lost':
      return to('wait-conn-ack', 'drop-responder');
    case 'cer':
      return to('wait-conn-ack-elect', 'reject-newcomer');
    case 'stop':
      return to('closed', 'drop-initiator', 'drop-responder');
    default:
      return to('wait-conn-ack-elect');
  }
}

function whenElectionLost(event: PeerEvent): PeerTransition {
  switch (event) {
    case 'cea':
      return to('open-initiator', 'drop-responder', 'up');
    case 'not-cea':
    case 'initiator-lost':
    case 'timeout':
      return to('open-responder', 'drop-initiator', 'accept-responder', 'up');
    case 'responder-lost':
      return to('wait-cea', 'drop-responder');
    case 'cer':
      return to('wait-returns', 'reject-newcomer');
    case 'stop':
      return to('closed', 'drop-initiator', 'drop-responder');
    default:
      return to('wait-returns');
  }
}

function whenOpen(state: 'open-initiator' | 'open-responder', event: PeerEvent): PeerTransition {
  const drop = state === 'open-initiator' ? 'drop-initiator' : 'drop-responder';
  switch (event) {
    case 'cer':
      return to(state, 'reject-newcomer');
    case 'initiator-lost':
    case 'responder-lost':
    case 'dead':
      return to('closed', 'down', drop, 'retry');
    case 'dpr':
      return to('closing', 'down', 'send-dpa');
    case 'stop':
      return to('closing', 'down', 'send-dpr');
    default:
      return to(state);
  }
}

function whenClosing(event: PeerEvent): PeerTransition {
  switch (event) {
    case 'cer':
      return to('closing', 'reject-newcomer');
    case 'dpr':
      return to('closing', 'send-dpa');
    case 'dpa':
    case 'initiator-lost':
    case 'responder-lost':
    case 'timeout':
      return to('closed', 'drop-initiator', 'drop-responder', 'retry');
    default:
      return to('closing');
  }
}
