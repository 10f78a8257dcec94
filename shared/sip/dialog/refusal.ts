import type { HeaderKey } from '../message/header-list.ts';
import type { Reason } from '../reasons.ts';

/** A no that a node gives with `transaction.refuse`: why, in more words, and the header fields that belong to it. */
export interface Refusal {
  readonly reason: Reason;
  readonly detail: string;
  readonly headers: readonly (readonly [HeaderKey, string])[];
}

/** Whether something is a refusal and not what was hoped for. */
export function isRefusal(value: object): value is Refusal {
  return 'reason' in value && 'headers' in value;
}

/** Makes a refusal. */
export function refusal(reason: Reason, detail = '', headers: Refusal['headers'] = []): Refusal {
  return { reason, detail, headers };
}
