import type { RequestFailure } from '#diameter/client';
import type { RxPort } from '#diameter/rx/rx-session';
import { Timer, type TimerOwner, type TimerWheel } from '#sip/transaction/timer-wheel';
import type { RxRecord, RxRecords } from './rx-records.ts';

export interface RxRecoveryOptions {
  readonly records: RxRecords;
  readonly port: Pick<RxPort, 'terminate'>;
  readonly wheel: TimerWheel;
  /** Whether a session is one of this run. */
  readonly isLive: (sessionId: string) => boolean;
  /** Whether this worker is to end a session. */
  readonly isMine: (sessionId: string) => boolean;
  /** A session about the signalling of this binding was ended: it may want another one. */
  readonly ended: (token: string) => void;
  readonly log: { info(fields: object, message: string): void };
}

/** Sessions that are looked at at once, and how often. */
const chunk = 128;
const chunkMs = 100;
/** A PCRF that is not connected is tried again after this. */
const retryMs = 2_000;

/**
 * Ends the Rx sessions that the run before, or a worker that has left, left behind: their calls are not known any more, and some PCRFs keep bearers
 * up for ever. Signalling sessions of bindings that live are made anew. Source: RFC 6733 8.16; requirement P-129.
 */
export class RxRecovery implements TimerOwner {
  readonly #options: RxRecoveryOptions;
  readonly #timer = new Timer(this, 'rx-recovery');
  #after = '';
  #ended = 0;
  #isBusy = false;
  /** Asked to look again from the beginning. */
  #isAsked = false;

  constructor(options: RxRecoveryOptions) {
    this.#options = options;
    options.wheel.start(this.#timer, chunkMs);
  }

  /** Looks again: a worker has left, and nobody knows its sessions now. */
  again(): void {
    this.#isAsked = true;
    if (!this.#isBusy) this.#begin();
  }

  stop(): void {
    this.#options.wheel.stop(this.#timer);
  }

  onTimer(): void {
    void this.#run();
  }

  #begin(): void {
    this.#isAsked = false;
    this.#after = '';
    this.#options.wheel.start(this.#timer, chunkMs);
  }

  async #run(): Promise<void> {
    this.#isBusy = true;
    await this.#next();
    this.#isBusy = false;
    if (this.#isAsked) this.#begin();
  }

  async #next(): Promise<void> {
    const { isLive, isMine, log, records, wheel } = this.#options;
    const found = records.list(chunk, this.#after);
    const left = found.filter(({ sessionId }) => isMine(sessionId) && !isLive(sessionId));
    // One goes ahead, to see whether a PCRF is there.
    const [first, ...others] = left;
    if (first !== undefined && !(await this.#end(first))) {
      wheel.start(this.#timer, retryMs);
      return;
    }
    const done = await Promise.all(others.map((record) => this.#end(record)));
    if (done.includes(false)) {
      wheel.start(this.#timer, retryMs);
      return;
    }
    this.#after = found.at(-1)?.sessionId ?? '';
    if (found.length === chunk) wheel.start(this.#timer, chunkMs);
    else if (this.#ended > 0)
      log.info({ reason: 'rx-left-over', sessions: this.#ended }, 'ended what was left of the run before');
  }

  /** False when no PCRF is there to hear it. */
  async #end(record: RxRecord): Promise<boolean> {
    const { sessionId, token } = record;
    const answer = await this.#terminate(record);
    if (answer === 'no-peer' || answer === 'peer-lost') return false;
    if (answer === 'timeout') await this.#terminate(record);
    this.#options.records.forget(sessionId);
    this.#ended++;
    if (token !== '') this.#options.ended(token);
    return true;
  }

  async #terminate({ classes, host, realm, sessionId }: RxRecord): Promise<RequestFailure['failure'] | undefined> {
    const given = (text: string) => (text === '' ? undefined : text);
    const request = { sessionId, destinationHost: given(host), destinationRealm: given(realm), classes };
    return (await this.#options.port.terminate(request)).failure;
  }
}
