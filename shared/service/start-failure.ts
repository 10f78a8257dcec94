import { formatHostPort } from './config/address.ts';

/** What the system said about a failed call. */
interface SystemFailure {
  readonly code?: unknown;
  readonly syscall?: unknown;
  readonly address?: unknown;
  readonly port?: unknown;
  readonly path?: unknown;
  readonly cause?: unknown;
  readonly message?: unknown;
}

/**
 * Why a daemon did not start, in words that say what to do. An error that carries a `cause` is explained by the
 * outermost one that has a known code; undefined when none has.
 */
export function explainStartFailure(error: unknown): string | undefined {
  for (
    let at = error as SystemFailure | undefined, depth = 0;
    typeof at === 'object' && at !== null && depth < 8;
    depth++
  ) {
    const words = explain(at);
    if (words !== undefined) return words;
    at = at.cause as SystemFailure | undefined;
  }
  return undefined;
}

function explain({ code, address, port, path, syscall }: SystemFailure): string | undefined {
  const socket = typeof port === 'number' && typeof address === 'string' ? formatHostPort(address, port) : undefined;
  const place = socket ?? String(address ?? path ?? 'a file or address');
  switch (code) {
    case 'EADDRINUSE':
      if (socket === undefined)
        return `${place} is in use: another node runs with it. Stop that one, or change management.socket.`;
      return `${place} is in use by another program, perhaps by this node started before. See who with: ss -lntup 'sport = :${String(port)}'. Stop it, or change the port in the configuration.`;
    case 'EADDRNOTAVAIL':
      return `this machine has no address ${String(address)}. See the ones it has with: ip address. Change listeners in the configuration, or add the address.`;
    case 'EACCES':
    case 'EPERM':
      if (typeof port === 'number' && port > 0 && port < 1024) {
        return `port ${port} needs privileges. Use a port from 1024 on, or allow it with: sysctl net.ipv4.ip_unprivileged_port_start=${port}`;
      }
      return `${place}: permission denied${typeof syscall === 'string' ? ` (${syscall})` : ''}. Give the user that runs this the right, or choose another path.`;
    case 'ENOENT':
      return `${place} does not exist. Check the path in the configuration; it is relative to the configuration file.`;
    case 'ENOSPC':
      return `${place}: the disk is full. Make room, or choose another path.`;
    case 'EMFILE':
    case 'ENFILE':
      return 'too many open files. Raise the limit with: ulimit -n 65536';
    case 'EAFNOSUPPORT':
      return `${place}: this machine does not do this kind of address, most likely IPv6. Remove it from the configuration.`;
    default:
      return undefined;
  }
}
