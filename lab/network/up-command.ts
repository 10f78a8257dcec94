import { renderLadder } from '#manage/ladder';
import { ConfigError } from '#service/config/config';
import { demonstrate, listenIn, type StepReport } from './demonstration.ts';
import { Network, phoneName } from './network.ts';

export interface UpCommand {
  /** Folder of the four configurations. */
  readonly base: string;
  /** End after the demonstration. */
  readonly once: boolean;
  readonly headers: boolean;
  readonly json: boolean;
  readonly freePorts: boolean;
  /** The phones talk TLS with the P-CSCF. */
  readonly tls: boolean;
}

const liveMs = 400;

/**
 * Starts a whole network, shows a registration of each phone, a call and a message with every message between the
 * parties, then serves until Ctrl-C. Gives the exit code: 0, or 1 when something did not work.
 */
export async function runUp(command: UpCommand): Promise<number> {
  const startMs = performance.now();
  let interrupted = false;
  const stopped = new Promise<void>((resolve) => {
    const stop = () => {
      interrupted = true;
      resolve();
    };
    process.once('SIGINT', stop);
    process.once('SIGTERM', stop);
    process.once('SIGHUP', stop);
  });
  let fallen = false;
  const hearing = listenIn();
  const say = (words: string) => void process.stderr.write(`${words}\n`);
  let network: Network;
  try {
    network = await Network.start(
      {
        base: command.base,
        freePorts: command.freePorts,
        tls: command.tls,
        progress: say,
        died: (words) => {
          if (interrupted) return;
          fallen = true;
          say(words);
        },
      },
      hearing.events,
    );
  } catch (error) {
    say(error instanceof ConfigError ? error.message : `The network does not start: ${(error as Error).message}`);
    return 1;
  }
  try {
    if (command.json) write({ serving: true, ...network.config.ports, folder: network.folder });
    else process.stdout.write(`${where(network, performance.now() - startMs)}\n`);
    const ok = await Promise.race([
      demonstrate(network, hearing, (step) => process.stdout.write(showStep(step, network, command))),
      stopped.then(() => false),
    ]);
    if (interrupted) return command.once ? 1 : 0;
    const words = ok ? 'Everything worked' : 'Something did not work: see above';
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    if (command.json) write({ done: true, ok, seconds: Number(seconds) });
    else process.stdout.write(`${words}, ${seconds} s after the start.\n`);
    if (command.once) return ok && !fallen ? 0 : 1;
    if (!command.json) process.stdout.write(`\n${invitation(network)}\n`);
    await serve(network, command, stopped);
    return 0;
  } finally {
    if (!command.once) say('stopping');
    await network.stop();
  }
}

/** Shows further messages as they come. */
async function serve(network: Network, command: UpCommand, stopped: Promise<void>): Promise<void> {
  const timer = setInterval(async () => {
    if (network.book.messages().length === 0) return;
    await network.settle();
    const messages = network.book.take();
    if (messages.length === 0) return;
    if (command.json) for (const message of messages) write(message);
    else process.stdout.write(`\n${renderLadder(messages, network.partiesOf(messages), style(command))}`);
  }, liveMs);
  await stopped;
  clearInterval(timer);
}

function showStep(report: StepReport, network: Network, command: UpCommand): string {
  const { step, ok, words, milliseconds, messages } = report;
  if (command.json) return `${JSON.stringify({ step, ok, words, milliseconds, messages })}\n`;
  const outcome = `${ok ? 'ok' : 'FAILED'}: ${words} (${milliseconds.toFixed(0)} ms)`;
  return `\n${step}\n${renderLadder(messages, network.partiesOf(messages), style(command))}${outcome}\n`;
}

function style(command: UpCommand) {
  const { isTTY, columns } = process.stdout;
  return {
    colour: isTTY === true && process.env.NO_COLOR === undefined,
    headers: command.headers,
    width: columns ?? 120,
  };
}

function write(object: object): void {
  process.stdout.write(`${JSON.stringify(object)}\n`);
}

function where({ config, folder }: Network, milliseconds: number): string {
  const { address, ports } = config;
  const secure = config.tls === null ? [] : [tlsInvitation(config, config.tls.ca)];
  return [
    `The network serves after ${(milliseconds / 1000).toFixed(1)} s. State and logs: ${folder}`,
    `  P-CSCF ${address}:${ports.gm} toward phones, ${address}:${ports.mw} toward the core`,
    `  I-CSCF ${address}:${ports.icscf}, S-CSCF ${address}:${ports.scscf}, HSS ${address}:${ports.hss} (Diameter)`,
    ...(config.applicationServer === null
      ? []
      : [`  application server ${config.applicationServer} at ${address}:${ports.as}`]),
    ...secure,
  ].join('\n');
}

function tlsInvitation({ address, ports }: Network['config'], ca: string): string {
  return `  TLS: bin/lab ue register --user user000001 --tls --ca ${ca} --proxy ${address}:${ports.gmTls}`;
}

/** How others take part. */
function invitation({ config }: Network): string {
  const { address, domain, ports, phones, range } = config;
  const [first, second] = phones.map(phoneName);
  const lines = [`Any SIP client may register now: domain ${domain}, proxy ${address}:${ports.gm}, UDP or TCP`];
  if (range?.range !== undefined) {
    const number = (pattern: string) =>
      pattern.replace(/%0?([0-9]*)d/, (_all, width) => '1'.padStart(Number(width), '0'));
    const user = number(range.range.prefix);
    lines.push(
      `  user ${user}, authentication name ${user}@${domain}, password ${number(range.password!)};`,
      `  and so on: ${range.range.count} users from number ${range.range.first}, all with SIP Digest.`,
    );
  }
  lines.push(
    `  ${first} and ${second} are registered (AKA, keys in config/hss.yaml) and answer: call ${phones[1].impus![0]}.`,
    'Messages are shown as they come. Ctrl-C ends everything.',
  );
  return lines.join('\n');
}
