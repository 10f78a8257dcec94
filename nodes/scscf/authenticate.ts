import { serverAssignmentTypes } from '#diameter/cx/cx-requests';
import type { AuthDataItem } from '#diameter/cx/cx-results';
import { reasons } from '#ims/reasons';
import { marRefusal, outcomeDetail, retryAfterSeconds } from '#ims/result-reasons';
import type { AuthScheme, ScscfConfig } from '#service/config/scscf-config';
import { type AkaAlgorithm, akaPassword, formatAkaNonce, parseAkaNonce, parseAuts } from '#sip/auth/aka';
import {
  type DigestParameter,
  type DigestParameters,
  digestHashOf,
  digestResponse,
  formatDigest,
  parseNonceCount,
  sameResponse,
} from '#sip/auth/digest';
import { ParseFailure } from '#sip/errors';
import { Header } from '#sip/message/header-names';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import { randomOctets } from '#sip/random-octets';
import type { Reason } from '#sip/reasons';
import { ChallengeLimit } from './challenge-limit.ts';
import type { Challenge, ChallengeKind } from './challenge-store.ts';
import type { RegisterRequest } from './register-request.ts';
import { isBound } from './registrar.ts';
import type { Binding } from './registration.ts';
import { release } from './server-assignment.ts';
import type { ScscfState } from './state.ts';

/** Timer reg-await-auth. Source: TS 24.229 7.8; requirement S-09. */
const REG_AWAIT_AUTH_MS = 240_000;
/** How long a nonce of SIP Digest serves after its last use. Requirement S-11. */
const NONCE_LIFE_MS = 60_000;

/** What a REGISTER is with regard to the outstanding challenge. */
export type Verdict =
  /** Came protected, and nothing more is asked of it. */
  | { readonly kind: 'trusted' }
  | { readonly kind: 'unbound' }
  /** The right answer; `nonceCount` 0 when the nonce has served its time. */
  | { readonly kind: 'verified'; readonly nonceCount: number }
  | { readonly kind: 'challenge'; readonly stale: boolean }
  | { readonly kind: 'resynchronise'; readonly randAndAuts: Buffer }
  | { readonly kind: 'mac-failure' }
  | { readonly kind: 'wrong' };

const never: ReauthenticationPolicy = Object.freeze({});

/** When a protected REGISTER is challenged although it needs not be; what is left out never asks for it. */
export type ReauthenticationPolicy = ScscfConfig['auth']['reauthentication'];

/**
 * Judges a REGISTER by its credentials. `challenge`: the outstanding one of this private identity; `bindings`: those of
 * the registration; `nowMs`: wall clock.
 *
 * Source: TS 24.229 5.4.1.2.1 to 5.4.1.2.3, RFC 3310 3.4; requirements S-02 to S-04, S-10 to S-13.
 */
export function judge(
  register: RegisterRequest,
  challenge: Challenge | null,
  bindings: readonly Binding[],
  policy: ReauthenticationPolicy,
  nowMs: number,
): Verdict {
  const { credentials, protection } = register;
  const auts = credentials?.get('auts') ?? null;
  const answers = challenge !== null && credentials !== null && credentials.get('nonce') === challenge.nonce;
  if (!answers || challenge.impu !== register.impu) {
    const isProtected = protection === 'yes' || associationOf(register) === 'tls-yes';
    if (!isProtected || auts !== null) return { kind: 'challenge', stale: false };
    // Taking away over the security association is not asked for twice; nor is a refresh of what is bound.
    const removes = !register.binds && (register.star || register.contacts.length > 0);
    if (removes) return { kind: 'trusted' };
    const own = bindings.filter((binding) => binding.impi === register.impi);
    if (awaitsAuthentication(own) || isProofDue(own, policy, nowMs)) return { kind: 'challenge', stale: false };
    if (isBound(bindings, register)) return { kind: 'trusted' };
    // Over TLS a challenge can be answered as it is; over IPsec it would need a new security association.
    return protection === 'yes' ? { kind: 'unbound' } : { kind: 'challenge', stale: false };
  }
  const isAka = challenge.kind !== 'SIP Digest';
  if (isAka && auts !== null) return resynchronisation(challenge.nonce, auts);
  if ((credentials.get('response') ?? '') === '') {
    return isAka ? { kind: 'mac-failure' } : { kind: 'challenge', stale: false };
  }
  // The right answer has to come through the security association that the challenge set up.
  if (protection === 'no') return { kind: 'challenge', stale: false };
  return verify(credentials, challenge, register.impi);
}

/** Whether the network has asked the user to authenticate anew. Source: TS 24.229 5.4.1.6; requirement S-43. */
function awaitsAuthentication(own: readonly Binding[]): boolean {
  return own.some(({ history }) => history.event === 'shortened');
}

/**
 * Whether the operator wants the user to authenticate again by now: after so many REGISTERs without, or so long after the
 * last one with. Source: TS 24.229 5.4.1.2.2; requirement S-04.
 */
function isProofDue(own: readonly Binding[], { refreshes, seconds }: ReauthenticationPolicy, nowMs: number): boolean {
  if (own.length === 0 || (refreshes === undefined && seconds === undefined)) return false;
  const latest = own.reduce((best, { proof }) => (proof.atMs > best.atMs ? proof : best), own[0]!.proof);
  if (seconds !== undefined && nowMs >= latest.atMs + seconds * 1000) return true;
  return refreshes !== undefined && latest.unproven + 1 >= refreshes;
}

/**
 * What the P-CSCF says of an association that is no IPsec: `tls-yes` and `ip-assoc-yes` when a registered user has it, an
 * address alone being no proof; '' for anything else. Source: TS 24.229 7.2A.2; requirement S-02.
 */
function associationOf({ credentials }: RegisterRequest): (typeof associations)[number] | '' {
  const value = credentials?.get('integrity-protected')?.toLowerCase();
  return associations.find((name) => name === value) ?? '';
}

const associations = ['tls-pending', 'tls-yes', 'tls-connected', 'ip-assoc-pending', 'ip-assoc-yes'] as const;

function resynchronisation(nonce: string, text: string): Verdict {
  const auts = parseAuts(text);
  const parsed = parseAkaNonce(nonce);
  if (auts instanceof ParseFailure || parsed instanceof ParseFailure) return { kind: 'wrong' };
  return { kind: 'resynchronise', randAndAuts: Buffer.concat([parsed.rand, auts]) };
}

function verify(credentials: DigestParameters, challenge: Challenge, impi: string): Verdict {
  const uri = credentials.get('uri');
  const algorithm = credentials.get('algorithm');
  const qop = credentials.get('qop')?.toLowerCase() ?? null;
  const isAka = challenge.kind !== 'SIP Digest';
  const offered = challenge.kind === 'SIP Digest' ? challenge.hash : challenge.kind;
  if (uri === null || credentials.get('realm') !== challenge.realm) return { kind: 'wrong' };
  if (algorithm !== null && algorithm.toLowerCase() !== offered.toLowerCase()) return { kind: 'wrong' };
  if (qop !== null && qop !== 'auth') return { kind: 'wrong' };
  const nc = credentials.get('nc') ?? '';
  const cnonce = credentials.get('cnonce') ?? '';
  const count = qop === null ? 0 : parseNonceCount(nc);
  if (count instanceof ParseFailure || (qop !== null && cnonce === '')) return { kind: 'wrong' };
  const expected = digestResponse({
    method: 'REGISTER',
    uri,
    nonce: challenge.nonce,
    algorithm: challenge.hash,
    ...(qop === null ? {} : { qop, nc, cnonce }),
    ...(isAka ? { username: impi, realm: challenge.realm, password: challenge.password } : { ha1: challenge.ha1 }),
  });
  if (!sameResponse(expected, credentials.get('response') ?? '')) return { kind: 'wrong' };
  if (isAka) return { kind: 'verified', nonceCount: 0 };
  if (challenge.nonceCount > 0 && count <= challenge.nonceCount) return { kind: 'challenge', stale: true };
  return { kind: 'verified', nonceCount: count };
}

/** Failures of this attempt so far, carried from challenge to challenge. */
type Attempt = Pick<Challenge, 'failures' | 'resyncs' | 'macFailures'>;

const newAttempt: Attempt = { failures: 0, resyncs: 0, macFailures: 0 };

/**
 * Decides whether a REGISTER may go on, since its user has shown who it is (`verified`) or its way in does (`trusted`);
 * null when it has been answered with a challenge or a refusal.
 * Source: TS 24.229 5.4.1.2; requirements S-02 to S-14, X-I8 to X-I10.
 */
export async function authenticate(
  state: ScscfState,
  transaction: ProxyTransaction,
  register: RegisterRequest,
): Promise<'verified' | 'trusted' | null> {
  const { impi } = register;
  const { auth } = state.context.config;
  const nowMs = state.context.clock.wallMs();
  const challenge = state.challenges.get(impi, nowMs);
  const registration = state.registrations.find(register.impu);
  const verdict = judge(register, challenge, registration?.bindings ?? [], auth.reauthentication ?? never, nowMs);
  const attempt = challenge ?? newAttempt;
  switch (verdict.kind) {
    case 'trusted':
      return 'trusted';
    case 'verified':
      takeAnswer(state, impi, challenge!, verdict.nonceCount);
      return 'verified';
    case 'unbound':
      transaction.refuse(reasons.contactNotBound, impi);
      return null;
    case 'challenge':
      await issueChallenge(state, transaction, register, newAttempt, { stale: verdict.stale });
      return null;
    case 'resynchronise': {
      // Every answer uses its challenge up, so that nothing can be tried on it twice.
      state.challenges.remove(impi);
      if (attempt.resyncs >= auth.resyncs) return fail(state, transaction, register, reasons.resyncLimit);
      const next = { ...attempt, resyncs: attempt.resyncs + 1 };
      await issueChallenge(state, transaction, register, next, {
        resync: verdict.randAndAuts,
        scheme: challenge!.kind,
      });
      return null;
    }
    case 'mac-failure': {
      state.challenges.remove(impi);
      if (attempt.macFailures >= 1) return fail(state, transaction, register, reasons.macFailure);
      const next = { ...attempt, macFailures: attempt.macFailures + 1 };
      await issueChallenge(state, transaction, register, next, { scheme: challenge!.kind });
      return null;
    }
    case 'wrong': {
      state.challenges.remove(impi);
      if (attempt.failures >= auth.failures) return fail(state, transaction, register, reasons.wrongResponse);
      const next = { ...attempt, failures: attempt.failures + 1 };
      await issueChallenge(state, transaction, register, next, { scheme: challenge!.kind });
      return null;
    }
  }
}

/** The answer was right: an AKA challenge is used up, a nonce of SIP Digest may serve again for a while. */
function takeAnswer(state: ScscfState, impi: string, challenge: Challenge, nonceCount: number): void {
  state.challengeLimit.answered(impi);
  if (nonceCount === 0) {
    state.challenges.remove(impi);
    return;
  }
  const expiresAtMs = state.context.clock.wallMs() + NONCE_LIFE_MS;
  state.challenges.set(impi, { ...challenge, ...newAttempt, nonceCount, expiresAtMs });
}

/** Refuses for good, and tells the HSS unless the user is registered by other means. Requirement S-14. */
function fail(state: ScscfState, transaction: ProxyTransaction, register: RegisterRequest, reason: Reason): null {
  transaction.refuse(reason, register.impi);
  if (state.registrations.find(register.impu) === null) {
    release(state, register.impi, [register.impu], serverAssignmentTypes.AUTHENTICATION_FAILURE);
  }
  return null;
}

interface ChallengeOptions {
  /** The client's answer was right but its nonce had served too long. */
  readonly stale?: boolean;
  /** RAND and AUTS after a synchronisation failure. */
  readonly resync?: Buffer;
  /** Of the challenge before; else what the REGISTER and the configuration say. */
  readonly scheme?: ChallengeKind;
}

/**
 * Fetches a vector and answers with 401; the challenge takes the place of an older one.
 * Source: TS 24.229 5.4.1.2.1, TS 29.228 6.3.1; requirements S-05 to S-08, S-12.
 */
async function issueChallenge(
  state: ScscfState,
  transaction: ProxyTransaction,
  register: RegisterRequest,
  attempt: Attempt,
  options: ChallengeOptions,
): Promise<void> {
  const { context } = state;
  const { config } = context;
  const { impi, impu } = register;
  if (!state.challengeLimit.allows(impi, context.clock.nowMs())) {
    refuseFor(transaction, reasons.tooManyChallenges, impi, ChallengeLimit.retrySeconds);
    return;
  }
  const scheme = options.scheme === undefined ? schemeOf(register, config) : wireSchemes[options.scheme];
  const answer = await state.cx.multimediaAuth({
    impi,
    impu,
    serverName: config.uri,
    scheme: config.auth.schemeSpelling[scheme] ?? scheme,
    resync: options.resync,
  });
  const refusal = marRefusal(answer);
  if (refusal !== null || answer.failure !== undefined) {
    const reason = refusal ?? reasons.hssMalformed;
    refuseFor(transaction, reason, outcomeDetail('MAR', answer), retryAfterSeconds(reason));
    return;
  }
  const item = answer.items[0];
  const withKeys = register.protection !== '';
  const secret = item === undefined ? null : secretOf(item, scheme, config.homeDomain, withKeys);
  if (item === undefined || secret === null) {
    transaction.refuse(reasons.hssMalformed, 'MAA without a whole SIP-Auth-Data-Item');
    return;
  }
  const expiresAtMs = context.clock.wallMs() + REG_AWAIT_AUTH_MS;
  const { failures, resyncs, macFailures } = attempt;
  state.challenges.set(impi, { ...secret, impu, nonceCount: 0, failures, resyncs, macFailures, expiresAtMs });
  context.count('challenge');
  transaction.reply(401, (response) => {
    const parameters = challengeParameters(secret, item, withKeys, config.auth.qop, options.stale === true);
    response.by('challenge (TS 24.229 5.4.1.2.1)');
    response.headers.append(Header['WWW-Authenticate'], formatDigest(parameters));
  });
}

const wireSchemes = {
  'AKAv1-MD5': 'Digest-AKAv1-MD5',
  'AKAv2-MD5': 'Digest-AKAv2-MD5',
  'SIP Digest': 'SIP Digest',
} as const;

/**
 * Behind IPsec it is AKA; on another association SIP Digest, unless the HSS is to choose; else the configuration decides.
 * Source: TS 24.229 5.4.1.1, 5.4.1.2.1; requirement S-02.
 */
function schemeOf(register: RegisterRequest, config: ScscfConfig): AuthScheme {
  const { defaultScheme } = config.auth;
  if (register.protection !== '') return defaultScheme === 'Digest-AKAv2-MD5' ? defaultScheme : 'Digest-AKAv1-MD5';
  if (associationOf(register) === '') return defaultScheme;
  return defaultScheme === 'Unknown' ? defaultScheme : 'SIP Digest';
}

type Secret = Pick<Challenge, 'kind' | 'realm' | 'nonce' | 'password' | 'ha1' | 'hash'>;

const noOctets = Buffer.alloc(0);
/** Characters of H(A1). Source: RFC 7616 3.3. */
const ha1Length = { MD5: 32, 'SHA-256': 64 } as const;

/**
 * What a vector becomes here; null when it lacks something, of which the keys are a part for a P-CSCF that waits for them
 * (`withKeys`). Its content decides, not the spelling of its scheme.
 */
function secretOf(item: AuthDataItem, asked: string, homeDomain: string, withKeys: boolean): Secret | null {
  const { rand, autn, xres, ck, ik, digest } = item;
  if (rand !== undefined && autn !== undefined && xres !== undefined) {
    const kind: AkaAlgorithm = (item.scheme ?? asked).toLowerCase().includes('akav2') ? 'AKAv2-MD5' : 'AKAv1-MD5';
    const keys = Number(ck !== undefined) + Number(ik !== undefined);
    if (keys === 1 || (keys === 0 && (kind === 'AKAv2-MD5' || withKeys))) return null;
    const password = akaPassword(kind, xres, ik ?? noOctets, ck ?? noOctets);
    return { kind, realm: homeDomain, nonce: formatAkaNonce(rand, autn), password, ha1: '', hash: 'MD5' };
  }
  if (digest === undefined) return null;
  const hash = digestHashOf(digest.algorithm ?? null);
  if (hash === null || digest.ha1.length !== ha1Length[hash]) return null;
  const nonce = randomOctets(24).toString('base64');
  return { kind: 'SIP Digest', realm: digest.realm, nonce, password: noOctets, ha1: digest.ha1, hash };
}

function challengeParameters(
  secret: Secret,
  item: AuthDataItem,
  withKeys: boolean,
  withQop: boolean,
  stale: boolean,
): DigestParameter[] {
  const algorithm = secret.kind === 'SIP Digest' ? secret.hash : secret.kind;
  const parameters: DigestParameter[] = [
    { name: 'realm', value: secret.realm, quoted: true },
    { name: 'nonce', value: secret.nonce, quoted: true },
    { name: 'algorithm', value: algorithm, quoted: false },
  ];
  if (withQop) parameters.push({ name: 'qop', value: 'auth', quoted: true });
  if (stale) parameters.push({ name: 'stale', value: 'TRUE', quoted: false });
  // Only to a P-CSCF that takes them out again. Requirement S-08.
  if (withKeys && item.ck !== undefined && item.ik !== undefined) {
    parameters.push({ name: 'ck', value: item.ck.toString('hex'), quoted: true });
    parameters.push({ name: 'ik', value: item.ik.toString('hex'), quoted: true });
  }
  return parameters;
}

/**
 * Value of Authentication-Info for a REGISTER that SIP Digest authenticated: the proof that we know the secret too. Null
 * where there is none to give. Source: RFC 7616 3.5, TS 24.229 5.4.1.2.2B; requirement S-15.
 */
export function authenticationInfo(register: RegisterRequest, challenge: Challenge | null): string | null {
  const { credentials } = register;
  const cnonce = credentials?.get('cnonce') ?? '';
  const uri = credentials?.get('uri') ?? '';
  const nc = credentials?.get('nc') ?? '';
  if (challenge === null || challenge.kind !== 'SIP Digest' || challenge.nonceCount === 0) return null;
  if (credentials?.get('nonce') !== challenge.nonce) return null;
  const rspauth = digestResponse({
    method: '',
    uri,
    nonce: challenge.nonce,
    algorithm: challenge.hash,
    qop: 'auth',
    nc,
    cnonce,
    ha1: challenge.ha1,
  });
  return formatDigest([
    { name: 'qop', value: 'auth', quoted: false },
    { name: 'rspauth', value: rspauth, quoted: true },
    { name: 'cnonce', value: cnonce, quoted: true },
    { name: 'nc', value: nc, quoted: false },
  ]).slice('Digest '.length);
}

function refuseFor(transaction: ProxyTransaction, reason: Reason, detail: string, retrySeconds: number): void {
  transaction.refuse(reason, detail, (response) => {
    if (retrySeconds > 0) response.headers.append(Header['Retry-After'], String(retrySeconds));
  });
}
