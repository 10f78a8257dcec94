import yargs from 'yargs';
import { type ChaosReport, runChaos } from './chaos-run.ts';
import { disturbanceNames } from './disturbances.ts';
import { checkAboveZero, countsInWords, endOnSignals, number, say } from './run-command.ts';

const megabyte = 2 ** 20;

const options = await yargs(process.argv.slice(2))
  .scriptName('npm run chaos --')
  .usage(
    '$0 [options]: load on P-CSCF, I-CSCF and S-CSCF while they are killed, reloaded and scaled; is anything lost?',
  )
  .option('minutes', { ...number, default: 2, describe: 'how long; fractions are allowed' })
  .option('seed', { ...number, default: Date.now() % 1_000_000, describe: 'of all that is random here' })
  .option('users', { ...number, default: 300, describe: 'phones' })
  .option('registrations', { ...number, default: 20, describe: 'renewals per second' })
  .option('calls', { ...number, default: 5, describe: 'calls per second' })
  .option('messages', { ...number, default: 10, describe: 'messages per second' })
  .option('hold', { ...number, default: 20, describe: 'longest time a call lasts, seconds' })
  .option('workers', { ...number, default: 2, describe: 'workers of each CSCF' })
  .option('t1', { ...number, default: 500, describe: 'T1, milliseconds' })
  .option('pause', { ...number, default: 3, describe: 'mean pause between two disturbances, seconds' })
  .option('growth', { ...number, default: 150, describe: 'megabytes that a daemon may grow' })
  .option('quiet', { ...number, default: 220, describe: 'seconds in which all must have ended; Timer C takes 185' })
  .option('only', { choices: disturbanceNames, array: true, nargs: 1, describe: 'these disturbances; default: all' })
  .option('keep', { type: 'boolean', default: false, describe: 'leave logs and stores' })
  .option('json', { type: 'boolean', default: false, describe: 'one JSON object, for programs' })
  .example('$0 --minutes 10', 'ten minutes')
  .example('$0 --minutes 0.5 --only kill --seed 7', 'half a minute of kill -9, the same again')
  .check((given) => {
    checkAboveZero(given, ['minutes', 'users', 'workers', 't1', 'pause', 'growth', 'quiet', 'hold']);
    if (given.users < 2) throw new Error('--users: at least 2');
    return true;
  })
  .strict()
  .version(false)
  .wrap(120)
  .parseAsync();

endOnSignals();
try {
  const report = await runChaos(
    {
      minutes: options.minutes,
      seed: options.seed,
      users: options.users,
      registrations: options.registrations,
      calls: options.calls,
      messages: options.messages,
      holdMs: options.hold * 1000,
      workers: options.workers,
      t1Ms: options.t1,
      pauseMs: options.pause * 1000,
      growthBytes: options.growth * megabyte,
      quietMs: options.quiet * 1000,
      only: options.only,
      keep: options.keep,
    },
    say,
  );
  console.log(options.json ? JSON.stringify(report) : words(report));
  process.exitCode = report.problems.length === 0 ? 0 : 1;
} catch (error) {
  say(`chaos: ${(error as Error).message}; seed ${options.seed}`);
  process.exitCode = 1;
}

function words({
  seed,
  seconds,
  disturbances,
  slowest,
  registrations,
  calls,
  messages,
  footprints,
  problems,
}: ChaosReport) {
  const memory = Object.entries(footprints).map(
    ([role, { before, after }]) =>
      `${role} ${Math.round(before.rssBytes / megabyte)} to ${Math.round(after.rssBytes / megabyte)} MB, ${before.files} to ${after.files} files`,
  );
  return [
    `seed ${seed}, ${seconds} s; disturbances: ${countsInWords(disturbances)}`,
    `back at the latest: a daemon after ${slowest.daemonMs} ms, a worker after ${slowest.workerMs} ms`,
    `registrations: ${registrations.users} users, ${registrations.lost.length} lost; renewed ${registrations.renewed}, failed: ${countsInWords(registrations.failures)}`,
    `calls: ${calls.begun} begun, ${calls.confirmed} confirmed, ${calls.ended} ended well, ${calls.lost.length} lost; not established: ${countsInWords(calls.refused)}`,
    `inside calls: ${calls.probes} requests answered; sent again: ${countsInWords(calls.again)}`,
    `messages: ${messages.arrived} arrived, failed: ${countsInWords(messages.failures)}`,
    `memory: ${memory.join('; ')}`,
    problems.length === 0
      ? 'nothing is lost and nothing is left'
      : problems.map((each) => `PROBLEM ${each}`).join('\n'),
  ].join('\n');
}
