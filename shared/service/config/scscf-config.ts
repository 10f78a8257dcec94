import type {
  CommonConfig,
  DiameterConfig,
  MediaType,
  NumbersConfig,
  RoutesConfig,
  SessionTimerConfig,
  StoreConfig,
} from './config-shape.ts';

/** The configuration of an S-CSCF. */
export interface ScscfConfig extends CommonConfig {
  readonly role: 'scscf';
  readonly uri: string;
  readonly numbers: NumbersConfig;
  readonly routes: RoutesConfig;
  /** Services users may ask for; left out: all. */
  readonly allowedServices?: readonly string[];
  readonly diameter: DiameterConfig;
  readonly auth: {
    readonly defaultScheme: AuthScheme;
    readonly resyncs: number;
    readonly failures: number;
    readonly qop: boolean;
    readonly schemeSpelling: { readonly [scheme in AuthScheme]?: string };
    /** Protected REGISTERs, or seconds, after which a user has to authenticate again; left out: never. */
    readonly reauthentication: { readonly refreshes?: number; readonly seconds?: number };
  };
  readonly registrar: {
    readonly minExpires: number;
    readonly defaultExpires: number;
    readonly maxExpires: number;
    readonly maxContacts: number;
    readonly sarOnReRegistration: boolean;
    readonly requirePath: boolean;
    readonly storeServerName: boolean;
    /** What becomes of the sessions of a registration that the network ends, or that runs out. */
    readonly sessions: 'release' | 'keep';
  };
  readonly sessionTimer: SessionTimerConfig;
  readonly media: {
    /** `contact`: a contact is called only with media of the family of its own address. */
    readonly addressFamily: 'any' | 'contact';
    /** What SubscribedMediaProfileId of a service profile means. */
    readonly profiles: readonly { readonly id: number; readonly types: readonly MediaType[] }[];
  };
  /** Subscriptions to registrations; seconds. */
  readonly regEvent: {
    readonly minExpires: number;
    readonly defaultExpires: number;
    readonly maxExpires: number;
    /** SIP URIs of servers that may watch everybody. */
    readonly watchers: readonly string[];
  };
  readonly services: ServicesConfig;
  readonly sharedIfcSets: readonly SharedFilterSetConfig[];
  readonly store: StoreConfig;
}

export type AuthScheme = 'Digest-AKAv1-MD5' | 'Digest-AKAv2-MD5' | 'SIP Digest' | 'Unknown';

/** How application servers are asked. */
export interface ServicesConfig {
  /** Seconds without any response after which the session goes on without the server. */
  readonly continuedTimeout: number;
  /** Seconds without any response after which the session ends. */
  readonly terminatedTimeout: number;
  readonly recordRoute: 'ends' | 'always';
  /** Application servers that one side may send a request to. */
  readonly maxServers: number;
  /** Seconds that the profile of an unregistered user is kept. */
  readonly unregisteredProfile: number;
}

/** Filter criteria that profiles name by number. */
export interface SharedFilterSetConfig {
  readonly id: number;
  readonly criteria: readonly {
    readonly priority: number;
    readonly serverName: string;
    readonly defaultHandling: 'SESSION_CONTINUED' | 'SESSION_TERMINATED';
    readonly serviceInfo: string;
    readonly includeRegisterRequest: boolean;
    readonly includeRegisterResponse: boolean;
    readonly profilePart: 'registered' | 'unregistered' | 'both';
    readonly conditionTypeCnf: boolean;
    readonly spts: readonly SharedTriggerConfig[];
  }[];
}

/** An SPT; exactly one of method, requestUri, sessionCase, header and line. */
export interface SharedTriggerConfig {
  readonly groups: readonly number[];
  readonly negated: boolean;
  readonly method?: string;
  readonly registrationTypes: readonly number[];
  readonly requestUri?: string;
  readonly sessionCase?: number;
  readonly header?: string;
  readonly line?: string;
  readonly content?: string;
}
