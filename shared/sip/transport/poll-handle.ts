import { SipError } from '#sip/errors';
import type { Library } from './native-library.ts';

/** What a descriptor is watched for: libuv's UV_READABLE and UV_WRITABLE. */
export const readable = 1;
export const writable = 2;

/**
 * One descriptor on the main loop, watched by libuv's public uv_poll. The descriptor is this handle's from then on, and
 * ends with it.
 *
 * `name` is for the error; `wake` hears of the loop's calls (a negative status: an error is pending, and libuv has stopped
 * watching) and never throws. It is watched for reading at first. Throws SipError ERR_SIP_LISTEN where that is refused.
 *
 * Source: libuv, uv_poll_t.
 */
export class PollHandle {
  readonly #lib: Library;
  readonly #fd: number;
  /** libuv's memory: referenced until its close callback has run. */
  readonly #handle: Buffer;
  readonly #onPoll: unknown;
  readonly #onClosed: unknown;
  #finishClose: () => void = () => {};

  constructor(lib: Library, fd: number, name: string, wake: (status: number, events: number) => void) {
    this.#lib = lib;
    this.#fd = fd;
    this.#handle = Buffer.allocUnsafeSlow(lib.handleBytes);
    this.#onPoll = lib.koffi.register(
      (_handle: unknown, status: number, events: number) => wake(status, events),
      lib.pollCallback as never,
    );
    this.#onClosed = lib.koffi.register(() => this.#finishClose(), lib.closeCallback as never);
    const refused = lib.pollInit(lib.loop, this.#handle, fd);
    const status = refused || this.watch(readable);
    if (status === 0) return;
    // Once libuv knows the handle it has to be closed by libuv.
    if (refused) lib.close(fd);
    else void this.close();
    throw new SipError('ERR_SIP_LISTEN', `${name}: uv_poll says ${status}`);
  }

  /** Watches for these events from now on. Gives libuv's status: 0, or a negative error. */
  watch(events: number): number {
    return this.#lib.pollStart(this.#handle, events, this.#onPoll);
  }

  /** Ends the watching and the descriptor; once, and nothing is heard of it when the promise is fulfilled. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#lib.pollStop(this.#handle);
      this.#finishClose = () => {
        this.#lib.close(this.#fd);
        // Not from inside the callback that is being given back.
        setImmediate(() => {
          this.#lib.koffi.unregister(this.#onPoll as never);
          this.#lib.koffi.unregister(this.#onClosed as never);
          resolve();
        });
      };
      this.#lib.uvClose(this.#handle, this.#onClosed);
    });
  }
}
