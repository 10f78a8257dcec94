import { createRequire } from 'node:module';
import { isMainThread } from 'node:worker_threads';
import { sockaddrBytes } from './native-address.ts';

/*
 * The functions of libc and libuv that native UDP calls, and the memory it shares with the kernel. Struct layouts are
 * those of Linux on 64 bit, little endian (x64, arm64).
 */

export type Koffi = typeof import('koffi');
export type Native = (...args: unknown[]) => number;

const uvPollHandle = 8;
const sendmmsg = 'int sendmmsg(int fd, void *headers, unsigned int count, int flags)';

/** struct mmsghdr, struct iovec, room for a sockaddr, and the largest datagram. */
export const headerBytes = 64;
const vectorBytes = 16;
export const nameBytes = 32;
export const datagramBytes = 65_536;
export const slots = 64;

/** What sending needs: it works in every thread. */
export interface SendingLibrary {
  readonly koffi: Koffi;
  readonly sendmmsg: Native;
}

export interface Library extends SendingLibrary {
  readonly socket: Native;
  readonly bind: Native;
  readonly close: Native;
  readonly setsockopt: Native;
  readonly getsockname: Native;
  readonly recvmmsg: Native;
  readonly recvmsg: Native;
  readonly pollInit: Native;
  readonly pollStart: Native;
  readonly pollStop: Native;
  readonly uvClose: (handle: unknown, callback: unknown) => void;
  readonly pollCallback: unknown;
  readonly closeCallback: unknown;
  readonly loop: unknown;
  readonly handleBytes: number;
}

let library: Library | string | undefined;
let sending: SendingLibrary | null | undefined;

/** What this thread needs to send on descriptors of the main thread; null where koffi is not available. */
export function nativeSending(): SendingLibrary | null {
  if (sending !== undefined) return sending;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi;
    sending = { koffi, sendmmsg: koffi.load(null).func(sendmmsg) as unknown as Native };
  } catch {
    sending = null;
  }
  return sending;
}

/**
 * Whether the native implementation can be used here: null, or the reason why not in words.
 *
 * It needs Linux on x64 or arm64, the main thread, koffi's binary and a node that exports libuv.
 */
export function probeNativeUdp(): string | null {
  const found = nativeLibrary();
  return typeof found === 'string' ? found : null;
}

/** The functions, loaded once; or the reason why they are not there. */
export function nativeLibrary(): Library | string {
  library ??= loadLibrary();
  return library;
}

function loadLibrary(): Library | string {
  if (process.platform !== 'linux') return `no native UDP on ${process.platform}`;
  if (process.arch !== 'x64' && process.arch !== 'arm64') return `no native UDP on ${process.arch}`;
  if (!isMainThread) return 'native UDP exists on the main thread only';
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi;
    const lib = koffi.load(null);
    const func = (definition: string) => lib.func(definition) as unknown as Native;
    const pollCallback = koffi.pointer(koffi.proto('void (void *handle, int status, int events)'));
    const closeCallback = koffi.pointer(koffi.proto('void (void *handle)'));
    const handleSize = func('size_t uv_handle_size(int type)');
    const defaultLoop = lib.func('void *uv_default_loop()');
    return {
      koffi,
      socket: func('int socket(int domain, int type, int protocol)'),
      bind: func('int bind(int fd, const void *address, uint32_t length)'),
      close: func('int close(int fd)'),
      setsockopt: func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)'),
      getsockname: func('int getsockname(int fd, void *address, void *length)'),
      recvmmsg: func('int recvmmsg(int fd, void *headers, unsigned int count, int flags, void *timeout)'),
      recvmsg: func('intptr_t recvmsg(int fd, void *header, int flags)'),
      sendmmsg: func(sendmmsg),
      pollInit: func('int uv_poll_init(void *loop, void *handle, int fd)'),
      pollStart: lib.func('uv_poll_start', 'int', ['void *', 'int', pollCallback]) as unknown as Native,
      pollStop: func('int uv_poll_stop(void *handle)'),
      uvClose: lib.func('uv_close', 'void', ['void *', closeCallback]) as unknown as Library['uvClose'],
      pollCallback,
      closeCallback,
      loop: defaultLoop(),
      handleBytes: Number(handleSize(uvPollHandle)),
    };
  } catch (error) {
    return `native UDP is not available: ${(error as Error).message}`;
  }
}

/** A block of message headers with their address and data vectors; `headers` is passed to the kernel. */
export class Arena {
  readonly headers: Buffer;
  readonly names: Buffer;
  readonly words: Uint32Array;
  readonly vectors: BigUint64Array;
  readonly dataAddress: bigint;

  constructor(koffi: Koffi, data: Buffer, stride: number) {
    // Memory of its own, outside the heap: its address stays while the buffer is referenced.
    const block = new ArrayBuffer(slots * (headerBytes + vectorBytes + nameBytes));
    this.headers = Buffer.from(block, 0, slots * headerBytes);
    this.names = Buffer.from(block, slots * (headerBytes + vectorBytes), slots * nameBytes);
    this.words = new Uint32Array(block, 0, (slots * headerBytes) / 4);
    this.vectors = new BigUint64Array(block, slots * headerBytes, (slots * vectorBytes) / 8);
    const address = BigInt(koffi.address(this.headers));
    this.dataAddress = BigInt(koffi.address(data));
    const pointers = new BigUint64Array(block, 0, (slots * headerBytes) / 8);
    for (let i = 0; i < slots; i++) {
      const header = i * 8;
      pointers[header] = address + BigInt(slots * (headerBytes + vectorBytes) + i * nameBytes);
      pointers[header + 2] = address + BigInt(slots * headerBytes + i * vectorBytes);
      pointers[header + 3] = 1n;
      this.vectors[i * 2] = this.dataAddress + BigInt(i * stride);
      this.vectors[i * 2 + 1] = BigInt(stride);
      this.words[i * 16 + 2] = sockaddrBytes;
    }
  }
}
