import type { SipRequest } from '#sip/message/request';
import type { BranchUser, ProxyBranch } from '#sip/proxy/proxy-branch';
import type { ServerTransaction } from '#sip/transaction/transaction-port';

/** An end of dialogs: gets what comes within them. */
export interface DialogParty {
  onRequest(server: ServerTransaction, request: SipRequest): void;
  /** The ACK of a 2xx. */
  onAck(request: SipRequest): void;
}

/** What an end of dialogs acts through. */
export interface DialogPort {
  /** URI of Contact. */
  readonly contactUri: string;
  newTag(): string;
  /** Sends a request by its Route, else its Request-URI. */
  originate(request: SipRequest, user: BranchUser): ProxyBranch;
  /** Sends the ACK of a 2xx. */
  acknowledge(ack: SipRequest): void;
  /** What comes with this Call-ID and tag of ours is for `party`. */
  enlist(party: DialogParty, callId: string, localTag: string): void;
  dismiss(callId: string, localTag: string): void;
}
