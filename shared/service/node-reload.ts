import { isDeepStrictEqual } from 'node:util';
import { SipError } from '#sip/errors';
import type { StreamLimits } from '#sip/transport/stream-limits';
import type { TransportSide } from '#workers/transport-side';
import type { Workers } from '#workers/worker-control';
import type { ConfigData } from './config/config.ts';
import type { CommonConfig } from './config/config-shape.ts';
import type { Prepared, Refusal } from './config/live-config.ts';
import type { DiameterSide } from './diameter-side.ts';
import { carryListeners, pathOfListener } from './listener-changes.ts';
import type { ConfigureRequest } from './worker-answer.ts';

/** How long a worker that is being replaced may take to hear of a new configuration, milliseconds. */
const hearMs = 5_000;
const askAgainMs = 50;

/** What of a node follows its configuration, on its main thread. */
export interface Follower<C extends CommonConfig> {
  /** What new workers begin with: the configuration that is in effect, and how often it has changed. */
  readonly data: { config: C; revision: number };
  readonly transport: TransportSide;
  readonly peers: DiameterSide | null;
  readonly workers: Workers;
  readonly streamLimits: (next: C) => Partial<StreamLimits>;
  /** Everything else that follows; must not fail. */
  readonly follow: (next: C) => void;
}

/**
 * Gets a node ready for a new configuration: sockets are bound, certificates read. Gives how it is taken over, or why it
 * cannot be. Workers know new listeners before a message comes by them, and closed ones serve on for the drain time.
 */
export async function prepareNode<C extends CommonConfig>(
  node: Follower<C>,
  written: C,
  raw: ConfigData,
): Promise<Prepared | Refusal> {
  const { data, transport, peers } = node;
  const listeners = carryListeners(data.config.listeners, written.listeners);
  if (typeof listeners === 'string')
    return { path: ['listeners'], message: listeners, suggestion: 'name ipsec.addresses, or restart the node' };
  const next: C = { ...written, listeners };
  const changePeers = await preparePeers(peers, next);
  if (typeof changePeers === 'object') return changePeers;
  const sockets = await transport.prepare(listeners, next.drain * 1000);
  if ('words' in sockets) {
    const suggestion = 'see who has it with ss -lntup, or choose another port';
    return { path: pathOfListener(sockets.listener, raw), message: sockets.words, suggestion };
  }
  return {
    withdraw: () => sockets.withdraw(),
    async apply() {
      const before = data.config;
      data.config = next;
      data.revision++;
      node.follow(next);
      if (!isDeepStrictEqual(limitsOf(before), limitsOf(next))) transport.limitStreams(node.streamLimits(next));
      await tellWorkers(node.workers, { command: 'configure', config: next, revision: data.revision });
      sockets.serve();
      changePeers();
    },
  };
}

/** What the bounds of the stream connections are made of. */
function limitsOf({ limits, timers }: CommonConfig): readonly unknown[] {
  return [limits.streams, timers.timerC];
}

async function preparePeers(peers: DiameterSide | null, { diameter }: CommonConfig): Promise<(() => void) | Refusal> {
  if (peers === null || diameter === undefined) return () => {};
  try {
    return await peers.prepare(diameter);
  } catch (error) {
    if (!(error instanceof SipError)) throw error;
    return { path: ['diameter', 'peers'], message: error.message, suggestion: 'see the tls section' };
  }
}

/** Hands a configuration to every worker; one that is being replaced is asked again for a while. */
export async function tellWorkers<C>(workers: Workers, request: ConfigureRequest<C>): Promise<void> {
  const until = performance.now() + hearMs;
  const tell = async (worker: number): Promise<void> => {
    while (performance.now() < until) {
      try {
        await workers.ask(worker, request);
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, askAgainMs));
      }
    }
  };
  await Promise.all(workers.numbers.map(tell));
}
