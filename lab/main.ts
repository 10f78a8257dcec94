import { fileURLToPath } from 'node:url';
import yargs, { type Argv } from 'yargs';
import { packageVersion } from '#service/version';
import { asCommands, runServer } from './as/as-options.ts';
import { hssCommands } from './hss/hss-options.ts';
import { pcrfCommands } from './pcrf/pcrf-options.ts';
import { phoneKindNames, phoneKinds } from './ue/security-offer.ts';
import type { UeAction } from './ue/ue-command.ts';

const configFolder = fileURLToPath(new URL('../config', import.meta.url));

/** Commands are loaded when they run, so that each starts fast. */
await yargs(process.argv.slice(2))
  .scriptName('lab')
  .usage('$0 <command>: a whole network on this machine, and its parts')
  .command(
    'up',
    'start HSS, I-CSCF, S-CSCF, P-CSCF, application server and two phones, show a call, serve until Ctrl-C',
    upOptions,
    async (args) => {
      const { runUp } = await import('./network/up-command.ts');
      const { config: base, once, headers, json, 'free-ports': freePorts, tls } = args;
      process.exitCode = await runUp({ base, once, headers, json, freePorts, tls });
      // Whatever still lingers must not hold the terminal.
      process.exit();
    },
  )
  .command(
    'hss',
    'run the HSS alone (Diameter Cx), or ask one that runs',
    (args) => hssCommands(args, `${configFolder}/hss.yaml`),
    async (args) => {
      const { runHss } = await import('./hss/hss-command.ts');
      const { check, config, enforce, set: sets, state } = args;
      process.exit(await runHss({ config, sets, check, enforce, state }));
    },
  )
  .command(
    'pcrf',
    'run the PCRF alone (Diameter Rx), or ask one that runs',
    (args) => pcrfCommands(args, `${configFolder}/pcrf.yaml`),
    async (args) => {
      const { runPcrf } = await import('./pcrf/pcrf-command.ts');
      const { check, config, enforce, set: sets } = args;
      process.exit(await runPcrf({ config, sets, check, enforce }));
    },
  )
  .command('as', 'run an application server, or call and write in the name of a user', asCommands, runServer)
  .command('ue', 'run one phone', ueCommands)
  .demandCommand(1, 'which command? up, hss, pcrf, as or ue')
  .example('$0 up', 'the network, a registration, a call, a message, with every message shown')
  .example('$0 up --once', 'the same, then stop; exit status 0 when all went well')
  .example('$0 ue call sip:bob@ims.test --user alice', 'one call through a running network')
  .example('$0 hss --config config/hss.yaml', 'only the HSS')
  .example('$0 pcrf --config config/pcrf.yaml', 'only the PCRF')
  .version(packageVersion())
  .strict()
  .wrap(110)
  .fail((message, error) => {
    const phone = ['register', 'answer', 'call', 'message', 'sms'];
    const orders = ['rtr', 'ppr', 'rar', 'asr', 'show', 'list', 'status', 'findings', 'reload'];
    const known = ['up', 'hss', 'pcrf', 'as', 'ue', ...phone, ...orders];
    const command = process.argv.slice(2).filter((word) => known.includes(word));
    const few = message?.startsWith('Not enough non-option arguments') === true;
    const words = few
      ? `${command.join(' ')} needs more: whom, and for message and sms what`
      : (message ?? error?.message);
    process.stderr.write(`lab: ${words}\ntry: ${['lab', ...command].join(' ')} --help\n`);
    process.exit(error === undefined || error === null ? 2 : 1);
  })
  .parseAsync();

function upOptions(args: Argv) {
  return args
    .option('once', {
      type: 'boolean',
      default: false,
      describe: 'stop after the demonstration; exit status by success',
    })
    .option('headers', {
      type: 'boolean',
      default: false,
      describe: 'show what each node added, changed and removed, and which procedure did it',
    })
    .option('json', { type: 'boolean', default: false, describe: 'one JSON object per step, for programs' })
    .option('free-ports', { type: 'boolean', default: false, describe: 'take any free ports, for labs side by side' })
    .option('tls', {
      type: 'boolean',
      default: false,
      describe: 'the phones talk TLS with the P-CSCF, by certificates made for the occasion (with openssl)',
    })
    .option('config', {
      type: 'string',
      default: configFolder,
      requiresArg: true,
      describe: 'folder with hss.yaml, icscf.yaml, scscf.yaml and pcscf.yaml',
    })
    .example('$0 up', 'the default ports where they are free')
    .example('$0 up --once --headers', 'what every hop does to every message')
    .example('$0 up --once --json | jq -r .words', 'the outcome of each step');
}

function ueCommands(args: Argv) {
  return args
    .command('register', 'register, say what came of it, de-register', phoneOptions, (given) =>
      phone(given, { kind: 'register' }),
    )
    .command('answer', 'stay registered, answer calls, show messages', answerOptions, (given) =>
      phone(given, { kind: 'answer', afterSeconds: given.after }),
    )
    .command('call <to>', 'call a sip: or tel: URI', callOptions, (given) =>
      phone(given, { kind: 'call', to: given.to, seconds: given.seconds }),
    )
    .command('message <to> <text>', 'send a MESSAGE', messageOptions, (given) =>
      phone(given, { kind: 'message', to: given.to, text: given.text }),
    )
    .command('sms <to> <text>', 'send a short message (3GPP SMS over IP)', smsOptions, (given) =>
      phone(given, { kind: 'sms', to: given.to, text: given.text, centre: given.centre }),
    )
    .demandCommand(1, 'what should the phone do? register, answer, call, message or sms')
    .example('$0 ue register --user alice', 'with the keys that config/hss.yaml has for alice')
    .example('$0 ue register --user alice --tls --ca ca.pem', 'by TLS')
    .example('$0 ue register --user alice --ipsec --address 10.77.0.2 --proxy 10.77.0.1', 'by IPsec')
    .example('$0 ue answer --user bob', 'in one terminal')
    .example('$0 ue call sip:bob@ims.test --user alice', 'in another')
    .example('$0 ue sms +15550004 "see you" --user carol', 'by way of the gateway that her profile names')
    .example('$0 ue register --impi 001010000000001@ims.test --k 465b.. --opc cd63..', 'with keys of your own');
}

function phoneOptions(args: Argv) {
  const hex = { type: 'string', requiresArg: true } as const;
  return args
    .option('user', { ...hex, describe: 'a subscriber of the HSS configuration: alice, user000001' })
    .option('config', {
      ...hex,
      default: `${configFolder}/hss.yaml`,
      describe: 'HSS configuration with the keys of --user',
    })
    .option('proxy', { ...hex, describe: 'P-CSCF, host:port; default: 127.0.0.1:5060, with TLS 127.0.0.1:5061' })
    .option('transport', {
      choices: ['udp', 'tcp', 'tls'] as const,
      default: 'udp' as const,
      describe: 'what to send by',
    })
    .option('tcp', { type: 'boolean', default: false, describe: 'the same as --transport tcp' })
    .option('tls', { type: 'boolean', default: false, describe: 'the same as --transport tls' })
    .option('ca', { ...hex, describe: 'TLS: PEM file of the authority that signed the P-CSCF' })
    .option('tls-name', { ...hex, describe: "TLS: name in the P-CSCF's certificate; default: the home domain" })
    .option('insecure', { type: 'boolean', default: false, describe: 'TLS: take any certificate' })
    .option('ipsec', {
      type: 'boolean',
      default: false,
      describe: 'register with IPsec, as phones do (TS 33.203); needs root or CAP_NET_ADMIN',
    })
    .option('ipsec-backend', {
      choices: ['auto', 'kernel', 'userspace'] as const,
      default: 'auto' as const,
      describe:
        'IPsec: who carries ESP; with userspace each phone, and the P-CSCF, needs a network namespace of its own',
    })
    .option('security-client', {
      choices: phoneKindNames,
      default: 'samsung' as const,
      describe: 'IPsec: which phone offers its algorithms (see below)',
    })
    .option('answer-from', {
      choices: ['client', 'server'] as const,
      default: 'client' as const,
      describe: 'IPsec: port that answers by UDP leave from: the client port is the rule, some phones use the other',
    })
    .option('address', { ...hex, describe: 'own address; default: the loopback of the family of --proxy' })
    .option('expires', { type: 'number', default: 600_000, describe: 'seconds to ask for' })
    .option('trace', { type: 'boolean', default: false, describe: 'print every SIP message' })
    .option('domain', { ...hex, describe: 'home domain; default: that of the private identity' })
    .option('impi', { ...hex, describe: 'private identity, instead of --user' })
    .option('impu', { ...hex, describe: 'public identity; default: the first one of --user, or sip: and --impi' })
    .option('k', { ...hex, describe: 'key K, 32 hexadecimal digits' })
    .option('op', { ...hex, describe: 'OP, 32 hexadecimal digits' })
    .option('opc', { ...hex, describe: 'OPc, 32 hexadecimal digits' })
    .option('password', { ...hex, describe: 'password for SIP Digest' })
    .epilogue(
      ['--security-client:', ...phoneKindNames.map((name) => `  ${name}: ${phoneKinds[name].words}`)].join('\n'),
    );
}

function answerOptions(args: Argv) {
  return phoneOptions(args).option('after', { type: 'number', default: 1, describe: 'seconds to ring' });
}

function callOptions(args: Argv) {
  return phoneOptions(args)
    .positional('to', {
      type: 'string',
      demandOption: true,
      describe: 'sip:bob@ims.test or tel:+15550002',
    })
    .option('seconds', { type: 'number', default: 3, describe: 'how long to talk' });
}

function messageOptions(args: Argv) {
  return phoneOptions(args)
    .positional('to', {
      type: 'string',
      demandOption: true,
      describe: 'sip:bob@ims.test or tel:+15550002',
    })
    .positional('text', { type: 'string', demandOption: true });
}

function smsOptions(args: Argv) {
  return phoneOptions(args)
    .positional('to', { type: 'string', demandOption: true, describe: 'a number, such as +15550004' })
    .positional('text', { type: 'string', demandOption: true })
    .option('centre', {
      type: 'string',
      requiresArg: true,
      describe: 'URI of the service centre; default: sip:smsc@ and the home domain',
    });
}

type Given<T> = T extends Argv<infer Options> ? Options : never;

async function phone(given: Given<ReturnType<typeof phoneOptions>>, action: UeAction): Promise<void> {
  const { runUe } = await import('./ue/ue-command.ts');
  const { user, config, address, expires, trace, domain, impi, impu, k, op, opc, password, ca, insecure } = given;
  const identity = { user, impi, impu, domain, k, op, opc, password };
  const transport = given.tls ? 'tls' : given.tcp ? 'tcp' : given.transport;
  const proxy = given.proxy ?? (transport === 'tls' ? '127.0.0.1:5061' : '127.0.0.1:5060');
  const tls = { ca, insecure, name: given['tls-name'] };
  const ipsec = {
    backend: given['ipsec-backend'],
    kind: given['security-client'],
    answerFrom: given['answer-from'],
  };
  const rest = { config, proxy, transport, tls, address, expires, trace };
  process.exit(await runUe({ action, ...identity, ...rest, ...(given.ipsec ? { ipsec } : {}) }));
}
