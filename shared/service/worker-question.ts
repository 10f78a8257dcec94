/**
 * What the management interface asks of the workers of a node; plain data both ways. `control` of a node's logic answers
 * those that concern it, and null to the others.
 */
export type WorkerQuestion =
  | { readonly command: 'registrations.page'; readonly from: string; readonly limit: number; readonly filter: string }
  | { readonly command: 'registrations.show'; readonly id: string }
  | { readonly command: 'registrations.deregister'; readonly id: string }
  | { readonly command: 'profile.show'; readonly id: string }
  | { readonly command: 'dialogs.list'; readonly limit: number; readonly filter: string }
  | { readonly command: 'dialogs.show'; readonly callId: string }
  | { readonly command: 'log.recent'; readonly limit: number }
  | { readonly command: 'store.tables' };

/** One row of a listing of registrations. */
export interface RegistrationRow {
  /** What `registrations.show` and `registrations.deregister` take. */
  readonly id: string;
  readonly impi: string;
  readonly impus: readonly string[];
  readonly contacts: readonly string[];
  /** Seconds until the last contact runs out. */
  readonly expiresSeconds: number;
}

/** Part of a listing: `next` is where the next part begins, null after the last one. */
export interface RegistrationPage {
  readonly rows: readonly RegistrationRow[];
  readonly next: string | null;
}

/** One row of a listing of dialogs. */
export interface DialogRow {
  readonly callId: string;
  readonly user: string;
  readonly direction: 'originating' | 'terminating';
  readonly state: 'early' | 'confirmed' | 'released';
  readonly from: string;
  readonly to: string;
}

/** A question as it comes to a worker, null when it is none of these. */
export function readQuestion(request: unknown): WorkerQuestion | null {
  if (typeof request !== 'object' || request === null) return null;
  const { command } = request as { command?: unknown };
  return typeof command === 'string' && command.includes('.') ? (request as WorkerQuestion) : null;
}
