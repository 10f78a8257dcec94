import type { Argv } from 'yargs';
import type { HssOrder } from './hss-control.ts';

/** The command line of `lab hss`: the HSS itself, and what can be asked of one that runs. `config`: its default file. */
export function hssCommands(args: Argv, config: string) {
  return args
    .option('config', { type: 'string', default: config, requiresArg: true, describe: 'configuration file (YAML)' })
    .option('set', {
      type: 'string',
      array: true,
      nargs: 1,
      requiresArg: true,
      default: [] as string[],
      describe: 'set a key over the file: a dotted path, the value as YAML',
    })
    .option('state', {
      type: 'string',
      global: false,
      requiresArg: true,
      describe:
        'folder for registration states, which several HSSs may share; default: hss, beside the management socket',
    })
    .option('check', { type: 'boolean', global: false, default: false, describe: 'check the configuration and exit' })
    .option('enforce', {
      type: 'boolean',
      global: false,
      describe: 'answer breaches of TS 29.229 with the exact error, instead of only noting them',
    })
    .command('rtr <impi>', 'tell the S-CSCF to end registrations (Registration-Termination)', rtrOptions, (given) =>
      control(given, {
        kind: 'rtr',
        impi: given.impi,
        impus: given.impu,
        reason: given.reason,
        info: given.info,
      }),
    )
    .command('ppr <impi>', 'bring the S-CSCF a profile or charging addresses (Push-Profile)', pprOptions, (given) =>
      control(given, { kind: 'ppr', impi: given.impi, profile: given.profile, charging: given.charging }),
    )
    .command('show <identity>', 'one subscriber: identities, state, S-CSCF, SQN', showOptions, (given) =>
      control(given, { kind: 'show', identity: given.identity }),
    )
    .command('list', 'subscribers that are listed one by one, or were ever asked for', listOptions, (given) =>
      control(given, { kind: 'list', registered: given.registered, limit: given.limit }),
    )
    .command('status', 'peers, requests by result, findings by kind', controlOptions, (given) =>
      control(given, { kind: 'status' }),
    )
    .command('findings', 'what is wrong with what peers sent', controlOptions, (given) =>
      control(given, { kind: 'findings' }),
    )
    .example('$0 hss', 'the subscribers of config/hss.yaml at 127.0.0.1:3868')
    .example('$0 hss --set listen=tcp:127.0.0.1:3900', 'at another port')
    .example('$0 hss --enforce', 'as strict as the strictest HSS')
    .example('$0 hss rtr alice@ims.test --reason server-change', 'in another terminal: alice is to register anew')
    .example('$0 hss show alice@ims.test', 'what the running HSS knows of alice');
}

function controlOptions(args: Argv) {
  return args
    .option('socket', {
      type: 'string',
      requiresArg: true,
      describe: 'management socket of the HSS; default: that of the configuration',
    })
    .option('json', { type: 'boolean', default: false, describe: 'print the answer as JSON' })
    .option('config', { type: 'string', requiresArg: true })
    .option('set', { type: 'string', array: true, nargs: 1, requiresArg: true });
}

function rtrOptions(args: Argv) {
  return controlOptions(args)
    .positional('impi', { type: 'string', demandOption: true, describe: 'private identity' })
    .option('impu', {
      type: 'string',
      array: true,
      nargs: 1,
      requiresArg: true,
      default: [] as string[],
      describe: 'public identity, may be repeated; default: all',
    })
    .option('reason', {
      choices: ['permanent', 'new-server', 'server-change', 'remove-scscf'] as const,
      default: 'permanent' as const,
      describe: 'Reason-Code; new-server goes to the S-CSCF that was replaced',
    })
    .option('info', { type: 'string', requiresArg: true, describe: 'Reason-Info, a text' })
    .example('$0 hss rtr alice@ims.test', 'ends all registrations of alice')
    .example('$0 hss rtr alice@ims.test --impu sip:alice@ims.test --info "moved out"', 'of one identity, with words')
    .example('$0 hss rtr alice@ims.test --reason server-change --json | jq .code', 'the Result-Code alone');
}

function pprOptions(args: Argv) {
  return controlOptions(args)
    .positional('impi', { type: 'string', demandOption: true, describe: 'private identity' })
    .option('profile', {
      type: 'string',
      requiresArg: true,
      describe: 'XML file: a profile, or a template as in config/profiles; default: the present profile',
    })
    .option('charging', {
      type: 'string',
      array: true,
      nargs: 1,
      requiresArg: true,
      default: [] as string[],
      describe: 'primary-ccf=URI, secondary-ccf=, primary-ecf= or secondary-ecf=; may be repeated',
    })
    .example('$0 hss ppr alice@ims.test', 'the present profile once more')
    .example('$0 hss ppr alice@ims.test --profile new.xml', 'another profile, which stays')
    .example('$0 hss ppr alice@ims.test --charging primary-ccf=aaa://ccf.ims.test', 'charging addresses alone');
}

function showOptions(args: Argv) {
  return controlOptions(args)
    .positional('identity', { type: 'string', demandOption: true, describe: 'private or public identity' })
    .example('$0 hss show alice@ims.test', 'as tables')
    .example('$0 hss show tel:+15550001 --json', 'by a public identity, for programs');
}

function listOptions(args: Argv) {
  return controlOptions(args)
    .option('registered', { type: 'boolean', default: false, describe: 'only those who are registered' })
    .option('limit', { type: 'number', default: 100, requiresArg: true, describe: 'at most so many' })
    .example('$0 hss list --registered', 'who is registered')
    .example('$0 hss list --limit 1000 --json', 'for programs');
}

interface ControlArguments {
  readonly socket: string | undefined;
  readonly json: boolean;
  readonly config: string | undefined;
  readonly set: readonly string[] | undefined;
}

async function control(given: ControlArguments, order: HssOrder): Promise<void> {
  const { controlHss } = await import('./hss-control.ts');
  const { config = '', json, set = [], socket } = given;
  process.exit(await controlHss({ order, socket, config, sets: set, json }));
}
