import { ParseFailure } from '../errors.ts';
import { tagOf } from '../header/name-addr.ts';
import { Header } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';
import type { SipResponse } from '../message/response.ts';
import { confirmDialog, type Dialog, dialogOfResponse } from './dialog.ts';

/** Dialogs of one request, as forking makes them; a peer that makes up more tags gets no more. */
export const maxForks = 16;

/**
 * Notes a response to our request that begins dialogs: each To tag has its own, early until its 2xx, several side by
 * side. A final refusal and a 199 end theirs, a refusal all that are early.
 *
 * Gives the dialog of the response, null when it has none. Source: RFC 3261 12.1, 12.3, 13.2.2, RFC 6228 5; requirement
 * C-37.
 */
export function noteDialogResponse(
  dialogs: Dialog[],
  request: SipRequest,
  response: SipResponse,
  secure = false,
): Dialog | ParseFailure | null {
  const { status } = response;
  if (status >= 300) {
    for (const dialog of dialogs) if (dialog.state === 'early') dialog.state = 'terminated';
    return null;
  }
  const tag = tagOf(response.headers.get(Header.To) ?? '');
  if (status === 100 || tag === '') return null;
  const known = dialogs.find(({ remoteTag }) => remoteTag === tag);
  if (known !== undefined) {
    if (status >= 200) confirmDialog(known, response);
    else if (status === 199 && known.state === 'early') known.state = 'terminated';
    return known;
  }
  if (status === 199 || dialogs.length >= maxForks) return null;
  const dialog = dialogOfResponse(request, response, secure);
  if (!(dialog instanceof ParseFailure)) dialogs.push(dialog);
  return dialog;
}
