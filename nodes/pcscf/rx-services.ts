import type { MediaComponent } from '#diameter/rx/media-component';
import type { AaService, SubscriptionId } from '#diameter/rx/rx-requests';
import {
  flowStatuses,
  flowUsages,
  mediaTypes,
  requiredAccessInfos,
  rxRequestTypes,
  serviceInfoStatuses,
  sipForkingIndications,
  specificActions,
  subscriptionIdTypes,
} from '#diameter/rx/rx-values';
import type { RxConfig } from '#service/config/pcscf-config';
import { isIpAddress } from '#sip/uri/host-port';

/** What may be told beside what every PCRF needs; each of these is off, or as most PCRFs want it, by default. */
export interface RxServiceOptions {
  /** AF-Application-Identifier where the session names no service. */
  readonly applicationIdentifier: string;
  /** Whether a session is told by the service that it names; PyHSS knows none but `IMS Services`. */
  readonly namesService: boolean;
  /** Whether it stands in every component too. */
  readonly identifiesComponents: boolean;
  /** Feature-List of Feature-List-ID 1; null: no Supported-Features. */
  readonly features: number | null;
  readonly mediaActions: readonly number[];
  readonly signallingActions: readonly number[];
  readonly requiredAccessInfo: readonly number[];
  /** The APN, where the PCRF wants it. */
  readonly calledStationId: string | null;
  /** Whether Rx-Request-Type is told. */
  readonly tellsRequestType: boolean;
  /** Of Framed-IPv6-Prefix. */
  readonly ipv6PrefixLength: number;
  /** Whether the flows of signalling are described: some PCRFs insist on a rule. */
  readonly provisionsFlows: boolean;
}

/** Source: requirements D-64, D-70, P-121, Q-12. */
export const defaultRxServiceOptions: RxServiceOptions = {
  applicationIdentifier: 'IMS Services',
  namesService: true,
  identifiesComponents: false,
  features: null,
  mediaActions: [
    specificActions.INDICATION_OF_LOSS_OF_BEARER,
    specificActions.INDICATION_OF_RELEASE_OF_BEARER,
    specificActions.INDICATION_OF_FAILED_RESOURCES_ALLOCATION,
  ],
  signallingActions: [
    specificActions.INDICATION_OF_LOSS_OF_BEARER,
    specificActions.INDICATION_OF_RECOVERY_OF_BEARER,
    specificActions.INDICATION_OF_RELEASE_OF_BEARER,
  ],
  requiredAccessInfo: [],
  calledStationId: null,
  tellsRequestType: false,
  ipv6PrefixLength: 128,
  provisionsFlows: false,
};

/** The options as the configuration has them. Source: requirements D-64, D-70, P-127, Q-12. */
export function rxServiceOptionsOf(rx: RxConfig): RxServiceOptions {
  const isAsked = (what: RxConfig['report'][number]) => rx.report.includes(what);
  const reports = [
    ...(isAsked('charging') ? [specificActions.CHARGING_CORRELATION_EXCHANGE] : []),
    ...(isAsked('ip-can') ? [specificActions['IP-CAN_CHANGE']] : []),
    ...(isAsked('location') ? [specificActions.ACCESS_NETWORK_INFO_REPORT] : []),
  ];
  return {
    ...defaultRxServiceOptions,
    applicationIdentifier: rx.applicationIdentifier,
    namesService: rx.namesService,
    features: rx.features ?? null,
    mediaActions: [...reports, ...defaultRxServiceOptions.mediaActions],
    requiredAccessInfo: isAsked('location') ? Object.values(requiredAccessInfos) : [],
    calledStationId: rx.calledStationId ?? null,
    tellsRequestType: rx.requestType,
    ipv6PrefixLength: rx.ipv6PrefixLength,
    provisionsFlows: rx.describeSignalling,
  };
}

/** The UE that an Rx session is about. */
export interface RxUser {
  /** Its address on the bearer. */
  readonly address: string;
  /** Its public identities, the default one first. */
  readonly impus: readonly string[];
}

export interface MediaServiceFacts {
  readonly user: RxUser;
  readonly components: readonly MediaComponent[];
  /** Service of the session (`urn:urn-7:3gpp-service...`), null when it is not known. */
  readonly service: string | null;
  /** `icid-value` of P-Charging-Vector, null without one. */
  readonly icid: string | null;
  /** Only an offer is known yet. */
  readonly isPreliminary: boolean;
  /** Undefined: there has been one early dialog only. */
  readonly dialogs?: 'several' | 'winner' | undefined;
  /** `sos` or below it, for an emergency session. */
  readonly serviceUrn?: string | undefined;
}

/**
 * The service of a media session, as its AAR tells it.
 *
 * Source: TS 29.214 4.4.1, 4.4.2; requirements P-123, Q-12, D-64, D-70.
 */
export function mediaService(facts: MediaServiceFacts, options: RxServiceOptions = defaultRxServiceOptions): AaService {
  const service = options.namesService ? facts.service : null;
  const identifier = applicationIdentifierOf(service, options.applicationIdentifier);
  const { components } = facts;
  return {
    ...userAvps(facts.user, options),
    applicationIdentifier: identifier,
    mediaComponents: options.identifiesComponents
      ? components.map((component) => ({ ...component, applicationIdentifier: identifier }))
      : components,
    serviceInfoStatus: facts.isPreliminary ? serviceInfoStatuses.PRELIMINARY_SERVICE_INFORMATION : undefined,
    chargingIdentifier: facts.icid ?? undefined,
    forkingIndication: forkingIndicationOf(facts.dialogs),
    specificActions: options.mediaActions,
    serviceUrn: facts.serviceUrn,
  };
}

/** Addresses of the signalling of a UE: its own protected server side, and ours. */
export interface SignallingPath {
  readonly ueAddress: string;
  readonly uePort: number;
  readonly ownAddress: string;
  readonly ownPort: number;
}

/**
 * The service of a registration: the signalling bearer, as a component of number 0 without media.
 *
 * Source: TS 29.214 4.4.5, 5.3.17; requirements P-121, D-70.
 */
export function signallingService(
  user: RxUser,
  path: SignallingPath,
  options: RxServiceOptions = defaultRxServiceOptions,
): AaService {
  const signalling = { mediaType: mediaTypes.CONTROL, flowStatus: flowStatuses.ENABLED, codecData: [] };
  const protocol = { flowUsage: flowUsages.AF_SIGNALLING, signallingProtocol: 1 };
  const mark = { number: 0, ...signalling, subComponents: [{ flowNumber: 0, flowDescriptions: [], ...protocol }] };
  const flow = { flowNumber: 1, flowDescriptions: signallingFlows(path), ...protocol };
  return {
    ...userAvps(user, options),
    applicationIdentifier: options.applicationIdentifier,
    mediaComponents: options.provisionsFlows ? [mark, { number: 1, ...signalling, subComponents: [flow] }] : [mark],
    specificActions: options.signallingActions,
  };
}

function signallingFlows({ ownAddress, ownPort, ueAddress, uePort }: SignallingPath): string[] {
  return [
    `permit out ip from ${ownAddress} ${ownPort} to ${ueAddress} ${uePort}`,
    `permit in ip from ${ueAddress} ${uePort} to ${ownAddress} ${ownPort}`,
  ];
}

/** Who the UE is, and what is told of every session by configuration. Source: requirement D-70. */
function userAvps({ address, impus }: RxUser, options: RxServiceOptions) {
  const subscription = subscriptionOf(impus);
  return {
    subscriptionIds: subscription === null ? [] : [subscription],
    supportedFeatures: options.features === null ? undefined : [{ listId: 1, features: options.features }],
    framedAddress: { address, prefixLength: isIpAddress(address) === 6 ? options.ipv6PrefixLength : 32 },
    calledStationId: options.calledStationId ?? undefined,
    requestType: options.tellsRequestType ? rxRequestTypes.INITIAL_REQUEST : undefined,
    requiredAccessInfo: options.requiredAccessInfo,
  };
}

/**
 * The identity that a PCRF is told: a SIP URI whose user is a number (IMSI or MSISDN, by which PyHSS finds the
 * subscriber), else the first SIP URI, else a number; null when the user has none of these. Source: requirement D-70.
 */
export function subscriptionOf(impus: readonly string[]): SubscriptionId | null {
  const sip = impus.filter((impu) => impu.slice(0, 4).toLowerCase() === 'sip:');
  const uri = sip.find(hasNumber) ?? sip[0];
  if (uri !== undefined) return { type: subscriptionIdTypes.END_USER_SIP_URI, data: uri };
  const tel = impus.find((impu) => impu.slice(0, 4).toLowerCase() === 'tel:');
  if (tel === undefined) return null;
  const number = tel.slice(4).split(';', 1)[0]!;
  return { type: subscriptionIdTypes.END_USER_E164, data: number.startsWith('+') ? number.slice(1) : number };
}

/** Whether the user part of a `sip:` URI is digits, perhaps behind a plus. */
function hasNumber(uri: string): boolean {
  const from = uri.charCodeAt(4) === 43 ? 5 : 4;
  const at = uri.indexOf('@');
  for (let i = from; i < at; i++) {
    const c = uri.charCodeAt(i);
    if (c < 48 || c > 57) return false;
  }
  return at > from;
}

const icsiPrefix = 'urn:urn-7:3gpp-service.ims.icsi.';
const maxIdentifier = 255;

/** The ICSI of the session where it has one, else the configured text. Source: TS 29.214 5.3.5; requirement Q-12. */
export function applicationIdentifierOf(service: string | null, configured: string): string {
  const isIcsi = service?.slice(0, icsiPrefix.length).toLowerCase() === icsiPrefix;
  return service !== null && isIcsi && service.length <= maxIdentifier ? service : configured;
}

function forkingIndicationOf(dialogs: MediaServiceFacts['dialogs']): number | undefined {
  if (dialogs === undefined) return undefined;
  return dialogs === 'several' ? sipForkingIndications.SEVERAL_DIALOGUES : sipForkingIndications.SINGLE_DIALOGUE;
}
