/**
 * Timer values of a reference point, milliseconds.
 * Source: RFC 3261 17.1.1.1; TS 24.229 7.7 (table 7.7.1: the UE side waits four times as long).
 */
export interface TimerProfile {
  /** Round-trip estimate. */
  readonly t1Ms: number;
  /** Longest retransmission interval of non-INVITE requests and INVITE responses. */
  readonly t2Ms: number;
  /** How long a message stays in the network. */
  readonly t4Ms: number;
  /**
   * Whether answers over UDP go to the port that the request came from, also when it was not asked for by rport: phones
   * sit behind address translators. Requirement P-142.
   */
  readonly answersToSource?: boolean;
}

export const coreTimers: TimerProfile = Object.freeze({ t1Ms: 500, t2Ms: 4_000, t4Ms: 5_000 });

/** Between P-CSCF and UE. Source: TS 24.229 7.7. */
export const gmTimers: TimerProfile = Object.freeze({ t1Ms: 2_000, t2Ms: 16_000, t4Ms: 17_000 });

/** An INVITE is answered 100 when nothing else went out for this long. Source: RFC 3261 17.2.1; requirement C-04. */
export const tryingDelayMs = 200;

/** Timers B, F, H, J, L, M: 64*T1. */
export function giveUpMs(profile: TimerProfile): number {
  return 64 * profile.t1Ms;
}

/** Timer D: at least 32 s, 64*T1 on Gm. Source: RFC 3261 17.1.1.2; requirement C-01. */
export function timerDMs(profile: TimerProfile): number {
  return Math.max(32_000, giveUpMs(profile));
}

/**
 * When a non-INVITE over UDP that has no final response yet gets its 100: as long as Timer E takes to reach T2
 * (T1 + 2*T1 + ... up to T2: 3.5 s core, 14 s Gm).
 * Source: RFC 4320 4.1; requirement C-04.
 */
export function lateTryingMs(profile: TimerProfile): number {
  let sum = 0;
  for (let interval = profile.t1Ms; interval < profile.t2Ms; interval *= 2) sum += interval;
  return sum;
}
