import type { ApplicationDefinition, AvpDefinition, CommandDefinition } from './dictionary.ts';

/** The AVPs of the base protocol, and those of RFC 4005, 4590, 4006, 7683 that Cx and Rx borrow. Source: RFC 6733 4.5. */
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
  authSessionState: { name: 'Auth-Session-State', code: 277, vendor: 0, type: 'Enumerated', mandatory: true },
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
  disconnectCause: { name: 'Disconnect-Cause', code: 273, vendor: 0, type: 'Enumerated', mandatory: true },
  redirectHost: { name: 'Redirect-Host', code: 292, vendor: 0, type: 'DiameterURI', mandatory: true },
  redirectHostUsage: { name: 'Redirect-Host-Usage', code: 261, vendor: 0, type: 'Enumerated', mandatory: true },
  redirectMaxCacheTime: { name: 'Redirect-Max-Cache-Time', code: 262, vendor: 0, type: 'Unsigned32', mandatory: true },
  terminationCause: { name: 'Termination-Cause', code: 295, vendor: 0, type: 'Enumerated', mandatory: true },
  authorizationLifetime: { name: 'Authorization-Lifetime', code: 291, vendor: 0, type: 'Unsigned32', mandatory: true },
  authGracePeriod: { name: 'Auth-Grace-Period', code: 276, vendor: 0, type: 'Unsigned32', mandatory: true },
  sessionTimeout: { name: 'Session-Timeout', code: 27, vendor: 0, type: 'Unsigned32', mandatory: true },
  classAvp: { name: 'Class', code: 25, vendor: 0, type: 'OctetString', mandatory: true },
  framedIpAddress: { name: 'Framed-IP-Address', code: 8, vendor: 0, type: 'OctetString', mandatory: true },
  framedIpv6Prefix: { name: 'Framed-IPv6-Prefix', code: 97, vendor: 0, type: 'OctetString', mandatory: true },
  framedInterfaceId: { name: 'Framed-Interface-Id', code: 96, vendor: 0, type: 'Unsigned64', mandatory: true },
  calledStationId: { name: 'Called-Station-Id', code: 30, vendor: 0, type: 'UTF8String', mandatory: true },
  subscriptionId: { name: 'Subscription-Id', code: 443, vendor: 0, type: 'Grouped', mandatory: true },
  subscriptionIdType: { name: 'Subscription-Id-Type', code: 450, vendor: 0, type: 'Enumerated', mandatory: true },
  subscriptionIdData: { name: 'Subscription-Id-Data', code: 444, vendor: 0, type: 'UTF8String', mandatory: true },
  reAuthRequestType: { name: 'Re-Auth-Request-Type', code: 285, vendor: 0, type: 'Enumerated', mandatory: true },
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

/** Application 0: the messages between neighbours. Source: RFC 6733 2.4. */
export const baseApplication: ApplicationDefinition = { name: 'base', id: 0, vendor: 0, stateless: false };

/** An agent that offers it takes every application. Source: RFC 6733 2.4. */
export const RELAY_APPLICATION = 0xffffffff;

const { disconnectCause, hostIpAddress, productName, vendorId } = baseAvps;

/** Source: RFC 6733 5.3, 5.4, 5.5. */
export const baseCommands = {
  capabilitiesExchange: {
    name: 'Capabilities-Exchange',
    code: 257,
    application: baseApplication,
    required: [hostIpAddress, vendorId, productName],
  },
  deviceWatchdog: { name: 'Device-Watchdog', code: 280, application: baseApplication, required: [] },
  disconnectPeer: { name: 'Disconnect-Peer', code: 282, application: baseApplication, required: [disconnectCause] },
} as const satisfies Readonly<Record<string, CommandDefinition>>;
