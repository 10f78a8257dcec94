import type { Argv } from 'yargs';
import { actionNames, causeNames } from './order-names.ts';
import type { PcrfOrder } from './pcrf-control.ts';

/** The command line of `lab pcrf`: the PCRF itself, and what can be asked of one that runs. `config`: its default file. */
export function pcrfCommands(args: Argv, config: string) {
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
    .option('check', { type: 'boolean', global: false, default: false, describe: 'check the configuration and exit' })
    .option('enforce', {
      type: 'boolean',
      global: false,
      describe: 'answer breaches of TS 29.214 with the exact error, instead of only noting them',
    })
    .command('list', 'the Rx sessions', listOptions, (given) =>
      control(given, { kind: 'list', ip: given.ip, limit: given.limit }),
    )
    .command('show <session>', 'one session with its media components', showOptions, (given) =>
      control(given, { kind: 'show', session: given.session }),
    )
    .command('rar [session]', 'tell the P-CSCF what happens to bearers (Re-Auth)', rarOptions, (given) =>
      control(given, {
        kind: 'rar',
        session: given.session,
        ip: given.ip,
        actions: given.action,
        flows: given.flows,
        cause: given.cause,
        chargingIdentifier: given['charging-id'],
        ipCan: given['ip-can'],
        rat: given.rat,
        location: given.location,
      }),
    )
    .command('asr [session]', 'take the bearers of a session away (Abort-Session)', asrOptions, (given) =>
      control(given, { kind: 'asr', session: given.session, ip: given.ip, cause: given.cause }),
    )
    .command('status', 'peers, requests by result, findings by kind', controlOptions, (given) =>
      control(given, { kind: 'status' }),
    )
    .command('findings', 'what is wrong with what peers sent', controlOptions, (given) =>
      control(given, { kind: 'findings' }),
    )
    .command('reload', 'read the rules anew, as SIGHUP does', controlOptions, (given) =>
      control(given, { kind: 'reload' }),
    )
    .example('$0 pcrf', 'the rules of config/pcrf.yaml at 127.0.0.1:3869')
    .example('$0 pcrf --set listen=tcp:127.0.0.1:3900', 'at another port')
    .example('$0 pcrf --enforce', 'as strict as the strictest PCRF')
    .example('$0 pcrf list', 'in another terminal: the sessions, by number')
    .example('$0 pcrf rar 1 --action release', 'the bearer of session 1 is gone')
    .example('$0 pcrf asr --ip 10.46.0.5', 'all sessions of a UE are to end');
}

function controlOptions(args: Argv) {
  return args
    .option('socket', {
      type: 'string',
      requiresArg: true,
      describe: 'management socket of the PCRF; default: that of the configuration',
    })
    .option('json', { type: 'boolean', default: false, describe: 'print the answer as JSON' })
    .option('config', { type: 'string', requiresArg: true })
    .option('set', { type: 'string', array: true, nargs: 1, requiresArg: true });
}

function listOptions(args: Argv) {
  return controlOptions(args)
    .option('ip', { type: 'string', requiresArg: true, describe: 'only those with this Framed address' })
    .option('limit', { type: 'number', default: 100, requiresArg: true, describe: 'at most so many' })
    .example('$0 pcrf list --ip 10.46.0.5', 'the sessions of one UE')
    .example("$0 pcrf list --json | jq -r '.sessions[].id'", 'the Session-Ids alone');
}

function showOptions(args: Argv) {
  return controlOptions(args)
    .positional('session', { type: 'string', demandOption: true, describe: 'Session-Id, or its number in the list' })
    .example('$0 pcrf show 1', 'session 1 with its media components')
    .example("$0 pcrf show 'pcscf.ims.test;1790000000;1' --json", 'by Session-Id, for programs');
}

function orderOptions(args: Argv) {
  return controlOptions(args)
    .positional('session', { type: 'string', describe: 'Session-Id, or its number in the list' })
    .option('ip', { type: 'string', requiresArg: true, describe: 'instead: all sessions with this Framed address' });
}

function rarOptions(args: Argv) {
  return orderOptions(args)
    .option('action', {
      choices: Object.keys(actionNames),
      array: true,
      nargs: 1,
      demandOption: true,
      describe: 'Specific-Action, may be repeated',
    })
    .option('flows', {
      type: 'string',
      requiresArg: true,
      describe: 'of which flows, COMPONENT:FLOW or COMPONENT, as in 1:1,1:2; default: all',
    })
    .option('cause', { choices: Object.keys(causeNames), describe: 'Abort-Cause, with a release' })
    .option('charging-id', { type: 'string', requiresArg: true, describe: 'charging identifier of the access network' })
    .option('ip-can', { type: 'number', requiresArg: true, describe: 'IP-CAN-Type: 5 is EPS, 8 is 5GS' })
    .option('rat', { type: 'number', requiresArg: true, describe: 'RAT-Type: 1004 is EUTRAN, 1006 is NR' })
    .option('location', { type: 'string', requiresArg: true, describe: '3GPP-User-Location-Info, hexadecimal' })
    .example('$0 pcrf rar 1 --action loss --flows 1:1,1:2', 'the audio of session 1 has lost its bearer')
    .example('$0 pcrf rar --ip 10.46.0.5 --action release --cause bearer-released', 'the UE has no bearer any more')
    .example('$0 pcrf rar 1 --action charging --charging-id 0a1b2c', 'what the access network charges by');
}

function asrOptions(args: Argv) {
  return orderOptions(args)
    .option('cause', {
      choices: Object.keys(causeNames),
      default: 'bearer-released',
      describe: 'Abort-Cause',
    })
    .example('$0 pcrf asr 1', 'session 1 is to end, as its bearer is gone')
    .example('$0 pcrf asr --ip 10.46.0.5 --cause bearer-resources', 'all sessions of a UE, for lack of resources');
}

interface ControlArguments {
  readonly socket: string | undefined;
  readonly json: boolean;
  readonly config: string | undefined;
  readonly set: readonly string[] | undefined;
}

async function control(given: ControlArguments, order: PcrfOrder): Promise<void> {
  const { controlPcrf } = await import('./pcrf-control.ts');
  const { config = '', json, set = [], socket } = given;
  process.exit(await controlPcrf({ order, socket, config, sets: set, json }));
}
