import { encodeAnswer, encodeRefusal, type Refusal, refusalOf } from './answer.ts';
import { checkRequest, type RequestRules, requestRules } from './check-request.ts';
import type { RequestHandler } from './client.ts';
import { decodeMessage } from './codec/decode.ts';
import { type DiameterMessage, FLAG_ERROR, readHeader } from './codec/message.ts';
import type { ApplicationDefinition, CommandDefinition, Dictionary } from './dictionary/dictionary.ts';
import { DecodeFailure, resultCodes } from './errors.ts';
import type { DiameterIdentity } from './identity.ts';

export interface RequestServerOptions {
  readonly identity: DiameterIdentity;
  readonly dictionary: Dictionary;
  /** `vendor:code` of unknown AVPs with M that requests may carry. */
  readonly ignored: ReadonlySet<string>;
  /** Requests that handlers may be busy with; one more is answered 3004. */
  readonly maxServing: number;
  readonly counters: { requestsTaken: number; requestsRefused: number; handlerErrors: number };
  /** Told what a handler threw. */
  readonly failed: (error: unknown) => void;
  readonly answer: (message: Buffer) => void;
}

/** Who answers the requests of one command, and what they have to be like. */
interface Served {
  readonly command: CommandDefinition;
  readonly rules: RequestRules;
  readonly handle: RequestHandler;
}

/** Gives requests of peers to their handlers, and answers those itself that no handler may see. Requirement D-14. */
export class RequestServer {
  readonly #options: RequestServerOptions;
  readonly #commands = new Map<number, Served>();
  readonly #applications = new Set<number>();
  #serving = 0;

  constructor(options: RequestServerOptions) {
    this.#options = options;
  }

  /** Lets `handle` answer the requests of one command. */
  serve(command: CommandDefinition, handle: RequestHandler): void {
    const { dictionary, ignored } = this.#options;
    const rules = requestRules(command, dictionary, ignored);
    this.#commands.set(command.code, { command, rules, handle });
    this.#applications.add(command.application.id);
  }

  /** Takes a request with a whole header; it is answered once, now or when its handler is done. */
  take(octets: Buffer): void {
    const header = readHeader(octets);
    if (!this.#applications.has(header.application)) {
      this.#refuse(octets, resultCodes.APPLICATION_UNSUPPORTED, `application ${header.application} is not served here`);
      return;
    }
    const served = this.#commands.get(header.command);
    if (served === undefined || served.command.application.id !== header.application) {
      this.#refuse(octets, resultCodes.COMMAND_UNSUPPORTED, `command ${header.command} is not served here`);
      return;
    }
    if (header.flags & FLAG_ERROR) {
      this.#refuse(octets, resultCodes.INVALID_HDR_BITS, 'a request with the E bit');
      return;
    }
    const request = decodeMessage(octets, this.#options.dictionary);
    const { application } = served.command;
    const refusal = request instanceof DecodeFailure ? refusalOf(request) : checkRequest(request, served.rules);
    if (refusal !== undefined || request instanceof DecodeFailure) {
      this.#sendRefusal(octets, refusal!, application);
    } else if (this.#serving >= this.#options.maxServing) {
      this.#refuse(octets, resultCodes.TOO_BUSY, 'too many requests are under way here');
    } else {
      this.#options.counters.requestsTaken++;
      void this.#answer(request, application, served.handle);
    }
  }

  /** A handler that fails is answered for with 5012; so is one whose answer cannot be encoded. */
  async #answer(request: DiameterMessage, application: ApplicationDefinition, handle: RequestHandler): Promise<void> {
    const { answer, counters, failed, identity } = this.#options;
    let message: Buffer;
    this.#serving++;
    try {
      const given = handle(request);
      const content = given instanceof Promise ? await given : given;
      message = encodeAnswer(request, application, identity, content);
    } catch (error) {
      counters.handlerErrors++;
      failed(error);
      const refusal = { resultCode: resultCodes.UNABLE_TO_COMPLY, words: 'the request could not be handled' };
      message = encodeRefusal(request.octets, identity, refusal, application);
    }
    this.#serving--;
    answer(message);
  }

  #refuse(octets: Buffer, resultCode: number, words: string): void {
    this.#sendRefusal(octets, { resultCode, words }, undefined);
  }

  #sendRefusal(octets: Buffer, refusal: Refusal, application: ApplicationDefinition | undefined): void {
    this.#options.counters.requestsRefused++;
    this.#options.answer(encodeRefusal(octets, this.#options.identity, refusal, application));
  }
}
