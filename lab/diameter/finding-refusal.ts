import type { Refusal } from '#diameter/answer';
import type { Finding } from './finding.ts';

/** A finding that is answered with an error, where breaches are. */
export type Breach = Finding & { readonly resultCode: number };

/** Error-Message has no more of the words of a finding. */
const longestWords = 300;
/** Failed-AVP shows AVPs up to this size, octets. */
const longestShown = 4096;

export function isBreach<T extends Finding>(finding: T): finding is T & Breach {
  return finding.resultCode !== undefined;
}

/**
 * The refusal that a breach deserves. What a peer made long is not given back whole: words end early, an AVP is shown
 * without its data. Source: RFC 6733 7.1.5, 7.5.
 */
export function refusalOfBreach({ failedAvp, resultCode, words }: Breach): Refusal {
  return {
    resultCode,
    words: words.slice(0, longestWords),
    failedAvp: failedAvp === undefined ? undefined : withoutLongData(failedAvp),
  };
}

/** A long AVP as its header alone: a text or a group may be empty. */
function withoutLongData(encoded: Buffer): Buffer {
  if (encoded.length <= longestShown) return encoded;
  const header = Buffer.from(encoded.subarray(0, (encoded[4]! & 0x80) === 0 ? 8 : 12));
  header.writeUIntBE(header.length, 5, 3);
  return header;
}
