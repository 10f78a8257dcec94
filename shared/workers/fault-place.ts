import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Where the procedures of a worker are, and what they work with. Nothing of the sockets, peers and timers of the process. */
const workerSide = [
  'nodes/',
  'shared/ims/',
  'shared/diameter/',
  'shared/sip/',
  'shared/workers/inline-worker.ts',
  'shared/workers/intake.ts',
  'shared/workers/worker-side.ts',
  'shared/service/counting-port.ts',
  'shared/service/live-settings.ts',
  'shared/service/node-worker.ts',
  'shared/service/originator.ts',
  'shared/service/serve-diameter.ts',
  'shared/service/worker-diameter.ts',
  'shared/service/worker-reports.ts',
];
const processSide = ['shared/sip/transport/', 'shared/diameter/peer/'];

/**
 * Whether an exception that nobody caught came from the procedures of a worker alone: every frame of its stack that is ours
 * is theirs, and none is missing. Then a new worker side is as good as a new process; else something of the transport,
 * the peers or the store may have stopped half way.
 *
 * `module`: URL of the worker's module. Source: X-R1.
 */
export function isOfWorkerSide(error: unknown, module: string): boolean {
  if (!(error instanceof Error) || typeof error.stack !== 'string') return false;
  // The message may hold what a peer sent.
  const from = error.stack.indexOf(error.message);
  const lines = error.stack.slice(from < 0 ? 0 : from + error.message.length).split('\n');
  const frames = lines.filter((line) => line.startsWith('    at '));
  if (frames.length >= Error.stackTraceLimit) return false;
  const places = frames.flatMap((frame) => placeOf(frame) ?? []);
  const own = pathOf(module);
  return places.length > 0 && places.every((place) => place.startsWith(own) || isWorkersOwn(place));
}

/** Where a frame is, as a path with line and column; null where it is Node.js' own. */
function placeOf(frame: string): string | null {
  const open = frame.lastIndexOf('(');
  const place = open < 0 ? frame.slice('    at '.length) : frame.slice(open + 1, -1);
  const plain = place.startsWith('async ') ? place.slice('async '.length) : place;
  if (plain.startsWith('node:') || plain === '<anonymous>' || plain === 'native') return null;
  return pathOf(plain);
}

/** Stacks have URLs or paths, as the modules were loaded. */
function pathOf(place: string): string {
  return place.startsWith('file://') ? fileURLToPath(place) : place;
}

function isWorkersOwn(place: string): boolean {
  if (!place.startsWith(root)) return false;
  const path = place.slice(root.length);
  const isIn = (folder: string) => path.startsWith(folder);
  return workerSide.some(isIn) && !processSide.some(isIn);
}
