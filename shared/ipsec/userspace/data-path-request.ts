import type { MessagePort } from 'node:worker_threads';
import type { IpsecCounters, IpsecError } from '../ipsec-backend.ts';
import type { InstalledAssociation, SecurityAssociation } from '../security-association.ts';
import type { Descriptors } from './data-path.ts';

/*
 * What the main thread and the thread of the data path say to each other. Each request has one answer.
 */

/** What the thread is started with. */
export interface DataPathStart {
  readonly descriptors: Descriptors;
  readonly replayWindow: number;
  readonly port: MessagePort;
}

export type DataPathRequest =
  | { readonly kind: 'listen'; readonly address: string; readonly version: 4 | 6; readonly fd: number }
  | { readonly kind: 'add'; readonly associations: readonly SecurityAssociation[] }
  | { readonly kind: 'remove'; readonly associations: readonly InstalledAssociation[] }
  | { readonly kind: 'extend'; readonly associations: readonly InstalledAssociation[]; readonly seconds: number }
  | { readonly kind: 'report' }
  | { readonly kind: 'stop' };

/** What the data path holds and has counted, in answer to any request. */
export interface DataPathReport {
  readonly associations: readonly InstalledAssociation[];
  readonly counters: IpsecCounters;
}

export interface DataPathAnswer {
  readonly id: number;
  readonly refusal?: { readonly code: IpsecError['code']; readonly message: string };
  readonly report?: DataPathReport;
}
