import { type CscfRole, cscfRoles } from '../../bench/load/core-network.ts';
import type { ChaosNetwork } from './chaos-network.ts';
import type { SeededRandom } from './seeded-random.ts';

export const disturbanceNames = ['kill', 'worker', 'reload', 'broken', 'hss-stop', 'hss-kill', 'scale'] as const;
export type DisturbanceName = (typeof disturbanceNames)[number];

/** What a disturbance did, in words, and what was measured. */
export interface Disturbed {
  readonly name: DisturbanceName;
  readonly words: string;
  /** From the start of a daemon to its `ready` line, or of a worker until it serves. */
  readonly readyMs?: number;
}

export interface DisturbanceOptions {
  readonly workers: number;
  readonly mostWorkers: number;
  /** Longest that the HSS is not there. */
  readonly hssAwayMs: number;
}

const pollMs = 10;
const workerBackMs = 5_000;

/** Live keys that nobody's call depends on, with two values each. */
const liveKeys: Readonly<Record<CscfRole, readonly (readonly [key: string, ...values: unknown[]])[]>> = {
  pcscf: [
    ['policy', { callsPerUe: 20 }, { callsPerUe: 30 }],
    ['trusted', ['127.0.0.0/8'], ['127.0.0.0/8', '10.0.0.0/8']],
    ['regEvent', { rate: 50 }, { rate: 60 }],
    ['log', { level: 'info' }, { level: 'warn' }],
  ],
  icscf: [
    ['selection', { tries: 3 }, { tries: 2 }],
    ['trusted', ['127.0.0.0/8'], ['127.0.0.0/8', '10.0.0.0/8']],
    ['log', { level: 'info' }, { level: 'warn' }],
  ],
  scscf: [
    ['registrar', { maxContacts: 10 }, { maxContacts: 8 }],
    ['trusted', ['127.0.0.0/8'], ['127.0.0.0/8', '10.0.0.0/8']],
    ['regEvent', { maxExpires: 600_000 }, { maxExpires: 500_000 }],
    ['log', { level: 'info' }, { level: 'warn' }],
  ],
};

/** What can happen to a network, each once when it is asked for; all is well again when it is done. */
export class Disturbances {
  readonly #network: ChaosNetwork;
  readonly #random: SeededRandom;
  readonly #options: DisturbanceOptions;
  #scalable = false;

  constructor(network: ChaosNetwork, random: SeededRandom, options: DisturbanceOptions) {
    this.#network = network;
    this.#random = random;
    this.#options = options;
  }

  /** Those that these nodes know. */
  async possible(): Promise<DisturbanceName[]> {
    const { methods } = (await this.#network.ask('scscf', 'rpc.discover')) as { methods: { name: string }[] };
    this.#scalable = methods.some(({ name }) => name === 'workers.scale');
    return disturbanceNames.filter((name) => {
      if (name === 'scale') return this.#scalable;
      return name === 'worker' ? this.#options.workers > 1 : true;
    });
  }

  /** Does it. Throws Error when a node does not come back. */
  async run(name: DisturbanceName): Promise<Disturbed> {
    const role = this.#random.pick(cscfRoles);
    switch (name) {
      case 'kill': {
        await this.#network.kill(role);
        const readyMs = await this.#network.launch(role);
        return { name, words: `kill -9 of the ${role}, ready again after ${Math.round(readyMs)} ms`, readyMs };
      }
      case 'worker':
        return this.#worker(role);
      case 'reload':
        return this.#reload(role);
      case 'broken':
        return this.#broken(role);
      case 'hss-stop': {
        const ms = this.#random.between(500, this.#options.hssAwayMs);
        this.#network.signal('hss', 'SIGSTOP');
        await sleep(ms);
        this.#network.signal('hss', 'SIGCONT');
        await this.#hssBack();
        return { name, words: `the HSS did not answer for ${Math.round(ms)} ms` };
      }
      case 'hss-kill': {
        const ms = this.#random.between(200, this.#options.hssAwayMs);
        await this.#network.kill('hss');
        await sleep(ms);
        const readyMs = await this.#network.launch('hss');
        await this.#hssBack();
        return { name, words: `kill -9 of the HSS, away for ${Math.round(ms)} ms`, readyMs };
      }
      case 'scale':
        return this.#scale(role);
    }
  }

  /** The number of workers of the beginning. */
  async heal(): Promise<void> {
    if (!this.#scalable) return;
    for (const role of cscfRoles) await this.#scaleTo(role, this.#options.workers);
  }

  #hssBack(): Promise<unknown> {
    return Promise.all([this.#network.connected('icscf'), this.#network.connected('scscf')]);
  }

  /** Ends a thread of a node, not the one that reads the sockets. */
  async #worker(role: CscfRole): Promise<Disturbed> {
    const { workers } = await this.#network.status(role);
    const threads = workers.filter(({ worker, state }) => worker > 0 && state === 'serving');
    if (threads.length === 0) return { name: 'worker', words: `${role} has no thread to lose` };
    const { worker, restarts } = this.#random.pick(threads);
    const startMs = performance.now();
    await this.#network.ask(role, 'test.trigger', { worker, what: 'crash' });
    for (;;) {
      const now = (await this.#network.status(role)).workers.find((each) => each.worker === worker);
      if (now !== undefined && now.restarts > restarts && now.state === 'serving') break;
      if (performance.now() - startMs > workerBackMs)
        throw new Error(`worker ${worker} of the ${role} is not replaced`);
      await sleep(pollMs);
    }
    const readyMs = performance.now() - startMs;
    return {
      name: 'worker',
      words: `worker ${worker} of the ${role} ended, replaced in ${Math.round(readyMs)} ms`,
      readyMs,
    };
  }

  /** Another value for a live key, by SIGHUP. */
  async #reload(role: CscfRole): Promise<Disturbed> {
    const [key, ...values] = this.#random.pick(liveKeys[role]);
    const value = this.#random.pick(values);
    this.#network.rewrite(role, (content) => (content[key] = value));
    this.#network.signal(role, 'SIGHUP');
    await this.#until(`${role} has taken ${key}`, async () => {
      const diff = (await this.#network.ask(role, 'config.diff')) as { key: string }[];
      return diff.length === 0;
    });
    return { name: 'reload', words: `${role} reloaded with ${key}: ${JSON.stringify(value)}` };
  }

  /** A file with a mistake is refused, and what runs goes on. */
  async #broken(role: CscfRole): Promise<Disturbed> {
    this.#network.rewrite(role, (content) => (content.timres = {}));
    const report = (await this.#network.ask(role, 'config.reload')) as { rejected: { line: number }[] };
    this.#network.rewrite(role, (content) => delete content.timres);
    if (report.rejected.length === 0) throw new Error(`the ${role} has taken a broken file`);
    return { name: 'broken', words: `${role} has refused a broken file` };
  }

  async #scale(role: CscfRole): Promise<Disturbed> {
    const count = 1 + Math.floor(this.#random.next() * this.#options.mostWorkers);
    await this.#scaleTo(role, count);
    return { name: 'scale', words: `${role} scaled to ${count}` };
  }

  async #scaleTo(role: CscfRole, count: number): Promise<void> {
    await this.#network.ask(role, 'workers.scale', { count });
    await this.#until(`${role} has ${count} workers`, async () => {
      const { serving } = (await this.#network.ask(role, 'workers.list')) as { serving: number };
      return serving === count;
    });
  }

  async #until(words: string, condition: () => Promise<boolean>): Promise<void> {
    const startMs = performance.now();
    while (!(await condition().catch(() => false))) {
      if (performance.now() - startMs > workerBackMs) throw new Error(`not after ${workerBackMs} ms: ${words}`);
      await sleep(pollMs);
    }
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
