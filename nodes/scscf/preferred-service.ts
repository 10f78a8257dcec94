import { reasons } from '#ims/reasons';
import { ProfileFailure, readUserProfile } from '#ims/user-profile';
import { parseServiceIdentities } from '#sip/header/service-identity';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import { equalsIgnoreCase } from '#sip/uri/characters';
import type { ScscfState } from './state.ts';

/**
 * Asserts the service that a UE prefers, where it may use it: P-Preferred-Service becomes P-Asserted-Service. Gives false
 * when the request was refused, since the user may use none of the services it names.
 *
 * `allowed`: the services of the user, null for all. What an application server has asserted stays.
 * Source: TS 24.229 5.4.3.2, RFC 6050 4; requirement S-111.
 */
export function assertService(transaction: ProxyTransaction, allowed: readonly string[] | null): boolean {
  const { headers } = transaction.request;
  if (!headers.has(Header['P-Preferred-Service'])) return true;
  const preferred = parseServiceIdentities(headers.values(Header['P-Preferred-Service']));
  const service = preferred.find((name) => mayUse(allowed, name));
  if (preferred.length > 0 && service === undefined) {
    transaction.refuse(reasons.serviceNotAllowed, preferred.join(', '));
    return false;
  }
  transaction.request.by('assertService (TS 24.229 5.4.3.2)');
  headers.remove(Header['P-Preferred-Service']);
  if (service !== undefined && !headers.has(Header['P-Asserted-Service'])) {
    headers.append(Header['P-Asserted-Service'], service);
  }
  return true;
}

/**
 * The services that an identity of a registration may ask for, as `assertService` wants them: those of its service profile,
 * or else what the configuration says. The profile is looked at only for a request that asks for a service.
 *
 * `key`: that of the registration. Source: TS 24.229 5.4.3.2, TS 29.228 annex B; requirement S-29.
 */
export function allowedServices(
  { context, registrations }: Pick<ScscfState, 'context' | 'registrations'>,
  { headers }: Pick<SipRequest, 'headers'>,
  key: string,
  impu: string,
): readonly string[] | null {
  if (!headers.has(Header['P-Preferred-Service'])) return null;
  return subscribedServices(registrations.profile(key), impu) ?? context.config.allowedServices ?? null;
}

/**
 * ListOfServiceIds of the service profile of an identity, of the first one where the profile does not name it; null where
 * it has none, for then nothing is said. Requirement S-29.
 */
export function subscribedServices(xml: Buffer | null, impu: string): readonly string[] | null {
  // Reading costs more than looking.
  if (xml?.includes('ListOfServiceIds') !== true) return null;
  const profile = readUserProfile(xml);
  if (profile instanceof ProfileFailure) return null;
  const own = profile.serviceProfiles.find(({ publicIdentities }) =>
    publicIdentities.some(({ key, wildcardedImpu }) => key === impu || wildcardedImpu === impu),
  );
  const { serviceIds = [] } = (own ?? profile.serviceProfiles[0])?.coreNetworkServicesAuthorization ?? {};
  return serviceIds.length === 0 ? null : serviceIds;
}

function mayUse(allowed: readonly string[] | null, service: string): boolean {
  return allowed === null || allowed.some((name) => equalsIgnoreCase(name, service));
}
