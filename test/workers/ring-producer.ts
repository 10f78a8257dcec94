import { workerData } from 'node:worker_threads';
import { Doorbell } from '#workers/doorbell';
import { FrameQueue } from '#workers/frame-queue';

/** Writes numbered frames of many lengths, in batches, pausing now and then. */
const { ring, bells, frames, longest } = workerData as {
  ring: SharedArrayBuffer;
  bells: SharedArrayBuffer;
  frames: number;
  longest: number;
};
const queue = new FrameQueue(ring, new Doorbell(bells, 0));
let next = 0;

function batch(): void {
  if (queue.fill > 4) {
    queue.flush();
    setTimeout(batch, 1);
    return;
  }
  for (let i = 0; i < 50 && next < frames; i++, next++) {
    const length = (next * 7919) % longest;
    const at = queue.begin(6, next & 255, next & 0xffff, next, length, length);
    queue.bytes.fill(next & 255, at, at + length);
  }
  queue.flush();
  if (next >= frames) setTimeout(() => queue.flush(), 5);
  else if (next % 1000 === 0) setTimeout(batch, 1);
  else setImmediate(batch);
}

batch();
