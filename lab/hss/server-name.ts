import type { AnswerContent } from '#diameter/answer';
import type { DiameterMessage } from '#diameter/codec/message';
import { cxAvps } from '#diameter/dictionary/cx';
import { resultCodes } from '#diameter/errors';
import { type CxContext, refusalFor } from './cx-context.ts';

/** Whether a MAR or SAR may come from an S-CSCF of this name: the refusal when it may not and breaches are refused. */
export function checkServerName(
  context: CxContext,
  request: DiameterMessage,
  serverName: string,
): AnswerContent | undefined {
  if (context.servers.length === 0 || context.servers.includes(serverName)) return undefined;
  const finding = {
    id: 'unknown-server',
    words: `Server-Name ${serverName} is none of the S-CSCFs in servers`,
    resultCode: resultCodes.INVALID_AVP_VALUE,
    failedAvp: request.avps.encoded(cxAvps.serverName)[0],
  };
  return context.report(request, finding) ? refusalFor(finding) : undefined;
}
