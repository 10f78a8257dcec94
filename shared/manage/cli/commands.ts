import type { NodeStatus, PeerStatus, WorkerStatus } from '#service/node-status';
import { statusView } from './status-view.ts';
import { fieldsView, rowsView } from './views.ts';

/** One argument of a command. */
export interface CommandArgument {
  readonly name: string;
  readonly describe: string;
  readonly type: 'string' | 'number';
  /** Left out: it has to be given. */
  readonly byDefault?: string | number | null;
}

/** One command of cscfctl: the method it calls, and how its result looks to people. */
export interface ControlCommand {
  /** Words of the command, without its arguments. */
  readonly words: string;
  readonly method: string;
  readonly describe: string;
  readonly positionals?: readonly CommandArgument[];
  readonly options?: readonly CommandArgument[];
  /** Parameters of the method, by the arguments; those by their names when left out. */
  readonly params?: (given: Readonly<Record<string, unknown>>) => Record<string, unknown>;
  readonly view: (result: unknown) => string;
}

const id: CommandArgument = {
  name: 'id',
  type: 'string',
  describe: 'public or private identity, or the id of a listing',
};
const filter: CommandArgument = {
  name: 'filter',
  type: 'string',
  describe: 'only what has this word in it',
  byDefault: null,
};
const limit: CommandArgument = { name: 'limit', type: 'number', describe: 'rows at most', byDefault: 100 };
const callId: CommandArgument = { name: 'callId', type: 'string', describe: 'Call-ID' };

/** The commands, in the order of the help. `follow` and `call` are elsewhere: they are no single answer or no single method. */
export const controlCommands: readonly ControlCommand[] = [
  {
    words: 'status',
    method: 'status',
    describe: 'how the node is: workers, listeners, peers, registrations, refusals',
    view: (result) => statusView(result as NodeStatus),
  },
  {
    words: 'registrations list',
    method: 'registrations.list',
    describe: 'who is registered',
    options: [
      filter,
      limit,
      { name: 'from', type: 'string', describe: 'where a listing before this one ended', byDefault: null },
    ],
    view(result) {
      const { rows, next } = result as { rows: readonly Record<string, unknown>[]; next: string | null };
      const shown = rowsView(rows, ['impi', 'impus', 'contacts', 'expiresSeconds'], 'nobody is registered');
      return next === null ? shown : `${shown}\nmore: --from '${next}'`;
    },
  },
  {
    words: 'registrations show',
    method: 'registrations.show',
    describe: 'all that is known of one',
    positionals: [id],
    view: fieldsView,
  },
  {
    words: 'registrations deregister',
    method: 'registrations.deregister',
    describe: 'ends a registration: watchers, sessions and the HSS are told',
    positionals: [id],
    view: (result) => `contacts removed: ${result}`,
  },
  {
    words: 'profile show',
    method: 'profile.show',
    describe: 'user profile as the HSS sent it (S-CSCF)',
    positionals: [id],
    view: String,
  },
  {
    words: 'reauthenticate',
    method: 'reauthenticate',
    describe: 'makes a user authenticate anew (S-CSCF)',
    positionals: [{ name: 'impu', type: 'string', describe: 'one of the public identities' }],
    options: [{ name: 'seconds', type: 'number', describe: 'time left to the user', byDefault: 600 }],
    view: (result) => `contacts shortened: ${result}`,
  },
  {
    words: 'dialogs list',
    method: 'dialogs.list',
    describe: 'sessions under way',
    options: [filter, limit],
    view: (result) =>
      rowsView(result as Record<string, unknown>[], ['callId', 'user', 'direction', 'state', 'to'], 'no sessions'),
  },
  {
    words: 'dialogs show',
    method: 'dialogs.show',
    describe: 'dialogs of one Call-ID',
    positionals: [callId],
    view: fieldsView,
  },
  {
    words: 'dialogs end',
    method: 'dialogs.end',
    describe: 'ends the sessions of a Call-ID',
    positionals: [callId],
    view: (result) => `sessions ended: ${result}`,
  },
  {
    words: 'peers list',
    method: 'peers.list',
    describe: 'Diameter peers and how they are',
    view: (result) =>
      rowsView(result as Record<string, unknown>[], ['host', 'address', 'state', 'roundTripMs', 'words'], 'no peers'),
  },
  {
    words: 'peers show',
    method: 'peers.show',
    describe: 'one peer with what became of its requests',
    positionals: [{ name: 'host', type: 'string', describe: 'Origin-Host' }],
    view: fieldsView,
  },
  {
    words: 'peers disable',
    method: 'peers.disable',
    describe: 'leaves a peer and keeps it away until peers enable',
    positionals: [{ name: 'host', type: 'string', describe: 'Origin-Host' }],
    view: peerView,
  },
  {
    words: 'peers enable',
    method: 'peers.enable',
    describe: 'lets a disabled peer in again',
    positionals: [{ name: 'host', type: 'string', describe: 'Origin-Host' }],
    view: peerView,
  },
  {
    words: 'workers list',
    method: 'workers.list',
    describe: 'the workers, and how many there may be',
    view: workersView,
  },
  {
    words: 'workers scale',
    method: 'workers.scale',
    describe: 'lets so many workers take new calls',
    positionals: [{ name: 'count', type: 'number', describe: 'how many, within the bounds of the configuration' }],
    view: workersView,
  },
  {
    words: 'config get',
    method: 'config.get',
    describe: 'configuration in effect, or one key',
    positionals: [{ name: 'key', type: 'string', describe: 'dotted key', byDefault: null }],
    view: (result) => JSON.stringify(result, null, 2),
  },
  {
    words: 'config explain',
    method: 'config.explain',
    describe: 'where each value comes from: a file, the environment, the command line, config set, the default',
    positionals: [{ name: 'key', type: 'string', describe: 'dotted key', byDefault: null }],
    view: (result) =>
      rowsView(result as Record<string, unknown>[], ['key', 'value', 'from'], 'there is no value with this key'),
  },
  {
    words: 'config set',
    method: 'config.set',
    describe: 'sets a live key until a restart or config persist',
    positionals: [
      { name: 'key', type: 'string', describe: 'dotted key' },
      { name: 'value', type: 'string', describe: 'value as JSON; what is none is taken as text' },
    ],
    params: ({ key, value }) => ({ values: { [String(key)]: jsonOrText(String(value)) } }),
    view: reloadView,
  },
  {
    words: 'config diff',
    method: 'config.diff',
    describe: 'how the files differ from what runs',
    view: (result) =>
      rowsView(result as Record<string, unknown>[], ['key', 'running', 'file', 'reload'], 'no difference'),
  },
  {
    words: 'config persist',
    method: 'config.persist',
    describe: 'writes what config set has set into the file',
    view: (result) => `written: ${(result as string[]).join(', ') || 'nothing'}`,
  },
  {
    words: 'config reload',
    method: 'config.reload',
    describe: 'reads configuration and certificates anew',
    view: reloadView,
  },
  {
    words: 'sockets list',
    method: 'sockets.list',
    describe: 'what the node listens on',
    view: (result) => rowsView(result as Record<string, unknown>[], ['address', 'sides'], 'none'),
  },
  {
    words: 'stats',
    method: 'stats.get',
    describe: 'metrics that have counted',
    positionals: [{ name: 'prefix', type: 'string', describe: 'only names that begin so', byDefault: null }],
    view: (result) => rowsView(result as Record<string, unknown>[], ['name', 'labels', 'value'], 'nothing has counted'),
  },
  {
    words: 'store',
    method: 'store.info',
    describe: 'tables of the store and their records',
    view: (result) => rowsView(result as Record<string, unknown>[], ['table', 'records'], 'this node keeps nothing'),
  },
  {
    words: 'log',
    method: 'log.recent',
    describe: 'newest lines of the log',
    options: [{ name: 'limit', type: 'number', describe: 'lines', byDefault: 50 }],
    view: (result) => (result as object[]).map((line) => JSON.stringify(line)).join('\n'),
  },
  { words: 'drain', method: 'drain', describe: 'ends the daemon as SIGTERM does', view: () => 'draining' },
  {
    words: 'methods',
    method: 'rpc.discover',
    describe: 'methods of the management interface',
    view: (result) => rowsView((result as { methods: Record<string, unknown>[] }).methods, ['name', 'summary'], 'none'),
  },
];

function peerView(result: unknown): string {
  const { host, state, words } = result as PeerStatus;
  return `${host} ${state}: ${words}`;
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The workers, and how many there may be. */
function workersView(result: unknown): string {
  const { serving, min, max, automatic, workers } = result as {
    serving: number;
    min: number;
    max: number;
    automatic: boolean;
    workers: readonly WorkerStatus[];
  };
  const bounds = min === max ? 'the number is fixed' : `${min} to ${max}${automatic ? ', by the load' : ''}`;
  const rows = workers.map((worker) => ({ ...worker, busy: `${Math.round(worker.busy * 100)} %` }));
  return `${serving} serving; ${bounds}\n${rowsView(rows, ['worker', 'state', 'messages', 'busy', 'shed', 'restarts'], '')}`;
}

/** What became of a new configuration. */
function reloadView(result: unknown): string {
  const { applied, needsRestart, rejected } = result as {
    applied: string[];
    needsRestart: string[];
    rejected: { file: string; line: number; path: string; message: string; suggestion?: string }[];
  };
  if (rejected.length > 0) {
    const lines = rejected.map(({ file, line, path, message, suggestion }) => {
      const place = line === 0 ? '' : `${file}:${line}: `;
      return `${place}${path}: ${message}${suggestion === undefined ? '' : ` (${suggestion})`}`;
    });
    return ['nothing has changed:', ...lines].join('\n');
  }
  const restart = needsRestart.length === 0 ? [] : [`needs a restart: ${needsRestart.join(', ')}`];
  return [`applied: ${applied.join(', ') || 'nothing, all is as before'}`, ...restart].join('\n');
}
