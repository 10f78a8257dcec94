import { ParseFailure } from '#sip/errors';
import { parseVia } from '#sip/header/via';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import { parseMessage } from '#sip/parser/parse-message';
import { checkRequest, readCSeq } from '#sip/parser/sanity';
import { StreamFramer } from '#sip/parser/stream-framer';
import type { Flow } from '#sip/transport/flow';
import { type ProxyRig, startProxy } from '../sip/proxy-rig.ts';
import { flowFrom } from '../sip/wire-port.ts';

/** What became of a message, and the words that were said of it. */
export interface Outcome {
  readonly verdict: string;
  readonly words: string;
}

const nextHop = flowFrom('10.0.0.9', 5060);

/** What the parser and the checks after it say of a datagram. */
export function askParser(text: string): string {
  const message = parseMessage(text, flowFrom('10.0.0.1', 5060));
  switch (message.kind) {
    case 'broken':
      return message.status === 0 ? 'dropped' : String(message.status);
    case 'response': {
      const readable = readCSeq(message) !== null && message.headers.has(Header['Call-ID']);
      return readable && hasVia(message.headers.first(Header.Via)) ? 'accepted' : 'dropped';
    }
    case 'request': {
      if (!hasVia(message.headers.first(Header.Via))) return '400';
      const failure = checkRequest(message);
      return failure === null ? 'accepted' : String(failure.status);
    }
  }
}

function hasVia(value: string | null): boolean {
  return value !== null && !(parseVia(value) instanceof ParseFailure);
}

/** What a plain proxy does with a message. `errors` of the rig stay empty, or this throws. */
export function askProxy(text: string, flow: Flow = flowFrom('10.0.0.1', 5060)): Outcome & { readonly rig: ProxyRig } {
  const rig = startProxy({ handleRequest: (transaction) => transaction.forward({ targets: [nextHop] }) });
  rig.receive(text, flow);
  if (rig.errors.length > 0) throw rig.errors[0];
  const first = rig.sent[0];
  const rejected = rig.rejected[0];
  if (first === undefined) return { verdict: 'dropped', words: rejected?.detail ?? '', rig };
  if (!first.text.startsWith('SIP/2.0 ')) return { verdict: 'forwarded', words: '', rig };
  return { ...readAnswer(first.text), rig };
}

/** Status and Warning of an answer. */
export function readAnswer(text: string): Outcome {
  const warning = text.split('\r\n').find((line) => line.startsWith('Warning: '));
  return { verdict: text.slice(8, 11), words: warning?.slice(9) ?? '' };
}

/** Whether a stream cuts these octets into this one message and nothing else. */
export function fitsStream(text: string): boolean {
  let messages = 0;
  let broken = false;
  const framer = new StreamFramer();
  framer.push(Buffer.from(text, 'latin1'), {
    message: (framed) => {
      messages += framed === text ? 1 : 2;
    },
    ping() {},
    broken: () => {
      broken = true;
    },
  });
  return messages === 1 && !broken && !framer.incomplete;
}

/** The readable request of a message, however broken it is; null for a response and for noise. */
export function readableRequest(text: string): SipRequest | null {
  const message = parseMessage(text, flowFrom('10.0.0.1', 5060));
  if (message.kind === 'request') return message;
  return message.kind === 'broken' ? message.request : null;
}
