import { ParseFailure } from '#sip/errors';
import { equalsIgnoreCase } from '#sip/uri/characters';
import { parseNameAddr } from './name-addr.ts';

/** P-Served-User: for whom, and in which session case and registration state. */
export interface ServedUser {
  readonly uri: string;
  /** '' when absent or of another value. */
  readonly sescase: 'orig' | 'term' | '';
  /** '' when absent or of another value. */
  readonly regstate: 'reg' | 'unreg' | '';
  /** Whether it is the originating case after a diversion. Source: RFC 8498. */
  readonly origCdiv: boolean;
}

/** Reads a P-Served-User value. Source: RFC 5502 6. */
export function parseServedUser(value: string): ServedUser | ParseFailure {
  const address = parseNameAddr(value);
  if (address instanceof ParseFailure) return address;
  const { uri, parameters } = address;
  const sescase = oneOf(parameters.get('sescase'), ['orig', 'term'] as const);
  const regstate = oneOf(parameters.get('regstate'), ['reg', 'unreg'] as const);
  return { uri, sescase, regstate, origCdiv: parameters.has('orig-cdiv') };
}

function oneOf<T extends string>(text: string | null, choices: readonly T[]): T | '' {
  if (text === null) return '';
  return choices.find((choice) => equalsIgnoreCase(choice, text)) ?? '';
}

/** Writes a P-Served-User value. */
export function formatServedUser(user: Omit<ServedUser, 'origCdiv'> & { readonly origCdiv?: boolean }): string {
  let text = `<${user.uri}>`;
  if (user.sescase !== '') text += `;sescase=${user.sescase}`;
  if (user.regstate !== '') text += `;regstate=${user.regstate}`;
  return user.origCdiv === true ? `${text};orig-cdiv` : text;
}
