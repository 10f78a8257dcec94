import type { AnswerContent } from '#diameter/answer';
import type { DiameterMessage } from '#diameter/codec/message';
import { cxResultCodes } from '#diameter/cx/cx-results';
import { multimediaAuthAnswer, readMultimediaAuth } from '#diameter/cx/cx-server';
import { resultCodes } from '#diameter/errors';
import { baseResult, experimentalResult } from '#diameter/result';
import { digestHa1 } from '#sip/auth/digest';
import { type CxContext, matchIdentities, servingNode, success } from './cx-context.ts';
import { assign } from './registration-state.ts';
import { checkServerName } from './server-name.ts';
import type { PrivateIdentity } from './subscriber-table.ts';

const MAX_VECTORS = 5;
const RAND_AND_AUTS = 30;
type Scheme = 'Digest-AKAv1-MD5' | 'Digest-AKAv2-MD5' | 'SIP Digest';

/**
 * Gives authentication vectors, and notes which S-CSCF authenticates. Sequence numbers are taken in the transaction that
 * assigns the S-CSCF, so that no two requests, of whatever HSS, get the same.
 *
 * A wrong MAC-S is answered UNABLE_TO_COMPLY and changes nothing: no table has a code for keys that differ, and another
 * vector, as TS 33.102 would have it, were refused by that USIM as well. Source: TS 29.228 6.3.1; TS 33.102 6.3.5.
 */
export function answerMultimediaAuth(context: CxContext, request: DiameterMessage): AnswerContent {
  const { impi, impu, serverName, scheme, items = 1, resync } = readMultimediaAuth(request);
  const refuse = (code: number) => multimediaAuthAnswer({ result: baseResult(code) });
  const found = matchIdentities(context, impi, impu);
  if ('refused' in found) return multimediaAuthAnswer({ result: found.refused });
  const { set, subscription, user } = found;
  const chosen = chooseScheme(scheme, user);
  if (chosen === undefined) {
    return multimediaAuthAnswer({ result: experimentalResult(cxResultCodes.ERROR_AUTH_SCHEME_NOT_SUPPORTED) });
  }
  const unknownServer = checkServerName(context, request, serverName);
  if (unknownServer !== undefined) return unknownServer;

  let usimSqn: number | null = null;
  if (resync !== undefined && chosen !== 'SIP Digest') {
    if (resync.length !== RAND_AND_AUTS) return refuse(resultCodes.INVALID_AVP_VALUE);
    usimSqn = context.centre.sequenceOf(user, resync);
    if (usimSqn === null) {
      context.report(request, { id: 'wrong-auts', words: `${impi}: MAC-S in AUTS is wrong: K, OP or RAND differ` });
      return refuse(resultCodes.UNABLE_TO_COMPLY);
    }
  }
  const count = chosen === 'SIP Digest' ? 0 : Math.min(Math.max(items, 1), MAX_VECTORS);
  const sqns = context.states.change(subscription, (state) => {
    if (usimSqn !== null) context.centre.resynchronise(user, state, usimSqn);
    assign(state, servingNode(request, serverName));
    const { pending } = state.sets[set]!;
    if (!pending.includes(user.impi)) pending.push(user.impi);
    return context.centre.reserve(user, state, count);
  });
  if (chosen === 'SIP Digest') {
    const ha1 = digestHa1(impi, context.domain, user.password!);
    const digest = { realm: context.domain, algorithm: 'MD5', qop: 'auth', ha1 };
    return multimediaAuthAnswer({ result: success, impi, impu, items: [{ itemNumber: 1, scheme: chosen, digest }] });
  }
  const vectors = sqns.map((sqn, i) => context.centre.akaVector(user, sqn, chosen, i + 1));
  return multimediaAuthAnswer({ result: success, impi, impu, items: vectors });
}

/** Unknown leaves the choice to us: what the subscriber has. Source: TS 29.228 6.3.1, TS 29.229 6.3.9. */
function chooseScheme(asked: string, user: PrivateIdentity): Scheme | undefined {
  switch (asked.toLowerCase()) {
    case 'digest-akav1-md5':
      return 'Digest-AKAv1-MD5';
    case 'digest-akav2-md5':
      return 'Digest-AKAv2-MD5';
    case 'sip digest':
      return user.password === undefined ? undefined : 'SIP Digest';
    case 'unknown':
      return user.scheme;
    default:
      return undefined;
  }
}
