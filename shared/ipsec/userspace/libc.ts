import { createRequire } from 'node:module';
import { endianness } from 'node:os';

/*
 * What the data path calls of libc. Struct layouts are those of Linux on 64 bit, little endian (x64, arm64).
 */

/** The functions, and the addresses of memory that they are given in structures. */
export interface Libc {
  readonly socket: (domain: number, type: number, protocol: number) => number;
  readonly bind: (fd: number, address: Buffer, length: number) => number;
  readonly setsockopt: (fd: number, level: number, name: number, value: Buffer, length: number) => number;
  readonly ioctl: (fd: number, request: number, argument: Buffer) => number;
  readonly eventfd: (initial: number, flags: number) => number;
  readonly poll: (descriptors: Buffer, count: number, timeoutMs: number) => number;
  readonly read: (fd: number, bytes: Buffer, length: number) => number;
  readonly recvmmsg: (fd: number, headers: Buffer, count: number, flags: number, timeout: null) => number;
  readonly sendmmsg: (fd: number, headers: Buffer, count: number, flags: number) => number;
  readonly close: (fd: number) => number;
  readonly errno: () => number;
  readonly addressOf: (bytes: Buffer) => bigint;
}

let library: Libc | string | undefined;

/** The functions, loaded once in each thread; or the reason in words why they can't be called here. */
export function loadLibc(): Libc | string {
  library ??= load();
  return library;
}

function load(): Libc | string {
  if (process.platform !== 'linux') return `no TUN device on ${process.platform}`;
  if (endianness() !== 'LE' || !['x64', 'arm64'].includes(process.arch)) return `no native calls on ${process.arch}`;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const lib = koffi.load(null);
    return {
      socket: lib.func('int socket(int domain, int type, int protocol)'),
      bind: lib.func('int bind(int fd, const void *address, uint32_t length)'),
      setsockopt: lib.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)'),
      ioctl: lib.func('int ioctl(int fd, unsigned long request, void *argument)'),
      eventfd: lib.func('int eventfd(unsigned int initial, int flags)'),
      poll: lib.func('int poll(void *descriptors, unsigned long count, int timeout)'),
      read: lib.func('intptr_t read(int fd, void *bytes, size_t length)'),
      recvmmsg: lib.func('int recvmmsg(int fd, void *headers, unsigned int count, int flags, void *timeout)'),
      sendmmsg: lib.func('int sendmmsg(int fd, void *headers, unsigned int count, int flags)'),
      close: lib.func('int close(int fd)'),
      errno: () => koffi.errno(),
      addressOf: (bytes) => BigInt(koffi.address(bytes)),
    };
  } catch (error) {
    return `koffi can't be used: ${(error as Error).message.split('\n')[0]}`;
  }
}
