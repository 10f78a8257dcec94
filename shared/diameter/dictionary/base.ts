import {
  type ApplicationDefinition,
  type AvpDefinition,
  type AvpRules,
  type CommandDefinition,
  createDictionary,
  type Dictionary,
  type GroupDefinition,
  withGroups,
} from './dictionary.ts';

/**
 * The AVPs of the base protocol, and those that Cx and Rx borrow or meet on the way: of RFC 4005 (Framed-*), RFC 4006
 * (Subscription-Id), RFC 4590 (Digest-*), RFC 7683 and 8583 (OC-*, Load), RFC 7944 (DRMP). The last three are known so
 * that they harm nobody; nothing reads them. Source: RFC 6733 4.5; requirement D-19.
 */
export const baseAvps = {
  sessionId: { name: 'Session-Id', code: 263, vendor: 0, type: 'UTF8String', mandatory: true },
  originHost: { name: 'Origin-Host', code: 264, vendor: 0, type: 'DiameterIdentity', mandatory: true },
  originRealm: { name: 'Origin-Realm', code: 296, vendor: 0, type: 'DiameterIdentity', mandatory: true },
  destinationHost: { name: 'Destination-Host', code: 293, vendor: 0, type: 'DiameterIdentity', mandatory: true },
  destinationRealm: { name: 'Destination-Realm', code: 283, vendor: 0, type: 'DiameterIdentity', mandatory: true },
  userName: { name: 'User-Name', code: 1, vendor: 0, type: 'UTF8String', mandatory: true },
  vendorSpecificApplicationId: {
    name: 'Vendor-Specific-Application-Id',
    code: 260,
    vendor: 0,
    type: 'Grouped',
    mandatory: true,
  },
  vendorId: { name: 'Vendor-Id', code: 266, vendor: 0, type: 'Unsigned32', mandatory: true },
  authApplicationId: { name: 'Auth-Application-Id', code: 258, vendor: 0, type: 'Unsigned32', mandatory: true },
  acctApplicationId: { name: 'Acct-Application-Id', code: 259, vendor: 0, type: 'Unsigned32', mandatory: true },
  authSessionState: {
    name: 'Auth-Session-State',
    code: 277,
    vendor: 0,
    type: 'Enumerated',
    mandatory: true,
    values: { STATE_MAINTAINED: 0, NO_STATE_MAINTAINED: 1 },
  },
  resultCode: { name: 'Result-Code', code: 268, vendor: 0, type: 'Unsigned32', mandatory: true },
  experimentalResult: { name: 'Experimental-Result', code: 297, vendor: 0, type: 'Grouped', mandatory: true },
  experimentalResultCode: {
    name: 'Experimental-Result-Code',
    code: 298,
    vendor: 0,
    type: 'Unsigned32',
    mandatory: true,
  },
  failedAvp: { name: 'Failed-AVP', code: 279, vendor: 0, type: 'Grouped', mandatory: true },
  errorMessage: { name: 'Error-Message', code: 281, vendor: 0, type: 'UTF8String', mandatory: false },
  errorReportingHost: {
    name: 'Error-Reporting-Host',
    code: 294,
    vendor: 0,
    type: 'DiameterIdentity',
    mandatory: false,
  },
  proxyInfo: { name: 'Proxy-Info', code: 284, vendor: 0, type: 'Grouped', mandatory: true },
  proxyHost: { name: 'Proxy-Host', code: 280, vendor: 0, type: 'DiameterIdentity', mandatory: true },
  proxyState: { name: 'Proxy-State', code: 33, vendor: 0, type: 'OctetString', mandatory: true },
  routeRecord: { name: 'Route-Record', code: 282, vendor: 0, type: 'DiameterIdentity', mandatory: true },
  originStateId: { name: 'Origin-State-Id', code: 278, vendor: 0, type: 'Unsigned32', mandatory: true },
  hostIpAddress: { name: 'Host-IP-Address', code: 257, vendor: 0, type: 'Address', mandatory: true },
  productName: { name: 'Product-Name', code: 269, vendor: 0, type: 'UTF8String', mandatory: false },
  firmwareRevision: { name: 'Firmware-Revision', code: 267, vendor: 0, type: 'Unsigned32', mandatory: false },
  supportedVendorId: { name: 'Supported-Vendor-Id', code: 265, vendor: 0, type: 'Unsigned32', mandatory: true },
  inbandSecurityId: { name: 'Inband-Security-Id', code: 299, vendor: 0, type: 'Unsigned32', mandatory: true },
  disconnectCause: {
    name: 'Disconnect-Cause',
    code: 273,
    vendor: 0,
    type: 'Enumerated',
    mandatory: true,
    values: { REBOOTING: 0, BUSY: 1, DO_NOT_WANT_TO_TALK_TO_YOU: 2 },
  },
  redirectHost: { name: 'Redirect-Host', code: 292, vendor: 0, type: 'DiameterURI', mandatory: true },
  redirectHostUsage: {
    name: 'Redirect-Host-Usage',
    code: 261,
    vendor: 0,
    type: 'Enumerated',
    mandatory: true,
    values: {
      DONT_CACHE: 0,
      ALL_SESSION: 1,
      ALL_REALM: 2,
      REALM_AND_APPLICATION: 3,
      ALL_APPLICATION: 4,
      ALL_HOST: 5,
      ALL_USER: 6,
    },
  },
  redirectMaxCacheTime: { name: 'Redirect-Max-Cache-Time', code: 262, vendor: 0, type: 'Unsigned32', mandatory: true },
  terminationCause: {
    name: 'Termination-Cause',
    code: 295,
    vendor: 0,
    type: 'Enumerated',
    mandatory: true,
    values: {
      DIAMETER_LOGOUT: 1,
      DIAMETER_SERVICE_NOT_PROVIDED: 2,
      DIAMETER_BAD_ANSWER: 3,
      DIAMETER_ADMINISTRATIVE: 4,
      DIAMETER_LINK_BROKEN: 5,
      DIAMETER_AUTH_EXPIRED: 6,
      DIAMETER_USER_MOVED: 7,
      DIAMETER_SESSION_TIMEOUT: 8,
    },
  },
  authorizationLifetime: { name: 'Authorization-Lifetime', code: 291, vendor: 0, type: 'Unsigned32', mandatory: true },
  authGracePeriod: { name: 'Auth-Grace-Period', code: 276, vendor: 0, type: 'Unsigned32', mandatory: true },
  sessionTimeout: { name: 'Session-Timeout', code: 27, vendor: 0, type: 'Unsigned32', mandatory: true },
  classAvp: { name: 'Class', code: 25, vendor: 0, type: 'OctetString', mandatory: true },
  framedIpAddress: {
    name: 'Framed-IP-Address',
    code: 8,
    vendor: 0,
    type: 'OctetString',
    mandatory: true,
    length: [4, 4],
  },
  framedIpv6Prefix: {
    name: 'Framed-IPv6-Prefix',
    code: 97,
    vendor: 0,
    type: 'OctetString',
    mandatory: true,
    length: [2, 18],
  },
  framedInterfaceId: { name: 'Framed-Interface-Id', code: 96, vendor: 0, type: 'Unsigned64', mandatory: true },
  calledStationId: { name: 'Called-Station-Id', code: 30, vendor: 0, type: 'UTF8String', mandatory: true },
  subscriptionId: { name: 'Subscription-Id', code: 443, vendor: 0, type: 'Grouped', mandatory: true },
  subscriptionIdType: {
    name: 'Subscription-Id-Type',
    code: 450,
    vendor: 0,
    type: 'Enumerated',
    mandatory: true,
    values: { END_USER_E164: 0, END_USER_IMSI: 1, END_USER_SIP_URI: 2, END_USER_NAI: 3, END_USER_PRIVATE: 4 },
  },
  subscriptionIdData: { name: 'Subscription-Id-Data', code: 444, vendor: 0, type: 'UTF8String', mandatory: true },
  reAuthRequestType: {
    name: 'Re-Auth-Request-Type',
    code: 285,
    vendor: 0,
    type: 'Enumerated',
    mandatory: true,
    values: { AUTHORIZE_ONLY: 0, AUTHORIZE_AUTHENTICATE: 1 },
  },
  eventTimestamp: { name: 'Event-Timestamp', code: 55, vendor: 0, type: 'Time', mandatory: true },
  drmp: { name: 'DRMP', code: 301, vendor: 0, type: 'Enumerated', mandatory: false },
  ocSupportedFeatures: { name: 'OC-Supported-Features', code: 621, vendor: 0, type: 'Grouped', mandatory: false },
  ocOlr: { name: 'OC-OLR', code: 623, vendor: 0, type: 'Grouped', mandatory: false },
  load: { name: 'Load', code: 650, vendor: 0, type: 'Grouped', mandatory: false },
  digestRealm: { name: 'Digest-Realm', code: 104, vendor: 0, type: 'UTF8String', mandatory: true },
  digestQop: { name: 'Digest-QoP', code: 110, vendor: 0, type: 'UTF8String', mandatory: true },
  digestAlgorithm: { name: 'Digest-Algorithm', code: 111, vendor: 0, type: 'UTF8String', mandatory: true },
  digestHa1: { name: 'Digest-HA1', code: 121, vendor: 0, type: 'UTF8String', mandatory: true },
} as const satisfies Readonly<Record<string, AvpDefinition>>;

/** The groups of the base protocol. Source: RFC 6733 6.7.2, 6.11, 7.6; RFC 8506 8.46. */
export const baseGroups: readonly GroupDefinition[] = [
  // RFC 3588 let Vendor-Id come more than once, and peers leave it out: nothing of it is asked for.
  {
    group: baseAvps.vendorSpecificApplicationId,
    required: [],
    optional: [baseAvps.vendorId, baseAvps.authApplicationId, baseAvps.acctApplicationId],
    repeated: [baseAvps.vendorId],
  },
  { group: baseAvps.experimentalResult, required: [baseAvps.vendorId, baseAvps.experimentalResultCode] },
  { group: baseAvps.proxyInfo, required: [baseAvps.proxyHost, baseAvps.proxyState] },
  { group: baseAvps.subscriptionId, required: [baseAvps.subscriptionIdType, baseAvps.subscriptionIdData] },
];

/** What peers say to each other. */
export const baseDictionary: Dictionary = withGroups(createDictionary(baseAvps), baseGroups);

/** Application 0: the messages between neighbours. Source: RFC 6733 2.4. */
export const baseApplication: ApplicationDefinition = { name: 'base', id: 0, vendor: 0, stateless: false };

/** An agent that offers it takes every application. Source: RFC 6733 2.4. */
export const RELAY_APPLICATION = 0xffffffff;

const {
  acctApplicationId,
  authApplicationId,
  disconnectCause,
  errorMessage,
  failedAvp,
  firmwareRevision,
  hostIpAddress,
  inbandSecurityId,
  originStateId,
  productName,
  supportedVendorId,
  vendorId,
  vendorSpecificApplicationId,
} = baseAvps;
const capabilities = {
  required: [hostIpAddress, vendorId, productName],
  optional: [
    originStateId,
    supportedVendorId,
    authApplicationId,
    inbandSecurityId,
    acctApplicationId,
    vendorSpecificApplicationId,
    firmwareRevision,
  ],
  repeated: [
    hostIpAddress,
    supportedVendorId,
    authApplicationId,
    inbandSecurityId,
    acctApplicationId,
    vendorSpecificApplicationId,
  ],
} as const;
const errors = [errorMessage, failedAvp] as const;

/** Source: RFC 6733 5.3, 5.4, 5.5. */
export const baseCommands = {
  capabilitiesExchange: {
    name: 'Capabilities-Exchange',
    code: 257,
    application: baseApplication,
    ...capabilities,
    answer: { ...capabilities, optional: [...capabilities.optional, ...errors] },
  },
  deviceWatchdog: {
    name: 'Device-Watchdog',
    code: 280,
    application: baseApplication,
    required: [],
    optional: [originStateId],
    answer: { required: [], optional: [...errors, originStateId] },
  },
  disconnectPeer: {
    name: 'Disconnect-Peer',
    code: 282,
    application: baseApplication,
    required: [disconnectCause],
    optional: [],
    answer: { required: [], optional: errors },
  },
} as const satisfies Readonly<Record<string, CommandDefinition>>;

/** What any request of a session may carry beside what its command's row names. Source: RFC 6733 6.1, 6.7; RFC 7944. */
export const sessionRules: AvpRules = {
  required: [baseAvps.originHost, baseAvps.originRealm],
  optional: [
    baseAvps.sessionId,
    baseAvps.drmp,
    vendorSpecificApplicationId,
    baseAvps.authSessionState,
    baseAvps.destinationHost,
    baseAvps.destinationRealm,
    originStateId,
    baseAvps.userName,
    baseAvps.ocSupportedFeatures,
    baseAvps.proxyInfo,
    baseAvps.routeRecord,
  ],
  repeated: [baseAvps.proxyInfo, baseAvps.routeRecord],
};
