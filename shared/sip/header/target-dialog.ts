import { ParseFailure } from '#sip/errors';
import { skipBlanks } from '#sip/uri/characters';
import { type Parameters, parseHeaderParameters } from '#sip/uri/parameters';

/** A dialog that a request names: Target-Dialog, Replaces. */
interface NamedDialog {
  readonly callId: string;
  /** All parameters as received, the tags included. */
  readonly parameters: Parameters;
}

/** Target-Dialog: a dialog of the receiver whose peer the sender is, or knows. */
export interface TargetDialog extends NamedDialog {
  /** Tags as the sender of the request sees the dialog; '' when absent. */
  readonly localTag: string;
  readonly remoteTag: string;
}

/** Replaces: the dialog that a new one is to take the place of. */
export interface Replaces extends NamedDialog {
  /** Tags as the receiver of the request sees the dialog: to-tag is its own. */
  readonly toTag: string;
  readonly fromTag: string;
  /** Whether only a dialog that is not answered yet may be replaced. */
  readonly earlyOnly: boolean;
}

/** Reads a Target-Dialog. Source: RFC 4538 7; requirement C-33. */
export function parseTargetDialog(value: string): TargetDialog | ParseFailure {
  const dialog = parseNamedDialog(value);
  if (dialog instanceof ParseFailure) return dialog;
  const { parameters } = dialog;
  return {
    ...dialog,
    localTag: parameters.get('local-tag') ?? '',
    remoteTag: parameters.get('remote-tag') ?? '',
  };
}

/** Reads a Replaces; without one of the tags it is a ParseFailure. Source: RFC 3891 6.1. */
export function parseReplaces(value: string): Replaces | ParseFailure {
  const dialog = parseNamedDialog(value);
  if (dialog instanceof ParseFailure) return dialog;
  const { parameters } = dialog;
  const toTag = parameters.get('to-tag') ?? '';
  const fromTag = parameters.get('from-tag') ?? '';
  if (toTag === '' || fromTag === '') return new ParseFailure('Replaces without both tags');
  return { ...dialog, toTag, fromTag, earlyOnly: parameters.has('early-only') };
}

/** Writes a Target-Dialog or a Replaces; the tags are taken from the parameters. */
export function formatNamedDialog({ callId, parameters }: NamedDialog): string {
  return callId + parameters.raw;
}

/** The Call-ID ends at a blank or a semicolon: a word has neither. */
function parseNamedDialog(value: string): NamedDialog | ParseFailure {
  const from = skipBlanks(value, 0, value.length);
  let end = from;
  for (; end < value.length; end++) {
    const code = value.charCodeAt(end);
    if (code <= 32 || code === 59 || code === 44) break;
  }
  if (end === from) return new ParseFailure('no Call-ID', from);
  const parameters = parseHeaderParameters(value, end);
  return parameters instanceof ParseFailure ? parameters : { callId: value.slice(from, end), parameters };
}
