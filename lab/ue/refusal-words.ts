import { ParseFailure } from '#sip/errors';
import { parseWarnings } from '#sip/header/warning';
import { Header } from '#sip/message/header-names';
import type { SipResponse } from '#sip/message/response';

/** What a final response says: its reason phrase and, where the network names the cause, the text of its Warning. */
export function refusalWords(response: SipResponse): string {
  const value = response.headers.get(Header.Warning);
  const warnings = value === null ? [] : parseWarnings(value);
  const text = warnings instanceof ParseFailure ? undefined : warnings[0]?.text;
  return text === undefined ? response.reasonPhrase : `${response.reasonPhrase} (${text})`;
}
