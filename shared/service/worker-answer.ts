/** How often the main thread asks its workers for their `status`, milliseconds. */
export const statusEveryMs = 1_000;

/** What a worker answers when it is asked for its `status`. */
export interface WorkerAnswer {
  /** Of the configuration that it goes by: one that began while that changed may be behind. */
  readonly revision: number;
  /** Requests that still await their final response. */
  readonly pending: number;
  /** Diameter requests that await their answer. */
  readonly diameter: number;
  readonly registrations: number;
  /** Sets of security associations. */
  readonly associationSets: number;
  /** Calls and subscriptions that this worker has a part of. */
  readonly sessions: number;
}

/** Tells each worker that another one has left, which may have left something behind. */
export interface WorkerLeft {
  readonly command: 'left';
  readonly worker: number;
}

/** How the main thread hands a new configuration to a worker. */
export interface ConfigureRequest<C> {
  readonly command: 'configure';
  readonly config: C;
  /** How often it has changed since the start. */
  readonly revision: number;
}
