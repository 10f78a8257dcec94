import type { TraceSink } from '#manage/trace-recorder';
import { ParseFailure } from '#sip/errors';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipMessage } from '#sip/message/response';
import { parseMessage } from '#sip/parser/parse-message';
import type { Flow } from '#sip/transport/flow';
import { formatHost } from '#sip/uri/host-port';
import type { Behaviour } from './behaviour.ts';

/** One message as the application server saw it. */
export interface Sight {
  readonly time: string;
  readonly dir: 'in' | 'out';
  /** `address:port`. */
  readonly peer: string;
  readonly kind: 'request' | 'response' | 'broken';
  readonly method: string;
  /** Of a request. */
  readonly uri?: string;
  /** What the request asked this server to be; only where it came in. */
  readonly behaviour?: string;
  /** P-Served-User. */
  readonly servedUser?: string;
  /** Of a response. */
  readonly status?: number;
  readonly phrase?: string;
  readonly callId: string;
}

type BehaviourOf = (request: SipRequest) => Behaviour | ParseFailure | null;

/** A trace that tells of each message in short. `behaviourOf` may not know yet: null. */
export function sightTrace(seen: (sight: Sight) => void, behaviourOf: BehaviourOf): TraceSink {
  return {
    sip: (dir, text, peer) => seen(sightOf(dir, text, peer, behaviourOf)),
    diameter() {},
  };
}

function sightOf(dir: 'in' | 'out', text: string, flow: Flow, behaviourOf: BehaviourOf): Sight {
  const time = new Date().toISOString();
  const peer = `${formatHost(flow.address)}:${flow.port}`;
  const message = parseMessage(text, flow);
  if (message.kind === 'broken') {
    return { time, dir, peer, kind: 'broken', method: '', phrase: message.reason, callId: '' };
  }
  const { headers } = message;
  const callId = headers.get(Header['Call-ID']) ?? '';
  if (message.kind === 'response') {
    const { status, reasonPhrase: phrase } = message;
    return { time, dir, peer, kind: 'response', method: methodOf(message), status, phrase, callId };
  }
  const behaviour = dir === 'in' ? behaviourOf(message) : null;
  const servedUser = headers.get(Header['P-Served-User']);
  return {
    time,
    dir,
    peer,
    kind: 'request',
    method: message.method,
    uri: message.requestUri,
    ...(behaviour === null || behaviour instanceof ParseFailure ? {} : { behaviour: behaviour.name }),
    ...(servedUser === null ? {} : { servedUser }),
    callId,
  };
}

/** `12:01:02.345 < 127.0.0.1:6060 INVITE sip:bob@ims.test as proxy for <sip:alice@ims.test>;sescase=orig  [call-id]`. */
export function sightWords(sight: Sight): string {
  const head = `${sight.time.slice(11, 23)} ${sight.dir === 'in' ? '<' : '>'} ${sight.peer}`;
  const tail = sight.callId === '' ? '' : `  [${sight.callId}]`;
  switch (sight.kind) {
    case 'broken':
      return `${head} broken message: ${sight.phrase}`;
    case 'response':
      return `${head} ${sight.status} ${sight.phrase} (${sight.method})${tail}`;
    case 'request': {
      const as = sight.behaviour === undefined ? '' : ` as ${sight.behaviour}`;
      const served = sight.servedUser === undefined ? '' : ` for ${sight.servedUser}`;
      return `${head} ${sight.method} ${sight.uri}${as}${served}${tail}`;
    }
  }
}

function methodOf({ headers }: SipMessage): string {
  return headers.get(Header.CSeq)?.split(' ').at(-1) ?? '';
}
