import { ParseFailure } from '#sip/errors';
import { parseMessage } from '#sip/parser/parse-message';
import { checkEdits, checkReads, checkRefusal, checkWritten, fuzzFlow } from './message-rules.ts';
import { hashOf, Random } from './random.ts';
import { type FuzzTarget, hold, messageMs } from './target.ts';

/** parseMessage, and everything that is done to what comes out of it. */
export function messageTarget(seeds: readonly string[]): FuzzTarget {
  return {
    name: 'parseMessage',
    group: 'parser',
    weight: 30,
    // It is read, written and read again several times.
    limitMs: messageMs * 2,
    seeds,
    run(input) {
      const message = parseMessage(input, fuzzFlow);
      if (message.kind === 'broken') {
        checkRefusal(message);
        return;
      }
      checkWritten(message);
      checkReads(message);
      const { body } = message;
      const { sdp } = message;
      hold('reading SDP changes the body', message.body === body);
      if (sdp !== null && !(sdp instanceof ParseFailure)) checkWritten(message);
      const hash = hashOf(input);
      // Journalled edits are the same edits.
      const edited = parseMessage(input, fuzzFlow, (hash & 1) === 1);
      if (edited.kind !== 'broken') checkEdits(edited, new Random(hash));
    },
  };
}
