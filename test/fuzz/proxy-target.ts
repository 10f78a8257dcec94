import { Header, headerName } from '#sip/message/header-names';
import { parseMessage } from '#sip/parser/parse-message';
import { answerTo, type ProxyRig, startProxy } from '../sip/proxy-rig.ts';
import { flowFrom } from '../sip/wire-port.ts';
import { fuzzFlow, reread } from './message-rules.ts';
import { mutate } from './mutate.ts';
import { hashOf, Random } from './random.ts';
import { Broken, type FuzzTarget, hold, messageMs, shown } from './target.ts';

const nextHop = flowFrom('10.0.0.9', 5060);
const inputsOfARig = 64;
const dayMs = 24 * 3600_000;

/** Fields of responses that the plain core writes by itself. */
const ownFields = new Set(
  [
    ...['Via', 'From', 'To', 'Call-ID', 'CSeq', 'Warning', 'Content-Length', 'Timestamp', 'Unsupported', 'Allow'],
    ...['Accept', 'Supported', 'Retry-After', 'Server', 'Record-Route'],
  ].map((name) => Header[name as keyof typeof Header]),
);

/**
 * A whole plain proxy without sockets: nothing that is received makes it throw, what it sends can be read, and when all
 * timers have run nothing is left of it.
 */
export function proxyTarget(seeds: readonly string[]): FuzzTarget {
  let rig = newRig(0);
  let inputs: string[] = [];
  /** Rigs that wait for their promises before they are looked at. */
  let finished: { readonly rig: ProxyRig; readonly inputs: readonly string[] }[] = [];
  return {
    name: 'proxy core',
    group: 'proxy',
    weight: 18,
    // A request and two answers.
    limitMs: messageMs * 3,
    seeds,
    run(input) {
      inputs.push(input);
      feed(rig, input);
      if (inputs.length < inputsOfARig) return;
      finished.push({ rig, inputs });
      rig = newRig(hashOf(input));
      inputs = [];
    },
    async settle() {
      const all = finished;
      finished = [];
      await promises();
      for (const each of all) {
        try {
          checkEnd(each.rig);
        } catch (error) {
          throw await culprit(each.inputs, error);
        }
      }
    },
  };
}

function promises(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The error with the one input that alone brings it about, if there is one. */
async function culprit(inputs: readonly string[], error: unknown): Promise<unknown> {
  for (const input of inputs) {
    for (const kind of [0, 2]) {
      const rig = newRig(kind);
      try {
        feed(rig, input);
        await promises();
        checkEnd(rig);
      } catch (again) {
        return new Broken((again as Broken).rule ?? String(again), `${(again as Error).message}`, input);
      }
    }
  }
  return error;
}

/** One message, and answers to what it made the proxy send: the next hop does not always answer as it should. */
function feed(rig: ProxyRig, input: string): void {
  const hash = hashOf(input);
  rig.receive(input, (hash & 1) === 0 ? fuzzFlow : flowFrom('10.0.0.1', 5060, 'tcp'));
  const sent = take(rig);
  checkSent(sent);
  const forwarded = sent.find((text) => !text.startsWith('SIP/2.0 '));
  if (forwarded === undefined || reread(forwarded, 'a forwarded request cannot be read') === null) return;
  const random = new Random(hash);
  for (const status of [100 + random.below(100), 200 + random.below(500)]) {
    const answer = answerTo(forwarded, status);
    rig.receive(random.chance(2) ? mutate(answer, input, random) : answer, nextHop);
    checkSent(take(rig));
  }
}

/** Every other rig sends where the message says; the next hop of the rest is fixed. */
function newRig(hash: number): ProxyRig {
  if ((hash & 2) !== 0) return startProxy();
  return startProxy({ handleRequest: (transaction) => transaction.forward({ targets: [nextHop] }) });
}

/** What left, with the errors of procedures thrown. */
function take(rig: ProxyRig): string[] {
  checkErrors(rig);
  return rig.sent.splice(0).map(({ text }) => text);
}

function checkErrors(rig: ProxyRig): void {
  const error = rig.errors.shift();
  if (error !== undefined) throw error;
}

/** Each text is one message; a response that the core wrote holds only what the core writes. */
function checkSent(texts: readonly string[]): void {
  for (const text of texts) {
    const message = reread(text, 'what the proxy sends cannot be read');
    if (message?.kind !== 'response' || !message.headers.has(Header.Warning) || text.includes('Answer')) continue;
    for (const { id, extension } of message.headers.lines) {
      hold(
        'a foreign field stands in an answer',
        ownFields.has(id),
        () => `${headerName(id)}${extension} in ${shown(text)}`,
      );
    }
  }
}

/** After a day nothing is left. */
function checkEnd(rig: ProxyRig): void {
  for (let hours = 0; hours < 24; hours++) rig.time.advance(dayMs / 24);
  checkSent(take(rig));
  const { servers, clients } = rig.layer.counts;
  if (servers + clients > 0)
    throw new Broken('transactions are left after a day', `${servers} server, ${clients} client`);
  const held = [...rig.retained].find(([, count]) => count !== 0);
  hold('a Call-ID is held for ever', held === undefined, () => shown(held?.[0] ?? ''));
}

/** Whether a text is a message at all: for who chooses seeds. */
export function isMessage(text: string): boolean {
  return parseMessage(text, fuzzFlow).kind !== 'broken';
}
