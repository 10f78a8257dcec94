import { isSilence, type RequestFailure } from '#diameter/client';
import type { LocationInfoAnswer, UserAuthorizationAnswer } from '#diameter/cx/cx-results';
import type { IcscfState } from './icscf.ts';
import type { LocatedUser } from './location-cache.ts';
import type { RegisterIdentity } from './register.ts';

/**
 * UAR: whether a user may register, and where. `type`: of userAuthorizationTypes, none for a plain registration.
 * Source: TS 29.228 6.1.1; requirements I-11, I-29.
 */
export async function askAuthorization(
  { cx, hssOf }: IcscfState,
  { impi, impu, visitedNetwork, emergency }: RegisterIdentity,
  type: 1 | 2 | null,
): Promise<UserAuthorizationAnswer | RequestFailure> {
  const answer = await cx.userAuthorization({
    impi,
    impu,
    visitedNetwork,
    ...(type === null ? {} : { type }),
    ...(emergency ? { emergency } : {}),
    ...hssOf.destinationOf(impu),
  });
  hssOf.note(impu, answer);
  return answer;
}

/**
 * LIR: which S-CSCF serves a user; by the cache where the configuration has one, and by what it knew last while no HSS
 * answers. `type`: REGISTRATION_AND_CAPABILITIES asks for what another S-CSCF has to have, null for the one there is.
 * Source: TS 29.228 6.1.4; requirements I-20, I-25, I-27, I-29, X-R4.
 */
export async function askLocation(
  { cx, hssOf, locations }: IcscfState,
  user: LocatedUser,
  type: 2 | null,
): Promise<LocationInfoAnswer | RequestFailure> {
  const known = type === null ? locations.get(user) : null;
  if (known !== null) return known;
  const { impu, originating } = user;
  const answer = await cx.locationInfo({
    impu,
    ...(originating ? { originating } : {}),
    ...(type === null ? {} : { type }),
    ...hssOf.destinationOf(impu),
  });
  hssOf.note(impu, answer);
  if (type === null && isSilence(answer)) return locations.inOutage(user) ?? answer;
  const found = answer.failure === undefined && (answer.serverName ?? '') !== '' && answer.result.code < 3000;
  if (answer.failure === undefined && found && type === null) locations.set(user, answer);
  else locations.forget(impu);
  return answer;
}
