import { type AnswerContent, encodeAnswer, encodeRefusal, type Refusal, refusalOf } from './answer.ts';
import { checkRequest, type RequestRules, requestRules } from './check-request.ts';
import type { RequestHandler } from './client.ts';
import type { Clock } from './clock.ts';
import { decodeMessage } from './codec/decode.ts';
import { type DiameterMessage, FLAG_ERROR, readHeader } from './codec/message.ts';
import type { ApplicationDefinition, CommandDefinition, Dictionary } from './dictionary/dictionary.ts';
import { DecodeFailure, DiameterError, resultCodes } from './errors.ts';
import type { DiameterIdentity } from './identity.ts';

export interface RequestServerOptions {
  readonly identity: DiameterIdentity;
  readonly dictionary: Dictionary;
  /** `vendor:code` of unknown AVPs with M that requests may carry. */
  readonly ignored: ReadonlySet<string>;
  /** Requests that handlers may be busy with; one more is answered 3004. */
  readonly maxServing: number;
  readonly clock: Clock;
  /** What a handler may take; one that takes longer is answered for with 5012. */
  readonly timeoutMs: number;
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

/** A request whose handler is not done yet. */
interface Serving {
  readonly request: DiameterMessage;
  readonly application: ApplicationDefinition;
  readonly deadlineMs: number;
}

/** Gives requests of peers to their handlers, and answers those itself that no handler may see. Requirement D-14. */
export class RequestServer {
  readonly #options: RequestServerOptions;
  readonly #commands = new Map<number, Served>();
  readonly #applications = new Set<number>();
  /** What handlers are busy with, in the order in which it came, which is that of its deadlines. */
  readonly #serving = new Set<Serving>();
  #timer: unknown;

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
    } else if (this.#serving.size >= this.#options.maxServing) {
      this.#refuse(octets, resultCodes.TOO_BUSY, 'too many requests are under way here');
    } else {
      this.#options.counters.requestsTaken++;
      this.#handle(request, application, served.handle);
    }
  }

  /** Stops the timer: what is being served is answered only when its handler is done. */
  stop(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  #handle(request: DiameterMessage, application: ApplicationDefinition, handle: RequestHandler): void {
    let given: ReturnType<RequestHandler>;
    try {
      given = handle(request);
    } catch (error) {
      this.#fail(request, application, error);
      return;
    }
    if (!(given instanceof Promise)) {
      this.#answer(request, application, given);
      return;
    }
    const { clock, timeoutMs } = this.#options;
    const serving = { request, application, deadlineMs: clock.now() + timeoutMs };
    this.#serving.add(serving);
    if (this.#timer === undefined) this.#armTimer(serving);
    // What comes after the deadline comes too late: it was answered for.
    given.then(
      (content) => {
        if (this.#serving.delete(serving)) this.#answer(request, application, content);
      },
      (error) => {
        if (this.#serving.delete(serving)) this.#fail(request, application, error);
      },
    );
  }

  /** What cannot be encoded is the handler's failure too. */
  #answer(request: DiameterMessage, application: ApplicationDefinition, content: AnswerContent): void {
    let message: Buffer;
    try {
      message = encodeAnswer(request, application, this.#options.identity, content);
    } catch (error) {
      this.#fail(request, application, error);
      return;
    }
    this.#options.answer(message);
  }

  #fail({ octets }: DiameterMessage, application: ApplicationDefinition, error: unknown): void {
    const { answer, counters, failed, identity } = this.#options;
    counters.handlerErrors++;
    failed(error);
    const refusal = { resultCode: resultCodes.UNABLE_TO_COMPLY, words: 'the request could not be handled' };
    answer(encodeRefusal(octets, identity, refusal, application));
  }

  #armTimer({ deadlineMs }: Serving): void {
    const { clock } = this.#options;
    this.#timer = clock.setTimer(Math.max(1, deadlineMs - clock.now()), () => this.#expire());
  }

  /** Runs when the oldest request is due that was being served when it was armed. */
  #expire(): void {
    const { clock, timeoutMs } = this.#options;
    this.#timer = undefined;
    const nowMs = clock.now();
    for (const serving of this.#serving) {
      if (serving.deadlineMs > nowMs) {
        this.#armTimer(serving);
        return;
      }
      this.#serving.delete(serving);
      const { application, request } = serving;
      const words = `the handler of command ${request.command} did not answer within ${timeoutMs} ms`;
      this.#fail(request, application, new DiameterError('ERR_DIAMETER_HANDLER_TIMEOUT', words));
    }
  }

  #refuse(octets: Buffer, resultCode: number, words: string): void {
    this.#sendRefusal(octets, { resultCode, words }, undefined);
  }

  #sendRefusal(octets: Buffer, refusal: Refusal, application: ApplicationDefinition | undefined): void {
    this.#options.counters.requestsRefused++;
    this.#options.answer(encodeRefusal(octets, this.#options.identity, refusal, application));
  }
}
