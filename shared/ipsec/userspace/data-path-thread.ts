import { receiveMessageOnPort, workerData } from 'node:worker_threads';
import { IpsecError } from '../ipsec-backend.ts';
import type { SecurityAssociation } from '../security-association.ts';
import { AssociationTable } from './association-table.ts';
import { DataPath } from './data-path.ts';
import type { DataPathAnswer, DataPathRequest, DataPathStart } from './data-path-request.ts';
import { loadLibc } from './libc.ts';

/*
 * The thread of the data path. It has no event loop while it runs: it sleeps in poll(), and the main thread wakes it when
 * it has written a request. The time limit lets it see that the process wants to end.
 */

const longestSleepMs = 1000;

const { descriptors, replayWindow, port } = workerData as DataPathStart;
const libc = loadLibc();
if (typeof libc === 'string') throw new Error(libc);
const table = new AssociationTable(replayWindow);
const path = new DataPath(libc, descriptors, table);

let expiredAt = 0;
for (let running = true; running; ) {
  path.wait(longestSleepMs);
  const now = performance.now() / 1000;
  if (now - expiredAt >= 1) {
    table.expire(now);
    expiredAt = now;
  }
  for (let received = receiveMessageOnPort(port); received; received = receiveMessageOnPort(port)) {
    const { id, request } = received.message as { id: number; request: DataPathRequest };
    if (request.kind === 'stop') running = false;
    port.postMessage(answer(id, request, now));
  }
}
port.close();

function answer(id: number, request: DataPathRequest, now: number): DataPathAnswer {
  try {
    obey(request, now);
  } catch (error) {
    const code = error instanceof IpsecError ? error.code : 'ERR_IPSEC_FAILED';
    return { id, refusal: { code, message: (error as Error).message } };
  }
  // A list of thousands of associations is copied for who asks for it only.
  return request.kind === 'report' ? { id, report: { associations: table.list(), counters: path.counters } } : { id };
}

function obey(request: DataPathRequest, now: number): void {
  switch (request.kind) {
    case 'listen':
      path.listen(request.address, request.version, request.fd);
      break;
    case 'add':
      table.add(request.associations.map(withBuffers), now);
      break;
    case 'remove':
      table.remove(request.associations);
      break;
    case 'extend':
      table.extend(request.associations, now + request.seconds);
      break;
    case 'report':
    case 'stop':
      break;
  }
}

/** A Buffer arrives from another thread as a Uint8Array. */
function withBuffers(association: SecurityAssociation): SecurityAssociation {
  const { integrityKey, encryptionKey } = association;
  return { ...association, integrityKey: Buffer.from(integrityKey), encryptionKey: Buffer.from(encryptionKey) };
}
