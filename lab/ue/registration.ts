import { randomUUID } from 'node:crypto';
import { ParseFailure } from '#sip/errors';
import { parseContact } from '#sip/header/contact';
import { Header } from '#sip/message/header-names';
import type { SipResponse } from '#sip/message/response';
import { Timer } from '#sip/transaction/timer-wheel';
import type { Access } from './access.ts';
import { answerChallenge, type Credentials, emptyAuthorization } from './credentials.ts';
import type { Endpoint } from './endpoint.ts';
import { bareUri } from './party.ts';
import { refusalWords } from './refusal-words.ts';
import { registerRequest, type UeIdentity } from './ue-requests.ts';

export type RegisterOutcome = Registered | Refused;

export interface Registered {
  readonly registered: true;
  /** Seconds granted. */
  readonly expires: number;
  readonly associatedUris: readonly string[];
  readonly serviceRoute: readonly string[];
  /** How often the USIM had to resynchronise on the way. */
  readonly resynchronised: number;
}

/** A request that was not granted; 408: no answer came, 503 without flow: it could not be sent. */
export interface Refused {
  readonly registered?: false;
  readonly status: number;
  readonly words: string;
}

export interface RegistrationOptions {
  readonly credentials: Credentials;
  /** Seconds asked for, default 600000 as phones ask for. */
  readonly expires?: number | undefined;
  /** Whether it is renewed in time; default true. */
  readonly refresh?: boolean | undefined;
  /** Hears that it was renewed, or could not be. */
  readonly refreshed: (outcome: RegisterOutcome) => void;
}

const maxChallenges = 4;
/** Invalid challenges in a row after which a UE gives up. Source: TS 24.229 5.1.1.5.3. */
const maxInvalidChallenges = 2;
/** When a renewal that failed is tried again. */
const refreshRetryMs = 30_000;

/** The registration of a phone, renewed until it is stopped. Source: TS 24.229 5.1.1. */
export class Registration {
  readonly #endpoint: Endpoint;
  readonly #access: Access;
  readonly #identity: UeIdentity;
  readonly #options: RegistrationOptions;
  readonly #callId = randomUUID();
  readonly #refresh = new Timer(this, 'refresh');
  #sequence = 0;
  #serviceRoute: readonly string[] = [];
  #associatedUris: readonly string[] = [];
  #stopped = false;

  constructor(endpoint: Endpoint, access: Access, identity: UeIdentity, options: RegistrationOptions) {
    this.#endpoint = endpoint;
    this.#access = access;
    this.#identity = identity;
    this.#options = options;
  }

  get serviceRoute(): readonly string[] {
    return this.#serviceRoute;
  }

  /** P-Associated-URI of the last answer, without brackets. */
  get associatedUris(): readonly string[] {
    return this.#associatedUris;
  }

  /**
   * Registers, or renews the registration, and answers the challenges on the way; 0 seconds take it back.
   * Source: TS 24.229 5.1.1.
   */
  async register(expires = this.#options.expires ?? 600_000): Promise<RegisterOutcome> {
    this.#access.begin();
    const outcome = await this.#attempt(expires);
    if (!outcome.registered) this.#access.refused();
    return outcome;
  }

  async #attempt(expires: number): Promise<RegisterOutcome> {
    const { credentials } = this.#options;
    const { domain } = this.#identity;
    let authorization = emptyAuthorization(credentials.impi, domain);
    let wanted = expires;
    let resynchronised = 0;
    let invalid = 0;
    for (let challenges = 0; ; ) {
      const response = await this.#send(wanted, authorization);
      const { status } = response;
      if (status === 401 || status === 407) {
        const header = status === 401 ? Header['WWW-Authenticate'] : Header['Proxy-Authenticate'];
        const challenge = response.headers.get(header);
        if (challenge === null) return { status, words: 'challenged without a challenge' };
        const answer = answerChallenge(challenge, credentials, 'REGISTER', `sip:${domain}`);
        if (typeof answer === 'string') return { status, words: answer };
        if (answer.kind === 'resynchronise') resynchronised++;
        if (answer.kind === 'rejected') invalid++;
        const fault = await this.#access.challenged(response, answer);
        if (fault !== null) return { status, words: fault };
        if (invalid >= maxInvalidChallenges || ++challenges > maxChallenges) {
          const words = invalid > 0 ? 'the network does not prove that it knows the key (MAC)' : 'challenged too often';
          return { status, words };
        }
        authorization = answer.authorization;
        continue;
      }
      const least = Number(response.headers.get(Header['Min-Expires']) ?? 0);
      if (status === 423 && least > wanted && wanted > 0) {
        wanted = least;
        continue;
      }
      if (status >= 300) return { status, words: refusalWords(response) };
      return this.#granted(response, expires, resynchronised);
    }
  }

  /** Renews it no more. */
  stop(): void {
    this.#stopped = true;
    this.#endpoint.wheel.stop(this.#refresh);
  }

  onTimer(): void {
    this.register().then((outcome) => {
      if (!outcome.registered && !this.#stopped) this.#endpoint.wheel.start(this.#refresh, refreshRetryMs);
      this.#options.refreshed(outcome);
    });
  }

  #send(expires: number, authorization: string): Promise<SipResponse> {
    const request = registerRequest(this.#identity, {
      callId: this.#callId,
      sequence: ++this.#sequence,
      tag: this.#endpoint.layer.newTag(),
      expires,
      authorization,
      headers: this.#access.registerHeaders(),
    });
    return this.#endpoint.request(request, this.#access.registerTarget);
  }

  #granted(response: SipResponse, asked: number, resynchronised: number): RegisterOutcome {
    const expires = asked === 0 ? 0 : grantedExpires(response, asked, this.#identity);
    this.#serviceRoute = asked === 0 ? [] : response.headers.values(Header['Service-Route']);
    this.#associatedUris = response.headers.values(Header['P-Associated-URI']).map(bareUri);
    this.#access.registered(expires);
    this.#endpoint.wheel.stop(this.#refresh);
    if (expires > 0 && this.#options.refresh !== false && !this.#stopped) {
      // Source: TS 24.229 5.1.1.4.1.
      const seconds = expires > 1200 ? expires - 600 : expires / 2;
      this.#endpoint.wheel.start(this.#refresh, seconds * 1000);
    }
    return {
      registered: true,
      expires,
      associatedUris: this.#associatedUris,
      serviceRoute: this.#serviceRoute,
      resynchronised,
    };
  }
}

/** Seconds of our own contact among those of the answer. */
function grantedExpires(response: SipResponse, asked: number, { contactUri, instance }: UeIdentity): number {
  for (const value of response.headers.values(Header.Contact)) {
    const contact = parseContact(value);
    if (contact instanceof ParseFailure) continue;
    if ((contact.instance === instance || contact.uri === contactUri) && contact.expires >= 0) return contact.expires;
  }
  const header = Number(response.headers.get(Header.Expires) ?? Number.NaN);
  return Number.isInteger(header) ? header : asked;
}
