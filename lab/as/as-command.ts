import { openTrace, type TraceSink } from '#manage/trace-recorder';
import { splitHostPort } from '#service/config/address';
import { SipError } from '#sip/errors';
import { refusalWords } from '../ue/refusal-words.ts';
import { ApplicationServer } from './application-server.ts';
import type { Hop } from './next-target.ts';
import { type Sight, sightTrace, sightWords } from './sight.ts';

/** What the application server is told to do. */
export type AsAction =
  | { readonly kind: 'serve' }
  | { readonly kind: 'call'; readonly from: string; readonly to: string; readonly seconds: number }
  | { readonly kind: 'message'; readonly from: string; readonly to: string; readonly text: string };

export interface AsCommand {
  readonly action: AsAction;
  /** host:port. */
  readonly listen: string;
  readonly home: string;
  /** host:port. */
  readonly scscf: string;
  /** Further `host:port` or host names. */
  readonly names: readonly string[];
  /** `+15550001=sip:alice@ims.test`. */
  readonly numbers: readonly string[];
  /** Calls and messages in the name of a user who is not registered. */
  readonly unregistered: boolean;
  readonly json: boolean;
}

/** What cannot be done, in words that say what to do instead. */
class UsageError extends Error {}

const patienceMs = 40_000;

/**
 * Runs an application server until SIGTERM or SIGINT, or one call or message of it. Prints `ready as listen=...` when it
 * serves. Gives the exit code: 0, 1 when it cannot start or the network said no, 2 for a wrong command line.
 */
export async function runAs(command: AsCommand): Promise<number> {
  const print = printer(command.json);
  let server: ApplicationServer;
  try {
    server = await openServer(command, print);
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof SipError)) throw error;
    process.stderr.write(`as: ${error.message}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
  try {
    return await act(server, command, print);
  } finally {
    await server.close();
  }
}

interface Printer {
  sight(sight: Sight): void;
  note(words: string): void;
}

async function openServer(command: AsCommand, print: Printer): Promise<ApplicationServer> {
  const late: { server: ApplicationServer | null } = { server: null };
  const listen = hopOf('--listen', command.listen, true);
  late.server = await ApplicationServer.open({
    ...listen,
    home: command.home,
    scscf: hopOf('--scscf', command.scscf, false),
    names: command.names.map((name) => (name.includes(':') ? name : `${name}:0`)),
    numbers: new Map(command.numbers.map(numberOf)),
    trace: both(
      sightTrace(print.sight, (request) => late.server?.behaviourOf(request) ?? null),
      openTrace('as'),
    ),
    note: print.note,
  });
  return late.server;
}

/** Tells what is seen to whoever collects traces as well. */
function both(one: TraceSink, other: TraceSink | null): TraceSink {
  if (other === null) return one;
  return {
    sip(dir, text, peer) {
      one.sip(dir, text, peer);
      other.sip(dir, text, peer);
    },
    diameter() {},
  };
}

/** `mayBeFree`: port 0 stands for a free one. */
function hopOf(option: string, text: string, mayBeFree: boolean): Hop {
  const free = mayBeFree && text.endsWith(':0');
  const found = splitHostPort(free ? `${text.slice(0, -2)}:1` : text);
  if (found === undefined) throw new UsageError(`${option} ${text} is not address:port, such as 127.0.0.1:5090`);
  return { address: found.host, port: free ? 0 : found.port };
}

function numberOf(text: string): [number: string, identity: string] {
  const at = text.indexOf('=');
  const number = text.slice(0, Math.max(at, 0));
  if (!/^\+?[0-9]{1,20}$/.test(number) || !/^(sip|tel):./.test(text.slice(at + 1))) {
    throw new UsageError(`--number ${text} is not number=identity, such as +15550001=sip:alice@ims.test`);
  }
  return [number, text.slice(at + 1)];
}

async function act(server: ApplicationServer, command: AsCommand, print: Printer): Promise<number> {
  const { action, unregistered } = command;
  const registered = !unregistered;
  switch (action.kind) {
    case 'serve': {
      process.stdout.write(`ready as listen=${server.address}:${server.port} scscf=${command.scscf}\n`);
      await interrupted();
      return 0;
    }
    case 'message': {
      const response = await server.message({ from: action.from, to: action.to, registered }, action.text);
      print.note(
        `${response.status < 300 ? 'delivered' : 'not delivered'}: ${response.status} ${refusalWords(response)}`,
      );
      return response.status < 300 ? 0 : 1;
    }
    case 'call':
      return call(server, { from: action.from, to: action.to, registered }, action.seconds, print);
  }
}

async function call(
  server: ApplicationServer,
  parties: Parameters<ApplicationServer['call']>[0],
  seconds: number,
  print: Printer,
): Promise<number> {
  const made = server.call(parties);
  const stop = interrupted();
  void stop.then(() => made.hangUp());
  const limit = setTimeout(() => made.hangUp(), patienceMs);
  const outcome = await made.answered;
  clearTimeout(limit);
  if (outcome !== true) {
    print.note(`not answered: ${outcome.status} ${outcome.words}`);
    return 1;
  }
  print.note(`answered; hanging up after ${seconds} s`);
  await Promise.race([new Promise((resolve) => setTimeout(resolve, seconds * 1000)), made.ended, stop]);
  made.hangUp();
  print.note((await made.ended).words);
  return 0;
}

function printer(json: boolean): Printer {
  const line = (text: string) => process.stdout.write(`${text}\n`);
  if (json) {
    return {
      sight: (sight) => line(JSON.stringify(sight)),
      note: (words) => line(JSON.stringify({ time: new Date().toISOString(), note: words })),
    };
  }
  return {
    sight: (sight) => line(printable(sightWords(sight))),
    note: (words) => line(printable(`${new Date().toISOString().slice(11, 23)} ${words}`)),
  };
}

/** Text of a peer as a terminal may show it. */
function printable(text: string): string {
  return [...text]
    .map((character) => (character < ' ' || (character >= '\x7f' && character < '\xa0') ? ' ' : character))
    .join('');
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}
