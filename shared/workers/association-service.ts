import { type AssociationPort, IpsecError } from '#ipsec/ipsec-backend';
import type { InstalledAssociation } from '#ipsec/security-association';
import { associationsPerFrame, withoutKeys } from './association-client.ts';
import { type AssociationAnswer, decodeOrder, encodeAnswer } from './association-orders.ts';

/**
 * Does what the worker of another thread has ordered, and answers it: one answer, or for a list as many as it takes.
 * `send`: writes one answer toward the worker. Source: requirement P-39.
 */
export async function serveAssociations(
  backend: AssociationPort | null,
  text: string,
  send: (answer: string) => void,
): Promise<void> {
  try {
    if (backend === null) throw new IpsecError('ERR_IPSEC_UNSUPPORTED', 'there is no IPsec back end');
    const listed = await carryOut(backend, text);
    let at = 0;
    do {
      const end = at + associationsPerFrame;
      send(encodeAnswer({ done: true, listed: listed.slice(at, end).map(withoutKeys), more: end < listed.length }));
      at = end;
    } while (at < listed.length);
  } catch (error) {
    send(encodeAnswer(failureOf(error)));
  }
}

const nothing: readonly InstalledAssociation[] = [];

async function carryOut(backend: AssociationPort, text: string): Promise<readonly InstalledAssociation[]> {
  const order = decodeOrder(text);
  switch (order.order) {
    case 'add':
      await backend.add(order.associations);
      return nothing;
    case 'remove':
      await backend.remove(order.associations);
      return nothing;
    case 'extend':
      await backend.extend(order.associations, order.seconds);
      return nothing;
    case 'list':
      return backend.list();
  }
}

function failureOf(error: unknown): AssociationAnswer {
  if (error instanceof IpsecError) return { done: false, code: error.code, message: error.message };
  return { done: false, code: 'ERR_IPSEC_FAILED', message: error instanceof Error ? error.message : String(error) };
}
