import yargs from 'yargs';
import { cscfRoles } from '../../bench/load/core-network.ts';
import { runRestarts } from './restart-run.ts';
import { endOnSignals, number, say } from './run-command.ts';

/** Longest time until a daemon serves again, by the number of users. */
const limitMs = (users: number) => (users <= 10_000 ? 2_000 : 10_000);

const options = await yargs(process.argv.slice(2))
  .scriptName('npm run chaos:restart --')
  .usage('$0 [options]: how long a CSCF takes to serve again after kill -9 under load, and whether anything is lost')
  .option('users', { ...number, default: 10_000, describe: 'phones; the HSS of the lab has 100,000' })
  .option('registrations', { ...number, default: 200, describe: 'renewals per second' })
  .option('calls', { ...number, default: 50, describe: 'calls per second' })
  .option('messages', { ...number, default: 0, describe: 'messages per second' })
  .option('hold', { ...number, default: 8, describe: 'longest time a call lasts, seconds' })
  .option('seconds', { ...number, default: 5, describe: 'of load before and after each restart' })
  .option('workers', { ...number, default: 1, describe: 'workers of each CSCF' })
  .option('t1', { ...number, default: 500, describe: 'T1, milliseconds' })
  .option('seed', { ...number, default: Date.now() % 1_000_000, describe: 'of all that is random here' })
  .option('how', { choices: ['kill', 'drain'] as const, default: 'kill' as const, describe: 'kill -9, or SIGTERM' })
  .option('role', { choices: cscfRoles, array: true, nargs: 1, describe: 'these nodes; default: all' })
  .option('json', { type: 'boolean', default: false, describe: 'one JSON object, for programs' })
  .strict()
  .version(false)
  .wrap(120)
  .parseAsync();

const { users, registrations, calls, messages, seconds, workers, seed, how, json } = options;
endOnSignals();
try {
  const report = await runRestarts(
    {
      users,
      registrations,
      calls,
      messages,
      seconds,
      workers,
      seed,
      how,
      holdMs: options.hold * 1000,
      t1Ms: options.t1,
      roles: options.role ?? cscfRoles,
      sweep: true,
    },
    say,
  );
  console.log(json ? JSON.stringify(report) : JSON.stringify(report, null, 2));
  const slow = report.restarts.some(({ readyMs }) => readyMs > limitMs(users));
  const lost = report.calls.lost.length + report.restarts.reduce((sum, each) => sum + each.lostRegistrations.length, 0);
  if (slow) say(`a node took more than ${limitMs(users)} ms`);
  process.exitCode = slow || lost > 0 ? 1 : 0;
} catch (error) {
  say(`restart: ${(error as Error).message}`);
  process.exitCode = 1;
}
