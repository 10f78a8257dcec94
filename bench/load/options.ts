import yargs from 'yargs';
import { type Flood, floods } from './overload.ts';
import { procedures } from './workload.ts';

/** The least that each number may be. */
const numbers: Readonly<Record<string, number>> = {
  rate: 0.1,
  seconds: 1,
  warmup: 0,
  users: 2,
  workers: 1,
  ring: 0,
  hold: 0,
  t1: 100,
  patience: 1,
  'step-seconds': 2,
  tries: 1,
  precision: 0.01,
  memory: 16,
  'flood-seconds': 1,
  'flood-sources': 1,
  normal: 0.01,
  'normal-seconds': 2,
  capacity: 1,
};

export type Options = Awaited<ReturnType<typeof readOptions>>;

/** Reads the command line. Prints help, or what is wrong with it, and ends the process. */
export function readOptions(argv: readonly string[]) {
  const text = { type: 'string', requiresArg: true } as const;
  const number = { type: 'number', requiresArg: true } as const;
  return yargs([...argv])
    .scriptName('npm run load --')
    .usage('$0 [options]: phones that load P-CSCF, I-CSCF and S-CSCF, with nothing else installed')
    .option('procedure', { choices: procedures, default: 'call' as const, describe: 'what the phones do' })
    .option('rate', { ...number, default: 50, describe: 'procedures per second, whatever becomes of them' })
    .option('seconds', { ...number, default: 10, describe: 'how long' })
    .option('warmup', { ...number, default: 3, describe: 'seconds of load before, which do not count' })
    .option('pacing', {
      choices: ['poisson', 'constant'] as const,
      default: 'poisson' as const,
      describe: 'random or equal intervals',
    })
    .option('users', { ...number, describe: 'phones; default: 1000; for register as many as register' })
    .option('transport', {
      choices: ['udp', 'tcp', 'tls'] as const,
      default: 'udp' as const,
      describe: 'of the phones; tcp and tls: a connection each',
    })
    .option('workers', { ...number, default: 1, describe: 'workers of each CSCF' })
    .option('ring', { ...number, default: 50, describe: 'milliseconds until a called phone answers' })
    .option('hold', { ...number, default: 500, describe: 'milliseconds that a call lasts' })
    .option('t1', { ...number, default: 2000, describe: 'T1 between phones and P-CSCF, milliseconds' })
    .option('patience', { ...number, default: 10, describe: 'seconds after which a user gives up' })
    .option('max', { type: 'boolean', default: false, describe: 'look for the highest rate; --rate is where to begin' })
    .option('step-seconds', { ...number, default: 5, describe: 'how long each rate of --max is tried' })
    .option('tries', { ...number, default: 2, describe: 'how often a rate is tried that fails' })
    .option('precision', { ...number, default: 0.08, describe: 'how near --max comes, as share of the rate' })
    .option('attach', { ...text, describe: 'use nodes that run: the folder of their configurations' })
    .option('set', {
      ...text,
      array: true,
      nargs: 1,
      default: [] as string[],
      describe: 'change a key of a started node: pcscf.log.level=info',
    })
    .option('quota', { ...text, describe: 'CPU for the three CSCFs together, of one CPU: 50%' })
    .option('memory', { ...number, describe: 'megabytes for each CSCF' })
    .option('flood', {
      choices: floods,
      array: true,
      nargs: 1,
      default: [] as Flood[],
      describe: 'measure the capacity, then flood; twice: one after the other',
    })
    .option('flood-rate', {
      ...text,
      describe: 'per second, or 3x: times the capacity; default: strangers 10x, users 3x',
    })
    .option('flood-seconds', { ...number, default: 60, describe: 'how long' })
    .option('flood-sources', { ...number, default: 1000, describe: 'addresses of the strangers' })
    .option('normal', { ...number, default: 0.5, describe: 'load before and after a flood, as share of the capacity' })
    .option('normal-seconds', { ...number, default: 12, describe: 'how long that is after it; before it half as long' })
    .option('capacity', { ...number, describe: 'for --flood: not measured, but this' })
    .option('profile-dir', { ...text, describe: 'folder for CPU profiles of the CSCFs' })
    .option('json', { type: 'boolean', default: false, describe: 'one JSON object, for programs' })
    .example('$0 --procedure register --rate 200', 'registrations with AKA')
    .example('$0 --procedure call --transport tcp --users 500', 'calls of phones with a connection each')
    .example('$0 --procedure mix --max', 'the highest rate')
    .example('$0 --workers 2 --rate 300 --profile-dir /tmp/profiles', 'what two workers do, and where the time goes')
    .example('$0 --quota 50% --flood strangers --flood users', 'do registered users notice a flood?')
    .example('$0 --attach config --rate 20', 'nodes that were started by hand')
    .check((given) => {
      for (const [name, least] of Object.entries(numbers)) {
        const value: unknown = given[name];
        if (value === undefined || (typeof value === 'number' && value >= least)) continue;
        throw new Error(`--${name} ${value}: one number, at least ${least}`);
      }
      const { quota, 'flood-rate': floodRate } = given;
      if (quota !== undefined && !(percentOf(quota) > 0)) throw new Error(`--quota ${quota}: such as 50%`);
      if (floodRate !== undefined && !/^\d+(\.\d+)?x?$/.test(floodRate)) {
        throw new Error(`--flood-rate ${floodRate}: such as 500 or 3x`);
      }
      return true;
    })
    .strict()
    .version(false)
    .wrap(120)
    .parseAsync();
}

const callingUsers = 1000;
/** Enough for first registrations, few enough for connections. */
const registeringUsers = { udp: 50_000, tcp: 8_000, tls: 8_000 };

/** How many phones there are. */
export function userCount({ users, procedure, transport, max, flood, rate, seconds, warmup }: Options): number {
  if (users !== undefined) return users;
  if (procedure !== 'register' || flood.length > 0) return callingUsers;
  const needed = max ? Number.POSITIVE_INFINITY : Math.ceil(rate * (seconds + warmup) * 1.2) + 10;
  return Math.min(registeringUsers[transport], needed);
}

/** What a flood offers per second. */
export function floodRateOf({ floodRate }: Options, flood: Flood, capacity: number): number {
  const given = floodRate ?? (flood === 'strangers' ? '10x' : '3x');
  return given.endsWith('x') ? Number(given.slice(0, -1)) * capacity : Number(given);
}

/** `50%` and `50` as 50; NaN for anything else. */
export function percentOf(text: string): number {
  return Number(/^(\d+(?:\.\d+)?)%?$/.exec(text)?.[1]);
}
