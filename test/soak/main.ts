import yargs from 'yargs';
import { cscfRoles } from '../../bench/load/core-network.ts';
import { checkAboveZero, countsInWords, endOnSignals, number, say } from '../chaos/run-command.ts';
import { fewestSamples, inMegabytes, runSoak, type SoakReport } from './soak-run.ts';

const megabyte = 2 ** 20;

const options = await yargs(process.argv.slice(2))
  .scriptName('npm run soak --')
  .usage('$0 [options]: load on P-CSCF, I-CSCF and S-CSCF for a long time; does any of them hold on to memory?')
  .option('minutes', { ...number, default: 120, describe: 'how long; fractions are allowed' })
  .option('seed', { ...number, default: Date.now() % 1_000_000, describe: 'of all that is random here' })
  .option('users', { ...number, default: 300, describe: 'phones that stay registered' })
  .option('registrations', { ...number, default: 20, describe: 'renewals per second' })
  .option('calls', { ...number, default: 15, describe: 'calls per second' })
  .option('messages', { ...number, default: 40, describe: 'messages per second' })
  .option('hold', { ...number, default: 10, describe: 'longest time a call lasts, seconds' })
  .option('cyclers', { ...number, default: 200, describe: 'phones that register and end it, again and again' })
  .option('cycles', { ...number, default: 16, describe: 'of these cycles per second' })
  .option('most-cycles', { ...number, default: 100_000, describe: 'of these cycles in all' })
  .option('workers', { ...number, default: 2, describe: 'workers of each CSCF' })
  .option('t1', { ...number, default: 500, describe: 'T1, milliseconds' })
  .option('every', { ...number, default: 10, describe: 'seconds between two samples of the memory' })
  .option('warm-up', { ...number, default: 0.25, describe: 'share of the time that is not judged' })
  .option('heap-growth', { ...number, default: 1, describe: 'megabytes an hour that what a thread holds may grow' })
  .option('rss-growth', { ...number, default: 16, describe: 'megabytes an hour that a whole daemon may grow' })
  .option('quiet', { ...number, default: 220, describe: 'seconds in which all must have ended; Timer C takes 185' })
  .option('keep', { type: 'boolean', default: false, describe: 'leave logs, stores and samples' })
  .option('json', { type: 'boolean', default: false, describe: 'one JSON object, for programs' })
  .example('$0', 'two hours, with 100,000 registrations that come and go')
  .example('$0 --minutes 20 --calls 60', 'twenty minutes, with more calls')
  .check((given) => {
    checkAboveZero(given, ['minutes', 'users', 'workers', 't1', 'hold', 'cyclers', 'every', 'quiet']);
    if (given.users < 2) throw new Error('--users: at least 2');
    if (!(given['warm-up'] >= 0 && given['warm-up'] < 1)) throw new Error('--warm-up: a number from 0 to below 1');
    return true;
  })
  .strict()
  .version(false)
  .wrap(120)
  .parseAsync();

endOnSignals();
try {
  const report = await runSoak(
    {
      minutes: options.minutes,
      seed: options.seed,
      users: options.users,
      registrations: options.registrations,
      calls: options.calls,
      messages: options.messages,
      holdMs: options.hold * 1000,
      cyclers: options.cyclers,
      cycles: options.cycles,
      mostCycles: options.mostCycles,
      workers: options.workers,
      t1Ms: options.t1,
      everyMs: options.every * 1000,
      warmUp: options.warmUp,
      heapGrowth: options.heapGrowth * megabyte,
      rssGrowth: options.rssGrowth * megabyte,
      quietMs: options.quiet * 1000,
      keep: options.keep,
    },
    say,
  );
  console.log(options.json ? JSON.stringify(report) : words(report));
  process.exitCode = report.problems.length === 0 ? 0 : 1;
} catch (error) {
  say(`soak: ${(error as Error).message}; seed ${options.seed}`);
  process.exitCode = 1;
}

function words(report: SoakReport): string {
  const { seed, minutes, samples, cycles, renewed, calls, messages, failures, memory, footprints, problems } = report;
  const signed = (bytes: number) => `${bytes < 0 ? '' : '+'}${inMegabytes(bytes, 2)} MB/h`;
  const rows = cscfRoles.map((role) => {
    const { heapBytes, heapGrowthPerHour, rssBytes, rssGrowthPerHour, cpuPercent } = memory[role];
    const { before, after } = footprints[role];
    return (
      `${role}: threads hold ${inMegabytes(heapBytes, 1)} MB (${signed(heapGrowthPerHour)}), resident ` +
      `${inMegabytes(rssBytes, 0)} MB (${signed(rssGrowthPerHour)}), ${cpuPercent} % of a CPU; before and after: ` +
      `${before.files} and ${after.files} files, ${before.timers} and ${after.timers} timers`
    );
  });
  return [
    `seed ${seed}, ${minutes} min, ${samples} samples${samples < fewestSamples ? ': too few to judge growth by' : ''}`,
    `registered and ended: ${cycles.done}, failed: ${countsInWords(cycles.failures)}`,
    `renewals: ${renewed}; calls: ${calls.begun} begun, ${calls.ended} ended well, ${calls.lost.length} lost; messages: ${messages}; failed: ${countsInWords(failures)}`,
    ...rows,
    ...(problems.length === 0 ? ['nobody holds on to anything'] : problems.map((each) => `PROBLEM ${each}`)),
  ].join('\n');
}
