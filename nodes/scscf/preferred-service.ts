import { reasons } from '#ims/reasons';
import { parseServiceIdentities } from '#sip/header/service-identity';
import { Header } from '#sip/message/header-names';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import { equalsIgnoreCase } from '#sip/uri/characters';

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

function mayUse(allowed: readonly string[] | null, service: string): boolean {
  return allowed === null || allowed.some((name) => equalsIgnoreCase(name, service));
}
