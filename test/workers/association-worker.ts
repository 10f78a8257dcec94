import type { InstalledAssociation, SecurityAssociation } from '#ipsec/security-association';
import type { WorkerOwnership } from '#workers/dispatch';
import type { TransportPort } from '#workers/frame-link';
import type { WorkerContext, WorkerInstance } from '#workers/worker-module';

/** What a test asks of the worker. */
export type Wish =
  | { readonly order: 'add'; readonly associations: readonly SecurityAssociation[] }
  | { readonly order: 'remove'; readonly associations: readonly InstalledAssociation[] }
  | { readonly order: 'extend'; readonly associations: readonly InstalledAssociation[] }
  | { readonly order: 'list' }
  | { readonly order: 'has' };

/** A worker that uses the back end as it is told. Keys come as the octets that a message to a thread makes of a Buffer. */
export function createInbox(port: TransportPort, _own: WorkerOwnership, _context: WorkerContext): WorkerInstance {
  return {
    beginBatch() {},
    endBatch() {},
    sip() {},
    sendFailed() {},
    connectionClosed() {},
    diameter() {},
    diameterFailed() {},
    peerRestarted() {},
    workerMessage() {},
    async control(request) {
      const wish = request as Wish;
      const backend = port.associations ?? null;
      if (wish.order === 'has') return backend !== null;
      try {
        switch (wish.order) {
          case 'add':
            await backend!.add(wish.associations.map(withBuffers));
            return 'done';
          case 'remove':
            await backend!.remove(wish.associations);
            return 'done';
          case 'extend':
            await backend!.extend(wish.associations, 60);
            return 'done';
          case 'list':
            return await backend!.list();
        }
      } catch (error) {
        const { name, code, message } = error as NodeJS.ErrnoException;
        return `${name} ${code} ${message}`;
      }
    },
  };
}

function withBuffers(association: SecurityAssociation): SecurityAssociation {
  const { integrityKey, encryptionKey } = association;
  return { ...association, integrityKey: Buffer.from(integrityKey), encryptionKey: Buffer.from(encryptionKey) };
}
