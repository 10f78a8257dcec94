import { uint24 } from '#diameter/codec/avp-list';
import { DecodeFailure } from '#diameter/errors';
import { type FramingFault, StreamFramer } from '#diameter/peer/stream-framer';
import { mutateDiameter } from './diameter-mutate.ts';
import { hashOf, Random } from './random.ts';
import { type FuzzTarget, hold, messageMs } from './target.ts';

/** What is let in; small, so that inputs reach it. */
const limit = 4096;

interface Framed {
  readonly messages: string[];
  readonly fault: FramingFault | undefined;
}

/** Frames the octets in pieces of these lengths, the last of them over and over. */
function frame(octets: Buffer, nextLength: () => number): Framed {
  const messages: string[] = [];
  const framer = new StreamFramer(limit, (message) => messages.push(message.toString('latin1')));
  let fault: FramingFault | undefined;
  for (let at = 0; at < octets.length && fault === undefined; ) {
    const length = Math.max(1, nextLength());
    const chunk = Buffer.from(octets.subarray(at, at + length));
    fault = framer.push(chunk);
    // A framer must not rely on what it was given before.
    chunk.fill(0x2a);
    at += length;
  }
  return { messages, fault };
}

/** StreamFramer of Diameter: chunks of any size, and messages as long as they say. */
export function diameterFramerTarget(seeds: readonly string[]): FuzzTarget {
  return {
    name: 'Diameter StreamFramer',
    group: 'diameter',
    weight: 4,
    limitMs: messageMs,
    seeds: seeds.map((seed, i) => `${seed}${seeds[(i + 1) % seeds.length]}`),
    mutate: mutateDiameter,
    run(input) {
      const octets = Buffer.from(input, 'latin1');
      const whole = frame(octets, () => octets.length);
      const random = new Random(hashOf(input));
      const largest = random.pick([3, 64, 2000]);
      const cut = frame(octets, () => random.length(largest));
      hold('messages depend on chunks', whole.messages.join('|') === cut.messages.join('|'));
      hold('the fault depends on chunks', whole.fault?.failure.reason === cut.fault?.failure.reason);
      hold('the messages are not the stream', input.startsWith(whole.messages.join('')));
      for (const message of whole.messages) {
        hold(
          'a message is not as long as it says',
          uint24(Buffer.from(message.slice(0, 4), 'latin1'), 1) === message.length,
        );
        hold('a message is above the limit', message.length <= limit);
      }
      if (whole.fault === undefined) return;
      hold('a fault without a header', whole.fault.header.length === 20);
      hold('a fault that is none', whole.fault.failure instanceof DecodeFailure);
    },
  };
}
