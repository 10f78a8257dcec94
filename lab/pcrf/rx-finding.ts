import { type AnswerContent, encodeAnswer, encodeRefusal } from '#diameter/answer';
import { type Avp, avp, encodedAvps } from '#diameter/codec/avp-types';
import type { DiameterMessage } from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import { rxApplication } from '#diameter/dictionary/rx';
import type { DiameterIdentity } from '#diameter/identity';
import { experimentalResult } from '#diameter/result';
import type { Finding } from '../hss/finding.ts';

/** A breach of TS 29.214 or RFC 6733; `experimental`: its code is one of Rx, in Experimental-Result. */
export interface RxFinding extends Finding {
  readonly experimental?: boolean | undefined;
}

const longestWords = 300;
/** Failed-AVP shows AVPs up to this size, octets. */
const longestShown = 4096;

/**
 * The answer that a finding deserves, as octets. `decoded`: the request, where it can be decoded; codes of Rx need it.
 * Source: RFC 6733 7.1.5, 7.5; TS 29.214 5.5.
 */
export function encodeRefusalFor(
  finding: RxFinding,
  octets: Buffer,
  decoded: DiameterMessage | undefined,
  identity: DiameterIdentity,
): Buffer {
  const failedAvp = finding.failedAvp === undefined ? undefined : withoutLongData(finding.failedAvp);
  const words = finding.words.slice(0, longestWords);
  const resultCode = finding.resultCode!;
  if (finding.experimental !== true || decoded === undefined) {
    return encodeRefusal(octets, identity, { resultCode, words, failedAvp });
  }
  const avps: Avp[] = [avp(baseAvps.errorMessage, words)];
  if (failedAvp !== undefined) avps.push(avp(baseAvps.failedAvp, [encodedAvps(failedAvp)]));
  const content: AnswerContent = { result: experimentalResult(resultCode), avps };
  return encodeAnswer(decoded, rxApplication, identity, content);
}

/** A long AVP as its header alone: a text or a group may be empty. */
function withoutLongData(encoded: Buffer): Buffer {
  if (encoded.length <= longestShown) return encoded;
  const header = Buffer.from(encoded.subarray(0, (encoded[4]! & 0x80) === 0 ? 8 : 12));
  header.writeUIntBE(header.length, 5, 3);
  return header;
}
