import type { DiameterClient, RequestFailure } from '../client.ts';
import type { Avp } from '../codec/avp-types.ts';
import type { DiameterMessage } from '../codec/message.ts';
import type { CommandDefinition } from '../dictionary/dictionary.ts';
import { rxCommands } from '../dictionary/rx.ts';
import {
  type AaRequest,
  type AbortSession,
  aaRequestAvps,
  abortSessionAvps,
  type ReAuth,
  type RxAddress,
  type RxSender,
  reAuthAvps,
  type SessionTermination,
  sessionTerminationAvps,
} from './rx-requests.ts';
import {
  type AaAnswer,
  type AbortSessionAnswer,
  type ReAuthAnswer,
  readAaAnswer,
  readRxAnswer,
  readSessionTerminationAnswer,
  type SessionTerminationAnswer,
} from './rx-results.ts';

export interface RxClientOptions {
  /** Destination-Realm of requests that name none. */
  readonly realm: string;
  /** The same for the life of the process, larger at each start; not sent when left out. */
  readonly originStateId?: number | undefined;
  /** How long an answer is waited for; that of the client when left out. */
  readonly timeoutMs?: number | undefined;
}

/**
 * The requests of both sides of Rx. Every answer is a value, `failure` tells those that brought none; nothing throws but
 * for AVPs that no caller may give (an Address that is none).
 *
 * Source: TS 29.214 4.4.
 */
export class RxClient {
  readonly #client: DiameterClient;
  readonly #sender: RxSender;
  /** Read with each request: realm and timeout may change. */
  readonly #options: RxClientOptions;

  constructor(client: DiameterClient, options: RxClientOptions) {
    this.#client = client;
    this.#options = options;
    this.#sender = { ...client.identity, originStateId: options.originStateId };
  }

  newSessionId(): string {
    return this.#client.newSessionId();
  }

  /** AAR of a P-CSCF. */
  authorize(request: AaRequest): Promise<AaAnswer | RequestFailure> {
    return this.#ask(rxCommands.aa, request, aaRequestAvps, readAaAnswer);
  }

  /** STR of a P-CSCF. */
  terminate(request: SessionTermination): Promise<SessionTerminationAnswer | RequestFailure> {
    return this.#ask(rxCommands.sessionTermination, request, sessionTerminationAvps, readSessionTerminationAnswer);
  }

  /** RAR of a PCRF. */
  reAuth(request: ReAuth): Promise<ReAuthAnswer | RequestFailure> {
    return this.#ask(rxCommands.reAuth, request, reAuthAvps, readRxAnswer);
  }

  /** ASR of a PCRF. */
  abort(request: AbortSession): Promise<AbortSessionAnswer | RequestFailure> {
    return this.#ask(rxCommands.abortSession, request, abortSessionAvps, readRxAnswer);
  }

  #ask<R extends RxAddress, T>(
    command: CommandDefinition,
    request: R,
    write: (request: R, sender: RxSender, realm: string) => Avp[],
    read: (answer: DiameterMessage) => T | RequestFailure,
  ): Promise<T | RequestFailure> {
    const destinationRealm = request.destinationRealm ?? this.#options.realm;
    return this.#client.request(
      {
        command,
        sessionId: request.sessionId,
        destinationRealm,
        destinationHost: request.destinationHost,
        avps: write(request, this.#sender, destinationRealm),
        isWhole: true,
        timeoutMs: this.#options.timeoutMs,
      },
      read,
    );
  }
}
