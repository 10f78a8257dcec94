import { describe, expect, it } from 'vitest';
import { isOfWorkerSide } from '#workers/fault-place';

const root = new URL('../../', import.meta.url).href;
const own = (path: string) => `    at f (${root}${path}:1:2)`;
const nodes = '    at process.processTicksAndRejections (node:internal/process/task_queues:104:5)';

function fault(lines: readonly string[], message = 'broken'): Error {
  const error = new Error(message);
  error.stack = [`Error: ${message}`, ...lines].join('\n');
  return error;
}

const of = (...lines: string[]) => isOfWorkerSide(fault(lines), `${root}nodes/scscf/worker.ts`);

describe('where an exception came from that nobody caught', () => {
  it('X-R1 the procedures of a worker: a new worker side will do', () => {
    expect(of(own('nodes/scscf/reg-event.ts'), nodes)).toBe(true);
    expect(of(own('shared/sip/event/subscriber.ts'), own('nodes/pcscf/reg-event-subscriber.ts'))).toBe(true);
    expect(of(own('shared/diameter/client.ts'), own('shared/workers/worker-side.ts'), nodes)).toBe(true);
    expect(isOfWorkerSide(fault([`    at ${root}test/own.ts:3:4`]), `${root}test/own.ts`)).toBe(true);
  });

  it.each([
    'shared/workers/transport-side.ts',
    'shared/sip/transport/stream-transport.ts',
    'shared/diameter/peer/peer.ts',
    'shared/store/lmdb-store.ts',
    'shared/manage/http-server.ts',
    'shared/service/node-main.ts',
    'node_modules/lmdb/index.js',
  ])('X-R1 anything of %s in it: only a new process will do', (path) => {
    expect(of(own('nodes/scscf/register.ts'), own(path), nodes)).toBe(false);
  });

  it('X-R1 says no when it cannot know', () => {
    expect(of()).toBe(false);
    expect(of(nodes)).toBe(false);
    expect(isOfWorkerSide('broken', root)).toBe(false);
    expect(isOfWorkerSide(undefined, root)).toBe(false);
    expect(of('    at f (file:///elsewhere/nodes/scscf/register.ts:1:1)')).toBe(false);
    expect(of('    at /no/url/nodes/x.js:1:1', own('nodes/scscf/register.ts'))).toBe(false);
    // As many frames as are kept: those that called them are not known.
    const frames = Array.from({ length: Error.stackTraceLimit }, () => own('nodes/scscf/register.ts'));
    expect(of(...frames)).toBe(false);
  });

  it('X-R1 takes no frame from the message, which a peer may have written', () => {
    const message = `broken\n${own('nodes/scscf/register.ts')}`;
    expect(isOfWorkerSide(fault([nodes], message), root)).toBe(false);
  });
});
