import { impuOf } from '#ims/identity';
import { readUserProfile } from '#ims/user-profile';
import { ParseFailure } from '#sip/errors';
import { splitListValues } from '#sip/header/list-values';
import { parseNameAddr } from '#sip/header/name-addr';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipUri } from '#sip/uri/sip-uri';
import { parseUri } from '#sip/uri/uri';
import { identityOf, type Registration } from './registration.ts';
import type { ScscfState } from './state.ts';
import { findWildcarded } from './wildcard-index.ts';

/** Identities of one request that are looked at. */
const maxAsserted = 8;

/**
 * Whether who sends a SUBSCRIBE may watch a registration (null: nobody is registered with `impu`): a user of it, a P-CSCF
 * of one of its contacts, an application server of its profile or one of the configuration, by the asserted identity,
 * which all of them vouch for.
 *
 * Source: TS 24.229 5.4.2.1.1; requirements S-60, X-I16.
 */
export function mayWatch(
  state: ScscfState,
  request: SipRequest,
  impu: string,
  registration: Registration | null,
): boolean {
  const asserted = request.headers.values(Header['P-Asserted-Identity']).slice(0, maxAsserted).map(uriOf);
  if (asserted.some((uri) => uri !== null && isUser(state, uri, impu, registration))) return true;
  const { homeDomain, regEvent } = state.context.config;
  const servers = asserted.map(sipUriOf).filter((uri) => uri !== null);
  if (servers.length === 0) return false;
  const isOneOf = (names: Iterable<string>) => {
    for (const name of names) {
      const named = sipUriOf(name);
      if (named !== null && servers.some((server) => isSameServer(server, named, homeDomain))) return true;
    }
    return false;
  };
  if (isOneOf(regEvent.watchers)) return true;
  if (registration === null) return false;
  return isOneOf(pathsOf(registration)) || isOneOf(serversOf(state, registration));
}

function isUser(state: ScscfState, uri: string, impu: string, registration: Registration | null): boolean {
  const user = impuOf(uri);
  if (user instanceof ParseFailure) return false;
  if (registration === null) return user === impu;
  const identity = identityOf(registration, user);
  if (identity !== null) return !identity.barred;
  const wildcarded = findWildcarded(state, user);
  if (wildcarded?.registration.key !== registration.key) return false;
  return identityOf(registration, wildcarded.impu)?.barred === false;
}

/**
 * Whether an asserted identity is that of a server with this URI. Its user part may be any where its host names servers
 * only; at the home domain users have their identities as well.
 */
function isSameServer(asserted: SipUri, server: SipUri, homeDomain: string): boolean {
  if (asserted.host !== server.host) return false;
  if (asserted.port !== 0 && server.port !== 0 && asserted.port !== server.port) return false;
  return server.host === homeDomain ? asserted.user !== '' && asserted.user === server.user : true;
}

function* pathsOf({ bindings }: Registration): Generator<string> {
  for (const { path } of bindings) {
    const values = path === '' ? [] : splitListValues(path);
    if (values instanceof ParseFailure) continue;
    for (const value of values) yield uriOf(value) ?? '';
  }
}

/** Names of the application servers in the profile of a registration. */
function* serversOf(state: ScscfState, { key }: Registration): Generator<string> {
  const octets = state.registrations.profile(key);
  if (octets === null) return;
  const profile = readUserProfile(octets);
  if (!('serviceProfiles' in profile)) return;
  for (const { filterCriteria } of profile.serviceProfiles) {
    for (const { applicationServer } of filterCriteria) yield applicationServer.serverName;
  }
}

function uriOf(value: string): string | null {
  const address = parseNameAddr(value);
  return address instanceof ParseFailure ? null : address.uri;
}

function sipUriOf(text: string | null): SipUri | null {
  const uri = text === null ? null : parseUri(text);
  return uri === null || uri instanceof ParseFailure || uri.kind !== 'sip' ? null : uri;
}
