import { hash } from 'node:crypto';
import type { ContactEvent, RegInfo, RegInfoContact, RegInfoRegistration } from '#ims/reginfo';
import { ParseFailure } from '#sip/errors';
import { parseContact } from '#sip/header/contact';
import { unquote } from '#sip/header/token';
import type { Parameters } from '#sip/uri/parameters';
import type { Gruus } from './gruu.ts';
import { type Binding, endedBindings, type RegisteredIdentity, type Registration } from './registration.ts';
import type { EndedContact } from './subscription-store.ts';

/** Contact parameters that have attributes or elements of their own. */
const known: ReadonlySet<string> = new Set(['q', 'expires', 'pub-gruu', 'temp-gruu']);

/** What a NOTIFY tells of. */
export interface RegEventState {
  /** What there is; null: nobody is registered. */
  readonly registration: Pick<Registration, 'identities' | 'bindings'> | null;
  /** The identities to tell of when there is no registration. */
  readonly others: readonly Pick<RegisteredIdentity, 'uri' | 'impu' | 'barred' | 'wildcard'>[];
  /** Contacts that have ended since the last NOTIFY. */
  readonly news: readonly EndedContact[];
  /** Whether the registration has ended; else nobody was registered. */
  readonly ended: boolean;
}

/** Why a contact that is gone is gone. */
export type EventSource = (binding: Binding) => ContactEvent;

/** Where the GRUUs of a contact come from; null for one without. */
export type GruuSource = (binding: Binding, impu: string) => Gruus | null;

/**
 * The document of a registration: the full state, one element for each identity that is not barred, and the contacts that
 * have ended since the document before. The ids are the same in all documents.
 *
 * Source: RFC 3680 5, TS 24.229 5.4.2.1.2; requirements S-25, S-63, S-64.
 */
export function regInfoOf(state: RegEventState, version: number, nowMs: number, gruus: GruuSource): RegInfo {
  const { registration, news, ended } = state;
  const identities = (registration?.identities ?? state.others).filter(({ barred }) => !barred);
  const registrations = identities.map((identity): RegInfoRegistration => {
    const id = idOf(identity.uri);
    const active = registration?.bindings.map((binding) => activeContact(binding, id, identity, nowMs, gruus)) ?? [];
    const gone = news.filter(({ aors }) => aors.length === 0 || aors.includes(identity.uri));
    return {
      aor: identity.uri,
      id,
      state: active.length > 0 ? 'active' : gone.length > 0 || ended ? 'terminated' : 'init',
      wildcard: identity.wildcard ? identity.uri : '',
      contacts: [...active, ...gone.map((contact) => endedContact(contact, id, nowMs))],
    };
  });
  for (const aor of new Set(news.flatMap(({ aors }) => aors))) {
    if (identities.some(({ uri }) => uri === aor)) continue;
    const id = idOf(aor);
    const gone = news.filter(({ aors }) => aors.includes(aor)).map((contact) => endedContact(contact, id, nowMs));
    registrations.push({ aor, id, state: 'terminated', wildcard: '', contacts: gone });
  }
  return { version, state: 'full', registrations };
}

/** Contacts that are gone, and contacts that identities have lost which do not belong to the set any more. */
export function newsOf(before: Registration | null, after: Registration | null, eventOf: EventSource): EndedContact[] {
  const gone = endedBindings(before, after);
  const news = gone.map((binding): EndedContact => ({ binding, event: eventOf(binding), aors: [] }));
  if (before === null || after === null || before.identities === after.identities) return news;
  const stays = ({ uri }: RegisteredIdentity) => after.identities.some((other) => other.uri === uri && !other.barred);
  const aors = before.identities.filter((identity) => !identity.barred && !stays(identity)).map(({ uri }) => uri);
  if (aors.length === 0) return news;
  const left = before.bindings.filter((binding) => !gone.includes(binding));
  return [...news, ...left.map((binding): EndedContact => ({ binding, event: 'deactivated', aors }))];
}

function activeContact(
  binding: Binding,
  registrationId: string,
  identity: Pick<RegisteredIdentity, 'impu' | 'wildcard'>,
  nowMs: number,
  gruus: GruuSource,
): RegInfoContact {
  const { event, impu } = binding.history;
  const made = identity.wildcard || !identity.impu.startsWith('sip:') ? null : gruus(binding, identity.impu);
  return {
    ...contactOf(binding, registrationId, nowMs),
    state: 'active',
    // Who registers one identity registers all of the set: the others were created for it.
    event: event === 'registered' && impu !== '' && impu !== identity.impu ? 'created' : event,
    expires: Math.max(0, Math.ceil((binding.expiresAtMs - nowMs) / 1000)),
    publicGruu: made?.publicGruu ?? '',
    temporaryGruu: made?.temporaryGruu ?? '',
  };
}

function endedContact({ binding, event }: EndedContact, registrationId: string, nowMs: number): RegInfoContact {
  return { ...contactOf(binding, registrationId, nowMs), state: 'terminated', event };
}

function contactOf(binding: Binding, registrationId: string, nowMs: number): RegInfoContact {
  const { history } = binding;
  const contact = parseContact(binding.contact);
  const isRead = !(contact instanceof ParseFailure);
  const event: ContactEvent = history.event;
  return {
    id: `${registrationId}-${history.id.toString(36)}`,
    state: 'active',
    event,
    uri: binding.uri,
    displayName: isRead ? unquote(contact.displayName) : '',
    durationRegistered: history.sinceMs === 0 ? -1 : Math.max(0, Math.floor((nowMs - history.sinceMs) / 1000)),
    expires: -1,
    retryAfter: -1,
    q: isRead ? contact.q : -1,
    callId: binding.callId,
    cseq: binding.cseq,
    parameters: isRead ? unknownParameters(contact.parameters) : [],
    publicGruu: '',
    temporaryGruu: '',
    firstCseq: history.firstCseq,
  };
}

function unknownParameters(parameters: Parameters): { name: string; value: string }[] {
  return parameters.entries().filter(({ name }) => !known.has(name.toLowerCase()));
}

/** Made of the identity, so that it is the same in all documents, whoever writes them. */
function idOf(aor: string): string {
  return `r${hash('sha256', aor, 'hex').slice(0, 12)}`;
}
