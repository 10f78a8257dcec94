import { ParseFailure } from '#sip/errors';
import {
  type CallerPreferences,
  type ContactWish,
  parseRequestDisposition,
  type RequestDisposition,
  readPreferences,
  scoreOf,
} from '#sip/header/caller-preferences';
import { parseContact } from '#sip/header/contact';
import { parseEvent } from '#sip/header/event';
import { type Feature, parseFeatures } from '#sip/header/feature-set';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import { isEmergency } from './registrar.ts';
import type { Binding } from './registration.ts';

/**
 * The contacts to try, group after group: those of the highest q first, among them those that fit best what the caller
 * asks for; at once within a group. Further flows of one terminal wait until the first has failed. Contacts of emergency
 * registrations are not called, but by who answered their emergency call: then they come first.
 *
 * `request`: null for none in particular, which asks for nothing.
 * Source: RFC 3261 16.6, RFC 3841 7, RFC 5626 5.3, RFC 7090, TS 24.229 5.4.3.3; requirement S-122.
 */
export function contactGroups(
  bindings: readonly Binding[],
  nowMs: number,
  request: SipRequest | null = null,
): Binding[][] {
  let usable = bindings.filter(({ expiresAtMs }) => expiresAtMs > nowMs);
  if (usable.some(isEmergency) && !isCallback(request)) usable = usable.filter((binding) => !isEmergency(binding));
  const scores = request === null ? null : scoresOf(request, usable);
  if (scores !== null) usable = usable.filter((binding) => scores.has(binding));
  if (usable.length <= 1) return usable.length === 0 ? [] : [usable];
  const rank = (binding: Binding) => (isEmergency(binding) ? 2000 : binding.q) + (scores?.get(binding) ?? 1) / 2;
  // Among equals the one registered last comes first.
  usable.sort((a, b) => rank(b) - rank(a) || b.expiresAtMs - a.expiresAtMs);
  const disposition = request === null ? null : dispositionOf(request);
  const groups = grouped(usable, disposition, rank);
  return disposition?.fork === false ? onlyFirst(groups) : groups;
}

/** The groups of contacts that are in order, by what the caller says of searching. RFC 3841 9.1. */
function grouped(
  ordered: readonly Binding[],
  disposition: RequestDisposition | null,
  rank: (binding: Binding) => number,
): Binding[][] {
  const search = disposition?.search ?? null;
  const groups: Binding[][] = [];
  for (let from = 0; from < ordered.length; ) {
    let to = from + 1;
    if (search === 'parallel') to = ordered.length;
    else if (search === null) while (to < ordered.length && rank(ordered[to]!) === rank(ordered[from]!)) to++;
    let waiting = ordered.slice(from, to);
    while (waiting.length > 0) {
      const group: Binding[] = [];
      const next: Binding[] = [];
      for (const binding of waiting) (isAlternative(binding, group) ? next : group).push(binding);
      groups.push(group);
      waiting = next;
    }
    from = to;
  }
  return groups;
}

/** One terminal and no other, by each of its flows in turn. */
function onlyFirst(groups: readonly Binding[][]): Binding[][] {
  const first = groups[0]![0]!;
  const flows = groups.flat().filter((binding) => binding !== first && isSameTerminal(binding, first));
  return [first, ...flows].map((binding) => [binding]);
}

function isAlternative(binding: Binding, group: readonly Binding[]): boolean {
  return group.some((other) => isSameTerminal(binding, other));
}

/** Whether two contacts are flows of one terminal. Source: RFC 5626 5.3. */
export function isSameTerminal(a: Binding, b: Binding): boolean {
  return a.regId > 0 && b.regId > 0 && a.instance === b.instance;
}

function dispositionOf({ headers }: SipRequest): RequestDisposition | null {
  if (!headers.has(Header['Request-Disposition'])) return null;
  return parseRequestDisposition(headers.values(Header['Request-Disposition']));
}

/** Whether an emergency centre calls back. Source: RFC 7090 6; TS 24.229 5.4.3.3. */
function isCallback(request: SipRequest | null): boolean {
  return request?.headers.get('Priority')?.trim().toLowerCase() === 'psap-callback';
}

/** How well each contact fits, those left out that may not be called; null when nothing is asked. */
function scoresOf(request: SipRequest, bindings: readonly Binding[]): Map<Binding, number> | null {
  const { headers } = request;
  if (headers.has(Header['Accept-Contact']) || headers.has(Header['Reject-Contact'])) {
    const accept = readPreferences(headers.values(Header['Accept-Contact']));
    return scored({ accept, reject: readPreferences(headers.values(Header['Reject-Contact'])) }, bindings);
  }
  if (!bindings.some(({ contact }) => contact.includes('methods=') || contact.includes('events='))) return null;
  const scores = scored({ accept: [impliedBy(request)], reject: [] }, bindings);
  // Nobody has asked in words: a terminal that may have forgotten a method is asked before the caller is told no.
  return scores.size === 0 ? null : scores;
}

function scored(preferences: CallerPreferences, bindings: readonly Binding[]): Map<Binding, number> {
  const scores = new Map<Binding, number>();
  for (const binding of bindings) {
    const score = scoreOf(preferences, featuresOf(binding));
    if (score >= 0) scores.set(binding, score);
  }
  return scores;
}

function featuresOf(binding: Binding): Feature[] {
  const contact = parseContact(binding.contact);
  return contact instanceof ParseFailure ? [] : parseFeatures(contact.parameters);
}

/** What a request asks for by being what it is. Source: RFC 3841 7.2.2. */
function impliedBy({ method, headers }: SipRequest): ContactWish {
  const features = [feature('methods', method)];
  const value = headers.get(Header.Event);
  const event = value === null || method !== 'SUBSCRIBE' ? null : parseEvent(value);
  if (event !== null && !(event instanceof ParseFailure)) features.push(feature('events', event.package));
  return { features, require: true, explicit: false };
}

function feature(tag: string, text: string): Feature {
  return { tag, values: [{ kind: 'token', negated: false, text }] };
}
