import { parseMessage } from '#sip/parser/parse-message';
import { type FramingDefect, StreamFramer } from '#sip/parser/stream-framer';
import { refusalFromHead } from '#sip/transport/stream-refusal';
import { flowFrom } from '../sip/wire-port.ts';
import { fuzzFlow } from './message-rules.ts';
import { hashOf, Random } from './random.ts';
import { type FuzzTarget, hold, messageMs, shown } from './target.ts';

const stream = flowFrom('10.0.0.1', 5060, 'tcp');

class Framed {
  readonly messages: string[] = [];
  pings = 0;
  defect: FramingDefect | null = null;
  head = '';
  rest = '';
  message(text: string): void {
    this.messages.push(text);
  }
  ping(): void {
    this.pings++;
  }
  broken(defect: FramingDefect, head: string): void {
    this.defect = defect;
    this.head = head;
  }
}

/** Frames the octets in pieces of these lengths, the last of them over and over. */
export function frame(octets: Buffer, nextLength: () => number): Framed {
  const framed = new Framed();
  const framer = new StreamFramer();
  for (let at = 0; at < octets.length; ) {
    const length = Math.max(1, nextLength());
    // A copy: a framer must not rely on what it was given before.
    const chunk = Buffer.from(octets.subarray(at, at + length));
    if (!framer.push(chunk, framed)) break;
    chunk.fill(0x2a);
    at += length;
  }
  framed.rest = framer.partial;
  return framed;
}

/** StreamFramer: chunks of any size, and agreement with the parser about where a message ends. */
export function framerTarget(seeds: readonly string[]): FuzzTarget {
  return {
    name: 'StreamFramer',
    group: 'framer',
    weight: 12,
    // The octets are framed again in pieces of a few octets.
    limitMs: messageMs * 10,
    seeds: [...seeds, ...seeds.map((seed, i) => `${seed}${seeds[(i + 1) % seeds.length]}\r\n\r\n${seed}`)],
    run(input) {
      const octets = Buffer.from(input, 'latin1');
      const whole = frame(octets, () => octets.length);
      const random = new Random(hashOf(input));
      const largest = random.pick([3, 64, 2000]);
      const cut = frame(octets, () => random.length(largest));
      hold('messages depend on chunks', whole.messages.join('\0\0') === cut.messages.join('\0\0'));
      hold('pings depend on chunks', whole.pings === cut.pings);
      hold('the defect depends on chunks', whole.defect?.reason === cut.defect?.reason);
      hold('what is left depends on chunks', whole.rest === cut.rest);
      if (whole.defect !== null && whole.head !== cut.head) checkHeads(whole, cut);
      for (const message of whole.messages) checkFrame(message);
      if (whole.defect !== null) checkAnswer(whole.head);
    },
  };
}

/** A message that is too large is given up when that is seen: then one head may be longer than the other. */
function checkHeads(whole: Framed, cut: Framed): void {
  const begin = whole.head.startsWith(cut.head) || cut.head.startsWith(whole.head);
  hold('the head depends on chunks', begin && whole.defect?.reason === 'Message too large');
}

/** The parser must not see another end of a message than the framer: the rest would be a message of its own. */
function checkFrame(text: string): void {
  const message = parseMessage(text, fuzzFlow);
  if (message.kind === 'broken') {
    hold('framer and parser disagree about the length', !message.reason.includes('larger than the message'), () =>
      shown(text),
    );
    return;
  }
  hold('the parser sees a shorter body than the framer', text.endsWith(message.body), () => shown(text));
  const head = text.length - message.body.length;
  const end = text.slice(Math.max(0, head - 2), head);
  hold('octets between head and body', message.body === '' || end === '\r\n' || end === '\n\n', () => shown(text));
  if (message.body === '') hold('octets after the head', text.endsWith('\n'), () => shown(text));
}

/** What is answered to a head that cannot be framed is one response without a body. */
function checkAnswer(head: string): void {
  const refusal = refusalFromHead(head, '400 Bad Request', 'Warning: 399 cscf "x"\r\n', stream);
  if (refusal === null) return;
  const answer = parseMessage(refusal.text, fuzzFlow);
  hold('a refusal of the stream cannot be read', answer.kind === 'response', () => shown(refusal.text));
  hold('a refusal of the stream has two ends', refusal.text.indexOf('\r\n\r\n') === refusal.text.length - 4);
}
