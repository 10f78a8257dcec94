import { ParseFailure } from '#sip/errors';
import { skipBlanks } from '#sip/uri/characters';
import { type Parameters, parseHeaderParameters } from '#sip/uri/parameters';
import { maxDeltaSeconds, parseClipped } from './number-value.ts';
import { tokenEnd } from './token.ts';

/** Event header: package (with templates, `presence.winfo`) and its parameters. */
export interface Event {
  /** As received: packages are case-sensitive. */
  readonly package: string;
  /** '' when there is none. */
  readonly id: string;
  readonly parameters: Parameters;
}

/** Subscription-State header. */
export interface SubscriptionState {
  /** `active`, `pending`, `terminated` or an extension, lower case. */
  readonly state: string;
  /** '' when there is none. */
  readonly reason: string;
  /** Seconds, -1 when absent. */
  readonly expires: number;
  /** Seconds, -1 when absent. */
  readonly retryAfter: number;
}

/** Reads an Event. Source: RFC 6665 8.2.1. */
export function parseEvent(value: string): Event | ParseFailure {
  const from = skipBlanks(value, 0, value.length);
  const end = tokenEnd(value, from);
  if (end === from) return new ParseFailure('malformed event package', from);
  const parameters = parseHeaderParameters(value, end);
  if (parameters instanceof ParseFailure) return parameters;
  return { package: value.slice(from, end), id: parameters.get('id') ?? '', parameters };
}

/** Writes an Event. */
export function formatEvent(event: Pick<Event, 'package' | 'parameters'>): string {
  return event.package + event.parameters.raw;
}

/** Reads a Subscription-State; overlong numbers are clipped. Source: RFC 6665 8.2.3. */
export function parseSubscriptionState(value: string): SubscriptionState | ParseFailure {
  const from = skipBlanks(value, 0, value.length);
  const end = tokenEnd(value, from);
  if (end === from) return new ParseFailure('malformed subscription state', from);
  const parameters = parseHeaderParameters(value, end);
  if (parameters instanceof ParseFailure) return parameters;
  const expires = secondsOf(parameters, 'expires');
  if (expires instanceof ParseFailure) return expires;
  const retryAfter = secondsOf(parameters, 'retry-after');
  if (retryAfter instanceof ParseFailure) return retryAfter;
  const state = value.slice(from, end).toLowerCase();
  return { state, reason: parameters.get('reason') ?? '', expires, retryAfter };
}

function secondsOf(parameters: Parameters, name: string): number | ParseFailure {
  const text = parameters.get(name);
  return text === null ? -1 : parseClipped(text, maxDeltaSeconds);
}

/** Writes a Subscription-State. */
export function formatSubscriptionState(subscription: SubscriptionState): string {
  let text = subscription.state;
  if (subscription.reason !== '') text += `;reason=${subscription.reason}`;
  if (subscription.expires >= 0) text += `;expires=${subscription.expires}`;
  return subscription.retryAfter >= 0 ? `${text};retry-after=${subscription.retryAfter}` : text;
}
