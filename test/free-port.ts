import { PortFinder } from '#lab/network/free-ports';

const finder = new PortFinder('127.0.0.1');

/** A port of 127.0.0.1 that is free for UDP and TCP, each only once in this process. */
export function freePort(): Promise<number> {
  return finder.take(0);
}
