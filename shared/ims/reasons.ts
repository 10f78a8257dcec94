import type { Reason } from '#sip/reasons';

const reason = (id: string, status: number, text: string): Reason => Object.freeze({ id, status, text });

/**
 * Why an IMS procedure refused a request: id, status, and the words a lab user reads in the Warning header. The same id
 * stands in the log, the metric label and the trace; docs/errors.md lists them all.
 */
export const reasons = Object.freeze({
  // Trust and access (P-03, P-04, P-70, I-01, S-01)
  untrustedPeer: reason('untrusted-peer', 403, 'the sender is not in trusted:'),
  notRegistered: reason('not-registered', 403, 'no registration came from this address and port'),
  missingContact: reason('missing-contact', 400, 'REGISTER without Contact'),
  badContact: reason('bad-contact', 400, 'Contact cannot be used'),
  badRoute: reason('service-route-mismatch', 400, 'Route differs from the Service-Route of the registration'),
  otherUsersDialog: reason('not-your-dialog', 403, 'the request belongs to no dialog of this UE'),
  noDialog: reason('no-dialog', 481, 'no such dialog, and no Route to follow'),
  accessNotSecured: reason(
    'access-not-secured',
    403,
    'the access profile of this network asks for security this request lacks',
  ),
  registerFromCore: reason('register-from-core', 403, 'REGISTER came from the core side; does trusted: cover the UEs?'),
  notHomeNetwork: reason('not-a-home-network', 403, 'the Request-URI of the REGISTER leads to no home network'),
  untrustedNextHop: reason('untrusted-next-hop', 403, 'the next hop of this request is no core node'),

  // Security agreement and IPsec (P-11, P-13, P-31, P-39 to P-44, X-I9, X-I11, X-I13)
  agreementRequired: reason(
    'security-agreement-required',
    421,
    'this network asks for a security agreement (sec-agree), which the REGISTER does not offer',
  ),
  noCommonAlgorithm: reason(
    'no-common-algorithm',
    494,
    'Security-Client offers nothing that may be used here; see ipsec.algorithms',
  ),
  agreementChanged: reason(
    'security-agreement-changed',
    494,
    'Security-Verify or Security-Client differs from what was agreed',
  ),
  noAssociation: reason('no-security-association', 403, 'no security association covers this address and port'),
  otherUsersAssociation: reason(
    'not-your-association',
    403,
    'the private identity is not that of the security association',
  ),
  contactElsewhere: reason(
    'contact-elsewhere',
    403,
    "Via or Contact is not at the UE's end of the security association",
  ),
  associationInUse: reason(
    'association-in-use',
    403,
    'a security association with these SPIs or ports lives already at this address',
  ),
  tooManyAssociations: reason('too-many-associations', 503, 'too many security associations are set up at this time'),
  keysMissing: reason('keys-missing', 500, 'the AKA challenge came without CK and IK'),
  ipsecUnavailable: reason('ipsec-unavailable', 503, 'this host cannot do IPsec; the log says why at the start'),
  ipsecFailed: reason('ipsec-failed', 503, 'the security associations cannot be set up; the log says why'),

  // Sessions that the network ends (P-110 to P-112, S-130)
  sessionEndedByOperator: reason('session-ended-by-operator', 503, 'the operator has ended this session'),
  sessionNotRefreshed: reason('session-not-refreshed', 503, 'neither end has refreshed this session in time'),
  registrationEnded: reason('registration-ended', 480, 'the registration that this session belongs to has ended'),

  // Emergency (P-131 to P-136)
  emergencyByNumber: reason(
    'emergency-by-number',
    380,
    'this number is an emergency number: the phone is to make an emergency call',
  ),
  emergencyNotRegistered: reason(
    'emergency-not-registered',
    403,
    'emergency calls of phones that are not registered are not served; see emergency.anonymous',
  ),
  emergencyMethod: reason('emergency-method', 403, 'an emergency service takes calls only; see emergency.methods'),
  emergencyUnrouted: reason(
    'emergency-unrouted',
    503,
    'nobody takes emergency calls here; see emergency.ecscf and emergency.psap',
  ),

  // The way to the home network, and what one UE may ask for (P-84, X-I21)
  homeUnreachable: reason(
    'home-unreachable',
    504,
    'the S-CSCF of this registration cannot be reached; the UE has to register anew',
  ),
  tooManyCalls: reason('too-many-calls', 503, 'this UE has too many calls without an answer; see policy.callsPerUe'),

  // Media (P-79)
  mediaNotAllowed: reason('media-not-allowed', 488, 'the policy of this network forbids what the SDP offers'),

  // Media anchoring (P-142)
  mediaNotAnchored: reason('media-not-anchored', 503, 'the media relay that this session needs cannot be used'),

  // Policy control (P-95, P-121, P-125 to P-128)
  mediaNotAuthorized: reason('media-not-authorized', 488, 'the PCRF does not accept the media of this session'),
  policyUnavailable: reason('policy-unavailable', 503, 'the PCRF did not authorize this session'),
  bearerReleased: reason('bearer-released', 503, 'the access network has taken the bearer of this session away'),
  signallingNotAuthorized: reason('signalling-not-authorized', 503, 'the PCRF did not authorize this registration'),
  signallingBearerLost: reason('signalling-bearer-lost', 480, 'the access network reports that the UE has no bearer'),

  // Reaching a UE (P-90, P-94, P-95, S-122)
  unknownToken: reason('unknown-binding', 480, 'the registration this Path belongs to is gone'),
  flowFailed: reason('flow-failed', 430, 'the connection of this registration is gone'),
  ueUnreachable: reason('ue-unreachable', 480, 'the UE cannot be reached at its registered address'),
  ueSilent: reason('ue-silent', 408, 'the UE did not answer'),

  // HSS (I-12, I-22, S-07, S-22)
  hssTimeout: reason('hss-timeout', 504, 'the HSS did not answer in time'),
  hssUnreachable: reason('hss-unreachable', 504, 'no connection to an HSS; see diameter.peers'),
  hssBusy: reason('hss-busy', 500, 'the HSS is too busy (3004)'),
  hssError: reason('hss-error', 500, 'the HSS answered with an error'),
  hssUnroutable: reason(
    'hss-unroutable',
    500,
    'the Diameter network knows no way to the HSS of this realm (3002, 3003)',
  ),
  hssMalformed: reason('hss-malformed', 500, 'the answer of the HSS cannot be used'),
  userUnknown: reason('user-unknown', 403, 'the HSS does not know this user (5001)'),
  identitiesDontMatch: reason(
    'identities-dont-match',
    403,
    'public and private identity do not belong together (5002)',
  ),
  identityNotRegistered: reason('identity-not-registered', 403, 'the HSS has this identity as not registered (5003)'),
  roamingNotAllowed: reason('roaming-not-allowed', 403, 'the HSS does not allow this visited network (5004)'),
  authorizationRejected: reason('authorization-rejected', 403, 'the HSS rejects this user (5003)'),

  // S-CSCF selection (I-13 to I-15)
  noScscf: reason('no-scscf', 600, 'no S-CSCF fits; see scscfs'),
  scscfIsSelf: reason('scscf-is-self', 482, 'the HSS names this I-CSCF as the S-CSCF'),
  noScscfAnswers: reason('no-scscf-answers', 504, 'none of the S-CSCFs answered'),

  // Location (I-03, I-20 to I-25)
  servedUserMissing: reason(
    'served-user-missing',
    400,
    'no P-Served-User or P-Asserted-Identity in an originating request',
  ),
  badIdentity: reason('bad-identity', 400, 'the identity cannot be read'),
  doesNotExist: reason('does-not-exist', 604, 'the HSS does not know the called user (5001)'),
  unknownUser: reason('unknown-user', 404, 'the HSS does not know this user (5001)'),
  calleeNotRegistered: reason('callee-not-registered', 480, 'the called user is not registered'),
  serverNameNotStored: reason('no-server-stored', 480, 'the HSS has no S-CSCF for the called user (2004)'),
  notRoutable: reason('not-routable', 404, 'no route leads to this Request-URI'),
  numberUnknown: reason('number-unknown', 404, 'no dial plan, ENUM record or BGCF leads to this telephone number'),
  emergencyNotServed: reason('emergency-not-served', 403, 'emergency calls are not served here; see routes.ecscf'),
  serviceNotAllowed: reason('service-not-allowed', 403, 'this user may not use the service the request asks for'),
  inDialogWithoutRoute: reason('in-dialog-without-route', 404, 'a request inside a dialog came without Route'),

  // Authentication (S-03 to S-14)
  foreignDomain: reason('foreign-domain', 404, 'this S-CSCF does not serve that domain'),
  authSchemeNotSupported: reason(
    'auth-scheme-not-supported',
    403,
    'the HSS does not support the authentication scheme (5006)',
  ),
  wrongResponse: reason('wrong-response', 403, 'the digest response was wrong too often'),
  macFailure: reason('mac-failure', 403, 'the UE rejected AUTN twice: K or OPc of SIM and HSS differ'),
  resyncLimit: reason('resync-limit', 403, 'too many synchronisation failures; do two AuCs share this SIM?'),
  contactNotBound: reason('contact-not-bound', 403, 'the contact of this protected REGISTER is not bound to the user'),
  tooManyChallenges: reason('too-many-challenges', 500, 'this user is challenged too often; wait some seconds'),

  // Registrar (S-22 to S-37)
  profileMissing: reason('profile-missing', 500, 'the HSS sent no User-Data'),
  profileUnusable: reason('profile-unusable', 500, 'the User-Data of the HSS cannot be read'),
  profileTooLarge: reason('profile-too-large', 500, 'the HSS has more data of this user than it may send (5008)'),
  assignmentConflict: reason('assignment-conflict', 500, 'the HSS refuses the assignment (5005, 5007)'),
  allBarred: reason('all-barred', 403, 'every public identity of this user is barred'),
  missingPath: reason('missing-path', 400, 'REGISTER without Path, which registrar.requirePath asks for'),
  intervalTooBrief: reason('interval-too-brief', 423, 'the requested registration is shorter than allowed'),
  cseqTooLow: reason('cseq-too-low', 500, 'CSeq is not higher than that of the last REGISTER'),
  tooManyContacts: reason('too-many-contacts', 403, 'too many contacts are registered'),
  storeFailed: reason('store-failed', 500, 'the registration cannot be stored'),

  // Sessions (S-41, S-81, S-83, S-84, S-126)
  noAssertedIdentity: reason('no-asserted-identity', 403, 'no P-Asserted-Identity from the P-CSCF'),
  callerBarred: reason('caller-barred', 403, 'the calling identity is barred'),
  callerNotRegistered: reason('caller-not-registered', 403, 'the calling user is not registered at this S-CSCF'),
  registrationLost: reason(
    'registration-lost',
    504,
    'this S-CSCF has lost the registration; the UE has to register anew',
  ),
  calleeBarred: reason('callee-barred', 404, 'the called identity is barred'),
  noContact: reason('no-contact', 480, 'the called user has no contact to reach'),
  addressFamilyMismatch: reason(
    'address-family-mismatch',
    488,
    'no contact of the called user has an address of the family that the SDP offers',
  ),
  unknownGruu: reason('unknown-gruu', 404, 'this GRUU was not given here, or is void'),

  // Services (S-95 to S-98, S-131)
  serverSilent: reason('application-server-silent', 408, 'an application server of the profile does not answer'),
  serverUnreachable: reason(
    'application-server-unreachable',
    504,
    'an application server of the profile cannot be reached',
  ),
  serverMalformed: reason('application-server-malformed', 502, 'the profile names an application server by no SIP URI'),
  tooManyServers: reason('too-many-servers', 482, 'the profile sends this request to too many application servers'),
  serviceOvertaken: reason(
    'service-overtaken',
    481,
    'the application server was too slow: the request has gone on without it',
  ),

  // Registration events (S-60)
  mayNotWatch: reason('may-not-watch', 403, 'who asks may not watch registrations of this user'),
  notServed: reason('not-served', 404, 'nobody with this identity is served here'),
  tooManyWatchers: reason('too-many-watchers', 403, 'too many watch this registration'),
});
