import type { InstalledAssociation, SecurityAssociation } from '#ipsec/security-association';

/** What a worker asks of the back end. */
export type AssociationOrder =
  | { readonly order: 'add'; readonly associations: readonly SecurityAssociation[] }
  | { readonly order: 'remove'; readonly associations: readonly InstalledAssociation[] }
  | { readonly order: 'extend'; readonly associations: readonly InstalledAssociation[]; readonly seconds: number }
  | { readonly order: 'list' };

/** What becomes of an order. `listed`: part of a list; `more`: another part follows. */
export type AssociationAnswer =
  | { readonly done: true; readonly listed: readonly InstalledAssociation[]; readonly more: boolean }
  | { readonly done: false; readonly code: string; readonly message: string };

/** An order as the text of a frame; keys in hexadecimal. Only this process reads it. */
export function encodeOrder(order: AssociationOrder): string {
  return JSON.stringify(order, hexKeys);
}

export function decodeOrder(text: string): AssociationOrder {
  return JSON.parse(text, bufferKeys) as AssociationOrder;
}

export function encodeAnswer(answer: AssociationAnswer): string {
  return JSON.stringify(answer);
}

export function decodeAnswer(text: string): AssociationAnswer {
  return JSON.parse(text) as AssociationAnswer;
}

function isKey(name: string): boolean {
  return name === 'integrityKey' || name === 'encryptionKey';
}

/** `this`: the object that holds the value, which `value` is no more: buffers become plain objects before they come here. */
function hexKeys(this: unknown, name: string, value: unknown): unknown {
  return isKey(name) ? (this as Record<string, Buffer>)[name]!.toString('hex') : value;
}

function bufferKeys(name: string, value: unknown): unknown {
  return isKey(name) ? Buffer.from(value as string, 'hex') : value;
}
