import yargs from 'yargs';
import type { Role } from './config/schema.ts';

/** What a daemon was told on its command line. */
export interface CommandLine {
  readonly config: string;
  /** Only check the configuration. */
  readonly check: boolean;
  /** Only print the configuration as it is in effect, `explain`: with where each value comes from. */
  readonly render: false | 'plain' | 'explain';
  /** `key=value` texts. */
  readonly sets: readonly string[];
}

/** How a daemon's command line ended when it gives nothing to run: what to print, and the exit code. */
export interface CommandLineExit {
  readonly exitCode: number;
  readonly text: string;
}

/**
 * Reads `--config FILE [--check | --render [--explain]] [--set key=value]...`. A wrong command line gives exit code 2 and says what is wrong;
 * `--help` and `--version` give 0.
 */
export async function readCommandLine(
  role: Role,
  argv: readonly string[],
  version: string,
): Promise<CommandLine | CommandLineExit> {
  let fault: string | undefined;
  let printed = '';
  const parser = yargs()
    .scriptName(role)
    .usage(`$0 --config FILE [--check | --render [--explain]] [--set key=value]...`)
    .option('config', { type: 'string', requiresArg: true, describe: 'configuration file (YAML)' })
    .option('check', { type: 'boolean', default: false, describe: 'check the configuration and exit' })
    .option('render', {
      type: 'boolean',
      default: false,
      describe: 'print the configuration with includes, variables and defaults filled in, and exit',
    })
    .option('explain', { type: 'boolean', default: false, describe: 'the same, with where each value comes from' })
    .option('set', {
      type: 'string',
      array: true,
      nargs: 1,
      requiresArg: true,
      default: [],
      describe: 'set a key over the file: a dotted path, the value as YAML',
    })
    .example(`$0 --config config/${role}.yaml`, 'start')
    .example(`$0 --config config/${role}.yaml --check`, 'say what is wrong with the configuration, or ok')
    .example(`$0 --config config/${role}.yaml --render --explain`, 'say where each value comes from')
    .example(`$0 --config config/${role}.yaml --set log.level=debug`, 'start with one key changed')
    .version(version)
    .strict()
    .wrap(110)
    .exitProcess(false)
    .fail((message, error) => {
      fault ??= message ?? error?.message ?? 'the command line cannot be read';
    });
  const parsed = await parser.parse([...argv], {}, (_error, _argv, output) => {
    printed = output;
  });
  if (fault !== undefined) return { exitCode: 2, text: `${role}: ${fault}\ntry: ${role} --help` };
  if (printed !== '') return { exitCode: 0, text: printed };
  const { config, check, render, explain, set } = parsed as {
    config?: string;
    check: boolean;
    render: boolean;
    explain: boolean;
    set: string[];
  };
  if (config === undefined || config === '') {
    return {
      exitCode: 2,
      text: `${role}: which configuration? such as: ${role} --config config/${role}.yaml\ntry: ${role} --help`,
    };
  }
  return { config, check, render: explain ? 'explain' : render && 'plain', sets: set };
}
