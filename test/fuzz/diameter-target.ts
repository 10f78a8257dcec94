import { encodeRefusal, refusalOf } from '#diameter/answer';
import { decodeMessage } from '#diameter/codec/decode';
import { type DiameterMessage, HEADER_LENGTH } from '#diameter/codec/message';
import {
  readLocationInfoAnswer,
  readMultimediaAuthAnswer,
  readServerAssignmentAnswer,
  readUserAuthorizationAnswer,
} from '#diameter/cx/cx-results';
import {
  readLocationInfo,
  readMultimediaAuth,
  readServerAssignment,
  readUserAuthorization,
} from '#diameter/cx/cx-server';
import { readPushProfile, readRegistrationTermination } from '#diameter/cx/hss-requests';
import { DecodeFailure, resultCodes } from '#diameter/errors';
import { readResult } from '#diameter/result';
import { readAaRequest, readAbortSession, readReAuth, readSessionTermination } from '#diameter/rx/rx-read';
import { readAaAnswer, readRxAnswer, readSessionTerminationAnswer } from '#diameter/rx/rx-results';
import { wholeDictionary } from './diameter-corpus.ts';
import { mutateDiameter } from './diameter-mutate.ts';
import { FuzzedNode, identity } from './diameter-node.ts';
import { checkAnswer, checkFailedAvp, checkNumbers, checkWritten } from './diameter-rules.ts';
import { type FuzzTarget, hold, messageMs } from './target.ts';

const knownResults: ReadonlySet<number> = new Set(Object.values(resultCodes));

const readers: readonly ((message: DiameterMessage) => unknown)[] = [
  ...[readUserAuthorization, readMultimediaAuth, readServerAssignment, readLocationInfo],
  ...[readUserAuthorizationAnswer, readMultimediaAuthAnswer, readServerAssignmentAnswer, readLocationInfoAnswer],
  ...[readRegistrationTermination, readPushProfile],
  ...[readAaRequest, readSessionTermination, readReAuth, readAbortSession],
  ...[readAaAnswer, readSessionTerminationAnswer, readRxAnswer, readResult],
];

/** decodeMessage, all that reads messages, and what a node answers to requests and makes of answers. */
export function diameterTarget(seeds: readonly string[]): FuzzTarget {
  const node = new FuzzedNode();
  return {
    name: 'Diameter codec',
    group: 'diameter',
    weight: 30,
    // It is decoded, written, decoded again, read by every reader, and handled by a client.
    limitMs: messageMs * 2,
    seeds,
    mutate: mutateDiameter,
    run(input) {
      const octets = Buffer.from(input, 'latin1');
      const message = decodeMessage(octets, wholeDictionary);
      if (message instanceof DecodeFailure) checkFailure(octets, message);
      else {
        checkWritten(message);
        for (const read of readers) checkNumbers(read(message));
      }
      hold('reading changes the message', octets.toString('latin1') === input);
      if (octets.length >= HEADER_LENGTH) node.take(octets);
    },
  };
}

function checkFailure(octets: Buffer, failure: DecodeFailure): void {
  hold('an unknown result', knownResults.has(failure.resultCode), () => String(failure.resultCode));
  hold('a failure outside of the message', failure.offset <= octets.length);
  if (failure.failedAvp !== undefined) checkFailedAvp(failure.failedAvp);
  if (octets.length < HEADER_LENGTH) return;
  checkAnswer(octets, encodeRefusal(octets, identity, refusalOf(failure)));
}
