import { readFileSync } from 'node:fs';

/** Files the process needs besides its stream connections: Node.js, store, log, management, traces. */
const baseFiles = 64;
const filesPerWorker = 16;
const filesPerPeer = 4;
/** With less, nobody could be served. */
const fewestConnections = 16;

/**
 * How many files this process may open, sockets among them; Infinity where the system does not tell.
 *
 * Node.js raises the soft limit to the hard one when it starts, so this is not what `ulimit -n` says in the shell.
 */
export function openFileLimit(read = () => readFileSync('/proc/self/limits', 'utf8')): number {
  let text: string;
  try {
    text = read();
  } catch {
    return Number.POSITIVE_INFINITY;
  }
  const line = text.split('\n').find((each) => each.startsWith('Max open files'));
  const soft = Number(line?.slice('Max open files'.length).trim().split(/\s+/, 1)[0]);
  return Number.isInteger(soft) ? soft : Number.POSITIVE_INFINITY;
}

/** What else of the process opens files. */
export interface FileUsers {
  readonly workers: number;
  readonly peers: number;
  readonly listeners: number;
}

/**
 * How many stream connections there may be: as configured, but so few that listeners, Diameter, store and log always find
 * a descriptor. At the limit Node.js accepts connections and closes them without a word, so our own must come first.
 *
 * Source: X-F3.
 */
export function connectionLimit(wanted: number, files: number, users: FileUsers): number {
  const reserve = baseFiles + users.workers * filesPerWorker + users.peers * filesPerPeer + users.listeners;
  return Math.min(wanted, Math.max(fewestConnections, files - reserve));
}
