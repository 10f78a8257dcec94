import { serverAssignmentTypes } from '#diameter/cx/cx-requests';
import type { ServerAssignmentAnswer } from '#diameter/cx/cx-results';
import type { RestorationInfo, ScscfRestorationInfo } from '#diameter/cx/restoration-info';
import { resultCodes } from '#diameter/errors';
import { offerAlternative } from '#ims/alternative-service';
import { reasons } from '#ims/reasons';
import { outcomeDetail, sarRefusal } from '#ims/result-reasons';
import { ProfileFailure, readUserProfile } from '#ims/user-profile';
import type { ScscfConfig } from '#service/config/scscf-config';
import { ParseFailure } from '#sip/errors';
import { parseContact } from '#sip/header/contact';
import { isSafeHeaderValue } from '#sip/header/token';
import { Header } from '#sip/message/header-names';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import { StoreError } from '#store/store';
import { type Binding, makeBinding, type Registration } from './registration.ts';
import { type AssignmentRefusal, chargingAddresses, registeredIdentities } from './server-assignment.ts';
import type { ScscfState } from './state.ts';

/** Whether the HSS keeps what a restoration needs: this S-CSCF says so in its Supported-Features. */
export function restores({ diameter }: Pick<ScscfConfig, 'diameter'>): boolean {
  return diameter.cx.announce.includes('ims-restoration');
}

/**
 * Asks the HSS for a registration that this S-CSCF does not know any more, and stores it: with the contacts that were left
 * there, each for as long as it was last granted. Null when the HSS has none; a refusal when it does not answer.
 *
 * Source: TS 23.380 4.3, 4.4, TS 29.228 6.1.2; requirement S-83.
 */
export async function restoreRegistration(
  state: ScscfState,
  impu: string,
  profileKey: string,
): Promise<Registration | AssignmentRefusal | null> {
  const answer = await askForRegistration(state, impu, profileKey);
  if ('reason' in answer) return isUnanswered(answer) ? answer : null;
  const known = state.registrations.find(impu);
  if (known !== null) return known;
  const { userData, restorationInfos } = answer;
  if (userData === undefined || userData.length === 0) return null;
  const profile = readUserProfile(userData);
  if (profile instanceof ProfileFailure) {
    state.context.log.error({ impu, reason: 'profile-unusable' }, `a profile of the HSS: ${profile.reason}`);
    return null;
  }
  const bindings = bindingsOf(state, restorationInfos);
  const identities = registeredIdentities(profile, impu);
  if (bindings.length === 0 || identities.every(({ barred }) => barred)) return null;
  const registration = { identities, charging: chargingAddresses(answer.charging), bindings };
  return keep(state, registration, Buffer.from(userData));
}

/**
 * Refuses a request of a UE whose registration is lost, so that the UE registers anew at once. The identity asserted is
 * the Service-Route of the UE: by that the P-CSCF knows who says so.
 *
 * Source: TS 24.229 5.4.3.2, 7.6; requirement S-83.
 */
export function refuseLost({ routes }: ScscfState, transaction: ProxyTransaction, impu: string): void {
  transaction.refuse(reasons.registrationLost, impu, (response) => {
    response.headers.append(Header['P-Asserted-Identity'], routes.service);
    const reason = 'The network has lost this registration';
    offerAlternative(response, { type: 'restoration', reason, action: 'initial-registration' });
  });
}

/** As the S-CSCF that the HSS has assigned, else as one that takes the place of that. Source: TS 29.229 6.3.15. */
async function askForRegistration(
  state: ScscfState,
  impu: string,
  profileKey: string,
): Promise<ServerAssignmentAnswer | AssignmentRefusal> {
  const { NO_ASSIGNMENT, RESTORATION } = serverAssignmentTypes;
  const ask = async (type: number) =>
    state.cx.serverAssignment({
      impus: [impu],
      serverName: state.context.config.uri,
      type,
      userDataAlreadyAvailable: false,
      wildcardedImpu: profileKey === impu ? undefined : profileKey,
    });
  let answer = await ask(NO_ASSIGNMENT);
  if (answer.failure === undefined && isUnable(answer)) {
    answer = await ask(RESTORATION);
  }
  const refusal = sarRefusal(answer);
  if (refusal === null && answer.failure === undefined) return answer;
  return { reason: refusal ?? reasons.hssMalformed, detail: outcomeDetail('SAR', answer) };
}

function isUnable({ result }: ServerAssignmentAnswer): boolean {
  return result.kind === 'base' && result.code === resultCodes.UNABLE_TO_COMPLY;
}

function isUnanswered({ reason }: AssignmentRefusal): boolean {
  return reason === reasons.hssTimeout || reason === reasons.hssUnreachable || reason === reasons.hssBusy;
}

function bindingsOf(state: ScscfState, infos: readonly ScscfRestorationInfo[]): Binding[] {
  const nowMs = state.context.clock.wallMs();
  const bindings = infos.flatMap(({ impi, contacts }) =>
    contacts.flatMap((info) => restoredBinding(state.context.config, impi, info, nowMs) ?? []),
  );
  return bindings.slice(0, state.context.config.registrar.maxContacts);
}

/** Null for what no REGISTER can have brought. */
function restoredBinding(
  { registrar }: ScscfConfig,
  impi: string,
  { path, contact, callId = '', initialCseq = 0 }: RestorationInfo,
  nowMs: number,
): Binding | null {
  if (![impi, path, contact, callId].every(isSafeHeaderValue)) return null;
  const parsed = parseContact(contact);
  if (parsed instanceof ParseFailure) return null;
  const asked = parsed.expires > 0 ? parsed.expires : registrar.defaultExpires;
  const expiresAtMs = nowMs + 1000 * Math.min(asked, registrar.maxExpires);
  return makeBinding({ impi, contact, path, callId, cseq: initialCseq, expiresAtMs });
}

function keep(state: ScscfState, found: Omit<Registration, 'key'>, profile: Buffer): Registration | null {
  const { identities } = found;
  const key = (identities.find(({ barred, wildcard }) => !barred && !wildcard) ?? identities[0]!).impu;
  try {
    const kept = state.registrations.change(
      key,
      (current) => (current === null ? { key, ...found } : undefined),
      profile,
    );
    state.context.count('restoration');
    state.context.log.info({ key, contacts: found.bindings.length }, 'a registration was restored from the HSS');
    return kept;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    state.context.log.error({ error, key }, 'a restored registration cannot be stored');
    return null;
  }
}
