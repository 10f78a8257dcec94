import type { MediaComponent } from '#diameter/rx/media-component';
import { ParseFailure } from '#sip/errors';
import { Header } from '#sip/message/header-names';
import type { SipMessage } from '#sip/message/response';
import { flatText } from '#sip/parser/latin1';
import { parseSessionDescription } from '#sip/sdp/session-description';
import { equalsIgnoreCase } from '#sip/uri/characters';
import type { MediaExchange } from './media-components.ts';

/** What the two sides of a dialog agreed on, as text: a call may last for hours. */
export interface AgreedMedia {
  /** The last description that the served UE sent, and the last one that was delivered to it. */
  readonly ue: string;
  readonly remote: string;
  readonly offerer: 'ue' | 'remote';
  readonly isConfirmed: boolean;
}

/** The description in a message, '' without one; what is malformed is told when it is read. */
export function descriptionIn(message: SipMessage): string {
  const type = message.headers.get(Header['Content-Type']);
  if (type === null || message.body === '') return '';
  // Nearly always: the body is the description, and need not be read by now.
  if (equalsIgnoreCase(type, 'application/sdp')) return flatText(message.body);
  const { sdp } = message;
  if (sdp === null) return '';
  // Whatever cannot be read as one description is none when it is read later, either.
  return sdp instanceof ParseFailure ? malformed : flatText(sdp.text);
}

const malformed = 'malformed';

/** Reads both descriptions; a ParseFailure when one of them cannot be read. */
export function exchangeOf({ isConfirmed, offerer, remote, ue }: AgreedMedia): MediaExchange | ParseFailure {
  const near = parseSessionDescription(ue);
  if (near instanceof ParseFailure) return near;
  const far = parseSessionDescription(remote);
  return far instanceof ParseFailure ? far : { ue: near, remote: far, offerer, isConfirmed };
}

/** Whether two agreements say the same of media, but for the version in o=. */
export function isSameAgreement(a: AgreedMedia, b: AgreedMedia): boolean {
  return isSameDescription(a.ue, b.ue) && isSameDescription(a.remote, b.remote) && a.isConfirmed === b.isConfirmed;
}

function isSameDescription(a: string, b: string): boolean {
  return a === b || withoutOrigin(a) === withoutOrigin(b);
}

function withoutOrigin(text: string): string {
  const start = text.indexOf('\no=');
  if (start < 0) return text;
  const end = text.indexOf('\n', start + 1);
  return end < 0 ? text : text.slice(0, start) + text.slice(end);
}

/**
 * Whether a PCRF that knows one list of components need not be told of the other. Who made the offer does not matter to
 * it, nor how far preconditions are met. Requirement P-124.
 */
export function isSameMedia(a: readonly MediaComponent[], b: readonly MediaComponent[]): boolean {
  return a.length === b.length && signatureOf(a) === signatureOf(b);
}

function signatureOf(components: readonly MediaComponent[]): string {
  return JSON.stringify(components, (key, value: unknown) => (key === 'codecData' ? codecs(value as string[]) : value));
}

/** Lines of both ways, uplink last, without roles and preconditions. */
function codecs(data: readonly string[]): string[] {
  return data
    .map((text) => {
      const [way, , ...lines] = text.split('\n');
      return [way, ...lines.filter((line) => !preconditions.some((name) => line.startsWith(name)))].join('\n');
    })
    .sort();
}

/** Source: RFC 3312 4. */
const preconditions = ['a=curr:', 'a=des:', 'a=conf:'];
