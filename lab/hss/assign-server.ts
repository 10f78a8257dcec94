import type { AnswerContent } from '#diameter/answer';
import type { DiameterMessage } from '#diameter/codec/message';
import { serverAssignmentTypes as types } from '#diameter/cx/cx-requests';
import { readServerAssignment, serverAssignmentAnswer } from '#diameter/cx/cx-server';
import { cxAvps } from '#diameter/dictionary/cx';
import { resultCodes } from '#diameter/errors';
import { baseResult, type DiameterResult } from '#diameter/result';
import type { Finding } from '../diameter/finding.ts';
import { type CxContext, identitiesDontMatch, refusalFor, servingNode, userUnknown } from './cx-context.ts';
import { type AssignmentOutcome, assignServer, stateOf } from './registration-state.ts';
import { checkServerName } from './server-name.ts';
import type { SubscriptionState } from './subscriber-state.ts';
import { type FoundPublic, reduceImpu, type Subscription } from './subscriber-table.ts';
import { userDataOf } from './user-data.ts';

type Request = ReturnType<typeof readServerAssignment>;

/** Whom a SAR is about. */
interface Concerned {
  readonly subscription: Subscription;
  readonly impi: string | undefined;
  readonly sets: readonly number[];
  /** The identity named first. */
  readonly first: FoundPublic | undefined;
}

/** Notes registration and de-registration, keeps restoration information, hands out the profile. Source: TS 29.228 6.1.2.1. */
export function answerServerAssignment(context: CxContext, request: DiameterMessage): AnswerContent {
  const wanted = readServerAssignment(request);
  const concerned = concernedBy(context, wanted);
  if ('kind' in concerned) return serverAssignmentAnswer({ result: concerned, impi: wanted.impi });
  const unknownServer = checkServerName(context, request, wanted.serverName);
  if (unknownServer !== undefined) return unknownServer;

  const { impi, sets, subscription } = concerned;
  const assignment = {
    type: wanted.type,
    server: servingNode(request, wanted.serverName),
    impi,
    sets,
    multipleRegistration: wanted.multipleRegistration === true,
    restoration: wanted.restorationInfos ?? [],
    keepServerName: context.keepServerName,
  };
  const findings: Finding[] = [];
  let refused = false;
  let state!: SubscriptionState;
  const outcome = context.states.change(subscription, (current): AssignmentOutcome => {
    state = current;
    for (const finding of judge(current, wanted, sets, request)) {
      findings.push(finding);
      refused ||= context.report(request, finding);
    }
    if (refused) return { result: baseResult(resultCodes.UNABLE_TO_COMPLY), profile: false };
    const made = assignServer(current, assignment);
    if (made.profile && !wanted.userDataAlreadyAvailable) current.hasProfile = true;
    return made;
  });
  if (refused) return refusalFor(findings.find(({ resultCode }) => resultCode !== undefined)!);
  return answerWith(context, wanted, concerned, state, outcome);
}

function answerWith(
  context: CxContext,
  wanted: Request,
  { impi, first, subscription, sets }: Concerned,
  state: SubscriptionState,
  outcome: AssignmentOutcome,
): AnswerContent {
  const { profile, restoration } = outcome;
  const withProfile = profile && !wanted.userDataAlreadyAvailable;
  const pushed = withProfile && state.pushed ? context.states.pushed(subscription) : {};
  const set = first?.set ?? sets[0] ?? 0;
  const name = impi ?? subscription.sets[set]!.impis[0]!;
  const impis = subscription.privates.map((user) => user.impi);
  const text = first?.identity.text ?? '';
  const registered = state.sets[set]?.registered ?? [];
  return serverAssignmentAnswer({
    result: outcome.result,
    impi: name,
    ...(withProfile
      ? { userData: userDataOf(subscription, set, name, pushed), charging: pushed.charging ?? subscription.charging }
      : {}),
    associatedIdentities: withProfile && impis.length > 1 ? impis : undefined,
    restorationInfos: restoration,
    associatedRegisteredIdentities: restoration !== undefined && registered.length > 1 ? registered : undefined,
    serverName: outcome.namesServer === true ? state.server?.name : undefined,
    wildcardedPublicIdentity: text.includes('!') && text !== reduceImpu(wanted.impus[0] ?? '') ? text : undefined,
  });
}

/** The subscription and its sets, or why there is no such thing. Source: TS 29.228 6.1.2.1 steps 1 to 3. */
function concernedBy({ subscribers }: CxContext, { impi, impus, type }: Request): Concerned | DiameterResult {
  if (impi === undefined && impus.length === 0) return baseResult(resultCodes.MISSING_AVP);
  const found: FoundPublic[] = [];
  for (const impu of impus) {
    const identity = subscribers.byImpu(impu);
    if (identity === undefined) return userUnknown;
    found.push(identity);
  }
  const user = impi === undefined ? undefined : subscribers.byImpi(impi);
  if (impi !== undefined && user === undefined) return userUnknown;
  const subscription = user?.subscription ?? found[0]!.subscription;
  for (const each of found) {
    if (each.subscription.key !== subscription.key) return identitiesDontMatch;
    if (user !== undefined && !subscription.sets[each.set]!.impis.includes(user.user.impi)) return identitiesDontMatch;
  }
  if (impus.length !== 1 && bringsProfile(type)) {
    return baseResult(impus.length === 0 ? resultCodes.MISSING_AVP : resultCodes.AVP_OCCURS_TOO_MANY_TIMES);
  }
  const own = subscription.sets.flatMap(({ impis }, set) => (impis.includes(user?.user.impi ?? '') ? [set] : []));
  const named = [...new Set(found.map(({ set }) => set))];
  return { subscription, impi: user?.user.impi, sets: named.length === 0 ? own : named, first: found[0] };
}

/** What is odd about a SAR in this state. */
function judge(
  state: SubscriptionState,
  { serverName, type, userDataAlreadyAvailable }: Request,
  sets: readonly number[],
  request: DiameterMessage,
): Finding[] {
  const findings: Finding[] = [];
  const { avps } = request;
  const states = sets.map((set) => stateOf(state.sets[set]));
  const isHere = state.server?.name === serverName;
  if (state.server !== null && !isHere) {
    const words = `the S-CSCF is ${state.server.name}, and ${serverName} asks for assignment type ${type}`;
    findings.push({ id: 'other-server', words });
  }
  if (userDataAlreadyAvailable && bringsProfile(type) && !(isHere && state.hasProfile)) {
    findings.push({
      id: 'profile-not-there',
      words: `User-Data-Already-Available, but ${serverName} was sent no profile since it serves`,
      resultCode: resultCodes.INVALID_AVP_VALUE,
      failedAvp: avps.encoded(cxAvps.userDataAlreadyAvailable)[0],
    });
  }
  const registered = states.includes('registered');
  if (type === types.REGISTRATION && registered && avps.integer32(cxAvps.multipleRegistrationIndication) !== 1) {
    findings.push({ id: 'registered-already', words: 'REGISTRATION of an identity that is registered' });
  }
  if (type === types.RE_REGISTRATION && !registered) {
    findings.push({ id: 'not-registered-yet', words: 'RE_REGISTRATION of an identity that is not registered' });
  }
  if (isDeregistration(type) && states.every((each) => each === 'not-registered')) {
    findings.push({ id: 'not-registered-any-more', words: 'de-registration of identities that are not registered' });
  }
  return findings;
}

/** Types that are about one identity, and get its profile; others may name several or, with User-Name alone, all. */
function bringsProfile(type: number): boolean {
  switch (type) {
    case types.NO_ASSIGNMENT:
    case types.REGISTRATION:
    case types.RE_REGISTRATION:
    case types.UNREGISTERED_USER:
    case types.RESTORATION:
      return true;
    default:
      return false;
  }
}

export function isDeregistration(type: number): boolean {
  switch (type) {
    case types.TIMEOUT_DEREGISTRATION:
    case types.USER_DEREGISTRATION:
    case types.TIMEOUT_DEREGISTRATION_STORE_SERVER_NAME:
    case types.USER_DEREGISTRATION_STORE_SERVER_NAME:
    case types.ADMINISTRATIVE_DEREGISTRATION:
    case types.DEREGISTRATION_TOO_MUCH_DATA:
      return true;
    default:
      return false;
  }
}
