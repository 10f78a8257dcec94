import type { Argv } from 'yargs';
import type { AsAction } from './as-command.ts';

const behaviours = `An initial request is treated by the user part of the address that filter criteria name (ServerName):
  sip:proxy@HOST:PORT       forwards by the Route that is left; ;copies=2 forks
  sip:b2bua@HOST:PORT       a dialog of its own on each side; ;to=URI calls somebody else
  sip:redirect@HOST:PORT    302 to ;to=URI (;status=300..399)
  sip:forwarding@HOST:PORT  diverts to ;to=URI, with History-Info and Diversion (;cause=302)
  sip:announcing@HOST:PORT  183 and 200 with SDP, BYE after ;seconds=3; ;status=486: refuses in the end
  sip:failing@HOST:PORT     503, or ;status=; ;early=180 before it, ;after=500 milliseconds
  sip:trying@HOST:PORT      100, then nothing
  sip:silent@HOST:PORT      nothing
  sip:ipsmgw@HOST:PORT      short messages (application/vnd.3gpp.sms): keeps and forwards them
A URI in a parameter has its @ escaped: sip:forwarding@127.0.0.1:5090;to=sip:carol%40ims.test
All but failing, trying and silent answer a third-party REGISTER 200 and remember it.`;

/** The command line of `lab as`: the server itself, and calls and messages in the name of users. */
export function asCommands(args: Argv) {
  return serverOptions(args)
    .command('call <from> <to>', 'call somebody in the name of a user', callOptions, (given) =>
      run(given, { kind: 'call', from: given.from, to: given.to, seconds: given.seconds }),
    )
    .command('message <from> <to> <text>', 'send a MESSAGE in the name of a user', messageOptions, (given) =>
      run(given, { kind: 'message', from: given.from, to: given.to, text: given.text }),
    )
    .example('$0 as', 'at 127.0.0.1:5090, with the S-CSCF of config/scscf.yaml')
    .example('$0 as --listen 127.0.0.1:5090 --home ims.test --scscf 127.0.0.1:6060 --json', 'for programs')
    .example('$0 as --number +15550001=sip:alice@ims.test', 'a number that registrations do not tell')
    .example('$0 as call sip:alice@ims.test sip:bob@ims.test', 'the services of alice, then bob')
    .epilogue(behaviours);
}

function serverOptions(args: Argv) {
  const text = { type: 'string', requiresArg: true } as const;
  const list = { ...text, array: true, nargs: 1, default: [] as string[] } as const;
  return args
    .option('listen', {
      ...text,
      describe: 'own address:port, UDP and TCP; default: 127.0.0.1:5090, a free port to call or write',
    })
    .option('home', { ...text, default: 'ims.test', describe: 'home domain' })
    .option('scscf', {
      ...text,
      default: '127.0.0.1:6060',
      describe: 'address:port of the S-CSCF; requests for names and numbers go there',
    })
    .option('name', { ...list, describe: 'a further host, or host:port, that stands for this server; may be repeated' })
    .option('number', { ...list, describe: 'number=identity, for short messages; may be repeated' })
    .option('json', { type: 'boolean', default: false, describe: 'one JSON object for each message and event' });
}

function partyOptions(args: Argv) {
  return serverOptions(args)
    .positional('from', { type: 'string', demandOption: true, describe: 'the user, a sip: or tel: URI' })
    .positional('to', { type: 'string', demandOption: true, describe: 'whom: sip:bob@ims.test or tel:+15550002' })
    .option('unregistered', { type: 'boolean', default: false, describe: 'the user is not registered' });
}

function callOptions(args: Argv) {
  return partyOptions(args)
    .option('seconds', { type: 'number', default: 3, describe: 'how long to talk' })
    .example('$0 as call sip:alice@ims.test sip:bob@ims.test', 'alice is registered')
    .example('$0 as call sip:alice@ims.test sip:bob@ims.test --unregistered', 'alice is away');
}

function messageOptions(args: Argv) {
  return partyOptions(args)
    .positional('text', { type: 'string', demandOption: true })
    .example('$0 as message sip:alice@ims.test sip:bob@ims.test "dinner is ready"', '');
}

interface ServerArguments {
  readonly listen: string | undefined;
  readonly home: string;
  readonly scscf: string;
  readonly name: readonly string[];
  readonly number: readonly string[];
  readonly json: boolean;
  readonly unregistered?: boolean;
}

/** Serves until it is stopped. */
export function runServer(given: ServerArguments): Promise<void> {
  return run(given, { kind: 'serve' });
}

async function run(given: ServerArguments, action: AsAction): Promise<void> {
  const { runAs } = await import('./as-command.ts');
  const { home, scscf, name: names, number: numbers, json, unregistered = false } = given;
  const listen = given.listen ?? (action.kind === 'serve' ? '127.0.0.1:5090' : '127.0.0.1:0');
  process.exit(await runAs({ action, listen, home, scscf, names, numbers, json, unregistered }));
}
