import { type AnswerContent, encodeAnswer, encodeRefusal } from '#diameter/answer';
import { type Avp, avp, encodedAvps } from '#diameter/codec/avp-types';
import type { DiameterMessage } from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import { rxApplication } from '#diameter/dictionary/rx';
import type { DiameterIdentity } from '#diameter/identity';
import { experimentalResult } from '#diameter/result';
import type { Finding } from '../diameter/finding.ts';
import { type Breach, refusalOfBreach } from '../diameter/finding-refusal.ts';

/** A breach of TS 29.214 or RFC 6733; `experimental`: its code is one of Rx, in Experimental-Result. */
export interface RxFinding extends Finding {
  readonly experimental?: boolean | undefined;
}

/**
 * The answer that a breach deserves, as octets. `decoded`: the request, where it can be decoded; codes of Rx need it.
 * Source: RFC 6733 7.1.5, 7.5; TS 29.214 5.5.
 */
export function encodeRefusalFor(
  breach: RxFinding & Breach,
  octets: Buffer,
  decoded: DiameterMessage | undefined,
  identity: DiameterIdentity,
): Buffer {
  const refusal = refusalOfBreach(breach);
  if (breach.experimental !== true || decoded === undefined) return encodeRefusal(octets, identity, refusal);
  const { failedAvp, resultCode, words } = refusal;
  const avps: Avp[] = [avp(baseAvps.errorMessage, words)];
  if (failedAvp !== undefined) avps.push(avp(baseAvps.failedAvp, [encodedAvps(failedAvp)]));
  const content: AnswerContent = { result: experimentalResult(resultCode), avps };
  return encodeAnswer(decoded, rxApplication, identity, content);
}
