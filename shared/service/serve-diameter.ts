import type { AnswerContent } from '#diameter/answer';
import type { RequestHandler } from '#diameter/client';
import type { DiameterMessage } from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import type { CommandDefinition } from '#diameter/dictionary/dictionary';
import { resultCodes } from '#diameter/errors';
import { baseResult } from '#diameter/result';
import { StoreError } from '#store/store';
import type { NodeLog } from './node-context.ts';

/** Where a guarded handler tells what went wrong. */
export interface GuardReport {
  readonly log: Pick<NodeLog, 'error'>;
  /** Counts a defect. */
  failed(): void;
}

/**
 * A handler that always answers: what it throws or rejects with is logged with the command and the Session-Id and
 * becomes 5012 UNABLE_TO_COMPLY. A store that takes no writes is no defect and is not counted as one.
 */
export function guardedHandler(
  command: CommandDefinition,
  handler: RequestHandler,
  report: GuardReport,
): RequestHandler {
  const fail = (error: unknown, request: DiameterMessage): AnswerContent => {
    const isStore = error instanceof StoreError;
    const fields = {
      reason: isStore ? 'store-failed' : 'internal',
      err: error,
      command: command.name,
      from: request.avps.text(baseAvps.originHost),
      session: request.avps.text(baseAvps.sessionId),
    };
    report.log.error(fields, `a ${command.name} request was not handled${isStore ? '' : ': a defect'}`);
    if (!isStore) report.failed();
    return { result: baseResult(resultCodes.UNABLE_TO_COMPLY), avps: [] };
  };
  return (request) => {
    try {
      const content = handler(request);
      return content instanceof Promise ? content.catch((error) => fail(error, request)) : content;
    } catch (error) {
      return fail(error, request);
    }
  };
}
