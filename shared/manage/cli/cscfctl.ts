import yargs from 'yargs';
import type { NodeStatus } from '#service/node-status';
import { packageVersion } from '#service/version';
import { RpcError } from '../json-rpc.ts';
import { callManagement, ManagementError } from '../management-client.ts';
import { statusView } from './status-view.ts';

/**
 * The command `cscfctl`. Exit codes: 0 done, 1 the node cannot be asked or refuses, 2 wrong command line.
 */
async function run(argv: readonly string[]): Promise<void> {
  await yargs([...argv])
    .scriptName('cscfctl')
    .usage('$0 --socket PATH <command>')
    .option('socket', {
      type: 'string',
      requiresArg: true,
      demandOption: 'which node? --socket names its management.socket, such as config/var/pcscf.sock',
      describe: 'management socket of the node',
    })
    .option('json', { type: 'boolean', default: false, describe: 'print the answer as JSON' })
    .command(
      'status',
      'how the node is: workers, listeners, peers, registrations, refusals',
      {},
      async ({ socket, json }) => {
        const status = (await callManagement(String(socket), 'status')) as NodeStatus;
        print(json === true ? JSON.stringify(status, null, 2) : statusView(status));
      },
    )
    .command(
      'reauthenticate <impu>',
      'makes a user of an S-CSCF authenticate anew',
      (command) =>
        command
          .positional('impu', { type: 'string', demandOption: true, describe: 'one of the public identities' })
          .option('seconds', { type: 'number', default: 600, describe: 'time left to the user' }),
      async ({ socket, json, impu, seconds }) => {
        const contacts = await callManagement(String(socket), 'reauthenticate', { impu, seconds });
        print(json === true ? JSON.stringify({ contacts }) : `contacts shortened: ${contacts}`);
      },
    )
    .command(
      'sessions end <callId>',
      'ends the sessions of a Call-ID at a P-CSCF or S-CSCF',
      (command) => command.positional('callId', { type: 'string', demandOption: true, describe: 'Call-ID' }),
      async ({ socket, json, callId }) => {
        const sessions = await callManagement(String(socket), 'sessions.release', { callId });
        print(json === true ? JSON.stringify({ sessions }) : `sessions ended: ${sessions}`);
      },
    )
    .example('$0 --socket config/var/pcscf.sock status', 'as tables')
    .example('$0 --socket config/var/pcscf.sock status --json', 'for programs')
    .demandCommand(1, 'which command? there are: status, reauthenticate, sessions')
    .version(packageVersion())
    .strict()
    .wrap(110)
    .fail((message, error) => {
      if (error !== undefined && error !== null) throw error;
      process.stderr.write(`cscfctl: ${message}\ntry: cscfctl --help\n`);
      process.exit(2);
    })
    .parseAsync();
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

try {
  await run(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof ManagementError) && !(error instanceof RpcError)) throw error;
  process.stderr.write(`cscfctl: ${error.message}\n`);
  process.exitCode = 1;
}
