import { globSync } from 'node:fs';
import { basename } from 'node:path';
import yargs, { type Argv } from 'yargs';
import { packageVersion } from '#service/version';
import { RpcError } from '../json-rpc.ts';
import { callManagement, followManagement, ManagementError } from '../management-client.ts';
import { type CommandArgument, type ControlCommand, controlCommands } from './commands.ts';

type Given = Readonly<Record<string, unknown>>;

const defaultSockets = 'config/var/*.sock';

/**
 * The command `cscfctl`. Exit codes: 0 done, 1 a node cannot be asked or refuses, 2 wrong command line.
 */
async function run(argv: readonly string[]): Promise<void> {
  let parser = yargs([...argv])
    .scriptName('cscfctl')
    .usage('$0 [--socket PATH | --all] <command>')
    .option('socket', {
      type: 'string',
      requiresArg: true,
      describe: 'management socket of the node (management.socket); CSCF_SOCKET when left out',
    })
    .option('all', {
      type: 'boolean',
      default: false,
      describe: `every node of this machine: CSCF_SOCKETS, or ${defaultSockets}`,
    })
    .option('json', { type: 'boolean', default: false, describe: 'print the answer as JSON' }) as Argv;
  for (const [first, commands] of Map.groupBy(controlCommands, ({ words }) => words.split(' ', 1)[0]!)) {
    const [only] = commands;
    if (commands.length === 1 && only!.words === first) parser = withCommand(parser, only!);
    else {
      const seconds = commands.map(({ words }) => words.slice(first.length + 1));
      parser = parser.command(first, seconds.join(', '), (sub) =>
        commands.reduce(withCommand, sub).demandCommand(1, `${first} what? there are: ${seconds.join(', ')}`),
      );
    }
  }
  await parser
    .command(
      'follow',
      'prints what happens from now on, until Ctrl-C',
      (sub) => sub.option('kind', { choices: ['log', 'count', 'all'], default: 'all', describe: 'what to print' }),
      follow,
    )
    .command(
      'call <method> [params]',
      'calls any method, parameters as JSON',
      (sub) =>
        sub
          .positional('method', { type: 'string', demandOption: true, describe: 'such as rpc.discover' })
          .positional('params', { type: 'string', default: '{}', describe: 'JSON' }),
      callAny,
    )
    .completion('completion', 'prints a script that completes commands in the shell')
    .example('$0 --socket config/var/pcscf.sock status', 'as tables')
    .example('$0 --all status --json', 'all nodes, for programs')
    .example("$0 --socket config/var/scscf.sock registrations show 'sip:alice@ims.test'", 'one user')
    .example('$0 --socket config/var/pcscf.sock config set log.level debug', 'at once, until a restart')
    .demandCommand(1, 'which command?')
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

function withCommand(parser: Argv, command: ControlCommand): Argv {
  const { words, positionals = [], describe } = command;
  const names = positionals.map(({ name, byDefault }) => (byDefault === undefined ? `<${name}>` : `[${name}]`));
  const usage = [words.split(' ').at(-1)!, ...names].join(' ');
  return parser.command(
    usage,
    describe,
    (sub) => withArguments(sub, command),
    (given) => answer(command, given),
  );
}

function withArguments(sub: Argv, { positionals = [], options = [] }: ControlCommand): Argv {
  let built = sub;
  for (const { name, describe, type, byDefault } of positionals) {
    built = built.positional(name, { type, describe, ...(byDefault === undefined ? { demandOption: true } : {}) });
  }
  for (const { name, describe, type, byDefault } of options) {
    built = built.option(name, {
      type,
      describe,
      requiresArg: true,
      ...(byDefault === null ? {} : { default: byDefault }),
    });
  }
  return built;
}

/** Asks each node that is meant, and prints what they say; one that fails does not keep the others from being asked. */
async function answer(command: ControlCommand, given: Given): Promise<void> {
  const { positionals = [], options = [], method, view } = command;
  const params = command.params?.(given) ?? paramsOf([...positionals, ...options], given);
  const sockets = socketsOf(given);
  const results: Record<string, unknown> = {};
  for (const socket of sockets) {
    try {
      const result = await callManagement(socket, method, params);
      results[socket] = result;
      if (given.json === true) continue;
      if (sockets.length > 1) print(`== ${basename(socket, '.sock')}`);
      print(view(result));
      if (sockets.length > 1) print('');
    } catch (error) {
      report(error, sockets.length > 1 ? `${basename(socket, '.sock')}: ` : '');
    }
  }
  if (given.json === true)
    print(JSON.stringify(sockets.length > 1 ? results : (results[sockets[0]!] ?? null), null, 2));
}

function paramsOf(known: readonly CommandArgument[], given: Given): Record<string, unknown> {
  return Object.fromEntries(known.flatMap(({ name }) => (given[name] === undefined ? [] : [[name, given[name]]])));
}

async function callAny(given: Given): Promise<void> {
  let params: Record<string, unknown>;
  try {
    params = JSON.parse(String(given.params)) as Record<string, unknown>;
  } catch {
    process.stderr.write(`cscfctl: the parameters are not JSON: write them as '{"id":"sip:alice@ims.test"}'\n`);
    process.exitCode = 2;
    return;
  }
  for (const socket of socketsOf(given))
    print(JSON.stringify(await callManagement(socket, String(given.method), params), null, 2));
}

async function follow(given: Given): Promise<void> {
  const [socket] = socketsOf(given);
  await followManagement(socket!, 'events.subscribe', { kind: given.kind }, (event) => print(JSON.stringify(event)));
}

/** The sockets of the nodes that are meant; ends with 2 when none is named. */
function socketsOf({ socket, all }: Given): string[] {
  if (all === true) {
    const found = (process.env.CSCF_SOCKETS ?? defaultSockets)
      .split(' ')
      .flatMap((pattern) => globSync(pattern))
      .sort();
    if (found.length > 0) return found;
    wrongLine(`no socket matches ${process.env.CSCF_SOCKETS ?? defaultSockets}: set CSCF_SOCKETS to where they are`);
  }
  const named = typeof socket === 'string' ? socket : process.env.CSCF_SOCKET;
  if (named !== undefined) return [named];
  return wrongLine(
    'which node? --socket names its management.socket, such as config/var/pcscf.sock; --all asks every one',
  );
}

function wrongLine(words: string): never {
  process.stderr.write(`cscfctl: ${words}\ntry: cscfctl --help\n`);
  process.exit(2);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function report(error: unknown, prefix = ''): void {
  if (!(error instanceof ManagementError) && !(error instanceof RpcError)) throw error;
  process.stderr.write(`cscfctl: ${prefix}${error.message}\n`);
  process.exitCode = 1;
}

try {
  await run(process.argv.slice(2));
} catch (error) {
  report(error);
}
