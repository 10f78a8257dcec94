import { readFileSync } from 'node:fs';
import { chooseBackend } from '#ipsec/choose-backend';
import type { IpsecBackend } from '#ipsec/ipsec-backend';
import { traceTo } from '#manage/trace-recorder';
import { splitHostPort } from '#service/config/address';
import { ConfigError, loadConfig } from '#service/config/config';
import { coreTimers } from '#sip/transaction/timers';
import type { TransportName } from '#sip/transport/flow';
import { SubscriberTable } from '../hss/subscriber-table.ts';
import type { Call } from './call.ts';
import type { Credentials } from './credentials.ts';
import type { IpsecOptions } from './protected-access.ts';
import type { Refused, RegisterOutcome } from './registration.ts';
import { type PhoneKindName, phoneKinds } from './security-offer.ts';
import type { ReceivedSms } from './short-messages.ts';
import { Ue } from './ue.ts';
import { Usim, usimOf } from './usim.ts';

/** What the phone is told to do once it is registered. */
export type UeAction =
  | { readonly kind: 'register' }
  | { readonly kind: 'answer'; readonly afterSeconds: number }
  | { readonly kind: 'call'; readonly to: string; readonly seconds: number }
  | { readonly kind: 'message'; readonly to: string; readonly text: string }
  | {
      readonly kind: 'sms';
      /** A telephone number, or what else the service centre knows. */
      readonly to: string;
      readonly text: string;
      /** URI of the service centre; left out: `smsc` of the home domain. */
      readonly centre?: string | undefined;
    };

export interface UeCommand {
  readonly action: UeAction;
  /** Name of a subscriber of `config`: alice, user000001. */
  readonly user?: string | undefined;
  /** Configuration of the HSS, for the keys of `user`. */
  readonly config: string;
  readonly domain?: string | undefined;
  readonly impi?: string | undefined;
  readonly impu?: string | undefined;
  readonly k?: string | undefined;
  readonly op?: string | undefined;
  readonly opc?: string | undefined;
  readonly password?: string | undefined;
  /** host:port of the P-CSCF. */
  readonly proxy: string;
  readonly transport: TransportName;
  readonly tls: {
    /** PEM file. */
    readonly ca?: string | undefined;
    readonly name?: string | undefined;
    readonly insecure: boolean;
  };
  /** Left out: no IPsec. */
  readonly ipsec?: {
    readonly backend: 'auto' | 'kernel' | 'userspace';
    readonly kind: PhoneKindName;
    readonly answerFrom: 'client' | 'server';
  };
  readonly address?: string | undefined;
  readonly expires: number;
  /** Print the SIP messages. */
  readonly trace: boolean;
}

/** What cannot be done, in words that say what to do instead. */
class UsageError extends Error {}

const noticeMs = 2_000;
/** Shorter than any timer of SIP on Gm: who sits at a terminal wants to know. */
const patienceMs = 11_000;
const silence: Refused = { status: 408, words: 'no answer' };

interface Identity {
  readonly domain: string;
  readonly impu: string;
  readonly credentials: Credentials;
}

/** Runs one phone. Gives the exit code: 0, 1 when the network said no, 2 for a wrong command line. */
export async function runUe(command: UeCommand): Promise<number> {
  const tried = { insecure: false };
  let ue: Ue;
  let backend: IpsecBackend | null = null;
  try {
    backend = await openBackend(command);
    ue = await openUe(command, backend, (words) => {
      tried.insecure = true;
      say(`no secure connection with ${command.proxy}: ${words}${insecureHint(command)}`);
    });
  } catch (error) {
    await backend?.close(false);
    say(
      error instanceof ConfigError || error instanceof UsageError ? error.message : `ue: ${(error as Error).message}`,
    );
    return error instanceof UsageError || error instanceof ConfigError ? 2 : 1;
  }
  try {
    say(`registering ${ue.impu} at ${command.proxy}`);
    const outcome = await patiently<RegisterOutcome>(ue.register(command.expires), silence);
    if (!outcome.registered) {
      say(`not registered: ${outcome.status} ${outcome.words}${tried.insecure ? '' : hint(outcome.status, command)}`);
      return 1;
    }
    const identities = outcome.associatedUris.length === 0 ? ue.impu : outcome.associatedUris.join(', ');
    print(`registered for ${outcome.expires} s as ${identities}`);
    const code = await act(ue, command.action);
    await patiently<RegisterOutcome>(ue.deregister(), silence);
    return code;
  } finally {
    await ue.close();
    await backend?.close(false);
  }
}

/** What carries ESP, null without IPsec. */
async function openBackend({ ipsec, address, proxy, transport }: UeCommand): Promise<IpsecBackend | null> {
  if (ipsec === undefined) return null;
  if (transport === 'tls') throw new UsageError('ue: --ipsec goes with --transport udp or tcp');
  const own = address ?? (proxy.startsWith('[') ? '::1' : '127.0.0.1');
  const { backend, words } = await chooseBackend(ipsec.backend, { addresses: [own] });
  if (backend === null) throw new UsageError(`ue: no IPsec here: ${words}`);
  say(words);
  return backend;
}

async function openUe(
  command: UeCommand,
  backend: IpsecBackend | null,
  insecure: (words: string) => void,
): Promise<Ue> {
  const proxy = splitHostPort(command.proxy.includes(':') ? command.proxy : `${command.proxy}:5060`);
  if (proxy === undefined)
    throw new UsageError(`ue: --proxy ${command.proxy} is not host:port, such as 127.0.0.1:5060`);
  const identity = identityOf(command);
  return Ue.open({
    ...identity,
    proxy: { address: proxy.host, port: proxy.port },
    transport: command.transport,
    ...(command.transport === 'tls' ? { tls: tlsOf(command) } : {}),
    timers: coreTimers,
    ...(backend === null ? {} : { ipsec: ipsecOf(command, backend) }),
    ...(command.address === undefined ? {} : { address: command.address }),
    trace: command.trace
      ? traceTo('ue', ({ dir, peer, text }) => say(`${dir === 'out' ? 'to' : 'from'} ${peer}\n${text}`))
      : null,
    events: {
      message: ({ from, body }) => print(`message from ${from}: ${printable(body)}`),
      sms: (sms) => print(smsWords(sms)),
      insecure,
    },
  });
}

function ipsecOf({ ipsec, transport }: UeCommand, backend: IpsecBackend): IpsecOptions {
  const kind = phoneKinds[ipsec!.kind];
  return { backend, kind, answerFrom: ipsec!.answerFrom, requestsBy: transport === 'tcp' ? 'tcp' : 'udp' };
}

function tlsOf({ tls }: UeCommand): { ca?: string; name: string | undefined; insecure: boolean } {
  const { ca, name, insecure } = tls;
  if (ca === undefined) return { name, insecure };
  try {
    return { ca: readFileSync(ca, 'latin1'), name, insecure };
  } catch (error) {
    throw new UsageError(`ue: --ca ${ca} cannot be read: ${(error as Error).message}`);
  }
}

function insecureHint({ tls }: UeCommand): string {
  return tls.ca === undefined ? '; name the authority with --ca FILE, or take any with --insecure' : '';
}

/** The keys of a configured subscriber, or those of the command line. */
function identityOf(command: UeCommand): Identity {
  const { user, impi, k, op, opc, password } = command;
  if (user !== undefined) {
    const { config } = loadConfig({ file: command.config, role: 'hss' });
    const domain = command.domain ?? config.domain;
    const name = user.includes('@') ? user : `${user}@${domain}`;
    const found = new SubscriberTable(config.subscribers, config.domain).byImpi(name);
    if (found === undefined) {
      const known = config.subscribers.flatMap((each) => each.impi ?? each.range?.prefix ?? []).join(', ');
      throw new UsageError(`ue: ${command.config} has no subscriber ${name}; it has ${known}`);
    }
    const { subscription, user: known } = found;
    const own = subscription.sets.find(({ impis }) => impis.includes(known.impi));
    return {
      domain,
      impu: command.impu ?? own?.identities[0]?.text ?? `sip:${known.impi}`,
      credentials: { impi: name, usim: new Usim(known.milenage), password: password ?? known.password },
    };
  }
  if (impi === undefined)
    throw new UsageError('ue: who is it? Give --user alice, or --impi with --k and --opc (or --password)');
  const domain = command.domain ?? impi.slice(impi.indexOf('@') + 1);
  if (k === undefined && password === undefined)
    throw new UsageError('ue: --impi needs --k with --op or --opc, or --password');
  if (k !== undefined && (op === undefined) === (opc === undefined))
    throw new UsageError('ue: --k needs either --op or --opc');
  for (const [name, value] of Object.entries({ k, op, opc })) {
    if (value !== undefined && !/^[0-9a-fA-F]{32}$/.test(value))
      throw new UsageError(`ue: --${name} has 32 hexadecimal digits`);
  }
  return {
    domain,
    impu: command.impu ?? `sip:${impi}`,
    credentials: { impi, usim: k === undefined ? undefined : usimOf({ k, op, opc }), password },
  };
}

async function act(ue: Ue, action: UeAction): Promise<number> {
  switch (action.kind) {
    case 'register':
      return 0;
    case 'message': {
      const sent = ue.message(action.to, Buffer.from(action.text).toString('latin1'));
      const { status, words } = await patiently(sent, silence);
      print(status < 300 ? `delivered: ${status} ${words}` : `not delivered: ${status} ${words}`);
      return status < 300 ? 0 : 1;
    }
    case 'sms': {
      const centre = action.centre ?? `sip:smsc@${ue.impu.slice(ue.impu.lastIndexOf('@') + 1)}`;
      const sent = ue.sms(centre, action.to.replace(/^tel:/, ''), action.text);
      const { accepted, words } = await patiently(sent, { accepted: false, words: 'no answer' });
      print(`${accepted ? 'accepted' : 'not accepted'}: ${words}`);
      return accepted ? 0 : 1;
    }
    case 'call':
      return call(ue, action.to, action.seconds);
    case 'answer':
      ue.events.incomingCall = (incoming) => answer(incoming, action.afterSeconds);
      print('waiting for calls and messages; Ctrl-C ends');
      await interrupted();
      return 0;
  }
}

async function call(ue: Ue, to: string, seconds: number): Promise<number> {
  const made = ue.call(to, { ringing: (_call, status) => print(`ringing (${status})`) });
  const stop = interrupted().then(() => made.hangUp());
  const outcome = await made.answered;
  if (outcome !== true) {
    print(`not answered: ${outcome.status} ${outcome.words}`);
    return 1;
  }
  print(`answered; hanging up after ${seconds} s`);
  await Promise.race([new Promise((resolve) => setTimeout(resolve, seconds * 1000)), made.ended, stop]);
  made.hangUp();
  print((await made.ended).words);
  return 0;
}

function answer(incoming: Call, afterSeconds: number): void {
  print(`call from ${incoming.peer}`);
  incoming.events = {
    answered: () => print('talking'),
    ended: (_call, end) => print(`call ended: ${end.words}`),
  };
  incoming.ring();
  setTimeout(() => incoming.answer(), afterSeconds * 1000);
}

function smsWords(sms: ReceivedSms): string {
  if (sms.kind === 'text') return `sms from ${sms.from}: ${shown(sms.text)}`;
  return `sms to ${sms.on} ${sms.delivered ? 'has been delivered' : 'was not delivered'}`;
}

/** What the network says, or `otherwise` when it says nothing for long; shows that it is waited for. */
async function patiently<T>(work: Promise<T>, otherwise: T): Promise<T> {
  const progress = setInterval(() => say('no answer yet'), noticeMs);
  let limit: NodeJS.Timeout | undefined;
  const late = new Promise<T>((resolve) => {
    limit = setTimeout(() => resolve(otherwise), patienceMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearInterval(progress);
    clearTimeout(limit);
  }
}

function hint(status: number, { proxy }: UeCommand): string {
  if (status === 408) return `; does a P-CSCF serve at ${proxy}? bin/lab up starts one`;
  if (status === 503)
    return `; nobody listens at ${proxy}: start a network with bin/lab up, or name its address with --proxy`;
  return '';
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}

/** Text of a peer as a terminal may show it: UTF-8, without control characters. */
function printable(body: string): string {
  return shown(Buffer.from(body, 'latin1').toString('utf8'));
}

/** Text without control characters. */
function shown(text: string): string {
  return [...text].map((character) => (character < ' ' || character === '\x7f' ? ' ' : character)).join('');
}

function print(words: string): void {
  process.stdout.write(`${words}\n`);
}

function say(words: string): void {
  process.stderr.write(`${words}\n`);
}
