/** How often the main thread asks its workers for their `status`, milliseconds. */
export const statusEveryMs = 1_000;

/** What a worker answers when it is asked for its `status`. */
export interface WorkerAnswer {
  /** Requests that still await their final response. */
  readonly pending: number;
  readonly registrations: number;
}

/** How the main thread hands a new configuration to a worker. */
export interface ConfigureRequest<C> {
  readonly command: 'configure';
  readonly config: C;
}
