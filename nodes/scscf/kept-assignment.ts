import { ProfileFailure, readUserProfile } from '#ims/user-profile';
import type { ScscfConfig } from '#service/config/scscf-config';

/**
 * Whether the HSS is to keep the name of this S-CSCF for a user who is registered no more: the operator wants it, and the
 * profile has services for an unregistered user. Such a de-registration is one of the `_STORE_SERVER_NAME` types.
 *
 * Source: TS 29.228 6.1.2, TS 24.229 5.4.1.4; requirement S-21.
 */
export function keepsServer({ registrar }: Pick<ScscfConfig, 'registrar'>, xml: Buffer | null): boolean {
  if (!registrar.storeServerName || xml === null) return false;
  const profile = readUserProfile(xml);
  if (profile instanceof ProfileFailure) return false;
  return profile.serviceProfiles.some(
    ({ filterCriteria, sharedIfcSetIds }) =>
      sharedIfcSetIds.length > 0 || filterCriteria.some(({ profilePartIndicator }) => profilePartIndicator !== 0),
  );
}
