/** Whoever owns timers hears of them here; `timer.name` tells which one it is. */
export interface TimerOwner {
  onTimer(timer: Timer): void;
}

const slotMs = 10;
const slotCount = 8192;
const slotMask = slotCount - 1;
/** The list of timers that are being fired in the running advance(). */
const firing = slotCount;
const stopped = -1;

/** A timer that its owner keeps and starts again and again: the wheel links it, nothing is allocated. */
export class Timer {
  readonly owner: TimerOwner;
  readonly name: string;
  /** Wheel internals. */
  next: Timer | null = null;
  previous: Timer | null = null;
  slot = stopped;
  dueTick = 0;

  constructor(owner: TimerOwner, name: string) {
    this.owner = owner;
    this.name = name;
  }

  get running(): boolean {
    return this.slot !== stopped;
  }
}

/**
 * Hashed timer wheel with slots of 10 ms, one per worker. Long delays are rounded up to coarser steps (never more than
 * 4 %), so that thousands of them share few wake-ups.
 */
export class TimerWheel {
  readonly #heads: (Timer | null)[] = new Array(slotCount + 1).fill(null);
  readonly #occupied = new Int32Array(slotCount / 32);
  readonly #now: () => number;
  readonly #alarm: (atMs: number) => void;
  /** Everything up to this tick has been looked at. */
  #tick: number;
  /** Tick the alarm was last asked for. */
  #alarmTick = Number.POSITIVE_INFINITY;
  #running = 0;

  /**
   * `now`: monotonic milliseconds. `alarm` is asked to call ring() at a monotonic time, again whenever an earlier one
   * is needed.
   */
  constructor(now: () => number, alarm: (atMs: number) => void) {
    this.#now = now;
    this.#alarm = alarm;
    this.#tick = Math.floor(now() / slotMs);
  }

  /** Monotonic milliseconds. */
  get nowMs(): number {
    return this.#now();
  }

  /** How many timers run. */
  get size(): number {
    return this.#running;
  }

  /** Starts a timer, or starts it anew. */
  start(timer: Timer, delayMs: number): void {
    if (timer.slot !== stopped) this.#unlink(timer);
    let tick = Math.max(this.#tick + 1, Math.ceil((this.#now() + delayMs) / slotMs));
    // The low bits alone go through 32-bit arithmetic: ticks outgrow 31 bits after 248 days.
    if (delayMs >= 20_000) tick += -tick & 63;
    else if (delayMs >= 2_000) tick += -tick & 7;
    timer.dueTick = tick;
    this.#link(timer, tick & slotMask);
    if (tick < this.#alarmTick) this.#setAlarm(tick);
  }

  stop(timer: Timer): void {
    if (timer.slot !== stopped) this.#unlink(timer);
  }

  /** The alarm rang, maybe a little early: fires what is due and asks for the next alarm. */
  ring(): void {
    this.#fire(Math.floor(this.#now() / slotMs), true);
  }

  /** Fires what is due; asks for the next alarm when the last one is spent. */
  advance(): void {
    const target = Math.floor(this.#now() / slotMs);
    this.#fire(target, target >= this.#alarmTick);
  }

  #fire(target: number, alarmSpent: boolean): void {
    // While it fires nobody is asked for an alarm: that is done once, at the end.
    if (alarmSpent) this.#alarmTick = Number.NEGATIVE_INFINITY;
    const from = Math.max(this.#tick + 1, target - slotCount + 1);
    for (let tick = from; tick <= target; tick++) {
      const slot = tick & slotMask;
      if (this.#heads[slot] !== null) this.#collect(slot, target);
    }
    this.#tick = Math.max(this.#tick, target);
    try {
      for (;;) {
        const timer = this.#heads[firing] as Timer | null;
        if (timer === null) break;
        this.#unlink(timer);
        timer.owner.onTimer(timer);
      }
    } finally {
      // An owner that throws must not take the clock from the others: the rest of the list fires at the next alarm.
      if (alarmSpent || this.#heads[firing] !== null) this.#askForNext();
    }
  }

  #askForNext(): void {
    this.#alarmTick = Number.POSITIVE_INFINITY;
    const nextMs = this.#heads[firing] === null ? this.nextDueMs() : (this.#tick + 1) * slotMs;
    if (nextMs >= 0) this.#setAlarm(nextMs / slotMs);
  }

  #setAlarm(tick: number): void {
    this.#alarmTick = tick;
    this.#alarm(tick * slotMs);
  }

  /** Monotonic milliseconds at which advance() has something to look at, or -1 when no timer runs. */
  nextDueMs(): number {
    if (this.#running === 0) return -1;
    const start = this.#tick + 1;
    for (let offset = 0; offset < slotCount; ) {
      const slot = (start + offset) & slotMask;
      const word = this.#occupied[slot >> 5]! >>> (slot & 31);
      if (word !== 0) return (start + offset + 31 - Math.clz32(word & -word)) * slotMs;
      offset += 32 - (slot & 31);
    }
    return -1;
  }

  /** Moves what is due in a slot to the firing list; timers of one slot have no order among them. */
  #collect(slot: number, targetTick: number): void {
    let timer = this.#heads[slot] as Timer | null;
    while (timer !== null) {
      const next: Timer | null = timer.next;
      if (timer.dueTick <= targetTick) {
        this.#unlink(timer);
        this.#link(timer, firing);
      }
      timer = next;
    }
  }

  #link(timer: Timer, slot: number): void {
    const head = this.#heads[slot]!;
    timer.slot = slot;
    timer.previous = null;
    timer.next = head;
    if (head !== null) head.previous = timer;
    this.#heads[slot] = timer;
    if (slot !== firing) this.#occupied[slot >> 5]! |= 1 << (slot & 31);
    this.#running++;
  }

  #unlink(timer: Timer): void {
    const slot = timer.slot;
    if (timer.previous !== null) timer.previous.next = timer.next;
    else {
      this.#heads[slot] = timer.next;
      if (timer.next === null && slot !== firing) this.#occupied[slot >> 5]! &= ~(1 << (slot & 31));
    }
    if (timer.next !== null) timer.next.previous = timer.previous;
    timer.next = null;
    timer.previous = null;
    timer.slot = stopped;
    this.#running--;
  }
}
