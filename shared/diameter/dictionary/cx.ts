import { baseAvps } from './base.ts';
import type { ApplicationDefinition, AvpDefinition, CommandDefinition, Dictionary } from './dictionary.ts';
import { createDictionary } from './dictionary.ts';

/** The AVPs of Cx and Dx, all of vendor 10415. Source: TS 29.229 6.3. */
export const cxAvps = {
  visitedNetworkIdentifier: {
    name: 'Visited-Network-Identifier',
    code: 600,
    vendor: 10415,
    type: 'OctetString',
    mandatory: true,
  },
  publicIdentity: { name: 'Public-Identity', code: 601, vendor: 10415, type: 'UTF8String', mandatory: true },
  serverName: { name: 'Server-Name', code: 602, vendor: 10415, type: 'UTF8String', mandatory: true },
  serverCapabilities: { name: 'Server-Capabilities', code: 603, vendor: 10415, type: 'Grouped', mandatory: true },
  mandatoryCapability: { name: 'Mandatory-Capability', code: 604, vendor: 10415, type: 'Unsigned32', mandatory: true },
  optionalCapability: { name: 'Optional-Capability', code: 605, vendor: 10415, type: 'Unsigned32', mandatory: true },
  userData: { name: 'User-Data', code: 606, vendor: 10415, type: 'OctetString', mandatory: true },
  sipNumberAuthItems: { name: 'SIP-Number-Auth-Items', code: 607, vendor: 10415, type: 'Unsigned32', mandatory: true },
  sipAuthenticationScheme: {
    name: 'SIP-Authentication-Scheme',
    code: 608,
    vendor: 10415,
    type: 'UTF8String',
    mandatory: true,
  },
  sipAuthenticate: { name: 'SIP-Authenticate', code: 609, vendor: 10415, type: 'OctetString', mandatory: true },
  sipAuthorization: { name: 'SIP-Authorization', code: 610, vendor: 10415, type: 'OctetString', mandatory: true },
  sipAuthenticationContext: {
    name: 'SIP-Authentication-Context',
    code: 611,
    vendor: 10415,
    type: 'OctetString',
    mandatory: true,
  },
  sipAuthDataItem: { name: 'SIP-Auth-Data-Item', code: 612, vendor: 10415, type: 'Grouped', mandatory: true },
  sipItemNumber: { name: 'SIP-Item-Number', code: 613, vendor: 10415, type: 'Unsigned32', mandatory: true },
  serverAssignmentType: {
    name: 'Server-Assignment-Type',
    code: 614,
    vendor: 10415,
    type: 'Enumerated',
    mandatory: true,
  },
  deregistrationReason: { name: 'Deregistration-Reason', code: 615, vendor: 10415, type: 'Grouped', mandatory: true },
  reasonCode: { name: 'Reason-Code', code: 616, vendor: 10415, type: 'Enumerated', mandatory: true },
  reasonInfo: { name: 'Reason-Info', code: 617, vendor: 10415, type: 'UTF8String', mandatory: true },
  chargingInformation: { name: 'Charging-Information', code: 618, vendor: 10415, type: 'Grouped', mandatory: true },
  primaryEventChargingFunctionName: {
    name: 'Primary-Event-Charging-Function-Name',
    code: 619,
    vendor: 10415,
    type: 'DiameterURI',
    mandatory: true,
  },
  secondaryEventChargingFunctionName: {
    name: 'Secondary-Event-Charging-Function-Name',
    code: 620,
    vendor: 10415,
    type: 'DiameterURI',
    mandatory: true,
  },
  primaryChargingCollectionFunctionName: {
    name: 'Primary-Charging-Collection-Function-Name',
    code: 621,
    vendor: 10415,
    type: 'DiameterURI',
    mandatory: true,
  },
  secondaryChargingCollectionFunctionName: {
    name: 'Secondary-Charging-Collection-Function-Name',
    code: 622,
    vendor: 10415,
    type: 'DiameterURI',
    mandatory: true,
  },
  userAuthorizationType: {
    name: 'User-Authorization-Type',
    code: 623,
    vendor: 10415,
    type: 'Enumerated',
    mandatory: true,
  },
  userDataAlreadyAvailable: {
    name: 'User-Data-Already-Available',
    code: 624,
    vendor: 10415,
    type: 'Enumerated',
    mandatory: true,
  },
  confidentialityKey: { name: 'Confidentiality-Key', code: 625, vendor: 10415, type: 'OctetString', mandatory: true },
  integrityKey: { name: 'Integrity-Key', code: 626, vendor: 10415, type: 'OctetString', mandatory: true },
  supportedFeatures: { name: 'Supported-Features', code: 628, vendor: 10415, type: 'Grouped', mandatory: false },
  featureListId: { name: 'Feature-List-ID', code: 629, vendor: 10415, type: 'Unsigned32', mandatory: false },
  featureList: { name: 'Feature-List', code: 630, vendor: 10415, type: 'Unsigned32', mandatory: false },
  supportedApplications: {
    name: 'Supported-Applications',
    code: 631,
    vendor: 10415,
    type: 'Grouped',
    mandatory: false,
  },
  associatedIdentities: { name: 'Associated-Identities', code: 632, vendor: 10415, type: 'Grouped', mandatory: false },
  originatingRequest: { name: 'Originating-Request', code: 633, vendor: 10415, type: 'Enumerated', mandatory: true },
  wildcardedPublicIdentity: {
    name: 'Wildcarded-Public-Identity',
    code: 634,
    vendor: 10415,
    type: 'UTF8String',
    mandatory: false,
  },
  sipDigestAuthenticate: {
    name: 'SIP-Digest-Authenticate',
    code: 635,
    vendor: 10415,
    type: 'Grouped',
    mandatory: false,
  },
  wildcardedImpu: { name: 'Wildcarded-IMPU', code: 636, vendor: 10415, type: 'UTF8String', mandatory: false },
  uarFlags: { name: 'UAR-Flags', code: 637, vendor: 10415, type: 'Unsigned32', mandatory: false },
  looseRouteIndication: {
    name: 'Loose-Route-Indication',
    code: 638,
    vendor: 10415,
    type: 'Enumerated',
    mandatory: false,
  },
  scscfRestorationInfo: { name: 'SCSCF-Restoration-Info', code: 639, vendor: 10415, type: 'Grouped', mandatory: false },
  path: { name: 'Path', code: 640, vendor: 10415, type: 'OctetString', mandatory: false },
  contact: { name: 'Contact', code: 641, vendor: 10415, type: 'OctetString', mandatory: false },
  subscriptionInfo: { name: 'Subscription-Info', code: 642, vendor: 10415, type: 'Grouped', mandatory: false },
  callIdSipHeader: { name: 'Call-ID-SIP-Header', code: 643, vendor: 10415, type: 'OctetString', mandatory: false },
  fromSipHeader: { name: 'From-SIP-Header', code: 644, vendor: 10415, type: 'OctetString', mandatory: false },
  toSipHeader: { name: 'To-SIP-Header', code: 645, vendor: 10415, type: 'OctetString', mandatory: false },
  recordRoute: { name: 'Record-Route', code: 646, vendor: 10415, type: 'OctetString', mandatory: false },
  associatedRegisteredIdentities: {
    name: 'Associated-Registered-Identities',
    code: 647,
    vendor: 10415,
    type: 'Grouped',
    mandatory: false,
  },
  multipleRegistrationIndication: {
    name: 'Multiple-Registration-Indication',
    code: 648,
    vendor: 10415,
    type: 'Enumerated',
    mandatory: false,
  },
  restorationInfo: { name: 'Restoration-Info', code: 649, vendor: 10415, type: 'Grouped', mandatory: false },
  sessionPriority: { name: 'Session-Priority', code: 650, vendor: 10415, type: 'Enumerated', mandatory: false },
  identityWithEmergencyRegistration: {
    name: 'Identity-with-Emergency-Registration',
    code: 651,
    vendor: 10415,
    type: 'Grouped',
    mandatory: false,
  },
  priviledgedSenderIndication: {
    name: 'Priviledged-Sender-Indication',
    code: 652,
    vendor: 10415,
    type: 'Enumerated',
    mandatory: false,
  },
  liaFlags: { name: 'LIA-Flags', code: 653, vendor: 10415, type: 'Unsigned32', mandatory: false },
  initialCseqSequenceNumber: {
    name: 'Initial-CSeq-Sequence-Number',
    code: 654,
    vendor: 10415,
    type: 'Unsigned32',
    mandatory: false,
  },
  sarFlags: { name: 'SAR-Flags', code: 655, vendor: 10415, type: 'Unsigned32', mandatory: false },
  allowedWafWwsfIdentities: {
    name: 'Allowed-WAF-WWSF-Identities',
    code: 656,
    vendor: 10415,
    type: 'Grouped',
    mandatory: false,
  },
  webrtcAuthenticationFunctionName: {
    name: 'WebRTC-Authentication-Function-Name',
    code: 657,
    vendor: 10415,
    type: 'UTF8String',
    mandatory: false,
  },
  webrtcWebServerFunctionName: {
    name: 'WebRTC-Web-Server-Function-Name',
    code: 658,
    vendor: 10415,
    type: 'UTF8String',
    mandatory: false,
  },
  rtrFlags: { name: 'RTR-Flags', code: 659, vendor: 10415, type: 'Unsigned32', mandatory: false },
} as const satisfies Readonly<Record<string, AvpDefinition>>;

/** Line-Identifier of ETSI, found inside SIP-Auth-Data-Item. Source: TS 29.229 6.3.13. */
export const etsiAvps = {
  lineIdentifier: { name: 'Line-Identifier', code: 500, vendor: 13019, type: 'OctetString', mandatory: false },
} as const satisfies Readonly<Record<string, AvpDefinition>>;

/** Everything that a Cx node may meet. */
export const cxDictionary: Dictionary = createDictionary(baseAvps, cxAvps, etsiAvps);

/** Source: TS 29.229 5.3, 6.1. */
export const cxApplication: ApplicationDefinition = { name: 'Cx', id: 16777216, vendor: 10415, stateless: true };

const { authSessionState, destinationHost, destinationRealm, userName, vendorSpecificApplicationId } = baseAvps;
const { publicIdentity, serverName } = cxAvps;
const common = [vendorSpecificApplicationId, authSessionState, destinationRealm] as const;

/** The commands with what a request must carry. Source: TS 29.229 6.1. */
export const cxCommands = {
  userAuthorization: {
    name: 'User-Authorization',
    code: 300,
    application: cxApplication,
    required: [...common, userName, publicIdentity, cxAvps.visitedNetworkIdentifier],
  },
  serverAssignment: {
    name: 'Server-Assignment',
    code: 301,
    application: cxApplication,
    required: [...common, serverName, cxAvps.serverAssignmentType, cxAvps.userDataAlreadyAvailable],
  },
  locationInfo: {
    name: 'Location-Info',
    code: 302,
    application: cxApplication,
    required: [...common, publicIdentity],
  },
  multimediaAuth: {
    name: 'Multimedia-Auth',
    code: 303,
    application: cxApplication,
    required: [...common, userName, publicIdentity, cxAvps.sipAuthDataItem, cxAvps.sipNumberAuthItems, serverName],
  },
  registrationTermination: {
    name: 'Registration-Termination',
    code: 304,
    application: cxApplication,
    required: [...common, destinationHost, userName, cxAvps.deregistrationReason],
  },
  pushProfile: {
    name: 'Push-Profile',
    code: 305,
    application: cxApplication,
    required: [...common, destinationHost, userName],
  },
} as const satisfies Readonly<Record<string, CommandDefinition>>;
