import { createRequire } from 'node:module';
import { layoutFits } from './netlink-message.ts';

/** The functions of libc that a netlink socket needs, called through koffi. */
export interface NetlinkLibrary {
  readonly socket: (domain: number, type: number, protocol: number) => number;
  readonly setsockopt: (fd: number, level: number, name: number, value: Buffer, length: number) => number;
  readonly send: (fd: number, bytes: Buffer, length: number, flags: number) => number;
  readonly recv: (fd: number, bytes: Buffer, length: number, flags: number) => number;
  readonly close: (fd: number) => number;
  readonly errno: () => number;
}

let library: NetlinkLibrary | string | undefined;

/** The functions, loaded once; or the reason in words why they can't be called here. */
export function netlinkLibrary(): NetlinkLibrary | string {
  library ??= loadLibrary();
  return library;
}

function loadLibrary(): NetlinkLibrary | string {
  if (process.platform !== 'linux') return `no XFRM on ${process.platform}`;
  if (!layoutFits()) return `no netlink on ${process.arch}`;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const lib = koffi.load(null);
    return {
      socket: lib.func('int socket(int domain, int type, int protocol)'),
      setsockopt: lib.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)'),
      send: lib.func('intptr_t send(int fd, const void *bytes, size_t length, int flags)'),
      recv: lib.func('intptr_t recv(int fd, void *bytes, size_t length, int flags)'),
      close: lib.func('int close(int fd)'),
      errno: () => koffi.errno(),
    };
  } catch (error) {
    return `koffi can't be used: ${(error as Error).message.split('\n')[0]}`;
  }
}
