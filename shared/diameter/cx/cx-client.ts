import type { DiameterClient, RequestFailure } from '../client.ts';
import { type Avp, avp } from '../codec/avp-types.ts';
import type { DiameterMessage } from '../codec/message.ts';
import { baseAvps } from '../dictionary/base.ts';
import { cxAvps, cxCommands } from '../dictionary/cx.ts';
import { type CommandDefinition, VENDOR_3GPP } from '../dictionary/dictionary.ts';
import {
  type CxDestination,
  type LocationInfo,
  locationInfoAvps,
  type MultimediaAuth,
  multimediaAuthAvps,
  type ServerAssignment,
  serverAssignmentAvps,
  type UserAuthorization,
  userAuthorizationAvps,
} from './cx-requests.ts';
import {
  type CxAnswer,
  type LocationInfoAnswer,
  type MultimediaAuthAnswer,
  readLocationInfoAnswer,
  readMultimediaAuthAnswer,
  readServerAssignmentAnswer,
  readUserAuthorizationAnswer,
  type ServerAssignmentAnswer,
  type UserAuthorizationAnswer,
} from './cx-results.ts';
import { type HssDialect, translateResult } from './hss-dialect.ts';

export interface CxClientOptions {
  /** Destination-Realm of requests that name none. */
  readonly homeRealm: string;
  /** Feature-List of Feature-List-ID 1, bits of `cxFeatures`; no Supported-Features is sent when left out or 0. */
  readonly features?: number | undefined;
  /** Default `3gpp`. */
  readonly dialect?: HssDialect | undefined;
}

/**
 * The four questions of a CSCF to the HSS. Every answer is a value, `failure` tells those that brought none.
 * Source: TS 29.228 6.1, 6.3.
 */
export class CxClient {
  readonly #client: DiameterClient;
  readonly #homeRealm: string;
  readonly #features: Avp | undefined;
  readonly #dialect: HssDialect;

  constructor(client: DiameterClient, options: CxClientOptions) {
    this.#client = client;
    this.#homeRealm = options.homeRealm;
    this.#dialect = options.dialect ?? '3gpp';
    if (options.features === undefined || options.features === 0) return;
    this.#features = avp(cxAvps.supportedFeatures, [
      avp(baseAvps.vendorId, VENDOR_3GPP),
      avp(cxAvps.featureListId, 1),
      avp(cxAvps.featureList, options.features),
    ]);
  }

  userAuthorization(request: UserAuthorization): Promise<UserAuthorizationAnswer | RequestFailure> {
    const avps = userAuthorizationAvps(request);
    return this.#ask(cxCommands.userAuthorization, request, avps, readUserAuthorizationAnswer);
  }

  multimediaAuth(request: MultimediaAuth): Promise<MultimediaAuthAnswer | RequestFailure> {
    return this.#ask(cxCommands.multimediaAuth, request, multimediaAuthAvps(request), readMultimediaAuthAnswer);
  }

  serverAssignment(request: ServerAssignment): Promise<ServerAssignmentAnswer | RequestFailure> {
    return this.#ask(cxCommands.serverAssignment, request, serverAssignmentAvps(request), readServerAssignmentAnswer);
  }

  locationInfo(request: LocationInfo): Promise<LocationInfoAnswer | RequestFailure> {
    return this.#ask(cxCommands.locationInfo, request, locationInfoAvps(request), readLocationInfoAnswer);
  }

  #ask<T extends CxAnswer>(
    command: CommandDefinition,
    destination: CxDestination,
    avps: Avp[],
    read: (answer: DiameterMessage) => T | RequestFailure,
  ): Promise<T | RequestFailure> {
    if (this.#features !== undefined) avps.unshift(this.#features);
    return this.#client.request(
      {
        command,
        destinationRealm: destination.destinationRealm ?? this.#homeRealm,
        destinationHost: destination.destinationHost,
        avps,
      },
      this.#dialect === '3gpp' ? read : (answer) => this.#translated(read(answer)),
    );
  }

  #translated<T extends CxAnswer>(outcome: T | RequestFailure): T | RequestFailure {
    if (outcome.failure !== undefined) return outcome;
    return { ...outcome, result: translateResult(this.#dialect, outcome.result) };
  }
}
