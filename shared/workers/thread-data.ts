import { createBells } from './doorbell.ts';
import { createRing } from './frame-ring.ts';
import { createLoad } from './intake-load.ts';
import type { TransportSide } from './transport-side.ts';
import type { WorkersOptions } from './worker-control.ts';
import type { ThreadData } from './worker-thread.ts';

const defaultRingBytes = 2 * 1024 * 1024;
const peerRingBytes = 256 * 1024;

/** What all threads of a pool share. */
export type SharedMemory = Pick<ThreadData, 'seed' | 'buckets' | 'refused' | 'crew'>;

/**
 * What the thread of each place begins with, whether somebody is there already or not; `first`: the number of the first
 * one. The system gives memory to rings only as they are used.
 */
export function threadData(
  { descriptors }: TransportSide,
  { module, config, ringBytes = defaultRingBytes, coalesce = false, intake = {}, associations }: WorkersOptions,
  shared: SharedMemory,
  places: number,
  first: number,
): ThreadData[] {
  const numbers = Array.from({ length: places }, (_, i) => i);
  const bells = createBells(places + 1);
  // peerRings[from][to]; what the reading thread and the others say to each other goes by the rings they have anyway.
  const peerRings = numbers.map((from) =>
    numbers.map((to) => (from === to || from < first || to < first ? null : createRing(peerRingBytes))),
  );
  return numbers.slice(first).map((worker) => ({
    ...shared,
    bells,
    module,
    worker,
    config,
    fromMain: createRing(ringBytes),
    toMain: createRing(ringBytes),
    fromWorkers: peerRings.map((rings) => rings[worker]!),
    toWorkers: peerRings[worker]!,
    coalesce,
    descriptors,
    intake,
    load: createLoad(),
    hasAssociations: associations != null,
  }));
}
