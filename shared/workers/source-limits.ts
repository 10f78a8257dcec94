import type { Flow } from '#sip/transport/flow';

export interface SourceLimitOptions {
  /** Messages per second that a source may send in vain (malformed, or refused), else it is under penalty; 0: any. */
  readonly junkPerSource: number;
  /** How long a penalty lasts after the last message over that rate, milliseconds. */
  readonly penaltyMs: number;
  /** REGISTERs and requests that begin something, per second and address; 0: no limit. */
  readonly registersPerSource: number;
  readonly requestsPerSource: number;
}

/** Sources of which something is known; the one not heard of for longest makes room. */
const maxSources = 32_768;
/** Junk is forgiven for this long: a short burst is no attack. */
const junkBurstSeconds = 2;
/** Challenges a source may leave unanswered, and how many of them are forgotten in a second. */
const maxChallenges = 200;
const challengesForgotten = 20;
/** How long a source may take to answer a challenge and count as one that registers. */
const challengedMs = 30_000;
/** What must not be shed passes a penalty at this rate, per second. */
const allowance = 5;
/** Seconds of a per-source rate that may come at once. */
const bucketSeconds = 2;

interface Source {
  /** Junk and unanswered challenges, running out as time passes. */
  junk: number;
  challenges: number;
  atMs: number;
  challengedMs: number;
  penaltyUntilMs: number;
  /** What may still pass in spite of the penalty. */
  allowed: number;
  allowedAtMs: number;
}

interface Bucket {
  registers: number;
  requests: number;
  atMs: number;
}

/**
 * What single sources of no standing may do, by what became of their messages: one that keeps sending what is malformed
 * or refused is not heard for some seconds; each address has buckets for what it begins. Bounded.
 *
 * A source is an IPv4 address with its port, or an IPv6 /64. Nodes of the core and registered UEs are never asked about
 * here. Source: requirements X-I9, X-F1.
 */
export class SourceLimits {
  readonly #options: SourceLimitOptions;
  readonly #sources = new Map<string, Source>();
  readonly #penalties = new Map<string, Source>();
  readonly #buckets = new Map<string, Bucket>();
  readonly #penalised: (flow: Flow) => void;

  /** `penalised` hears of each penalty when it begins. */
  constructor(options: SourceLimitOptions, penalised: (flow: Flow) => void) {
    this.#options = options;
    this.#penalised = penalised;
  }

  /** How many sources are under penalty. */
  get penalties(): number {
    return this.#penalties.size;
  }

  /** Whether any message has to be looked at for the sake of its source. */
  get watching(): boolean {
    return this.#penalties.size > 0 || this.hasBuckets;
  }

  get hasBuckets(): boolean {
    return this.#options.registersPerSource > 0 || this.#options.requestsPerSource > 0;
  }

  /** Notes a message that was malformed, or refused for a reason its sender is to blame for. */
  noteJunk(flow: Flow, nowMs: number): void {
    if (this.#options.junkPerSource === 0) return;
    const key = sourceKey(flow);
    const source = this.#touch(key, nowMs);
    source.junk += 1;
    if (source.junk > this.#options.junkPerSource * junkBurstSeconds) this.#punish(key, source, flow, nowMs);
  }

  /** Notes a challenge (401, 407) that goes out. */
  noteChallenge(flow: Flow, nowMs: number): void {
    const key = sourceKey(flow);
    const source = this.#touch(key, nowMs);
    source.challengedMs = nowMs;
    source.challenges += 1;
    if (source.challenges > maxChallenges && this.#options.junkPerSource > 0) this.#punish(key, source, flow, nowMs);
  }

  /** Notes a success: the challenges before it were answered. */
  noteSuccess(flow: Flow): void {
    if (this.#sources.size === 0) return;
    const source = this.#sources.get(sourceKey(flow));
    if (source !== undefined) source.challenges = Math.max(0, source.challenges - 2);
  }

  /** Whether a challenge went there lately. */
  isChallenged(flow: Flow, nowMs: number): boolean {
    const source = this.#sources.get(sourceKey(flow));
    return source !== undefined && nowMs - source.challengedMs < challengedMs;
  }

  /**
   * Whether a message of this source is not to be heard. A penalty lasts as long as its source goes on; a little of what
   * must not be shed (`spared`) passes all the same.
   */
  isPenalised(flow: Flow, spared: boolean, nowMs: number): boolean {
    if (this.#penalties.size === 0) return false;
    const key = sourceKey(flow);
    const source = this.#penalties.get(key);
    if (source === undefined) return false;
    if (nowMs >= source.penaltyUntilMs) {
      this.#penalties.delete(key);
      return false;
    }
    this.#leak(source, nowMs);
    source.junk += 1;
    const most = this.#options.junkPerSource * junkBurstSeconds;
    if (source.junk > most) {
      source.junk = most + 1;
      source.penaltyUntilMs = nowMs + this.#options.penaltyMs;
    }
    return !(spared && this.#takeAllowance(source, nowMs));
  }

  /** Whether an address has begun more than it may; counts one more otherwise. */
  isOverRate(flow: Flow, isRegister: boolean, nowMs: number): boolean {
    const { registersPerSource, requestsPerSource } = this.#options;
    const rate = isRegister ? registersPerSource : requestsPerSource;
    if (rate === 0) return false;
    const key = addressKey(flow.address);
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      bucket = {
        registers: registersPerSource * bucketSeconds,
        requests: requestsPerSource * bucketSeconds,
        atMs: nowMs,
      };
    } else this.#buckets.delete(key);
    makeRoom(this.#buckets);
    this.#buckets.set(key, bucket);
    const seconds = (nowMs - bucket.atMs) / 1000;
    bucket.atMs = nowMs;
    bucket.registers = refilled(bucket.registers, registersPerSource, seconds);
    bucket.requests = refilled(bucket.requests, requestsPerSource, seconds);
    if ((isRegister ? bucket.registers : bucket.requests) < 1) return true;
    if (isRegister) bucket.registers -= 1;
    else bucket.requests -= 1;
    return false;
  }

  /** Lets penalties go whose time is over; called now and then. */
  sweep(nowMs: number): void {
    for (const [key, source] of this.#penalties) if (nowMs >= source.penaltyUntilMs) this.#penalties.delete(key);
  }

  #touch(key: string, nowMs: number): Source {
    let source = this.#sources.get(key);
    if (source !== undefined) {
      this.#sources.delete(key);
      this.#leak(source, nowMs);
    } else {
      const never = Number.NEGATIVE_INFINITY;
      source = {
        junk: 0,
        challenges: 0,
        atMs: nowMs,
        challengedMs: never,
        penaltyUntilMs: 0,
        allowed: allowance,
        allowedAtMs: nowMs,
      };
      makeRoom(this.#sources);
    }
    this.#sources.set(key, source);
    return source;
  }

  #leak(source: Source, nowMs: number): void {
    const seconds = (nowMs - source.atMs) / 1000;
    source.atMs = nowMs;
    source.junk = Math.max(0, source.junk - seconds * this.#options.junkPerSource);
    source.challenges = Math.max(0, source.challenges - seconds * challengesForgotten);
  }

  #punish(key: string, source: Source, flow: Flow, nowMs: number): void {
    source.penaltyUntilMs = nowMs + this.#options.penaltyMs;
    if (this.#penalties.has(key)) return;
    this.#penalties.set(key, source);
    this.#penalised(flow);
  }

  #takeAllowance(source: Source, nowMs: number): boolean {
    source.allowed = Math.min(allowance, source.allowed + ((nowMs - source.allowedAtMs) / 1000) * allowance);
    source.allowedAtMs = nowMs;
    if (source.allowed < 1) return false;
    source.allowed -= 1;
    return true;
  }
}

function refilled(tokens: number, rate: number, seconds: number): number {
  return Math.min(rate * bucketSeconds, tokens + seconds * rate);
}

/** Maps keep the order of insertion: what is touched is put in anew, so the first is the oldest. */
function makeRoom(map: Map<string, unknown>): void {
  if (map.size < maxSources) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}

/** What a source is known by: IPv4 address and port, or IPv6 /64. */
export function sourceKey({ address, port }: Flow): string {
  return isIpv6(address) ? prefix64(address) : `${address}:${port}`;
}

function addressKey(address: string): string {
  return isIpv6(address) ? prefix64(address) : address;
}

/** An IPv4 address mapped into IPv6 counts as IPv4. */
function isIpv6(address: string): boolean {
  return address.includes(':') && !address.includes('.');
}

/** The first four groups of an IPv6 address: what one subscriber has. */
function prefix64(address: string): string {
  const gap = address.indexOf('::');
  const before = groupsOf(gap < 0 ? address : address.slice(0, gap));
  const behind = gap < 0 ? [] : groupsOf(address.slice(gap + 2));
  const missing = 8 - before.length - behind.length;
  const all = [...before, ...new Array<string>(Math.max(0, missing)).fill('0'), ...behind];
  return all.slice(0, 4).join(':').toLowerCase();
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':').map((group) => group.replace(/^0+(?=.)/, ''));
}
