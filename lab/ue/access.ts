import type { HeaderKey } from '#sip/message/header-list';
import type { SipResponse } from '#sip/message/response';
import type { Target } from '#sip/transport/flow';
import type { ChallengeAnswer } from './credentials.ts';
import type { Endpoint } from './endpoint.ts';

export interface ProxyAddress {
  readonly address: string;
  readonly port: number;
}

/** How a phone's requests get to its P-CSCF, and what they say of that. */
export interface Access {
  /** `host:port` of the Contact. */
  readonly contactSentBy: string;
  /** Where a REGISTER goes now. */
  readonly registerTarget: Target;
  /** Where everything else goes. */
  readonly target: Target;
  /** The P-CSCF as a Route value. */
  readonly route: string;
  /** A registration, or a renewal, begins. */
  begin(): void;
  registerHeaders(): [HeaderKey, string][];
  /** What requests outside dialogs say. */
  requestHeaders(): [HeaderKey, string][];
  /** A challenge has been answered (by `answer`), but not sent yet. Gives why it can't be, null when it can. */
  challenged(challenge: SipResponse, answer: ChallengeAnswer): Promise<string | null>;
  /** The network has registered the phone for so many seconds; 0: no more. */
  registered(seconds: number): void;
  /** It has not. */
  refused(): void;
  close(): Promise<void>;
}

/** One socket, one P-CSCF, nothing agreed. */
export function plainAccess(endpoint: Endpoint, proxy: ProxyAddress): Access {
  const target = endpoint.target(proxy.address, proxy.port);
  return {
    contactSentBy: endpoint.sentBy,
    registerTarget: target,
    target,
    route: routeTo(proxy, endpoint.transport),
    begin() {},
    registerHeaders: () => [],
    requestHeaders: () => [],
    challenged: () => Promise.resolve(null),
    registered() {},
    refused() {},
    close: () => Promise.resolve(),
  };
}

/** Route value of a P-CSCF. UDP needs no word of the transport. */
export function routeTo({ address, port }: ProxyAddress, transport: 'udp' | 'tcp' | 'tls'): string {
  const host = address.includes(':') ? `[${address}]` : address;
  return `<sip:${host}:${port};lr${transport === 'udp' ? '' : `;transport=${transport}`}>`;
}
