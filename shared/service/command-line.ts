import yargs from 'yargs';
import type { Role } from './schema.ts';

/** What a daemon was told on its command line. */
export interface CommandLine {
  readonly config: string;
  /** Only check the configuration. */
  readonly check: boolean;
  /** `key=value` texts. */
  readonly sets: readonly string[];
}

/** How a daemon's command line ended when it gives nothing to run: what to print, and the exit code. */
export interface CommandLineExit {
  readonly exitCode: number;
  readonly text: string;
}

/**
 * Reads `--config FILE [--check] [--set key=value]...`. A wrong command line gives exit code 2 and says what is wrong;
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
    .usage(`$0 --config FILE [--check] [--set key=value]...`)
    .option('config', { type: 'string', requiresArg: true, describe: 'configuration file (YAML)' })
    .option('check', { type: 'boolean', default: false, describe: 'check the configuration and exit' })
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
  const { config, check, set } = parsed as { config?: string; check: boolean; set: string[] };
  if (config === undefined || config === '') {
    return {
      exitCode: 2,
      text: `${role}: which configuration? such as: ${role} --config config/${role}.yaml\ntry: ${role} --help`,
    };
  }
  return { config, check, sets: set };
}
